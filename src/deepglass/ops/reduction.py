"""Reductions: one number from all elements along some axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Reduction
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import DType, Shape, TensorType, bool_, dtype_of, float32, int64, uint64
from .elementwise import eq, to
from .indexing import gather
from .logic import bitwise_not, logical_not
from .movement import axis_of, broadcast_to, reshape
from .samples import along_axes, apart, real

Dims = int | Sequence[int] | None


def dims_of(name: str, dim: Dims, ndim: int) -> tuple[int, ...]:
    """Return ``dim`` (one axis, several, or None for all) as sorted non-negative numbers."""
    if dim is None:
        return tuple(range(ndim))
    axes = sorted(axis_of(name, d, ndim) for d in ([dim] if isinstance(dim, int) else dim))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: an axis is reduced once; got dim {dim}.")
    return tuple(axes)


def reduced_shape(shape: Shape, dim: tuple[int, ...], keepdim: bool) -> Shape:
    """Return the shape that is left when the axes ``dim`` are reduced."""
    if keepdim:
        return tuple(1 if d in dim else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in dim)


def spread(g: Tensor, x: Tensor, dim: tuple[int, ...]) -> Tensor:
    """``g``, which lacks the axes ``dim`` or has them as 1, repeated to the shape of x."""
    return broadcast_to(reshape(g, reduced_shape(x.shape, dim, keepdim=True)), x.shape)


def _sum_type(x: TensorType, dim: tuple[int, ...], keepdim: bool) -> TensorType:
    return TensorType(reduced_shape(x.shape, dim, keepdim), sum_dtype(x.dtype))


def sum_dtype(dtype: DType) -> DType:
    """Counts and sums of integers are int64, so that small types do not run over."""
    return dtype if dtype.is_float or dtype is uint64 else int64


SUM = Op(
    name="sum",
    infer=_sum_type,
    reference=lambda x, dim, keepdim: np.sum(
        x, axis=dim, keepdims=keepdim, dtype=sum_dtype(dtype_of(x.dtype)).numpy
    ),
    kernel=Reduction("add"),
    gradient=(lambda g, y, x, dim, keepdim: spread(g, x, dim),),
    samples=along_axes(real),
    notation="Σ({0}, {dim})",
    doc="The sum of the elements along the axes dim.",
)


def sum(x: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """Return the sum of the elements along ``dim`` (all axes unless given).

    Args:
        x: any tensor; booleans are counted, and integers summed, as int64.
        dim: one axis, several, or None for all.
        keepdim: leave the reduced axes in place with length 1.
        dtype: the element type to sum in, and of the result.

    >>> sum(Tensor([[1, 2], [3, 4]]), 0)
    tensor([4, 6])
    """
    x = as_tensor(x) if dtype is None else to(x, dtype)
    total = apply(SUM, x, dim=dims_of("sum", dim, x.ndim), keepdim=keepdim)
    return total if dtype is None else to(total, dtype)


def mean(x: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """Return the mean of the elements along ``dim`` (all axes unless given).

    Args:
        x: any tensor; whole numbers and truth values are averaged as float32.
        dim, keepdim: as for `sum`.
        dtype: the element type to compute in, and of the result.

    Numerics: NaN over no elements at all.

    >>> mean(Tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    x = as_tensor(x) if dtype is None else to(x, dtype)
    wanted = x.dtype if x.dtype.is_float else float32
    count = prod(x.shape[d] for d in dims_of("mean", dim, x.ndim))
    return to(sum(x, dim, keepdim, wanted.wide) / (count or float("nan")), wanted)


def needs_elements(name: str, x: TensorType, dim: tuple[int, ...]) -> None:
    """Raise unless there is something to choose from along the axes ``dim``."""
    if 0 in [x.shape[d] for d in dim]:
        raise ShapeError(f"{name}: at least one element is needed; got {x} along dim {dim}.")


def _max_type(x: TensorType, dim: tuple[int, ...], keepdim: bool) -> TensorType:
    needs_elements("amax", x, dim)
    return TensorType(reduced_shape(x.shape, dim, keepdim), x.dtype)


def _max_gradient(g: Tensor, y: Tensor, x: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    winners = to(eq(x, spread(y, x, dim)), x.dtype)
    return winners * spread(g, x, dim) / sum(winners, dim, keepdim=True)


_without_elements = (
    Misuse((np.ones((0, 2)),), {"dim": (0,), "keepdim": False}, ShapeError, "at least one"),
    Misuse((np.ones((2, 0)),), {"dim": (1,), "keepdim": True}, ShapeError, "along dim (1,)"),
)

AMAX = Op(
    name="amax",
    infer=_max_type,
    reference=lambda x, dim, keepdim: np.max(x, axis=dim, keepdims=keepdim),
    kernel=Reduction("max"),
    gradient=(_max_gradient,),
    samples=along_axes(apart),
    misuses=_without_elements,
    notation="max({0}, {dim})",
    doc="The largest element along the axes dim.",
)


def amax(x: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the largest element along ``dim`` (all axes unless given); NaN if there is one.

    Gradient: shared equally among equal maxima.

    >>> amax(Tensor([[1, 5], [7, 2]]), 1)
    tensor([5, 7])
    """
    x = as_tensor(x)
    return apply(AMAX, x, dim=dims_of("amax", dim, x.ndim), keepdim=keepdim)


def _passing_over_nan(name: str, ufunc: np.ufunc, other: float, what: str) -> Op:
    return Op(
        name=name,
        infer=_max_type,
        reference=lambda x, dim, keepdim: ufunc.reduce(
            x, axis=dim, keepdims=keepdim, initial=other if x.dtype.kind == "f" else None
        ),
        kernel=Reduction(name),
        gradient=(_max_gradient,),
        samples=along_axes(apart),
        misuses=_without_elements,
        notation=name + "({0}, {dim})",
        doc=f"The {what} number along the axes dim, NaN passed over; {other} if all are NaN.",
    )


NANMAX = _passing_over_nan("nanmax", np.fmax, -np.inf, "largest")
NANMIN = _passing_over_nan("nanmin", np.fmin, np.inf, "smallest")


def nanmax(x: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the largest number along ``dim``, as `amax` but passing over NaN; -inf if all are.

    Gradient: shared equally among equal maxima.

    >>> nanmax(Tensor([[1.0, float("nan")], [7.0, 2.0]]), 1)
    tensor([1., 7.])
    """
    x = as_tensor(x)
    return apply(NANMAX, x, dim=dims_of("nanmax", dim, x.ndim), keepdim=keepdim)


def nanmin(x: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the smallest number along ``dim``, as `amin` but passing over NaN; inf if all are.

    Gradient: shared equally among equal minima.

    >>> nanmin(Tensor([[1.0, float("nan")], [7.0, 2.0]]), 1)
    tensor([1., 2.])
    """
    x = as_tensor(x)
    return apply(NANMIN, x, dim=dims_of("nanmin", dim, x.ndim), keepdim=keepdim)


def _reversed(x: Tensor) -> Tensor:
    """The same elements in the opposite order of size; doing it twice changes nothing."""
    return -x if x.dtype.is_float else bitwise_not(x)


def amin(x: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the smallest element along ``dim`` (all axes unless given); NaN if there is one.

    Gradient: shared equally among equal minima.

    >>> amin(Tensor([[1, 5], [7, 2]]), 1)
    tensor([1, 2])
    """
    x = as_tensor(x)
    dims = dims_of("amin", dim, x.ndim)
    needs_elements("amin", x.type, dims)
    return _reversed(amax(_reversed(x), dims, keepdim))


class Extreme(NamedTuple):
    """What `max` and `min` along an axis return: the values and where they stand."""

    values: Tensor
    indices: Tensor


def max(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the largest element; along an axis, (values, indices) as PyTorch does.

    Gradient: over all elements, shared among equal maxima; along an axis, to the first.

    >>> max(Tensor([[1, 5], [7, 2]]), 1).indices
    tensor([1, 0])
    """
    return amax(x) if dim is None else _extreme("max", argmax, as_tensor(x), dim, keepdim)


def min(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the smallest element; along an axis, (values, indices) as PyTorch does.

    Gradient: over all elements, shared among equal minima; along an axis, to the first.

    >>> min(Tensor([[1, 5], [7, 2]]), 1).indices
    tensor([0, 1])
    """
    return amin(x) if dim is None else _extreme("min", argmin, as_tensor(x), dim, keepdim)


def _extreme(name: str, find: Callable[..., Tensor], x: Tensor, dim: int, keepdim: bool) -> Extreme:
    indices = find(x, dim, keepdim=True)
    values = gather(x, dim, indices)
    if not keepdim:
        shape = reduced_shape(x.shape, dims_of(name, dim, x.ndim), keepdim=False)
        values, indices = reshape(values, shape), reshape(indices, shape)
    return Extreme(values, indices)


def _argmax_type(x: TensorType, dim: tuple[int, ...], keepdim: bool) -> TensorType:
    needs_elements("argmax", x, dim)
    return TensorType(reduced_shape(x.shape, dim, keepdim), int64)


ARGMAX = Op(
    name="argmax",
    infer=_argmax_type,
    reference=lambda x, dim, keepdim: np.argmax(x, axis=dim[0], keepdims=keepdim),
    kernel=Reduction("argmax"),
    samples=along_axes(lambda rng, shape: rng.integers(0, 4, shape).astype(float), axes=False),
    misuses=_without_elements,
    notation="argmax({0}, {dim})",
    doc="The position of the first largest element along one axis.",
)


def argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the position of the first largest element along ``dim``.

    Args:
        x: any tensor.
        dim: one axis; None counts positions in the flattened tensor.
        keepdim: leave the reduced axis in place with length 1.

    >>> argmax(Tensor([[1, 5], [7, 2]]), 1)
    tensor([1, 0])
    """
    x = as_tensor(x)
    if dim is None:
        return argmax(reshape(x, -1), 0)
    return apply(ARGMAX, x, dim=dims_of("argmax", dim, x.ndim), keepdim=keepdim)


def argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the position of the first smallest element along ``dim``.

    Args:
        x: any tensor.
        dim: one axis; None counts positions in the flattened tensor.
        keepdim: leave the reduced axis in place with length 1.

    >>> argmin(Tensor([[1, 5], [7, 2]]), 1)
    tensor([0, 1])
    """
    x = as_tensor(x)
    flat = reshape(x, -1) if dim is None else x
    dims = dims_of("argmin", 0 if dim is None else dim, flat.ndim)
    needs_elements("argmin", flat.type, dims)
    return argmax(_reversed(flat), dims[0], keepdim)


def any(x: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether an element along ``dim`` (all axes unless given) is not 0.

    False over no elements at all.

    >>> any(Tensor([[0, 5], [0, 0]]), 1)
    tensor([ True, False])
    """
    return _any("any", to(x, bool_), dim, keepdim)


def all(x: Any, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether no element along ``dim`` (all axes unless given) is 0.

    True over no elements at all.

    >>> all(Tensor([[1, 5], [0, 2]]), 1)
    tensor([ True, False])
    """
    return logical_not(_any("all", logical_not(x), dim, keepdim))


def _any(name: str, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    dims = dims_of(name, dim, x.ndim)
    if prod(x.shape[d] for d in dims):
        return amax(x, dims, keepdim)
    return broadcast_to(Tensor(False), reduced_shape(x.shape, dims, keepdim))
