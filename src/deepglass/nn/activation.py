"""Activations: what makes a network more than one matrix."""

from __future__ import annotations

from typing import Any

from ..graph.tensor import Tensor
from . import functional as F
from .module import Module


class ReLU(Module):
    """max(x, 0), elementwise; gradient 0 at zero.

    Source: Nair and Hinton (2010).
    """

    def forward(self, x: Any) -> Tensor:
        return F.relu(x)


class Tanh(Module):
    """The hyperbolic tangent, elementwise: between -1 and 1."""

    def forward(self, x: Any) -> Tensor:
        return F.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), elementwise: between 0 and 1."""

    def forward(self, x: Any) -> Tensor:
        return F.sigmoid(x)
