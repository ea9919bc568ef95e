"""How long an epoch of ResNet-20 waits for its images, cropped and mirrored at random.

    python benchmarks/loading.py [--images 3200] [--batch 128] [--rounds 3]

The images are random bytes of CIFAR's shape: loading takes the same time for all. An epoch is
what `Trainer.fit` does; its wait is the time within the loader, told for batches that are made
when they are asked for and for batches that a thread makes two ahead.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, TensorDataset, TransformDataset, transforms
from deepglass.models import resnet20
from deepglass.train import Trainer


class Timed(DataLoader):
    """Counts the seconds in which its batches are waited for."""

    waited = 0.0

    def __iter__(self) -> Iterator[tuple[dg.Tensor, ...]]:
        batches = super().__iter__()
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - started
            if batch is None:
                return
            yield batch


def measure(images: int, size: int, rounds: int, ahead: int) -> None:
    """Train for some epochs after a first one, and print seconds and the share of waiting."""
    dg.manual_seed(0)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    changes = transforms.Compose(
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    )
    data = TransformDataset(TensorDataset(pixels, rng.integers(0, 10, images)), changes)
    loader = Timed(data, size, shuffle=True, prefetch_factor=ahead)
    model = resnet20()
    trainer = Trainer(
        model,
        dg.nn.functional.cross_entropy,
        dg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        prepare=lambda x: x.to("float32") / 128 - 1,
    )
    trainer.fit(loader, epochs=1)
    seconds, waits = [], []
    for _ in range(rounds):
        loader.waited = 0.0
        seconds.append(trainer.fit(loader, epochs=1)[-1].seconds)
        waits.append(loader.waited)
    whole, wait = statistics.median(seconds), statistics.median(waits)
    print(f"{ahead} ahead: {whole:6.2f} s an epoch, waiting {wait:.3f} s, {wait / whole:.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3200)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for ahead in (0, 2):
        measure(given.images, given.batch, given.rounds, ahead)
