"""Whole training steps beside PyTorch: one process, interleaved, equal threads.

    python benchmarks/steps.py [--rounds 7] [--threads 2]

Needs torch. For every network both sides start from the same weights and see the same
batches; the first losses of both are printed beside each other. Each round times a burst of
steps of one side, then of the other; the figures are medians over rounds. PyTorch runs
eagerly, with channels_last tried for convolutions and the better of the two kept.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import deepglass as dg
from deepglass import nn
from deepglass.backends.native import threads
from deepglass.backends.native.peaks import fma_peak
from deepglass.nn import functional

Step = Callable[[], Any]

# So small that thousands of steps on one batch do not drive its gradients into denormal
# numbers, which are many times slower on either side and not what a step usually meets.
RATE = 1e-5


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


def ours(case: Case, x: np.ndarray, y: np.ndarray) -> tuple[Step, dict[str, np.ndarray]]:
    """Return our compiled step and its initial weights."""
    dg.manual_seed(0)
    model = case.network(nn)
    optimizer = dg.optim.SGD(model.parameters(), lr=RATE)
    weights = model.state_dict()

    @dg.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return (lambda: step(x, y)), weights


def theirs(
    case: Case, x: np.ndarray, y: np.ndarray, weights: dict[str, np.ndarray], layout: Any
) -> Step:
    """Return PyTorch's eager step from the same weights."""
    model = case.network(torch.nn)
    model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    if images.ndim == 4:
        model, images = model.to(memory_format=layout), images.to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def microseconds(step: Step, seconds: float = 0.15) -> float:
    """Return the median time of one step over a burst."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def compare(case: Case, rounds: int, peak: float) -> None:
    """Print one row: times, ratio, share of the peak, first losses."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.input_shape).astype(np.float32)
    y = rng.integers(0, 10, case.input_shape[0])
    step, weights = ours(case, x, y)
    layouts = (torch.contiguous_format, torch.channels_last)[: 1 + (x.ndim == 4)]
    peers = [theirs(case, x, y, weights, layout) for layout in layouts]
    losses = [(float(step().item()), float(peers[0]().item())) for _ in range(3)]
    mine: list[float] = []
    other: list[float] = []
    for _ in range(rounds):
        mine.append(microseconds(step))
        other.append(min(microseconds(peer) for peer in peers))
    a, b = statistics.median(mine), statistics.median(other)
    spread = sorted(t / m for t, m in zip(other, mine, strict=True))
    print(f"{case.name}")
    print(f"  deepglass {a:8.0f} us   PyTorch {b:8.0f} us   ratio {b / a:5.2f}"
          f"   ({spread[0]:.2f} to {spread[-1]:.2f})")  # fmt: skip
    print(f"  {case.flops / a / 1e3:6.1f} GFLOP/s, {case.flops / a / 1e3 / peak:4.0%} of the "
          "multiply-add peak measured in this run")  # fmt: skip
    print("  first losses " + "   ".join(f"{m:.7f} / {t:.7f}" for m, t in losses))


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
