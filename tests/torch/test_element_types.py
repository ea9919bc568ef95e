"""Element types beside PyTorch's: where they meet, what becomes of numbers, ops on halves."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

import deepglass as dg
from deepglass.graph.op import REGISTRY
from deepglass.graph.types import DTYPES, DType, promote

PAIRS = list(product(DTYPES.values(), DTYPES.values()))
HALVES = ["float16", "bfloat16"]


def theirs(dtype: DType | str) -> torch.dtype:
    found = getattr(torch, str(dtype))
    assert isinstance(found, torch.dtype)
    return found


def meet(a: DType, b: DType) -> torch.dtype | None:
    try:
        return torch.promote_types(theirs(a), theirs(b))
    except RuntimeError:  # uint16, uint32 and uint64 beside other integers
        return None


def test_types_meet_where_pytorch_lets_them_meet() -> None:
    found = {(a, b): meet(a, b) for a, b in PAIRS}
    assert sum(t is None for t in found.values()) == 42
    for (a, b), expected in found.items():
        if expected is not None:
            assert theirs(promote(a, b)) is expected, (a, b)


@pytest.mark.parametrize("number", [True, 3, 2.5])
def test_python_numbers_give_way_as_in_pytorch(number: Any) -> None:
    for dtype in DTYPES.values():
        expected = torch.result_type(torch.ones(2, dtype=theirs(dtype)), number)
        assert theirs(dg.maximum(dg.ones(2, dtype=dtype), number).dtype) is expected, dtype


@pytest.mark.parametrize("half", HALVES)
def test_conversions_to_halves(half: str) -> None:
    rng = np.random.default_rng(0)
    numbers = [
        rng.integers(0, 2**32, 100_000, np.uint32).view(np.float32),
        rng.standard_normal(50_000) * 10.0 ** rng.integers(-9, 6, 50_000),
        1 + np.arange(2**13) * 2.0**-12 + 2.0**-40,  # float64 beside the middle of two halves
        rng.integers(-(2**31), 2**31, 50_000),
        rng.integers(-(2**63), 2**63 - 1, 50_000),
    ]
    for x in numbers:
        expected = torch.from_numpy(x).to(theirs(half)).view(torch.int16).numpy()
        got = dg.tensor(x).to(half).numpy().view(np.int16)
        number = ~np.isnan(x)
        assert np.array_equal(got[number], expected[number])
        native = dg.compile(lambda x: x.to(half), backend="native")(x).numpy().view(np.int16)
        assert np.array_equal(native[number], expected[number])


OPS = ["add", "sub", "mul", "div", "neg", "exp", "log", "sqrt", "tanh", "sigmoid", "maximum"]


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", OPS)
def test_elementwise_ops_on_halves(name: str, half: str) -> None:
    """Equal, but for a unit in the last place where exp and their like differ in float32."""
    rng = np.random.default_rng(0)
    count = len(REGISTRY[name].gradient)
    arrays = [rng.uniform(0.1, 4, 5000).astype(np.float32) for _ in range(count)]
    expected = getattr(torch, name)(*[torch.from_numpy(a).to(theirs(half)) for a in arrays])
    bits = getattr(dg, name)(*[dg.tensor(a, dtype=half) for a in arrays]).numpy().view(np.int16)
    apart = np.abs(bits.astype(int) - expected.view(torch.int16).numpy().astype(int))
    assert apart.max() <= (1 if name in ("exp", "log", "tanh", "sigmoid") else 0)
    assert (apart > 0).mean() < 0.001


@pytest.mark.parametrize("half", HALVES)
def test_sums_and_products_of_halves(half: str) -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((17, 300), (300, 19)))
    ours = [dg.tensor(a, dtype=half) for a in (x, w)]
    beside = [torch.from_numpy(a).to(theirs(half)) for a in (x, w)]
    unit = 2.0 ** (-10 if half == "float16" else -7)
    for got, expected in (
        (ours[0] @ ours[1], beside[0] @ beside[1]), (ours[0].sum(1), beside[0].sum(1)),
        (dg.softmax(ours[0]), beside[0].softmax(1)), (ours[0].mean(0), beside[0].mean(0)),
    ):  # fmt: skip
        assert theirs(got.dtype) is expected.dtype
        np.testing.assert_allclose(
            got.double().numpy(), expected.double().numpy(), rtol=unit, atol=1e-5
        )
