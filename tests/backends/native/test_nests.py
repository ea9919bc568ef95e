"""Compiled nests against the interpreter: hand-written ones of every kind, random ones."""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, convolution, matmul, weight_gradient
from nests import (
    Memory,
    axis,
    call,
    check,
    compare,
    index,
    load,
    number,
    program,
    run,
    store,
)
from random_nests import RandomNests

from deepglass.backends.native import ir
from deepglass.backends.native.cpu import forced_cpu
from deepglass.backends.native.executable import Executable
from deepglass.backends.native.interpret import interpret
from deepglass.backends.native.listing import text_of
from deepglass.graph.types import DType, float32, int64

RANDOM = 120
PAGE = mmap.PAGESIZE


@pytest.mark.parametrize("name", CASES)
def test_compiled_agrees_with_the_meaning(name: str) -> None:
    case = CASES[name]()
    check(case.program, case.memory)


@pytest.mark.parametrize("kind", ["avx2", "sse"])
def test_other_processors_agree(kind: str) -> None:
    """All hand-written cases as one program, on narrower vectors."""
    for name in list(CASES)[::2]:
        case = CASES[name]()
        check(case.program, case.memory, forced_cpu(kind))


@pytest.mark.parametrize("seed", range(RANDOM))
def test_random_nests(seed: int) -> None:
    drawn = RandomNests(seed)
    check(drawn.program(), drawn.memory, scale=20)


