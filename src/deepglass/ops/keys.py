"""What ``x[key]`` and ``x[key] = value`` mean.

A key is taken apart into slices, which cut a part out of the tensor, and indices, which all
together pick from some axes of the part. Those axes are merged into one, so that a single
`index_select`, or `index_copy` for writing, does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, bool_
from .elementwise import to, where
from .masking import known
from .movement import broadcast_to, broadcast_together, permute, reshape
from .selecting import POSITION, index_copy, index_select
from .slicing import PAD, SLICE, Range, widths_around
from .turning import FLIP


@dataclass(frozen=True)
class Selection:
    """A key, taken apart.

    Attributes:
        ranges: the part, one range per axis of the tensor.
        turned: axes that are read from the end.
        shape: the part's shape, with axes for None and without those of whole numbers; beside
            indices a whole number leaves an axis of length 1 that belongs to theirs.
        picked: axes of ``shape`` that the indices pick from.
        indices: the indices and the lengths they count in.
        together: no slice, None or ``...`` stands between two of them.
    """

    ranges: tuple[Range, ...]
    turned: tuple[int, ...]
    shape: Shape
    picked: tuple[int, ...]
    indices: tuple[tuple[Tensor, int], ...]
    together: bool

    @property
    def region(self) -> Shape:
        """The part's lengths along the axes of the tensor."""
        return tuple(len(range(*r)) for r in self.ranges)

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of ``shape``, with those picked from side by side: first if they are not."""
        axes = tuple(range(len(self.shape)))
        if self.together:
            return axes
        return self.picked + tuple(d for d in axes if d not in self.picked)

    @property
    def dim(self) -> int:
        """Where in `order` the picked axes begin."""
        return self.order.index(self.picked[0])

    def position(self) -> Tensor:
        """Where the elements are in the merged axis."""
        indices = broadcast_together("index", *[i for i, _ in self.indices])
        return apply(POSITION, *indices, lengths=tuple(n for _, n in self.indices))

    def part(self, x: Tensor) -> Tensor:
        cut = apply(SLICE, x, ranges=self.ranges)
        return reshape(apply(FLIP, cut, dims=self.turned) if self.turned else cut, self.shape)

    def merged(self, x: Tensor) -> Tensor:
        """The part with the axes picked from as one."""
        part = permute(self.part(x), self.order)
        end = self.dim + len(self.picked)
        lengths = (*part.shape[: self.dim], prod(part.shape[self.dim : end]), *part.shape[end:])
        return reshape(part, lengths)

    def put_back(self, part: Tensor, x: Tensor) -> Tensor:
        """``x`` with the region replaced by ``part``, which has the shape of the selection."""
        part = reshape(part, self.region)
        if self.turned:
            part = apply(FLIP, part, dims=self.turned)
        if self.region == x.shape:
            return part
        widths = widths_around(x.shape, self.ranges)
        written = apply(PAD, broadcast_to(Tensor(True), self.region), widths=widths, value=False)
        return where(written, apply(PAD, part, widths=widths, value=0), x)

    def unmerged(self, merged: Tensor) -> Tensor:
        """The part that `merged` was made of."""
        part = reshape(merged, [self.shape[d] for d in self.order])
        return permute(part, [self.order.index(d) for d in range(len(self.order))])


def getitem(x: Any, key: Any) -> Tensor:
    """Return ``x[key]``, as NumPy does.

    Args:
        x: any tensor.
        key: one or several, separated by commas, of: a whole number; a slice (also with a
            negative step); None for a new axis; ``...``; whole numbers in a tensor, an array
            or a list; a mask, that is booleans over one or more axes.

    Indices are broadcast together. Their axes stand where the first index was; in front if
    there is a slice or None between two of them (a number counts as an index there).

    A slice is a value of its own: writing into it does not change ``x``; write
    ``x[key] = value`` instead.

    Raises:
        IndexError: a number is out of range, or there are more keys than axes.
        DomainError: an element of an index is out of range.
        ShapeError: indices cannot be broadcast together; a mask does not fit.
        TraceError: a mask in a compiled function, where its number of elements is not known.

    Gradient: elements that are picked several times get the sum.

    >>> x = Tensor([[1, 2, 3], [4, 5, 6]])
    >>> getitem(x, (0, slice(1, None)))
    tensor([2, 3])
    >>> getitem(x, ([1, 0], [-1, 0]))
    tensor([6, 1])
    """
    x = as_tensor(x)
    selection = select(x.shape, key)
    if selection.indices:
        part = index_select(selection.merged(x), selection.dim, selection.position())
    else:
        part = selection.part(x)
    part.is_slice = True
    return part


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """Give the elements ``x[key]`` other values; no other tensor changes.

    The keys are those of `getitem`. Where an index names an element several times, the last
    value stays, and alone gets a gradient. A mask with a single value compiles.
    """
    owned(x)
    part = to(as_tensor(value), x.dtype)
    mask = _only_mask(key)
    if mask is not None and (part.numel() == 1 or part.ndim <= x.ndim - mask.ndim):
        x.rebind(_where_mask(x, mask, part).node)
        return
    selection = select(x.shape, key)
    if not selection.indices:
        x.rebind(selection.put_back(_broadcast(part, selection.shape), x).node)
        return
    merged, dim, position = selection.merged(x), selection.dim, selection.position()
    shape = merged.shape[:dim] + position.shape + merged.shape[dim + 1 :]
    written = index_copy(merged, dim, position, _broadcast(part, shape))
    x.rebind(selection.put_back(selection.unmerged(written), x).node)


def _broadcast(value: Tensor, shape: Shape) -> Tensor:
    """``value`` repeated to ``shape``; axes of length 1 in front may be too many."""
    spare = value.ndim - len(shape)
    if spare > 0 and prod(value.shape[:spare]) == 1:
        value = reshape(value, value.shape[spare:])
    return broadcast_to(value, shape)


def _only_mask(key: Any) -> Tensor | None:
    """The mask that is the whole key, or None."""
    if isinstance(key, tuple) and len(key) == 1:
        key = key[0]
    if isinstance(key, (Tensor, np.ndarray, list)):
        mask = as_tensor(key)
        return mask if mask.dtype is bool_ and mask.ndim else None
    return None


def _where_mask(x: Tensor, mask: Tensor, value: Tensor) -> Tensor:
    _check_mask(mask, x.shape, 0)
    rest = x.shape[mask.ndim :]
    inside = broadcast_to(reshape(mask, mask.shape + (1,) * len(rest)), x.shape)
    return where(inside, _broadcast(value, rest), x)


def _check_mask(mask: Tensor, shape: Shape, axis: int) -> None:
    if mask.shape != shape[axis : axis + mask.ndim]:
        raise ShapeError(
            f"index: a mask is as long as the axes it covers; got {mask.shape} from axis {axis} of "
            f"shape {shape} on."
        )


def select(shape: Shape, key: Any) -> Selection:
    """Take ``key`` apart for a tensor of this shape."""
    given = [_plain(k) for k in (key if isinstance(key, tuple) else (key,))]
    keys = _expanded(shape, given)
    indexed = any(isinstance(k, _Index) for k in keys)
    ranges: list[Range] = []
    turned: list[int] = []
    result: list[int] = []
    picked: list[int] = []
    for k in keys:
        if k is None:
            result.append(1)
            continue
        if isinstance(k, _Index):
            picked.append(len(result))
            result.append(k.length)
            if k.own:
                ranges.append((0, k.length, 1))
            continue
        axis, n = len(ranges), shape[len(ranges)]
        if isinstance(k, slice):
            span = range(*k.indices(n))
            if span.step < 0:
                turned.append(axis)
                span = span[::-1]
            ranges.append((span[0], span[-1] + 1, span.step) if span else (0, 0, 1))
            result.append(len(span))
            continue
        if not -n <= k < n:
            raise IndexError(f"index: {k} is outside axis {axis} of length {n}.")
        ranges.append((k % n, k % n + 1, 1))
        if indexed:
            picked.append(len(result))
            result.append(1)
    indices = tuple((k.value, k.length) for k in keys if isinstance(k, _Index))
    at = [n for n, k in enumerate(given) if isinstance(k, (int, Tensor))]
    together = at == list(range(at[0], at[0] + len(at))) if at else True
    return Selection(tuple(ranges), tuple(turned), tuple(result), tuple(picked), indices, together)


@dataclass(frozen=True)
class _Index:
    """An index of an axis of this length; ``own`` is False where it came without an axis."""

    value: Tensor
    length: int
    own: bool = True


def _expanded(shape: Shape, given: list[Any]) -> list[Any]:
    """The keys one by one: a slice, a number or an `_Index` per axis, and None."""
    count = sum(_axes_of(k) for k in given)
    if count > len(shape):
        raise IndexError(f"index: at most one key per axis; got {count} for shape {shape}.")
    if sum(k is Ellipsis for k in given) > 1:
        raise IndexError(f"index: ... stands for all other axes, once; got {given}.")
    keys: list[Any] = []
    axis = 0
    for k in given if any(k is Ellipsis for k in given) else [*given, Ellipsis]:
        if k is Ellipsis:
            keys += [slice(None)] * (len(shape) - count)
            axis += len(shape) - count
        elif isinstance(k, Tensor) and k.dtype is bool_:
            _check_mask(k, shape, axis)
            keys += _places(k)
            axis += k.ndim
        elif isinstance(k, Tensor):
            keys.append(_Index(k, shape[axis]))
            axis += 1
        else:
            keys.append(k)
            axis += k is not None
    return keys


def _plain(key: Any) -> Any:
    """A key as None, ``...``, a slice, an int or a tensor."""
    if key is None or key is Ellipsis or isinstance(key, (slice, Tensor)):
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return int(key)
    if isinstance(key, (bool, np.bool_, np.ndarray, list, range)):
        array = np.asarray(key)
        return Tensor(array if array.size or isinstance(key, np.ndarray) else array.astype("i8"))
    raise IndexError(
        "index: numbers, slices, None, ..., and tensors, arrays or lists of numbers or booleans "
        f"are understood; got {key!r}."
    )


def _axes_of(key: Any) -> int:
    if isinstance(key, Tensor) and key.dtype is bool_:
        return key.ndim
    return 0 if key is None or key is Ellipsis else 1


def _places(mask: Tensor) -> list[_Index]:
    """The positions where a mask holds, an index per axis; for one without axes, the only
    position of a new axis, or none."""
    elements = known("index", mask)
    if not mask.ndim:
        return [_Index(Tensor(np.zeros(int(elements), np.int64)), 1, own=False)]
    places = np.nonzero(elements)
    return [_Index(Tensor(p), n) for p, n in zip(places, mask.shape, strict=True)]


def owned(x: Tensor) -> Tensor:
    """Return ``x`` unless it was taken from another tensor: it would be written to in vain.

    Raises:
        TypeError: it is a slice, or was reached by ``.data``.
    """
    if x.is_slice:
        raise TypeError(
            f"assignment: a slice is a value of its own, not a window, and so is .data; {x.type} "
            "here was taken from another tensor, which would not change. Write base[i] = ... or, "
            "under dg.no_grad(), change the base itself."
        )
    return x
