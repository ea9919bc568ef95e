"""Max-pooling: where the largest element of each window stands, and picking it.

`window_argmax` finds the element; `window_take` reads it; `window_put`, the gradient of
taking, lets each element look at the windows that cover it. Nothing is scattered, so the
result does not depend on any order. Windows slide along the last axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.kinds import Pull
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_floats
from ..graph.types import DType, Shape, TensorType, float64, int32, int64, uint8
from .counting import iota
from .elementwise import to
from .movement import broadcast_to
from .samples import apart, real
from .window import (
    Window,
    Windows,
    check_axes,
    fold_windows,
    guarded,
    last_axes,
    per_axis,
    sliding,
    view_windows,
)


def _code_dtype(windows: Windows) -> DType:
    return uint8 if _taps(windows) <= 256 else int32


def _taps(windows: Windows) -> int:
    return prod(w.kernel for w in windows)


def _positions(windows: Windows) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The number of each tap, counted row by row from 0, and its place in the window."""
    return enumerate(product(*(range(w.kernel) for w in windows)))


def _reuse(types: Any, windows: Windows) -> float:
    """How many windows cover an element."""
    return _taps(windows) / prod(w.stride for w in windows)


def lead_of(name: str, shape: Shape, windows: Windows) -> Shape:
    """Return the lengths of the axes before those that the windows slide along.

    Raises:
        ShapeError: the windows are made for other lengths.
    """
    axes = len(windows)
    lengths = tuple(w.length for w in windows)
    if shape[-axes:] != lengths:
        raise ShapeError(
            f"{name}: the last axes have the windows' lengths {lengths}; got {shape}. Make the "
            "windows for this shape."
        )
    return shape[:-axes]


# where the largest element is -----------------------------------------------------------


def _argmax_type(x: TensorType, windows: Windows) -> TensorType:
    if not x.dtype.is_float:
        raise DTypeError(f"max_pool: pixels are floats; got {x}. Convert with .to(dg.float32).")
    counts = tuple(w.count for w in windows)
    return TensorType((*lead_of("max_pool", x.shape, windows), *counts), _code_dtype(windows))


def _each_tap(x: np.ndarray, windows: Windows) -> Iterator[tuple[int, np.ndarray]]:
    """For every tap its number and the elements under it, -inf in the padding."""
    view = view_windows(x, windows, -np.inf)
    for number, taps in _positions(windows):
        yield number, view[last_axes((*taps, *[slice(None)] * len(windows)))]


def _argmax_reference(x: np.ndarray, windows: Windows) -> np.ndarray:
    (_, best), *others = _each_tap(x, windows)
    best, code = best.copy(), np.zeros(best.shape, _code_dtype(windows).numpy)
    for number, value in others:
        wins = ~(value <= best) & (best == best)
        np.copyto(best, value, where=wins)
        code[wins] = number
    return code


def _read_tap(b: Any, x: Any, i: Any, taps: tuple[int, ...], windows: Windows) -> Any:
    """The element under the tap of the window at index ``i``, -inf in the padding."""
    places = i[-len(windows) :]
    found = [w.tap(b, p, b.const(k, like=p)) for w, p, k in zip(windows, places, taps, strict=True)]
    at = [*i[: -len(windows)], *(a for a, _ in found)]
    return guarded(b, [t for _, ts in found for t in ts], partial(x, at), float("-inf"))


def _argmax_rule(b: Any, i: Any, x: Any, types: Any, windows: Windows) -> Any:
    best = code = None
    for number, taps in _positions(windows):
        value = _read_tap(b, x, i, taps, windows)
        here = b.cast(b.const(number, like=None), _code_dtype(windows))
        if best is None:
            best, code = value, here
            continue
        # a later element wins only by being larger, or the first NaN
        wins = b.logical_and(b.eq(best, best), b.logical_not(b.le(value, best)))
        best, code = b.where(wins, value, best), b.where(wins, here, code)
    return code


_POOLINGS: tuple[tuple[Shape, Windows], ...] = (
    ((2, 3), (Window(4, 2, 2, stride=2), Window(6, 2, 3, stride=2))),
    ((2, 3), (Window(5, 2, 2, stride=2), Window(7, 2, 3, stride=2))),
    ((2, 1), (Window(7, 3, 4, stride=2, before=1), Window(9, 2, 8))),
    ((1, 2), (Window(6, 3, 6, before=1), Window(40, 3, 40, before=1))),
    ((2, 3), (Window(8, 2, 4, stride=2), Window(36, 2, 18, stride=2))),
    ((3,), (Window(7, 2, 3, stride=2, dilation=3), Window(5, 3, 5, before=2, dilation=2))),
    ((2, 3), (Window(7, 3, 4, stride=2, before=1),)),
    ((), (Window(5, 2, 3, stride=2), Window(8, 3, 3, stride=3))),  # beyond the end
    ((0, 2), (Window(35, 4, 8, stride=4),)),
)


