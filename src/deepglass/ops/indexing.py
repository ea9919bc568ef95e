"""Picking elements by a tensor of positions along one axis, and sending elements there.

Elements that meet at one place are combined in order. Where they replace what is there, the
last one wins: `scatter_max` of their numbers says which that is, so the rest is picking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.graph import ALIAS
from ..graph.kinds import Composite, Pull, Scatter
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, TensorType
from .counting import iota
from .elementwise import eq, ge, maximum, to, where
from .movement import axis_of, broadcast_to, reshape
from .samples import real
from .slicing import SLICE


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
    return index.size > 0 and int(unsigned.max()) >= length


def check_positions(name: str, length: int, index: np.ndarray) -> None:
    if outside(index, length):
        raise DomainError(
            f"{name}: positions lie between 0 and {length - 1}; got {index.min()} to {index.max()}."
        )


def zeros_of(x: Tensor) -> Tensor:
    return broadcast_to(Tensor(0, x.dtype), x.shape)


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
        lambda g, y, x, index, dim: scatter_add(zeros_of(x), dim, index, g),
        None,
    ),
    samples=_gather_samples,
    misuses=(
        Misuse((np.ones(3), np.array([3])), {"dim": 0}, DomainError, "between 0 and 2; got 3"),
        Misuse((np.ones(3), np.array([1.0])), {"dim": 0}, DTypeError, "integers"),
        Misuse((np.ones((2, 3)), np.array([1])), {"dim": 0}, ShapeError, "as many axes"),
    ),
    validate=lambda x, index, dim: check_positions("gather", x.shape[dim], index),
    notation="gather({0}, {1}, {dim})",
    doc="The elements of x at the positions index along axis dim.",
)


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


def _scatter_type(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, index: TensorType, source: TensorType, dim: int) -> TensorType:
        _check_index(name, x, index, dim)
        if source.shape != index.shape or source.dtype is not x.dtype:
            raise ShapeError(
                f"{name}: the source has the shape of the index and the type of the tensor; got "
                f"source {source}, index {index}, tensor {x}."
            )
        return x

    return infer


def _scatter_reference(ufunc: np.ufunc) -> Callable[..., np.ndarray]:
    def reference(x: np.ndarray, index: np.ndarray, source: np.ndarray, dim: int) -> np.ndarray:
        return combined(ufunc, x, flat_places(x.shape, _along(index, dim)), source)

    return reference


def flat_places(shape: Shape, index: Sequence[np.ndarray]) -> np.ndarray:
    """Return where the elements at ``index``, one array per axis, stand in row-major memory."""
    place = np.zeros((), np.int64)
    for at, n in zip(index, shape, strict=True):
        place = place * n + at.astype(np.int64)
    return place


def combined(ufunc: np.ufunc, x: np.ndarray, places: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return ``x`` with the source elements combined with those at ``places``, in order."""
    out = np.array(x, order="C")
    ufunc.at(out.reshape(-1), places.reshape(-1), source.reshape(-1))  # flat is several times
    return out  # faster than an index per axis


def _scatter_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in _gather_samples(rng):
        x, index = sample.args
        yield Sample((x, index, real(rng, index.shape)), sample.params)


def _scatter_misuses(name: str) -> tuple[Misuse, ...]:
    return (
        Misuse((np.ones(3), np.array([-1]), np.ones(1)), {"dim": 0}, DomainError, f"{name}: pos"),
        Misuse((np.ones(3), np.array([1]), np.ones(2)), {"dim": 0}, ShapeError, "float64[2]"),
        Misuse((np.ones(3), np.ones(1), np.ones(1)), {"dim": 0}, DTypeError, "holds integers"),
    )


def _scatter_check(name: str) -> Callable[..., None]:
    return lambda x, index, source, dim: check_positions(name, x.shape[dim], index)


def _scatter_target(b: Any, i: Any, index: Any, types: Any, dim: int) -> Any:
    return [*i[:dim], index(i), *i[dim + 1 :]]


SCATTER_ADD = Op(
    name="scatter_add",
    infer=_scatter_type("scatter_add"),
    reference=_scatter_reference(np.add),
    kernel=Scatter(_scatter_target),
    gradient=(
        lambda g, y, x, index, source, dim: g,
        None,
        lambda g, y, x, index, source, dim: gather(g, dim, index),
    ),
    samples=_scatter_samples,
    misuses=_scatter_misuses("scatter_add"),
    validate=_scatter_check("scatter_add"),
    notation="scatter_add({0}, {dim}, {1}, {2})",
    doc="x plus every element of the source, added at the position its index names.",
)


def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Tensor:
    """Return ``x`` with every element of ``src`` added at its position along axis ``dim``.

    out[index[i][j]][j] += src[i][j] for ``dim`` 0. Elements that meet are added in order.

    Shapes:
        index: as many axes as ``x``; along the others no longer than ``x``.
        src: no axis shorter than that of ``index``; what lies beyond is not used.

    Raises:
        DomainError: a position is outside the axis.

    >>> scatter_add(Tensor([0.0, 0.0]), 0, Tensor([1, 1]), Tensor([2.0, 3.0]))
    tensor([0., 5.])
    """
    return _send(SCATTER_ADD, x, dim, index, src)


def _send(op: Op, x: Any, dim: int, index: Any, src: Any) -> Tensor:
    x, index = as_tensor(x), as_tensor(index)
    if isinstance(src, (bool, int, float)):
        source = broadcast_to(Tensor(src, x.dtype), index.shape)
    else:
        source = _cut_to(index.shape, as_tensor(src))
    return apply(op, x, index, source, dim=axis_of(op.name, dim, x.ndim))


