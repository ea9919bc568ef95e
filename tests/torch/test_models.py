"""Networks with a name beside the same in PyTorch, weights carried over by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import deepglass as dg
from deepglass import models

RNG = np.random.default_rng(0)


def lenet(act: type[nn.Module], pool: type[nn.Module], padding: int) -> nn.Module:
    features = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=padding), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2)
    )
    classifier = nn.Sequential(
        nn.Flatten(), nn.Linear(400, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 7)
    )
    return Both(features=features, classifier=classifier)


class Both(nn.Module):
    """Two parts, one after the other."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Any) -> Any:
        for part in self.children():
            x = part(x)
        return x


def convnet() -> nn.Module:
    stages: list[nn.Module] = []
    for before, after in ((3, 5), (5, 2)):
        stages += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        stages += [nn.ReLU(), nn.MaxPool2d(2)]
    features = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Both(features=features, classifier=nn.Sequential(nn.Linear(2, 7)))


class Language(nn.Module):
    """Embedding, units, output."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 3)
        self.recurrent = nn.GRU(3, 5, 2, batch_first=True)
        self.output = nn.Linear(5, 7)

    def forward(self, tokens: Any) -> Any:
        return self.output(self.recurrent(self.embedding(tokens))[0]).transpose(1, 2)


class Series(nn.Module):
    """What follows, measured from the last value."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.GRU(2, 5, batch_first=True)
        self.output = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        last = x[:, -1:]
        return self.output(self.recurrent(x - last)[0][:, -1]) + last[:, 0, :1]


def images(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


CASES: dict[str, tuple[dg.nn.Module, Callable[[], nn.Module], np.ndarray]] = {
    "LeNet5": (
        models.LeNet5(classes=7), lambda: lenet(nn.Tanh, nn.AvgPool2d, 2), images(5, 1, 28, 28),
    ),
    "LeNet5, 32 pixels": (
        models.LeNet5(1, 7, 32, "relu", "max"),
        lambda: lenet(nn.ReLU, nn.MaxPool2d, 0), images(3, 1, 32, 32),
    ),
    "ConvNet": (models.ConvNet(3, 7, [5, 2]), convnet, images(5, 3, 9, 14)),
    "RecurrentLanguageModel": (
        models.RecurrentLanguageModel(7, 3, 5, 2), Language, RNG.integers(0, 7, (2, 11)),
    ),
    "RecurrentForecaster": (models.RecurrentForecaster(2, 3, 5), Series, images(5, 7, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients(name: str) -> None:
    ours, make, inputs = CASES[name]
    theirs = make()
    state = {k: torch.tensor(v) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    expected = theirs(torch.tensor(inputs))
    expected.square().sum().backward()
    got = ours(dg.tensor(inputs))
    got.square().sum().backward()
    np.testing.assert_allclose(got.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    slopes = dict(theirs.named_parameters())
    for key, parameter in ours.named_parameters():
        wanted = slopes[key].grad.numpy()
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(parameter.grad.numpy(), wanted, rtol=1e-3, atol=1e-4 * scale)
