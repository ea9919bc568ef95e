"""What the scheduler chooses, by properties that good code must have."""

from __future__ import annotations

import pytest
from cases import CASES, convolution, elementwise, matmul, weight_gradient
from nests import Memory, axis, call, iota, load, number, store

from deepglass.backends.native import ir
from deepglass.backends.native.collapse import collapse
from deepglass.backends.native.cpu import Cpu, forced_cpu
from deepglass.backends.native.schedule import schedule
from deepglass.graph.types import int64


def scheduled(case, cpu: Cpu) -> tuple[ir.Nest, ir.Schedule]:
    phase = case.program.levels[0][0]
    nest = schedule(case.nest, phase, cpu)
    assert nest.schedule is not None
    return nest, nest.schedule


def registers(nest: ir.Nest, chosen: ir.Schedule) -> int:
    count = len(nest.accums)
    for _, width in chosen.block:
        count *= width
    return count


@pytest.mark.parametrize("kind", ["avx512", "avx2", "sse"])
@pytest.mark.parametrize("name", CASES)
def test_accumulators_fit_in_the_registers(name: str, kind: str) -> None:
    case, cpu = CASES[name](), forced_cpu(kind)
    for nest in case.program.levels[0][0].nests:
        chosen = schedule(nest, case.program.levels[0][0], cpu)
        if chosen.schedule is not None:
            assert registers(chosen, chosen.schedule) < cpu.registers


@pytest.mark.parametrize("form", ["dot", "plain", "first"])
def test_matrix_products_reuse_what_they_load(form: str) -> None:
    case = matmul(form, 64, 128, 256)
    nest, chosen = scheduled(case, forced_cpu("avx512"))
    assert chosen.vector == (nest.over[0] if form == "dot" else nest.axes[1])
    assert registers(nest, chosen) >= 8
    assert len(chosen.block) == 2


def test_convolutions_put_columns_in_lanes_and_share_weights_and_windows() -> None:
    cpu = forced_cpu("avx512")
    nest, chosen = scheduled(convolution(4, 16, 16, 28, 28, 3, 1), cpu)
    assert chosen.vector == nest.axes[3]
    assert registers(nest, chosen) >= 8
    nest, chosen = scheduled(weight_gradient(4, 16, 16, 28, 28, 3, 1), cpu)
    assert chosen.vector == nest.over[2]
    assert registers(nest, chosen) >= 8


def test_long_sums_have_several_partial_sums() -> None:
    memory, k = Memory(), axis("k", 4096)
    x, y = memory.buffer(4096), memory.buffer(1)
    accum = ir.Accum("s", "add", load(x, (k, 1)))
    nest = ir.Nest((), (store(y, value=ir.Acc("s", accum.dtype)),), (k,), (accum,))
    phase = ir.Phase((nest,))
    chosen = schedule(nest, phase, forced_cpu("avx512")).schedule
    assert chosen is not None
    assert dict(chosen.block)[k] >= 4


def test_short_loops_are_written_out() -> None:
    nest, chosen = scheduled(convolution(4, 16, 16, 28, 28, 3, 1), forced_cpu("avx512"))
    assert dict(chosen.unroll)[nest.over[2]] == 3
    nest, chosen = scheduled(matmul("plain", 2, 16, 300), forced_cpu("avx512"))
    assert dict(chosen.unroll)[nest.over[0]] > 1


def test_long_expressions_are_found_for_two_vectors_at_once() -> None:
    memory = Memory()
    x, y = memory.buffer(64), memory.buffer(64)
    for op, extent, paired in (("exp", 64, True), ("exp", 8, False), ("neg", 64, False)):
        i = axis("i", extent)
        nest = ir.Nest((i,), (store(y, (i, 1), value=call(op, load(x, (i, 1)))),))
        chosen = schedule(nest, ir.Phase((nest,)), forced_cpu("avx2")).schedule
        assert chosen is not None
        assert chosen.paired == paired


