"""Layers that look at signals and images through windows without weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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

    >>> from deepglass import Tensor
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

    >>> from deepglass import Tensor
    >>> MaxPool2d(2)(Tensor([[[1.0, 5.0], [2.0, 3.0]]]))
    tensor([[[5.]]])
    """

    function = F.max_pool2d
