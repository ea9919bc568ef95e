"""AlexNet, the network that began the age of deep learning for images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn import (
    AdaptiveAvgPool2d,
    Conv2d,
    Dropout,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sequential,
    init,
)  # fmt: skip
from ..nn.module import Module
from ..ops.movement import flatten
from ..ops.random import Generator
from .weights import with_weights

DENSE = 4096  # neurons of each dense layer before the last


class AlexNet(Module):
    """Five convolutions and three fully connected layers, with ReLU and dropout.

    ======  ===============================  =================================
    layer   one tower                        two towers
    ======  ===============================  =================================
    conv1   64 of 11 x 11, stride 4, pool    96 of 11 x 11, stride 4, LRN, pool
    conv2   192 of 5 x 5, pool               256 of 5 x 5 in each tower, LRN, pool
    conv3   384 of 3 x 3                     384 of 3 x 3, across both towers
    conv4   256 of 3 x 3                     384 of 3 x 3 in each tower
    conv5   256 of 3 x 3, pool               256 of 3 x 3 in each tower, pool
    dense   4096, 4096, classes              the same
    ======  ===============================  =================================

    Pooling takes the largest of 3 x 3 at stride 2. A tower reads the half of the maps that lies
    on its own graphics card: a convolution in two groups. With 1000 classes one tower holds
    61,100,840 weights, 54,575,104 of them in the two dense layers of 4096; two towers hold
    60,965,224.

    Args:
        num_classes: how many there are.
        dropout: probability that an input of the dense layers is silent in training.
        towers: 1, the form of 2014 whose weights are published; 2, that of 2012 with local
            response normalisation.
        channels: of an image.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, height, width), in the paper 224 x 224 pixels, at least 63 x 63
        output: (batch, num_classes)

    Raises:
        DomainError: neither one tower nor two.

    Source: Krizhevsky, Sutskever and Hinton (2012), "ImageNet classification with deep
    convolutional neural networks", section 3.5 and figure 2, initial weights of section 5, α of
    section 3.3 times 5 as `LocalResponseNorm` divides it by the size; one tower: Krizhevsky
    (2014), "One weird trick for parallelizing convolutional neural networks".

    >>> from ..create import zeros
    >>> with init.unfilled():
    ...     network = AlexNet(5)
    >>> network(zeros(1, 3, 67, 63)).shape
    (1, 5)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        dropout: float = 0.5,
        *,
        towers: int = 1,
        channels: int = 3,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if towers not in (1, 2):
            raise DomainError(f"AlexNet: one tower or two; got towers {towers}. Choose 1 or 2.")
        self.num_classes, self.dropout = num_classes, dropout
        self.towers, self.channels = towers, channels
        with init.unfilled():
            self.features = Sequential(*(_one(channels) if towers == 1 else _two(channels)))
            self.avgpool = AdaptiveAvgPool2d(6)
            self.classifier = Sequential(
                Dropout(dropout, generator=generator),
                Linear(256 * 6 * 6, DENSE),
                ReLU(),
                Dropout(dropout, generator=generator),
                Linear(DENSE, DENSE),
                ReLU(),
                Linear(DENSE, num_classes),
            )
        matrices = [p for p in self.parameters() if p.ndim > 1]
        biases = [p for p in self.parameters() if p.ndim == 1]
        for number, (weight, bias) in enumerate(zip(matrices, biases, strict=True), 1):
            if towers == 1:
                init.default_weight_(weight, bias, generator)
            else:
                init.normal_(weight, 0.0, 0.01, generator)
                init.constant_(bias, float(number in (2, 4, 5, 6, 7)))

    def forward(self, x: Any) -> Tensor:
        x = flatten(self.avgpool(self.features(x)), 1)
        y: Tensor = self.classifier(x)
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("num_classes", "dropout", "towers", "channels")
        return {name: getattr(self, name) for name in names}


def _one(channels: int) -> list[Module]:
    return [
        *(Conv2d(channels, 64, 11, stride=4, padding=2), ReLU(), MaxPool2d(3, 2)),
        *(Conv2d(64, 192, 5, padding=2), ReLU(), MaxPool2d(3, 2)),
        *(Conv2d(192, 384, 3, padding=1), ReLU()),
        *(Conv2d(384, 256, 3, padding=1), ReLU()),
        *(Conv2d(256, 256, 3, padding=1), ReLU(), MaxPool2d(3, 2)),
    ]


def _two(channels: int) -> list[Module]:
    def normalized() -> Module:
        return LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    return [
        *(Conv2d(channels, 96, 11, stride=4, padding=2), ReLU(), normalized(), MaxPool2d(3, 2)),
        *(Conv2d(96, 256, 5, padding=2, groups=2), ReLU(), normalized(), MaxPool2d(3, 2)),
        *(Conv2d(256, 384, 3, padding=1), ReLU()),
        *(Conv2d(384, 384, 3, padding=1, groups=2), ReLU()),
        *(Conv2d(384, 256, 3, padding=1, groups=2), ReLU(), MaxPool2d(3, 2)),
    ]


def alexnet(*, weights: str | Path | None = None, **options: Any) -> AlexNet:
    """Return AlexNet.

    Args:
        weights: a safetensors file with torchvision's names; fresh weights unless given.
        options: as `AlexNet` takes them.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.

    Source: Krizhevsky (2014), "One weird trick"; ``towers=2``: Krizhevsky, Sutskever and Hinton
    (2012).
    """
    return with_weights(lambda: AlexNet(**options), weights)
