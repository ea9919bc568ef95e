"""LeNet-5, the convolutional network that read cheques."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Sequential
from ..nn.module import Module
from ..ops.random import Generator
from .mlp import ACTIVATIONS

POOLINGS: dict[str, Callable[[int], Module]] = {"average": AvgPool2d, "max": MaxPool2d}
PADDINGS = {28: 2, 32: 0}  # by the side of the image; the paper pads 28 x 28 to 32 x 32


class LeNet5(Module):
    """Two convolutions, each with a pooling, and three fully connected layers.

    C1 6 of 5 x 5 - pool - C3 16 of 5 x 5 - pool - C5 120 - F6 84 - one output per class

    With one channel and ten classes it has 61,706 weights. Unlike the paper's, C3 reads all six
    maps, pooling has no weights, and the outputs are plain logits.

    Args:
        channels: of an image.
        classes: how many there are.
        size: side of an image in pixels, 28 or 32.
        activation: "tanh" as in the paper, "relu" or "sigmoid".
        pooling: "average" as in the paper, or "max".
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, size, size)
        output: (batch, classes)

    Raises:
        DomainError: another size, activation or pooling.

    Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to
    document recognition", figure 2.

    >>> from ..create import zeros
    >>> LeNet5()(zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        size: int = 28,
        activation: str = "tanh",
        pooling: str = "average",
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if size not in PADDINGS or activation not in ACTIVATIONS or pooling not in POOLINGS:
            raise DomainError(
                f"LeNet5: size is 28 or 32 pixels, activation one of {', '.join(ACTIVATIONS)}, "
                f"pooling one of {', '.join(POOLINGS)}; got {size}, {activation!r}, {pooling!r}."
            )
        self.channels, self.classes, self.size = channels, classes, size
        self.activation, self.pooling = activation, pooling
        act, pool = ACTIVATIONS[activation], POOLINGS[pooling]
        self.features = Sequential(
            Conv2d(channels, 6, 5, padding=PADDINGS[size], generator=generator),
            act(),
            pool(2),
            Conv2d(6, 16, 5, generator=generator),
            act(),
            pool(2),
        )
        self.classifier = Sequential(
            Flatten(),
            Linear(16 * 5 * 5, 120, generator=generator),
            act(),
            Linear(120, 84, generator=generator),
            act(),
            Linear(84, classes, generator=generator),
        )

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.classifier(self.features(x))
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("channels", "classes", "size", "activation", "pooling")
        return {name: getattr(self, name) for name in names}