def test_points_that_may_collide_run_one_by_one() -> None:
    case = CASES["embedding-9-20"]()
    phase = case.program.levels[0][0]
    chosen = schedule(phase.nests[1], phase, forced_cpu("avx512")).schedule
    assert chosen is not None
    assert chosen.vector == phase.nests[1].axes[1]
    assert not any(a == phase.nests[1].axes[0] for a, _ in chosen.block)


def test_a_schedule_that_is_given_is_kept() -> None:
    case = matmul("dot", 4, 4, 4)
    given = ir.Nest(case.nest.axes, case.nest.stores, case.nest.over, case.nest.accums,
                    ir.Schedule())  # fmt: skip
    assert schedule(given, case.program.levels[0][0], forced_cpu("avx2")) is given


def test_neighbouring_axes_become_one() -> None:
    nest = collapse(elementwise(6, 8, load(Memory().buffer(1)).dtype).nest, frozenset())
    assert [a.extent for a in nest.axes] == [6, 8]  # the bias tells the axes apart
    memory, i, j = Memory(), axis("i", 6), axis("j", 8)
    x, y = memory.buffer(48), memory.buffer(48)
    plain = ir.Nest((i, j), (store(y, (i, 8), (j, 1), value=load(x, (i, 8), (j, 1))),))
    assert [a.extent for a in collapse(plain, frozenset()).axes] == [48]
    assert collapse(plain, frozenset({i})) is plain


def test_axes_in_conditions_stay_apart() -> None:
    memory, i, j = Memory(), axis("i", 6), axis("j", 8)
    x, y = memory.buffer(48), memory.buffer(48)
    where = call("lt", ir.Iota(ir.Index(((j, 1),))), number(5, int64))
    value = load(x, (i, 8), (j, 1), where=where)
    nest = ir.Nest((i, j), (store(y, (i, 8), (j, 1), value=value),))
    assert len(collapse(nest, frozenset()).axes) == 2


@pytest.mark.parametrize(("rows", "moved"), [(64, False), (64, True), (4096, False)])
def test_an_axis_that_decides_what_is_read_is_taken_whole(rows: int, moved: bool) -> None:
    """Three tensors are put side by side, from near or far memory: each point of the axis then
    reads one of them."""
    memory, i, part, j = Memory(), axis("i", rows), axis("part", 3), axis("j", 64)
    y = memory.buffer(rows * 3 * 64)
    terms = ((i, 64), (j, 1), (part, 4096)) if moved else ((i, 64), (j, 1))
    reads = [
        load(memory.buffer(3 * rows * 64), *terms, where=call("eq", iota((part, 1)), which))
        for which in (number(n, int64) for n in range(3))
    ]
    value = call("add", call("add", reads[0], reads[1]), reads[2])
    nest = ir.Nest((i, part, j), (store(y, (i, 192), (part, 64), (j, 1), value=value),))
    chosen = schedule(nest, ir.Phase((nest,)), forced_cpu("avx2")).schedule
    assert chosen is not None
    assert chosen.vector == j
    assert ((part, 3) in chosen.block) == (not moved)


def test_a_choice_that_pays_in_blocks_only_is_compared_too() -> None:
    """Each number of a row is one of 36 sums of the same nine elements, which lie far apart in
    the lanes: hopeless one by one, cheapest all at once."""
    memory = Memory()
    r, s, c, o = axis("r", 6), axis("s", 6), axis("c", 64), axis("o", 16)
    x, y = memory.buffer(9 * 64 * 16), memory.buffer(36 * 64 * 16)
    taps = [load(x, (c, 9), (o, 576), constant=k) for k in range(9)]
    sums = [call("add", taps[k], taps[(k + n) % 9]) for n in (1, 2) for k in range(3)]
    across = [call("choose", iota((r, 1)), *sums[k:], *sums[:k]) for k in range(6)]
    value = call("choose", iota((s, 1)), *across)
    where = ((r, 6 * 1024), (s, 1024), (c, 16), (o, 1))
    nest = ir.Nest((r, s, c, o), (store(y, *where, value=value),))
    chosen = schedule(nest, ir.Phase((nest,)), forced_cpu("avx2")).schedule
    assert chosen is not None
    assert (chosen.vector, chosen.lanes) == (o, 8)
    assert chosen.block == ((r, 6), (s, 6))
