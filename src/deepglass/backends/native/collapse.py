"""Joining axes that memory does not tell apart.

    for n<128, j<784:  y[784*n + j] = f(x[784*n + j])   -->   for nj<100352:  y[nj] = f(x[nj])

Two neighbouring axes become one where every index of the nest moves by the inner one's
extent when the outer one moves by one. Long axes fill vectors better than short ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from . import ir
from .substitute import Substitution


def collapse(nest: ir.Nest, fixed: frozenset[ir.Axis]) -> ir.Nest:
    """Return the nest with fewer, longer axes; ``fixed`` are left alone."""
    indices = list(_indices(nest))
    for group in ("axes", "over"):
        while (pair := _joinable(getattr(nest, group), indices, fixed)) is not None:
            nest = _joined(nest, group, *pair)
            indices = list(_indices(nest))
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


def _joined(nest: ir.Nest, group: str, outer: ir.Axis, inner: ir.Axis) -> ir.Nest:
    """Put one axis in the place of two neighbours."""
    joined = ir.Axis(outer.name + inner.name, outer.extent * inner.extent)
    new = Substitution({outer: ir.Index(), inner: ir.Index(((joined, 1),))})
    axes = tuple(joined if a == inner else a for a in getattr(nest, group) if a != outer)
    return replace(
        nest,
        axes=axes if group == "axes" else nest.axes,
        over=axes if group == "over" else nest.over,
        stores=tuple(map(new.store, nest.stores)),
        accums=tuple(map(new.accum, nest.accums)),
    )