def _argmax_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for lead, windows in _POOLINGS:
        shape = (*lead, *(w.length for w in windows))
        yield Sample((apart(rng, shape),), {"windows": windows})
        ties = rng.integers(-2, 3, shape).astype(float)
        yield Sample((ties,), {"windows": windows}, smooth=False)


_TWO = (Window(5, 2, 2, stride=2), Window(7, 3, 5))

WINDOW_ARGMAX = Op(
    name="window_argmax",
    infer=_argmax_type,
    reference=_argmax_reference,
    kernel=Pull(_argmax_rule, reuse=_reuse),
    samples=_argmax_samples,
    misuses=(
        Misuse((np.ones((2, 5, 8)),), {"windows": _TWO}, ShapeError, "lengths (5, 7); got (2,"),
        Misuse((np.ones((5, 7), int),), {"windows": _TWO}, DTypeError, "pixels are floats"),
    ),
    doc="The number of the first largest element in each window, counted row by row from 0.",
)


# picking it -----------------------------------------------------------------------------


def _check_code(name: str, lead: Shape, code: TensorType, windows: Windows) -> None:
    wanted = (*lead, *(w.count for w in windows))
    if code.shape != wanted or code.dtype is not _code_dtype(windows):
        raise ShapeError(
            f"{name}: there is one code for each window, {_code_dtype(windows)}{wanted}; got "
            f"{code}. Use that of window_argmax."
        )


def _take_type(x: TensorType, code: TensorType, windows: Windows) -> TensorType:
    _check_code("window_take", lead_of("window_take", x.shape, windows), code, windows)
    return TensorType(code.shape, x.dtype)


def _take_reference(x: np.ndarray, code: np.ndarray, windows: Windows) -> np.ndarray:
    result = np.empty(code.shape, x.dtype)
    for number, value in _each_tap(x, windows):
        np.copyto(result, value, where=code == number)
    return result


def _take_rule(b: Any, i: Any, x: Any, code: Any, types: Any, windows: Windows) -> Any:
    """A chain of choices between the elements of the window: no element is read by a computed
    address, so that a vector of windows stays a vector."""
    winner = code(i)
    result = None
    for number, taps in _positions(windows):
        value = _read_tap(b, x, i, taps, windows)
        here = b.eq(winner, b.const(number, like=winner))
        result = value if result is None else b.where(here, value, result)
    return result


def _take_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for lead, windows in _POOLINGS:
        x = apart(rng, (*lead, *(w.length for w in windows)))
        yield Sample((x, _argmax_reference(x, windows)), {"windows": windows})


_CODE = np.zeros((3, 2, 5), np.uint8)

WINDOW_TAKE: Op = Op(
    name="window_take",
    infer=_take_type,
    reference=_take_reference,
    kernel=Pull(_take_rule, reuse=_reuse),
    gradient=(
        lambda g, y, x, code, windows: apply(WINDOW_PUT, g, code, windows=windows),
        None,
    ),
    samples=_take_samples,
    misuses=(
        Misuse((np.ones((3, 7, 5)), _CODE), {"windows": _TWO}, ShapeError, "lengths (5, 7)"),
        Misuse((np.ones((2, 5, 7)), _CODE), {"windows": _TWO}, ShapeError, "one code for each"),
    ),
    doc="The element that a window_argmax code names in each window.",
)


# putting it back ------------------------------------------------------------------------


def _put_type(g: TensorType, code: TensorType, windows: Windows) -> TensorType:
    lead = g.shape[: len(g.shape) - len(windows)]
    _check_code("window_put", lead, code, windows)
    if g.shape != code.shape:
        raise ShapeError(
            f"window_put: there is one number for each window; got {g} for {code}. Broadcast it."
        )
    return TensorType((*lead, *(w.length for w in windows)), g.dtype)


def _put_reference(g: np.ndarray, code: np.ndarray, windows: Windows) -> np.ndarray:
    axes = len(windows)
    columns = (*code.shape[:-axes], *[1] * axes, *code.shape[-axes:])
    kernel = tuple(w.kernel for w in windows)
    numbers = np.arange(prod(kernel)).reshape(*kernel, *[1] * axes)
    won = code.reshape(columns) == numbers
    return fold_windows(np.where(won, g.reshape(columns), g.dtype.type(0)), windows)


