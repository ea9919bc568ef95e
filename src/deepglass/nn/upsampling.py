"""Layers that make images and signals larger."""

from __future__ import annotations

from typing import Any

from ..graph.tensor import Tensor
from . import functional as F
from .module import Module


class Upsample(Module):
    """The images (or signals) made larger, or smaller.

    Args:
        size: height and width to reach, in pixels (one number for both).
        scale_factor: instead of a size, what height and width are multiplied by.
        mode: "nearest"; "linear" for signals, "bilinear" for images; see `interpolate`.
        align_corners: for the linear modes, whether the centres of the outermost pixels stay
            where they are.

    Shapes:
        input: (batch, channels, height, width) or (batch, channels, length)

    >>> Upsample(scale_factor=2)(Tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            scale_factor = tuple(map(float, scale_factor))
        self.scale_factor = float(scale_factor) if isinstance(scale_factor, int) else scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, input: Any) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"
