"""Casts between halves and float32 on every kind of CPU, and what else touches halves."""

from __future__ import annotations

import re

import numpy as np
import pytest
from nests import Memory, axis, call, inside, iota, load, program, run, store

from deepglass.backends.native import ir
from deepglass.backends.native.cpu import forced_cpu, host
from deepglass.backends.native.executable import Executable
from deepglass.backends.native.interpret import interpret
from deepglass.backends.native.listing import text_of
from deepglass.errors import BackendError
from deepglass.graph.types import DType, bfloat16, float16, float32, float64, int64

KINDS = ["avx2", "sse"]  # sse has no instructions for float16
HALVES = [float16, bfloat16]
RUNTIME = re.compile(r"__\w*(trunc|extend|gnu|fix|float)\w*")


def floats_near(half: DType) -> np.ndarray:
    """Every half, every middle of two, their neighbours, and random bits."""
    halves = np.arange(2**16, dtype=np.uint16).view(half.numpy)
    with np.errstate(all="ignore"):
        x = halves.astype(np.float32)
        between = np.sort(x[np.isfinite(x)])
        middle = ((between[1:].astype(np.float64) + between[:-1]) / 2).astype(np.float32)
        ends = (np.float32(-np.inf), np.float32(np.inf))
        beside = [np.nextafter(middle, end) for end in ends]
        bits = np.random.default_rng(0).integers(0, 2**32, 100_001, np.uint32)
        return np.concatenate([x, middle, *beside, bits.view(np.float32)])


def cast_program(memory: Memory, x: ir.Buffer, dtype: DType) -> tuple[ir.Program, ir.Buffer]:
    y, i = memory.buffer(x.size, dtype), axis("i", x.size)
    value = call("cast", load(x, (i, 1)), dtype=dtype)
    return program(ir.Nest((i,), (store(y, (i, 1), value=value),))), y


def assert_same_numbers(got: np.ndarray, expected: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        a, b = got.astype(np.float32), expected.astype(np.float32)
    assert np.array_equal(np.isnan(a), np.isnan(b))
    bits = [v[~np.isnan(v)].view(np.uint32) for v in (a, b)]
    assert np.array_equal(*bits)


@pytest.mark.parametrize("kind", ["host", *KINDS])
@pytest.mark.parametrize("half", HALVES, ids=str)
def test_every_half_becomes_its_float32(half: DType, kind: str) -> None:
    memory = Memory()
    bits = np.arange(2**16, dtype=np.uint16)
    x = memory.buffer(2**16, half, bits.view(half.numpy))
    what, y = cast_program(memory, x, float32)
    cpu = None if kind == "host" else forced_cpu(kind)
    assert not RUNTIME.search(text_of(what, "assembly", cpu)[0])
    got = run(Executable(what, cpu), memory).inner(y)
    with np.errstate(all="ignore"):
        assert_same_numbers(got, bits.view(half.numpy).astype(np.float32))
    if half is bfloat16:
        assert np.array_equal(got.view(np.uint32), bits.astype(np.uint32) << 16)


@pytest.mark.parametrize("kind", ["host", *KINDS])
@pytest.mark.parametrize("half", HALVES, ids=str)
def test_float32_becomes_the_nearest_half(half: DType, kind: str) -> None:
    memory, values = Memory(), floats_near(half)
    x = memory.buffer(len(values), float32, values)
    what, y = cast_program(memory, x, half)
    cpu = None if kind == "host" else forced_cpu(kind)
    assert not RUNTIME.search(text_of(what, "assembly", cpu)[0])
    got = run(Executable(what, cpu), memory).inner(y)
    with np.errstate(all="ignore"):
        assert_same_numbers(got, values.astype(half.numpy))
    fraction = 0x3FF if half is float16 else 0x7F
    nan = got.view(np.uint16)[np.isnan(values)] & fraction
    assert np.all(nan & (fraction + 1) // 2)  # quiet


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("kind", ["avx512", *KINDS])
@pytest.mark.parametrize("half", HALVES, ids=str)
def test_no_number_of_lanes_needs_a_runtime_library(half: DType, kind: str, lanes: int) -> None:
    memory, i = Memory(), axis("i", 67)
    x, y, z = (memory.buffer(67, d) for d in (half, float32, half))
    back = call("cast", call("neg", call("cast", load(x, (i, 1)), dtype=float32)), dtype=half)
    stores = (
        store(y, (i, 1), value=call("cast", load(x, (i, 1)), dtype=float32)),
        store(z, (i, 1), value=back),
    )
    schedule = ir.Schedule(i, lanes, order=(i,)) if lanes > 1 else ir.Schedule()
    what = program(ir.Nest((i,), stores, schedule=schedule))
    assembly, _ = text_of(what, "assembly", forced_cpu(kind))
    assert not RUNTIME.search(assembly)
    own = kind != "sse" and half is float16
    assert ("vcvtph2ps" in assembly) is ("vcvtps2ph" in assembly) is own
    if kind in KINDS or host().vector_bytes == 64:
        after = run(Executable(what, forced_cpu(kind)), memory)
        assert_same_numbers(after.inner(z), -memory.inner(x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("half", HALVES, ids=str)
def test_what_only_moves(half: DType, kind: str) -> None:
    """Loads under a condition, at every other place and gathered; choices; constants."""
    memory, i = Memory(), axis("i", 37)
    x = memory.buffer(74, half)
    places = memory.buffer(37, int64, np.random.default_rng(0).permutation(37))
    stores = []
    padded = load(x, (i, 1), constant=-2, where=inside((iota((i, 1), constant=-2), 30)), other=1.5)
    gathered = load(x, loaded=((load(places, (i, 1)), 2),))
    choice = call("where", call("lt", iota((i, 1)), ir.Const(9, int64)), padded, gathered)
    for value in (padded, load(x, (i, 2)), gathered, choice, ir.Const(float("nan"), half),
                  ir.Const(1 + 2.0**-11 + 2.0**-40, half)):  # fmt: skip
        stores.append(store(memory.buffer(37, half), (i, 1), value=value))
    what = program(ir.Nest((i,), tuple(stores)))
    expected = memory.copy()
    interpret(what, {b: expected.inner(b) for b in memory.buffers})
    got = run(Executable(what, forced_cpu(kind)), memory)
    for buffer in memory.buffers[2:]:
        assert_same_numbers(got.inner(buffer), expected.inner(buffer))


def test_other_casts_are_refused() -> None:
    memory = Memory()
    what, _ = cast_program(memory, memory.buffer(3, float64), float16)
    with pytest.raises(BackendError, match="from and to float32; got float64 to float16"):
        Executable(what)
