"""Layers that look at images through windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Parameter, Tensor
from ..ops.convolution import pair
from ..ops.random import Generator
from . import functional as F
from .init import default_weight_
from .module import Module


class Conv2d(Module):
    """Each output pixel is a weighted sum over a window of the input, the same everywhere.

    Args:
        in_channels: channels of the input, 3 for colour photographs.
        out_channels: kernels, and so channels of the output.
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels.
        padding: zeros added on each side, in pixels.
        bias: add one number per output channel.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, in_channels, height, width)
        output: (batch, out_channels, (height + 2 padding - kernel) // stride + 1, ...)
        weight: (out_channels, in_channels, kernel height, kernel width)

    >>> Conv2d(1, 6, 5, padding=2)(Tensor(np.zeros((1, 1, 28, 28), "float32"))).shape
    (1, 6, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        *,
        bias: bool = True,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 1 or out_channels < 1:
            raise DomainError(
                f"Conv2d: both channel counts are at least 1; got {in_channels}, {out_channels}."
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = pair("stride", stride)
        self.padding = pair("padding", padding)
        shape = (out_channels, in_channels, *self.kernel_size)
        self.weight = Parameter(np.empty(shape, np.float32))
        self.bias = Parameter(np.empty(out_channels, np.float32)) if bias else None
        default_weight_(self.weight, self.bias, generator)

    def forward(self, x: Any) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias is not None}"
        )


class MaxPool2d(Module):
    """The largest pixel of each window.

    Args:
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels; the window's own size unless given.
        padding: rows and columns of -inf added on each side, in pixels.

    Shapes:
        input: (batch, channels, height, width)
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair("stride", stride)
        self.padding = pair("padding", padding)

    def forward(self, x: Any) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"{self.kernel_size}, stride={self.stride}, padding={self.padding}"
