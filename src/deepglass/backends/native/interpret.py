"""The meaning of a loop-IR program, carried out slowly with NumPy; for tests.

Schedules are ignored. Every expression of a nest is evaluated for all points at once, as an
array with one dimension per axis, so programs must be small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...errors import BackendError
from ...graph.types import DType, convert
from . import ir
from .reduce import least, most

Array = np.ndarray[Any, np.dtype[Any]]
Memory = Mapping[ir.Buffer, Array]


def interpret(program: ir.Program, memory: Memory) -> None:
    """Run a program on ``memory``, a flat array per buffer (missing ones raise KeyError)."""
    with np.errstate(all="ignore"):
        for number, level in enumerate(program.levels):
            for phase in level:
                _run_phase(phase, memory)
            for call in program.calls_after(number):
                arrays = [memory[w.buffer].reshape(w.shape) for w in call.arguments]
                memory[call.result.buffer][:] = call.node.compute(arrays).reshape(-1)


def _run_phase(phase: ir.Phase, memory: Memory) -> None:
    if phase.rows is None:
        for nest in phase.nests:
            _NestRun(nest, memory, {phase.chunk: 0}).run()
        return
    for chunk in range(phase.chunk.extent):
        low = chunk * phase.chunk_size
        high = min(low + phase.chunk_size, phase.rows.extent)
        for nest in phase.nests:
            run = _NestRun(nest, memory, {phase.chunk: chunk})
            tile = phase.tile_of(nest)
            run.restrict(phase.rows_of(nest), low // tile, high // tile)
            run.run()


@dataclass
class _NestRun:
    """One nest: ``numbers`` holds the values of its axes, shaped to broadcast together."""

    nest: ir.Nest
    memory: Memory
    fixed: dict[ir.Axis, int]

    def __post_init__(self) -> None:
        self.axes = self.nest.axes + self.nest.over
        self.values = {a: np.arange(a.extent) for a in self.axes}
        self.accumulators: dict[str, Array] = {}

    def restrict(self, axis: ir.Axis | None, low: int, high: int) -> None:
        """Let an axis run over [low, high) only."""
        if axis is not None and axis in self.values:
            self.values[axis] = np.arange(low, high)

    def run(self) -> None:
        split = len(self.nest.axes)
        shape = tuple(len(self.values[a]) for a in self.axes)
        for a in self.nest.accums:
            terms = np.broadcast_to(self.value(a.expr), shape)
            terms = terms.reshape(*shape[:split], prod(shape[split:]))
            total = _combined(a, terms)
            self.accumulators[a.name] = total.reshape(shape[:split] + (1,) * (len(shape) - split))
        if self.nest.over:
            shape = shape[:split] + (1,) * (len(shape) - split)
        results = [
            (
                s,
                np.broadcast_to(self.index(s.index), shape),
                np.broadcast_to(self.value(s.expr), shape),
            )
            for s in self.nest.stores
        ]
        for s, index, value in results:
            target = self.memory[s.buffer]
            if s.combine:
                ufunc = {"add": np.add, "max": np.maximum}[s.combine]
                ufunc.at(target, index.ravel(), value.ravel())
            else:
                target[index.ravel()] = value.ravel()

    def index(self, index: ir.Index) -> Array:
        total: Array = np.array(index.constant, np.int64)
        for axis, coefficient in index.terms:
            total = total + coefficient * self._axis(axis)
        for expr, coefficient in index.loaded:
            total = total + coefficient * self.value(expr).astype(np.int64)
        return total

    def _axis(self, axis: ir.Axis) -> Array:
        if axis not in self.values:
            return np.array(self.fixed.get(axis, 0), np.int64)
        shape = [1] * len(self.axes)
        shape[self.axes.index(axis)] = -1
        return self.values[axis].reshape(shape)

    def value(self, expr: ir.Expr) -> Array:
        match expr:
            case ir.Const(value, dtype):
                return convert(np.array(value), dtype)
            case ir.Iota(index, dtype):
                return self.index(index).astype(dtype.numpy)
            case ir.Acc(name, _):
                return self.accumulators[name]
            case ir.Load(buffer, index, where, other):
                return self._load(buffer, self.index(index), where, other)
            case ir.Call(op, args, dtype):
                return _apply(op, [self.value(a) for a in args], dtype)

    def _load(self, buffer: ir.Buffer, index: Array, where: ir.Expr | None, other: float) -> Array:
        source = self.memory[buffer]
        if where is None:
            return source[index]
        holds, index = np.broadcast_arrays(self.value(where), index)
        result = np.full(index.shape, other, source.dtype)
        result[holds] = source[index[holds]]
        return result


_EXTREMES = {
    "max": (np.maximum, least),
    "nanmax": (np.fmax, least),
    "nanmin": (np.fmin, most),
}


def _combined(accum: ir.Accum, terms: Array) -> Array:
    """Combine the last axis; float sums in float64, so that tests see the truth."""
    dtype = accum.expr.dtype
    if accum.combine == "argmax":
        if not terms.shape[-1]:
            return np.zeros(terms.shape[:-1], np.int64)
        return np.asarray(np.argmax(terms, axis=-1))
    if accum.combine in _EXTREMES:
        ufunc, neutral = _EXTREMES[accum.combine]
        found = ufunc.reduce(terms, axis=-1, initial=neutral(dtype))
        return np.asarray(found).astype(dtype.numpy)
    wide = np.float64 if dtype.is_float else dtype.numpy
    return np.sum(terms, axis=-1, dtype=wide).astype(dtype.numpy)


def _apply(op: str, args: list[Array], dtype: DType) -> Array:
    if op == "cast":
        return convert(args[0], dtype)
    if op not in _MEANING:
        raise BackendError(f"{op}: not an operation of the loop IR; use one of {sorted(ir.OPS)}.")
    return np.asarray(_MEANING[op](*args)).astype(dtype.numpy, copy=False)


def _not(a: Array) -> Array:
    return ~a


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x.astype(np.float64)))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


def _power(x: Array, y: Array) -> Array:
    if x.dtype.kind == "f":
        return np.asarray(np.power(x, y))
    return np.where(y < 0, 0, np.power(x, np.maximum(y, 0)))


_MEANING: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "fma": lambda x, y, z: x * y + z, "neg": np.negative,
    "abs": np.abs, "maximum": np.maximum, "minimum": np.minimum, "floor": np.floor,
    "round": np.rint, "pow": _power, "exp": np.exp, "expm1": np.expm1, "log": np.log,
    "log1p": np.log1p, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "tanh": np.tanh,
    "sigmoid": _sigmoid, "sin": np.sin, "cos": np.cos, "erf": np.frompyfunc(math.erf, 1, 1),
    "floordiv": np.floor_divide, "mod": np.mod, "eq": np.equal, "ne": np.not_equal,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": _not,
    "shl": np.left_shift, "shr": lambda a, b: _logical_shift(a, b), "where": np.where,
    "choose": lambda at, *options: np.choose(at, np.broadcast_arrays(at, *options)[1:]),
}  # fmt: skip


def _logical_shift(a: Array, b: Array) -> Array:
    unsigned = a.dtype.str.replace("i", "u")
    return np.asarray(a.astype(unsigned) >> b.astype(unsigned)).astype(a.dtype)
