"""Joining axes that memory does not tell apart.

    for n<128, j<784:  y[784*n + j] = f(x[784*n + j])   -->   for nj<100352:  y[nj] = f(x[nj])

Two neighbouring axes become one where every index of the nest moves by the inner one's
extent when the outer one moves by one. Long axes fill vectors better than short ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from . import ir


def collapse(nest: ir.Nest, fixed: frozenset[ir.Axis]) -> ir.Nest:
    """Return the nest with fewer, longer axes; ``fixed`` are left alone."""
    indices = list(_indices(nest))
    for group in ("axes", "over"):
        while (pair := _joinable(getattr(nest, group), indices, fixed)) is not None:
            rewrite = _Rewrite(*pair)
            nest = rewrite.nest(nest, group)
            indices = [rewrite.index(i) for i in indices]
    return nest


def _joinable(
    axes: tuple[ir.Axis, ...], indices: list[ir.Index], fixed: frozenset[ir.Axis]
) -> tuple[ir.Axis, ir.Axis] | None:
    for a, b in pairwise(axes):
        if a in fixed or b in fixed or a.extent == 0 or b.extent == 0:
            continue
        if all(i.coefficient(a) == b.extent * i.coefficient(b) for i in indices):
            return a, b
    return None


def _indices(nest: ir.Nest) -> Iterator[ir.Index]:
    """Every index of a nest, those in conditions and positions included."""
    seen: set[int] = set()
    stack: list[ir.Expr | ir.Index] = [s.index for s in nest.stores]
    stack += [s.expr for s in nest.stores]
    stack += [a.expr for a in nest.accums]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        match item:
            case ir.Index():
                yield item
                stack += [e for e, _ in item.loaded]
            case ir.Iota(index, _):
                stack.append(index)
            case ir.Load(_, index, where, _):
                stack.append(index)
                if where is not None:
                    stack.append(where)
            case ir.Call(_, args, _):
                stack += args


@dataclass
class _Rewrite:
    """Puts one axis in the place of two, in expressions that may share parts."""

    outer: ir.Axis
    inner: ir.Axis
    done: dict[int, ir.Expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = self.outer.name + self.inner.name
        self.joined = ir.Axis(name, self.outer.extent * self.inner.extent)

    def nest(self, nest: ir.Nest, group: str) -> ir.Nest:
        axes = tuple(
            self.joined if a == self.inner else a for a in getattr(nest, group) if a != self.outer
        )
        stores = tuple(
            replace(s, index=self.index(s.index), expr=self.expr(s.expr)) for s in nest.stores
        )
        accums = tuple(replace(a, expr=self.expr(a.expr)) for a in nest.accums)
        if group == "axes":
            return replace(nest, axes=axes, stores=stores, accums=accums)
        return replace(nest, over=axes, stores=stores, accums=accums)

    def index(self, index: ir.Index) -> ir.Index:
        step = index.coefficient(self.inner)
        terms = tuple((a, c) for a, c in index.terms if a not in (self.outer, self.inner))
        if step:
            terms += ((self.joined, step),)
        loaded = tuple((self.expr(e), c) for e, c in index.loaded)
        return ir.Index(terms, index.constant, loaded)

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
