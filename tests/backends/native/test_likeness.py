"""Which nests do the same: one set of loops then serves both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nests import Memory, axis, call, load, number, program, run, store

from deepglass.backends.native import emit, ir
from deepglass.backends.native.executable import Executable
from deepglass.backends.native.likeness import likeness

N, M = 16, 24
ROW, COLUMN = axis("i", N), axis("j", M)


def scaled(x: ir.Buffer, y: ir.Buffer, factor: float = 2.0, i: ir.Axis = ROW) -> ir.Nest:
    """y = factor x + x"""
    value = load(x, (i, M), (COLUMN, 1))
    result = call("add", call("mul", value, number(factor)), value)
    return ir.Nest((i, COLUMN), (store(y, (i, M), (COLUMN, 1), value=result),))


def buffers(count: int) -> list[ir.Buffer]:
    memory = Memory()
    return [memory.buffer(N * M) for _ in range(count)]


def key(nest: ir.Nest):
    return likeness(nest, ir.Phase((nest,)), 1).key


def test_other_memory_does_not_matter():
    a, b, c, d = buffers(4)
    first, second = scaled(a, b), scaled(d, c)
    assert key(first) == key(second)
    phase = ir.Phase((first,))
    assert likeness(second, phase, N).places == tuple((x.slot, x.offset, None) for x in (c, d))


def test_labels_and_names_of_axes_do_not_matter():
    a, b = buffers(2)
    assert key(scaled(a, b)) == key(replace(scaled(a, b), label="mul", layer="fc1", source="x:1"))
    assert key(scaled(a, b)) == key(scaled(a, b, i=axis("row", N)))


def other_offset(nest: ir.Nest) -> ir.Nest:
    (only,) = nest.stores
    return replace(nest, stores=(replace(only, index=only.index._replace(constant=1)),))


@pytest.mark.parametrize(
    "other",
    [
        lambda a, b: scaled(a, a),  # in place
        lambda a, b: scaled(a, replace(b, size=b.size + 1)),
        lambda a, b: scaled(a, b, factor=3.0),
        lambda a, b: scaled(a, b, factor=-2.0),
        lambda a, b: scaled(a, b, i=axis("i", N + 1)),
        lambda a, b: other_offset(scaled(a, b)),
        lambda a, b: replace(scaled(a, b), axes=(COLUMN, ROW)),
        lambda a, b: replace(scaled(a, b), schedule=ir.Schedule()),
    ],
)
def test_anything_else_does(other):
    a, b = buffers(2)
    assert key(scaled(a, b)) != key(other(a, b))


def test_zeros_of_either_sign_differ():
    a, b = buffers(2)
    assert key(scaled(a, b, factor=0.0)) != key(scaled(a, b, factor=-0.0))


def test_rows_and_chunks_matter():
    nest = scaled(*buffers(2))
    usual = likeness(nest, ir.Phase((nest,), ROW, 8), 8).key
    assert usual != likeness(nest, ir.Phase((nest,), ROW, 8), 7).key
    assert usual != likeness(nest, ir.Phase((nest,), ROW, 4), 8).key
    assert usual != likeness(nest, ir.Phase((nest,), COLUMN, 8), 8).key


def test_nests_that_do_the_same_are_written_once(monkeypatch: pytest.MonkeyPatch):
    memory = Memory()
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(N * M).astype(np.float32) for _ in range(2)]
    inputs = [memory.buffer(N * M, values=v) for v in values]
    outputs = [memory.buffer(N * M) for _ in range(3)]
    nests = [
        scaled(inputs[0], outputs[0]),
        scaled(inputs[1], outputs[1]),
        scaled(inputs[1], outputs[2], factor=3.0),
    ]
    written = []
    plain = emit.emit_nest
    monkeypatch.setattr(emit, "emit_nest", lambda *a: written.append(1) or plain(*a))
    after = run(Executable(program(*nests)), memory)
    assert len(written) == 2
    for output, expected in zip(
        outputs, (3 * values[0], 3 * values[1], 4 * values[1]), strict=True
    ):
        np.testing.assert_allclose(after.inner(output), expected, rtol=1e-6)
