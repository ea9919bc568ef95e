"""Axes made longer or shorter, the op behind interpolation and pooling to a given size.

Every element of the new axis is a weighted sum of a few elements of the old one, which a
`Resampling` names. Read the other way round the same weights are the gradient, so one op
serves both directions, and neither adds to places in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply
from ..graph.types import TensorType
from .elementwise import ne, where
from .reduction import sum
from .samples import real
from .selecting import index_select


@dataclass(frozen=True)
class Resampling:
    """How an axis becomes longer or shorter.

    Attributes:
        mode: "nearest", "linear", or "area" for the mean over all that an element covers.
        length: elements of the axis.
        count: elements of the axis it becomes.
        scale: elements of the former to one of the latter; "area" needs none.
        align_corners: for "linear", whether the first and the last elements stay where they are;
            else the elements are squares that fill the same space.
        backwards: from the new axis to the old one, with the same weights: the gradient.
    """

    mode: str
    length: int
    count: int
    scale: float = 1.0
    align_corners: bool = False
    backwards: bool = False

    @property
    def ends(self) -> tuple[int, int]:
        """The lengths of the axis before and after."""
        return (self.count, self.length) if self.backwards else (self.length, self.count)


@lru_cache(maxsize=64)
def _table(rule: Resampling, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which elements make up each new one, and their weights: (new elements, terms) both.

    "nearest" computes positions in float32 and "linear" in the element type, as PyTorch does, so
    that both pick the same elements.
    """
    if rule.backwards:
        return _transposed(*_table(replace(rule, backwards=False), dtype), rule.length)
    new, last = np.arange(rule.count), rule.length - 1
    if rule.mode == "area":
        return covered(rule.length, rule.count)
    if rule.mode == "nearest":
        at = np.floor(new.astype(np.float32) * np.float32(rule.scale)).astype(np.int64)
        return np.minimum(at, last)[:, None], np.ones((rule.count, 1))
    scale = dtype.type(rule.scale)
    half = dtype.type(0 if rule.align_corners else 0.5)
    place = np.maximum((new.astype(dtype) + half) * scale - half, 0)
    low = np.minimum(place.astype(np.int64), last)
    share = np.clip(place - low, 0, 1)
    return np.stack([low, np.minimum(low + 1, last)], 1), np.stack([1 - share, share], 1)


def covered(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``length`` elements each of ``count`` new ones covers, and the weights of their
    mean; shorter ones name their last element again, with weight 0."""
    new = np.arange(count)
    start, end = new * length // count, -(-(new + 1) * length // count)
    index = start[:, None] + np.arange((end - start).max())
    weight = (index < end[:, None]) / (end - start)[:, None]
    return np.minimum(index, end[:, None] - 1), weight


def _transposed(
    index: np.ndarray, weight: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each old element the new ones it is part of; terms that are missing weigh 0."""
    new, term = np.nonzero(weight)
    old = index[new, term]
    order = np.argsort(old, kind="stable")
    new, old, weights = new[order], old[order], weight[new, term][order]
    counts = np.bincount(old, minlength=length)
    place = np.arange(len(old)) - (np.cumsum(counts) - counts)[old]
    shape = (length, int(counts.max()))
    indices, factors = np.zeros(shape, np.int64), np.zeros(shape)
    indices[old, place], factors[old, place] = new, weights
    return indices, factors


def _resample_type(x: TensorType, dim: int, rule: Resampling) -> TensorType:
    before, after = rule.ends
    if not x.dtype.is_float or x.shape[dim] != before:
        raise ShapeError(
            f"resample: axis {dim} holds {before} floats; got {x}. Make the rule for this shape."
        )
    return TensorType((*x.shape[:dim], after, *x.shape[dim + 1 :]), x.dtype)


def _resample_reference(x: np.ndarray, dim: int, rule: Resampling) -> np.ndarray:
    total = np.zeros((*x.shape[:dim], rule.ends[1], *x.shape[dim + 1 :]), x.dtype)
    for positions, weights in zip(*(t.T for t in _table(rule, x.dtype)), strict=True):
        factor = weights.reshape(-1, *[1] * (x.ndim - dim - 1)).astype(x.dtype)
        part = np.take(x, positions, dim) * factor
        total += part if factor.all() else np.where(factor != 0, part, x.dtype.type(0))
    return total


def _resampled(x: Tensor, dim: int, rule: Resampling) -> Tensor:
    """What weighs nothing is left out, so that no infinity next door becomes NaN."""
    index, weight = _table(rule, x.dtype.numpy)
    if weight.shape[1] == 1 and (weight == 1).all():
        return index_select(x, dim, Tensor(index[:, 0]))
    factor = Tensor(weight.reshape(*weight.shape, *[1] * (x.ndim - dim - 1)), x.dtype)
    parts = index_select(x, dim, Tensor(index)) * factor
    return sum(parts if weight.all() else where(ne(factor, 0), parts, 0), dim + 1)


_RULES = (
    Resampling("nearest", 5, 7, 5 / 7), Resampling("nearest", 7, 3, 7 / 3),
    Resampling("linear", 5, 12, 5 / 12), Resampling("linear", 7, 3, 7 / 3),
    Resampling("linear", 5, 7, 4 / 6, align_corners=True), Resampling("area", 7, 3),
    Resampling("area", 3, 5),
)  # fmt: skip


def _resample_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for dim, rule in enumerate((*_RULES, *(replace(r, backwards=True) for r in _RULES))):
        shape = [2, 3, 4]
        shape[dim % 3] = rule.ends[0]
        yield Sample((real(rng, tuple(shape)),), {"dim": dim % 3, "rule": rule})
    yield Sample((real(rng, (0, 5)),), {"dim": 1, "rule": _RULES[0]})


RESAMPLE: Op = Op(
    name="resample",
    infer=_resample_type,
    reference=_resample_reference,
    kernel=Composite(_resampled),
    gradient=(
        lambda g, y, x, dim, rule: apply(
            RESAMPLE, g, dim=dim, rule=replace(rule, backwards=not rule.backwards)
        ),
    ),
    samples=_resample_samples,
    misuses=(
        Misuse((np.ones((2, 7)),), {"dim": 1, "rule": _RULES[0]}, ShapeError, "holds 5 floats"),
        Misuse((np.ones((2, 5), int),), {"dim": 1, "rule": _RULES[0]}, ShapeError, "got int64"),
    ),
    notation="resample({0}, {dim})",
    doc="Each element along axis dim a weighted sum of a few of x, as a rule says.",
)
