"""The classic networks of vision beside plain PyTorch modules of the same description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import deepglass as dg
from deepglass import models

RNG = np.random.default_rng(0)


class Apply(nn.Module):
    """A function as a module without weights."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


class Block(nn.Module):
    """What a residual or plain block computes, told by its convolutions and its shortcut."""

    def __init__(self, convolutions: list[nn.Conv2d], shortcut: nn.Module) -> None:
        super().__init__()
        self.count = len(convolutions)
        for k, convolution in enumerate(convolutions, 1):
            self.add_module(f"conv{k}", convolution)
            self.add_module(f"bn{k}", nn.BatchNorm2d(convolution.out_channels))
        self.downsample = shortcut

    def forward(self, x: Any) -> Any:
        y = x
        for k in range(1, self.count + 1):
            y = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(y))
            y = y.relu() if k < self.count else y
        return (y + self.downsample(x)).relu()


def conv(a: int, b: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(a, b, size, stride, padding=size // 2, bias=False)


def projected(a: int, b: int, planes: int, stride: int, deep: bool) -> nn.Module:
    convolutions = [conv(a, planes, 3, stride), conv(planes, b, 3)]
    if deep:
        convolutions = [conv(a, planes, 1), conv(planes, planes, 3, stride), conv(planes, b, 1)]
    if a == b and stride == 1:
        return Block(convolutions, Apply(lambda x: x))
    return Block(convolutions, nn.Sequential(conv(a, b, 1, stride), nn.BatchNorm2d(b)))


def thinned(a: int, b: int, stride: int, residual: bool) -> nn.Module:
    def shortcut(x: Any) -> Any:
        zeros = x.new_zeros(len(x), b - a, -(-x.shape[2] // stride), -(-x.shape[3] // stride))
        return torch.cat([F.avg_pool2d(x, 1, stride), zeros], 1) if residual else 0.0

    return Block([conv(a, b, 3, stride), conv(b, b, 3)], Apply(shortcut))


class Stages(nn.Module):
    """A stem, stages of blocks, the mean of each map and a linear layer."""

    def __init__(self, stem: nn.Conv2d, pool: Any, stages: list[nn.Module], outputs: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.pool = stem, nn.BatchNorm2d(stem.out_channels), pool
        for k, stage in enumerate(stages, 1):
            self.add_module(f"layer{k}", stage)
        self.stages, self.fc = len(stages), nn.Linear(outputs, 7)

    def forward(self, x: Any) -> Any:
        x = self.pool(self.bn1(self.conv1(x)).relu())
        for k in range(1, self.stages + 1):
            x = getattr(self, f"layer{k}")(x)
        return self.fc(x.mean((2, 3)))


def resnet(deep: bool, layers: list[int], small: bool = False) -> nn.Module:
    stages, a = [], 64
    for planes, blocks in zip((64, 128, 256, 512), layers, strict=True):
        b, stride = planes * (4 if deep else 1), 1 if planes == 64 else 2
        made = [projected(a, b, planes, stride, deep)]
        made += [projected(b, b, planes, 1, deep) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(*made))
        a = b
    if small:
        return Stages(conv(3, 64, 3), lambda x: x, stages, a)
    return Stages(conv(3, 64, 7, 2), lambda x: F.max_pool2d(x, 3, 2, 1), stages, a)


def resnet_cifar(n: int, residual: bool) -> nn.Module:
    stages, a = [], 16
    for b in (16, 32, 64):
        made = [thinned(a, b, 1 if b == 16 else 2, residual)]
        made += [thinned(b, b, 1, residual) for _ in range(n - 1)]
        stages.append(nn.Sequential(*made))
        a = b
    return Stages(conv(3, 16, 3), lambda x: x, stages, a)


Make = Callable[[], Any]
CASES: dict[str, tuple[Make, Make, tuple[int, ...]]] = {
    "resnet18": (
        lambda: models.resnet18(num_classes=7), lambda: resnet(False, [2, 2, 2, 2]), (3, 64, 48),
    ),
    "bottlenecks": (
        lambda: models.ResNet("bottleneck", [1, 2, 1, 1], 7),
        lambda: resnet(True, [1, 2, 1, 1]), (3, 64, 48),
    ),
    "small stem": (
        lambda: models.ResNet("basic", [1, 1, 1, 1], 7, stem="small"),
        lambda: resnet(False, [1, 1, 1, 1], small=True), (3, 16, 24),
    ),
    "resnet20": (
        lambda: models.resnet20(num_classes=7), lambda: resnet_cifar(3, True), (3, 13, 10),
    ),
    "plain20": (
        lambda: models.plain20(num_classes=7), lambda: resnet_cifar(3, False), (3, 13, 10),
    ),
}  # fmt: skip


def twins(name: str) -> tuple[Any, Any, np.ndarray]:
    """Ours and theirs with the same random numbers in all that they hold, and an input."""
    make, build, shape = CASES[name]
    ours, theirs = make(), build()
    state = {
        k: v if v.dtype == np.int64 else v * RNG.uniform(0.8, 1.2, v.shape).astype(v.dtype)
        for k, v in ours.state_dict().items()
    }
    ours.load_state_dict(state)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    return ours, theirs, RNG.normal(size=(4, *shape))


@pytest.mark.parametrize("name", CASES)
def test_outputs(name: str) -> None:
    ours, theirs, x = twins(name)
    x = x.astype(np.float32)
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    got = ours.eval()(dg.tensor(x)).numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    """In training mode and float64: of every weight, and what batch normalisation remembers."""
    ours, theirs, x = twins(name)
    ours.double(), theirs.double()
    theirs(torch.tensor(x)).square().sum().backward()
    ours(dg.tensor(x)).square().sum().backward()
    for key, parameter in theirs.named_parameters():
        wanted = parameter.grad.numpy()
        got = ours.get_parameter(key).grad.numpy()
        assert np.abs(got - wanted).max() <= 1e-7 * np.abs(wanted).max(), key
    for key, buffer in theirs.named_buffers():
        np.testing.assert_allclose(ours.get_buffer(key).numpy(), buffer.numpy(), rtol=1e-9)
