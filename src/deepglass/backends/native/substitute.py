"""Putting indices in the place of axes, in expressions that may share parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from . import ir


@dataclass
class Substitution:
    """Writes nests anew with an affine index for each of some axes."""

    of: Mapping[ir.Axis, ir.Index]
    done: dict[int, ir.Expr] = field(default_factory=dict)

    def store(self, store: ir.Store) -> ir.Store:
        return replace(store, index=self.index(store.index), expr=self.expr(store.expr))

    def accum(self, accum: ir.Accum) -> ir.Accum:
        return ir.Accum(accum.name, accum.combine, self.expr(accum.expr))

    def index(self, index: ir.Index) -> ir.Index:
        terms: dict[ir.Axis, int] = {}
        constant = index.constant
        for axis, factor in index.terms:
            new = self.of.get(axis, ir.Index(((axis, 1),)))
            constant += factor * new.constant
            for other, step in new.terms:
                terms[other] = terms.get(other, 0) + factor * step
        loaded = tuple((self.expr(e), c) for e, c in index.loaded)
        return ir.Index(tuple(terms.items()), constant, loaded)

    def expr(self, expr: ir.Expr) -> ir.Expr:
        known = self.done.get(id(expr))
        if known is None:
            known = self.done[id(expr)] = self._rewritten(expr)
        return known

    def _rewritten(self, expr: ir.Expr) -> ir.Expr:
        match expr:
            case ir.Iota(index, dtype):
                return ir.Iota(self.index(index), dtype)
            case ir.Load(buffer, index, where, other):
                condition = None if where is None else self.expr(where)
                return ir.Load(buffer, self.index(index), condition, other)
            case ir.Call(op, args, dtype):
                return ir.Call(op, tuple(self.expr(a) for a in args), dtype)
            case _:
                return expr
