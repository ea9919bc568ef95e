"""Where values live: one arena, shared over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(frozen=True)
class Lifetime:
    """A value of ``size`` bytes that is written at level ``first`` and last read at ``last``."""

    size: int
    first: int
    last: int


def aligned_size(size: int) -> int:
    """Return the bytes that a value of ``size`` bytes takes, up to where another may start."""
    return -(-max(size, 1) // ALIGNMENT) * ALIGNMENT


def place(values: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Return an offset in bytes for every value, and the size of the arena.

    Values whose levels do not overlap may share memory. Large ones are placed first, each at
    the lowest offset that is free for as long as it lives.

    >>> place([Lifetime(100, 0, 1), Lifetime(64, 1, 2), Lifetime(64, 2, 3)])
    ([0, 128, 0], 192)
    """
    offsets = [0] * len(values)
    placed: list[tuple[int, int, int, int]] = []  # first and last level, start and end in memory
    total = 0
    for k in sorted(range(len(values)), key=lambda k: (-values[k].size, k)):
        first, last = values[k].first, values[k].last
        size = aligned_size(values[k].size)
        busy = sorted([(start, end) for f, t, start, end in placed if f <= last and first <= t])
        at = 0
        for start, end in busy:
            if at + size <= start:
                break
            at = max(at, aligned_size(end))
        offsets[k] = at
        placed.append((first, last, at, at + max(values[k].size, 1)))
        total = max(total, at + size)
    return offsets, total
