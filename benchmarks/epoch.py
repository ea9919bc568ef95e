"""An epoch of MNIST beside PyTorch: one process, interleaved, equal threads.

    python benchmarks/epoch.py [--rounds 5] [--threads 2]

Needs torch. An epoch is shuffling, batches of 64 made from bytes in memory, 938 steps of SGD on
an MLP 784-128-10, and loss and accuracy over the 10,000 test images. deepglass has its `Trainer`;
PyTorch a loop that indexes tensors in memory, and one with its `DataLoader` (0 or 2 workers,
the faster one counts). All sides start from the same weights. The images come from the folder
DEEPGLASS_DATA; without it, random ones of the same shape stand in. The figures are medians over
rounds, and the range of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import deepglass as dg
from deepglass.backends.native import threads
from deepglass.data import DataLoader, TensorDataset, load
from deepglass.models import MLP
from deepglass.train import Trainer, accuracy

BATCH, RATE = 64, 0.1
Part = tuple[np.ndarray, np.ndarray]  # images as bytes, labels
Epoch = Callable[[], tuple[float, float]]  # returns validation loss and accuracy


def data() -> tuple[Part, Part]:
    """Return training and test part of MNIST, or of something of its shape."""
    if "DEEPGLASS_DATA" in os.environ:
        parts = [load("mnist", train=train).tensors for train in (True, False)]
        return tuple((x.reshape(len(x), 784), y) for x, y in parts)
    rng = np.random.default_rng(0)
    return tuple(
        (rng.integers(0, 256, (n, 784)).astype(np.uint8), rng.integers(0, 10, n))
        for n in (60_000, 10_000)
    )


def ours(train: Part, test: Part) -> tuple[Epoch, Trainer]:
    """Return an epoch of our trainer, and the trainer before its first."""
    dg.manual_seed(0)
    model = MLP([784, 128, 10])
    trainer = Trainer(
        model,
        dg.nn.functional.cross_entropy,
        dg.optim.SGD(model.parameters(), lr=RATE),
        [accuracy],
        prepare=lambda x: x.to("float32") / 255,
    )
    batches = DataLoader(TensorDataset(*train), BATCH, shuffle=True)
    held_out = DataLoader(TensorDataset(*test), 1000)

    def epoch() -> tuple[float, float]:
        found = trainer.fit(batches, held_out)[-1].validation
        return found["loss"], found["accuracy"]

    return epoch, trainer


class Theirs:
    """PyTorch's model, and the ways to go through an epoch with it."""

    def __init__(self, train: Part, test: Part, weights: dict[str, np.ndarray]) -> None:
        self.model = torch.nn.Sequential(
            torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
        )
        for parameter, value in zip(self.model.parameters(), weights.values(), strict=True):
            parameter.data = torch.from_numpy(value.copy())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=RATE)
        self.x, self.y = map(torch.tensor, train)
        self.test_x, self.test_y = map(torch.tensor, test)

    def indexed(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for numbers in torch.randperm(len(self.x)).split(BATCH):
            yield self.x[numbers], self.y[numbers]

    def loader(self, workers: int) -> Any:
        dataset = torch.utils.data.TensorDataset(self.x, self.y)
        return torch.utils.data.DataLoader(
            dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )

    def epoch(self, batches: Any) -> tuple[float, float]:
        cross_entropy = torch.nn.functional.cross_entropy
        for x, y in batches:
            self.optimizer.zero_grad()
            cross_entropy(self.model(x.float() / 255), y).backward()
            self.optimizer.step()
        with torch.no_grad():
            outputs = [self.model(x.float() / 255) for x in self.test_x.split(1000)]
            output = torch.cat(outputs)
            right = (output.argmax(1) == self.test_y).float().mean()
            return float(cross_entropy(output, self.test_y)), float(right)


def seconds(epoch: Epoch) -> tuple[float, tuple[float, float]]:
    start = time.perf_counter()
    found = epoch()
    return time.perf_counter() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="epochs per side")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threads.set_threads(options.threads)
    train, test = data()
    epoch, trainer = ours(train, test)
    weights = trainer.weights()

    def peer(batches: Callable[[Theirs], Any]) -> Epoch:
        side = Theirs(train, test, weights)
        kept = batches(side)
        return lambda: side.epoch(side.indexed() if kept is None else kept)

    sides: dict[str, Epoch] = {
        "deepglass": epoch,
        "PyTorch, indexing": peer(lambda side: None),
        "PyTorch, DataLoader": peer(lambda side: side.loader(0)),
        "PyTorch, DataLoader, 2 workers": peer(lambda side: side.loader(2)),
    }
    for name, side in sides.items():
        print(
            f"first epoch, with what is made once: {name:32} {seconds(side)[0]:6.2f} s", flush=True
        )
    times: dict[str, list[float]] = {name: [] for name in sides}
    found = {}
    for _ in range(options.rounds):
        for name, side in sides.items():
            took, found[name] = seconds(side)
            times[name].append(took)
    for name in sides:
        ratios = sorted(t / m for t, m in zip(times[name], times["deepglass"], strict=True))
        print(f"{name:32} {statistics.median(times[name]):7.3f} s   "
              f"ratio {statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})   "
              f"test loss {found[name][0]:.4f}, accuracy {found[name][1]:.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
