"""Movement ops: the elements of the inputs at other places. None of them computes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Pull, View
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, TensorType
from .samples import cases


def axis_of(name: str, dim: int, ndim: int) -> int:
    """Return ``dim`` as a number from 0 to ``ndim`` - 1.

    Raises:
        ShapeError: there is no such axis.
    """
    if not -ndim <= dim < ndim:
        raise ShapeError(
            f"{name}: dim counts axes from -{ndim} to {ndim - 1} here; got {dim} for a tensor "
            f"with {ndim} axes."
        )
    return dim % ndim


# reshape --------------------------------------------------------------------------------


def _reshape_type(x: TensorType, shape: Shape) -> TensorType:
    if prod(shape) != x.size:
        raise ShapeError(
            f"reshape: the number of elements stays the same; got {x} ({x.size} elements) for "
            f"shape {shape} ({prod(shape)})."
        )
    return TensorType(shape, x.dtype)


RESHAPE = Op(
    name="reshape",
    infer=_reshape_type,
    reference=lambda x, shape: x.reshape(shape),
    kernel=View(),
    gradient=(lambda g, y, x, shape: reshape(g, x.shape),),
    samples=cases(
        (((2, 3),), {"shape": (6,)}),
        (((2, 3, 5),), {"shape": (5, 6)}),
        (((),), {"shape": (1, 1)}),
        (((0, 3),), {"shape": (3, 0)}),
        (((2, 3, 5),), {"shape": (2, 15)}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)),), {"shape": (4,)}, ShapeError, "6 elements"),
        Misuse((np.ones(0),), {"shape": ()}, ShapeError, "number of elements stays the same"),
    ),
    notation="reshape({0}, {shape})",
    doc="The same elements in the same (row-major) order under another shape.",
)


def reshape(x: Any, *shape: Any) -> Tensor:
    """Return the elements of ``x`` in row-major order under another shape.

    Args:
        x: any tensor.
        shape: the new lengths, one of which may be -1: whatever is left.

    Raises:
        ShapeError: the number of elements would change.

    >>> reshape(Tensor([[1, 2], [3, 4]]), -1)
    tensor([1, 2, 3, 4])
    """
    x = as_tensor(x)
    wanted = shape_of(shape)
    if wanted.count(-1) == 1:
        rest = -prod(wanted)
        if not rest:
            raise ShapeError(f"reshape: -1 stands for a length beside no empty axis; got {wanted}.")
        wanted = tuple(x.numel() // rest if n == -1 else n for n in wanted)
    if any(n < 0 for n in wanted):
        raise ShapeError(f"reshape: lengths are positive, one may be -1; got {shape_of(shape)}.")
    return x if wanted == x.shape else apply(RESHAPE, x, shape=wanted)


def shape_of(lengths: tuple[Any, ...]) -> Shape:
    """Return the shape written as ``f(2, 3)`` or ``f((2, 3))``."""
    if len(lengths) == 1 and isinstance(lengths[0], (tuple, list)):
        lengths = tuple(lengths[0])
    return tuple(int(n) for n in lengths)


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return ``x`` with the axes from ``start_dim`` to ``end_dim`` merged into one.

    >>> flatten(Tensor([[1, 2], [3, 4]])).shape
    (4,)
    """
    x = as_tensor(x)
    if x.ndim == 0:
        return reshape(x, 1)
    first, last = (axis_of("flatten", d, x.ndim) for d in (start_dim, end_dim))
    if first > last:
        raise ShapeError(
            f"flatten: start_dim comes before end_dim; got {start_dim} and {end_dim} for a tensor "
            f"with {x.ndim} axes."
        )
    merged = prod(x.shape[first : last + 1])
    return reshape(x, *x.shape[:first], merged, *x.shape[last + 1 :])


