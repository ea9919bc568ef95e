"""Choosing how a nest runs: the axis in the vector lanes and the blocks in registers.

One mechanism serves all nests. Candidates (vector axis, lanes, register block) are compared
by an estimate of the cycles that the whole nest takes, from three counts per block: how many
loads and operations remain when everything that does not depend on a blocked axis is shared,
how long the chains of dependent additions are, and how many lanes lie beyond the axis. So a
matrix product gets its tile of rows times columns, a weight gradient its tile of channels
times taps, and a row sum several partial sums, by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import ir
from .collapse import collapse
from .cpu import Cpu
from .work import Item, Work, work_of

_LATENCY = 4.0  # cycles from one addition to the next that needs its result
_TEMPORARIES = 4  # registers an expression needs besides its operands
_SPARE = 2  # registers left to the instruction scheduler
_BODY = 96  # additions in the body of an innermost loop, at most, when it is unrolled
_REST = 0.03  # what another copy of the code for the rest of an axis may cost
_CACHE = 512 * 1024  # bytes: a larger operand is read once, by the outer loops

Array = np.ndarray[Any, np.dtype[Any]]


def schedule(nest: ir.Nest, phase: ir.Phase, cpu: Cpu, rows: int = 0) -> ir.Nest:
    """Return the nest with axes collapsed and its schedule filled in, unless it has one.

    Args:
        rows: how many rows one call works on, if other than the phase's chunk size.
    """
    if nest.schedule is not None or not all(a.extent for a in nest.axes + nest.over):
        return nest
    fixed = frozenset(a for a in (phase.rows, phase.chunk) if a is not None)
    nest = collapse(nest, fixed)
    count = rows or min(phase.chunk_size, phase.rows.extent if phase.rows else 1)
    axes = nest.axes + nest.over
    shape = _Shape(
        tuple(count if a == phase.rows else a.extent for a in axes),
        len(nest.axes),
        tuple(a.combine for a in nest.accums),
        work_of(nest, phase.chunk),
        cpu,
    )
    plan = _plan(shape)
    named = {i: axes[i] for i in range(len(axes))}
    return replace(
        nest,
        schedule=ir.Schedule(
            vector=named.get(plan.vector),
            lanes=plan.lanes,
            block=tuple((named[i], n) for i, n in enumerate(plan.block) if n > 1),
            unroll=tuple((named[i], n) for i, n in enumerate(plan.unroll) if n > 1),
            order=tuple(named[i] for i in plan.order),
            columns=named.get(plan.columns),
            cycles=plan.cycles,
        ),
    )


@dataclass(frozen=True)
class _Shape:
    """All that a plan depends on; equal nests share one plan."""

    extents: tuple[int, ...]
    split: int  # axes before this number are the nest's `axes`, the others its `over`
    combines: tuple[str, ...]
    work: Work
    cpu: Cpu

    @property
    def outer(self) -> range:
        return range(self.split)

    @property
    def inner(self) -> range:
        return range(self.split, len(self.extents))


@dataclass(frozen=True)
class _Plan:
    """An `ir.Schedule` in axis numbers, -1 for none."""

    vector: int
    lanes: int
    block: tuple[int, ...]
    cycles: float
    unroll: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    columns: int = -1


@lru_cache(maxsize=4096)
def _plan(shape: _Shape) -> _Plan:
    best = min((_best_block(shape, v, n) for v, n in _lane_choices(shape)), key=lambda p: p.cycles)
    order = _order(shape, best.vector)
    return replace(
        best, unroll=_unrolled(shape, best, order), order=order, columns=_columns(shape, best)
    )


# which axis goes into the lanes


def _lane_choices(shape: _Shape) -> Iterator[tuple[int, int]]:
    """Yield (vector axis, lanes): full vectors, and narrower ones that waste fewer lanes."""
    yield -1, 1
    full = shape.cpu.vector_bytes // shape.work.narrowest
    for axis, extent in enumerate(shape.extents):
        if extent > 1 and _may_vectorise(shape, axis):
            lanes = full
            while lanes > 1:
                if lanes < 2 * extent:
                    yield axis, lanes
                if lanes * shape.work.narrowest <= 16:
                    break
                lanes //= 2


def _may_vectorise(shape: _Shape, axis: int) -> bool:
    """Whether lanes cannot collide in a store, and can be combined at the end."""
    if axis in shape.inner:
        return "argmax" not in shape.combines
    for store in shape.work.stores:
        adds = store.weight > 1
        if not store.step(axis) if axis not in store.scattered else adds:
            return False
    return True


# how large the blocks are


def _best_block(shape: _Shape, vector: int, lanes: int) -> _Plan:
    blocks = _blocks(shape, vector, lanes)
    cycles = _cycles(shape, vector, lanes, blocks)
    best = int(np.argmin(cycles))
    return _Plan(vector, lanes, tuple(int(n) for n in blocks[best]), float(cycles[best]))


def _blocks(shape: _Shape, vector: int, lanes: int) -> Array:
    """Candidates: one row per block, one column per axis."""
    steps = [_steps(shape, a, vector, lanes) for a in range(len(shape.extents))]
    if not shape.combines:
        row = [1] * len(steps)
        if vector >= 0:
            row[vector] = min(_map_vectors(shape.work), steps[vector])
        return np.array([row])
    most = (shape.cpu.registers - 1) // len(shape.combines)
    rows, sizes = np.ones((1, 0), np.int64), np.ones(1, np.int64)
    for axis, extent in enumerate(steps):
        widths = np.array(_widths(shape, axis, vector, extent))
        products = np.multiply.outer(sizes, widths)
        old, new = np.nonzero(products <= most)
        rows = np.column_stack([rows[old], widths[new]])
        sizes = products[old, new]
    return rows


def _widths(shape: _Shape, axis: int, vector: int, extent: int) -> list[int]:
    """Block widths worth trying: nearly equal blocks, or for partial sums powers of 2."""
    if axis in shape.inner:
        last = shape.inner[-1] if vector not in shape.inner else vector
        partial = axis == last and "argmax" not in shape.combines
        return [n for n in (1, 2, 4) if n <= extent] if partial else [1]
    if any(s.weight > 1 for s in shape.work.stores):
        return [1]  # points may add to one place, so they keep their order
    equal = {-(-extent // n) for n in range(1, extent + 1)}
    return sorted(n for n in equal if n <= 16 or n == extent)


def _map_vectors(work: Work) -> int:
    """Vectors per step of a nest without accumulators."""
    weight = sum(i.weight for i in work.ending)
    return 4 if weight < 8 else 2 if weight < 30 else 1


def _steps(shape: _Shape, axis: int, vector: int, lanes: int) -> int:
    """Vectors along the vector axis, points along another."""
    return -(-shape.extents[axis] // lanes) if axis == vector else shape.extents[axis]


# the estimate


def _cycles(shape: _Shape, vector: int, lanes: int, blocks: Array) -> Array:
    """Estimated cycles of the whole nest, for each row of ``blocks``."""
    extents = np.array([_steps(shape, a, vector, lanes) for a in range(len(shape.extents))])
    full, rest = np.divmod(extents, blocks)
    times = full + rest / blocks
    size = _size(shape, lanes)
    end = _end_cycles(shape, vector, lanes, blocks, size)
    total = times[:, : shape.split].prod(axis=1) * end
    if shape.combines:
        total = total + times.prod(axis=1) * _step_cycles(shape, vector, lanes, blocks, size)
    late = (blocks > 1) @ (0.01 * np.arange(blocks.shape[1])[::-1])  # near axes are near in memory
    copies = _copies(shape, vector, lanes, blocks)
    return np.asarray(total * (1.0 + late) * (1.0 + _REST * (copies - 1)))


def _copies(shape: _Shape, vector: int, lanes: int, blocks: Array) -> Array:
    """How often the code of a block is emitted: full blocks and rests of every axis."""
    width = np.where(np.arange(blocks.shape[1]) == vector, lanes, 1)
    full, rest = np.divmod(np.array(shape.extents), blocks * width)
    return np.asarray(((full > 0).astype(int) + (rest > 0)).prod(axis=1))


def _size(shape: _Shape, lanes: int) -> float:
    """Cost of an instruction on so many lanes, beside a full vector's 1."""
    fraction = lanes * shape.work.narrowest / shape.cpu.vector_bytes
    return max(0.6, fraction) if lanes > 1 else 0.6


