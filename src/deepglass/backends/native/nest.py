"""One nest of the loop IR as one LLVM function, blocked as its schedule says.

    for each loop of axes:                  step = block (times lanes for the vector axis)
        a panel, after the vector axis      see `panel.py`
        accumulators of the block = neutral
        for each loop of over:              carries the accumulators in registers
            accumulators = combine(accumulators, expr)   for each point of the block
        stores                              for each point of the block

Where a block does not divide its axis, the rest is a second region with a smaller block and,
along the vector axis, a last vector in which some lanes are masked off. All extents are
known, so there is no test whether a loop runs at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import gcd, prod
from typing import Any

from ...graph.types import int64
from . import ir, reduce
from .access import Target, store, tail_mask
from .cpu import Cpu
from .expr import Evaluator, Scope
from .nodes import IndexNode, Node, NodeTable
from .panel import PanelCopy, Strips, turn
from .place import Position, Region
from .scratch import NEAR
from .spans import start_of, stop_of
from .text import Value, Writer, constant, memory_text
from .work import reachable

LONG = 64  # terms of a sum that takes as long as memory does

Key = tuple[int, tuple[int, ...], tuple[int, ...]]  # accumulator, point of axes, point of over
States = dict[Key, reduce.State]


@dataclass(frozen=True)
class Rows:
    """The rows a function works on.

    Attributes:
        count: so many, from 0 if those are all and else from its argument ``lo``.
        size: ``lo`` is a multiple of it.
        tile: so many of them are one step of the axis.
    """

    axis: ir.Axis | None
    count: int
    size: int
    tile: int = 1


@dataclass
class _Loop:
    """A loop being written: its blocks, and the values it carries from step to step.

    What is carried as the counter is frozen before it is used. LLVM then knows no induction
    variable, and leaves the addresses as they were written, which takes it a third less time.
    """

    label: str
    counter: str
    before: str
    start: str
    latch: str = ""
    phis: list[str] = field(default_factory=list)

    @property
    def counted(self) -> str:
        return f"{self.counter}.counted"

    def carry(self, name: str, kind: str, first: str, again: str) -> None:
        choices = f"[ {first}, %{self.before} ], [ {again}, %{self.latch} ]"
        self.phis.append(f"  {name} = phi {kind} {choices}")


@dataclass(frozen=True)
class Function:
    """A nest as LLVM IR.

    The text has no name and knows its buffers only as arguments, so that nests which do the
    same to different memory have the same text.

    Attributes:
        text: `(i64 lo, i64 chunk, ptr table, ptr base0, ...) ... { ... }`.
        bases: the home of each base.
        functions: definitions of the functions it calls, by name.
    """

    text: str
    bases: tuple[ir.Home, ...]
    functions: dict[str, str]


def emit_nest(nest: ir.Nest, chunk: ir.Axis, rows: Rows, cpu: Cpu) -> Function:
    """Return the function that runs a nest on ``rows``."""
    return NestEmitter(nest, chunk, rows, cpu).function()


class NestEmitter:
    def __init__(self, nest: ir.Nest, chunk: ir.Axis, rows: Rows, cpu: Cpu) -> None:
        schedule = nest.schedule or ir.Schedule()
        self.nest, self.rows = nest, rows
        loops = schedule.order or nest.axes + nest.over
        axes = nest.axes + nest.over
        if chunk not in axes:
            axes += (chunk,)
        number = {axis: i for i, axis in enumerate(axes)}
        self.axes = axes
        self.outer = [number[a] for a in loops if a in nest.axes]
        self.inner = [number[a] for a in loops if a in nest.over]
        self.vector = number[schedule.vector] if schedule.vector else -1
        self.lanes = schedule.lanes if schedule.vector else 1
        self.paired = schedule.paired
        self.columns = number[schedule.columns] if schedule.columns else -1
        self.turned = number[schedule.turned] if schedule.turned else -1
        self.block = {number[a]: n for a, n in schedule.block}
        self.unroll = {number[a]: n for a, n in schedule.unroll}
        self.width = dict.fromkeys(range(len(axes)), 1)
        self.valid = self.lanes
        self.writer = Writer(cpu.converts_float16)
        start = [Position() for _ in axes]
        if chunk not in nest.axes + nest.over and chunk.extent > 1:
            start[number[chunk]] = Position("%chunk", 0, 0, 0, chunk.extent - 1, 1)
        self.place = list(start)
        self.ev = Evaluator(self.writer, self.place)
        written = frozenset(s.buffer.home for s in nest.stores)
        table = NodeTable(axes, written)
        self.accums = [table.node(a.expr) for a in nest.accums]
        self.stores = [
            (Target(s.buffer, table.index(s.index), s.combine), table.node(s.expr))
            for s in nest.stores
        ]
        both = zip(nest.stores, self.stores, strict=True)
        early = [s.aside and node.kind == "acc" for s, (_, node) in both]
        self.sums_aside = [s for s, first in zip(self.stores, early, strict=True) if first]
        self.others = [s for s, first in zip(self.stores, early, strict=True) if not first]
        self.spans = {number[s.over]: (number[s.axis], s) for s in nest.spans}
        self.order = table.node(ir.Iota(_row_major(nest.over)))
        self.copied = self._factor(True) if schedule.panel else None
        self.strips = (
            Strips(self, self._factor(False), number[schedule.strips]) if schedule.strips else None
        )
        self.panels = 0
        self.label, self._labels = "entry", 0
        self.lanes_of(self.vector, self.lanes)

    def function(self) -> Function:
        self.ev.here()
        if all(self.count_of(a) for a in self.outer):
            self._open_axes(0)
        scope, bases = self.ev.scopes[0], self.ev.bases
        pointers = "".join(f", ptr {name}" for name in bases.values())
        head = f"(i64 %lo, i64 %chunk, ptr %table{pointers}) noinline #0 {{"
        lines = [
            head,
            "entry:",
            f"  %first = udiv i64 %lo, {self.rows.tile}",
            *self._stack(),
            *_flat([scope.head.lines, scope.body.lines]),
            "  ret void",
            "}",
            "",
        ]
        return Function("\n".join(lines), tuple(bases), self.writer.functions)

    # what is copied

    def _factor(self, in_lanes: bool) -> Node:
        """The factor that the vectors read, or the one that is spread over them."""
        (product,) = self.accums
        (factor,) = (n for n in product.args if (self.vector in n.axes) == in_lanes)
        return factor

    def _stack(self) -> list[str]:
        """The memory of copies."""
        if self.copied is None:
            return []
        size = prod(a.extent for a in self.nest.over) * self.block.get(self.vector, 1) * self.lanes
        panel = f"  %panel = alloca [{size} x {memory_text(self.copied.dtype)}], align 64"
        return [panel, *(self.strips.stack() if self.strips else [])]

    # loops

    def count_of(self, axis: int) -> int:
        """Points of an axis that one call visits."""
        rows = self.rows
        return rows.count // rows.tile if self.axes[axis] == rows.axis else self.axes[axis].extent

    def regions(self, axis: int) -> list[Region]:
        """Steps of full blocks, then one smaller block for what is left."""
        extent = self.count_of(axis)
        lanes = self.lanes if axis == self.vector else 1
        width = self.block.get(axis, 1) * self.unroll.get(axis, 1)
        step = width * lanes
        full = extent // step * step
        regions = [Region(0, full, step, width, lanes)] if full else []
        rest = extent - full
        if rest:
            width = -(-rest // lanes)
            valid = rest - (width - 1) * lanes
            regions.append(Region(full, full + width * lanes, width * lanes, width, valid))
        return regions

    def _open_axes(self, level: int) -> None:
        if level == len(self.outer):
            self._block()
            return
        axis = self.outer[level]
        if self.strips and axis == self.vector:
            self.ev.copies = {}
            self.strips.write()
            self.ev.copies = {self.strips.node.number: self.strips}
        for region in self.regions(axis):
            self.loop(axis, region, {}, lambda states: self._inside(level, states))

    def _inside(self, level: int, states: States) -> States:
        if self.copied is not None and self.outer[level] == self.vector:
            self.ev.copies.pop(self.copied.number, None)
            self.ev.copies[self.copied.number] = PanelCopy(self, self.copied, self.panels).write()
            self.panels += 1
        self._open_axes(level + 1)
        return states

    def _open_over(self, level: int, states: States) -> States:
        if level == len(self.inner):
            return self._accumulate(states)
        axis = self.inner[level]
        if axis in self.spans:
            return self._span(axis, states, lambda s: self._open_over(level + 1, s))
        for region in self.regions(axis):
            states = self.loop(axis, region, states, lambda s: self._open_over(level + 1, s))
        return states

    def _span(self, axis: int, states: States, body: Callable[[States], States]) -> States:
        """Run ``body`` for each term that the places of the block need, one at least."""
        other, span = self.spans[axis]
        terms = span.over.extent
        start = self._within(self._end(other, start_of(span)), _number(0), _number(terms - 1))
        after = self._plus(start, 1)
        stop = self._within(self._end(other, stop_of(span)), after, _number(terms))
        counter = Position("", 0, 0, 0, terms - 1, 1)
        return self._counted(axis, start.text, stop.text, 1, counter, states, body)

    def _end(self, axis: int, end: tuple[int, int, bool]) -> Value:
        """Where a span starts or stops for the places of the block along an axis."""
        factor, plus, at_last = end
        width = self.width[axis] * (self.lanes if axis == self.vector else 1)
        place = self.place[axis].moved(width - 1 if at_last else 0)
        plus += factor * place.offset
        if not place.base:
            return _number(plus)
        scaled = self.writer.binary("mul", Value(place.base, int64), _number(factor))
        return self._plus(scaled, plus)

    def _plus(self, value: Value, number: int) -> Value:
        return self.writer.binary("add", value, _number(number))

    def _within(self, value: Value, low: Value, high: Value) -> Value:
        w = self.writer
        return w.intrinsic("smin", w.intrinsic("smax", value, low), high)

    def loop(
        self, axis: int, region: Region, states: States, body: Callable[[States], States]
    ) -> States:
        """Run ``body`` for each step of the region, handing the states from step to step."""
        self.width[axis] = region.width
        if axis == self.vector:
            self.valid = region.valid
        base, grain, slack = self.first_of(axis), 0, 0
        if base:
            grain = self.rows.size // self.rows.tile
            slack = self.axes[axis].extent - self.count_of(axis)
        if region.stop - region.start == region.step:
            self.place[axis] = Position(base, region.start, 0, 0, slack, grain)
            return body(states)
        start, stop = (self._bound(base, n) for n in (region.start, region.stop))
        low, high = region.start, region.stop - region.step + slack
        counter = Position("", 0, 0, low, high, gcd(region.step, grain))
        return self._counted(axis, start, stop, region.step, counter, states, body)

    def _counted(
        self,
        axis: int,
        start: str,
        stop: str,
        step: int,
        counter: Position,
        states: States,
        body: Callable[[States], States],
    ) -> States:
        """Run ``body`` from ``start`` on below ``stop``, with what is known of the counter."""
        loop = self._open_loop(start)
        depth = len(self.ev.scopes) - 1
        self.place[axis] = counter._replace(base=loop.counter, depth=depth)
        carried = {
            k: tuple(Value(self.writer.name("a"), v.dtype, v.lanes) for v in s)
            for k, s in states.items()
        }
        results = body(carried)
        self._close_loop(loop, step, stop)
        for key, state in carried.items():
            for phi, first, again in zip(state, states[key], results[key], strict=True):
                loop.carry(phi.text, phi.type, first.text, again.text)
        return results

    def first_of(self, axis: int) -> str:
        """The name of an axis's first point in this call; none if it is 0."""
        return "%first" if self.count_of(axis) < self.axes[axis].extent else ""

    def _open_loop(self, start: str) -> _Loop:
        w = self.writer
        loop = _Loop(self._new_label(), w.name("i"), self.label, start)
        w.lines.append(f"  br label %{loop.label}")
        scope = Scope()
        frozen = f"  {loop.counter} = freeze i64 {loop.counted}"
        w.lines.append([f"{loop.label}:", loop.phis, frozen, scope.head.lines, scope.body.lines])
        self.ev.scopes.append(scope)
        self.ev.here()
        self.label = loop.label
        return loop

    def _close_loop(self, loop: _Loop, step: int, stop: str) -> None:
        """Count on, and go back while the counter is below ``stop``."""
        w = self.writer
        loop.latch, after = self.label, self._new_label()
        following, more = w.name("i"), w.name("c")
        w.lines += [
            f"  {following} = add nuw nsw i64 {loop.counter}, {step}",
            f"  {more} = icmp slt i64 {following}, {stop}",
            f"  br i1 {more}, label %{loop.label}, label %{after}",
        ]
        loop.carry(loop.counted, "i64", loop.start, following)
        self.ev.scopes.pop()
        self.ev.here()
        w.lines.append(f"{after}:")
        self.label = after

    def _bound(self, base: str, offset: int) -> str:
        if not base or not offset:
            return base or str(offset)
        return self._plus(Value(base, int64), offset).text

    def _new_label(self) -> str:
        self._labels += 1
        return f"b{self._labels}"

    # the points of a block

    def lanes_of(self, vector: int, lanes: int) -> None:
        place = self.ev.place
        place.vector, place.lanes, place.valid = vector, lanes, lanes

    def points(self, axes: list[int], pairs: bool = False) -> Iterator[tuple[int, ...]]:
        """Visit the block's points of some axes, row-major, moving the positions there.

        Args:
            pairs: visit every second vector only.
        """
        home = [self.place[a] for a in axes]
        widths = [self.width[a] for a in axes]
        self.ev.place.positions = positions = list(self.place)
        steps = [2 if pairs and a == self.vector else 1 for a in axes]
        for point in product(*(range(0, n, step) for n, step in zip(widths, steps, strict=True))):
            for axis, start, width, i in zip(axes, home, widths, point, strict=True):
                positions[axis] = start.moved(i * self.lanes if axis == self.vector else i)
                if axis == self.vector:
                    self.ev.place.valid = self.valid if i == width - 1 else self.ev.place.lanes
            yield point

    def _block(self) -> None:
        """All points of one block of the nest's axes."""
        self.ev.here()
        if self.turned >= 0:
            self._turn()
            return
        if not self.accums:
            self._store_block({})
            return
        self._ask_ahead()
        states = self._start()
        if all(self.count_of(a) for a in self.inner):
            states = self._open_over(0, states)
        self.ev.here()
        self._finish(states)

    def _turn(self) -> None:
        """Compute vectors for each point along the turned axis, and store the square the other
        way."""
        ev, lanes = self.ev, self.lanes
        across, along = self.width[self.turned], self.valid
        rows = [
            [ev.vector_value(node) for _, node in self.stores]
            for _ in self.points([self.turned, self.vector])
        ]
        self.lanes_of(self.turned, lanes)
        ev.place.valid = across
        for k, (target, node) in enumerate(self.stores):
            missing = [constant(0, node.dtype, lanes)] * (lanes - across)
            columns = turn(self.writer, [row[k] for row in rows] + missing)
            for lane, column in enumerate(columns[:along]):
                ev.place.positions = list(self.place)
                ev.place.positions[self.vector] = self.place[self.vector].moved(lane)
                store(ev, target, column)
        self.lanes_of(self.vector, lanes)

    def _ask_ahead(self) -> None:
        """Have what the stores will read brought near while a long sum is found, where it comes
        from large memory: the weights and what an optimizer remembers of them."""
        if self.vector in self.inner or prod(a.extent for a in self.nest.over) < LONG:
            return
        ends = reachable([node for _, node in self.stores])
        for _ in self.points(self.outer):
            for node in ends:
                if node.buffer and node.index and self.flows(node.buffer, node.index):
                    lanes = self.ev.lanes_of(node.index)
                    where = self.ev.address(node.buffer, node.index, lanes)
                    self.writer.ask(where, written=True)

    def flows(self, buffer: ir.Buffer, index: IndexNode) -> bool:
        """Whether vectors of this index go through memory that fits no near cache."""
        along = index.coefficient(self.vector) == 1 and not index.loaded
        return along and buffer.size * buffer.dtype.bytes > NEAR

    def _start(self) -> States:
        partials = [range(self.block.get(a, 1)) for a in self.inner]
        points = list(product(*(range(self.width[a]) for a in self.outer)))
        return {
            (i, point, part): reduce.neutral(a.combine, a.expr.dtype, self.lanes)
            for i, a in enumerate(self.nest.accums)
            for part in product(*partials)
            for point in points
        }

    def _accumulate(self, states: States) -> States:
        """One step of every accumulator for every point of the blocks.

        The widest axis comes first: what is loaded for one of its points is used for all of the
        narrower axes, and its register is free again."""
        self.ev.here()
        states = dict(states)
        axes = self.inner + sorted(self.outer, key=lambda a: -self.width[a])
        for point in self.points(axes):
            at = dict(zip(axes, point, strict=True))
            part = tuple(at[a] % self.block.get(a, 1) for a in self.inner)
            for i, accum in enumerate(self.nest.accums):
                key = i, tuple(at[a] for a in self.outer), part
                states[key] = self._step(accum, self.accums[i], states[key])
        return states

    def _step(self, accum: ir.Accum, node: Node, old: reduce.State) -> reduce.State:
        ev, w = self.ev, self.writer
        if accum.combine == "add" and node.kind == "mul" and node.dtype.is_float:
            a, b = (ev.vector_value(n) for n in node.args)
            new: reduce.State = (w.fma(a, b, old[0]),)
        else:
            position = ev.vector_value(self.order) if accum.combine == "argmax" else None
            new = reduce.step(w, accum.combine, old, ev.vector_value(node), position)
        mask = tail_mask(ev)
        if mask is None or self.vector not in self.inner:
            return new
        if accum.combine == "add" and self._vanishes(node):
            return new
        return reduce.keep(w, mask, new, old)

    def _vanishes(self, node: Node) -> bool:
        """Whether a term is 0 in masked-off lanes, because what it is made of is."""
        if node.kind == "load":
            return self.vector in node.axes and node.value == 0
        return node.kind in ("mul", "add", "sub", "neg", "cast") and all(
            self._vanishes(a) for a in node.args
        )

    # results

    def _finish(self, states: States) -> None:
        """Combine partial results and carry out the stores."""
        parts: dict[tuple[int, tuple[int, ...]], list[Value]] = {}
        for (i, point, _), state in states.items():
            parts.setdefault((i, point), []).append(state[-1])
        results = {
            key: reduce.merge(self.writer, self.nest.accums[key[0]].combine, values)
            for key, values in parts.items()
        }
        if self.vector in self.inner:
            self._finish_lanes(results)
            return
        self._store_block(results)

    def _store_block(self, results: dict[tuple[int, tuple[int, ...]], Value]) -> None:
        """The stores of all points, of two vectors at once where the schedule says so: LLVM takes
        apart what is too wide for a register, so that neither vector has to wait for the other.
        Sums that are only looked at come first, so that they occupy no register meanwhile."""
        if self.sums_aside:
            for point in self.points(self.outer):
                found = {a.name: results[i, point] for i, a in enumerate(self.nest.accums)}
                self._store_point(found, self.sums_aside)
        pairs = self.paired and self.width[self.vector] % 2 == 0 and self.valid == self.lanes
        if pairs:
            self.lanes_of(self.vector, 2 * self.lanes)
        for point in self.points(self.outer, pairs):
            found = {a.name: results[i, point] for i, a in enumerate(self.nest.accums)}
            if pairs:
                following = zip(self.outer, point, strict=True)
                other = tuple(n + (axis == self.vector) for axis, n in following)
                for i, a in enumerate(self.nest.accums):
                    both = [results[i, point], results[i, other]]
                    found[a.name] = self._pick(both, 0, 2 * self.lanes)
            self._store_point(found, self.others)
        self.lanes_of(self.vector, self.lanes)

    def _finish_lanes(self, results: dict[tuple[int, tuple[int, ...]], Value]) -> None:
        """Stores where the lanes held partial results: combine the lanes first.

        With the columns innermost, the results of a row are neighbours and make a vector.
        """
        wide = self.width[self.columns] if self.columns >= 0 else 1
        rows = [a for a in self.outer if a != self.columns]
        axes = rows + [a for a in self.outer if a == self.columns]
        ranks = [axes.index(a) for a in self.outer]
        points = list(product(*(range(self.width[a]) for a in axes)))
        folded = [
            reduce.across_lanes(
                self.writer,
                a.combine,
                [results[i, tuple(point[r] for r in ranks)] for point in points],
            )
            for i, a in enumerate(self.nest.accums)
        ]
        self.lanes_of(self.columns if wide > 1 else -1, wide)
        for row, _ in enumerate(self.points(rows)):
            start = row * wide
            found = {
                a.name: self._pick(folded[i], start, wide) for i, a in enumerate(self.nest.accums)
            }
            self._store_point(found, self.stores)
        self.lanes_of(self.vector, self.lanes)

    def _pick(self, folded: list[Value], start: int, count: int) -> Value:
        """So many neighbouring results, as a vector if there are several."""
        lanes = self.lanes
        first = folded[start // lanes]
        if count == 1:
            return self.writer.extract(first, start % lanes)
        last = folded[(start + count - 1) // lanes]
        order = [start % lanes + i for i in range(count)]
        return self.writer.shuffle(first, last if last is not first else None, order)

    def _store_point(
        self, accumulators: dict[str, Value], stores: Sequence[tuple[Target, Node]]
    ) -> None:
        """Evaluate the stores of a point, then carry them out, so that loads see old values."""
        ev = self.ev
        ev.accumulators = accumulators
        values = [ev.vector_value(node) for _, node in stores]
        for (target, _), value in zip(stores, values, strict=True):
            store(ev, target, value)


def _number(value: int) -> Value:
    return constant(value, int64)


def _row_major(axes: tuple[ir.Axis, ...]) -> ir.Index:
    """The position of a point among all points of the axes."""
    terms, stride = [], 1
    for axis in reversed(axes):
        terms.append((axis, stride))
        stride *= axis.extent
    return ir.Index(tuple(terms))


def _flat(lines: list[Any]) -> list[str]:
    flat: list[str] = []
    for line in lines:
        if isinstance(line, list):
            flat += _flat(line)
        else:
            flat.append(line)
    return flat