def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Tensor:
    """Return ``x`` with axis ``dim`` split into axes of the lengths ``sizes``; one may be -1.

    >>> unflatten(Tensor([1, 2, 3, 4, 5, 6]), 0, (2, -1)).shape
    (2, 3)
    """
    x = as_tensor(x)
    axis = axis_of("unflatten", dim, x.ndim)
    part, known = tuple(sizes), -prod(sizes)
    if part.count(-1) == 1 and known:
        part = tuple(x.shape[axis] // known if n == -1 else n for n in sizes)
    if prod(part) != x.shape[axis] or min(part, default=0) < 0:
        raise ShapeError(
            f"unflatten: the lengths multiply to that of axis {axis}; got {tuple(sizes)} for "
            f"{x.type}."
        )
    return reshape(x, *x.shape[:axis], *part, *x.shape[axis + 1 :])


def squeeze(x: Any, dim: int | Sequence[int] | None = None) -> Tensor:
    """Return ``x`` without axes of length 1.

    Args:
        x: any tensor.
        dim: the axes to drop, of those only the ones of length 1; all unless given.

    >>> squeeze(Tensor([[[1], [2]]])).shape, squeeze(Tensor([[[1], [2]]]), -1).shape
    ((2,), (1, 2))
    """
    x = as_tensor(x)
    chosen = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = {axis_of("squeeze", d, x.ndim) for d in chosen}
    return reshape(x, [n for d, n in enumerate(x.shape) if n != 1 or d not in axes])


def unsqueeze(x: Any, dim: int) -> Tensor:
    """Return ``x`` with a new axis of length 1 in front of axis ``dim``, or at the end.

    >>> unsqueeze(Tensor([1, 2]), 0).shape, unsqueeze(Tensor([1, 2]), -1).shape
    ((1, 2), (2, 1))
    """
    x = as_tensor(x)
    axis = axis_of("unsqueeze", dim, x.ndim + 1)
    return reshape(x, *x.shape[:axis], 1, *x.shape[axis:])


# transpose ------------------------------------------------------------------------------


def _transpose_type(x: TensorType, dims: tuple[int, ...]) -> TensorType:
    if sorted(dims) != list(range(len(x.shape))):
        raise ShapeError(f"permute: every axis occurs once; got dims {dims} for {x}.")
    return TensorType(tuple(x.shape[d] for d in dims), x.dtype)


def _inverse(dims: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(dims))


TRANSPOSE = Op(
    name="transpose",
    infer=_transpose_type,
    reference=lambda x, dims: x.transpose(dims),
    kernel=Pull(lambda b, i, x, types, dims: x([i[k] for k in _inverse(dims)])),
    gradient=(lambda g, y, x, dims: permute(g, _inverse(dims)),),
    samples=cases(
        (((2, 3),), {"dims": (1, 0)}),
        (((2, 3, 5, 7),), {"dims": (2, 0, 3, 1)}),
        (((2, 3, 5),), {"dims": (2, 1, 0)}),
        (((),), {"dims": ()}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)),), {"dims": (0, 0)}, ShapeError, "occurs once"),
        Misuse((np.ones((2, 3)),), {"dims": (0,)}, ShapeError, "got dims (0,) for float64[2, 3]"),
    ),
    notation="{0}ᵀ",
    doc="The axes of x in another order: axis k of the result is axis dims[k] of x.",
)


def permute(x: Any, *dims: Any) -> Tensor:
    """Return ``x`` with its axes in the order ``dims``.

    >>> permute(Tensor([[1, 2, 3]]), 1, 0).shape
    (3, 1)
    """
    x = as_tensor(x)
    order = tuple(axis_of("permute", d, x.ndim) for d in shape_of(dims))
    return x if order == tuple(range(x.ndim)) else apply(TRANSPOSE, x, dims=order)


def transpose(x: Any, dim0: int, dim1: int) -> Tensor:
    """Return ``x`` with two axes exchanged."""
    x = as_tensor(x)
    order = list(range(x.ndim))
    a, b = axis_of("transpose", dim0, x.ndim), axis_of("transpose", dim1, x.ndim)
    order[a], order[b] = order[b], order[a]
    return permute(x, order)


swapaxes = transpose  # NumPy's name for it


