"""Long sums of products, a slice after another.

    for i, j:  over k<4096:  s += a[k,i] * b[k,j]
               y[i,j] = f(s)
    -->
    for i, j:             t[i,j] = 0
    for part<16, i, j:    over k<256:  s += a[256*part + k, i] * b[256*part + k, j]
                          t[i,j] += s
    for i, j:             y[i,j] = f(t[i,j])

A register block would otherwise run through the whole of both factors, which fit no cache, once
for every block of the result. Sums of sums also lose less to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from . import ir
from .substitute import Substitution

LONG = 1024  # terms above which a sum is sliced
SLICE = 256  # terms of a slice: two rows of 16 floats each fit the first cache


def is_long(axes: tuple[ir.Axis, ...], over: tuple[ir.Axis, ...]) -> bool:
    """Whether the sum over one axis of products is worth slicing."""
    return len(over) == 1 and over[0].extent > LONG and len(axes) >= 2


def sliced(nest: ir.Nest, target: ir.Buffer, where: ir.Index, outside: int) -> list[ir.Nest]:
    """Return the nests that take the place of ``nest``; the sum gathers at ``target[where]``.

    Args:
        outside: so many of the first axes of the sum already go from slice to slice.
    """
    zero = ir.Store(target, where, ir.Const(0, nest.accums[0].dtype))
    nests = [ir.Nest(nest.axes, (zero,))]
    store = ir.Store(target, where, ir.Acc(nest.accums[0].name, nest.accums[0].dtype), "add")
    for axes, over, accum in _parts(nest, outside):
        nests.append(replace(nest, axes=axes, stores=(store,), over=over, accums=(accum,)))
    total = ir.Load(target, where)
    stores = tuple(
        replace(s, expr=_read(s.expr, total, {})) for s in nest.stores if s.buffer != target
    )
    if stores:
        nests.append(replace(nest, stores=stores, over=(), accums=()))
    return nests


def _parts(
    nest: ir.Nest, outside: int
) -> Iterator[tuple[tuple[ir.Axis, ...], tuple[ir.Axis, ...], ir.Accum]]:
    """Yield axes, the axes of the sum within a slice, and the sum."""
    (accum,) = nest.accums
    if outside:  # the rows, which threads share out, are a block inside of the other loops
        rows, *others = nest.axes
        axes = (*nest.over[:outside], *others[:-1], rows, *others[-1:])
        yield axes, nest.over[outside:], accum
        return
    (k,) = nest.over
    count, rest = divmod(k.extent, SLICE)
    part = ir.Axis("part", count)
    for length, before in ((SLICE, ((part, SLICE),)), (rest, ())):
        if length:
            inner = ir.Axis(k.name, length)
            start = 0 if before else count * SLICE
            term = Substitution({k: ir.Index((*before, (inner, 1)), start)}).accum(accum)
            yield ((part, *nest.axes) if before else nest.axes), (inner,), term


def _read(expr: ir.Expr, total: ir.Load, done: dict[int, ir.Expr]) -> ir.Expr:
    """``expr`` with the sum read from memory."""
    if id(expr) not in done:
        done[id(expr)] = expr
        if isinstance(expr, ir.Acc):
            done[id(expr)] = total
        elif isinstance(expr, ir.Call):
            args = tuple(_read(a, total, done) for a in expr.args)
            done[id(expr)] = ir.Call(expr.op, args, expr.dtype)
    return done[id(expr)]
