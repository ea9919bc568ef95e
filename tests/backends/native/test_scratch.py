"""Memory for what one pass over the rows makes and uses up."""

from __future__ import annotations

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native import threads
from deepglass.backends.native.cpu import usable_cpus
from deepglass.backends.native.memory import Lifetime
from deepglass.backends.native.program import NativeExecutable
from deepglass.backends.native.scratch import NEAR, fitting_rows, in_blocks


def chain(rows: int) -> tuple[NativeExecutable, list[np.ndarray]]:
    """Three products, row by row: the two in between pass; the second weight is made first."""
    rng = np.random.default_rng(rows)
    arrays = [rng.standard_normal(s).astype("f4") for s in ((rows, 33), (33, 40), (40, 50))]

    def step(x, v, w):
        hidden = dg.relu(x @ v)
        return dg.softmax(hidden @ (w @ w.T), 1)

    return dg.compile(step, backend="native").program(*arrays).executable, arrays


def test_what_passes_needs_memory_for_a_chunk_per_thread():
    executable, _ = chain(1000)
    hidden = next(b for b in executable.loops.buffers if b.scratch)
    assert hidden.scratch.row == 160
    assert hidden.size == 1000 * 40
    assert hidden.scratch.blocks == len(usable_cpus())
    phase = next(p for level in executable.loops.levels for p in level if p.rows)
    assert hidden.scratch.block >= 160 * phase.chunk_size
    assert executable.arena_bytes < 1000 * 160


@pytest.mark.parametrize("rows", [40, 61, 1000])
def test_rows_in_chunks_are_those_computed_at_once(rows):
    executable, (x, v, w) = chain(rows)
    hidden = np.maximum(x.astype("f8") @ v, 0) @ (w.astype("f8") @ w.T)
    expected = np.exp(hidden - hidden.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    before = threads.threads()
    results = []
    for count in (1, 2, len(usable_cpus()) + 3):  # the last: more than there is memory for
        threads.set_threads(count)
        results += executable([x, v, w])
    threads.set_threads(before)
    assert np.abs(results[0] - expected).max() < 1e-4
    assert all(np.array_equal(results[0], r) for r in results)


def test_a_value_is_made_in_the_pass_that_reads_it():
    """x @ v could be computed before the barrier that w @ w.T needs; it waits."""
    levels = chain(1000)[0].loops.levels
    labels = [[n.label for p in level for n in p.nests] for level in levels]
    assert labels[0] == ["matmul"]
    assert labels[1][0] == "matmul + maximum"


def test_large_rows_come_in_small_chunks():
    assert fitting_rows(8, NEAR // 8, 0) == 8
    assert fitting_rows(8, NEAR // 8 + 1, 0) == 4
    assert fitting_rows(8, 10 * NEAR, 0) == 1
    assert fitting_rows(8, NEAR, 4 * NEAR) == 4  # what all rows read is worth reading for four


def test_values_of_different_times_share_a_block():
    values = [Lifetime(100, 0, 1), Lifetime(60, 1, 2), Lifetime(80, 2, 3)]
    offsets, lying, size = in_blocks(values, chunk=8, chunks=1)
    assert offsets[0] == offsets[2] == 0
    assert offsets[1] >= 800
    assert [s.row for s in lying] == [100, 60, 80]
    assert size == lying[0].block * lying[0].blocks
    assert lying[0].blocks == 1  # no more than there are chunks
