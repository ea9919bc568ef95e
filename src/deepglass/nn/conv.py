"""Layers that look at signals and images through windows with weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..ops.random import Generator
from ..ops.window import per_axis
from . import functional as F
from .init import default_weight_
from .module import Module
from .unfilled import empty


class _Convolution(Module):
    """What all of them share; a subclass says along how many axes its windows slide."""

    axes: int
    function: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if in_channels < 1 or out_channels < 1:
            raise DomainError(
                f"{name}: both channel counts are at least 1; got {in_channels}, {out_channels}."
            )
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise DomainError(
                f"{name}: groups, at least 1, divide both channel counts; got groups {groups} for "
                f"{in_channels} and {out_channels}."
            )
        if padding_mode != "zeros":
            raise DomainError(
                f'{name}: the padding_mode is "zeros", the only one there is; got '
                f"{padding_mode!r}. Pad the input before the layer."
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_axis(f"{name}: kernel_size", kernel_size, self.axes, 1)
        self.stride = per_axis(f"{name}: stride", stride, self.axes, 1)
        self.padding = padding
        if not isinstance(padding, str):
            self.padding = per_axis(f"{name}: padding", padding, self.axes)
        self.dilation = per_axis(f"{name}: dilation", dilation, self.axes, 1)
        self.groups = groups
        self.padding_mode = padding_mode
        shape = (*self._channels(), *self.kernel_size)
        self.weight = empty(*shape)
        self.bias = empty(out_channels) if bias else None
        default_weight_(self.weight, self.bias, generator)

    def _channels(self) -> tuple[int, int]:
        """The first two axes of the weight."""
        return self.out_channels, self.in_channels // self.groups

    def forward(self, input: Any) -> Tensor:
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        shown = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        usual = {"padding": 0, "dilation": 1, "output_padding": 0}
        for name, value in usual.items():
            if getattr(self, name, (value,) * self.axes) != (value,) * self.axes:
                shown.append(f"{name}={getattr(self, name)}")
        if self.groups != 1:
            shown.append(f"groups={self.groups}")
        if self.bias is None:
            shown.append("bias=False")
        return ", ".join(shown)


class Conv1d(_Convolution):
    """Each output is a weighted sum over a window of the signal, the same everywhere.

    Args:
        in_channels: channels of the input.
        out_channels: kernels, and so channels of the output.
        kernel_size: length of the window, in elements.
        stride: step of the window, in elements.
        padding: zeros added on each side, in elements; "same" keeps the length.
        dilation: distance between the taps of the window, in elements.
        groups: channels are split into so many parts, each with kernels of its own.
        bias: add one number per output channel.
        padding_mode: "zeros", the only one there is.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, in_channels, length), or without the batch
        output: (batch, out_channels,
            (length + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1)
        weight: (out_channels, in_channels / groups, kernel_size)

    >>> import numpy as np
    >>> Conv1d(2, 3, 5, stride=2)(Tensor(np.zeros((1, 2, 9), "float32"))).shape
    (1, 3, 3)
    """

    axes, function = 1, F.conv1d


class Conv2d(_Convolution):
    """Each output pixel is a weighted sum over a window of the input, the same everywhere.

    Args:
        in_channels: channels of the input, 3 for colour photographs.
        out_channels: kernels, and so channels of the output.
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels.
        padding: zeros added on each side, in pixels; "same" keeps height and width.
        dilation: distance between the taps of the window, in pixels.
        groups: channels are split into so many parts, each with kernels of its own; as many as
            there are channels make the layer depthwise.
        bias: add one number per output channel.
        padding_mode: "zeros", the only one there is.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, in_channels, height, width), or without the batch
        output: (batch, out_channels,
            (height + 2 padding - dilation (kernel - 1) - 1) // stride + 1, ... width)
        weight: (out_channels, in_channels / groups, kernel height, kernel width)

    >>> import numpy as np
    >>> Conv2d(1, 6, 5, padding=2)(Tensor(np.zeros((1, 1, 28, 28), "float32"))).shape
    (1, 6, 28, 28)
    """

    axes, function = 2, F.conv2d


class _TransposedConvolution(_Convolution):
    """What the transposed ones share: the direction, and a longer output."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, generator=generator,
        )  # fmt: skip
        what = f"{type(self).__name__}: output_padding"
        self.output_padding = per_axis(what, output_padding, self.axes)

    def _channels(self) -> tuple[int, int]:
        return self.in_channels, self.out_channels // self.groups

    def forward(self, input: Any) -> Tensor:
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding,
            self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_TransposedConvolution):
    """Each element of the signal is spread over a window: the gradient of `Conv1d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: length of the window, in elements.
        stride: step of the window over the output, in elements.
        padding: elements cut off the output on each side.
        output_padding: elements added to the output at its end.
        groups: channels are split into so many parts, each with kernels of its own.
        bias: add one number per output channel.
        dilation: distance between the taps of the window, in elements.
        padding_mode: "zeros", the only one there is.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, in_channels, length), or without the batch
        output: (batch, out_channels, (length - 1) stride - 2 padding
            + dilation (kernel_size - 1) + output_padding + 1)
        weight: (in_channels, out_channels / groups, kernel_size)

    >>> import numpy as np
    >>> ConvTranspose1d(3, 2, 4, stride=2, padding=1)(Tensor(np.zeros((1, 3, 5), "float32"))).shape
    (1, 2, 10)
    """

    axes, function = 1, F.conv_transpose1d


class ConvTranspose2d(_TransposedConvolution):
    """Each pixel of the input is spread over a window: the gradient of `Conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window over the output, in pixels.
        padding: pixels cut off the output on each side.
        output_padding: pixels added to the output at its ends.
        groups: channels are split into so many parts, each with kernels of its own.
        bias: add one number per output channel.
        dilation: distance between the taps of the window, in pixels.
        padding_mode: "zeros", the only one there is.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, in_channels, height, width), or without the batch
        output: (batch, out_channels, (height - 1) stride - 2 padding
            + dilation (kernel - 1) + output_padding + 1, ... width)
        weight: (in_channels, out_channels / groups, kernel height, kernel width)

    >>> import numpy as np
    >>> ConvTranspose2d(3, 2, 2, stride=2)(Tensor(np.zeros((1, 3, 5, 7), "float32"))).shape
    (1, 2, 10, 14)
    """

    axes, function = 2, F.conv_transpose2d
