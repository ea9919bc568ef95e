"""The first artificial neuron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Buffer, Tensor
from ..nn.functional import linear
from ..nn.module import Module


class McCullochPitts(Module):
    """A neuron that fires when what excites it reaches a threshold.

    y = 1 if w · x >= threshold, else 0

    It learns nothing: whoever builds it chooses weights and threshold. A positive weight
    excites, a negative one inhibits. (In 1943 every exciting input counted 1 and a single
    inhibiting input forbade firing, which is a weight more negative than the sum of all
    positive ones.)

    Args:
        weights: one per input.
        threshold: the sum at which it fires.

    Shapes:
        input: (..., inputs), 0 or 1 each
        output: (...), int64, 0 or 1

    Raises:
        DomainError: there are no weights.

    Source: McCulloch and Pitts (1943), "A logical calculus of the ideas immanent in nervous
    activity".

    >>> AND = McCullochPitts([1, 1], threshold=2)
    >>> AND(Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    tensor([0, 0, 0, 1])
    """

    def __init__(self, weights: Sequence[float], threshold: float) -> None:
        super().__init__()
        if len(weights) == 0:
            raise DomainError("McCullochPitts: a neuron has at least one input; got no weights.")
        self.weight = Buffer(np.array([weights], np.float32), role="weights")
        self.threshold = Buffer(np.float32(threshold), role="threshold")

    def forward(self, x: Any) -> Tensor:
        excitation = linear(x, self.weight)
        return (excitation[..., 0] >= self.threshold).to("int64")

    def truth_table(self) -> tuple[int, ...]:
        """Return the outputs for all inputs of 0 and 1, counted up: 00, 01, 10, 11.

        >>> McCullochPitts([-1], threshold=0).truth_table()
        (1, 0)
        """
        rows = np.array(list(product([0, 1], repeat=self.weight.shape[1])), np.float32)
        return tuple(self(Tensor(rows)).tolist())
