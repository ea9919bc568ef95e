"""Choosing how a nest runs: the axis in the vector lanes and the blocks in registers.

One mechanism serves all nests: candidates (vector axis, lanes, register block) are compared
by an estimate of the cycles that the whole nest takes, see `estimate.py`. So a matrix product
gets its tile of rows times columns, a weight gradient its tile of channels times taps, and a
row sum several partial sums, by the same rule.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import prod

from . import ir
from .collapse import collapse
from .cpu import Cpu
from .estimate import Choice, Shape, cheapest
from .work import work_of

_BODY = 96  # additions in the body of an innermost loop, at most, when it is unrolled


def schedule(nest: ir.Nest, phase: ir.Phase, cpu: Cpu, rows: int = 0) -> ir.Nest:
    """Return the nest with axes collapsed and its schedule filled in, unless it has one.

    Args:
        rows: how many rows one call works on, if other than the phase's chunk size.
    """
    if nest.schedule is not None or not all(a.extent for a in nest.axes + nest.over):
        return nest
    own = phase.rows_of(nest)
    kept = (own, phase.chunk, *(a for s in nest.spans for a in (s.axis, s.over)))
    fixed = frozenset(a for a in kept if a is not None)
    nest = collapse(nest, fixed)
    count = rows or min(phase.chunk_size, phase.rows.extent if phase.rows else 1)
    axes = nest.axes + nest.over
    shape = Shape(
        tuple(count // phase.tile_of(nest) if a == own else a.extent for a in axes),
        len(nest.axes),
        tuple(a.combine for a in nest.accums),
        work_of(nest, phase.chunk),
        cpu,
        tuple((axes.index(s.axis), axes.index(s.over), s) for s in nest.spans),
    )
    choice = _cheapest(shape)
    order = shape.order(choice.lanes)
    unroll = _unrolled(shape, choice, order)
    named = dict(enumerate(axes))
    return replace(
        nest,
        schedule=ir.Schedule(
            vector=named.get(choice.lanes.vector),
            lanes=choice.lanes.lanes,
            block=tuple((named[i], n) for i, n in enumerate(choice.block) if n > 1),
            unroll=tuple((named[i], n) for i, n in enumerate(unroll) if n > 1),
            order=tuple(named[i] for i in order),
            columns=named.get(_columns(shape, choice)),
            turned=named.get(choice.lanes.turned),
            panel=choice.lanes.panel,
            paired=_paired(shape, choice),
            strips=_strips(shape, choice, named),
            cycles=choice.cycles,
        ),
    )


@lru_cache(maxsize=4096)
def _cheapest(shape: Shape) -> Choice:
    """Nests of equal shape, such as equal layers, are thought about once."""
    return cheapest(shape)


def _unrolled(shape: Shape, choice: Choice, order: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of the reduction's loops written out: short loops whole, long ones until the
    body is worth a turn."""
    unroll = [1] * len(shape.extents)
    body = max(1, prod(choice.block) * len(shape.combines))
    for axis in reversed(order[shape.split :]):
        if axis in shape.spanned:
            break
        steps = -(-choice.lanes.steps(shape, axis) // choice.block[axis])
        if steps <= 4 and body * steps <= _BODY:
            unroll[axis] = steps
            body *= steps
            continue
        if body < 12:
            unroll[axis] = min(4, -(-12 // body), steps)
        break
    return tuple(unroll)


def _paired(shape: Shape, choice: Choice) -> bool:
    """Whether stores are worth evaluating for two vectors at once: what follows from one another
    in a long expression takes longer to wait for than to compute."""
    vector = choice.lanes.vector
    if vector not in shape.outer or any(s.weight > 1 for s in shape.work.stores):
        return False
    return choice.block[vector] % 2 == 0 and shape.work.is_long


def _strips(shape: Shape, choice: Choice, named: dict[int, ir.Axis]) -> ir.Axis | None:
    axis = shape.strips(choice.lanes.vector) if choice.lanes.panel else None
    return None if axis is None else named[axis]


def _columns(shape: Shape, choice: Choice) -> int:
    """Where the lanes are combined: a blocked axis along which all stores are contiguous."""
    if choice.lanes.vector not in shape.inner:
        return -1
    for axis in shape.outer:
        wide = 1 < choice.block[axis] <= choice.lanes.lanes
        if wide and all(s.step(axis) == 1 and not s.scattered for s in shape.work.stores):
            return axis
    return -1
