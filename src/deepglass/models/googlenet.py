"""GoogLeNet: layers that look at several scales at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..graph.tensor import Tensor
from ..nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Linear,
    MaxPool2d,
    Sequential,
    init,
)  # fmt: skip
from ..nn.module import Module
from ..ops.activation import relu
from ..ops.joining import cat
from ..ops.movement import flatten
from ..ops.random import Generator
from .weights import with_weights

HEADS = ("aux1.", "aux2.")  # beginnings of the names of their weights
# per channel: from the means and deviations of ImageNet to 0.5 and 0.5
TO_HALVES = (
    [0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5],
    [(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5],
)


class GoogLeNetOutputs(NamedTuple):
    """What the network says in training: at its end, and at both heads on the way."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class BasicConv2d(Module):
    """A convolution with batch normalisation and ReLU.

    Args:
        in_channels: maps of the input.
        out_channels: maps of the output.
        options: as `Conv2d` takes them.
    """

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Any) -> Tensor:
        return relu(self.bn(self.conv(x)))


class Inception(Module):
    """Four views of the same maps, side by side: 1 x 1, 3 x 3, wider, and pooled.

    Convolutions of 1 x 1 narrow the maps before the dear ones. The third branch has 5 x 5 in
    the paper, but 3 x 3 in the published weights.

    Args:
        in_channels: maps of the input.
        ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj: maps of each convolution, in the order
            of the columns of table 1; "red" are those that narrow.

    Source: Szegedy et al. (2015), figure 2 (b).
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, ch1x1, kernel_size=1)
        self.branch2 = Sequential(
            BasicConv2d(in_channels, ch3x3red, kernel_size=1),
            BasicConv2d(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = Sequential(
            BasicConv2d(in_channels, ch5x5red, kernel_size=1),
            BasicConv2d(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = Sequential(
            MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            BasicConv2d(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Any) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return cat([branch(x) for branch in branches], 1)


class InceptionAux(Module):
    """A classifier on the way, whose loss helps the layers below it to learn.

    Args:
        in_channels: maps of the input.
        num_classes: how many there are.
        dropout: probability that a neuron is silent in training.
        generator: of dropout; the default generator unless given.

    Source: Szegedy et al. (2015), section 5.
    """

    def __init__(
        self, in_channels: int, num_classes: int, dropout: float, generator: Generator | None
    ) -> None:
        super().__init__()
        self.pool = AdaptiveAvgPool2d(4)
        self.conv = BasicConv2d(in_channels, 128, kernel_size=1)
        self.fc1 = Linear(2048, 1024)
        self.fc2 = Linear(1024, num_classes)
        self.dropout = Dropout(dropout, generator=generator)

    def forward(self, x: Any) -> Tensor:
        x = flatten(self.conv(self.pool(x)), 1)
        y: Tensor = self.fc2(self.dropout(relu(self.fc1(x))))
        return y


class GoogLeNet(Module):
    """Nine inception modules, with batch normalisation.

    It holds 6,624,904 weights without the auxiliary heads and 13,004,888 with them. The paper
    counts "12 times fewer" than AlexNet, and texts repeat it: 61.1 million / 6.6 million are 9.2
    times fewer, and the sum of the paper's own table 1, 6.8 million, is 9 times fewer as well.

    Args:
        num_classes: how many there are.
        aux_logits: have the two heads that help training; with their loss weighted by 0.3.
        transform_input: take images normalised with the means and deviations of ImageNet, for
            weights that were trained with 0.5 and 0.5, as the published ones were.
        dropout: probability that an averaged map is silent in training.
        dropout_aux: the same for a neuron of a head.
        channels: of an image.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, height, width), in the paper 224 x 224 pixels, at least 15 x 15
        output: (batch, num_classes); in training with heads `GoogLeNetOutputs`, three of them

    Source: Szegedy et al. (2015), "Going deeper with convolutions", table 1, without its
    response normalisation; Ioffe and Szegedy (2015) for that of batches. All weights start normal
    with standard deviation 0.01, cut at -2 and 2.

    >>> from ..create import zeros
    >>> network = GoogLeNet(5, aux_logits=False)
    >>> network(zeros(2, 3, 32, 48)).shape
    (2, 5)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
        *,
        channels: int = 3,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.num_classes, self.aux_logits = num_classes, aux_logits
        self.transform_input, self.channels = transform_input, channels
        self.rates = (dropout, dropout_aux)
        with init.unfilled():
            self.conv1 = BasicConv2d(channels, 64, kernel_size=7, stride=2, padding=3)
            self.maxpool1 = MaxPool2d(3, stride=2, ceil_mode=True)
            self.conv2 = BasicConv2d(64, 64, kernel_size=1)
            self.conv3 = BasicConv2d(64, 192, kernel_size=3, padding=1)
            self.maxpool2 = MaxPool2d(3, stride=2, ceil_mode=True)
            self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
            self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
            self.maxpool3 = MaxPool2d(3, stride=2, ceil_mode=True)
            self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
            self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
            self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
            self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
            self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
            self.maxpool4 = MaxPool2d(2, stride=2, ceil_mode=True)
            self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
            self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
            self.aux1: Module | None = None
            self.aux2: Module | None = None
            if aux_logits:
                self.aux1 = InceptionAux(512, num_classes, dropout_aux, generator)
                self.aux2 = InceptionAux(528, num_classes, dropout_aux, generator)
            self.avgpool = AdaptiveAvgPool2d(1)
            self.dropout = Dropout(dropout, generator=generator)
            self.fc = Linear(1024, num_classes)
        for layer in self.modules():
            if isinstance(layer, Linear):
                init.default_weight_(layer.weight, layer.bias, generator)
            if isinstance(layer, (Conv2d, Linear)):
                init.trunc_normal_(layer.weight, std=0.01, generator=generator)

    def forward(self, x: Any) -> Any:
        if self.transform_input:
            scale, shift = (np.array(row).reshape(1, -1, 1, 1) for row in TO_HALVES)
            x = x * Tensor(scale, x.dtype) + Tensor(shift, x.dtype)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        first = self.inception4a(x)
        second = self.inception4d(self.inception4c(self.inception4b(first)))
        x = self.maxpool4(self.inception4e(second))
        x = self.inception5b(self.inception5a(x))
        logits = self.fc(self.dropout(flatten(self.avgpool(x), 1)))
        if not self.training or self.aux1 is None or self.aux2 is None:
            return logits
        return GoogLeNetOutputs(logits, self.aux2(second), self.aux1(first))

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("num_classes", "aux_logits", "transform_input", "channels")
        rates = dict(zip(("dropout", "dropout_aux"), self.rates, strict=True))
        return {**rates, **{name: getattr(self, name) for name in names}}


def googlenet(*, weights: str | Path | None = None, **options: Any) -> GoogLeNet:
    """Return GoogLeNet.

    Args:
        weights: a safetensors file with torchvision's names; fresh weights unless given. Those
            of heads are passed over where ``aux_logits`` is False. The published ones are for
            ``transform_input=True``.
        options: as `GoogLeNet` takes them.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.

    Source: Szegedy et al. (2015), "Going deeper with convolutions", table 1.
    """
    unused = () if options.get("aux_logits", True) else HEADS
    return with_weights(lambda: GoogLeNet(**options), weights, unused)
