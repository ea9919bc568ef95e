"""Whole training steps beside PyTorch: one process, interleaved, equal threads.

    python benchmarks/steps.py [name ...] [--rounds 7] [--threads 2] [--compiled]

Needs torch. For every network both sides start from the same weights and see the same
batches; the first losses of both are printed beside each other. Each round times a burst of
steps of one side, then of the other; the figures are medians over rounds. PyTorch runs in the
fastest of its ways: eagerly, with channels last, and, if asked for, compiled.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from harness import (
    RATE,
    Step,
    add_compiled,
    fastest,
    in_turn,
    on_threads,
    print_losses,
    print_rate,
    torch_step,
    torch_steps,
    training_step,
)

import deepglass as dg
from deepglass import nn


def sgd(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=RATE)


def momentum(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=RATE, momentum=0.9)


def adam(optim: Any, parameters: Any) -> Any:
    return optim.Adam(parameters, lr=RATE)


@dataclass(frozen=True)
class Case:
    """A network, described once for both sides by a function of their ``nn``."""

    name: str
    network: Callable[[Any], Any]
    input_shape: tuple[int, ...]
    flops: float  # multiply-adds of the whole step, counted twice
    optimizer: Callable[[Any, Any], Any] = sgd
    classes: int = 10


def dense(*sizes: int, activation: str = "ReLU") -> Callable[[Any], Any]:
    def network(nn: Any) -> Any:
        layers = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), getattr(nn, activation)()]
        return nn.Sequential(*layers[:-1])

    return network


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def conv(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 14 * 14, 10),
    )


def dense_flops(batch: int, *sizes: int) -> float:
    """Three products per layer, but for the first, whose input wants no gradient."""
    products = [3 * before * after for before, after in pairwise(sizes)]
    return 2 * batch * (sum(products) - sizes[0] * sizes[1])


CONV_FLOPS = 2 * 64 * (2 * 16 * 9 * 784 + 3 * 3136 * 10)
LENET_FLOPS = 2 * 64 * (2 * 6 * 25 * 784 + 3 * 16 * 150 * 100)
LENET_FLOPS += 2 * 64 * 3 * (400 * 120 + 120 * 84 + 84 * 10)

CASES = (
    Case("XOR 2-8-2, batch 4", dense(2, 8, 2, activation="Tanh"), (4, 2), 4 * 2 * 80, classes=2),
    Case("MLP 784-128-10, batch 64", dense(784, 128, 10), (64, 784), dense_flops(64, 784, 128, 10)),
    Case(
        "MLP 784-128-10, batch 512", dense(784, 128, 10), (512, 784), dense_flops(512, 784, 128, 10)
    ),
    Case(
        "MLP 784-1024-1024-10, batch 256, Adam",
        dense(784, 1024, 1024, 10),
        (256, 784),
        dense_flops(256, 784, 1024, 1024, 10),
        adam,
    ),
    Case(
        "AlexNet's dense layers, batch 8, momentum",
        dense(9216, 4096, 4096, 1000),
        (8, 9216),
        dense_flops(8, 9216, 4096, 4096, 1000),
        momentum,
        classes=1000,
    ),
    Case("LeNet-5, batch 64", lenet, (64, 1, 28, 28), LENET_FLOPS),
    Case("conv-batchnorm-ReLU-maxpool-linear, batch 64", conv, (64, 1, 28, 28), CONV_FLOPS),
)


def compare(case: Case, rounds: int, peak: float, compiled: bool) -> None:
    """Print times, ratio, share of the peak and first losses of one network."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.input_shape).astype(np.float32)
    y = rng.integers(0, case.classes, case.input_shape[0])
    dg.manual_seed(0)
    model = case.network(nn)
    weights = {k: torch.from_numpy(v.copy()) for k, v in model.state_dict().items()}
    step = training_step(model, case.optimizer(dg.optim, model.parameters()))

    def make() -> torch.nn.Module:
        network: torch.nn.Module = case.network(torch.nn)
        network.load_state_dict(weights)
        return network

    def bind(network: torch.nn.Module, inputs: torch.Tensor) -> Step:
        optimizer = case.optimizer(torch.optim, network.parameters())
        return torch_step(network, optimizer, inputs, torch.from_numpy(y))

    peers = torch_steps(make, bind, x, compiled)
    losses = [(step(x, y).item(), peers["PyTorch"]().item()) for _ in range(3)]
    way, best = fastest(peers)
    took = in_turn(case.name, lambda: step(x, y).item(), way, lambda: best().item(), rounds)
    print_rate(case.flops, took, peak)
    print_losses(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="parts of names; all networks unless given")
    parser.add_argument("--rounds", type=int, default=7, help="bursts per side and network")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides")
    add_compiled(parser)
    options = parser.parse_args()
    peak = on_threads(options.threads)
    for case in CASES:
        if options.names and not any(name in case.name for name in options.names):
            continue
        compare(case, options.rounds, peak, options.compiled)


if __name__ == "__main__":
    main()
