"""Where in a sequence something stands, added to what it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError, ShapeError
from ..graph.tensor import Buffer, Tensor, as_floats
from ..ops.random import Generator
from .init import normal_
from .module import Module
from .unfilled import empty


class _Positions(Module):
    """Adds a row of a table, which a subclass makes, to every place of a sequence."""

    weight: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        if length < 1 or width < 1:
            raise DomainError(
                f"{type(self).__name__}: length and width are at least 1; got {length} and {width}."
            )
        self.length = length
        self.width = width

    def forward(self, x: Any) -> Tensor:
        x = as_floats(type(self).__name__, x)
        if x.ndim < 2 or x.shape[-1] != self.width or x.shape[-2] > self.length:
            raise ShapeError(
                f"{type(self).__name__}: the input is (..., at most {self.length} places, "
                f"{self.width}); got {x.shape}. Put the places last but one, or make it longer."
            )
        found: Tensor = x + self.weight[: x.shape[-2]]
        return found

    def extra_repr(self) -> str:
        return f"{self.length}, {self.width}"


class SinusoidalPositions(_Positions):
    """Adds waves of different lengths, from which any distance can be read.

    p[t, 2i] = sin(t / 10000^(2i / width)),  p[t, 2i + 1] = cos(t / 10000^(2i / width))

    Args:
        length: places of the longest sequence.
        width: numbers per place.

    Shapes:
        input: (..., places, width)
        output: as input

    Raises:
        ShapeError: more places than ``length``, or another width.

    Source: Vaswani et al. (2017), "Attention is all you need", section 3.5.

    >>> SinusoidalPositions(5, 2)(Tensor([[1.0, 1.0]] * 2))
    tensor([[1.    , 2.    ],
            [1.8415, 1.5403]])
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__(length, width)
        angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, width, 2) / width)
        waves = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(length, -1)
        self.weight = Buffer(waves[:, :width].astype(np.float32), persistent=False)


class LearnedPositions(_Positions):
    """Adds a vector per place, which is learned.

    Args:
        length: places of the longest sequence.
        width: numbers per place.
        std: standard deviation of the normal numbers to start from.
        generator: their source; the default generator unless given.

    Shapes:
        input: (..., places, width)
        output: as input
        weight: (length, width)

    Raises:
        ShapeError: more places than ``length``, or another width.

    Source: Gehring et al. (2017), "Convolutional sequence to sequence learning", section 3.1.

    >>> LearnedPositions(5, 2)(Tensor([[0.0, 0.0]] * 3)).shape
    (3, 2)
    """

    def __init__(
        self, length: int, width: int, std: float = 0.02, *, generator: Generator | None = None
    ) -> None:
        super().__init__(length, width)
        self.weight = empty(length, width)
        normal_(self.weight, 0.0, std, generator)
