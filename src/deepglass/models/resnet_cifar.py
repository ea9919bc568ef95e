"""Networks for images of 32 pixels, plain and residual: ResNet-20 to ResNet-1202."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..nn import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear, ReLU, Sequential, init
from ..nn.module import Module
from ..ops.movement import flatten
from ..ops.padding import pad
from ..ops.random import Generator
from .resnet import BasicBlock
from .weights import fill_rectified, with_weights


class Thinned(Module):
    """The shortcut without weights: every second pixel, and maps of zeros for the new ones.

    Args:
        stride: step over the pixels.
        extra: maps of zeros.

    Source: He, Zhang, Ren and Sun (2015), "Deep residual learning", section 3.3, option A.
    """

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride, self.extra = stride, extra

    def forward(self, x: Any) -> Tensor:
        pixels: Tensor = x[:, :, :: self.stride, :: self.stride]
        return pad(pixels, (0, 0, 0, 0, 0, self.extra))


class PlainBlock(BasicBlock):
    """The same two convolutions without a shortcut."""

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return y


class ResNetCIFAR(Module):
    """The networks with which He et al. showed what shortcuts are for.

    ============  ======  ====  ====
    side of maps  32      16    8
    layers        1 + 2n  2n    2n
    maps          16      32    64
    ============  ======  ====  ====

    All convolutions are of 3 x 3; then come the mean of each map and one output per class. Depth
    counts layers with weights, 6n + 2. In the residual form pairs of layers have a shortcut
    without weights, so both forms hold the same numbers. Shortcuts let 110 layers train better
    than 20; plain networks train worse with 56 than with 20 (figure 6).

    Args:
        depth: 20, 32, 44, 56, 110, 1202 in the paper; any 6n + 2 of at least 8.
        num_classes: how many there are.
        residual: False leaves out the shortcuts: a plain network.
        channels: of an image.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, height, width), in the paper 32 x 32 pixels
        output: (batch, num_classes)

    Raises:
        DomainError: another depth.

    Source: He, Zhang, Ren and Sun (2015), "Deep residual learning for image recognition",
    table of section 4.2, and table 6; convolutions start as in He et al. (2015), "Delving deep into
    rectifiers", equation 14.

    >>> from ..create import zeros
    >>> ResNetCIFAR(8, 5)(zeros(2, 3, 32, 48)).shape
    (2, 5)
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 10,
        residual: bool = True,
        *,
        channels: int = 3,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if depth % 6 != 2 or depth < 8:
            raise DomainError(
                f"ResNetCIFAR: the depth is 6n + 2 with n of at least 1; got {depth}. Usual: 20, "
                "32, 44, 56, 110."
            )
        self.depth, self.num_classes, self.residual = depth, num_classes, residual
        self.channels = channels
        kind, n = BasicBlock if residual else PlainBlock, depth // 6
        with init.unfilled():
            self.conv1 = Conv2d(channels, 16, 3, padding=1, bias=False)
            self.bn1 = BatchNorm2d(16)
            self.relu = ReLU()
            self.layer1 = Sequential(*[kind(16, 16) for _ in range(n)])
            self.layer2 = _narrower(kind, 16, 32, n)
            self.layer3 = _narrower(kind, 32, 64, n)
            self.avgpool = AdaptiveAvgPool2d(1)
            self.fc = Linear(64, num_classes)
        fill_rectified(self, generator)

    def forward(self, x: Any) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        y: Tensor = self.fc(flatten(self.avgpool(x), 1))
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("depth", "num_classes", "residual", "channels")
        return {name: getattr(self, name) for name in names}


def _narrower(kind: type[BasicBlock], before: int, after: int, n: int) -> Sequential:
    """Blocks with more maps of half the sides."""
    shortcut = None if kind is PlainBlock else Thinned(2, after - before)
    first = kind(before, after, 2, shortcut)
    return Sequential(first, *[kind(after, after) for _ in range(n - 1)])


def resnet20(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return ResNet-20: 269,722 weights, 41 million multiply-adds for 32 x 32 pixels.

    Args:
        weights: a safetensors file with the names of this network; fresh weights unless given.
        options: as `ResNetCIFAR` takes them.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.

    Source: He, Zhang, Ren and Sun (2015), "Deep residual learning", section 4.2.
    """
    return with_weights(lambda: ResNetCIFAR(20, **options), weights)


def resnet32(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return ResNet-32: 464,154 weights; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(32, **options), weights)


def resnet44(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return ResNet-44: 658,586 weights; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(44, **options), weights)


def resnet56(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return ResNet-56: 853,018 weights; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(56, **options), weights)


def resnet110(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return ResNet-110: 1,727,962 weights; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(110, **options), weights)


def resnet1202(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return ResNet-1202: 19,421,274 weights; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(1202, **options), weights)


def plain20(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return the plain network of 20 layers; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(20, residual=False, **options), weights)


def plain32(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return the plain network of 32 layers; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(32, residual=False, **options), weights)


def plain44(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return the plain network of 44 layers; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(44, residual=False, **options), weights)


def plain56(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return the plain network of 56 layers; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(56, residual=False, **options), weights)


def plain110(*, weights: str | Path | None = None, **options: Any) -> ResNetCIFAR:
    """Return the plain network of 110 layers; otherwise as `resnet20`."""
    return with_weights(lambda: ResNetCIFAR(110, residual=False, **options), weights)
