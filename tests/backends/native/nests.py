"""Shorthands for writing loop IR, memory with guard zones, and the comparison of the
compiled program with the interpreted one. Shared by the tests of this folder."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from deepglass.backends.native import ir
from deepglass.backends.native.cpu import Cpu
from deepglass.backends.native.executable import Executable
from deepglass.backends.native.interpret import interpret
from deepglass.graph.types import DType, bool_, float32, float64, int64

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}  # relative to 1 + |value|
GUARD = 64  # elements before and after every buffer
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})


def axis(name: str, extent: int) -> ir.Axis:
    return ir.Axis(name, extent)


def index(*terms, constant: int = 0, loaded=()) -> ir.Index:
    """``index((i, 3), (j, 1), constant=2)`` is 3 i + j + 2."""
    return ir.Index(tuple(terms), constant, tuple(loaded))


def iota(*terms, constant: int = 0) -> ir.Iota:
    return ir.Iota(index(*terms, constant=constant))


def number(value, dtype: DType = float32) -> ir.Const:
    return ir.Const(value, dtype)


def load(buffer, *terms, constant=0, loaded=(), where=None, other=0) -> ir.Load:
    return ir.Load(buffer, index(*terms, constant=constant, loaded=loaded), where, other)


def call(op: str, *args, dtype: DType | None = None) -> ir.Call:
    result = bool_ if op in _COMPARISONS else args[-1].dtype
    return ir.Call(op, tuple(args), dtype or result)


def store(buffer, *terms, value, constant=0, loaded=(), combine="") -> ir.Store:
    return ir.Store(buffer, index(*terms, constant=constant, loaded=loaded), value, combine)


def inside(*tests: tuple[ir.Iota, int]) -> ir.Expr | None:
    """The condition that every number is in [0, extent)."""
    conditions = []
    for value, extent in tests:
        conditions.append(call("ge", value, number(0, int64)))
        conditions.append(call("lt", value, number(extent, int64)))
    return ir.conjunction(*conditions)


@dataclass
class Memory:
    """Buffers between guard zones full of NaN or a marker, one table slot each."""

    buffers: list[ir.Buffer] = field(default_factory=list)
    arrays: dict[ir.Buffer, np.ndarray] = field(default_factory=dict)

    def buffer(self, size: int, dtype: DType = float32, values=None) -> ir.Buffer:
        """Return a new buffer; random small numbers unless ``values`` are given."""
        new = ir.Buffer(f"b{len(self.buffers)}", dtype, size, len(self.buffers))
        self.buffers.append(new)
        rng = np.random.default_rng(len(self.buffers))
        if values is None:
            if dtype.is_float:
                values = rng.standard_normal(size)
            else:
                values = rng.integers(0, 2 if dtype is bool_ else 100, size)
        whole = np.full(size + 2 * GUARD, _marker(dtype), dtype.numpy)
        whole[GUARD : GUARD + size] = values
        self.arrays[new] = whole
        return new

    def inner(self, buffer: ir.Buffer) -> np.ndarray:
        return self.arrays[buffer][GUARD : GUARD + buffer.size]

    def copy(self) -> Memory:
        return Memory(self.buffers, {b: a.copy() for b, a in self.arrays.items()})

    def table(self) -> ctypes.Array[ctypes.c_void_p]:
        table = (ctypes.c_void_p * max(1, len(self.buffers)))()
        for b in self.buffers:
            table[b.slot] = self.inner(b).ctypes.data
        return table

    def assert_guards(self) -> None:
        """No store went beside a buffer."""
        for b, whole in self.arrays.items():
            marker = np.full(GUARD, _marker(b.dtype), b.dtype.numpy)
            for zone in (whole[:GUARD], whole[GUARD + b.size :]):
                assert zone.tobytes() == marker.tobytes(), b


def _marker(dtype: DType):
    return np.nan if dtype.is_float else 1 if dtype is bool_ else 77


def program(*nests: ir.Nest, rows: ir.Axis | None = None, chunk: int = 1) -> ir.Program:
    return ir.Program(((ir.Phase(tuple(nests), rows, chunk),),))


def run(compiled: Executable, memory: Memory) -> Memory:
    """Run on a copy of the memory; return the copy."""
    after = memory.copy()
    compiled.run(after.table())
    after.assert_guards()
    return after


def check(
    what: ir.Program, memory: Memory, cpu: Cpu | None = None, scale: float = 1.0
) -> Executable:
    """Compile and run a program, compare all memory with the interpreter's."""
    expected = memory.copy()
    interpret(what, {b: expected.inner(b) for b in memory.buffers})
    compiled = Executable(what, cpu)
    compare(run(compiled, memory), expected, memory.buffers, scale)
    return compiled


def compare(
    got: Memory, expected: Memory, buffers: Iterable[ir.Buffer], scale: float = 1.0
) -> None:
    for b in buffers:
        a, e = got.inner(b), expected.inner(b)
        if not b.dtype.is_float:
            np.testing.assert_array_equal(a, e, err_msg=str(b))
            continue
        tolerance = TOLERANCE[b.dtype.name] * scale
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance, err_msg=str(b))


__all__ = [
    "Memory", "axis", "call", "check", "compare", "float32", "float64", "index", "inside",
    "iota", "load", "number", "program", "run", "store",
]  # fmt: skip
