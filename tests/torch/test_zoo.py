"""The classic networks of vision beside plain PyTorch modules of the same description."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import zoo

import deepglass as dg
from deepglass import models

RNG = np.random.default_rng(0)
DENSE = 13  # neurons of dense layers here, of which AlexNet and VGG have 4096
WIDTHS = (2, 3, 4, 5, 6)  # maps of each stage of VGG, which has 64 to 512
Make = Callable[[], Any]
CASES: dict[str, tuple[Make, Make, tuple[int, ...]]] = {
    "resnet18": (
        lambda: models.resnet18(num_classes=7),
        lambda: zoo.resnet(False, [2, 2, 2, 2], 7), (3, 64, 40),
    ),
    "bottlenecks": (
        lambda: models.ResNet("bottleneck", [1, 2, 1, 1], 7),
        lambda: zoo.resnet(True, [1, 2, 1, 1], 7), (3, 64, 48),
    ),
    "small stem": (
        lambda: models.ResNet("basic", [1, 1, 1, 1], 7, stem="small"),
        lambda: zoo.resnet(False, [1, 1, 1, 1], 7, small=True), (3, 16, 24),
    ),
    "resnet20": (
        lambda: models.resnet20(num_classes=7),
        lambda: zoo.resnet_cifar(3, True, 7), (3, 13, 10),
    ),
    "plain20": (
        lambda: models.plain20(num_classes=7),
        lambda: zoo.resnet_cifar(3, False, 7), (3, 13, 10),
    ),
    "alexnet": (
        lambda: models.alexnet(num_classes=7), lambda: zoo.alexnet(1, 7, DENSE), (3, 67, 95),
    ),
    "two towers": (
        lambda: models.alexnet(num_classes=7, towers=2),
        lambda: zoo.alexnet(2, 7, DENSE), (3, 67, 95),
    ),
    "vgg11": (
        lambda: models.vgg11(num_classes=7),
        lambda: zoo.vgg([1, 1, 2, 2, 2], False, 7, WIDTHS, DENSE), (3, 32, 64),
    ),
    "vgg16_bn": (
        lambda: models.vgg16_bn(num_classes=7),
        lambda: zoo.vgg([2, 2, 3, 3, 3], True, 7, WIDTHS, DENSE), (3, 32, 64),
    ),
    "googlenet": (
        lambda: models.googlenet(num_classes=7), lambda: zoo.GoogLeNet(7), (3, 48, 40),
    ),
    "lenet5 of 1998": (
        lambda: models.lenet5(connections="1998"), zoo.LeNet1998, (1, 28, 28),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense layers, and those of VGG, are so wide that a test would move gigabytes."""
    for network in (models.AlexNet, models.VGG):
        monkeypatch.setattr(sys.modules[network.__module__], "DENSE", DENSE)
    monkeypatch.setattr(sys.modules[models.VGG.__module__], "WIDTHS", WIDTHS)


def twins(name: str) -> tuple[Any, Any, np.ndarray]:
    """Ours and theirs with the same random numbers in all that they hold, and an input."""
    make, build, shape = CASES[name]
    with dg.nn.init.unfilled():
        ours = make()
    theirs = build()
    for module in ours.modules():
        if isinstance(module, dg.nn.Dropout):
            module.p = 0.0
    state = {key: numbers(key, tuple(v.shape)) for key, v in theirs.state_dict().items()}
    theirs.load_state_dict({key: torch.tensor(v) for key, v in state.items()})
    ours.load_state_dict(state)
    return ours, theirs, RNG.normal(size=(3, *shape))


def numbers(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of a size with which signals neither grow nor shrink."""
    if len(shape) > 1:
        return RNG.normal(0.0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
    around = 0.0 if key.endswith(("bias", "running_mean")) else 1.0
    return np.float32(around + RNG.uniform(-0.2, 0.2, shape)) if shape else np.int64(5)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    """Values in float32, then gradients of every weight in float64 and training mode."""
    ours, theirs, x = twins(name)
    expected = theirs.eval()(torch.tensor(np.float32(x))).detach().numpy()
    got = ours.eval()(dg.tensor(np.float32(x))).numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(expected).max())

    theirs.double().train()(torch.tensor(x)).square().sum().backward()
    said = ours.double().train()(dg.tensor(x))
    said = dg.cat(list(said), 1) if isinstance(said, tuple) else said
    said.square().sum().backward()
    slopes = {key: p.grad.numpy() for key, p in theirs.named_parameters()}
    # a bias in front of a normalisation has none but rounding
    rounding = 1e-14 * max(np.abs(slope).max() for slope in slopes.values())
    for key, wanted in slopes.items():
        got = ours.get_parameter(key).grad.numpy()
        assert np.abs(got - wanted).max() <= 1e-7 * np.abs(wanted).max() + rounding, key
    for key, buffer in theirs.named_buffers():
        np.testing.assert_allclose(ours.get_buffer(key).numpy(), buffer.numpy(), rtol=1e-9)
