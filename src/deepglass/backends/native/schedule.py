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
from itertools import product
from math import prod

from . import ir
from .cpu import Cpu
from .nodes import Node, NodeTable

_LATENCY = 4  # cycles from one addition to the next that needs its result
_HEAVY = {"exp": 14, "log": 22, "tanh": 24, "sigmoid": 22, "sqrt": 10, "rsqrt": 16, "div": 6,
          "floordiv": 6, "mod": 6}  # fmt: skip
_TEMPORARIES = 4  # registers an expression needs besides its operands
_MAP_VECTORS = 2  # vectors per step of a nest without accumulators
_FREE = frozenset({"const", "acc"})


def schedule(nest: ir.Nest, phase: ir.Phase, cpu: Cpu, rows: int = 0) -> ir.Nest:
    """Return the nest with its schedule filled in, unless it has one.

    Args:
        rows: how many rows one call works on, if other than the phase's chunk size.
    """
    if nest.schedule is not None or not all(a.extent for a in nest.axes + nest.over):
        return nest
    count = rows or min(phase.chunk_size, phase.rows.extent if phase.rows else 1)
    model = _Model.of(nest, phase, cpu, count)
    best = min(model.candidates(), key=model.cycles)
    return replace(nest, schedule=model.schedule(best))


@dataclass(frozen=True)
class _Candidate:
    """A choice: ``vector`` is the axis' number or -1; ``block`` has a width per axis."""

    vector: int
    lanes: int
    block: tuple[int, ...]


@dataclass(frozen=True)
class _Item:
    """Work that is done once per point of the axes it depends on.

    Attributes:
        steps: how far a load's or store's index moves along each axis; empty for arithmetic.
        scattered: axes along which a loaded integer moves the index.
    """

    axes: frozenset[int]
    weight: float
    steps: tuple[tuple[int, int], ...] = ()
    scattered: frozenset[int] = frozenset()
    memory: bool = False

    def slots(self, vector: int, lanes: int) -> float:
        """Load slots for one vector of points (or one scalar)."""
        if vector in self.scattered:
            return 1.5 * lanes
        step = dict(self.steps).get(vector, 0)
        if step in (0, 1):
            return 1.0
        return step + 1.0 if 2 <= step <= 4 else 1.5 * lanes


