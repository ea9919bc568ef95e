"""Three contractions, gradients of one another: convolution, transposed convolution, and the
gradient of both for their weights.

They work on images (batch, groups, channels of a group, *lengths) and weights (groups,
out channels of a group, in channels of a group, *kernel), with any number of axes for windows
to slide along; what one `Window` per axis says holds for all three records. As in every
framework of the field the kernel is not flipped; what mathematics calls convolution flips it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.kinds import Arrangement, Contraction, Order, Section, Span
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import apply
from ..graph.types import Shape, TensorType
from .samples import Samples, real
from .window import Window, Windows, fold_windows, guarded, view_windows


def _check_together(
    name: str, x: TensorType, w: TensorType, channels: int, lengths: Shape, windows: Windows
) -> None:
    """Raise unless ``x`` has the channels on axis ``channels`` of ``w``, and such lengths."""
    if x.dtype is not w.dtype or not x.dtype.is_float:
        raise DTypeError(
            f"{name}: both tensors are of one float type; got {x} and {w}. Convert one with .to()."
        )
    same = x.shape[1:3] == (w.shape[0], w.shape[channels]) and w.shape[3:] == _kernels(windows)
    if not same or x.shape[3:] != lengths:
        raise ShapeError(
            f"{name}: images are (batch, groups, channels, *{lengths}) and weights (groups, out, "
            f"in, *{_kernels(windows)}) with the same groups and channels; got {x} and {w}. Make "
            "the windows for these shapes."
        )


def _kernels(windows: Windows) -> Shape:
    return tuple(w.kernel for w in windows)


def _counts(windows: Windows) -> Shape:
    return tuple(w.count for w in windows)


def _lengths(windows: Windows) -> Shape:
    return tuple(w.length for w in windows)


def _conv_type(x: TensorType, w: TensorType, windows: Windows) -> TensorType:
    _check_together("conv", x, w, 2, _lengths(windows), windows)
    return TensorType((*x.shape[:2], w.shape[1], *_counts(windows)), x.dtype)


def _conv_transpose_type(g: TensorType, w: TensorType, windows: Windows) -> TensorType:
    _check_together("conv_transpose", g, w, 1, _counts(windows), windows)
    return TensorType((*g.shape[:2], w.shape[2], *_lengths(windows)), g.dtype)


def _weight_gradient_type(x: TensorType, g: TensorType, windows: Windows) -> TensorType:
    groups, channels = x.shape[1:3]
    w = TensorType((groups, g.shape[2], channels, *_kernels(windows)), x.dtype)
    _check_together("conv_weight_gradient", x, w, 2, _lengths(windows), windows)
    _check_together("conv_weight_gradient", g, w, 1, _counts(windows), windows)
    return w


def _columns(x: np.ndarray, windows: Windows) -> np.ndarray:
    """The windows of images as one matrix a group: channels x taps, batch x places."""
    view = np.moveaxis(view_windows(x, windows), 0, -1 - len(windows))
    return view.reshape(
        x.shape[1],
        x.shape[2] * prod(_kernels(windows)),
        x.shape[0] * prod(_counts(windows)),
    )


def _places(g: np.ndarray) -> np.ndarray:
    """What belongs to the windows as one matrix a group: out channels, batch x places."""
    return np.moveaxis(g, 0, 2).reshape(*g.shape[1:3], g.shape[0] * prod(g.shape[3:]))


def _taps(w: np.ndarray) -> np.ndarray:
    """Weights as one matrix a group: out channels, in channels x taps."""
    return w.reshape(*w.shape[:2], prod(w.shape[2:]))


def _conv_reference(x: np.ndarray, w: np.ndarray, windows: Windows) -> np.ndarray:
    y = _taps(w) @ _columns(x, windows)
    return np.moveaxis(y.reshape(*y.shape[:2], x.shape[0], *_counts(windows)), 2, 0)


def _conv_transpose_reference(g: np.ndarray, w: np.ndarray, windows: Windows) -> np.ndarray:
    columns = _taps(w).swapaxes(1, 2) @ _places(g)
    batch, groups = g.shape[:2]
    shape = (groups, w.shape[2], *_kernels(windows), batch, *_counts(windows))
    return fold_windows(np.moveaxis(columns.reshape(shape), -1 - len(windows), 0), windows)


def _weight_gradient_reference(x: np.ndarray, g: np.ndarray, windows: Windows) -> np.ndarray:
    w = _places(g) @ _columns(x, windows).swapaxes(1, 2)
    return np.asarray(w.reshape(*w.shape[:2], x.shape[2], *_kernels(windows)))


def _conv_term(b: Any, i: Any, k: Any, x: Any, w: Any, types: Any, windows: Windows) -> Any:
    n, group, o, *places = i
    c, *taps = k
    found = [v.tap(b, p, t) for v, p, t in zip(windows, places, taps, strict=True)]
    at, tests = [a for a, _ in found], [t for _, ts in found for t in ts]
    return guarded(b, tests, lambda: x([n, group, c, *at])), w([group, o, c, *taps])


def _conv_transpose_term(
    b: Any, i: Any, k: Any, g: Any, w: Any, types: Any, windows: Windows
) -> Any:
    """Not over all taps, but over the windows that lie over a place: nothing is multiplied by a
    zero between strides."""
    n, group, c, *at = i
    o, *backs = k
    found = [v.over(b, a, back) for v, a, back in zip(windows, at, backs, strict=True)]
    places, tests = [p for p, _, _ in found], [t for _, _, ts in found for t in ts]
    taps = [tap for _, tap, _ in found]
    ragged = [v.has_tap(b, tap) for v, tap in zip(windows, taps, strict=True) if v.ragged]
    weight = guarded(b, ragged, lambda: w([group, o, c, *taps]))
    return guarded(b, tests, lambda: g([n, group, o, *places])), weight


def _weight_gradient_term(
    b: Any, i: Any, k: Any, x: Any, g: Any, types: Any, windows: Windows
) -> Any:
    group, o, c, *taps = i
    n, *places = k
    found = [v.tap(b, p, t) for v, p, t in zip(windows, places, taps, strict=True)]
    at, tests = [a for a, _ in found], [t for _, ts in found for t in ts]
    return guarded(b, tests, lambda: x([n, group, c, *at])), g([n, group, o, *places])


# Few channels: images last, a vector of them at a time, which fill all lanes whatever the maps
# are. Else channels last: they go into lanes, and a tap reads neighbours; weights of a block of
# channels stand together. Windows that leave an image find zeros there.

_FEWEST = 4  # channels that are worth lanes
_MOST = 64  # channels up to which the windows over a vector of images stay near


def _places_of(windows: Windows) -> tuple[int, ...]:
    return tuple(range(3, 3 + len(windows)))


def _channels(groups: int, *of_a_group: int) -> int | None:
    """The axis of images that goes into lanes: their channels, or the groups if each has one
    channel; None where it is not worth it."""
    if groups == 1:
        return 2
    return 1 if max(of_a_group) == 1 and groups >= _FEWEST else None


def _images_order(windows: Windows, channels: int) -> tuple[int, ...]:
    return (0, 3 - channels, *_places_of(windows), channels, channels)


def _images_last(windows: Windows) -> tuple[int, ...]:
    return (0, 1, 2, *_places_of(windows), 0)


def _row_by_row(axes: int) -> tuple[int, ...]:
    return tuple(range(axes))


def _no_border(axes: int) -> tuple[tuple[int, int], ...]:
    return ((0, 0),) * axes


def _taps_first(windows: Windows) -> tuple[int, ...]:
    """The order of a sum over channels and taps: channels inside."""
    return (*range(1, 1 + len(windows)), 0)


def _reached(windows: Windows) -> tuple[tuple[int, int], ...]:
    """Zeros around images, so that all taps of all windows lie on something."""
    around = ((w.before, max(w.span - w.before - w.length, 0)) for w in windows)
    return _no_border(3) + tuple(around)


def _taps_inside(windows: Windows) -> tuple[Span, ...]:
    """Taps that lie on elements."""
    return tuple(
        Span(3 + k, 1 + k, w.stride, 1, -w.before, w.length)
        for k, w in enumerate(windows)
        if w.dilation == 1
    )


def _windows_over(windows: Windows) -> tuple[Span, ...]:
    """Windows that lie over elements."""
    return tuple(
        Span(3 + k, 1 + k, 1, -1, w.before, w.count)
        for k, w in enumerate(windows)
        if w.stride == w.dilation == 1
    )


def _inside(windows: Windows) -> Windows:
    """The same windows over images with zeros around them."""
    return tuple(replace(w, length=max(w.before + w.length, w.span), before=0) for w in windows)


Arrangements = Iterator[Arrangement]


def _where_long(rule: Callable[..., Arrangements]) -> Callable[..., tuple[Arrangement, ...]]:
    """The rule, but for windows along an axis of length 1: no layout has such an axis, nor the
    border that they would find around it."""

    def arranged(*args: Any, windows: Windows) -> tuple[Arrangement, ...]:
        if any(1 in (w.length, w.count) and w.kernel > 1 for w in windows):
            return ()
        return tuple(rule(*args, windows=windows))

    return arranged


def _image_orders(
    kernels: Sequence[int], windows: Windows, found: int
) -> Iterator[tuple[Order, Order, tuple[Order, Order]]]:
    """The order of an image that is found, of the sum, and of the image and the kernels that are
    read: images in the lanes, and channels, where either suits.

    Args:
        kernels: the shape of the kernels.
        found: the axis of theirs with the channels of the image that is found.
    """
    axes, places = len(kernels), _places_of(windows)
    if max(kernels[:3]) <= _MOST:
        order = _images_last(windows)
        yield order, _row_by_row(axes - 2), (order, _row_by_row(axes))
    channels = _channels(*kernels[:3])
    if channels is not None and kernels[0] * kernels[found] >= _FEWEST:
        order = _images_order(windows, channels)
        tiles = (0, found, *places, 3 - found, found) if channels == 2 else (1, 2, *places, 0)
        yield order, _taps_first(windows), (order, tiles)


def _conv_arrangements(types: Any, windows: Windows) -> Arrangements:
    w = types[1].shape
    borders, params = (_reached(windows), _no_border(len(w))), {"windows": _inside(windows)}
    for orders in _image_orders(w, windows, 1):
        yield Arrangement(*orders, borders, params, spans=_taps_inside(windows))


def _conv_transpose_arrangements(types: Any, windows: Windows) -> Arrangements:
    g, w = types
    strided = any(v.stride > 1 for v in windows)
    if strided and (g.shape[0] == 1 or any(v.stride > 1 and v.dilation > 1 for v in windows)):
        return
    around, inside = [(0, 0)] * 3, []
    for v in windows:
        first = (v.before // v.stride) - (v.covers - 1) * v.dilation
        before, after = max(-first, 0), max((v.length - 1 + v.before) // v.stride + 1 - v.count, 0)
        around.append((before, after))
        count = before + v.count + after
        inside.append(replace(v, before=v.before + before * v.stride, count=count))
    borders, params = (tuple(around), _no_border(len(w.shape))), {"windows": tuple(inside)}
    sections = _residues(g, w, windows) if strided else ()
    spans = () if strided else _windows_over(windows)
    for orders in _image_orders(w.shape, windows, 2):
        yield Arrangement(*orders, borders, params, sections=sections, spans=spans)


def _residues(g: Any, w: Any, windows: Windows) -> tuple[Section, ...]:
    """Elements that lie under the same taps: each tap of a stride has its own."""
    whole = tuple((0, 1, n) for n in (*g.shape[:2], w.shape[2]))
    return tuple(
        Section((*whole, *(p for p, _ in cuts)), (w.shape[1], *(k for _, k in cuts)))
        for cuts in product(*map(_residues_along, windows))
        if all(count for (_, _, count), _ in cuts)
    )


def _residues_along(v: Window) -> Iterator[tuple[tuple[int, int, int], int]]:
    """For each tap of a stride: the elements under it, and how many windows lie over one."""
    for tap in range(v.stride):
        first = (tap - v.before) % v.stride
        yield (
            (first, v.stride, len(range(first, v.length, v.stride))),
            len(range(tap, v.kernel, v.stride)),
        )


def _weight_gradient_arrangements(types: Any, windows: Windows) -> Arrangements:
    x, g = types
    axes, places = len(g.shape), _places_of(windows)
    borders, inside = (_reached(windows), _no_border(axes)), {"windows": _inside(windows)}
    if max(g.shape[1], g.shape[2], x.shape[2]) <= _MOST:
        order = _images_last(windows)
        yield Arrangement(
            _row_by_row(axes),
            (*_row_by_row(axes - 2), 0),
            (order, order),
            borders,
            inside,
            long=True,
        )
    channels = _channels(g.shape[1], x.shape[2], g.shape[2])
    if channels is not None and g.shape[1] * g.shape[2] >= _FEWEST:
        order = _images_order(windows, channels)
        yield Arrangement(
            (0, 2, 1, *places, 1) if channels == 2 else (1, 2, *places, 0),
            _row_by_row(axes - 2),
            (order, order),
            borders,
            inside,
            long=True,
        )


# batch, groups, out and in channels of a group, windows
_CASES: tuple[tuple[int, int, int, int, Windows], ...] = (
    (2, 1, 5, 3, (Window(5, 3, 3), Window(7, 3, 5))),
    (2, 1, 4, 3, (Window(5, 3, 5, before=1), Window(7, 3, 7, before=1))),
    (3, 1, 5, 2, (Window(8, 3, 4, stride=2, before=1), Window(7, 2, 2, stride=3))),
    (2, 1, 3, 1, (Window(6, 5, 6, before=2), Window(19, 5, 19, before=2))),
    (2, 1, 2, 3, (Window(5, 1, 3, stride=2), Window(4, 1, 4))),
    (2, 3, 5, 4, (Window(6, 2, 5), Window(7, 3, 6, before=2, dilation=2))),
    (2, 5, 1, 1, (Window(4, 3, 2, stride=2, before=1), Window(33, 3, 33, before=1))),
    (3, 2, 2, 1, (Window(9, 3, 2, stride=3, before=1, dilation=2), Window(5, 2, 5, before=0))),
    (3, 1, 2, 5, (Window(37, 4, 37, before=1),)),
    (2, 3, 1, 2, (Window(11, 3, 3, stride=2, dilation=3),)),
    (0, 1, 2, 3, (Window(7, 3, 5),)),
)


def _samples(first: str, second: str) -> Samples:
    """Samples of two of: images "x", weights "w", gradients of the result "g"."""

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for n, groups, o, c, windows in _CASES:
            shapes = {
                "x": (n, groups, c, *_lengths(windows)),
                "w": (groups, o, c, *_kernels(windows)),
                "g": (n, groups, o, *_counts(windows)),
            }
            yield Sample((real(rng, shapes[first]), real(rng, shapes[second])), _using(*windows))

    return samples


def _using(*windows: Window) -> dict[str, Any]:
    return {"windows": windows}


CONV: Op = Op(
    name="conv",
    infer=_conv_type,
    reference=_conv_reference,
    kernel=Contraction(
        over=lambda types, windows: types[1].shape[2:],
        term=_conv_term,
        arrange=_where_long(_conv_arrangements),
    ),
    gradient=(
        lambda g, y, x, w, windows: apply(CONV_TRANSPOSE, g, w, windows=windows),
        lambda g, y, x, w, windows: apply(CONV_WEIGHT_GRADIENT, x, g, windows=windows),
    ),
    samples=_samples("x", "w"),
    misuses=(
        Misuse(
            (np.ones((2, 1, 3, 5)), np.ones((1, 4, 2, 3))),
            _using(Window(5, 3, 3)),
            ShapeError,
            "the same groups and channels",
        ),
        Misuse(
            (np.ones((2, 1, 3, 5)), np.ones((1, 4, 3, 3))),
            _using(Window(7, 3, 5)),
            ShapeError,
            "*(7,)",
        ),
        Misuse(
            (np.ones((2, 1, 3, 5), np.float32), np.ones((1, 4, 3, 3))),
            _using(Window(5, 3, 3)),
            DTypeError,
            "one float type",
        ),
    ),
    notation="{0} ∗ {1}",
    doc="Cross-correlation of images with kernels, group by group.",
)

CONV_TRANSPOSE: Op = Op(
    name="conv_transpose",
    infer=_conv_transpose_type,
    reference=_conv_transpose_reference,
    kernel=Contraction(
        over=lambda types, windows: (types[1].shape[1], *(w.covers for w in windows)),
        term=_conv_transpose_term,
        arrange=_where_long(_conv_transpose_arrangements),
    ),
    gradient=(
        lambda h, y, g, w, windows: apply(CONV, h, w, windows=windows),
        lambda h, y, g, w, windows: apply(CONV_WEIGHT_GRADIENT, h, g, windows=windows),
    ),
    samples=_samples("g", "w"),
    misuses=(
        Misuse(
            (np.ones((2, 1, 3, 5)), np.ones((1, 4, 3, 3))),
            _using(Window(7, 3, 5)),
            ShapeError,
            "the same groups and channels",
        ),
        Misuse(
            (np.ones((2, 1, 4, 5)), np.ones((1, 4, 3, 3))),
            _using(Window(5, 3, 3)),
            ShapeError,
            "*(3,)",
        ),
    ),
    notation="{0} ∗ᵀ {1}",
    doc="The gradient of conv for its images: every element spread back through the kernel.",
)

CONV_WEIGHT_GRADIENT: Op = Op(
    name="conv_weight_gradient",
    infer=_weight_gradient_type,
    reference=_weight_gradient_reference,
    kernel=Contraction(
        over=lambda types, windows: (types[1].shape[0], *types[1].shape[3:]),
        term=_weight_gradient_term,
        arrange=_where_long(_weight_gradient_arrangements),
    ),
    gradient=(
        lambda h, y, x, g, windows: apply(CONV_TRANSPOSE, g, h, windows=windows),
        lambda h, y, x, g, windows: apply(CONV, x, h, windows=windows),
    ),
    samples=_samples("x", "g"),
    misuses=(
        Misuse(
            (np.ones((2, 1, 3, 5)), np.ones((2, 1, 4, 2))),
            _using(Window(5, 3, 3)),
            ShapeError,
            "*(3,)",
        ),
        Misuse(
            (np.ones((2, 1, 3, 5)), np.ones((2, 2, 4, 3))),
            _using(Window(5, 3, 3)),
            ShapeError,
            "the same groups",
        ),
    ),
    doc="The gradient of conv for its weights: images correlated with output gradients.",
)
