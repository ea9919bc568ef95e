"""A recurrent network that continues text."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph.tensor import Buffer, Tensor
from ..nn import GRU, Embedding, Linear
from ..ops import swapaxes
from ..ops.random import Generator
from .generation import LanguageModel, Memory


class RecurrentLanguageModel(LanguageModel):
    """Tells from the tokens so far which one comes next, at every place of a text.

    x[t] = E[token t];  h[t] = GRU(x[t], h[t-1]);  logits[t] = W h[t] + b

    Args:
        vocabulary: how many tokens there are.
        width: numbers per token, in its embedding.
        hidden: numbers of the state.
        layers: of recurrent units, one upon the other.
        dropout: probability that an output of a layer but the last is silent in training.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, length), whole numbers
        output: (batch, vocabulary, length), as `nn.functional.cross_entropy` takes them

    Source: Mikolov et al. (2010), "Recurrent neural network based language model"; with the
    units of Cho et al. (2014).

    >>> RecurrentLanguageModel(7, 2, 3)(Tensor([[1, 2, 0, 6, 3]])).shape
    (1, 7, 5)
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 64,
        hidden: int = 256,
        layers: int = 1,
        dropout: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.width, self.hidden = vocabulary, width, hidden
        self.layers, self.dropout = layers, dropout
        self.embedding = Embedding(vocabulary, width, generator=generator)
        self.recurrent = GRU(
            width, hidden, layers, batch_first=True, dropout=dropout, generator=generator
        )
        self.output = Linear(hidden, vocabulary, generator=generator)

    def forward(self, tokens: Any, memory: States | None = None) -> Tensor:
        """Return the logits of what follows each token.

        Args:
            tokens: see Shapes.
            memory: of the tokens before these, which is added to.
        """
        before = None if memory is None else memory.states
        states, last = self.recurrent(self.embedding(tokens), before)
        if memory is not None:
            memory.states.copy_(last)
        return swapaxes(self.output(states), 1, 2)

    def memory(self) -> States:
        return States((self.layers, 1, self.hidden), self.output.weight.dtype)

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("vocabulary", "width", "hidden", "layers", "dropout")
        return {name: getattr(self, name) for name in names}


class States(Memory):
    """The states of recurrent units.

    Shapes:
        states: (layers, 1, hidden)
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        super().__init__()
        self.states = Buffer(np.zeros(shape), dtype)

    def clear(self) -> None:
        self.states.zero_()
