"""Diagonals and triangles. A diagonal of a matrix is every (columns + 1)-th element of its
rows laid end to end; a triangle, what a comparison of row and column numbers leaves."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..graph.tensor import Tensor, apply, as_tensor
from .counting import iota
from .elementwise import ge, le, sub, where
from .movement import axis_of, broadcast_to, movedim, reshape
from .reduction import sum
from .slicing import PAD, SLICE


def _matrix(name: str, x: Any) -> Tensor:
    matrix = as_tensor(x)
    if matrix.ndim < 2:
        raise ShapeError(f"{name}: a matrix, or a batch of them, is needed; got {matrix.type}.")
    return matrix


def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return the diagonals along two axes, as a new last axis.

    Args:
        x: at least two axes.
        offset: how far above the main diagonal; below where negative.
        dim1: the axis of rows.
        dim2: the axis of columns.

    Raises:
        ShapeError: there is no such axis, or the two are the same.

    >>> diagonal(Tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    x = _matrix("diagonal", x)
    axes = [axis_of("diagonal", d, x.ndim) for d in (dim1, dim2)]
    if axes[0] == axes[1]:
        raise ShapeError(f"diagonal: rows and columns are two axes; got dim {dim1} and {dim2}.")
    return _main(movedim(x, axes, (-2, -1)), offset)


def _main(x: Tensor, offset: int) -> Tensor:
    """The diagonals of the matrices in the last two axes."""
    rows, columns = x.shape[-2:]
    first_row, first_column = max(-offset, 0), max(offset, 0)
    count = min(rows - first_row, columns - first_column)
    flat = reshape(x, *x.shape[:-2], rows * columns)
    ranges = [(0, n, 1) for n in flat.shape]
    start = first_row * columns + first_column
    stop = start + (count - 1) * (columns + 1) + 1
    ranges[-1] = (start, stop, columns + 1) if count > 0 else (0, 0, 1)
    return apply(SLICE, flat, ranges=tuple(ranges))


def diag(x: Any, diagonal: int = 0) -> Tensor:
    """Return the diagonal of a matrix, or the matrix with a vector on its diagonal.

    Args:
        x: one or two axes.
        diagonal: how far above the main diagonal; below where negative.

    >>> diag(Tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    x = as_tensor(x)
    if x.ndim == 2:
        return _main(x, diagonal)
    if x.ndim != 1:
        raise ShapeError(f"diag: one or two axes; got {x.type}. Use diagonal for batches.")
    n = x.numel() + abs(diagonal)
    if not x.numel():
        return broadcast_to(Tensor(0, x.dtype), (n, n))
    before = max(-diagonal, 0) * n + max(diagonal, 0)
    covered = (x.numel() - 1) * (n + 1) + 1
    widths = ((before, n * n - before - covered, n),)
    return reshape(apply(PAD, x, widths=widths, value=0), n, n)


def trace(x: Any) -> Tensor:
    """Return the sum of the main diagonal of a matrix.

    >>> trace(Tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    x = as_tensor(x)
    if x.ndim != 2:
        raise ShapeError(f"trace: a matrix is needed; got {x.type}. Use diagonal for batches.")
    return sum(diagonal(x))


def _offsets(x: Tensor) -> Tensor:
    """How far above the main diagonal each element of the matrices stands."""
    shape = x.shape[-2:]
    return sub(iota(shape, 1), iota(shape, 0))


def tril(x: Any, diagonal: int = 0) -> Tensor:
    """Return the matrices with zeros above a diagonal.

    Args:
        x: at least two axes, of which the last two are rows and columns.
        diagonal: the last diagonal that is kept, counted upwards from the main one.

    >>> tril(Tensor([[1, 2], [3, 4]]))
    tensor([[1, 0],
            [3, 4]])
    """
    x = _matrix("tril", x)
    return where(le(_offsets(x), diagonal), x, Tensor(0, x.dtype))


def triu(x: Any, diagonal: int = 0) -> Tensor:
    """Return the matrices with zeros below a diagonal.

    Args:
        x: at least two axes, of which the last two are rows and columns.
        diagonal: the first diagonal that is kept, counted upwards from the main one.

    >>> triu(Tensor([[1, 2], [3, 4]]))
    tensor([[1, 2],
            [0, 4]])
    """
    x = _matrix("triu", x)
    return where(ge(_offsets(x), diagonal), x, Tensor(0, x.dtype))