def _step_cycles(shape: _Shape, vector: int, lanes: int, blocks: Array, size: float) -> Array:
    """One step of the innermost loop, for all points of the block."""
    sums = blocks.prod(axis=1) * len(shape.combines)
    loads, arithmetic = np.zeros(len(blocks)), sums * size
    operands = []
    for item in shape.work.body:
        points = _points(item, blocks)
        if item.element:
            loads = loads + points * item.slots(vector, lanes) * size
            operands.append(points)
        else:
            arithmetic = arithmetic + points * item.weight * size
    plain = shape.work.multiplies
    live = (
        _SPARE + (0 if plain else _TEMPORARIES) + (0 if len(operands) < 2 else _smaller(operands))
    )
    spilled = np.maximum(0, sums + live + 1 - shape.cpu.registers)
    loads = loads + 2.0 * spilled
    most = np.maximum(np.maximum(arithmetic, loads), _LATENCY)
    return np.asarray(most + 0.15 * np.minimum(arithmetic, loads) + 1.0)


def _smaller(operands: list[Array]) -> Array:
    """Registers of all operands but the one that can be taken from memory one by one."""
    return np.asarray(np.sum(operands, axis=0) - np.max(operands, axis=0))


def _end_cycles(shape: _Shape, vector: int, lanes: int, blocks: Array, size: float) -> Array:
    """Starting the accumulators of a block, and its stores."""
    points = blocks[:, : shape.split].prod(axis=1)
    cost = np.full(len(blocks), 2.0)
    if vector in shape.inner:  # the lanes are combined, then stores are narrow
        cost = cost + 3.0 * points * len(shape.combines) + 4.0
        vector, lanes, size = -1, 1, 0.6
    if shape.combines:
        cost = cost + 0.5 * blocks.prod(axis=1) + 4.0
    for item in shape.work.ending + shape.work.stores:
        slots = item.slots(vector, lanes) if item.element else item.weight
        cost = cost + slots * size * _points(item, blocks)
    return cost