def _cut_to(shape: Shape, source: Tensor) -> Tensor:
    """The first elements along each axis of the source, where it is longer than ``shape``."""
    fits = len(shape) == source.ndim and all(
        n <= m for n, m in zip(shape, source.shape, strict=True)
    )
    if not fits or shape == source.shape:
        return source
    return apply(SLICE, source, ranges=tuple((0, n, 1) for n in shape))


def _winners(x: Tensor, index: Tensor, source: Tensor, y: Tensor, dim: int) -> tuple[Tensor, ...]:
    """1 where x, and where the source, is as large as the result, divided by how many are."""
    mine = to(eq(x, y), x.dtype)
    theirs = to(eq(source, gather(y, dim, index)), x.dtype)
    count = scatter_add(mine, dim, index, theirs)
    return mine / count, theirs / gather(count, dim, index)


SCATTER_MAX = Op(
    name="scatter_max",
    infer=_scatter_type("scatter_max"),
    reference=_scatter_reference(np.maximum),
    kernel=Scatter(_scatter_target, "max"),
    gradient=(
        lambda g, y, x, index, source, dim: g * _winners(x, index, source, y, dim)[0],
        None,
        lambda g, y, x, index, source, dim: (
            gather(g, dim, index) * _winners(x, index, source, y, dim)[1]
        ),
    ),
    samples=_scatter_samples,
    misuses=_scatter_misuses("scatter_max"),
    validate=_scatter_check("scatter_max"),
    notation="scatter_max({0}, {dim}, {1}, {2})",
    doc="""The largest of x and the source elements whose index names its position.

    Gradient: shared equally among equal maxima.
    """,
)


def last_writer(shape: Shape, dim: int, index: Tensor) -> Tensor:
    """Return, for every place, the number of the last source element sent there; -1 for none."""
    nobody = broadcast_to(Tensor(-1), shape)
    return apply(SCATTER_MAX, nobody, index, iota(index.shape, None), dim=dim)


def _write_reference(x: np.ndarray, index: np.ndarray, source: np.ndarray, dim: int) -> np.ndarray:
    out = np.array(x, order="C")
    out.reshape(-1)[flat_places(x.shape, _along(index, dim))] = source
    return out


def _write_expansion(x: Tensor, index: Tensor, source: Tensor, dim: int) -> Tensor:
    if not source.numel():
        return apply(ALIAS, x)
    writer = last_writer(x.shape, dim, index)
    flat = reshape(maximum(writer, 0), -1)
    written = reshape(gather(reshape(source, -1), 0, flat), x.shape)
    return where(ge(writer, 0), written, x)


def _write_gradient(
    g: Tensor, y: Tensor, x: Tensor, index: Tensor, source: Tensor, dim: int
) -> Tensor:
    last = gather(last_writer(x.shape, dim, index), dim, index)
    return where(eq(last, iota(index.shape, None)), gather(g, dim, index), 0)


SCATTER = Op(
    name="scatter",
    infer=_scatter_type("scatter"),
    reference=_write_reference,
    kernel=Composite(_write_expansion),
    gradient=(
        lambda g, y, x, index, source, dim: scatter(g, dim, index, 0),
        None,
        _write_gradient,
    ),
    samples=_scatter_samples,
    misuses=_scatter_misuses("scatter"),
    validate=_scatter_check("scatter"),
    notation="scatter({0}, {dim}, {1}, {2})",
    doc="x with the source elements at the positions their index names; the last one wins.",
)


def scatter(x: Any, dim: int, index: Any, src: Any) -> Tensor:
    """Return ``x`` with the elements of ``src`` at their positions along axis ``dim``.

    out[index[i][j]][j] = src[i][j] for ``dim`` 0.

    Args:
        x: any tensor.
        dim: the axis along which the index counts.
        index: positions, see Shapes.
        src: a number, or a tensor of the type of ``x``.

    Shapes:
        index: as many axes as ``x``; along the others no longer than ``x``.
        src: no axis shorter than that of ``index``; what lies beyond is not used.

    Raises:
        DomainError: a position is outside the axis.

    Gradient: where several elements meet, the last one is written and gets it all.

    >>> scatter(Tensor([1, 2, 3]), 0, Tensor([2, 0, 2]), Tensor([7, 8, 9]))
    tensor([8, 2, 9])
    """
    return _send(SCATTER, x, dim, index, src)


def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Tensor:
    """Return the elements of ``x`` at the positions ``indices`` along axis ``dim``.

    Like `gather`, but the other axes are broadcast together.

    Args:
        x: any tensor.
        indices: whole numbers, as many axes as ``x``.
        dim: the axis; without it, positions count in the flattened tensor.

    >>> x = Tensor([[3, 1, 2], [4, 6, 5]])
    >>> take_along_dim(x, Tensor([[0]]), 1)
    tensor([[3],
            [4]])
    """
    x, index = as_tensor(x), as_tensor(indices)
    if dim is None:
        return gather(reshape(x, -1), 0, reshape(index, -1))
    axis = axis_of("take_along_dim", dim, x.ndim)
    if index.ndim != x.ndim:
        raise ShapeError(
            f"take_along_dim: the indices have as many axes as x; got {index.type} for {x.type}."
        )
    ends = [(*t.shape[:axis], 1, *t.shape[axis + 1 :]) for t in (x, index)]
    try:
        common = np.broadcast_shapes(*ends)
    except ValueError:
        raise ShapeError(
            f"take_along_dim: lengths are equal or 1 except along dim {axis}; got {index.type} for "
            f"{x.type}."
        ) from None
    x, index = (
        broadcast_to(t, *common[:axis], t.shape[axis], *common[axis + 1 :]) for t in (x, index)
    )
    return gather(x, axis, index)
