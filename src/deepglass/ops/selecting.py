"""Picking whole slices by a tensor of positions, adding to them and replacing them.

`position` gives negative numbers their meaning and makes one number of several, so that
everything else meets a single index of positions from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.graph import ALIAS
from ..graph.kinds import Composite, Elementwise, Pull, Scatter
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, TensorType, int64
from .counting import iota
from .elementwise import eq, ge, maximum, where
from .indexing import check_positions, combined, flat_places, last_writer, zeros_of
from .movement import axis_of, reshape
from .samples import real

# position -------------------------------------------------------------------------------


def _position_type(*indices: TensorType, lengths: Shape) -> TensorType:
    for index in indices:
        if not index.dtype.is_integer:
            raise DTypeError(f"index: positions are integers; got {index}. Use .to(dg.int64).")
        if index.shape != indices[0].shape:
            raise ShapeError(f"index: all indices have one shape; got {indices[0]} and {index}.")
    return TensorType(indices[0].shape, int64)


def _position_reference(*indices: np.ndarray, lengths: Shape) -> np.ndarray:
    pairs = zip((i.astype(np.int64) for i in indices), lengths, strict=True)
    return flat_places(lengths, [np.where(i < 0, i + n, i) for i, n in pairs])


def _position_rule(b: Any, *indices: Any, lengths: Shape) -> Any:
    """-1 where any index is outside, so that it stays outside among all positions."""
    place = inside = None
    for index, n in zip(indices, lengths, strict=True):
        i = b.cast(index, int64)
        length, zero = b.const(n, like=i), b.const(0, like=i)
        i = b.where(b.lt(i, zero), b.add(i, length), i)
        fits = b.logical_and(b.ge(i, zero), b.lt(i, length))
        inside = fits if inside is None else b.logical_and(inside, fits)
        place = i if place is None else b.add(b.mul(place, length), i)
    return b.where(inside, place, b.const(-1, like=place))


def _position_check(*indices: np.ndarray, lengths: Shape) -> None:
    for index, n in zip(indices, lengths, strict=True):
        if index.size and (index.min() < -n or index.max() >= n):
            raise DomainError(
                f"index: positions lie between {-n} and {n - 1} for an axis of length {n}; got "
                f"{index.min()} to {index.max()}."
            )


def _position_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in ((), (7,), (2, 3), (0,), (33,)):
        one = rng.integers(-5, 5, shape)
        yield Sample((one,), {"lengths": (5,)})
        yield Sample((one.astype("i4"), rng.integers(-3, 3, shape)), {"lengths": (5, 3)})
    yield Sample((np.array([1, 0], "u1"),) * 3, {"lengths": (2, 3, 500)})


POSITION = Op(
    name="position",
    infer=_position_type,
    reference=_position_reference,
    kernel=Elementwise(_position_rule),
    samples=_position_samples,
    misuses=(
        Misuse((np.array([5]),), {"lengths": (5,)}, DomainError, "between -5 and 4 for an axis"),
        Misuse((np.array([0]), np.array([-4])), {"lengths": (5, 3)}, DomainError, "got -4 to -4"),
        Misuse((np.array([1.0]),), {"lengths": (5,)}, DTypeError, "positions are integers; got"),
        Misuse((np.array([0]), np.array(0)), {"lengths": (5, 3)}, ShapeError, "have one shape"),
    ),
    validate=_position_check,
    notation="position({0}, {lengths})",
    doc="""The row-major position that one index per axis names; negative ones count from the end.

    Numerics: -1 in a compiled program where an index is outside its axis.
    """,
)


# index_select ---------------------------------------------------------------------------


def _check_index(name: str, index: TensorType) -> None:
    if not index.dtype.is_integer:
        raise DTypeError(f"{name}: positions are integers; got {index}. Use .to(dg.int64).")


def _picked(x: Shape, index: Shape, dim: int) -> Shape:
    return (*x[:dim], *index, *x[dim + 1 :])


def _select_type(x: TensorType, index: TensorType, dim: int) -> TensorType:
    _check_index("index_select", index)
    return TensorType(_picked(x.shape, index.shape, dim), x.dtype)


def _select_rule(b: Any, i: Any, x: Any, index: Any, types: Any, dim: int) -> Any:
    end = dim + len(types[1].shape)
    return x([*i[:dim], index(i[dim:end]), *i[end:]])


def _select_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, count, dim in (
        ((7,), (5,), 0), ((5, 3), (2, 4), 0), ((2, 5, 3), (7,), 1), ((3, 2), (), 1),
        ((2, 7), (2, 1, 3), 1), ((3, 40), (2,), 0), ((5, 3), (0,), 0), ((40, 3), (33,), 0),
    ):  # fmt: skip
        yield Sample((real(rng, shape), rng.integers(0, shape[dim], count)), {"dim": dim})


INDEX_SELECT = Op(
    name="index_select",
    infer=_select_type,
    reference=lambda x, index, dim: np.take(x, index, dim),
    kernel=Pull(_select_rule, reuse=lambda types, dim: 1.0),
    gradient=(lambda g, y, x, index, dim: index_add(zeros_of(x), dim, index, g), None),
    samples=_select_samples,
    misuses=(
        Misuse((np.ones(3), np.array([3])), {"dim": 0}, DomainError, "between 0 and 2; got 3"),
        Misuse((np.ones(3), np.array([-1])), {"dim": 0}, DomainError, "index_select: positions"),
        Misuse((np.ones(3), np.array([1.0])), {"dim": 0}, DTypeError, "integers; got float64[1]"),
    ),
    validate=lambda x, index, dim: check_positions("index_select", x.shape[dim], index),
    notation="{0}[{1}, {dim}]",
    doc="The slices of x at the positions index along axis dim.",
)


def index_select(x: Any, dim: int, index: Any) -> Tensor:
    """Return the slices of ``x`` at the positions ``index`` along axis ``dim``.

    Shapes:
        index: any shape, which takes the place of axis ``dim``.

    Raises:
        DomainError: a position is outside the axis.

    Gradient: slices that are picked several times get the sum.

    >>> index_select(Tensor([[1, 2], [3, 4], [5, 6]]), 0, Tensor([2, 0]))
    tensor([[5, 6],
            [1, 2]])
    """
    x = as_tensor(x)
    return apply(INDEX_SELECT, x, as_tensor(index), dim=axis_of("index_select", dim, x.ndim))


# index_add, index_copy ------------------------------------------------------------------


def _sent_type(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, index: TensorType, source: TensorType, dim: int) -> TensorType:
        _check_index(name, index)
        wanted = TensorType(_picked(x.shape, index.shape, dim), x.dtype)
        if source != wanted:
            raise ShapeError(
                f"{name}: the source has one slice per position: {wanted} here; got {source} for "
                f"{x} and index {index} along dim {dim}."
            )
        return x

    return infer


def _sent_places(shape: Shape, index: np.ndarray, dim: int) -> np.ndarray:
    """Where each source element goes in row-major memory."""
    before, after = prod(shape[:dim]), prod(shape[dim + 1 :])
    grid = np.ix_(np.arange(before), index.reshape(-1), np.arange(after))
    return flat_places((before, shape[dim], after), grid)


def _sent_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in _select_samples(rng):
        x, index = sample.args
        source = real(rng, _picked(x.shape, index.shape, sample.params["dim"]))
        yield Sample((x, index, source), sample.params)


def _sent_misuses(name: str) -> tuple[Misuse, ...]:
    ones, dim = np.ones((3, 2)), {"dim": 0}
    return (
        Misuse((ones, np.array([3]), ones[:1]), dim, DomainError, f"{name}: positions lie"),
        Misuse((ones, np.array([0, 1]), ones), dim, ShapeError, "float64[2, 2] here; got"),
        Misuse((ones, np.array([0.0]), ones[:1]), dim, DTypeError, "integers; got float64[1]"),
    )


def _sent_check(name: str) -> Callable[..., None]:
    return lambda x, index, source, dim: check_positions(name, x.shape[dim], index)


def _sent_target(b: Any, i: Any, index: Any, types: Any, dim: int) -> Any:
    end = dim + len(types[1].shape)
    return [*i[:dim], index(i[dim:end]), *i[end:]]


INDEX_ADD = Op(
    name="index_add",
    infer=_sent_type("index_add"),
    reference=lambda x, index, source, dim: combined(
        np.add, x, _sent_places(x.shape, index, dim), source
    ),
    kernel=Scatter(_sent_target),
    gradient=(
        lambda g, y, x, index, source, dim: g,
        None,
        lambda g, y, x, index, source, dim: index_select(g, dim, index),
    ),
    samples=_sent_samples,
    misuses=_sent_misuses("index_add"),
    validate=_sent_check("index_add"),
    notation="index_add({0}, {dim}, {1}, {2})",
    doc="x plus every slice of the source, added at the position its index names.",
)


def index_add(x: Any, dim: int, index: Any, source: Any) -> Tensor:
    """Return ``x`` with every slice of ``source`` added at its position along axis ``dim``.

    Slices that meet are added in order.

    Shapes:
        index: any shape.
        source: the shape of ``x`` with that of ``index`` in the place of axis ``dim``.

    Raises:
        DomainError: a position is outside the axis.

    >>> index_add(Tensor([[0.0], [1.0]]), 0, Tensor([1, 1]), Tensor([[2.0], [3.0]]))
    tensor([[0.],
            [6.]])
    """
    x = as_tensor(x)
    axis = axis_of("index_add", dim, x.ndim)
    return apply(INDEX_ADD, x, as_tensor(index), as_tensor(source), dim=axis)


def _copy_reference(x: np.ndarray, index: np.ndarray, source: np.ndarray, dim: int) -> np.ndarray:
    out = np.array(x)
    out[(slice(None),) * dim + (index,)] = source
    return out


def _writers(x: Tensor, index: Tensor, dim: int) -> Tensor:
    return last_writer(x.shape[dim : dim + 1], 0, reshape(index, -1))


def _tall(x: Tensor, axes: int) -> Tensor:
    """``x`` with so many axes of length 1 behind its own."""
    return reshape(x, x.shape + (1,) * axes)


def _copy_expansion(x: Tensor, index: Tensor, source: Tensor, dim: int) -> Tensor:
    if not index.numel():
        return apply(ALIAS, x)
    writers = _writers(x, index, dim)
    slices = reshape(source, _picked(x.shape, (index.numel(),), dim))
    written = index_select(slices, dim, maximum(writers, 0))
    return where(_tall(ge(writers, 0), x.ndim - dim - 1), written, x)


def _copy_gradient(
    g: Tensor, y: Tensor, x: Tensor, index: Tensor, source: Tensor, dim: int
) -> Tensor:
    last = index_select(_writers(x, index, dim), 0, index)
    wins = eq(last, iota(index.shape, None))
    return where(_tall(wins, x.ndim - dim - 1), index_select(g, dim, index), 0)


INDEX_COPY = Op(
    name="index_copy",
    infer=_sent_type("index_copy"),
    reference=_copy_reference,
    kernel=Composite(_copy_expansion),
    gradient=(
        lambda g, y, x, index, source, dim: index_copy(g, dim, index, zeros_of(source)),
        None,
        _copy_gradient,
    ),
    samples=_sent_samples,
    misuses=_sent_misuses("index_copy"),
    validate=_sent_check("index_copy"),
    notation="index_copy({0}, {dim}, {1}, {2})",
    doc="x with the slices of the source at the positions their index names; the last one wins.",
)


def index_copy(x: Any, dim: int, index: Any, source: Any) -> Tensor:
    """Return ``x`` with the slices of ``source`` at their positions along axis ``dim``.

    Shapes:
        index: any shape.
        source: the shape of ``x`` with that of ``index`` in the place of axis ``dim``.

    Raises:
        DomainError: a position is outside the axis.

    Gradient: where several slices meet, the last one is written and gets it all.

    >>> index_copy(Tensor([[1], [2], [3]]), 0, Tensor([2, 0]), Tensor([[7], [8]]))
    tensor([[8],
            [2],
            [7]])
    """
    x = as_tensor(x)
    axis = axis_of("index_copy", dim, x.ndim)
    return apply(INDEX_COPY, x, as_tensor(index), as_tensor(source), dim=axis)
