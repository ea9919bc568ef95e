"""Memory that programs update in place."""

from __future__ import annotations

import numpy as np

from .types import Shape


class Clock:
    """Counts the runs of one program, so that a tensor knows whether its storage changed."""

    count = 0


class Storage:
    """Memory of a state tensor, updated in place by the programs that train it.

    Attributes:
        array: contiguous, aligned to 64 bytes; programs hold its address.
        writers: the clocks of the programs that write into it.
        seen: the sum of the clocks when Python last copied the value out.
        stale: Python gave the tensor another value since the array was last written.
    """

    def __init__(self, value: np.ndarray) -> None:
        self.array = aligned(value.shape, value.dtype)
        np.copyto(self.array, value)
        self.writers: list[Clock] = []
        self.seen = 0
        self.stale = False

    def time(self) -> int:
        return sum(c.count for c in self.writers)


def aligned(shape: Shape, dtype: np.dtype, alignment: int = 64) -> np.ndarray:
    """Return an uninitialised contiguous array whose memory starts at a multiple of
    ``alignment`` bytes."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size].view(dtype).reshape(shape)
