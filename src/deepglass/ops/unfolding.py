"""Windows side by side, and added up again; average pooling is the mean over each of them.

Windows slide along the last axes; their taps get axes of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, ShapeError
from ..graph.kinds import Pull
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_floats, as_tensor
from ..graph.types import Shape, TensorType
from .movement import reshape
from .pooling import lead_of, pooled
from .reduction import sum
from .samples import Samples, real
from .window import (
    Window,
    Windows,
    check_axes,
    fold_windows,
    guarded,
    per_axis,
    sliding,
    view_windows,
)  # fmt: skip

# The records ----------------------------------------------------------------------------


def _folded(lead: Shape, windows: Windows) -> Shape:
    return (*lead, *(w.length for w in windows))


def _unfolded(lead: Shape, windows: Windows) -> Shape:
    return (*lead, *(w.kernel for w in windows), *(w.count for w in windows))


def _unfold_type(x: TensorType, windows: Windows) -> TensorType:
    return TensorType(_unfolded(lead_of("unfold", x.shape, windows), windows), x.dtype)


def _unfold_rule(b: Any, i: Any, x: Any, types: Any, windows: Windows) -> Any:
    axes = len(windows)
    taps, places = i[-2 * axes : -axes], i[-axes:]
    found = [w.tap(b, p, k) for w, p, k in zip(windows, places, taps, strict=True)]
    at = [*i[: -2 * axes], *(a for a, _ in found)]
    return guarded(b, [t for _, ts in found for t in ts], partial(x, at))


def _fold_type(x: TensorType, windows: Windows) -> TensorType:
    lead = x.shape[: len(x.shape) - 2 * len(windows)]
    if x.shape != _unfolded(lead, windows):
        raise ShapeError(
            f"fold: the tensor ends with the taps and the places of the windows, "
            f"{_unfolded((), windows)}; got {x}. Make the windows for this shape."
        )
    return TensorType(_folded(lead, windows), x.dtype)


def _fold_rule(b: Any, i: Any, x: Any, types: Any, windows: Windows) -> Any:
    axes = len(windows)
    parts = []
    for found in product(*(w.all_over(b, a) for w, a in zip(windows, i[-axes:], strict=True))):
        at = [*i[:-axes], *(tap for _, tap, _ in found), *(place for place, _, _ in found)]
        parts.append(guarded(b, [t for _, _, ts in found for t in ts], partial(x, at)))
    return reduce(b.add, parts)


_CASES: tuple[tuple[Shape, Windows], ...] = (
    ((2, 3), (Window(4, 2, 2, stride=2), Window(6, 3, 2, stride=3))),
    ((2, 3), (Window(5, 2, 3, stride=2), Window(7, 3, 7, before=1))),
    ((3,), (Window(7, 2, 3, stride=2, dilation=3), Window(5, 3, 5, before=2, dilation=2))),
    ((2,), (Window(9, 2, 3, stride=3), Window(36, 3, 35, before=1))),
    ((2, 3), (Window(7, 4, 1), Window(5, 5, 1))),
    ((), (Window(33, 5, 12, stride=3, before=3),)),
    ((0, 2), (Window(7, 3, 5),)),
)


def _samples(shape: Any) -> Samples:
    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for lead, windows in _CASES:
            yield Sample((real(rng, shape(lead, windows)),), {"windows": windows})

    return samples


_TWO = {"windows": (Window(5, 2, 4), Window(7, 3, 3, stride=2))}

UNFOLD: Op = Op(
    name="unfold",
    infer=_unfold_type,
    reference=view_windows,
    kernel=Pull(
        _unfold_rule,
        reuse=lambda types, windows: prod(w.kernel / w.stride for w in windows),
    ),
    gradient=(lambda g, y, x, windows: apply(FOLD, g, windows=windows),),
    samples=_samples(_folded),
    misuses=(
        Misuse((np.ones((2, 7, 5)),), _TWO, ShapeError, "the windows' lengths (5, 7); got"),
        Misuse((np.ones(7),), _TWO, ShapeError, "lengths (5, 7); got (7,). Make the windows"),
    ),
    notation="unfold({0})",
    doc="The elements under the taps of each window, zero in the padding: (..., *taps, *places).",
)

FOLD: Op = Op(
    name="fold",
    infer=_fold_type,
    reference=fold_windows,
    kernel=Pull(_fold_rule),
    gradient=(lambda h, y, x, windows: apply(UNFOLD, h, windows=windows),),
    samples=_samples(_unfolded),
    misuses=(
        Misuse((np.ones((2, 3, 4, 5)),), _TWO, ShapeError, "(2, 3, 4, 3); got float64[2, 3, 4, 5]"),
        Misuse((np.ones((4, 3)),), _TWO, ShapeError, "the taps and the places"),
    ),
    notation="fold({0})",
    doc="What the windows hold, added up where their taps lie; the gradient of unfold.",
)

# The functions --------------------------------------------------------------------------


def mean_under(x: Tensor, windows: Windows, divisor: Any = None) -> Tensor:
    """Return the sum under each window divided by ``divisor``, its number of taps unless given."""
    first = x.ndim - len(windows)
    taps = range(first, first + len(windows))
    total = sum(apply(UNFOLD, x, windows=windows), taps)
    return total / (float(prod(w.kernel for w in windows)) if divisor is None else divisor)


def _elements(windows: Windows, padding: tuple[int, ...]) -> np.ndarray | None:
    """How many elements each window covers, those of the padding included; None if all of them
    cover as many as they have taps."""
    counts = []
    for w, around in zip(windows, padding, strict=True):
        start = np.arange(w.count) * w.stride - w.before
        end = np.minimum(start + w.kernel, w.length + around)
        counts.append(end - np.maximum(start, -around))
    if all((c == w.kernel).all() for c, w in zip(counts, windows, strict=True)):
        return None
    return np.asarray(reduce(np.multiply.outer, counts))


def _avg_pool(
    axes: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor: float | None,
) -> Tensor:  # fmt: skip
    name = f"avg_pool{axes}d"
    x = as_floats(name, input)
    windows = pooled(name, axes, x, kernel_size, stride, padding, 1, ceil_mode)
    if divisor is not None:
        if not divisor:
            raise DomainError(
                f"{name}: the divisor_override is not 0; got {divisor}. Leave it out."
            )
        return mean_under(x, windows, float(divisor))
    around = per_axis(name, padding, axes) if count_include_pad else (0,) * axes
    counts = _elements(windows, around)
    return mean_under(x, windows, None if counts is None else Tensor(counts, x.dtype))


def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """Return the mean of each window.

    Args: as of `avg_pool2d`, with one number each.

    Shapes:
        input: (batch, channels, length), or without the batch

    >>> avg_pool1d(Tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[3., 3.]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: float | None = None,
) -> Tensor:  # fmt: skip
    """Return the mean of the pixels in each window.

    Args:
        input: images, see Shapes.
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels; the window's own size unless given.
        padding: rows and columns of zeros added on each side, in pixels.
        ceil_mode: keep a last window that starts in the image but ends beyond the padding; what
            lies beyond it is not counted.
        count_include_pad: count the zeros of the padding as pixels.
        divisor_override: what the sum is divided by instead of the number of pixels.

    Shapes:
        input: (batch, channels, height, width), or without the batch

    Raises:
        ShapeError: the window is larger than the padded image, or the padding than half of it.

    Source: LeCun, Bottou, Bengio and Haffner (1998), section II, where it is followed by a weight.

    >>> avg_pool2d(Tensor([[[1.0, 5.0], [2.0, 4.0]]]), 2)
    tensor([[[3.]]])
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _windows(
    name: str, lengths: Shape, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> Windows:
    kernel = per_axis(f"{name}: kernel_size", kernel_size, 2, 1)
    gaps = per_axis(f"{name}: dilation", dilation, 2, 1)
    around = [(p, p) for p in per_axis(f"{name}: padding", padding, 2)]
    return sliding(name, lengths, kernel, per_axis(f"{name}: stride", stride, 2, 1), gaps, around)


def unfold(
    input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Return the pixels in each window as a column: images to the matrix a convolution multiplies.

    Args:
        input: images, see Shapes.
        kernel_size: height and width of the window, in pixels (one number for both).
        dilation: distance between the taps of the window, in pixels.
        padding: zeros added on each side, in pixels.
        stride: step of the window, in pixels.

    Shapes:
        input: (batch, channels, height, width), or without the batch
        returned: (batch, channels * kernel height * kernel width, windows)

    Raises:
        ShapeError: the window is larger than the padded image.

    >>> unfold(Tensor([[[1.0, 2.0, 3.0]]]), (1, 2))
    tensor([[1., 2.],
            [2., 3.]])
    """
    x = as_tensor(input)
    check_axes("unfold", 2, x.shape)
    windows = _windows("unfold", x.shape[-2:], kernel_size, dilation, padding, stride)
    columns = apply(UNFOLD, x, windows=windows)
    rows = x.shape[-3] * prod(w.kernel for w in windows)
    return reshape(columns, *x.shape[:-3], rows, prod(w.count for w in windows))


