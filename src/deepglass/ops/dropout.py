"""Dropout: noise that keeps a network from learning its training set by heart."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor, as_tensor
from .elementwise import where
from .random import Generator, rand


def dropout(
    input: Any, p: float = 0.5, training: bool = True, generator: Generator | None = None
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
    x = as_tensor(input)
    if not 0 <= p <= 1:
        raise DomainError(f"dropout: p is a probability from 0 to 1; got {p}.")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0.0
    return where(rand(*x.shape, generator=generator) >= p, x / (1 - p), 0.0)
