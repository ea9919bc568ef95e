"""How far float32 leads from float64 in twenty steps, here and in PyTorch.

    python benchmarks/numerics.py [NAME ...] [--seeds 3] [--exact]

Needs torch. Three runs of every network start from the same weights and see the same batches:
PyTorch in float64, PyTorch in float32, and deepglass in float32, compiled. The distance of a run
is that of its weights from those of the float64 run, relative to the way these have gone. Weights
whose first gradient is rounding itself (in float64 below 1e-12 of the largest, such as the biases
of keys, which softmax does not see) are left out.

The first three losses have to agree with PyTorch's to 1e-4, and the distance has to be at most
twice that of PyTorch, by the medians over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import gpt
import networks
import numpy as np
import steps
import torch
from harness import training_step

import deepglass as dg

STEPS = 20
ROUNDING = 1e-12  # of the largest gradient
MOST_LOSS, MOST_RATIO = 1e-4, 2.0

Weights = dict[str, np.ndarray]
Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network and how it is trained.

    Attributes:
        ours, theirs: make the network.
        batch: draws inputs and classes.
        optimizer: its name.
        options: its settings.
    """

    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    batch: Callable[[np.random.Generator], Batch]
    optimizer: str
    options: dict[str, float]


def images(shape: tuple[int, ...], classes: int) -> Callable[[np.random.Generator], Batch]:
    """Return what draws normal numbers, and classes at random."""
    return lambda rng: (
        rng.standard_normal(shape).astype(np.float32),
        rng.integers(0, classes, shape[0]),
    )


def text(rng: np.random.Generator) -> Batch:
    characters = rng.integers(0, gpt.VOCABULARY, (gpt.BATCH, gpt.CONTEXT))
    return characters, np.roll(characters, -1).reshape(-1)


def _step(name: str, optimizer: str, **options: float) -> Case:
    (found,) = [c for c in steps.CASES if c.name.startswith(name)]
    return Case(
        lambda: found.network(dg.nn),
        lambda: found.network(torch.nn),
        images(found.input_shape, found.classes),
        optimizer,
        options,
    )


def _network(name: str, **options: float) -> Case:
    found = networks.CASES[name]
    shape = (found.batch, 3, found.side, found.side)
    return Case(found.ours, found.theirs, images(shape, 10), "SGD", options)


CASES = {
    "XOR": _step("XOR", "SGD", lr=0.5),
    "MLP-64": _step("MLP 784-128-10, batch 64", "SGD", lr=0.1),
    "MLP-512": _step("MLP 784-128-10, batch 512", "SGD", lr=0.1),
    "MLP-Adam": _step("MLP 784-1024-1024-10", "Adam", lr=1e-3),
    "LeNet-5": _step("LeNet-5", "SGD", lr=0.1),
    "AlexNet": _step("AlexNet", "SGD", lr=0.01, momentum=0.9),
    "GPT": Case(lambda: gpt.gpt(dg.nn), lambda: gpt.gpt(torch.nn), text, "AdamW", {"lr": 1e-3}),
    "ResNet-20": _network("resnet20", lr=0.01, momentum=0.9),
    "ResNet-18": _network("resnet18-small", lr=0.01, momentum=0.9),
}


def trained(case: Case, weights: Weights, batches: list[Batch]) -> tuple[list[float], Weights]:
    """Return the losses and the last weights of deepglass."""
    model = case.ours()
    model.load_state_dict(weights)
    optimizer = getattr(dg.optim, case.optimizer)(model.parameters(), **case.options)
    step = training_step(model, optimizer)
    losses = [step(x, y).item() for x, y in batches]
    found = model.state_dict()
    return losses, {name: np.array(found[name]) for name, _ in model.named_parameters()}


def trained_by_torch(
    case: Case, weights: Weights, batches: list[Batch], dtype: torch.dtype
) -> tuple[list[float], Weights, Weights]:
    """Return the losses, the last weights and the first gradients of PyTorch."""
    model = case.theirs()
    model.load_state_dict({name: torch.from_numpy(w.copy()) for name, w in weights.items()})
    model = model.to(dtype)
    optimizer = getattr(torch.optim, case.optimizer)(model.parameters(), **case.options)
    losses: list[float] = []
    first: Weights = {}
    for x, y in batches:
        inputs = torch.from_numpy(x)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            model(inputs.to(dtype) if inputs.is_floating_point() else inputs), torch.from_numpy(y)
        )
        loss.backward()
        first = first or {n: p.grad.numpy().copy() for n, p in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    return losses, {n: p.detach().numpy().copy() for n, p in model.named_parameters()}, first


def distance(found: Weights, truth: Weights, start: Weights, slopes: Weights) -> float:
    """Return how far weights are from the truth, relative to the way the truth has gone."""
    largest = max(np.abs(g).max() for g in slopes.values())
    away, gone = 0.0, 0.0
    for name, w in truth.items():
        counts = np.abs(slopes[name]) >= ROUNDING * largest
        away += float(np.square(found[name] - w, where=counts, out=np.zeros_like(w)).sum())
        gone += float(np.square(w - start[name], where=counts, out=np.zeros_like(w)).sum())
    return (away / gone) ** 0.5


def compared(case: Case, seed: int, exact: bool) -> tuple[float, float, float, float]:
    """Return both distances, and how far the first losses and all losses are apart."""
    dg.manual_seed(seed)
    weights = {name: np.array(w) for name, w in case.ours().state_dict().items()}
    rng = np.random.default_rng(seed)
    batches = [case.batch(rng) for _ in range(STEPS)]
    _, truth, slopes = trained_by_torch(case, weights, batches, torch.float64)
    theirs, peer, _ = trained_by_torch(case, weights, batches, torch.float32)
    with dg.exact() if exact else nullcontext():
        ours, mine = trained(case, weights, batches)
    first = max(abs(a - b) for a, b in zip(ours[:3], theirs[:3], strict=True))
    every = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    return (
        distance(mine, truth, weights, slopes),
        distance(peer, truth, weights, slopes),
        first,
        every,
    )


def told(name: str, seeds: int, exact: bool) -> Iterator[bool]:
    """Print the figures of a network, and yield whether they are as they have to be."""
    rows = [compared(CASES[name], seed, exact) for seed in range(seeds)]
    ours, theirs, first, every = (statistics.median(column) for column in zip(*rows, strict=True))
    ratios = sorted(mine / peer for mine, peer, *_ in rows)
    print(
        f"{name:<10} deepglass {ours:.1e}, PyTorch {theirs:.1e}, ratio {ours / theirs:4.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}); losses differ by {first:.0e} in the first 3 "
        f"steps, {every:.0e} in all",
        flush=True,
    )
    yield max(r[2] for r in rows) <= MOST_LOSS
    yield ours <= MOST_RATIO * theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all unless given")
    parser.add_argument("--seeds", type=int, default=3, help="weights and batches to try")
    parser.add_argument("--exact", action="store_true", help="without Winograd's algorithm")
    options = parser.parse_args()
    good = [
        ok for name in options.names or CASES for ok in told(name, options.seeds, options.exact)
    ]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
