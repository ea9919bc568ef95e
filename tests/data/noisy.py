"""Datasets that worker processes can import."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from deepglass.data import Dataset, sample_rng


class Noisy(Dataset):
    """Random samples: (number and three random numbers, process that made it)."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        time.sleep(0.001 * (index % 3))  # batches are not done in the order they were begun
        first = sample_rng().random(2)  # two transforms draw from one stream
        return np.array([index, *first, sample_rng().random()]), os.getpid()


class Broken(Noisy):
    """Sample 5 cannot be made."""

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if index == 5:
            raise OSError(f"photo-{index}.png: damaged")
        return super().__getitem__(index)


class StubbornError(Exception):
    """An error that cannot be sent to another process."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class Stuck(Broken):
    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        raise StubbornError("this", "that")


class Dying(Noisy):
    """The process that makes sample 3 ends at once."""

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if index == 3:
            os._exit(7)
        return super().__getitem__(index)


class Slow(Noisy):
    """Leaves its process number in a folder, and takes its time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(1000)
        self.folder = folder

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        (self.folder / str(os.getpid())).touch()
        time.sleep(0.05)
        return super().__getitem__(index)


def gather(samples: list[tuple[np.ndarray, int]]) -> tuple[np.ndarray, ...]:
    """A collate_fn: the numbers of the samples alone, doubled."""
    return (np.array([2 * sample[0][0] for sample in samples]),)
