"""The networks that have a short name, and how each is fitted to data.

A design knows what data a network reads, and makes one of the right size. Its options are the
parameters of ``make`` after the first, with their types and defaults.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from ..errors import DomainError
from ..nn.module import Module
from .convnet import ConvNet
from .design import Design, Sizes
from .forecaster import RecurrentForecaster
from .gpt import GPT
from .language import RecurrentLanguageModel
from .lenet import PADDINGS, LeNet5
from .mlp import MLP
from .vision import VISION
from .window import WindowForecaster

Activation = Literal["relu", "sigmoid", "tanh"]
NUMBERS = ("images", "points", "series", "table")


def _linear(sizes: Sizes) -> Module:
    return _mlp(sizes, hidden=())


def _mlp(
    sizes: Sizes,
    hidden: tuple[int, ...] = (128,),
    activation: Activation = "relu",
    dropout: float = 0.0,
) -> Module:
    if sizes.kind == "series":
        window, features = sizes.inputs
        return WindowForecaster(window, features, sizes.outputs, hidden, activation, dropout)
    return MLP([prod(sizes.inputs), *hidden, sizes.outputs], activation, dropout)


def _lenet5(
    sizes: Sizes,
    activation: Activation = "tanh",
    pooling: Literal["average", "max"] = "average",
    connections: Literal["full", "1998"] = "full",
) -> Module:
    channels, height, width = sizes.inputs
    if height != width or height not in PADDINGS:
        raise DomainError(
            f"lenet5: images of 28 x 28 or 32 x 32 pixels; got {height} x {width}. Set size = 28 "
            "or size = 32 in [data], or take another network."
        )
    return LeNet5(channels, sizes.outputs, height, activation, pooling, connections)


def _convnet(
    sizes: Sizes,
    widths: tuple[int, ...] = (16, 32, 64),
    dropout: float = 0.0,
) -> Module:
    channels, height, width = sizes.inputs
    if min(height, width) >> len(widths) == 0:
        raise DomainError(
            f"convnet: each of its {len(widths)} stages halves the image, {height} x {width}. Use "
            "fewer widths, or larger images."
        )
    return ConvNet(channels, sizes.outputs, widths, dropout)


def _gru(
    sizes: Sizes, hidden: int = 128, layers: int = 1, dropout: float = 0.0, width: int = 64
) -> Module:
    if sizes.kind == "text":
        return RecurrentLanguageModel(sizes.outputs, width, hidden, layers, dropout)
    return RecurrentForecaster(sizes.inputs[-1], sizes.outputs, hidden, layers, dropout)


def _gpt(
    sizes: Sizes, layers: int = 4, heads: int = 4, width: int = 128, dropout: float = 0.0
) -> Module:
    return GPT(sizes.outputs, layers, heads, width, sizes.inputs[0], dropout)


DESIGNS = {
    "linear": Design("one layer: least squares, or softmax regression", NUMBERS, _linear),
    "mlp": Design("fully connected layers: the multilayer perceptron", NUMBERS, _mlp),
    "lenet5": Design("LeCun's network of 1998, for images of 28 or 32", ("images",), _lenet5),
    "convnet": Design("convolutions of 3 x 3 with batch normalisation", ("images",), _convnet),
    **VISION,
    "gru": Design("gated recurrent units, step by step", ("series", "text"), _gru),
    "gpt": Design("a transformer of GPT-2's form; it reads [data] length at once", ("text",), _gpt),
}
