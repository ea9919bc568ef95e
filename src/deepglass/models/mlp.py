"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn import Dropout, Linear, ReLU, Sequential, Sigmoid, Tanh
from ..nn.module import Module
from ..ops.movement import flatten
from ..ops.random import Generator

ACTIVATIONS: dict[str, type[Module]] = {"relu": ReLU, "sigmoid": Sigmoid, "tanh": Tanh}


class MLP(Module):
    """Linear layers with an activation between them: the universal approximator.

    h₀ = x;  hᵢ = activation(Wᵢ hᵢ₋₁ + bᵢ);  y = W h + b

    Args:
        sizes: neurons per layer, from the inputs to the outputs; at least these two.
        activation: "relu", "sigmoid" or "tanh"; none after the last layer.
        dropout: probability that a hidden neuron is silent in training.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, ...) with sizes[0] numbers per sample
        output: (batch, sizes[-1])

    Raises:
        DomainError: fewer than two sizes, a size below 1 or an unknown activation.

    Source: Rumelhart, Hinton and Williams (1986), "Learning representations by
    back-propagating errors".

    >>> from ..create import zeros
    >>> MLP([64, 16, 10])(zeros(5, 1, 8, 8)).shape
    (5, 10)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        _check(sizes)
        if activation not in ACTIVATIONS:
            raise DomainError(
                f"MLP: activation is one of {', '.join(ACTIVATIONS)}; got {activation!r}."
            )
        self.sizes = tuple(sizes)
        self.activation = activation
        self.dropout = dropout
        layers: list[Module] = []
        for inputs, outputs in pairwise(sizes[:-1]):
            layers += [Linear(inputs, outputs, generator=generator), ACTIVATIONS[activation]()]
            if dropout:
                layers.append(Dropout(dropout, generator=generator))
        layers.append(Linear(sizes[-2], sizes[-1], generator=generator))
        self.layers = Sequential(*layers)

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.layers(x if x.ndim == 2 else flatten(x, 1))
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        return {
            "sizes": list(self.sizes),
            "activation": self.activation,
            "dropout": self.dropout,
        }


def _check(sizes: Sequence[int]) -> None:
    whole = isinstance(sizes, (list, tuple)) and all(type(n) is int and n > 0 for n in sizes)
    if not whole or len(sizes) < 2:
        raise DomainError(
            f"MLP: sizes are whole numbers from inputs to outputs, each at least 1; got {sizes!r}."
        )