def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Tensor:  # fmt: skip
    """Return images made of the columns of `unfold`: pixels that several windows hold are added.

    Args:
        input: the columns, see Shapes.
        output_size: height and width of the images, in pixels (one number for both).
        kernel_size, dilation, padding, stride: as of `unfold`.

    Shapes:
        input: (batch, channels * kernel height * kernel width, windows), or without the batch
        returned: (batch, channels, height, width)

    Raises:
        ShapeError: such images have not as many windows, or not of this size.

    >>> fold(Tensor([[1.0, 2.0], [10.0, 20.0]]), (1, 3), (1, 2))
    tensor([[[ 1., 12., 20.]]])
    """
    x, size = as_tensor(input), per_axis("fold: output_size", output_size, 2, 1)
    windows = _windows("fold", size, kernel_size, dilation, padding, stride)
    taps, places = prod(w.kernel for w in windows), prod(w.count for w in windows)
    if x.ndim not in (2, 3) or x.shape[-2] % taps or x.shape[-1] != places:
        raise ShapeError(
            f"fold: the columns are (batch, channels * {taps}, {places}) for images of {size} with "
            f"these windows, or without batch; got {x.shape}. Check the output_size."
        )
    lead = (*x.shape[:-2], x.shape[-2] // taps)
    return apply(FOLD, reshape(x, *_unfolded(lead, windows)), windows=windows)
