"""Values and gradients of every op on PyTorch's own test samples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import opinfo
import pytest
import torch

import deepglass as dg

# Greatest difference, relative to the largest value of an array.
LIMITS = {torch.float64: 1e-7, torch.float32: 3e-5}

# Convolutions and products of float32 sum in another order than PyTorch's.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_every_name_is_served_or_listed() -> None:
    names = opinfo.unmapped()
    assert len(set(names)) == len(names)
    assert set(names) <= set(opinfo.INFOS)
    assert len(opinfo.mapped()) >= 91


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", opinfo.mapped())
def test_opinfo(name: str, dtype: torch.dtype) -> None:
    info = opinfo.INFOS[name]
    if not info.supports_dtype(dtype, "cpu"):
        dtype = torch.int64
    count = 0
    for number, sample in enumerate(opinfo.samples(name, dtype)):
        compare(f"{name}, sample {number}", name, info, sample, LIMITS.get(dtype, 0.0))
        count += 1
    assert count


def compare(what: str, name: str, info: Any, sample: Any, limit: float) -> None:
    theirs = (sample.input, sample.args, sample.kwargs)
    leaves: list[tuple[torch.Tensor, dg.Tensor]] = []
    ours = opinfo.as_ours(theirs, leaves)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = _flat(info.op(theirs[0], *theirs[1], **theirs[2]))
    got = _flat(opinfo.function_of(name)(ours[0], *ours[1], **ours[2]))
    assert len(got) == len(expected), f"{what}: {len(got)} results instead of {len(expected)}"
    for g, e in zip(got, expected, strict=True):
        _close(f"{what}, value", _array(g), _array(e), limit)
    pairs = [
        (g, e)
        for g, e in zip(got, expected, strict=True)
        if isinstance(e, torch.Tensor) and e.requires_grad
    ]
    if not pairs or not leaves:
        return
    cotangents = [np.cos(np.arange(e.numel())).reshape(e.shape) for _, e in pairs]
    total: Any = 0.0
    for (g, _), c in zip(pairs, cotangents, strict=True):
        total = total + (g * dg.tensor(c).to(g.dtype)).sum()
    found = torch.autograd.grad(
        [e for _, e in pairs],
        [t for t, _ in leaves],
        [torch.tensor(c, dtype=e.dtype) for (_, e), c in zip(pairs, cotangents, strict=True)],
        allow_unused=True,
    )
    if total.requires_grad:
        total.backward()
    for k, ((_, leaf), e) in enumerate(zip(leaves, found, strict=True)):
        g = np.zeros(leaf.shape, leaf.dtype.numpy) if leaf.grad is None else leaf.grad.numpy()
        wanted = np.zeros_like(g) if e is None else e.detach().numpy()
        _close(f"{what}, gradient {k}", g, wanted, limit)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [part for v in value for part in _flat(v)]
    return [value]


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    return value.numpy() if isinstance(value, dg.Tensor) else np.asarray(value)


def _close(what: str, got: np.ndarray, expected: np.ndarray, limit: float) -> None:
    assert got.shape == expected.shape, f"{what}: shape {got.shape} instead of {expected.shape}"
    assert got.dtype == expected.dtype, f"{what}: {got.dtype} instead of {expected.dtype}"
    if got.dtype.kind != "f":
        assert np.array_equal(got, expected), f"{what}: {got} instead of {expected}"
        return
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(got.astype(float) - expected))
    largest = np.abs(np.where(np.isfinite(expected), expected, 0.0)).max(initial=0.0)
    worst = float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))
    assert worst <= limit * max(float(largest), 1e-30) or worst <= limit, (
        f"{what}: {worst:.3g} apart where the largest value is {largest:.3g}"
    )
