"""When two nests do the same to different memory, so that one set of loops serves both."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from . import ir


@dataclass(frozen=True)
class Likeness:
    """What a nest does, without the places it does it to.

    Attributes:
        key: equal for two nests that do the same.
        places: the home of each buffer, in the order in which the nest names them.
    """

    key: Hashable
    places: tuple[ir.Home, ...]


def likeness(nest: ir.Nest, phase: ir.Phase, rows: int) -> Likeness:
    """Return what a nest does on so many rows of a phase."""
    return _Reader(nest, phase).likeness(rows)


class _Reader:
    def __init__(self, nest: ir.Nest, phase: ir.Phase) -> None:
        self.nest, self.phase = nest, phase
        axes = dict.fromkeys((*nest.axes, *nest.over, phase.chunk))
        self.axes = {axis: k for k, axis in enumerate(axes)}
        self.places: dict[ir.Home, int] = {}
        self.numbers: dict[Hashable, int] = {}  # of expressions, by what they say
        self.of: dict[int, int] = {}  # the same, by id
        self.accums = {a.name: k for k, a in enumerate(nest.accums)}

    def likeness(self, rows: int) -> Likeness:
        nest, phase = self.nest, self.phase
        accums = [(a.combine, self.expr(a.expr)) for a in nest.accums]
        stores = [
            (self.buffer(s.buffer), self.index(s.index), self.expr(s.expr), s.combine)
            for s in nest.stores
        ]
        key = (
            tuple(a.extent for a in self.axes),
            tuple(self.axes[a] for a in nest.axes),
            tuple(self.axes[a] for a in nest.over),
            self.axes.get(rows_axis) if (rows_axis := phase.rows_of(nest)) else None,
            phase.rows.extent if phase.rows else 0,
            phase.chunk_size,
            rows,
            tuple(accums),
            tuple(stores),
            tuple((s, self.axes[s.axis], self.axes[s.over]) for s in nest.spans),
            tuple(self.numbers),
            nest.schedule,
        )
        return Likeness(key, tuple(self.places))

    def expr(self, e: ir.Expr) -> int:
        """A number for all expressions that say the same."""
        known = self.of.get(id(e))
        if known is None:
            key = self._said(e)
            known = self.of[id(e)] = self.numbers.setdefault(key, len(self.numbers))
        return known

    def _said(self, e: ir.Expr) -> Hashable:
        if isinstance(e, ir.Call):
            return e.op, e.dtype.name, tuple([self.expr(a) for a in e.args])
        match e:
            case ir.Load(buffer, index, where, other):
                guard = None if where is None else self.expr(where)
                return "load", self.buffer(buffer), self.index(index), guard, repr(other)
            case ir.Const(value, dtype):
                return "const", dtype.name, repr(value)
            case ir.Iota(index, dtype):
                return "iota", dtype.name, self.index(index)
            case ir.Acc(name, dtype):
                return "acc", dtype.name, self.accums[name]

    def buffer(self, buffer: ir.Buffer) -> Hashable:
        number = self.places.setdefault(buffer.home, len(self.places))
        return number, buffer.dtype.name, buffer.size

    def index(self, index: ir.Index) -> Hashable:
        terms = tuple([(self.axes[a], c) for a, c in index.terms if a.extent > 1])
        loaded = tuple([(self.expr(e), c) for e, c in index.loaded])
        return terms, index.constant, loaded
