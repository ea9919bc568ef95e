"""Dropout: noise that keeps a network from learning its training set by heart."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError, ShapeError
from ..graph.tensor import Tensor, as_floats
from ..graph.types import Shape
from .elementwise import where
from .random import Generator, rand


def dropout(
    input: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Return the input with each element zeroed with probability ``p``, the rest scaled up.

    y = x / (1 - p) where a uniform number is at least p, else 0; x itself outside training.

    Args:
        input: any float tensor.
        p: probability that an element is dropped, from 0 to 1.
        training: False returns the input.
        generator: where the numbers come from; the default generator unless given.

    Source: Srivastava et al. (2014), in the "inverted" form that needs nothing at test time.
    """
    x = as_floats("dropout", input)
    return _dropped("dropout", x, x.shape, p, training, generator)


def dropout1d(
    input: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Return the input with whole channels zeroed; see `dropout`.

    Shapes:
        input: (batch, channels, length)

    Source: Tompson et al. (2015), section 3.2.
    """
    return _channels_dropped("dropout1d", "length", 3, input, p, training, generator)


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Return the input with whole channels zeroed, whose pixels say much the same.

    Arguments as `dropout`.

    Shapes:
        input: (batch, channels, height, width)

    Source: Tompson et al. (2015), section 3.2.
    """
    return _channels_dropped("dropout2d", "height, width", 4, input, p, training, generator)


def _channels_dropped(
    name: str, axes: str, ndim: int, input: Any, p: float, training: bool, generator: Any
) -> Tensor:
    x = as_floats(name, input)
    if x.ndim != ndim:
        raise ShapeError(f"{name}: the input is (batch, channels, {axes}); got {x.shape}.")
    return _dropped(name, x, (*x.shape[:2], *[1] * (ndim - 2)), p, training, generator)


def _dropped(
    name: str, x: Tensor, shape: Shape, p: float, training: bool, generator: Generator | None
) -> Tensor:
    """Drop by one number per element of ``shape``, which broadcasts to that of ``x``."""
    if not 0 <= p <= 1:
        raise DomainError(f"{name}: p is a probability from 0 to 1; got {p}.")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0.0
    return where(rand(*shape, generator=generator) >= p, x / (1 - p), 0.0)
