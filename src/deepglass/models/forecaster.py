"""A recurrent network that goes on with a series."""

from __future__ import annotations

from typing import Any

from ..graph.tensor import Tensor
from ..nn import GRU, Linear
from ..nn.module import Module
from ..ops.random import Generator


class RecurrentForecaster(Module):
    """Reads a window of a series step by step, and foretells the values after it.

    h[t] = GRU(x[t] - x[last], h[t-1]);  y = x[last, 0] + W h[last] + b

    Like `WindowForecaster` it foretells by how much the series will differ from its last value.

    Args:
        features: numbers per point in time; the first is foretold.
        horizon: values that are foretold.
        hidden: numbers of the state.
        layers: of recurrent units, one upon the other.
        dropout: probability that an output of a layer but the last is silent in training.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, window, features)
        output: (batch, horizon)

    Source: Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder".

    >>> RecurrentForecaster(2, 3, hidden=5)(Tensor([[[0.1, 0.2]] * 7])).shape
    (1, 3)
    """

    def __init__(
        self,
        features: int,
        horizon: int,
        hidden: int = 64,
        layers: int = 1,
        dropout: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.features, self.horizon = features, horizon
        self.hidden, self.layers, self.dropout = hidden, layers, dropout
        self.recurrent = GRU(
            features, hidden, layers, batch_first=True, dropout=dropout, generator=generator
        )
        self.output = Linear(hidden, horizon, generator=generator)

    def forward(self, x: Any) -> Tensor:
        last = x[:, -1:]
        states, _ = self.recurrent(x - last)
        y: Tensor = self.output(states[:, -1]) + last[:, :, 0]
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("features", "horizon", "hidden", "layers", "dropout")
        return {name: getattr(self, name) for name in names}
