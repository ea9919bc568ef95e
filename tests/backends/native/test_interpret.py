"""The interpreter against results computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from nests import Memory, axis, call, iota, load, number, program, store

from deepglass.backends.native import ir
from deepglass.backends.native.interpret import interpret
from deepglass.errors import BackendError
from deepglass.graph.types import bool_, float32, int64


def interpreted(what: ir.Program, memory: Memory, buffer: ir.Buffer) -> list[float]:
    interpret(what, {b: memory.inner(b) for b in memory.buffers})
    return memory.inner(buffer).tolist()


def test_matrix_times_vector() -> None:
    memory, i, k = Memory(), axis("i", 2), axis("k", 3)
    a = memory.buffer(6, float32, [1, 2, 3, 4, 5, 6])
    x = memory.buffer(3, float32, [1, 0, -1])
    y = memory.buffer(2)
    term = call("mul", load(a, (i, 3), (k, 1)), load(x, (k, 1)))
    nest = ir.Nest(
        (i,), (store(y, (i, 1), value=ir.Acc("s", float32)),), (k,), (ir.Accum("s", "add", term),)
    )
    assert interpreted(program(nest), memory, y) == [-2, -2]


def test_padding_reads_nothing() -> None:
    memory, i = Memory(), axis("i", 4)
    x, y = memory.buffer(2, float32, [5, 6]), memory.buffer(4)
    place = iota((i, 1), constant=-1)
    where = ir.conjunction(call("ge", place, number(0, int64)), call("lt", place, number(2, int64)))
    value = load(x, (i, 1), constant=-1, where=where, other=9)
    nest = ir.Nest((i,), (store(y, (i, 1), value=value),))
    assert interpreted(program(nest), memory, y) == [9, 5, 6, 9]


def test_stores_of_a_point_see_old_values() -> None:
    memory, i = Memory(), axis("i", 3)
    w = memory.buffer(3, float32, [1, 2, 3])
    m = memory.buffer(3, float32, [10, 20, 30])
    nest = ir.Nest(
        (i,),
        (
            store(m, (i, 1), value=call("add", load(m, (i, 1)), load(w, (i, 1)))),
            store(w, (i, 1), value=call("sub", load(w, (i, 1)), load(m, (i, 1)))),
        ),
    )
    assert interpreted(program(nest), memory, w) == [-9, -18, -27]
    assert memory.inner(m).tolist() == [11, 22, 33]


def test_scatter_adds_every_point() -> None:
    memory, n = Memory(), axis("n", 4)
    at = memory.buffer(4, int64, [1, 0, 1, 1])
    y = memory.buffer(2, float32, [0, 100])
    value = call("cast", iota((n, 1)), dtype=float32)
    nest = ir.Nest((n,), (store(y, loaded=((load(at, (n, 1)), 1),), value=value, combine="add"),))
    assert interpreted(program(nest), memory, y) == [1, 105]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 3, 3], 1), ([1, np.nan, np.nan], 1), ([-np.inf, -np.inf, -np.inf], 0)],
)
def test_argmax_takes_the_first_maximum_and_nan_before_all(values, expected) -> None:
    memory, k = Memory(), axis("k", 3)
    x, y = memory.buffer(3, float32, values), memory.buffer(1, int64)
    accum = ir.Accum("best", "argmax", load(x, (k, 1)))
    nest = ir.Nest((), (store(y, value=ir.Acc("best", int64)),), (k,), (accum,))
    assert interpreted(program(nest), memory, y) == [expected]


def test_chunks_number_their_partial_sums() -> None:
    memory, rows = Memory(), axis("rows", 5)
    x, y = memory.buffer(5, float32, [1, 2, 3, 4, 5]), memory.buffer(3)
    chunk = ir.Axis("chunk", 3)
    nest = ir.Nest(
        (),
        (store(y, (chunk, 1), value=ir.Acc("s", float32)),),
        (rows,),
        (ir.Accum("s", "add", load(x, (rows, 1))),),
    )
    assert interpreted(program(nest, rows=rows, chunk=2), memory, y) == [3, 7, 5]


def test_empty_reductions_are_neutral() -> None:
    memory, k = Memory(), axis("k", 0)
    x, y = memory.buffer(1), memory.buffer(2)
    accums = (
        ir.Accum("s", "add", load(x, (k, 1))),
        ir.Accum("m", "max", load(x, (k, 1))),
    )
    stores = (
        store(y, value=ir.Acc("s", float32)),
        store(y, constant=1, value=ir.Acc("m", float32)),
    )
    assert interpreted(program(ir.Nest((), stores, (k,), accums)), memory, y) == [0, -np.inf]


def test_unknown_operations_are_named() -> None:
    memory, i = Memory(), axis("i", 2)
    y = memory.buffer(2, bool_)
    nest = ir.Nest((i,), (store(y, (i, 1), value=call("nand", load(y, (i, 1)))),))
    with pytest.raises(BackendError, match="nand"):
        interpreted(program(nest), memory, y)
