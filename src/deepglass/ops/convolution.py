"""Convolutions along one and two axes, and their transposes."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..graph.tensor import Tensor, apply, as_floats, as_tensor
from .correlation import CONV, CONV_TRANSPOSE
from .elementwise import add, unify
from .movement import reshape
from .window import Window, check_axes, per_axis, sliding


def _paddings(
    name: str, padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> list[tuple[int, int]]:  # fmt: skip
    """Return the padding before and after each axis."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        if max(stride) > 1:
            raise ShapeError(
                f'{name}: padding "same" keeps the lengths, which a stride of 1 alone can; got '
                f"stride {stride}. Give the padding as numbers."
            )
        totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str):
        raise ShapeError(f'{name}: padding is a number, "same" or "valid"; got {padding!r}.')
    return [(p, p) for p in per_axis(f"{name}: padding", padding, len(kernel))]


def _prepared(
    name: str, axes: int, input: Any, weight: Any, groups: int, transposed: bool
) -> tuple[Tensor, Tensor]:
    """Return images and weights as the records want them."""
    x, w = unify((as_floats(name, input), as_tensor(weight)))
    check_axes(name, axes, x.shape)
    if x.ndim == axes + 1:
        x = reshape(x, 1, *x.shape)
    if not isinstance(groups, int) or groups < 1 or x.shape[1] % groups:
        raise ShapeError(
            f"{name}: groups, a whole number >= 1, divide the channels; got {groups!r} groups for "
            f"{x.shape[1]} channels."
        )
    fits = w.ndim == axes + 2 and w.shape[0] % groups == 0
    if not fits or x.shape[1] != (w.shape[0] if transposed else groups * w.shape[1]):
        first, second = ("in", "out") if transposed else ("out", "in")
        kernel = ("kernel length", "kernel height, kernel width")[axes - 1]
        raise ShapeError(
            f"{name}: weights are ({first}_channels, {second}_channels / groups, "
            f"{kernel}) with the images' channels; got images {x.shape}, weights {w.shape} and "
            f"groups {groups}."
        )
    images = reshape(x, x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    return images, reshape(w, groups, w.shape[0] // groups, *w.shape[1:])


def _finished(name: str, y: Tensor, bias: Any, batched: bool) -> Tensor:
    """Add the bias and merge the groups; drop the batch that `_prepared` added."""
    n, groups, channels, *lengths = y.shape
    if bias is not None:
        bias = as_tensor(bias)
        if bias.shape != (groups * channels,):
            raise ShapeError(
                f"{name}: the bias is (out_channels,); got {bias.shape} for {groups * channels} "
                "channels."
            )
        y = add(y, reshape(bias, 1, groups, channels, *[1] * len(lengths)))
    return reshape(y, *([n] if batched else []), groups * channels, *lengths)


def _conv(
    axes: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Tensor:  # fmt: skip
    name = f"conv{axes}d"
    x, w = _prepared(name, axes, input, weight, groups, transposed=False)
    steps = per_axis(f"{name}: stride", stride, axes, 1)
    gaps = per_axis(f"{name}: dilation", dilation, axes, 1)
    kernel = w.shape[3:]
    around = _paddings(name, padding, kernel, steps, gaps)
    y = apply(CONV, x, w, windows=sliding(name, x.shape[3:], kernel, steps, gaps, around))
    return _finished(name, y, bias, as_tensor(input).ndim > axes + 1)


def _conv_transpose(
    axes: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    name = f"conv_transpose{axes}d"
    g, w = _prepared(name, axes, input, weight, groups, transposed=True)
    steps = per_axis(f"{name}: stride", stride, axes, 1)
    gaps = per_axis(f"{name}: dilation", dilation, axes, 1)
    around = per_axis(f"{name}: padding", padding, axes)
    extra = per_axis(f"{name}: output_padding", output_padding, axes)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, gaps, strict=True)):
        raise ShapeError(
            f"{name}: the output_padding is less than the stride or the dilation; got "
            f"{extra} with stride {steps} and dilation {gaps}."
        )
    windows = []
    for n, k, s, d, p, e in zip(g.shape[3:], w.shape[3:], steps, gaps, around, extra, strict=True):
        span = (n - 1) * s + (k - 1) * d + 1
        windows.append(Window(span - 2 * p + e, k, n, s, p, d))
    if any(v.length < 1 for v in windows):
        raise ShapeError(
            f"{name}: something is left when the padding is cut off; got padding {around} for "
            f"lengths {g.shape[3:]} and kernel {w.shape[3:]}. Take a smaller padding."
        )
    y = apply(CONV_TRANSPOSE, g, w, windows=tuple(windows))
    return _finished(name, y, bias, as_tensor(input).ndim > axes + 1)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Return the signals cross-correlated with the kernels.

    y[n, o, r] = bias[o] + sum over c, u of
                 x[n, c, r * stride + u * dilation - padding] weight[o, c, u]

    Args:
        input, weight, bias: see Shapes.
        stride: step of the window, in elements.
        padding: zeros added on each side, in elements; "same" keeps the length, "valid" adds
            none.
        dilation: distance between the taps of the kernel, in elements.
        groups: channels are split into so many parts, each with kernels of its own.

    Shapes:
        input: (batch, in_channels, length), or without the batch
        weight: (out_channels, in_channels / groups, kernel length)
        bias: (out_channels,) or None

    Raises:
        ShapeError: channels differ, or the kernel is longer than the padded signal.

    >>> conv1d(Tensor([[[1.0, 2.0, 4.0]]]), Tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Return the images cross-correlated with the kernels.

    y[n, o, r, s] = bias[o] + sum over c, u, v of
        x[n, c, r * stride + u * dilation - padding, s * stride + v * dilation - padding]
        weight[o, c, u, v]

    Args:
        input, weight, bias: see Shapes.
        stride: step of the window, in pixels: one number, or (height, width).
        padding: zeros added on each side, in pixels: one number, or (height, width); "same"
            keeps height and width, with the odd zero at the end, "valid" adds none.
        dilation: distance between the taps of the kernel, in pixels: one number, or (height,
            width).
        groups: channels are split into so many parts, each with kernels of its own; as many as
            there are channels make the convolution depthwise.

    Shapes:
        input: (batch, in_channels, height, width), or without the batch
        weight: (out_channels, in_channels / groups, kernel height, kernel width)
        bias: (out_channels,) or None

    Raises:
        ShapeError: channels differ, or the kernel is larger than the padded image.

    >>> image = Tensor([[[[1.0, 2.0, 3.0]]]])
    >>> conv2d(image, Tensor([[[[1.0, -1.0]]]]))
    tensor([[[[-1., -1.]]]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Return the signals with every element spread over the kernel: the gradient of `conv1d`.

    y[n, o, r * stride + u * dilation - padding] += x[n, c, r] weight[c, o, u]

    Args:
        input, weight, bias: see Shapes.
        stride: step of the window over the result, in elements.
        padding: elements cut off the result on each side.
        output_padding: elements added to the result at its end; less than the stride or the
            dilation.
        groups: channels are split into so many parts, each with kernels of its own.
        dilation: distance between the taps of the kernel, in elements.

    Shapes:
        input: (batch, in_channels, length), or without the batch
        weight: (in_channels, out_channels / groups, kernel length)
        bias: (out_channels,) or None
        returned: (batch, out_channels, (length - 1) stride - 2 padding
            + dilation (kernel length - 1) + output_padding + 1)

    Raises:
        ShapeError: channels differ, or nothing is left after the padding is cut off.

    >>> conv_transpose1d(Tensor([[[1.0, 2.0]]]), Tensor([[[1.0, 1.0]]]), stride=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return _conv_transpose(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Return the images with every pixel spread over the kernel: the gradient of `conv2d`.

    Args:
        input, weight, bias: see Shapes.
        stride, padding, output_padding, dilation: as of `conv_transpose1d`, in pixels: one
            number, or (height, width).
        groups: channels are split into so many parts, each with kernels of its own.

    Shapes:
        input: (batch, in_channels, height, width), or without the batch
        weight: (in_channels, out_channels / groups, kernel height, kernel width)
        bias: (out_channels,) or None
        returned: (batch, out_channels, (height - 1) stride - 2 padding
            + dilation (kernel height - 1) + output_padding + 1, ... width)

    Raises:
        ShapeError: channels differ, or nothing is left after the padding is cut off.

    Source: Zeiler, Krishnan, Taylor and Fergus (2010); Dumoulin and Visin (2016), chapter 4.

    >>> conv_transpose2d(Tensor([[[[1.0, 2.0]]]]), Tensor([[[[1.0], [3.0]]]]))
    tensor([[[[1., 2.],
              [3., 6.]]]])
    """
    return _conv_transpose(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
