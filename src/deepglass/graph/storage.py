"""Memory that programs update in place."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import numpy as np

from .types import Shape

_versions = count(1)


class Storage:
    """Memory of a state tensor, updated in place by the programs that train it.

    Args:
        value: what it holds at first.

    Attributes:
        array: contiguous, aligned to 64 bytes; programs hold its address.
        version: another number after each change of the array, never the same twice.
        seen: the version that Python has a copy of; 0 if it has none.
        stale: Python gave the tensor another value since the array was last written.
    """

    def __init__(self, value: np.ndarray) -> None:
        self.array = aligned(value.shape, value.dtype)
        self.version = self.seen = 0
        self.stale = True
        self.fill(value)

    def fill(self, value: np.ndarray) -> None:
        """Copy a value that Python gave into the array."""
        np.copyto(self.array, value)
        changed((self,))
        self.seen, self.stale = self.version, False


def changed(storages: Iterable[Storage]) -> None:
    """Note that arrays were written; call it afterwards, so that who reads them meanwhile and
    remembers a version looks again."""
    version = next(_versions)
    for storage in storages:
        storage.version = version


def aligned(shape: Shape, dtype: np.dtype, alignment: int = 64) -> np.ndarray:
    """Return an uninitialised contiguous array whose memory starts at a multiple of
    ``alignment`` bytes."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size].view(dtype).reshape(shape)
