"""A plain convolutional network for images of any size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
)  # fmt: skip
from ..nn.module import Module
from ..ops.random import Generator


class ConvNet(Module):
    """Stages of 3 x 3 convolution, batch normalisation, ReLU and 2 x 2 pooling.

    After the last stage each map is averaged to one number, whatever its size, and a linear
    layer makes the outputs.

    Args:
        channels: of an image.
        classes: how many there are.
        widths: maps of each stage; a stage halves the sides of the image.
        dropout: probability that an averaged map is silent in training.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, height, width), sides of at least 2^stages
        output: (batch, classes)

    Raises:
        DomainError: no stage, or a width below 1.

    Source: Simonyan and Zisserman (2015), "Very deep convolutional networks"; Ioffe and Szegedy
    (2015), "Batch normalization"; Lin, Chen and Yan (2014), "Network in network", section 3.2,
    for the average of maps.

    >>> from ..create import zeros
    >>> ConvNet(3, 5, [4, 8])(zeros(2, 3, 12, 16)).shape
    (2, 5)
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        widths: Sequence[int] = (16, 32, 64),
        dropout: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise DomainError(
                f"ConvNet: widths are maps of each stage, at least one; got {list(widths)}."
            )
        self.channels, self.classes = channels, classes
        self.widths, self.dropout = tuple(widths), dropout
        stages: list[Module] = []
        for before, after in pairwise((channels, *widths)):
            stages += [
                Conv2d(before, after, 3, padding=1, bias=False, generator=generator),
                BatchNorm2d(after),
                ReLU(),
                MaxPool2d(2),
            ]
        self.features = Sequential(*stages, AdaptiveAvgPool2d(1), Flatten())
        silent = [Dropout(dropout, generator=generator)] if dropout else []
        self.classifier = Sequential(*silent, Linear(widths[-1], classes, generator=generator))

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.classifier(self.features(x))
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        return {
            "channels": self.channels,
            "classes": self.classes,
            "widths": list(self.widths),
            "dropout": self.dropout,
        }
