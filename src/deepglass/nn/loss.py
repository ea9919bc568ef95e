"""Losses as modules: how far the network is from its target."""

from __future__ import annotations

from typing import Any

from ..graph.tensor import Tensor
from . import functional as F
from .module import Module


class CrossEntropyLoss(Module):
    """The mean cross-entropy, in nats, between logits (batch, classes) and class numbers."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.cross_entropy(input, target)


class MSELoss(Module):
    """The mean squared error between tensors of one shape."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.mse_loss(input, target)
