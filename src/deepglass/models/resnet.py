"""Residual networks for photographs: ResNet-18 to ResNet-152."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Identity,
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


class BasicBlock(Module):
    """Two convolutions of 3 x 3 beside a shortcut.

    y = relu(BN(W₂ * relu(BN(W₁ * x))) + shortcut(x))

    Args:
        inplanes: maps of the input.
        planes: maps of the output.
        stride: of the first convolution, in pixels.
        downsample: the shortcut; the input itself unless given.

    Source: He, Zhang, Ren and Sun (2015), "Deep residual learning", figure 5, left.
    """

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = Conv2d(inplanes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(planes)
        self.relu = ReLU()
        self.conv2 = Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return y


class Bottleneck(Module):
    """A convolution of 3 x 3 between two of 1 x 1, which narrow and widen, beside a shortcut.

    The stride lies in the 3 x 3, where the published weights have it; in the paper it lies in
    the first 1 x 1.

    Args:
        inplanes: maps of the input.
        planes: maps in the middle; the output has four times as many.
        stride: of the middle convolution, in pixels.
        downsample: the shortcut; the input itself unless given.

    Source: He, Zhang, Ren and Sun (2015), "Deep residual learning", figure 5, right.
    """

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = BatchNorm2d(planes)
        self.conv2 = Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = BatchNorm2d(planes)
        self.conv3 = Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = BatchNorm2d(planes * self.expansion)
        self.relu = ReLU()
        self.downsample = downsample

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return y


BLOCKS: dict[str, type[BasicBlock | Bottleneck]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
}
LAYERS: dict[int, tuple[str, list[int]]] = {  # by the depth; table 1 of the paper
    18: ("basic", [2, 2, 2, 2]),
    34: ("basic", [3, 4, 6, 3]),
    50: ("bottleneck", [3, 4, 6, 3]),
    101: ("bottleneck", [3, 4, 23, 3]),
    152: ("bottleneck", [3, 8, 36, 3]),
}
STEMS = ("photo", "small")


class ResNet(Module):
    """Four stages of blocks, each of which learns what to add to its input.

    conv1 64 of 7 x 7, stride 2 - max-pool 3 x 3, stride 2 - conv2_x 64 maps - conv3_x 128 -
    conv4_x 256 - conv5_x 512, each stage but the first halving the sides - mean of each map -
    one output per class

    Args:
        block: "basic", or "bottleneck", whose outputs have four times as many maps.
        layers: blocks of each stage.
        num_classes: how many there are.
        zero_init_residual: start the last scale of each block at 0, so that it begins as its
            shortcut.
        channels: of an image.
        stem: "photo" as above; "small" begins with 3 x 3, stride 1, and does not pool, as is
            usual for images of 32 pixels.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, height, width), in the paper 224 x 224 pixels
        output: (batch, num_classes)

    Raises:
        DomainError: another block or stem, or not four stages of at least one block.

    Source: He, Zhang, Ren and Sun (2015), "Deep residual learning for image recognition",
    table 1, with shortcuts of option B; convolutions start as in He et al. (2015), "Delving
    deep into rectifiers", equation 14.

    >>> from ..create import zeros
    >>> ResNet("basic", [1, 1, 1, 1], 5)(zeros(2, 3, 32, 48)).shape
    (2, 5)
    """

    def __init__(
        self,
        block: str,
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        *,
        channels: int = 3,
        stem: str = "photo",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if block not in BLOCKS or stem not in STEMS or len(layers) != 4 or min(layers) < 1:
            raise DomainError(
                f"ResNet: block is one of {', '.join(BLOCKS)}, stem one of {', '.join(STEMS)}, and "
                f"layers tells the blocks of four stages; got {block!r}, {stem!r}, {layers!r}."
            )
        self.block, self.layers, self.num_classes = block, tuple(layers), num_classes
        self.zero_init_residual, self.channels, self.stem = zero_init_residual, channels, stem
        kind = BLOCKS[block]
        outputs = [planes * kind.expansion for planes in (64, 128, 256, 512)]
        with init.unfilled():
            if stem == "photo":
                self.conv1 = Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
            else:
                self.conv1 = Conv2d(channels, 64, 3, padding=1, bias=False)
            self.bn1 = BatchNorm2d(64)
            self.relu = ReLU()
            self.maxpool = MaxPool2d(3, 2, padding=1) if stem == "photo" else Identity()
            self.layer1 = _stage(kind, 64, 64, layers[0], stride=1)
            self.layer2 = _stage(kind, outputs[0], 128, layers[1], stride=2)
            self.layer3 = _stage(kind, outputs[1], 256, layers[2], stride=2)
            self.layer4 = _stage(kind, outputs[2], 512, layers[3], stride=2)
            self.avgpool = AdaptiveAvgPool2d(1)
            self.fc = Linear(outputs[3], num_classes)
        fill_rectified(self, generator)
        if zero_init_residual:
            last = "bn2.weight" if kind is BasicBlock else "bn3.weight"
            for name, parameter in self.named_parameters():
                if name.endswith(last):
                    init.zeros_(parameter)

    def forward(self, x: Any) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        y: Tensor = self.fc(flatten(self.avgpool(x), 1))
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("block", "num_classes", "zero_init_residual", "channels", "stem")
        return {"layers": list(self.layers), **{name: getattr(self, name) for name in names}}


def _stage(
    kind: type[BasicBlock | Bottleneck], inplanes: int, planes: int, blocks: int, stride: int
) -> Sequential:
    """Blocks of one width; where maps change in number or size, the shortcut is a projection."""
    outputs, shortcut = planes * kind.expansion, None
    if stride != 1 or inplanes != outputs:
        projection = Conv2d(inplanes, outputs, 1, stride, bias=False)
        shortcut = Sequential(projection, BatchNorm2d(outputs))
    first = kind(inplanes, planes, stride, shortcut)
    return Sequential(first, *[kind(outputs, planes) for _ in range(blocks - 1)])


def resnet18(*, weights: str | Path | None = None, **options: Any) -> ResNet:
    """Return ResNet-18: 11,689,512 weights, 1.8e9 multiply-adds for 224 x 224 pixels.

    Args:
        weights: a safetensors file with torchvision's names; fresh weights unless given.
        options: as `ResNet` takes them.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.

    Source: He, Zhang, Ren and Sun (2015), "Deep residual learning", table 1.
    """
    return with_weights(lambda: ResNet(*LAYERS[18], **options), weights)


def resnet34(*, weights: str | Path | None = None, **options: Any) -> ResNet:
    """Return ResNet-34: 21,797,672 weights; otherwise as `resnet18`."""
    return with_weights(lambda: ResNet(*LAYERS[34], **options), weights)


def resnet50(*, weights: str | Path | None = None, **options: Any) -> ResNet:
    """Return ResNet-50: 25,557,032 weights; otherwise as `resnet18`."""
    return with_weights(lambda: ResNet(*LAYERS[50], **options), weights)


def resnet101(*, weights: str | Path | None = None, **options: Any) -> ResNet:
    """Return ResNet-101: 44,549,160 weights; otherwise as `resnet18`."""
    return with_weights(lambda: ResNet(*LAYERS[101], **options), weights)


def resnet152(*, weights: str | Path | None = None, **options: Any) -> ResNet:
    """Return ResNet-152: 60,192,808 weights; otherwise as `resnet18`."""
    return with_weights(lambda: ResNet(*LAYERS[152], **options), weights)
