"""Functions of one name in both: values, gradients, types and conventions, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle_cases as cases
import pytest
import torch

import deepglass as dg

INF, NAN = float("inf"), float("nan")

# Function, further arguments, keywords; every one is tried on every array it takes.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *((name, (), {}) for name in (
        "abs", "floor", "ceil", "trunc", "round", "square", "reciprocal", "exp", "expm1",
        "log1p", "log2", "log10", "sin", "cos", "erf", "sum", "mean", "prod", "amin", "amax", "min",
        "max", "argmin", "argmax", "any", "all", "var", "std", "isnan", "isinf", "isfinite",
        "logical_not", "norm",
    )),
    *((name, (dim,), {}) for dim in (0, -1) for name in (
        "sum", "mean", "prod", "amin", "amax", "min", "max", "argmin", "argmax", "any", "all",
        "var", "std", "logsumexp", "cumsum", "cumprod",
    )),
    *((name, (1, True), {}) for name in (
        "sum", "mean", "prod", "amin", "min", "argmin", "any", "all", "logsumexp",
    )),
    *((name, ((0, 2),), {}) for name in ("sum", "mean", "amin", "amax", "any", "all", "logsumexp")),
    ("round", (), {"decimals": 2}), ("round", (), {"decimals": -1}),
    ("clamp", (-1, 2), {}), ("clamp", (), {"min": 0.5}), ("clamp", (), {"max": 0.5}),
    ("clip", (-1,), {"max": 1}), ("clamp", (2, -1), {}), ("clamp_min", (0,), {}),
    ("clamp_max", (0,), {}),
    *(("pow", (n,), {}) for n in (0, 1, 2, 3, 4, 7, -1, -3, 0.5, -0.5, 2.0, 2.5, -1.3)),
    *((name, (n,), {}) for n in (2, -3, 0.75) for name in ("remainder",)),
    *(("norm", (p,), {}) for p in (0, 1, 2, 3, 0.5, 1.5, INF, -INF, "fro")),
    *(("norm", (p, 1, True), {}) for p in (1, 2, 2.5, INF)),
    ("var", (), {"dim": (0, 2), "correction": 0}),
    ("std", (1,), {"correction": 2, "keepdim": True}),
    ("sum", (1,), {"dtype": "float32"}), ("mean", (), {"dtype": "float32"}),
    ("prod", (1,), {"dtype": "float32"}), ("cumsum", (0,), {"dtype": "float32"}),
]  # fmt: skip

ARRAYS = {
    "positive": np.random.default_rng(0).uniform(0.2, 3, (2, 3, 5)),
    "mixed": np.random.default_rng(1).uniform(-3, 3, (5, 3, 2)),
    "ties": np.random.default_rng(2).integers(-2, 3, (3, 2, 7)) / 2,
    "zeros": np.zeros((2, 3, 5)),
    "odd": np.array([[[0.0, -0.0, 1.0, -1.0], [INF, 2.0, -INF, 0.5], [NAN, 1e-30, 3.0, -2.5]]]),
    "whole": np.random.default_rng(3).integers(-4, 5, (2, 3, 5)),
    "truth": np.random.default_rng(4).random((2, 3, 5)) < 0.5,
}
FLOATS = ("positive", "mixed", "ties", "zeros")


def call(namespace: Any, x: Any, name: str, args: Any, keywords: dict[str, Any]) -> list[Any]:
    """The results of a call, as a list."""
    if namespace is torch and "dtype" in keywords:
        keywords = {**keywords, "dtype": getattr(torch, keywords["dtype"])}
    result = getattr(namespace, name)(x, *args, **keywords)
    return list(result) if isinstance(result, tuple) else [result]


def _compare(ours: Any, theirs: Any, what: str = "result") -> None:
    a, b = ours.numpy(), theirs.detach().numpy()
    assert (a.dtype, a.shape) == (b.dtype, b.shape), what
    limit = 1e-6 if a.dtype == np.float32 else cases.LIMIT
    assert cases.relative_difference(a, b) <= limit, what


@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("entry", CALLS, ids=lambda e: f"{e[0]}{e[1]}{e[2] or ''}")
def test_function(entry: tuple[str, Any, Any], array: str) -> None:
    name = entry[0]
    try:
        expected = call(torch, torch.tensor(ARRAYS[array]), *entry)
    except (RuntimeError, NotImplementedError):
        return _refused_by_pytorch(name, array)
    got = call(dg, dg.tensor(ARRAYS[array]), *entry)
    for k, (a, b) in enumerate(zip(got, expected, strict=True)):
        _compare(a, b, f"result {k}")
    if name == "norm" and 0 in entry[1]:
        return  # counting has no gradient
    if array in FLOATS and got[0].dtype.is_float and expected[0].dtype.is_floating_point:
        _compare_gradients(entry, array)


# PyTorch refuses whole numbers and truth values here.
ONLY_FLOATS = {"mean", "var", "std", "norm"}
REFUSED = {
    ("pow", "whole"), ("pow", "truth"), ("round", "whole"), ("round", "truth"), ("abs", "truth"),
    ("floor", "truth"), ("ceil", "truth"), ("trunc", "truth"), ("argmin", "truth"),
    ("argmax", "truth"),
}  # fmt: skip


def _refused_by_pytorch(name: str, array: str) -> None:
    assert array in ("whole", "truth")
    assert name in ONLY_FLOATS or (name, array) in REFUSED


def _compare_gradients(entry: Any, array: str) -> None:
    rng = np.random.default_rng(5)
    ours = dg.tensor(ARRAYS[array], requires_grad=True)
    theirs = torch.tensor(ARRAYS[array], requires_grad=True)
    a, b = call(dg, ours, *entry)[0], call(torch, theirs, *entry)[0]
    if not b.requires_grad:
        return
    weights = rng.uniform(-1, 1, a.shape).astype(a.dtype.numpy)
    a.backward(gradient=weights)
    b.backward(torch.tensor(weights))
    single = "dtype" in entry[2]
    difference = cases.relative_difference(ours.grad.numpy(), theirs.grad.numpy())
    assert difference <= (1e-6 if single else cases.LIMIT)


def test_sign() -> None:
    """PyTorch takes truth values too, and returns them."""
    for array in set(ARRAYS) - {"truth"}:
        got, expected = dg.sign(ARRAYS[array]), torch.sign(torch.tensor(ARRAYS[array]))
        _compare(got, expected)
    assert dg.grad(lambda x: x.sign().sum())(dg.tensor(ARRAYS["ties"])).numpy().any() is np.False_


PAIRS = ("maximum", "minimum", "logaddexp", "remainder", "pow", "logical_and", "logical_or",
         "logical_xor", "heaviside", "clamp_min", "clamp_max")  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name: str) -> None:
    values = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.75, 3.0, INF, -INF, NAN]
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    got, expected = getattr(dg, name)(x, y), getattr(torch, name)(torch.tensor(x), torch.tensor(y))
    _compare(got, expected)


@pytest.mark.parametrize("name", ["pow", "remainder", "floor_divide", "bitwise_and", "bitwise_or",
                                  "bitwise_xor", "maximum", "minimum"])  # fmt: skip
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_pairs_of_whole_numbers(name: str, dtype: str) -> None:
    x, y = (a.ravel() for a in np.meshgrid(np.arange(-7, 8), np.arange(1, 6)))
    x, y = (np.abs(a) if dtype == "uint8" else a for a in (x, y))
    x, y = x.astype(dtype), y.astype(dtype)
    got, expected = getattr(dg, name)(x, y), getattr(torch, name)(torch.tensor(x), torch.tensor(y))
    _compare(got, expected)


def test_second_order_conventions() -> None:
    """The gradient of the gradient where it is a matter of convention."""
    for name, args, array in (
        ("pow", (3,), "zeros"), ("pow", (2.5,), "positive"), ("norm", (2, 1), "positive"),
        ("norm", (3, 1), "mixed"), ("logsumexp", (1,), "ties"), ("std", (1,), "mixed"),
        ("prod", (1,), "ties"), ("cumprod", (1,), "ties"), ("abs", (), "ties"), ("clamp", (-1, 1),
        "ties"), ("erf", (), "mixed"), ("log1p", (), "positive"), ("var", (1,), "ties"),
    ):  # fmt: skip
        ours = dg.tensor(ARRAYS[array])
        theirs = torch.tensor(ARRAYS[array], requires_grad=True)

        def value(x: Any, namespace: Any = dg, name: Any = name, args: Any = args) -> Any:
            y = getattr(namespace, name)(x, *args)
            return (y * y * x.sum()).sum()

        found = dg.grad(lambda x: (dg.grad(value)(x) ** 2).sum())(ours).numpy()
        (slope,) = torch.autograd.grad(value(theirs, torch), theirs, create_graph=True)
        (wanted,) = torch.autograd.grad((slope**2).sum(), theirs)
        assert cases.relative_difference(found, wanted.numpy()) <= cases.LIMIT, (name, array)
