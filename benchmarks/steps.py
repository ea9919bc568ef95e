"""Whole training steps beside PyTorch: one process, interleaved, equal threads.

    python benchmarks/steps.py [--rounds 7] [--threads 2]

Needs torch. For every network both sides start from the same weights and see the same
batches; the first losses of both are printed beside each other. Each round times a burst of
steps of one side, then of the other; the figures are medians over rounds. PyTorch runs
eagerly, with channels_last tried for convolutions and the better of the two kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from harness import RATE, fastest, in_turn, print_losses, print_rate, torch_step, training_step

import deepglass as dg
from deepglass import nn
from deepglass.backends.native import threads
from deepglass.backends.native.peaks import fma_peak


@dataclass(frozen=True)
class Case:
    """A network, described once for both sides by a function of their ``nn``."""

    name: str
    network: Callable[[Any], Any]
    input_shape: tuple[int, ...]
    flops: float  # multiply-adds of the whole step, counted twice


def mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def conv(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 14 * 14, 10),
    )


def _mlp_flops(batch: int) -> float:
    return 2 * batch * (2 * 784 * 128 + 3 * 128 * 10)


def _conv_flops(batch: int) -> float:
    return 2 * batch * (2 * 16 * 9 * 784 + 3 * 3136 * 10)


CASES = (
    Case("MLP 784-128-10, batch 64", mlp, (64, 784), _mlp_flops(64)),
    Case("MLP 784-128-10, batch 512", mlp, (512, 784), _mlp_flops(512)),
    Case("conv-batchnorm-ReLU-maxpool-linear, batch 64", conv, (64, 1, 28, 28), _conv_flops(64)),
)


def compare(case: Case, rounds: int, peak: float) -> None:
    """Print times, ratio, share of the peak and first losses of one network."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.input_shape).astype(np.float32)
    y = rng.integers(0, 10, case.input_shape[0])
    dg.manual_seed(0)
    model = case.network(nn)
    weights = model.state_dict()
    step = training_step(model, dg.optim.SGD(model.parameters(), lr=RATE))

    def theirs(layout: Any) -> Any:
        model = case.network(torch.nn)
        model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
        images, labels = torch.from_numpy(x), torch.from_numpy(y)
        if images.ndim == 4:
            model, images = model.to(memory_format=layout), images.to(memory_format=layout)
        return torch_step(model, torch.optim.SGD(model.parameters(), lr=RATE), images, labels)

    layouts = (torch.contiguous_format, torch.channels_last)[: 1 + (x.ndim == 4)]
    peers = [theirs(layout) for layout in layouts]
    losses = [(step(x, y).item(), peers[0]().item()) for _ in range(3)]
    took = in_turn(case.name, lambda: step(x, y), "PyTorch", fastest(peers), rounds)
    print_rate(case.flops, took, peak)
    print_losses(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="bursts per side and network")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threads.set_threads(options.threads)
    peak = fma_peak() / 1e9 * options.threads
    print(f"{options.threads} threads, multiply-add peak {peak:.0f} GFLOP/s, "
          f"torch {torch.__version__}")  # fmt: skip
    for case in CASES:
        compare(case, options.rounds, peak)


if __name__ == "__main__":
    main()
