"""The classic networks of vision by name, fitted to images of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from ..errors import DomainError
from ..nn.module import Module
from .alexnet import AlexNet
from .design import Design, Sizes
from .googlenet import HEADS, GoogLeNet
from .resnet import LAYERS, ResNet
from .resnet_cifar import ResNetCIFAR
from .vgg import STAGES, VGG
from .weights import begin_with

Stem = Literal["photo", "small"]
IMAGENET, CIFAR = Sizes("images", (3, 224, 224), 1000), Sizes("images", (3, 32, 32), 10)
PHOTO = 64  # pixels of a side from which the stem for photographs is chosen


def _at_least(name: str, sizes: Sizes, least: int) -> None:
    height, width = sizes.inputs[1:]
    if min(height, width) < least:
        raise DomainError(
            f"{name}: images of at least {least} x {least} pixels; got {height} x {width}. Set a "
            "larger size in [data], or take another network."
        )


def _alexnet(
    sizes: Sizes, towers: Literal[1, 2] = 1, dropout: float = 0.5, weights: str = ""
) -> Module:
    _at_least("alexnet", sizes, 63)
    channels, classes = sizes.inputs[0], sizes.outputs
    return begin_with(
        lambda: AlexNet(classes, dropout, towers=towers, channels=channels), weights, "classifier.6"
    )


def _googlenet(sizes: Sizes, dropout: float = 0.2, weights: str = "") -> Module:
    _at_least("googlenet", sizes, 15)
    channels, classes = sizes.inputs[0], sizes.outputs
    return begin_with(
        lambda: GoogLeNet(classes, False, dropout=dropout, channels=channels),
        weights,
        "fc",
        unused=HEADS,
    )


def _vgg(depth: int) -> Callable[..., Module]:
    def make(
        sizes: Sizes, batch_norm: bool = False, dropout: float = 0.5, weights: str = ""
    ) -> Module:
        _at_least(f"vgg{depth}", sizes, 32)
        channels, classes = sizes.inputs[0], sizes.outputs
        return begin_with(
            lambda: VGG(depth, classes, batch_norm, dropout, channels=channels),
            weights,
            "classifier.6",
        )

    return make


def _resnet(depth: int) -> Callable[..., Module]:
    def make(sizes: Sizes, stem: Stem | None = None, weights: str = "") -> Module:
        channels, *sides = sizes.inputs
        usual = "small" if min(sides) < PHOTO and not weights else "photo"
        return begin_with(
            lambda: ResNet(*LAYERS[depth], sizes.outputs, channels=channels, stem=stem or usual),
            weights,
            "fc",
        )

    return make


def _resnet_cifar(depth: int, residual: bool) -> Callable[..., Module]:
    def make(sizes: Sizes) -> Module:
        return ResNetCIFAR(depth, sizes.outputs, residual, channels=sizes.inputs[0])

    return make


def _designs() -> Iterator[tuple[str, Design]]:
    def design(about: str, make: Callable[..., Module], usual: Sizes) -> Design:
        return Design(about, ("images",), make, usual)

    yield "alexnet", design("Krizhevsky's network of 2012", _alexnet, IMAGENET)
    for depth in STAGES:
        yield f"vgg{depth}", design(f"{depth} layers, of 3 x 3", _vgg(depth), IMAGENET)
    yield "googlenet", design("inception modules, without heads", _googlenet, IMAGENET)
    for depth in LAYERS:
        about = f"{depth} layers with shortcuts, for photographs"
        yield f"resnet{depth}", design(about, _resnet(depth), IMAGENET)
    for depth in (20, 32, 44, 56, 110):
        about = f"{depth} layers with shortcuts, for small images"
        yield f"resnet{depth}", design(about, _resnet_cifar(depth, True), CIFAR)
    for depth in (20, 32, 44, 56, 110):
        about = f"{depth} layers without shortcuts, for small images"
        yield f"plain{depth}", design(about, _resnet_cifar(depth, False), CIFAR)


VISION = dict(_designs())
