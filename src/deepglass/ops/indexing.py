"""Picking elements by a tensor of positions, and adding to the places it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Pull, Scatter
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .movement import axis_of
from .samples import real


def _check_index(name: str, x: TensorType, index: TensorType, dim: int) -> None:
    if not index.dtype.is_integer:
        raise DTypeError(f"{name}: the index holds integers; got {index}.")
    fits = len(x.shape) == len(index.shape) and all(
        n >= m for d, (n, m) in enumerate(zip(x.shape, index.shape, strict=True)) if d != dim
    )
    if not fits:
        raise ShapeError(
            f"{name}: the index has as many axes as the tensor and is no longer than it except "
            f"along dim {dim}; got {index} for {x}."
        )


def outside(index: np.ndarray, length: int) -> bool:
    """Whether any whole number is negative or not less than ``length``.

    Seen without its sign a negative number is large, so one pass over the array will do.
    """
    unsigned = index.view(f"u{index.itemsize}")
    return bool(index.size) and bool(unsigned.max() >= length)


def _check_positions(name: str, length: int, index: np.ndarray) -> None:
    if outside(index, length):
        raise DomainError(
            f"{name}: positions lie between 0 and {length - 1}; got {index.min()} to {index.max()}."
        )


def _gather_type(x: TensorType, index: TensorType, dim: int) -> TensorType:
    _check_index("gather", x, index, dim)
    return TensorType(index.shape, x.dtype)


def _along(index: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    grids: list[np.ndarray] = list(np.indices(index.shape, sparse=True))
    grids[dim] = index
    return tuple(grids)


def _gather_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, count, dim in (((7,), 4, 0), ((2, 3), 5, 1), ((5, 3, 2), 2, 0), ((3, 40), 21, 1)):
        picked = tuple(count if d == dim else n for d, n in enumerate(shape))
        yield Sample((real(rng, shape), rng.integers(0, shape[dim], picked)), {"dim": dim})
    yield Sample((real(rng, (5, 3)), rng.integers(0, 5, (7, 2))), {"dim": 0})


GATHER = Op(
    name="gather",
    infer=_gather_type,
    reference=lambda x, index, dim: x[_along(index, dim)],
    kernel=Pull(
        lambda b, i, x, index, types, dim: x([*i[:dim], index(i), *i[dim + 1 :]]),
        reuse=lambda types, dim: 1.0,
    ),
    gradient=(
        lambda g, y, x, index, dim: scatter_add(_zeros(x), dim, index, g),
        None,
    ),
    samples=_gather_samples,
    misuses=(
        Misuse((np.ones(3), np.array([3])), {"dim": 0}, DomainError, "between 0 and 2; got 3"),
        Misuse((np.ones(3), np.array([1.0])), {"dim": 0}, DTypeError, "integers"),
        Misuse((np.ones((2, 3)), np.array([1])), {"dim": 0}, ShapeError, "as many axes"),
    ),
    validate=lambda x, index, dim: _check_positions("gather", x.shape[dim], index),
    notation="gather({0}, {1}, {dim})",
    doc="The elements of x at the positions index along axis dim.",
)


def _zeros(x: Tensor) -> Tensor:
    from .movement import broadcast_to

    return broadcast_to(Tensor(0, x.dtype), x.shape)


def gather(x: Any, dim: int, index: Any) -> Tensor:
    """Return the elements of ``x`` at the positions ``index`` along axis ``dim``.

    out[i][j] = x[index[i][j]][j] for ``dim`` 0, x[i][index[i][j]] for ``dim`` 1.

    Shapes:
        index: as many axes as ``x``; along the others no longer than ``x``.

    Raises:
        DomainError: a position is outside the axis.

    >>> gather(Tensor([[1, 2], [3, 4]]), 1, Tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    x = as_tensor(x)
    return apply(GATHER, x, as_tensor(index), dim=axis_of("gather", dim, x.ndim))


def _scatter_type(x: TensorType, index: TensorType, source: TensorType, dim: int) -> TensorType:
    _check_index("scatter_add", x, index, dim)
    if source.shape != index.shape or source.dtype is not x.dtype:
        raise ShapeError(
            "scatter_add: the source has the shape of the index and the type of the tensor; got "
            f"{source}, index {index}, tensor {x}."
        )
    return x


def _scatter_reference(
    x: np.ndarray, index: np.ndarray, source: np.ndarray, dim: int
) -> np.ndarray:
    out = x.copy()
    np.add.at(out, _along(index, dim), source)
    return out


def _scatter_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in _gather_samples(rng):
        x, index = sample.args
        yield Sample((x, index, real(rng, index.shape)), sample.params)


SCATTER_ADD = Op(
    name="scatter_add",
    infer=_scatter_type,
    reference=_scatter_reference,
    kernel=Scatter(
        target=lambda b, i, position, dim: [*i[:dim], position, *i[dim + 1 :]],
    ),
    gradient=(
        lambda g, y, x, index, source, dim: g,
        None,
        lambda g, y, x, index, source, dim: gather(g, dim, index),
    ),
    samples=_scatter_samples,
    misuses=(
        Misuse((np.ones(3), np.array([-1]), np.ones(1)), {"dim": 0}, DomainError, "got -1"),
        Misuse((np.ones(3), np.array([1]), np.ones(2)), {"dim": 0}, ShapeError, "source"),
    ),
    validate=lambda x, index, source, dim: _check_positions("scatter_add", x.shape[dim], index),
    notation="scatter_add({0}, {dim}, {1}, {2})",
    doc="x plus every element of the source, added at the position its index names.",
)


def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Tensor:
    """Return ``x`` with every element of ``src`` added at its position along axis ``dim``.

    out[index[i][j]][j] += src[i][j] for ``dim`` 0. Elements that meet are added in order.

    Raises:
        DomainError: a position is outside the axis.

    >>> scatter_add(Tensor([0.0, 0.0]), 0, Tensor([1, 1]), Tensor([2.0, 3.0]))
    tensor([0., 5.])
    """
    x = as_tensor(x)
    axis = axis_of("scatter_add", dim, x.ndim)
    return apply(SCATTER_ADD, x, as_tensor(index), as_tensor(src), dim=axis)
