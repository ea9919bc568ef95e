"""Forecasts from a window of a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph.tensor import Tensor
from ..nn.module import Module
from ..ops.random import Generator
from .mlp import MLP


class WindowForecaster(Module):
    """Foretells by how much a series will differ from its last value.

    y = x[last, 0] + MLP(x - x[last])

    What it computes does not depend on the level of the series, so it goes on with a trend
    beyond the values it was trained on. Without hidden layers it is linear.

    Args:
        window: points in time that are read.
        features: numbers per point in time; the first is foretold.
        horizon: values that are foretold.
        hidden: neurons of each hidden layer.
        activation: "relu", "sigmoid" or "tanh".
        dropout: probability that a hidden neuron is silent in training.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, window, features)
        output: (batch, horizon)

    Source: Zeng, Chen, Zhang and Xu (2023), "Are transformers effective for time series
    forecasting?", section 4, NLinear.

    >>> WindowForecaster(7, 2, 3, hidden=[5])(Tensor([[[0.1, 0.2]] * 7])).shape
    (1, 3)
    """

    def __init__(
        self,
        window: int,
        features: int,
        horizon: int,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        dropout: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.window, self.features, self.horizon = window, features, horizon
        sizes = [window * features, *hidden, horizon]
        self.network = MLP(sizes, activation, dropout, generator=generator)

    def forward(self, x: Any) -> Tensor:
        last = x[:, -1:]
        y: Tensor = self.network(x - last) + last[:, :, 0]
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        return {
            "window": self.window,
            "features": self.features,
            "horizon": self.horizon,
            "hidden": list(self.network.sizes[1:-1]),
            "activation": self.network.activation,
            "dropout": self.network.dropout,
        }