def _points(item: Item, blocks: Array) -> Array:
    """How often a block needs the item; indices that move together along axes overlap."""
    groups: dict[int, list[int]] = {}
    for axis in item.axes:
        if axis < blocks.shape[1]:
            step = abs(item.step(axis)) if item.element and axis not in item.scattered else 0
            groups.setdefault(step or -1 - axis, []).append(axis)
    points = np.ones(len(blocks))
    for axes in groups.values():
        points = points * (1 + (blocks[:, axes] - 1).sum(axis=1))
    return points


# what remains to be said


def _order(shape: _Shape, vector: int) -> tuple[int, ...]:
    """Loops: as given, but the vector axis of a map last, and the axes of an operand that
    does not fit the cache first, so that it is read once."""
    outer = list(shape.outer)
    if any(s.weight > 1 for s in shape.work.stores):
        return (*outer, *shape.inner)
    if not shape.combines:
        outer.sort(key=lambda a: a == vector)
        return tuple(outer)
    loads = [i for i in shape.work.body if i.element]
    largest = max(loads, key=lambda i: _footprint(shape, i), default=None)
    if largest is not None and _footprint(shape, largest) > _CACHE:
        outer.sort(key=lambda a: a not in largest.axes)
    return (*outer, *shape.inner)


def _footprint(shape: _Shape, item: Item) -> int:
    return item.element * prod(shape.extents[a] for a in item.axes if a < len(shape.extents))


def _unrolled(shape: _Shape, plan: _Plan, order: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of the reduction's loops written out: short loops whole, long ones until the
    body is worth a turn."""
    unroll = [1] * len(shape.extents)
    body = max(1, prod(plan.block) * len(shape.combines))
    for axis in reversed(order[shape.split :]):
        steps = -(-_steps(shape, axis, plan.vector, plan.lanes) // plan.block[axis])
        if steps <= 4 and body * steps <= _BODY:
            unroll[axis] = steps
            body *= steps
            continue
        if body < 12:
            unroll[axis] = min(4, -(-12 // body), steps)
        break
    return tuple(unroll)


def _columns(shape: _Shape, plan: _Plan) -> int:
    """Where the lanes are combined: a blocked axis along which all stores are contiguous."""
    if plan.vector not in shape.inner:
        return -1
    for axis in shape.outer:
        wide = 1 < plan.block[axis] <= plan.lanes
        if wide and all(s.step(axis) == 1 and not s.scattered for s in shape.work.stores):
            return axis
    return -1
