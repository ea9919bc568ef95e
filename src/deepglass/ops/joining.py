"""Putting tensors together along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.kinds import Pull
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .elementwise import unify
from .movement import axis_of, unsqueeze
from .samples import cases
from .slicing import SLICE


def _concat_type(*xs: TensorType, dim: int) -> TensorType:
    first = xs[0]
    for x in xs[1:]:
        if x.dtype is not first.dtype:
            raise DTypeError(f"cat: one element type; got {first} and {x}. Convert one first.")
        if x.shape[:dim] + x.shape[dim + 1 :] != first.shape[:dim] + first.shape[dim + 1 :]:
            raise ShapeError(f"cat: shapes agree except along dim {dim}; got {first} and {x}.")
    total = sum(x.shape[dim] for x in xs)
    return TensorType((*first.shape[:dim], total, *first.shape[dim + 1 :]), first.dtype)


def _concat_rule(b: Any, i: Any, *reads: Any, types: Any, dim: int) -> Any:
    """The last piece outermost: each piece covers what lies before the next one's start."""
    starts = [0, *accumulate(t.shape[dim] for t in types)]
    k = i[dim]
    result = None
    for read, start, stop in zip(reads, starts, starts[1:], strict=False):
        at = [*i[:dim], b.sub(k, b.const(start, like=k)), *i[dim + 1 :]]
        inside = b.logical_and(b.ge(k, b.const(start, like=k)), b.lt(k, b.const(stop, like=k)))
        piece = b.guard(inside, partial(read, at), 0)
        result = piece if result is None else b.where(inside, piece, result)
    return result


def _concat_part(position: int) -> Callable[..., Tensor]:
    def rule(g: Tensor, y: Tensor, *xs: Tensor, dim: int) -> Tensor:
        start = sum(x.shape[dim] for x in xs[:position])
        ranges = [(0, n, 1) for n in g.shape]
        ranges[dim] = (start, start + xs[position].shape[dim], 1)
        return apply(SLICE, g, ranges=tuple(ranges))

    return rule


MAX_PIECES = 64

CONCAT = Op(
    name="concat",
    infer=_concat_type,
    reference=lambda *xs, dim: np.concatenate(xs, dim),
    kernel=Pull(_concat_rule),
    gradient=tuple(_concat_part(k) for k in range(MAX_PIECES)),
    samples=cases(
        (((2,), (3,)), {"dim": 0}),
        (((2, 3), (2, 5)), {"dim": 1}),
        (((2, 3), (1, 3), (0, 3)), {"dim": 0}),
        (((5,),), {"dim": 0}),
        (((3, 20), (3, 17)), {"dim": 1}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)), np.ones((3, 3))), {"dim": 1}, ShapeError, "agree"),
        Misuse((np.ones(2), np.array([1])), {"dim": 0}, DTypeError, "one element type"),
    ),
    doc="The inputs one after another along the axis dim.",
)


def cat(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """Return the tensors joined along axis ``dim``.

    Args:
        tensors: at least one; equal shapes except along ``dim``. Several element types meet as
            in arithmetic.

    >>> cat([Tensor([1, 2]), Tensor([3])])
    tensor([1, 2, 3])
    """
    if not tensors:
        raise ShapeError("cat: at least one tensor is needed; got none.")
    parts = unify(tuple(tensors))
    axis = axis_of("cat", dim, parts[0].ndim)
    while len(parts) > 1:
        groups = [parts[k : k + MAX_PIECES] for k in range(0, len(parts), MAX_PIECES)]
        parts = [apply(CONCAT, *group, dim=axis) for group in groups]
    return parts[0]


def stack(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """Return the tensors side by side along a new axis ``dim``.

    Args:
        tensors: at least one, all of one shape.
        dim: where the new axis stands in the result.

    >>> stack([Tensor([1, 2]), Tensor([3, 4])], 1)
    tensor([[1, 3],
            [2, 4]])
    """
    parts = [as_tensor(x) for x in tensors]
    for x in parts[1:]:
        if x.shape != parts[0].shape:
            raise ShapeError(
                f"stack: all shapes are the same; got {parts[0].shape} and {x.shape}. Use cat to "
                "join along an axis there is."
            )
    return cat([unsqueeze(x, dim) for x in parts], dim)
