"""Windows that slide along an axis: the geometry of convolution and pooling.

Tap ``k`` of window ``i`` lies on element ``i * stride + k * dilation - before`` of the axis.
Where there is no such element, there is padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.types import Shape


@dataclass(frozen=True)
class Window:
    """How a window slides along one axis.

    Attributes:
        length: elements of the axis.
        kernel: taps of the window.
        count: positions of the window.
        stride: elements from one position to the next.
        before: elements of padding in front of the axis.
        dilation: elements from one tap to the next.
    """

    length: int
    kernel: int
    count: int
    stride: int = 1
    before: int = 0
    dilation: int = 1

    @property
    def span(self) -> int:
        """Elements from the first tap of the first window to the last tap of the last."""
        return (self.count - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    def tap(self, b: Any, i: Any, k: Any) -> tuple[Any, list[Any]]:
        """The element under tap ``k`` of window ``i``, and the conditions that it exists.

        A condition is left out on a side where no window leaves the axis.
        """
        start = b.mul(i, b.const(self.stride, like=i))
        at = b.add(start, b.mul(k, b.const(self.dilation, like=k)))
        at = b.sub(at, b.const(self.before, like=at))
        tests = []
        if self.before > 0:
            tests.append(b.ge(at, b.const(0, like=at)))
        if self.span - self.before > self.length:
            tests.append(b.lt(at, b.const(self.length, like=at)))
        return at, tests

    @property
    def covers(self) -> int:
        """How many windows can lie over one element; with dilation, how many taps could."""
        return -(-self.kernel // self.stride) if self.dilation == 1 else self.kernel

    def over(self, b: Any, at: Any, back: Any) -> tuple[Any, Any, list[Any]]:
        """A window over element ``at``: its number, the tap that lies there, and conditions.

        Args:
            back: which one, from 0 to `covers` - 1, as a number or as a scalar. Without dilation
                that many windows before the last one, whose number is (at + before) // stride;
                with dilation the one whose tap ``back`` lies there.
        """
        low, high = (back, back) if isinstance(back, int) else (0, self.covers - 1)
        back = b.const(back, like=at) if isinstance(back, int) else back
        stride, zero = b.const(self.stride, like=at), b.const(0, like=at)
        shifted = b.add(at, b.const(self.before, like=at))
        if self.dilation > 1:
            shifted = b.sub(shifted, b.mul(back, b.const(self.dilation, like=at)))
            end = b.const((self.count - 1) * self.stride + 1, like=at)
            whole = b.eq(b.mod(shifted, stride), zero)
            tests = [b.ge(shifted, zero), b.lt(shifted, end), whole]
            return b.floordiv(shifted, stride), back, tests
        number = b.sub(b.floordiv(shifted, stride), back)
        tap = b.sub(shifted, b.mul(number, stride))
        tests = []
        if (self.length - 1 + self.before) // self.stride - low >= self.count:
            tests.append(b.lt(number, b.const(self.count, like=at)))
        if high:
            tests.append(b.ge(number, zero))
        if self.ragged:
            tests.append(self.has_tap(b, tap))
        return number, tap, tests

    @property
    def ragged(self) -> bool:
        """Whether some elements have fewer windows over them than `covers`, so that `over` names
        taps that do not exist."""
        return self.dilation == 1 and self.kernel % self.stride > 0

    def has_tap(self, b: Any, tap: Any) -> Any:
        """The condition that there is such a tap."""
        return b.lt(tap, b.const(self.kernel, like=tap))

    def all_over(self, b: Any, at: Any) -> list[tuple[Any, Any, list[Any]]]:
        """Every window over element ``at``, as `over` describes it."""
        return [self.over(b, at, back) for back in range(self.covers)]


Windows = tuple[Window, ...]  # one for each of a tensor's last axes


def guarded(b: Any, tests: Sequence[Any], read: Callable[[], Any], other: float = 0) -> Any:
    """``read()`` where all tests hold and ``other`` elsewhere, in a backend's vocabulary."""
    if not tests:
        return read()
    return b.guard(reduce(b.logical_and, tests), read, other)


# Arguments ------------------------------------------------------------------------------