@dataclass
class _Model:
    nest: ir.Nest
    cpu: Cpu
    axes: tuple[ir.Axis, ...]
    extents: tuple[int, ...]
    outer: range
    inner: range
    body: list[_Item]
    ending: list[_Item]
    stores: list[_Item]
    lanes: int
    product: bool

    @staticmethod
    def of(nest: ir.Nest, phase: ir.Phase, cpu: Cpu, rows: int) -> _Model:
        axes = nest.axes + nest.over
        known = axes if phase.chunk in axes else (*axes, phase.chunk)
        table = NodeTable(known, frozenset())
        sums = [table.node(a.expr) for a in nest.accums]
        ends = [table.node(s.expr) for s in nest.stores]
        stores = []
        for s in nest.stores:
            index = table.index(s.index)
            scattered = frozenset(a for n, _ in index.loaded for a in n.axes)
            inside = frozenset(a for a, _ in index.terms) | scattered
            stores.append(_Item(inside, 1.0 + s.add, index.terms, scattered, memory=True))
        multiply = bool(sums) and all(n.kind == "mul" and n.dtype.is_float for n in sums)
        skip = {n.number for n in sums} if multiply else set()
        return _Model(
            nest,
            cpu,
            axes,
            tuple(rows if a == phase.rows else a.extent for a in axes),
            range(len(nest.axes)),
            range(len(nest.axes), len(axes)),
            _items(sums, skip),
            _items(ends, set()),
            stores,
            _lanes(sums + ends, nest, cpu),
            multiply,
        )

    # candidates

    def candidates(self) -> Iterator[_Candidate]:
        ones = (1,) * len(self.axes)
        yield _Candidate(-1, 1, ones)
        for axis in self._vector_axes():
            for lanes in self._lane_counts(self.extents[axis]):
                for block in self._blocks(axis, lanes):
                    yield _Candidate(axis, lanes, block)

    def _vector_axes(self) -> Iterator[int]:
        for axis in (*self.outer, *self.inner):
            if self.extents[axis] > 1 and self._may_vectorise(axis):
                yield axis

    def _may_vectorise(self, axis: int) -> bool:
        """Lanes may not collide in one store, and argmax cannot join lanes."""
        if axis in self.inner:
            return all(a.combine != "argmax" for a in self.nest.accums)
        for store, item in zip(self.nest.stores, self.stores, strict=True):
            moves = axis in dict(item.steps)
            if axis in item.scattered and store.add or axis not in item.axes or not moves:
                if store.add or axis not in item.scattered:
                    return False
        return True

    def _lane_counts(self, extent: int) -> list[int]:
        """Full vectors, and the narrower ones that waste fewer lanes."""
        lanes, counts = self.lanes, []
        while lanes > 1 and lanes * self.cpu.vector_bytes >= self.lanes * 16:
            counts.append(lanes)
            lanes //= 2
        fitting = [n for n in counts if n < 2 * extent]
        return fitting or counts[-1:]

    def _blocks(self, vector: int, lanes: int) -> Iterator[tuple[int, ...]]:
        """Register blocks: a width for every axis."""
        ones = [1] * len(self.axes)
        vectors = -(-self.extents[vector] // lanes)
        if not self.nest.accums:
            ones[vector] = min(_MAP_VECTORS, vectors) if self._light() else 1
            yield tuple(ones)
            return
        widths = []
        for axis in range(len(self.axes)):
            extent = vectors if axis == vector else self.extents[axis]
            if axis in self.inner:
                partial = axis == vector and not self.product
                widths.append([n for n in (1, 2, 4) if n <= extent] if partial else [1])
            elif self._order_matters():
                widths.append([1])
            else:
                widths.append(_balanced(extent, self.cpu.registers))
        yield from self._fitting(widths)

    def _fitting(self, widths: list[list[int]]) -> Iterator[tuple[int, ...]]:
        """The combinations whose accumulators fit in the registers."""
        sums = len(self.nest.accums)
        chosen: list[tuple[int, ...]] = [()]
        for options in widths:
            chosen = [
                (*c, n) for c in chosen for n in options
                if prod(c) * n * sums < self.cpu.registers
            ]
        return iter(chosen)

    def _order_matters(self) -> bool:
        """Whether points add to places that only the data tells."""
        return any(s.add for s in self.nest.stores)

    def _light(self) -> bool:
        return sum(i.weight for i in self.ending) < 40

    # the estimate

    def cycles(self, c: _Candidate) -> float:
        """Estimated cycles for all points of the nest."""
        regions = [self._regions(axis, c) for axis in range(len(self.axes))]
        total = 0.0
        for combination in product(*regions):
            times = prod(n for n, _ in combination)
            widths = tuple(w for _, w in combination)
            total += times * self._inner_cycles(c, widths)
            blocks = prod(n for n, _ in combination[: len(self.outer)])
            total += blocks * self._end_cycles(c, widths)
        return total

    def _regions(self, axis: int, c: _Candidate) -> list[tuple[int, int]]:
        """(steps, width) of the full blocks and of the rest."""
        extent = self.extents[axis]
        if axis == c.vector:
            extent = -(-extent // c.lanes)
        full, rest = divmod(extent, c.block[axis])
        regions = [(full, c.block[axis])] if full else []
        return regions + ([(1, rest)] if rest else [])

    def _inner_cycles(self, c: _Candidate, widths: tuple[int, ...]) -> float:
        """One step of the innermost loop."""
        if not self.nest.accums:
            return 0.0
        size = self._vector_cost(c.lanes)
        loads = operations = live = 0.0
        smallest: list[int] = []
        for item in self.body:
            points = prod(widths[a] for a in item.axes if a < len(widths))
            if item.memory:
                scalar = c.vector not in item.axes
                loads += points * item.slots(c.vector, c.lanes) * (0.5 if scalar else size)
                smallest.append(points)
            else:
                operations += points * item.weight * size
                live = _TEMPORARIES
        sums = prod(widths) * len(self.nest.accums)
        if len(smallest) > 1:
            live += sum(sorted(smallest)[:-1])
        if sums + live + 1 > self.cpu.registers:
            loads += 2.0 * (sums + live + 1 - self.cpu.registers)
        chain = _LATENCY * max(1.0, 1.0)
        steps = sums * size
        return max(steps + operations, loads, chain) + 0.25 * min(steps + operations, loads) + 0.5

    def _end_cycles(self, c: _Candidate, widths: tuple[int, ...]) -> float:
        """The stores of one block."""
        inside = c.vector not in self.inner
        vector, lanes = (c.vector, c.lanes) if inside else (-1, 1)
        size = self._vector_cost(lanes)
        points = prod(widths[a] for a in self.outer)
        cost = 0.0
        for item in self.ending + self.stores:
            slots = item.slots(vector, lanes) if item.memory else item.weight
            cost += slots * size * prod(widths[a] for a in item.axes if a < len(widths))
        if not inside:
            cost += 3.0 * points * len(self.nest.accums) + 4.0
        return cost + 2.0

    def _vector_cost(self, lanes: int) -> float:
        """Issue slots of one instruction on ``lanes``, in those of a full vector."""
        return max(0.55, lanes / self.lanes) if lanes > 1 else 0.5

    # the result

    def schedule(self, c: _Candidate) -> ir.Schedule:
        block = tuple(
            (axis, n) for axis, n in zip(self.axes, c.block, strict=True) if n > 1
        )
        columns = self._columns(c) if c.vector in self.inner else None
        vector = self.axes[c.vector] if c.vector >= 0 else None
        return ir.Schedule(vector, c.lanes, block, columns=columns)

    def _columns(self, c: _Candidate) -> ir.Axis | None:
        """The blocked axis along which the stores are contiguous."""
        for axis in self.outer:
            if c.block[axis] > 1 and all(dict(s.steps).get(axis) == 1 for s in self.stores):
                if not any(s.scattered for s in self.stores):
                    return self.axes[axis]
        return None


def _items(roots: list[Node], skip: set[int]) -> list[_Item]:
    """The work of some expressions, each node once; ``skip`` are multiplications that fuse."""
    seen: set[int] = set()
    items: list[_Item] = []

    def visit(node: Node) -> None:
        if node.number in seen:
            return
        seen.add(node.number)
        for a in node.args:
            visit(a)
        if node.index:
            for n, _ in node.index.loaded:
                visit(n)
        if node.kind == "load" and node.index:
            scattered = frozenset(a for n, _ in node.index.loaded for a in n.axes)
            items.append(_Item(frozenset(node.axes), 1.0, node.index.terms, scattered, memory=True))
        elif node.kind not in _FREE and node.number not in skip and node.axes:
            integer = not node.dtype.is_float
            weight = 0.5 if integer else float(_HEAVY.get(node.kind, 1))
            items.append(_Item(frozenset(node.axes), weight))

    for root in roots:
        visit(root)
    return items


def _lanes(roots: list[Node], nest: ir.Nest, cpu: Cpu) -> int:
    """Lanes of a full vector: of the narrowest type in memory or in an accumulator, but no
    less than four bytes, because narrower ones are widened to compute with."""
    sizes = [s.buffer.dtype.bytes for s in nest.stores] + [a.dtype.bytes for a in nest.accums]
    stack, seen = list(roots), set()
    while stack:
        node = stack.pop()
        if node.number in seen:
            continue
        seen.add(node.number)
        if node.dtype.is_float:
            sizes.append(node.dtype.bytes)
        stack += node.args
    return cpu.vector_bytes // max(4, min(sizes, default=4))


def _balanced(extent: int, most: int) -> list[int]:
    """Widths that split an extent into nearly equal blocks."""
    return sorted({-(-extent // n) for n in range(1, extent + 1) if -(-extent // n) < most})
