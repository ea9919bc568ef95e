"""Sums and products that run along an axis, and the product of all, by doubling.

Adding to every element the one 1, 2, 4, ... places before it leaves each with the sum of all
up to it (Hillis and Steele, 1986). A long axis is cut into blocks, and what came before a
block is added to all of it. Multiplying two halves leaves half as many elements. All of it is
made of ops that exist, compile and have gradients to every order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType, dtype_of
from .elementwise import add, mul, to
from .movement import axis_of, broadcast_to, reshape
from .reduction import reduced_shape, sum_dtype
from .samples import ONE_AXIS, real
from .slicing import PAD, SLICE


def _part(
    x: Tensor, dim: int, start: int, stop: int, before: int = 0, after: int = 0, value: int = 0
) -> Tensor:
    """The elements from start to stop along an axis, with ``value`` before and after them."""
    ranges = [(0, n, 1) for n in x.shape]
    ranges[dim] = (start, stop, 1)
    part = apply(SLICE, x, ranges=tuple(ranges))
    if not before and not after:
        return part
    widths = [(0, 0, 0)] * x.ndim
    widths[dim] = (before, after, 0)
    return apply(PAD, part, widths=tuple(widths), value=value)


BLOCK = 8  # so many elements are summed by doubling; more of them in blocks


def _running(
    x: Tensor, dim: int, reverse: bool, combine: Callable[..., Tensor], neutral: int
) -> Tensor:
    """Combine each element with all before it, or after it if reversed."""
    n = x.shape[dim]
    if n <= BLOCK:
        return _doubled(x, dim, reverse, combine, neutral)
    count = -(-n // BLOCK)
    missing = count * BLOCK - n
    before, after = (missing, 0) if reverse else (0, missing)
    whole = _part(x, dim, 0, n, before, after, neutral)
    blocks = reshape(whole, *x.shape[:dim], count, BLOCK, *x.shape[dim + 1 :])
    inside = _doubled(blocks, dim + 1, reverse, combine, neutral)
    last = 0 if reverse else BLOCK - 1
    totals = reshape(
        _part(inside, dim + 1, last, last + 1), *x.shape[:dim], count, *x.shape[dim + 1 :]
    )
    earlier = _moved(_running(totals, dim, reverse, combine, neutral), dim, 1, reverse, neutral)
    earlier = reshape(earlier, *x.shape[:dim], count, 1, *x.shape[dim + 1 :])
    result = combine(inside, broadcast_to(earlier, inside.shape))
    return _part(reshape(result, whole.shape), dim, before, before + n)


def _doubled(
    x: Tensor, dim: int, reverse: bool, combine: Callable[..., Tensor], neutral: int
) -> Tensor:
    distance = 1
    while distance < x.shape[dim]:
        x = combine(x, _moved(x, dim, distance, reverse, neutral))
        distance *= 2
    return x


def _moved(x: Tensor, dim: int, distance: int, reverse: bool, neutral: int) -> Tensor:
    """Each element ``distance`` places further along an axis, or back if reversed."""
    n = x.shape[dim]
    if reverse:
        return _part(x, dim, distance, n, after=distance, value=neutral)
    return _part(x, dim, 0, n - distance, before=distance, value=neutral)


def _cumsum_type(x: TensorType, dim: int, reverse: bool) -> TensorType:
    if not 0 <= dim < len(x.shape):
        raise ShapeError(f"cumsum: dim is an axis from 0 to {len(x.shape) - 1}; got {dim} for {x}.")
    return TensorType(x.shape, sum_dtype(x.dtype))


def _cumsum_reference(x: np.ndarray, dim: int, reverse: bool) -> np.ndarray:
    x = np.flip(x, dim) if reverse else x
    sums = np.cumsum(x, dim, dtype=sum_dtype(dtype_of(x.dtype)).numpy)
    return np.flip(sums, dim) if reverse else sums


def _cumsum(x: Tensor, dim: int, reverse: bool) -> Tensor:
    return _running(to(x, sum_dtype(x.dtype)), dim, reverse, add, 0)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, dims) in enumerate(ONE_AXIS):
        yield Sample((real(rng, shape),), {"dim": dims[0], "reverse": bool(number % 2)})
    for shape, dim in (((2, 3, 5, 7), 2), ((0, 3), 0), ((2, 0), 0), ((1, 1), 1), ((3, 70), 1)):
        yield Sample((real(rng, shape),), {"dim": dim, "reverse": False})
    yield Sample((rng.integers(-9, 9, (3, 5)),), {"dim": 1, "reverse": False})
    yield Sample((rng.random((3, 5)) < 0.5,), {"dim": 0, "reverse": True})


CUMSUM: Op = Op(
    name="cumsum",
    infer=_cumsum_type,
    reference=_cumsum_reference,
    kernel=Composite(_cumsum),
    gradient=(
        lambda g, y, x, dim, reverse: apply(CUMSUM, g, dim=dim, reverse=not reverse),
    ),
    samples=_samples,
    misuses=(
        Misuse(
            (np.ones((2, 3)),), {"dim": 2, "reverse": False}, ShapeError,
            "from 0 to 1; got 2 for float64[2, 3]",
        ),
        Misuse((np.ones(()),), {"dim": 0, "reverse": False}, ShapeError, "got 0 for float64[]"),
    ),
    notation="cumsum({0}, {dim})",
    doc="The sums of the elements up to each one along the axis dim; from each one on if reversed.",
)  # fmt: skip


def cumsum(x: Any, dim: int, dtype: Any = None) -> Tensor:
    """Return the sums of the elements up to each one along ``dim``.

    y[k] = x[0] + ... + x[k]

    Args:
        x: any tensor; booleans are counted, and integers summed, as int64.
        dim: the axis.
        dtype: the element type to sum in, and of the result.

    Gradient: sums of g from each element on.

    Numerics: compiled, a sum is a tree of depth log2(n), and so small is its error.

    >>> cumsum(Tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    x = as_tensor(x) if dtype is None else to(x, dtype)
    sums = apply(CUMSUM, x, dim=axis_of("cumsum", dim, x.ndim), reverse=False)
    return sums if dtype is None else to(sums, dtype)


def cumprod(x: Any, dim: int, dtype: Any = None) -> Tensor:
    """Return the products of the elements up to each one along ``dim``.

    y[k] = x[0] x[1] ... x[k]

    Args:
        x: any tensor; booleans and integers are multiplied as int64.
        dim: the axis.
        dtype: the element type to multiply in, and of the result.

    Gradient: exact, zeros among the factors or not.

    >>> cumprod(Tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    x = as_tensor(x)
    x = to(x, sum_dtype(x.dtype) if dtype is None else dtype)
    return _running(x, axis_of("cumprod", dim, x.ndim), False, mul, 1)


def prod(x: Any, dim: int | None = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """Return the product of the elements along ``dim`` (of all unless given).

    1 over no elements at all.

    Args:
        x: any tensor; booleans and integers are multiplied as int64.
        dim: one axis, or None for all.
        keepdim: leave the reduced axes in place with length 1.
        dtype: the element type to multiply in, and of the result.

    Gradient: exact, zeros among the factors or not.

    >>> prod(Tensor([[1, 2], [3, 4]]), 1)
    tensor([ 2, 12])
    """
    x = as_tensor(x)
    x = to(x, sum_dtype(x.dtype) if dtype is None else dtype)
    dims = tuple(range(x.ndim)) if dim is None else (axis_of("prod", dim, x.ndim),)
    shape = reduced_shape(x.shape, dims, keepdim)
    if dim is None:
        x = reshape(x, -1)
    axis = dims[0] if dim is not None else 0
    if not x.shape[axis]:
        return broadcast_to(Tensor(1, x.dtype), shape)
    while (n := x.shape[axis]) > 1:
        half = (n + 1) // 2
        x = _part(x, axis, 0, half) * _part(x, axis, half, n, after=n % 2, value=1)
    return reshape(x, shape)
