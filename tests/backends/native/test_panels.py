"""Products whose factor is copied into panels, against the interpreter, under many schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from cases import matmul
from nests import Memory, axis, call, check, load, program, store

import deepglass as dg
from deepglass.backends.native import ir
from deepglass.backends.native.cpu import forced_cpu
from deepglass.backends.native.listing import text_of
from deepglass.backends.native.panel import turn
from deepglass.backends.native.schedule import schedule
from deepglass.backends.native.text import Value, Writer
from deepglass.graph.types import float32, float64

SIZES = [(5, 7, 3), (9, 40, 33), (3, 16, 8), (6, 23, 17), (2, 8, 1), (7, 2, 9)]


def with_panel(
    nest: ir.Nest, lanes: int, blocks: tuple[int, int, int], unroll: int, strips: bool = False
) -> ir.Nest:
    """The nest under a schedule that copies along its last axis, and along its rows."""
    *before, j = nest.axes
    (k,) = nest.over
    widths = zip((before[-1], j, k), blocks, strict=True)
    order = (*before[:-1], j, before[-1], k)
    block = tuple((a, n) for a, n in widths if n > 1)
    rows = before[-1] if strips else None
    chosen = ir.Schedule(j, lanes, block, ((k, unroll),), order, panel=True, strips=rows)
    return replace(nest, schedule=chosen)


@pytest.mark.parametrize("lanes", [4, 8])
@pytest.mark.parametrize("form", ["dot", "plain", "first"])
@pytest.mark.parametrize(("m", "n", "k"), SIZES)
def test_a_panel_holds_what_the_vectors_read(form: str, m: int, n: int, k: int, lanes: int) -> None:
    case = matmul(form, m, n, k)
    (phase,) = case.program.levels[0]
    for blocks, unroll in (((1, 1, 1), 1), ((3, 2, 1), 2), ((2, 1, 2), 3)):
        nest = with_panel(case.nest, lanes, blocks, unroll)
        check(program(nest, rows=phase.rows, chunk=phase.chunk_size), case.memory)


@pytest.mark.parametrize(("m", "n", "k"), [*SIZES, (41, 9, 5)])
def test_strips_hold_what_is_spread_over_the_lanes(m: int, n: int, k: int) -> None:
    case = matmul("first", m, n, k)
    (phase,) = case.program.levels[0]
    for blocks, unroll in (((1, 1, 1), 1), ((3, 2, 1), 2), ((2, 1, 2), 3), ((4, 1, 1), 1)):
        nest = with_panel(case.nest, 8, blocks, unroll, strips=True)
        for chunk in (phase.chunk_size, m):
            check(program(nest, rows=phase.rows, chunk=chunk), case.memory)


@pytest.mark.parametrize("form", ["dot", "plain", "first"])
def test_strips_are_for_factors_that_lie_along_the_results(form: str) -> None:
    for columns, expected in ((512, form == "first"), (32, False)):
        case = matmul(form, 64, columns, 128)
        i, _ = case.nest.axes
        chosen = schedule(case.nest, ir.Phase((), i, 64), forced_cpu("avx2")).schedule
        assert chosen is not None
        assert (chosen.strips == i) == expected


def test_each_slice_and_each_matrix_has_strips_of_its_own() -> None:
    memory, (b, i, j, k) = Memory(), (axis(*a) for a in zip("bijk", (3, 5, 19, 11), strict=True))
    x, y = memory.buffer(3 * 11 * 5, float64), memory.buffer(3 * 11 * 19, float64)
    z = memory.buffer(3 * 5 * 19, float64)
    product = call("mul", load(x, (b, 55), (k, 5), (i, 1)), load(y, (b, 209), (k, 19), (j, 1)))
    out = store(z, (b, 95), (i, 19), (j, 1), value=ir.Acc("s", float64))
    nest = ir.Nest((b, i, j), (out,), (k,), (ir.Accum("s", "add", product),))
    check(program(with_panel(nest, 4, (2, 2, 1), 1, strips=True), rows=b, chunk=2), memory)


@pytest.mark.parametrize("turned", [False, True])
def test_each_matrix_of_a_batch_has_panels_of_its_own(turned: bool) -> None:
    memory, (b, i, j, k) = Memory(), (axis(*a) for a in zip("bijk", (3, 5, 19, 11), strict=True))
    x, y = memory.buffer(3 * 5 * 11, float64), memory.buffer(3 * 11 * 19, float64)
    z = memory.buffer(3 * 5 * 19, float64)
    right = ((j, 11), (k, 1)) if turned else ((j, 1), (k, 19))
    product = call("mul", load(x, (b, 55), (i, 11), (k, 1)), load(y, (b, 209), *right))
    out = store(z, (b, 95), (i, 19), (j, 1), value=ir.Acc("s", float64))
    nest = ir.Nest((b, i, j), (out,), (k,), (ir.Accum("s", "add", product),))
    check(program(with_panel(nest, 4, (2, 2, 1), 1), rows=b, chunk=2), memory)


def test_products_of_many_rows_copy_what_lies_the_other_way() -> None:
    case = matmul("dot", 64, 512, 128)
    (phase,) = case.program.levels[0]
    phase = ir.Phase(phase.nests, phase.rows, 64)
    chosen = schedule(case.nest, phase, forced_cpu("avx2")).schedule
    assert chosen is not None
    assert chosen.panel
    assert chosen.vector == case.nest.axes[1]
    few = ir.Phase(phase.nests, phase.rows, 4)
    chosen = schedule(case.nest, few, forced_cpu("avx2")).schedule
    assert chosen is not None
    assert not chosen.panel, "four rows do not repay the copy"


@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_a_square_is_turned(lanes: int) -> None:
    rows = [np.arange(lanes) + lanes * i for i in range(lanes)]

    class Shuffles(Writer):
        def shuffle(self, a: Value, b: Value | None, order: Sequence[int]) -> Value:
            assert b is not None
            both = np.concatenate([values[a.text], values[b.text]])
            values[f"v{len(values)}"] = both[list(order)]
            return Value(f"v{len(values) - 1}", float32, lanes)

    values = {f"v{i}": row for i, row in enumerate(rows)}
    found = turn(Shuffles(), [Value(f"v{i}", float32, lanes) for i in range(lanes)])
    assert np.array_equal(np.stack([values[v.text] for v in found]), np.stack(rows).T)


def test_scores_of_many_heads() -> None:
    rng = np.random.default_rng(0)
    q, k = (rng.standard_normal((6, n, 32)).astype(np.float32) for n in (130, 67))
    scores = dg.compile(lambda q, k: q @ k.mT, backend="native")
    program = scores.program(q, k).executable
    assert "%panel = alloca" in text_of(program.loops, "llvm")[0]
    exact = q.astype(float) @ k.swapaxes(1, 2)
    np.testing.assert_allclose(scores(q, k).numpy(), exact, atol=2e-5)
