"""Layers that look at signals and images through windows without weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph.tensor import Tensor
from ..ops.window import per_axis
from . import functional as F
from .module import Module


class _MaxPool(Module):
    function: Callable[..., Any]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window.

    Args:
        kernel_size: length of the window, in elements.
        stride: step of the window, in elements; the window's own length unless given.
        padding: -inf added on each side, in elements.
        dilation: distance between the elements a window looks at.
        return_indices: return (values, indices).
        ceil_mode: keep a last window that starts in the signal but ends beyond the padding.

    Shapes:
        input: (batch, channels, length), or without the batch

    >>> MaxPool1d(2)(Tensor([[1.0, 5.0, 2.0, 3.0]]))
    tensor([[5., 3.]])
    """

    function = F.max_pool1d


class MaxPool2d(_MaxPool):
    """The largest pixel of each window.

    Args:
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels; the window's own size unless given.
        padding: rows and columns of -inf added on each side, in pixels.
        dilation: distance between the pixels a window looks at.
        return_indices: return (values, indices), see `max_pool2d`.
        ceil_mode: keep a last window that starts in the image but ends beyond the padding.

    Shapes:
        input: (batch, channels, height, width), or without the batch

    >>> MaxPool2d(2)(Tensor([[[1.0, 5.0], [2.0, 3.0]]]))
    tensor([[[5.]]])
    """

    function = F.max_pool2d


class AvgPool1d(Module):
    """The mean of each window.

    Args:
        kernel_size: length of the window, in elements.
        stride: step of the window, in elements; the window's own length unless given.
        padding: zeros added on each side, in elements.
        ceil_mode: keep a last window that starts in the signal but ends beyond the padding.
        count_include_pad: count the zeros of the padding as elements.

    Shapes:
        input: (batch, channels, length), or without the batch

    >>> AvgPool1d(2)(Tensor([[1.0, 5.0, 2.0, 4.0]]))
    tensor([[3., 3.]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = per_axis("AvgPool1d: kernel_size", kernel_size, 1, 1)
        steps = self.kernel_size if stride is None else stride
        self.stride = per_axis("AvgPool1d: stride", steps, 1, 1)
        self.padding = per_axis("AvgPool1d: padding", padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of the pixels in each window.

    Args:
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels; the window's own size unless given.
        padding: rows and columns of zeros added on each side, in pixels.
        ceil_mode: keep a last window that starts in the image but ends beyond the padding.
        count_include_pad: count the zeros of the padding as pixels.
        divisor_override: what the sum is divided by instead of the number of pixels.

    Shapes:
        input: (batch, channels, height, width), or without the batch

    >>> AvgPool2d(2)(Tensor([[[1.0, 5.0], [2.0, 4.0]]]))
    tensor([[[3.]]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Tensor:
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptiveAvgPool(Module):
    function: Callable[..., Tensor]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Tensor:
        return type(self).function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means over ``output_size`` parts of the signal.

    Args:
        output_size: length of the output; 1 for the mean of each channel.

    Shapes:
        input: (batch, channels, length), or without the batch
        output: (batch, channels, output_size)

    >>> AdaptiveAvgPool1d(2)(Tensor([[1.0, 2.0, 6.0]]))
    tensor([[1.5, 4. ]])
    """

    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means over parts of the image: the same size out, whatever the size in.

    Args:
        output_size: height and width of the output (one number for both); None keeps one; 1 for
            the mean of each channel: global average pooling.

    Shapes:
        input: (batch, channels, height, width), or without the batch
        output: (batch, channels, *output_size)

    >>> AdaptiveAvgPool2d(1)(Tensor([[[1.0, 5.0], [2.0, 4.0]]]))
    tensor([[[3.]]])
    """

    function = F.adaptive_avg_pool2d


class _AdaptiveMaxPool(Module):
    function: Callable[..., Any]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of ``output_size`` parts of the signal.

    Args:
        output_size: length of the output; 1 for the largest of each channel.
        return_indices: return (values, indices).

    Shapes:
        input: (batch, channels, length), or without the batch
        output: (batch, channels, output_size)

    >>> AdaptiveMaxPool1d(2)(Tensor([[1.0, 2.0, 6.0]]))
    tensor([[2., 6.]])
    """

    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest pixels in parts of the image: the same size out, whatever the size in.

    Args:
        output_size: height and width of the output (one number for both); None keeps one.
        return_indices: return (values, indices), see `adaptive_max_pool2d`.

    Shapes:
        input: (batch, channels, height, width), or without the batch
        output: (batch, channels, *output_size)

    >>> AdaptiveMaxPool2d(1)(Tensor([[[1.0, 5.0], [2.0, 4.0]]]))
    tensor([[[5.]]])
    """

    function = F.adaptive_max_pool2d
