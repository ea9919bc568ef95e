"""Layers that keep a network from learning its training set by heart."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..ops.random import Generator
from . import functional as F
from .module import Module


class Dropout(Module):
    """Zeroes each element with probability p in training, and scales the rest by 1/(1-p).

    Args:
        p: probability that an element is dropped, from 0 to 1.
        inplace: said by many of PyTorch's models and without effect.
        generator: source of the random numbers; the default generator unless given.

    Source: Srivastava et al. (2014).
    """

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise DomainError(f"{type(self).__name__}: p is a probability from 0 to 1; got {p}.")
        self.p = p
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        return F.dropout(x, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout1d(Dropout):
    """Zeroes whole channels of (batch, channels, length); see `Dropout`."""

    def forward(self, x: Any) -> Tensor:
        return F.dropout1d(x, self.p, self.training, generator=self.generator)


class Dropout2d(Dropout):
    """Zeroes whole channels of (batch, channels, height, width); see `Dropout`.

    Source: Tompson et al. (2015).
    """

    def forward(self, x: Any) -> Tensor:
        return F.dropout2d(x, self.p, self.training, generator=self.generator)
