"""Going on with a text: one token after another, each drawn from what the network expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..compile import compile
from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn.module import Module, evaluating

BLOCK = 32  # tokens of a prompt that are read at once


class LanguageModel(Module):
    """A network that tells from the tokens so far which one comes next.

    A subclass computes ``forward(tokens, memory=None)``, logits (batch, vocabulary, length), and
    makes a ``memory()`` of what was read, to go on from without reading it again.

    Attributes:
        vocabulary: how many tokens there are.
        context: how many tokens back it can look; None without a limit.
    """

    vocabulary: int
    context: int | None = None

    def memory(self) -> Memory:
        """Return what is known before the first token, for a batch of one."""
        raise NotImplementedError(f"{type(self).__name__}: a language model has memory(self).")

    def generate(
        self,
        prompt: Sequence[int],
        length: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int = 0,
    ) -> Iterator[int]:
        """Yield tokens that go on after a prompt, each as soon as it is drawn.

        The network is read in evaluation mode, one compiled step per token. Once the text is
        longer than the context, all but its newer half is forgotten.

        Args:
            prompt: tokens to begin with, at least one.
            length: tokens to draw.
            temperature: 1 draws tokens as probable as the network finds them, less keeps to the
                probable ones, 0 always takes the most probable.
            top_k: draw among so many of the most probable; among all unless given.
            seed: of the draws.

        Raises:
            DomainError: an empty prompt, a negative temperature, or a ``top_k`` below 1.

        >>> from .language import RecurrentLanguageModel
        >>> len(list(RecurrentLanguageModel(7, 2, 3).generate([5], 4)))
        4
        """
        if not len(prompt) or temperature < 0 or (top_k is not None and top_k < 1):
            raise DomainError(
                "generate: a prompt of at least one token, a temperature of at least 0, and "
                f"top_k of at least 1 or None; got {len(prompt)} tokens, {temperature} and "
                f"{top_k}. Begin with any token of the training text."
            )
        return self._generated(prompt, length, temperature, top_k, seed)

    def _generated(
        self, prompt: Sequence[int], length: int, temperature: float, top_k: int | None, seed: int
    ) -> Iterator[int]:
        rng = np.random.default_rng(seed)
        reader = Reader(self)
        new: Sequence[int] = prompt
        for _ in range(length):
            token = draw(reader.read(new), temperature, top_k, rng)
            yield token
            new = [token]


class Memory(Module):
    """What a language model keeps of the tokens it has read, in buffers."""

    def clear(self) -> None:
        """Forget everything."""
        raise NotImplementedError(f"{type(self).__name__}: a memory has clear(self).")


class Reader:
    """Reads a text from front to back with a language model that remembers.

    Args:
        model: is read in evaluation mode, and left in its own.

    Attributes:
        tokens: what the model remembers.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model, self.memory = model, model.memory()
        self.tokens: list[int] = []
        self._step = compile(self._logits)

    def read(self, tokens: Sequence[int]) -> np.ndarray:
        """Return the logits of what follows after all tokens so far and these.

        Shapes:
            result: (vocabulary,)
        """
        new, limit = [int(token) for token in tokens], self.model.context
        if limit is not None and len(self.tokens) + len(new) > limit:
            new = (self.tokens + new)[-max(1, limit // 2) :]
            self.tokens = []
            self.memory.clear()
        self.tokens += new
        single = len(new) % BLOCK if len(new) > BLOCK else len(new)
        parts = [[token] for token in new[:single]]
        parts += [new[k : k + BLOCK] for k in range(single, len(new), BLOCK)]
        with evaluating(self.model):
            for part in parts:
                found = self._step(np.array([part], np.int64))
        return np.asarray(found.numpy())

    def _logits(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.model(tokens, self.memory)
        return logits[0, :, -1]


def draw(
    logits: np.ndarray, temperature: float, top_k: int | None, rng: np.random.Generator
) -> int:
    """Return a token, drawn as `LanguageModel.generate` says.

    >>> draw(np.array([0.1, 0.7, 0.2]), 0, None, np.random.default_rng())
    1
    """
    if not temperature:
        return int(logits.argmax())
    scores = logits.astype(np.float64) / temperature
    if top_k is not None and top_k < len(scores):
        scores[scores < np.partition(scores, -top_k)[-top_k]] = -np.inf
    return int((scores + rng.gumbel(size=scores.shape)).argmax())  # a draw from their softmax
