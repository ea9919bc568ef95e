"""Layers that bring numbers to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.tensor import Buffer, Parameter, Tensor
from . import functional as F
from .module import Module


class BatchNorm2d(Module):
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: share of the batch in the running values.
        affine: learn a scale and a shift per channel.

    Shapes:
        input and output: (batch, num_features, height, width)
        weight, bias, running_mean, running_var: (num_features,)

    Source: Ioffe and Szegedy (2015).
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.running_mean = Buffer(np.zeros(num_features, np.float32), role="running mean")
        self.running_var = Buffer(np.ones(num_features, np.float32), role="running variance")
        self.num_batches_tracked = Buffer(np.int64(0), role="batches seen")

    def forward(self, x: Any) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise ShapeError(
                f"BatchNorm2d: images are (batch, {self.num_features}, height, width); got "
                f"{x.shape}."
            )
        if self.training:
            self.num_batches_tracked.rebind((self.num_batches_tracked + 1).node)
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class LayerNorm(Module):
    """Each sample brought to mean 0 and variance 1 over its last axes, then scaled.

    Args:
        normalized_shape: the lengths of those axes.
        eps: added to the variance.
        elementwise_affine: learn a scale and a shift per element.
        bias: learn the shift.

    Shapes:
        input and output: (..., *normalized_shape)

    Source: Ba, Kiros and Hinton (2016).
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        one = isinstance(normalized_shape, int)
        self.normalized_shape = (normalized_shape,) if one else tuple(normalized_shape)
        self.eps = eps
        shape = self.normalized_shape
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None
        has_bias = elementwise_affine and bias
        self.bias = Parameter(np.zeros(shape, np.float32)) if has_bias else None

    def forward(self, x: Any) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"
