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

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import prod

from . import ir
from .substitute import Substitution

SLICE = 256  # terms of a slice, about: so many vectors of a factor fit the first cache
LONG = 1024  # terms from which on a sum is sliced where both do
FEW = 16  # rows of a factor that stays in the cache while the other comes from memory, once
FLOWING = 32  # terms of a slice then: so many rows come from memory at a time
EXACT = 2048  # terms of a slice where they lie along the sum: for the sake of rounding alone


def slice_of(
    axes: tuple[ir.Axis, ...], over: tuple[ir.Axis, ...], outside: int, term: ir.Expr
) -> int:
    """How many terms a slice of a sum of products has; 0 where it is not worth slicing."""
    if outside:
        return prod(a.extent for a in over[outside:])
    if len(axes) < 2 or len(over) != 1 or not isinstance(term, ir.Call):
        return 0
    along = lie_along(over[0], term)
    terms = over[0].extent
    few = min(a.extent for a in axes) <= FEW
    if few and all(along):
        return _even(terms, EXACT)
    if few and any(along) and terms > LONG:
        return FLOWING
    if terms < (LONG if all(along) else 1.5 * SLICE):
        return 0
    return _even(terms, SLICE)


def _even(terms: int, about: int) -> int:
    """The length of slices that are about so long and alike; 0 where one would do."""
    count = round(terms / about)
    return -(-terms // count) if count > 1 else 0


def lie_along(axis: ir.Axis, term: ir.Expr) -> list[bool]:
    """Which factors of a product lie along an axis in memory."""
    factors = term.args if isinstance(term, ir.Call) else ()
    return [isinstance(f, ir.Load) and f.index.coefficient(axis) == 1 for f in factors]


def sliced(
    nest: ir.Nest, cut: Callable[[ir.Nest], Iterable[ir.Nest]], target: ir.Buffer, where: ir.Index
) -> list[ir.Nest]:
    """Return the nests that take the place of ``nest``; its sum gathers at ``target[where]``.

    Args:
        cut: into nests that each add a part of the sum.
    """
    zero = ir.Store(target, where, ir.Const(0, nest.accums[0].dtype))
    nest = replace(nest, spans=())
    store = ir.Store(target, where, ir.Acc(nest.accums[0].name, nest.accums[0].dtype), "add")
    empty = replace(nest, stores=(zero,), over=(), accums=())
    nests = [empty, *cut(replace(nest, stores=(store,)))]
    total = ir.Load(target, where)
    stores = tuple(
        replace(s, expr=_read(s.expr, total, {})) for s in nest.stores if s.buffer != target
    )
    if stores:
        nests.append(replace(nest, stores=stores, over=(), accums=()))
    return nests


def in_slices(nest: ir.Nest, size: int, outside: int) -> Iterator[ir.Nest]:
    """Yield a nest that adds sums in parts of ``size`` terms.

    Args:
        outside: so many of the first axes of the sum already go from slice to slice.
    """
    if outside:  # the rows, which threads share out, are a block inside of the other loops
        rows, *others = nest.axes
        axes = (*nest.over[:outside], *others[:-1], rows, *others[-1:])
        yield replace(nest, axes=axes, over=nest.over[outside:])
        return
    (k,), (accum,) = nest.over, nest.accums
    count, rest = divmod(k.extent, size)
    part = ir.Axis("part", count)
    for length, before in ((size, ((part, size),)), (rest, ())):
        if length:
            inner = ir.Axis(k.name, length)
            start = 0 if before else count * size
            term = Substitution({k: ir.Index((*before, (inner, 1)), start)}).accum(accum)
            axes = (part, *nest.axes) if before else nest.axes
            yield replace(nest, axes=axes, over=(inner,), accums=(term,))


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