def movedim(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Return ``x`` with the axes ``source`` moved to the places ``destination``.

    The other axes keep their order.

    >>> movedim(Tensor(np.zeros((2, 3, 5))), 0, -1).shape
    (3, 5, 2)
    """
    x = as_tensor(x)
    pairs = []
    for dims in (source, destination):
        axes = [axis_of("movedim", d, x.ndim) for d in ([dims] if isinstance(dims, int) else dims)]
        pairs.append(axes)
    old, new = pairs
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise ShapeError(
            "movedim: every axis moves once, to a place of its own; got source "
            f"{source} and destination {destination}."
        )
    rest = iter(d for d in range(x.ndim) if d not in old)
    moved = dict(zip(new, old, strict=True))
    return permute(x, [moved[d] if d in moved else next(rest) for d in range(x.ndim)])


# broadcast ------------------------------------------------------------------------------


def _broadcast_type(x: TensorType, shape: Shape) -> TensorType:
    offset = len(shape) - len(x.shape)
    if offset < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[offset:], strict=True)):
        raise ShapeError(
            f"broadcast: lengths are equal or 1, counted from the last axis; got {x.shape} for "
            f"{shape}."
        )
    return TensorType(shape, x.dtype)


def _broadcast_rule(b: Any, i: Any, x: Any, types: Any, shape: Shape) -> Any:
    inner = i[len(shape) - len(types[0].shape) :]
    zero = b.const(0, like=None)
    return x([zero if n == 1 else k for n, k in zip(types[0].shape, inner, strict=True)])


def _broadcast_gradient(g: Tensor, y: Tensor, x: Tensor, shape: Shape) -> Tensor:
    from .reduction import sum

    lead = len(shape) - x.ndim
    dims = [d for d in range(len(shape)) if d < lead or x.shape[d - lead] != shape[d]]
    return reshape(sum(g, dims) if dims else g, x.shape)


BROADCAST = Op(
    name="broadcast",
    infer=_broadcast_type,
    reference=lambda x, shape: np.broadcast_to(x, shape),
    kernel=Pull(_broadcast_rule),
    gradient=(_broadcast_gradient,),
    samples=cases(
        (((),), {"shape": (2, 3)}),
        (((3,),), {"shape": (2, 3)}),
        (((2, 1),), {"shape": (2, 3)}),
        (((3, 1),), {"shape": (2, 3, 5)}),
        (((1,),), {"shape": (0,)}),
        (((5, 1, 1),), {"shape": (2, 5, 3, 7)}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)),), {"shape": (2, 4)}, ShapeError, "equal or 1"),
        Misuse((np.ones((2, 3)),), {"shape": (3,)}, ShapeError, "got (2, 3) for (3,)"),
    ),
    notation="{0}",
    doc="x repeated along axes where its length is 1 or missing.",
)


def broadcast_to(x: Any, *shape: Any) -> Tensor:
    """Return ``x`` repeated along axes where its length is 1 or missing.

    Raises:
        ShapeError: a length is neither 1 nor that of ``shape``.

    >>> broadcast_to(Tensor([1, 2]), 2, 2)
    tensor([[1, 2],
            [1, 2]])
    """
    x, wanted = as_tensor(x), shape_of(shape)
    return x if x.shape == wanted else apply(BROADCAST, x, shape=wanted)


def expand(x: Any, *sizes: Any) -> Tensor:
    """Return ``x`` repeated along axes of length 1 and along new ones in front.

    Args:
        x: any tensor.
        sizes: the lengths; -1 keeps that of an axis.

    >>> expand(Tensor([[1], [2]]), 3, -1, 2).shape
    (3, 2, 2)
    """
    x, wanted = as_tensor(x), shape_of(sizes)
    own = (-1,) * (len(wanted) - x.ndim) + x.shape
    if len(own) == len(wanted):
        wanted = tuple(m if n == -1 else n for n, m in zip(wanted, own, strict=True))
    if any(n < 0 for n in wanted):
        raise ShapeError(
            f"expand: a length is positive, or -1 for an axis there is; got {shape_of(sizes)} for "
            f"{x.type}."
        )
    return broadcast_to(x, wanted)


def broadcast_together(name: str, *tensors: Tensor) -> list[Tensor]:
    """Return the tensors broadcast to their common shape.

    Raises:
        ShapeError: there is none.
    """
    try:
        shape = np.broadcast_shapes(*[x.shape for x in tensors])
    except ValueError:
        shapes = " and ".join(str(x.shape) for x in tensors)
        raise ShapeError(
            f"{name}: lengths are equal or 1, counted from the last axis; got {shapes}. "
            "Reshape one of them, for instance with x.reshape(-1, 1)."
        ) from None
    return [broadcast_to(x, shape) for x in tensors]
