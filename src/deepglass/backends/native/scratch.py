"""Memory for values that one pass over the rows makes and uses up.

    for the rows of a chunk:  v = f(x); m = g(v); y = h(m)      v and m need a chunk's rows only

Every thread has a block of memory for them, which it uses for chunk after chunk, so that it
stays in the thread's cache. Within a block, values that are not needed at the same time share
memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from .cpu import usable_cpus
from .ir import Scratch
from .memory import ALIGNMENT, Lifetime, place

NEAR = 512 * 1024  # bytes that a thread has close by


def chunk_size(
    rows: int, gathers: bool = False, blocks: bool = True, tile: int = 1, wide: bool = False
) -> int:
    """Return the rows of one chunk: whole register blocks of 8, more where there are many rows,
    and chunks enough for several threads; a function of the shape alone.

    Args:
        gathers: whether each chunk reads all of a factor, many slices of it.
        blocks: whether rows are taken in register blocks; otherwise an even number of equal
            chunks is better.
        tile: rows of which a chunk has a multiple.
        wide: whether each chunk reads, and copies, all of a factor that fits no near cache.
    """
    if tile > 1:
        return -(-chunk_size(rows, gathers) // tile) * tile
    if (gathers or wide) and rows >= 64:
        least, chunks = (64, 4) if gathers else (16, 8)
        return max(least, min(128, rows // (8 * chunks) * 8))
    if rows >= 16:
        size = 8 * max(1, min(8, rows // 128))
    else:
        sizes = (n for n in (4, 3, 2, 5, 7) if rows % n == 0 and rows > n)
        size = next(sizes, 1)
    if blocks:
        return size
    return next((n for n in range(size, 0, -1) if rows % (2 * n) == 0), size)


def fitting_rows(most: int, row: int, common: int, tile: int = 1) -> int:
    """Return how many rows a chunk has: ``most``, or half as many, and so on, where they would
    take much memory.

    Args:
        row: bytes that a row takes.
        common: bytes that all rows read. They are read once per chunk, so it is worth their
            while only if the chunk takes as much.
        tile: rows that are not parted.
    """
    while most > tile and most * row > max(common, NEAR):
        most = max(most // 2 // tile, 1) * tile
    return most


def in_blocks(
    values: Sequence[Lifetime], chunk: int, chunks: int
) -> tuple[list[int], list[Scratch], int]:
    """Return the offset of each value in a block, how it lies, and the bytes of all blocks.

    Args:
        values: bytes of one row of each, and the times when it is written and last read.
        chunk: rows of a chunk.
        chunks: how many there are.
    """
    whole = [Lifetime(v.size * chunk, v.first, v.last) for v in values]
    offsets, size = place(whole)
    block = -(-size // ALIGNMENT) * ALIGNMENT
    count = min(chunks, len(usable_cpus()))
    return offsets, [Scratch(v.size, block, count) for v in values], block * count
