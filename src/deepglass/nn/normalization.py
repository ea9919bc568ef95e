"""Layers that bring numbers to one size."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError, ShapeError
from ..graph.tensor import Buffer, Parameter, Tensor, as_floats
from . import functional as F
from .module import Module


class _BatchNorm(Module):
    """What `BatchNorm1d` and `BatchNorm2d` share."""

    axes: tuple[str, ...] = ()  # one description of the input for each number of axes

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.running_mean: Buffer | None = None
        self.running_var: Buffer | None = None
        self.num_batches_tracked: Buffer | None = None
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features, np.float32), role="running mean")
            self.running_var = Buffer(np.ones(num_features, np.float32), role="running variance")
            self.num_batches_tracked = Buffer(np.int64(0), role="batches seen")

    def forward(self, x: Any) -> Tensor:
        x = as_floats(type(self).__name__, x)
        if x.ndim not in [a.count(",") + 1 for a in self.axes] or x.shape[1] != self.num_features:
            wanted = " or ".join(f"({a})" for a in self.axes).replace("C", str(self.num_features))
            raise ShapeError(f"{type(self).__name__}: the input is {wanted}; got {x.shape}.")
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self._share(),
            self.eps,
        )

    def _share(self) -> Any:
        """Count the batch, and return its share in the running values."""
        count = self.num_batches_tracked
        if not self.training or count is None:
            return 0.0
        count.rebind((count + 1).node)
        return 1.0 / count.to("float64") if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Each feature brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    Args:
        num_features: features, or channels of series.
        eps: added to the variance.
        momentum: share of the batch in the running values; None averages over all batches.
        affine: learn a scale and a shift per feature.
        track_running_stats: keep running values for evaluation, which without them uses the
            statistics of its batch.

    Shapes:
        input and output: (batch, num_features) or (batch, num_features, length)
        weight, bias, running_mean, running_var: (num_features,)

    Source: Ioffe and Szegedy (2015).
    """

    axes = ("batch, C", "batch, C, length")


class BatchNorm2d(_BatchNorm):
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: share of the batch in the running values; None averages over all batches.
        affine: learn a scale and a shift per channel.
        track_running_stats: keep running values for evaluation, which without them uses the
            statistics of its batch.

    Shapes:
        input and output: (batch, num_features, height, width)
        weight, bias, running_mean, running_var: (num_features,)

    Source: Ioffe and Szegedy (2015).
    """

    axes = ("batch, C, height, width",)


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


class RMSNorm(Module):
    """Each sample brought to mean square 1 over its last axes, then scaled.

    Args:
        normalized_shape: the lengths of those axes.
        eps: added to the mean square; the spacing of numbers at 1 unless given.
        elementwise_affine: learn a scale per element.

    Shapes:
        input and output: (..., *normalized_shape)

    Source: Zhang and Sennrich (2019).
    """

    def __init__(
        self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True
    ) -> None:
        super().__init__()
        one = isinstance(normalized_shape, int)
        self.normalized_shape = (normalized_shape,) if one else tuple(normalized_shape)
        self.eps = eps
        shape = self.normalized_shape
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """Each sample with every group of channels brought to mean 0 and variance 1, then scaled.

    Args:
        num_groups: groups, into which the channels divide.
        num_channels: channels.
        eps: added to the variance.
        affine: learn a scale and a shift per channel.

    Shapes:
        input and output: (batch, num_channels, ...)

    Source: Wu and He (2018).
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise DomainError(
                f"GroupNorm: the channels divide into the groups; got {num_channels} channels and "
                f"{num_groups} groups."
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.weight = Parameter(np.ones(num_channels, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, np.float32)) if affine else None

    def forward(self, x: Any) -> Tensor:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class LocalResponseNorm(Module):
    """Each number divided by what its neighbours in other channels amount to.

    Args:
        size: how many channels count.
        alpha, beta, k: of x / (k + alpha / size * sum of squares)^beta.

    Shapes:
        input and output: (batch, channels, ...)

    Source: Krizhevsky, Sutskever and Hinton (2012), section 3.3.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: Any) -> Tensor:
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