def per_axis(what: str, value: Any, axes: int, least: int = 0) -> tuple[int, ...]:
    """Return ``value``, a number for all axes or one for each, as one for each.

    ``what`` is for the message: "conv2d: stride".

    Raises:
        ShapeError: there are more or fewer, or one is not a whole number from ``least`` on.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(values) != axes or any(
        not isinstance(v, (int, np.integer)) or isinstance(v, bool) or v < least for v in values
    ):
        each = f", or {axes} of them, one for each axis" if axes > 1 else ""
        raise ShapeError(f"{what} is one whole number >= {least}{each}; got {value!r}.")
    return tuple(int(v) for v in values)


def check_axes(name: str, axes: int, shape: Shape) -> None:
    """Raise unless there are ``axes`` axes behind the channels."""
    if len(shape) not in (axes + 1, axes + 2):
        lengths = ("length", "height, width")[axes - 1]
        raise ShapeError(
            f"{name}: the input is (batch, channels, {lengths}), or one of them without batch; got "
            f"{shape}. Add a channel axis with x[:, None]."
        )


def sliding(
    name: str,
    lengths: Shape,
    kernel: Shape,
    stride: Shape,
    dilation: Shape,
    padding: Sequence[tuple[int, int]],
    ceil_mode: bool = False,
) -> Windows:
    """Return the windows over axes of the given lengths.

    Args:
        name: the op, for the message.
        padding: elements of padding before and after each axis.
        ceil_mode: allow a last window that ends beyond the padding, if it starts before it.

    Raises:
        ShapeError: a window is larger than its axis with the padding.

    Source: Dumoulin and Visin (2016), relationship 6, with dilation 15.
    """
    windows = []
    for n, k, s, d, (before, after) in zip(lengths, kernel, stride, dilation, padding, strict=True):
        room = n + before + after - (k - 1) * d - 1  # elements the window can move by
        count = room // s + 1
        if ceil_mode and room % s and count * s < n + before:
            count += 1
        windows.append(Window(n, k, count, s, before, d))
    if any(w.count < 1 for w in windows):
        raise ShapeError(
            f"{name}: the window fits into the padded input; got a window of {kernel} with "
            f"dilation {dilation} for {lengths} with padding {tuple(padding)}. Add padding or "
            "take a smaller window."
        )
    return tuple(windows)


# In NumPy -------------------------------------------------------------------------------


def view_windows(x: np.ndarray, windows: Windows, value: float = 0) -> np.ndarray:
    """Return the elements under the windows: (..., *kernels, *counts) for the last axes of x.

    A view of ``x``, or of a copy with ``value`` around it where windows leave an axis.
    """
    covered = _covered(x, windows, value)
    lead, steps = x.ndim - len(windows), covered.strides[x.ndim - len(windows) :]
    taps = tuple(s * w.dilation for s, w in zip(steps, windows, strict=True))
    places = tuple(s * w.stride for s, w in zip(steps, windows, strict=True))
    return np.lib.stride_tricks.as_strided(
        covered,
        x.shape[:lead] + tuple(w.kernel for w in windows) + tuple(w.count for w in windows),
        covered.strides[:lead] + taps + places,
        writeable=False,
    )


def _covered(x: np.ndarray, windows: Windows, value: float) -> np.ndarray:
    """Cut or pad the last axes of x to what the windows span."""
    if all(w.before == 0 and w.span <= w.length for w in windows):
        return x
    lead = x.shape[: x.ndim - len(windows)]
    out = np.full(lead + tuple(w.span for w in windows), value, x.dtype)
    inside = last_axes(slice(w.before, w.before + w.length) for w in windows)
    out[inside] = x[last_axes(slice(max(w.span - w.before, 0)) for w in windows)]
    return out


def fold_windows(columns: np.ndarray, windows: Windows) -> np.ndarray:
    """Add up what the windows hold, (..., *kernels, *counts), where their taps lie."""
    axes = len(windows)
    lead = columns.shape[: columns.ndim - 2 * axes]
    reach = tuple(max(w.span, w.before + w.length) for w in windows)
    total = np.zeros(lead + reach, columns.dtype)
    for taps in np.ndindex(*(w.kernel for w in windows)):
        places = last_axes(
            slice(k * w.dilation, k * w.dilation + (w.count - 1) * w.stride + 1, w.stride)
            for k, w in zip(taps, windows, strict=True)
        )
        total[places] += columns[last_axes((*taps, *[slice(None)] * axes))]
    return np.asarray(total[last_axes(slice(w.before, w.before + w.length) for w in windows)])


def last_axes(keys: Iterable[int | slice]) -> Any:
    """Return an index that picks along the last axes."""
    return (..., *keys)
