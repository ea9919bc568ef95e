"""What the benchmarks share: steps of either side, timed in turn, and medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import deepglass as dg
from deepglass.backends.native.peaks import fma_peak
from deepglass.nn import functional

Step = Callable[[], Any]

# So small that thousands of steps on one batch do not drive its gradients into denormal
# numbers, which are many times slower on either side and not what a step usually meets.
RATE = 1e-5


def on_threads(count: int) -> float:
    """Give both sides so many threads, say so, and return the peak of these in GFLOP/s."""
    import torch

    torch.set_num_threads(count)
    dg.set_threads(count)
    peak = fma_peak() / 1e9 * count
    print(f"{count} threads, multiply-add peak {peak:.0f} GFLOP/s, torch {torch.__version__}")
    return peak


def training_step(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    """Return our compiled step of a classifier: inputs and classes to the loss."""

    @dg.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def torch_step(model: Any, optimizer: Any, x: Any, y: Any) -> Step:
    """Return PyTorch's eager step on one batch."""
    from torch.nn.functional import cross_entropy

    def step() -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def microseconds(step: Step, seconds: float = 0.15) -> float:
    """Return the median time of one step over a burst, of one step at least."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def fastest(steps: Sequence[Step], seconds: float = 0.15) -> Step:
    """Return the peer at its best: the step that takes least, after one to warm up."""
    for step in steps:
        step()
    return min(steps, key=lambda step: microseconds(step, seconds)) if steps[1:] else steps[0]


def in_turn(
    name: str, ours: Step, peer: str, theirs: Step, rounds: int, seconds: float = 0.15
) -> float:
    """Time bursts of both sides in turn, print medians over rounds, and return ours.

    Args:
        name: of what is compared.
        ours, theirs: one step each, which has run before.
        peer: the name of the other side.
        rounds: bursts per side.
        seconds: how long a burst lasts.

    Returns:
        microseconds of one step of ours.
    """
    pairs = [(microseconds(ours, seconds), microseconds(theirs, seconds)) for _ in range(rounds)]
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = sorted(t / m for m, t in pairs)
    print(f"{name}\n  deepglass {a:10.1f} us   {peer} {b:10.1f} us   ratio {b / a:5.2f}"
          f"   ({spread[0]:.2f} to {spread[-1]:.2f})", flush=True)  # fmt: skip
    return a


def print_losses(pairs: Sequence[tuple[float, float]]) -> None:
    """Print the first losses of both sides beside each other."""
    print("  first losses " + "   ".join(f"{m:.7f} / {t:.7f}" for m, t in pairs), flush=True)


def print_rate(flops: float, microseconds_: float, peak: float) -> None:
    """Print how much of the machine's peak, in GFLOP/s, a step reaches."""
    rate = flops / microseconds_ / 1e3
    print(f"  {rate:.1f} GFLOP/s, {rate / peak:.0%} of the multiply-add peak measured in this run")