SCHEDULES = {
    "scalar": lambda i, j, k: ir.Schedule(),
    "rows in registers": lambda i, j, k: ir.Schedule(block=((i, 3), (j, 2))),
    "columns in lanes": lambda i, j, k: ir.Schedule(j, 8, ((i, 3), (j, 2))),
    "pairs of columns": lambda i, j, k: ir.Schedule(j, 4, ((i, 3), (j, 4)), paired=True),
    "rows in lanes": lambda i, j, k: ir.Schedule(i, 4, ((j, 5),)),
    "sum in lanes": lambda i, j, k: ir.Schedule(k, 8, ((i, 2), (j, 3))),
    "sum in lanes, columns": lambda i, j, k: ir.Schedule(k, 8, ((i, 3), (j, 4)), columns=j),
    "partial sums": lambda i, j, k: ir.Schedule(j, 8, ((k, 3),)),
    "partial sums in lanes": lambda i, j, k: ir.Schedule(k, 4, ((i, 2), (k, 2))),
    "unrolled": lambda i, j, k: ir.Schedule(j, 16, ((i, 4),), ((k, 4),)),
    "other order": lambda i, j, k: ir.Schedule(j, 16, ((i, 4),), order=(j, i, k)),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("form", ["dot", "plain", "first"])
def test_schedules_do_not_change_the_meaning(form: str, name: str) -> None:
    case = matmul(form, 13, 37, 21)
    nest = case.nest
    chosen = SCHEDULES[name](*nest.axes, *nest.over)
    phase = replace(case.program.levels[0][0], nests=(replace(nest, schedule=chosen),))
    check(ir.Program(((phase,),)), case.memory)


def test_points_come_in_order_where_they_share_a_place() -> None:
    """y = y / 2 + x[i] for one point after another."""
    memory, i = Memory(), axis("i", 4)
    x, y = memory.buffer(4, float32, [8, 4, 2, 1]), memory.buffer(1, float32, [16])
    value = call("add", call("mul", load(y), number(0.5)), load(x, (i, 1)))
    what = program(ir.Nest((i,), (store(y, value=value),)))
    assert run(Executable(what), memory).inner(y).tolist() == [5]


def test_lanes_that_agree_are_masked_too() -> None:
    """The last vector of a sum has one valid lane; both lanes read one element there."""
    memory, k = Memory(), axis("k", 17)
    x, y = memory.buffer(6, float32), memory.buffer(1, float32)
    third = call("floordiv", ir.Iota(index((k, 1))), number(3, int64))
    accum = ir.Accum("s", "add", load(x, loaded=((third, 1),)))
    nest = ir.Nest((), (store(y, value=ir.Acc("s", float32)),), (k,), (accum,))
    for lanes in (2, 4):
        check(program(replace(nest, schedule=ir.Schedule(k, lanes))), memory)


def test_levels_run_one_after_another() -> None:
    first, second = convolution(3, 5, 6, 9, 20, 3, 1), weight_gradient(3, 5, 6, 9, 20, 3, 1)
    memory = Memory([*first.memory.buffers], {**first.memory.arrays})
    shift = len(memory.buffers)
    moved = {b: replace(b, name=b.name + "'", slot=b.slot + shift) for b in second.memory.buffers}
    memory.buffers += moved.values()
    memory.arrays.update({moved[b]: a for b, a in second.memory.arrays.items()})
    levels = (*first.program.levels, *_renamed(second.program, moved).levels)
    check(ir.Program(levels), memory)


def _renamed(what: ir.Program, names: dict[ir.Buffer, ir.Buffer]) -> ir.Program:
    """The program on other buffers."""

    def rename(x):
        if isinstance(x, ir.Buffer):
            return names[x]
        if isinstance(x, ir.Axis):
            return x
        if isinstance(x, ir.Index):
            return ir.Index(*map(rename, x))
        if isinstance(x, tuple):
            return tuple(map(rename, x))
        if hasattr(x, "__dataclass_fields__") and not isinstance(x, DType):
            return type(x)(*(rename(getattr(x, f)) for f in x.__dataclass_fields__))
        return x

    return rename(what)


def test_equal_nests_share_one_function() -> None:
    """Layers of one shape are compiled once."""
    case = matmul("dot", 4, 8, 21)
    names = {b: replace(b, name=b.name + "'", slot=b.slot + 4) for b in case.memory.buffers}
    twice = ir.Program((*case.program.levels, *_renamed(case.program, names).levels))
    once, both = (text_of(p, "llvm")[0] for p in (case.program, twice))
    assert both.count("define void @nest_") == once.count("define void @nest_") > 0


@pytest.mark.parametrize("kind", ["", "avx2", "sse"])
def test_nothing_is_read_or_written_outside_the_buffers(kind: str) -> None:
    """Run the cases in a process whose buffers lie against pages that may not be touched.

    Vectors of another width are masked at other places, so this processor's own code is not
    enough."""
    script = "import test_nests; test_nests.run_against_forbidden_pages()"
    here = Path(__file__).parent
    command = [sys.executable, "-c", script]
    environment = {**_environment(), "DEEPGLASS_CPU": kind}
    done = subprocess.run(
        command, cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr[-1500:]}"


def _environment() -> dict[str, str]:
    import deepglass

    source = Path(deepglass.__file__).parents[1]
    return {"PYTHONPATH": f"{source}:{Path(__file__).parent}", "DEEPGLASS_THREADS": "1"}


def run_against_forbidden_pages() -> None:
    programs = [(c.program, c.memory, 1.0) for c in (make() for make in CASES.values())]
    for seed in range(500, 560):
        drawn = RandomNests(seed)
        programs.append((drawn.program(), drawn.memory, 20.0))
    for turn, (what, memory, scale) in enumerate(programs):
        print(turn, what.levels[0][0].nests[0].label, flush=True)
        expected = memory.copy()
        interpret(what, {b: expected.inner(b) for b in memory.buffers})
        compiled = Executable(what)
        for at_end in (True, False):
            fenced = {b: Fenced(memory.inner(b), at_end) for b in memory.buffers}
            table = (ctypes.c_void_p * max(1, len(fenced)))(*(f.address for f in fenced.values()))
            compiled.run(table)
            after = memory.copy()
            for b, f in fenced.items():
                after.inner(b)[:] = f.array()
            compare(after, expected, memory.buffers, scale)


class Fenced:
    """An array that ends, or begins, where a forbidden page begins, or ends."""

    def __init__(self, values: np.ndarray, at_end: bool) -> None:
        inner = -(-max(values.nbytes, 1) // PAGE) * PAGE
        self._map = mmap.mmap(-1, inner + 2 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        protect = ctypes.CDLL(None).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for fence in (start, start + PAGE + inner):
            assert protect(fence, PAGE, 0) == 0
        self.address = start + PAGE + (inner - values.nbytes if at_end else 0)
        self._like = values
        ctypes.memmove(self.address, values.ctypes.data, values.nbytes)

    def array(self) -> np.ndarray:
        copy = np.empty_like(self._like)
        ctypes.memmove(copy.ctypes.data, self.address, copy.nbytes)
        return copy