def _put_rule(b: Any, i: Any, g: Any, code: Any, types: Any, windows: Windows) -> Any:
    axes = len(windows)
    total = None
    for found in product(*(w.all_over(b, a) for w, a in zip(windows, i[-axes:], strict=True))):
        at = [*i[:-axes], *(place for place, _, _ in found)]
        tests = [t for _, _, ts in found for t in ts]
        number = None
        for w, (_, tap, _) in zip(windows, found, strict=True):
            number = tap if number is None else b.add(
                b.mul(number, b.const(w.kernel, like=number)), tap
            )  # fmt: skip
        winner = guarded(b, tests, partial(code, at))
        value = guarded(b, tests, partial(g, at))
        hit = b.eq(b.cast(winner, int32), b.cast(number, int32))
        part = b.where(hit, value, b.const(0, like=value))
        total = part if total is None else b.add(total, part)
    return total


def _put_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for lead, windows in _POOLINGS:
        code = _argmax_reference(apart(rng, (*lead, *(w.length for w in windows))), windows)
        yield Sample((real(rng, code.shape), code), {"windows": windows})


WINDOW_PUT: Op = Op(
    name="window_put",
    infer=_put_type,
    reference=_put_reference,
    kernel=Pull(_put_rule),
    gradient=(
        lambda h, y, g, code, windows: apply(WINDOW_TAKE, h, code, windows=windows),
        None,
    ),
    samples=_put_samples,
    misuses=(
        Misuse((np.ones((2, 2, 5)), _CODE), {"windows": _TWO}, ShapeError, "one code for each"),
        Misuse((np.ones((3, 1, 5)), _CODE), {"windows": _TWO}, ShapeError, "one number for each"),
    ),
    doc="Each window's number added at the element its code names, zero elsewhere.",
)


# The functions --------------------------------------------------------------------------


def pooled(
    name: str, axes: int, x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> Windows:  # fmt: skip
    """Return the windows of a pooling over the last ``axes`` axes of ``x``.

    Raises:
        ShapeError: arguments that do not fit one another, or ``x``.
    """
    check_axes(name, axes, x.shape)
    kernel = per_axis(f"{name}: kernel_size", kernel_size, axes, 1)
    steps = kernel if stride is None else per_axis(f"{name}: stride", stride, axes, 1)
    gaps = per_axis(f"{name}: dilation", dilation, axes, 1)
    around = per_axis(f"{name}: padding", padding, axes)
    if any(2 * p > (k - 1) * d + 1 for p, k, d in zip(around, kernel, gaps, strict=True)):
        raise ShapeError(
            f"{name}: the padding is at most half the window; got padding {around} for a window of "
            f"{kernel} with dilation {gaps}. Take a smaller padding."
        )
    pairs = [(p, p) for p in around]
    return sliding(name, x.shape[-axes:], kernel, steps, gaps, pairs, ceil_mode)


class Pooled(NamedTuple):
    """What max-pooling returns with ``return_indices``: the elements and where they stand,
    counted row by row through the axes the windows slide along."""

    values: Tensor
    indices: Tensor


def largest(x: Tensor, windows: Windows, places: Tensor | None = None) -> Any:
    """Return the largest element under each window; with ``places``, what stands there too."""
    code = apply(WINDOW_ARGMAX, x, windows=windows)
    values = apply(WINDOW_TAKE, x, code, windows=windows)
    if places is None:
        return values
    return Pooled(values, to(apply(WINDOW_TAKE, places, code, windows=windows), int64))


def numbered(x: Tensor, axes: int) -> Tensor:
    """Return where each element of ``x`` stands, counted through its last axes."""
    return broadcast_to(iota(x.shape[-axes:], None, float64), x.shape)


def _max_pool(
    axes: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    name = f"max_pool{axes}d"
    x = as_floats(name, input)
    windows = pooled(name, axes, x, kernel_size, stride, padding, dilation, ceil_mode)
    return largest(x, windows, numbered(x, axes) if return_indices else None)


def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Return the largest element of each window.

    Args: as of `max_pool2d`, with one number each.

    Shapes:
        input: (batch, channels, length), or without the batch

    Gradient: goes to the first largest element.

    >>> max_pool1d(Tensor([[1.0, 5.0, 2.0, 3.0]]), 2)
    tensor([[5., 3.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Return the largest pixel of each window; NaN if there is one.

    Args:
        input: images, see Shapes.
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels; the window's own size unless given.
        padding: rows and columns of -inf added on each side, in pixels.
        dilation: distance between the pixels a window looks at.
        ceil_mode: keep a last window that starts in the image but ends beyond the padding.
        return_indices: return (values, indices), each pixel with its number in the image,
            counted row by row.

    Shapes:
        input: (batch, channels, height, width), or without the batch

    Raises:
        ShapeError: the window is larger than the padded image, or the padding than half of it.

    Gradient: goes to the first largest pixel, row by row.

    >>> max_pool2d(Tensor([[[[1.0, 5.0], [2.0, 3.0]]]]), 2)
    tensor([[[[5.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
