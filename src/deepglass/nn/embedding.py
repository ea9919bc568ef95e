"""Vectors for words and other things that are counted through."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..ops.random import Generator
from . import functional as F
from .init import normal_
from .module import Module
from .unfilled import empty, filling


class Embedding(Module):
    """A table of vectors, one per word, which are learned.

    Args:
        num_embeddings: rows of the table: words of the vocabulary.
        embedding_dim: numbers per row.
        padding_idx: a row that starts as zeros and is not trained.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (...), whole numbers from 0 to num_embeddings - 1
        output: (..., embedding_dim)
        weight: (num_embeddings, embedding_dim), standard normal at first

    Source: Bengio, Ducharme, Vincent and Jauvin (2003), section 2.

    >>> Embedding(10, 3)(Tensor([[1, 2, 2]])).shape
    (1, 3, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if num_embeddings < 1 or embedding_dim < 1:
            raise DomainError(
                f"Embedding: both sizes are at least 1; got {num_embeddings} and {embedding_dim}."
            )
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise DomainError(
                f"Embedding: padding_idx is a row of {num_embeddings}; got {padding_idx}."
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = empty(num_embeddings, embedding_dim)
        normal_(self.weight, generator=generator)
        if self.padding_idx is not None and filling():
            with set_grad_enabled(False):
                self.weight[self.padding_idx] = 0.0

    def forward(self, x: Any) -> Tensor:
        return F.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
