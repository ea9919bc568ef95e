"""VGG: networks of 3 x 3 convolutions alone, and as deep as they were useful."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
    init,
)  # fmt: skip
from ..nn.module import Module
from ..ops.movement import flatten
from ..ops.random import Generator
from .weights import fill_rectified, with_weights

WIDTHS = (64, 128, 256, 512, 512)  # maps of each stage
DENSE = 4096  # neurons of each dense layer before the last
STAGES = {  # by the depth: how many convolutions each stage has
    11: (1, 1, 2, 2, 2),  # column A of table 1
    13: (2, 2, 2, 2, 2),  # B
    16: (2, 2, 3, 3, 3),  # D
    19: (2, 2, 4, 4, 4),  # E
}


class VGG(Module):
    """Five stages of 3 x 3 convolutions, each ending in a pooling, and three dense layers.

    stages of 64, 128, 256, 512 and 512 maps, max-pool 2 x 2 after each - 4096 - 4096 - classes

    Two convolutions of 3 x 3 see 5 x 5 pixels and three see 7 x 7, with fewer weights than one
    of that size (18, 27 per pair of maps instead of 25, 49) and a ReLU more in between. The
    first dense layer alone holds 102,760,448 weights of the 138,357,544 of VGG-16.

    Args:
        depth: layers with weights: 11, 13, 16 or 19.
        num_classes: how many there are.
        batch_norm: normalise after each convolution, which the paper was a year too early for.
        dropout: probability that an output of the dense layers is silent in training.
        channels: of an image.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, height, width), in the paper 224 x 224 pixels, at least 32 x 32
        output: (batch, num_classes)

    Raises:
        DomainError: another depth.

    Source: Simonyan and Zisserman (2015), "Very deep convolutional networks for large-scale
    image recognition", table 1, columns A, B, D, E, and section 2.3; convolutions start as in He
    et al. (2015), equation 14, dense layers normal with standard deviation 0.01.

    >>> with init.unfilled():
    ...     network = VGG(16)
    >>> network.classifier[0].weight.numel()
    102760448
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 1000,
        batch_norm: bool = False,
        dropout: float = 0.5,
        *,
        channels: int = 3,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if depth not in STAGES:
            raise DomainError(
                f"VGG: the depth is one of {', '.join(map(str, STAGES))}; got {depth}. Choose one "
                "of them."
            )
        self.depth, self.num_classes, self.batch_norm = depth, num_classes, batch_norm
        self.dropout, self.channels = dropout, channels
        with init.unfilled():
            self.features = Sequential(*_stages(channels, STAGES[depth], batch_norm))
            self.avgpool = AdaptiveAvgPool2d(7)
            self.classifier = Sequential(
                Linear(WIDTHS[-1] * 7 * 7, DENSE),
                ReLU(),
                Dropout(dropout, generator=generator),
                Linear(DENSE, DENSE),
                ReLU(),
                Dropout(dropout, generator=generator),
                Linear(DENSE, num_classes),
            )
        fill_rectified(self.features, generator)
        for layer in self.classifier:
            if isinstance(layer, Linear):
                init.normal_(layer.weight, 0.0, 0.01, generator)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                init.zeros_(parameter)

    def forward(self, x: Any) -> Tensor:
        x = flatten(self.avgpool(self.features(x)), 1)
        y: Tensor = self.classifier(x)
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("depth", "num_classes", "batch_norm", "dropout", "channels")
        return {name: getattr(self, name) for name in names}


def _stages(channels: int, convolutions: tuple[int, ...], batch_norm: bool) -> list[Module]:
    layers: list[Module] = []
    for width, count in zip(WIDTHS, convolutions, strict=True):
        for _ in range(count):
            layers.append(Conv2d(channels, width, 3, padding=1))
            layers += [BatchNorm2d(width), ReLU()] if batch_norm else [ReLU()]
            channels = width
        layers.append(MaxPool2d(2))
    return layers


def vgg11(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-11, column A: 132,863,336 weights.

    Args:
        weights: a safetensors file with torchvision's names; fresh weights unless given.
        options: as `VGG` takes them.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.

    Source: Simonyan and Zisserman (2015), table 1.
    """
    return with_weights(lambda: VGG(11, **options), weights)


def vgg13(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-13, column B: 133,047,848 weights; otherwise as `vgg11`."""
    return with_weights(lambda: VGG(13, **options), weights)


def vgg16(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-16, column D: 138,357,544 weights; otherwise as `vgg11`."""
    return with_weights(lambda: VGG(16, **options), weights)


def vgg19(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-19, column E: 143,667,240 weights; otherwise as `vgg11`."""
    return with_weights(lambda: VGG(19, **options), weights)


def vgg11_bn(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-11 with batch normalisation: 132,868,840 weights; otherwise as `vgg11`."""
    return with_weights(lambda: VGG(11, batch_norm=True, **options), weights)


def vgg13_bn(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-13 with batch normalisation: 133,053,736 weights; otherwise as `vgg11`."""
    return with_weights(lambda: VGG(13, batch_norm=True, **options), weights)


def vgg16_bn(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-16 with batch normalisation: 138,365,992 weights; otherwise as `vgg11`."""
    return with_weights(lambda: VGG(16, batch_norm=True, **options), weights)


def vgg19_bn(*, weights: str | Path | None = None, **options: Any) -> VGG:
    """Return VGG-19 with batch normalisation: 143,678,248 weights; otherwise as `vgg11`."""
    return with_weights(lambda: VGG(19, batch_norm=True, **options), weights)
