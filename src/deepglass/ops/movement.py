"""Movement ops: the elements of the inputs at other places. None of them computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Elementwise, Pull, View
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, TensorType, dtype_of, int64
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
    misuses=(Misuse((np.ones((2, 3)),), {"shape": (4,)}, ShapeError, "6 elements"),),
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
    misuses=(Misuse((np.ones((2, 3)),), {"dims": (0, 0)}, ShapeError, "occurs once"),),
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
    misuses=(Misuse((np.ones((2, 3)),), {"shape": (2, 4)}, ShapeError, "equal or 1"),),
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


# slice, pad -----------------------------------------------------------------------------

Range = tuple[int, int, int]  # start, stop, step, with 0 <= start, step > 0


def _slice_type(x: TensorType, ranges: tuple[Range, ...]) -> TensorType:
    if len(ranges) != len(x.shape):
        raise ShapeError(f"slice: one range per axis; got {len(ranges)} for {x}.")
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
    misuses=(Misuse((np.ones(2),), {"widths": ((-1, 0, 0),), "value": 0.0}, ShapeError, ">= 0"),),
    notation="pad({0}, {widths}, {value})",
    doc="x with ``value`` before, after and between its elements along each axis.",
)


def pad(x: Any, pad: Sequence[int], value: float = 0.0) -> Tensor:
    """Return ``x`` with a border of ``value``.

    Args:
        x: any tensor.
        pad: (before, after) for the last axis, then for the one before it, and so on, as in
            PyTorch.
        value: what stands in the border.

    >>> pad(Tensor([1.0, 2.0]), (1, 0))
    tensor([0., 1., 2.])
    """
    x = as_tensor(x)
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(
            f"pad: two widths per axis, last axis first; got {tuple(pad)} for {x.type}."
        )
    widths = [(0, 0, 0)] * x.ndim
    for k in range(len(pad) // 2):
        widths[-1 - k] = (int(pad[2 * k]), int(pad[2 * k + 1]), 0)
    return apply(PAD, x, widths=tuple(widths), value=value)


def getitem(x: Any, key: Any) -> Tensor:
    """Return ``x[key]`` for integers, slices with positive steps, None and ``...``.

    A slice is a value of its own: writing into it does not change ``x``; write
    ``x[key] = value`` instead.

    Raises:
        IndexError: an integer is out of range, or there are more keys than axes.

    >>> getitem(Tensor([[1, 2], [3, 4]]), (0, slice(1, None)))
    tensor([2])
    """
    x = as_tensor(x)
    ranges, shape = index_ranges(x.shape, key)
    part = reshape(apply(SLICE, x, ranges=ranges), shape)
    part.is_slice = True
    return part


def index_ranges(shape: Shape, key: Any) -> tuple[tuple[Range, ...], Shape]:
    """Return one range per axis of ``shape`` and the shape that ``x[key]`` has."""
    keys = list(key) if isinstance(key, tuple) else [key]
    named = sum(k is not None and k is not Ellipsis for k in keys)
    if named > len(shape):
        raise IndexError(f"index: at most one key per axis; got {named} for shape {shape}.")
    if not any(k is Ellipsis for k in keys):
        keys.append(Ellipsis)
    at = next(n for n, k in enumerate(keys) if k is Ellipsis)
    keys[at : at + 1] = [slice(None)] * (len(shape) - named)
    ranges: list[Range] = []
    result: list[int] = []
    for k in keys:
        if k is None:
            result.append(1)
            continue
        n = shape[len(ranges)]
        if isinstance(k, slice):
            start, stop, step = k.indices(n)
            if step < 1:
                raise IndexError(f"index: steps are positive; got {k}.")
            ranges.append((start, max(start, stop), step))
            result.append(len(range(start, stop, step)))
        elif isinstance(k, (int, np.integer)) and not isinstance(k, bool):
            if not -n <= k < n:
                raise IndexError(f"index: {k} is outside axis {len(ranges)} of length {n}.")
            ranges.append((int(k) % n, int(k) % n + 1, 1))
        else:
            raise IndexError(
                f"index: integers, slices, None and ... are understood; got {k!r}. Use dg.gather "
                "to pick elements by a tensor of positions."
            )
    return tuple(ranges), tuple(result)


# concat ---------------------------------------------------------------------------------


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
    misuses=(Misuse((np.ones((2, 3)), np.ones((3, 3))), {"dim": 1}, ShapeError, "agree"),),
    doc="The inputs one after another along the axis dim.",
)


def cat(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """Return the tensors joined along axis ``dim``.

    Args:
        tensors: at least one; equal shapes except along ``dim``.

    >>> cat([Tensor([1, 2]), Tensor([3])])
    tensor([1, 2, 3])
    """
    if not tensors:
        raise ShapeError("cat: at least one tensor is needed; got none.")
    parts = [as_tensor(x) for x in tensors]
    axis = axis_of("cat", dim, parts[0].ndim)
    while len(parts) > 1:
        groups = [parts[k : k + MAX_PIECES] for k in range(0, len(parts), MAX_PIECES)]
        parts = [apply(CONCAT, *group, dim=axis) for group in groups]
    return parts[0]


# iota -----------------------------------------------------------------------------------


def _iota_type(shape: Shape, dim: int | None, dtype: Any) -> TensorType:
    return TensorType(shape, dtype)


def _iota_reference(shape: Shape, dim: int | None, dtype: Any) -> np.ndarray:
    if dim is None:
        return np.arange(prod(shape), dtype=dtype.numpy).reshape(shape)
    numbers = np.arange(shape[dim], dtype=dtype.numpy)
    return np.broadcast_to(numbers.reshape([-1] + [1] * (len(shape) - dim - 1)), shape)


def _iota_rule(b: Any, i: Any, shape: Shape, dim: int | None, dtype: Any) -> Any:
    if dim is not None:
        return b.cast(i[dim], dtype)
    position = b.const(0, like=None)
    for k, n in zip(i, shape, strict=True):
        position = b.add(b.mul(position, b.const(n, like=None)), k)
    return b.cast(position, dtype)


def _iota_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dim in (((7,), 0), ((2, 3), 0), ((2, 40), 1), ((2, 3, 5), None), ((), None)):
        for dtype in ("int64", "float64", "uint64"):
            yield Sample((), {"shape": shape, "dim": dim, "dtype": dtype_of(dtype)})


IOTA = Op(
    name="iota",
    infer=_iota_type,
    reference=_iota_reference,
    kernel=Elementwise(_iota_rule),
    samples=_iota_samples,
    notation="iota({shape}, {dim})",
    doc="The position along axis dim, or among all elements, as numbers.",
)


def iota(shape: Shape, dim: int | None = 0, dtype: Any = int64) -> Tensor:
    """Return a tensor whose elements are their own position along axis ``dim``.

    With ``dim`` None the elements are counted through, row by row.

    >>> iota((2, 3), dim=1)
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    if any(n < 0 for n in shape):
        raise DomainError(f"iota: lengths are not negative; got {shape}.")
    axis = None if dim is None else axis_of("iota", dim, len(shape))
    return apply(IOTA, shape=tuple(shape), dim=axis, dtype=dtype_of(dtype))
