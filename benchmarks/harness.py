"""What the benchmarks share: steps of either side, timed in turn, and medians."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

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


def training_step(
    model: Any, optimizer: Any, precision: str = "float32", taps: dg.taps.Taps | None = None
) -> Callable[[Any, Any], Any]:
    """Return our compiled step of a classifier: inputs and classes to the loss."""

    @dg.compile(precision=precision, taps=taps)
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


def add_compiled(parser: argparse.ArgumentParser) -> None:
    """Let the user ask for PyTorch's compiler as well."""
    parser.add_argument(
        "--compiled",
        action="store_true",
        help="try torch.compile too, which takes minutes for a large network",
    )


def torch_steps(
    make: Callable[[], Any], bind: Callable[[Any, Any], Step], x: np.ndarray, compiled: bool
) -> dict[str, Step]:
    """Return PyTorch's step in all ways to run it: eagerly, images also with channels last, and
    compiled, where that is asked for and there is a C++ compiler.

    Args:
        make: the network, with the same weights each time.
        bind: makes a step of a network and its inputs.
        x: the inputs.
    """
    import torch

    inputs = torch.from_numpy(x)
    steps = {"PyTorch": bind(make(), inputs)}
    if x.ndim == 4:
        last = torch.channels_last
        images = inputs.to(memory_format=last)
        steps["PyTorch, channels last"] = bind(make().to(memory_format=last), images)
    if compiled:
        step = bind(torch.compile(make()), inputs)
        try:
            step()
            steps["PyTorch, compiled"] = step
        except torch._inductor.exc.InductorError as error:
            print(f"  torch.compile is not available: {str(error).splitlines()[0]}")
    return steps


def fastest(steps: Mapping[str, Step], seconds: float = 0.15) -> tuple[str, Step]:
    """Return the peer at its best: the step that takes least, after one to warm up, and what it
    is called."""
    for step in steps.values():
        step()
    return min(steps.items(), key=lambda named: microseconds(named[1], seconds))


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
