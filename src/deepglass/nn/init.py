"""Filling parameters with random numbers to start from."""

from __future__ import annotations

import math

from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..ops.random import Generator, rand


def uniform_(
    tensor: Tensor, low: float = 0.0, high: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill ``tensor`` with numbers drawn uniformly from [low, high)."""
    with set_grad_enabled(False):
        drawn = rand(*tensor.shape, generator=generator) * (high - low) + low
        tensor.copy_(drawn)
    return tensor


def fan_in(tensor: Tensor) -> int:
    """Return how many inputs one output of a weight (out, in, ...) adds up."""
    return tensor.numel() // max(tensor.shape[0], 1)


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, generator: Generator | None = None) -> Tensor:
    """Fill a weight so that signals keep their size through layers of leaky ReLU.

    Uniform in [-bound, bound] with bound = sqrt(6 / ((1 + a^2) fan_in)).

    Args:
        tensor: a weight (out, in, ...).
        a: slope of the activation below zero.
        generator: the default generator unless given.

    Source: He, Zhang, Ren and Sun (2015), equation 10.
    """
    bound = math.sqrt(6 / ((1 + a * a) * max(fan_in(tensor), 1)))
    return uniform_(tensor, -bound, bound, generator)


def default_weight_(weight: Tensor, bias: Tensor | None, generator: Generator | None) -> None:
    """Fill weight and bias of a linear or convolution layer as PyTorch does: both uniform
    in [-bound, bound] with bound = 1 / sqrt(fan_in)."""
    kaiming_uniform_(weight, math.sqrt(5), generator)
    if bias is not None:
        bound = 1 / math.sqrt(max(fan_in(weight), 1))
        uniform_(bias, -bound, bound, generator)
