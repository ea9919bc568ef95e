"""Cutting pieces out of a tensor, and putting them back: slices and borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Pull
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, TensorType, dtype_of
from .movement import axis_of, reshape
from .samples import cases

Range = tuple[int, int, int]  # start, stop, step, with 0 <= start, step > 0


def _slice_type(x: TensorType, ranges: tuple[Range, ...]) -> TensorType:
    if len(ranges) != len(x.shape):
        raise ShapeError(f"slice: one range per axis; got {len(ranges)} for {x}.")
    for n, (start, stop, step) in zip(x.shape, ranges, strict=True):
        if not (0 <= start <= n and stop <= n and step > 0):
            raise ShapeError(f"slice: ranges lie inside the axis; got {ranges} for {x}.")
    return TensorType(tuple(len(range(*r)) for r in ranges), x.dtype)


def _slice_gradient(g: Tensor, y: Tensor, x: Tensor, ranges: tuple[Range, ...]) -> Tensor:
    return apply(PAD, g, widths=widths_around(x.shape, ranges), value=0.0)


SLICE = Op(
    name="slice",
    infer=_slice_type,
    reference=lambda x, ranges: x[tuple(slice(*r) for r in ranges)],
    kernel=Pull(
        lambda b, i, x, types, ranges: x(
            [
                b.add(b.mul(k, b.const(step, like=k)), b.const(start, like=k))
                for k, (start, _, step) in zip(i, ranges, strict=True)
            ]
        )
    ),
    gradient=(_slice_gradient,),
    samples=cases(
        (((7,),), {"ranges": ((2, 5, 1),)}),
        (((7,),), {"ranges": ((1, 7, 3),)}),
        (((2, 3, 5),), {"ranges": ((0, 2, 1), (1, 2, 1), (0, 5, 2))}),
        (((7,),), {"ranges": ((3, 3, 1),)}),
        (((40,),), {"ranges": ((3, 39, 2),)}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)),), {"ranges": ((0, 2, 1),)}, ShapeError, "one range per axis"),
        Misuse((np.ones(3),), {"ranges": ((0, 4, 1),)}, ShapeError, "inside the axis"),
    ),
    notation="{0}[{ranges}]",
    doc="Every step-th element from start to stop along each axis.",
)

Width = tuple[int, int, int]  # before, after, between neighbours


def widths_around(shape: Shape, ranges: tuple[Range, ...]) -> tuple[Width, ...]:
    """Return the padding that puts a slice back to where it was cut from ``shape``."""
    widths: list[Width] = []
    for n, (start, stop, step) in zip(shape, ranges, strict=True):
        count = len(range(start, stop, step))
        covered = (count - 1) * step + 1
        widths.append((start, n - start - covered, step - 1) if count else (0, n, 0))
    return tuple(widths)


def _pad_type(x: TensorType, widths: tuple[Width, ...], value: float) -> TensorType:
    if len(widths) != len(x.shape) or any(w < 0 for width in widths for w in width):
        raise ShapeError(f"pad: one (before, after, between) >= 0 per axis; got {widths} for {x}.")
    shape = (
        before + after + n + between * max(n - 1, 0)
        for n, (before, after, between) in zip(x.shape, widths, strict=True)
    )
    return TensorType(tuple(shape), x.dtype)


def _pad_reference(x: np.ndarray, widths: tuple[Width, ...], value: float) -> np.ndarray:
    out = np.full(_pad_type(_type_of(x), widths, value).shape, value, x.dtype)
    out[_pad_region(x.shape, widths)] = x
    return out


def _type_of(x: np.ndarray) -> TensorType:
    return TensorType(x.shape, dtype_of(x.dtype))


def _pad_region(shape: Shape, widths: tuple[Width, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(before, before + n * (between + 1) if n else before, between + 1)
        for n, (before, _, between) in zip(shape, widths, strict=True)
    )


def _pad_rule(b: Any, i: Any, x: Any, types: Any, widths: tuple[Width, ...], value: float) -> Any:
    condition, index = None, []
    for k, n, (before, after, between) in zip(i, types[0].shape, widths, strict=True):
        j, step = b.sub(k, b.const(before, like=k)), b.const(between + 1, like=k)
        tests = []
        if before:
            tests.append(b.ge(j, b.const(0, like=k)))
        if after:
            tests.append(b.lt(j, b.const((n - 1) * (between + 1) + 1, like=k)))
        if between:
            tests.append(b.eq(b.mod(j, step), b.const(0, like=k)))
            j = b.floordiv(j, step)
        for test in tests:
            condition = test if condition is None else b.logical_and(condition, test)
        index.append(j)
    return x(index) if condition is None else b.guard(condition, lambda: x(index), value)


PAD = Op(
    name="pad",
    infer=_pad_type,
    reference=_pad_reference,
    kernel=Pull(_pad_rule),
    gradient=(
        lambda g, y, x, widths, value: apply(
            SLICE,
            g,
            ranges=tuple(
                (s.start, min(s.stop, n), s.step)
                for s, n in zip(_pad_region(x.shape, widths), g.shape, strict=True)
            ),
        ),
    ),
    samples=cases(
        (((5,),), {"widths": ((2, 1, 0),), "value": 0.0}),
        (((5,),), {"widths": ((0, 1, 2),), "value": 0.0}),
        (((2, 3),), {"widths": ((1, 0, 0), (0, 2, 1)), "value": 1.5}),
        (((0,),), {"widths": ((2, 0, 0),), "value": 0.5}),
        (((),), {"widths": (), "value": 0.0}),
        (((3, 20),), {"widths": ((0, 0, 0), (1, 1, 0)), "value": 0.0}),
    ),
    misuses=(
        Misuse((np.ones(2),), {"widths": ((-1, 0, 0),), "value": 0.0}, ShapeError, ">= 0"),
        Misuse((np.ones(2),), {"widths": (), "value": 0.0}, ShapeError, "per axis; got ()"),
    ),
    notation="pad({0}, {widths}, {value})",
    doc="x with ``value`` before, after and between its elements along each axis.",
)


def cut(x: Tensor, ranges: Sequence[Range]) -> Tensor:
    """Return the part of ``x`` in ``ranges``, marked as a slice: it is not written into."""
    part = apply(SLICE, x, ranges=tuple(ranges))
    part.is_slice = True
    return part


def narrow(x: Any, dim: int, start: int, length: int) -> Tensor:
    """Return ``length`` elements along axis ``dim``, from ``start`` on.

    >>> narrow(Tensor([1, 2, 3, 4]), 0, 1, 2)
    tensor([2, 3])
    """
    x = as_tensor(x)
    axis = axis_of("narrow", dim, x.ndim)
    first = start + x.shape[axis] if start < 0 else start
    if not 0 <= first <= first + length <= x.shape[axis]:
        raise ShapeError(
            f"narrow: start and length stay inside axis {axis} of length {x.shape[axis]}; got "
            f"start {start} and length {length}."
        )
    ranges = [(0, n, 1) for n in x.shape]
    ranges[axis] = (first, first + length, 1)
    return cut(x, ranges)


def split(x: Any, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return the pieces of ``x`` along axis ``dim``.

    Args:
        x: any tensor.
        split_size_or_sections: the length of every piece (the last may be shorter), or the
            lengths one by one, which add up to that of the axis.
        dim: the axis.

    >>> split(Tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    """
    x, size = as_tensor(x), split_size_or_sections
    axis = axis_of("split", dim, x.ndim)
    n = x.shape[axis]
    if isinstance(size, int):
        if size < 1:
            raise ShapeError(f"split: a piece has at least one element; got {size}.")
        lengths = [min(size, n - start) for start in range(0, n, size)] or [0]
    else:
        lengths = list(size)
        if min(lengths, default=0) < 0 or sum(lengths) != n:
            raise ShapeError(
                f"split: the lengths add up to that of axis {axis}; got {lengths}, which make "
                f"{sum(lengths)}, for {x.type}."
            )
    starts = [sum(lengths[:k]) for k in range(len(lengths))]
    return tuple(narrow(x, axis, s, m) for s, m in zip(starts, lengths, strict=True))


def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return ``x`` in ``chunks`` pieces along axis ``dim``.

    All have the same length but the last, which may be shorter; there are fewer pieces where
    the axis is used up before.

    >>> chunk(Tensor([1, 2, 3, 4, 5]), 2)
    (tensor([1, 2, 3]), tensor([4, 5]))
    """
    x = as_tensor(x)
    if chunks < 1:
        raise ShapeError(f"chunk: there is at least one piece; got {chunks}.")
    n = x.shape[axis_of("chunk", dim, x.ndim)]
    return split(x, -(-n // chunks), dim) if n else split(x, [0] * chunks, dim)


def unbind(x: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices of ``x`` along axis ``dim``, without that axis.

    >>> unbind(Tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    x = as_tensor(x)
    axis = axis_of("unbind", dim, x.ndim)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return tuple(reshape(narrow(x, axis, k, 1), shape) for k in range(x.shape[axis]))
