"""How many cycles a nest takes, estimated for many ways of running it at once.

Three counts per register block decide: how many loads and operations remain when everything
that does not depend on a blocked axis is shared, how long the chains of dependent additions
are, and how many lanes lie beyond the axis. The unit is a full vector instruction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import gcd, log2, prod
from typing import Any

import numpy as np

from .cpu import Cpu
from .ir import Span
from .spans import average
from .work import Item, Work

_LATENCY = 4.0  # cycles from one addition to the next that needs its result
_ENOUGH = 8  # accumulators that keep the adders busy; more partial sums do not help
_TEMPORARIES = 4  # registers an expression needs besides its operands
_SPILL = 4.0  # cycles of a register that is stored and loaded again, which nothing hides
_BESIDE = 0.1  # share of the loads that additions do not hide, or the other way round
_LOAD = 1.2  # cycles of a load in a loop that does little else
_NARROW = 0.6  # cost of an instruction on few lanes
_SHORT, _MOST_CHOICES = 8, 64  # axes that choose what is computed: length, points in a block
_REST = 0.03  # what another copy of the code for the rest of an axis may cost
_WORTH_TRYING = 3.0  # times the cost of the best choice of lanes, without blocks

_NEAR, _FAR = 28 * 1024, 448 * 1024  # bytes that stay in the first, and in the second cache
_SETS = 64  # of the first cache; a line goes into the one its address tells
_FROM_SECOND, _FROM_THIRD = 2.0, 6.0  # cycles per line of 64 bytes that comes from farther away
_FROM_MEMORY = 10.0  # cycles per line that the end of a sum reads or writes
_CACHE = 512 * 1024  # bytes: a larger operand is read once, by the outer loops
_NEXT = 2  # vectors from one to the next of those that are read one beside the other, at most
_PANEL = 128 * 1024  # bytes of a panel, at most
_WORTH_COPYING = 16  # terms of a sum; of a shorter one the results take longer, row by row
_STRIPS, _MANY = 256 * 1024, 64  # bytes of strips, at most; results in a row that they are worth

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Shape:
    """All that a schedule depends on, axes by number.

    Attributes:
        split: axes before this number are the nest's `axes`, the others its `over`.
        spans: each with the numbers of its axes.
    """

    extents: tuple[int, ...]
    split: int
    combines: tuple[str, ...]
    work: Work
    cpu: Cpu
    spans: tuple[tuple[int, int, Span], ...] = ()

    @property
    def spanned(self) -> frozenset[int]:
        """Axes of the sum of which not all terms are visited: one after another."""
        return frozenset(over for _, over, _ in self.spans)

    @property
    def outer(self) -> range:
        return range(self.split)

    @property
    def inner(self) -> range:
        return range(self.split, len(self.extents))

    def serial(self, axis: int) -> bool:
        """Whether points along the axis may join in one place in memory, and keep their order."""
        joining = (s for s in self.work.stores if s.weight > 1)
        return any(axis in s.scattered or not s.step(axis) for s in joining)

    def copied(self, vector: int) -> Item | None:
        """The factor of a product that vectors along an axis read, if copies of it may pay:
        it serves several points, a panel of it fits the cache, and results are neighbours."""
        work = self.work
        if not work.multiplies or len(self.combines) > 1 or len(work.body) != 2:
            return None
        read = [i for i in work.body if vector in i.axes and i.element]
        if vector not in self.outer or len(read) != 1 or not all(i.element for i in work.body):
            return None
        others = [a for a in self.outer if a not in read[0].axes and self.extents[a] > 1]
        if not others or read[0].scattered or read[0].patterned:
            return None
        if any(map(self.serial, others)) or any(s.step(vector) != 1 for s in work.stores):
            return None
        terms = prod(self.extents[a] for a in self.inner)
        fits = terms * 2 * self.cpu.vector_bytes <= _PANEL
        return read[0] if terms >= _WORTH_COPYING and fits else None

    def strips(self, vector: int) -> int | None:
        """The axis of results along which the factor beside a copied one lies, if copying it too
        pays: many panels read it, of each of its lines little at a time."""
        copied = self.copied(vector)
        if copied is None or self.extents[vector] < _MANY:
            return None
        (item,) = (i for i in self.work.body if i is not copied)
        rest = [a for a in self.outer if a in item.axes - copied.axes]
        if len(rest) != 1 or item.scattered or item.patterned or item.step(rest[0]) != 1:
            return None
        size = item.element * prod(self.extents[a] for a in (rest[0], *self.inner))
        return rest[0] if item.step(self.inner[-1]) != 1 and size <= _STRIPS else None

    def order(self, lanes: Lanes) -> tuple[int, ...]:
        """Loops: as given, but the vector axis of a map last, and behind it the one to turn. Of a
        sum's loops panels come one after another, each for all axes it does not depend on, and so
        do tiles of what is read along the lanes; else the axes of an operand that does not fit the
        cache first, so that it is read once."""
        outer, vector = list(self.outer), lanes.vector
        loads = [i for i in self.work.body if i.element]
        copied = self.copied(vector) if lanes.panel else None
        if copied is not None:
            outer.sort(key=lambda a: 1 if a == vector else 0 if a in copied.axes else 2)
            return (*outer, *self.inner)
        if any(map(self.serial, outer)):
            return (*outer, *self.inner)
        if not self.combines:
            outer.sort(key=lambda a: 2 if a == lanes.turned else a == vector)
            return tuple(outer)
        tiled = {a for i in loads if abs(i.step(vector)) == 1 for a in i.axes} - {vector}
        tiles = [a for a in outer[1:] if a in tiled]
        if vector in outer and tiles:
            rest = [a for a in outer[1:] if a not in tiled]
            return (outer[0], *tiles, *rest, *self.inner)
        largest = max(loads, key=self.footprint, default=None)
        if largest is not None and self.footprint(largest) > _CACHE:
            outer.sort(key=lambda a: a not in largest.axes)
        return (*outer, *self.inner)

    def footprint(self, item: Item) -> int:
        axes = (a for a in item.axes if a < len(self.extents))
        return item.element * prod(self.extents[a] for a in axes)


@dataclass(frozen=True)
class Lanes:
    """An axis (or -1), how many of its points are in a vector, whether what the vectors read is
    copied into a panel, and what is spread over them into strips, and the axis (or -1) along which
    turned vectors are stored."""

    vector: int
    lanes: int
    panel: bool = False
    turned: int = -1

    def steps(self, shape: Shape, axis: int) -> int:
        """Vectors along the vector axis, points along another."""
        extent = shape.extents[axis]
        return -(-extent // self.lanes) if axis == self.vector else extent

    def copies(self, shape: Shape, item: Item) -> bool:
        """Whether what is read of an item lies side by side in a copy."""
        along = self.vector in item.axes
        return self.panel and (along or shape.strips(self.vector) is not None)

    def size(self, shape: Shape) -> float:
        """Cost of an instruction, beside a full vector's 1."""
        fraction = self.lanes * shape.work.narrowest / shape.cpu.vector_bytes
        return max(_NARROW, fraction) if self.lanes > 1 else _NARROW


@dataclass(frozen=True)
class Choice:
    """The cheapest way found; ``block`` has a width per axis."""

    lanes: Lanes
    block: tuple[int, ...]
    cycles: float


def cheapest(shape: Shape) -> Choice:
    """Return the lanes and the register block with the lowest estimate."""
    choices = _worth_trying(shape)
    blocks = [_blocks(shape, c) for c in choices]
    which = np.repeat(np.arange(len(choices)), [len(b) for b in blocks])
    model = _Model(shape, choices, np.concatenate(blocks), which)
    cycles = model.cycles()
    best = int(np.argmin(cycles))
    block = tuple(int(n) for n in model.blocks[best])
    return Choice(choices[which[best]], block, float(cycles[best]))


# which axis goes into the lanes


def _worth_trying(shape: Shape) -> list[Lanes]:
    """Of a sum, which has many blocks, without the hopeless choices."""
    choices = list(_lane_choices(shape))
    if not shape.combines:
        return choices
    costs = [_rough_cost(shape, c) for c in choices]
    limit = _WORTH_TRYING * min(costs)
    return [c for c, cost in zip(choices, costs, strict=True) if cost <= limit]


def _lane_choices(shape: Shape) -> Iterator[Lanes]:
    """Yield scalars, full vectors along each axis, and narrower ones that waste fewer lanes."""
    yield Lanes(-1, 1)
    for axis, extent in enumerate(shape.extents):
        if extent < 2 or not _may_vectorise(shape, axis):
            continue
        lanes, covered = shape.cpu.vector_bytes // shape.work.narrowest, 0
        while lanes > 1:
            padded = -(-extent // lanes) * lanes
            if covered == 0 or padded < covered:
                covered = padded
                yield Lanes(axis, lanes)
                if shape.copied(axis) is not None:
                    yield Lanes(axis, lanes, panel=True)
                turned = _turned(shape, axis, lanes)
                if turned >= 0:
                    yield Lanes(axis, lanes, turned=turned)
            lanes = lanes // 2 if lanes * shape.work.narrowest > 16 else 1


def _turned(shape: Shape, vector: int, lanes: int) -> int:
    """The axis along which all stores of a map lie side by side, unless that is the vector axis,
    or too short for squares; else -1."""
    stores = shape.work.stores
    if shape.combines or not shape.work.apart or not stores:
        return -1
    if any(s.step(vector) == 1 for s in stores):
        return -1
    for axis in shape.outer:
        if shape.extents[axis] >= lanes and all(s.step(axis) == 1 for s in stores):
            return axis if not any(s.scattered or s.patterned for s in stores) else -1
    return -1


def _may_vectorise(shape: Shape, axis: int) -> bool:
    """Whether lanes cannot collide in a store, and can be combined at the end."""
    if axis in shape.inner:
        return "argmax" not in shape.combines and axis not in shape.spanned
    for store in shape.work.stores:
        adds = store.weight > 1
        if not store.step(axis) if axis not in store.scattered else adds:
            return False
    return True


def _rough_cost(shape: Shape, c: Lanes) -> float:
    """Cost without blocks, to tell hopeless choices."""
    size = c.size(shape)
    body = sum(_slots(shape, i, c) for i in shape.work.body) * size
    if c.vector in shape.inner:
        end = sum(_slots(shape, i, Lanes(-1, 1)) for i in shape.work.stores) + 3.0
    else:
        end = sum(_slots(shape, i, c) for i in (*shape.work.ending, *shape.work.stores)) * size
    outer = prod(c.steps(shape, a) for a in shape.outer)
    once = outer * (end + body * prod(c.steps(shape, a) for a in shape.inner))
    return once + _copying(shape, c)


def _slots(shape: Shape, item: Item, c: Lanes) -> float:
    if c.panel and c.vector in item.axes and item.element:
        return item.weight
    if c.turned >= 0 and any(item is store for store in shape.work.stores):
        return item.weight * (1 + log2(c.lanes))  # exchanged with others, and stored
    return item.slots(c.vector, c.lanes) if item.element else item.weight


def _inside(item: Item, order: Sequence[int], shape: Shape) -> list[bool]:
    """Which axes lie inside the innermost loop of ``order`` that the item does not depend on."""
    inside = [a in shape.inner for a in range(len(order))]
    for axis in reversed(order[: shape.split]):
        if axis not in item.axes and shape.extents[axis] > 1:
            break
        inside[axis] = True
    return inside


def _copying(shape: Shape, c: Lanes) -> float:
    """Cycles that the copies of all panels take."""
    item = shape.copied(c.vector) if c.panel else None
    if item is None:
        return 0.0
    axes = (a for a in item.axes if a < len(shape.extents))
    vectors = prod(c.steps(shape, a) for a in axes)
    other = next(i for i in shape.work.body if i is not item)
    strips = 0 if shape.strips(c.vector) is None else prod(shape.extents[a] for a in other.axes)
    if item.step(c.vector) == 1:
        return 3.0 * vectors + 0.5 * strips
    turned = item.step(shape.inner[-1]) == 1
    return vectors * (3.0 + log2(c.lanes) if turned else 3.0 * c.lanes + 1) + 0.5 * strips


# how large the blocks are


def _blocks(shape: Shape, c: Lanes) -> Array:
    """Candidates: one row per block, one column per axis."""
    steps = [c.steps(shape, a) for a in range(len(shape.extents))]
    if not shape.combines:
        return np.array(list(_map_blocks(shape, c, steps)), np.int64)
    most = (shape.cpu.registers - 1) // len(shape.combines)
    rows: list[tuple[int, ...]] = [()]
    sizes = [1]
    for axis, extent in enumerate(steps):
        widths = _widths(shape, axis, c, extent)
        if widths == [1]:
            rows = [(*r, 1) for r in rows]
            continue
        limit = _ENOUGH if axis in shape.inner else most
        pairs = [
            (r, s, w)
            for r, s in zip(rows, sizes, strict=True)
            for w in widths
            if s * w <= limit or (w == 1 and s <= most)
        ]
        rows = [(*r, w) for r, _, w in pairs]
        sizes = [s * w for _, s, w in pairs]
    return np.array(rows, np.int64).reshape(len(rows), len(steps))


def _widths(shape: Shape, axis: int, c: Lanes, extent: int) -> list[int]:
    """Block widths worth trying: nearly equal blocks, or for partial sums powers of 2."""
    if axis in shape.inner:
        last = shape.inner[-1] if c.vector not in shape.inner else c.vector
        partial = axis == last and axis not in shape.spanned and "argmax" not in shape.combines
        return [n for n in (1, 2, 4) if n <= extent] if partial else [1]
    if shape.serial(axis):
        return [1]
    if c.vector in shape.outer and axis != c.vector and _panels(shape, axis, c):
        return [1]
    equal = {-(-extent // n) for n in range(1, min(extent, 64) + 1)}
    return sorted(n for n in equal | {1, 2, 3, 4} if n <= min(extent, 16))


def _map_blocks(shape: Shape, c: Lanes, steps: Sequence[int]) -> Iterator[list[int]]:
    """Several vectors; one, or several, with the short axes whole that choose what is computed."""
    row = [1] * len(steps)
    if c.turned >= 0:
        row[c.turned] = min(c.lanes, steps[c.turned])
        yield row
        return
    if c.vector >= 0:
        row[c.vector] = min(_map_vectors(shape.work), steps[c.vector])
    yield row
    whole = [a for a in shape.work.choices if a != c.vector and steps[a] <= _SHORT]
    for vectors in (1, row[c.vector]) if whole else ():
        if vectors * prod(steps[a] for a in whole) <= _MOST_CHOICES:
            yield [
                steps[a] if a in whole else vectors if a == c.vector else 1
                for a in range(len(steps))
            ]


def _panels(shape: Shape, axis: int, c: Lanes) -> bool:
    """Whether all that is read along the lanes is other for each point of an axis, and far away,
    so that its points share nothing of it, and a copied panel serves one of them at a time."""
    read = [i for i in shape.work.body if i.element and c.vector in i.axes]
    along = [i for i in read if c.panel or abs(i.step(c.vector)) == 1]
    return bool(along) and all(
        axis in i.axes and (c.panel or abs(i.step(axis)) > _NEXT * c.lanes) for i in along
    )


def _map_vectors(work: Work) -> int:
    """Vectors per step of a nest without accumulators: four, or a pair, see `ir.Schedule`."""
    return 4 if sum(i.weight for i in work.ending) < 8 else 2


# the estimate


@dataclass
class _Model:
    """Estimates for every row of ``blocks``, which belongs to the choice ``which``."""

    shape: Shape
    choices: Sequence[Lanes]
    blocks: Array
    which: Array
    _near: dict[Item, list[tuple[int, list[int]]]] = field(default_factory=dict)  # by distance

    def cycles(self) -> Array:
        """Estimated cycles of the whole nest."""
        shape, blocks = self.shape, self.blocks
        axes = range(len(shape.extents))
        steps = np.array([[c.steps(shape, a) for a in axes] for c in self.choices])[self.which]
        rest = steps % blocks  # a smaller block, which shares less
        times = steps // blocks + (rest > 0) * 0.5 * (1 + rest / blocks)
        for axis, over, span in shape.spans:
            widths, which = np.unique(blocks[:, axis], return_inverse=True)
            times[:, over] = np.array([average(span, int(n)) for n in widths])[which]
        once = self._end_cycles()
        if shape.combines:
            compute = times[:, shape.split :].prod(axis=1) * self._step_cycles()
            fetch = self._fetch_cycles()
            once = once + np.maximum(compute, fetch) + 0.25 * np.minimum(compute, fetch)
        total = times[:, : shape.split].prod(axis=1) * once
        total = total + self._of_choice([_copying(shape, c) for c in self.choices])
        # blocks of near axes are near in memory
        late = (blocks > 1) @ (0.01 * np.arange(blocks.shape[1])[::-1])
        return np.asarray(total * (1.0 + late) * (1.0 + _REST * (self._copies() - 1)))

    def _of_choice(self, numbers: Sequence[float]) -> Array:
        """One number per choice, spread to its rows."""
        return np.asarray(np.array(numbers)[self.which])

    def _copies(self) -> Array:
        """How often the code of a block is emitted: full blocks and rests of every axis."""
        axes = range(len(self.shape.extents))
        lanes = np.array([[c.lanes if a == c.vector else 1 for a in axes] for c in self.choices])
        full, rest = np.divmod(np.array(self.shape.extents), self.blocks * lanes[self.which])
        return np.asarray(((full > 0).astype(int) + (rest > 0)).prod(axis=1))

    def _step_cycles(self) -> Array:
        """One step of the innermost loop, for all points of the block."""
        shape, choices = self.shape, self.choices
        sizes = self._of_choice([c.size(shape) for c in choices])
        sums = self.blocks.prod(axis=1) * len(shape.combines)
        loads, arithmetic = np.zeros(len(sums)), sums * sizes
        operands: list[Array] = []
        for item in shape.work.body:
            points = self._points(item, self.blocks)
            if item.element:
                slots = self._of_choice([_slots(shape, item, c) * c.size(shape) for c in choices])
                loads = loads + points * slots * _LOAD
                operands.append(points)
            else:
                arithmetic = arithmetic + points * sizes * item.weight
        live = np.full(len(sums), 0 if shape.work.multiplies else _TEMPORARIES)
        if len(operands) > 1:  # one operand can be taken from memory piece by piece
            live = live + np.sum(operands, axis=0) - np.max(operands, axis=0)
        spilled = np.maximum(0, sums + live + 1 - shape.cpu.registers)
        most = np.maximum(np.maximum(arithmetic, loads), _LATENCY)
        hidden = np.minimum(arithmetic, loads)
        return np.asarray(most + _BESIDE * hidden + _SPILL * spilled + 1.0)

    def _fetch_cycles(self) -> Array:
        """Bringing what one block's reduction reads from the caches that hold it until then.

        A factor is read again in the innermost loop it does not depend on; what the loops inside
        that one read of it has to stay in a cache."""
        shape = self.shape
        full, spans = np.array(shape.extents), self._spans()
        spans[:, shape.split :] = full[shape.split :]
        orders = [shape.order(c) for c in self.choices]
        cycles = np.zeros(len(spans))
        for item in (i for i in shape.work.body if i.element):
            inside = np.array([_inside(item, order, shape) for order in orders])[self.which]
            copied = self._of_choice([c.copies(shape, item) for c in self.choices])
            lines, sets = self._lines(item, np.where(inside, full, spans), copied)
            kept = 64 * lines * _SETS / sets
            line = np.where(kept <= _NEAR, 0.0, np.where(kept <= _FAR, _FROM_SECOND, _FROM_THIRD))
            cycles = cycles + self._lines(item, spans, copied)[0] * line
        return cycles

    def _spans(self) -> Array:
        """Points of a block along each axis."""
        axes = range(len(self.shape.extents))
        lanes = np.array([[c.lanes if a == c.vector else 1 for a in axes] for c in self.choices])
        return np.asarray(np.minimum(self.blocks * lanes[self.which], self.shape.extents))

    def _lines(self, item: Item, widths: Array, copied: Array) -> tuple[Array, Array]:
        """Lines of 64 bytes that hold the points of an item, and the sets of the first cache that
        these fall into: rows a power of two apart meet in few. Copies lie side by side."""
        run, rows, places = self._runs(item, widths)
        length = np.maximum(run / 64, 1.0)
        beside = self._points(item, widths) * item.element / 64
        return (
            np.where(copied, beside, rows * length),
            np.where(copied, _SETS, np.minimum(places * length, _SETS)),
        )

    def _runs(self, item: Item, widths: Array) -> tuple[Array, Array, Array]:
        """Bytes from the first to the last neighbour in memory, how many such runs there are, and
        how many sets of the first cache these start in."""
        rows, places = np.ones(len(widths)), np.ones(len(widths))
        run = item.element * rows
        for step, count in self._distances(item, widths):
            apart = step * item.element
            if 0 < apart < 64:
                run = run + (count - 1) * apart
            else:
                rows = rows * count
                places = places * np.minimum(count, _SETS / gcd(_SETS, -(-apart // 64)))
        return run, rows, places

    def _end_cycles(self) -> Array:
        """Starting the accumulators of a block, and its stores."""
        shape = self.shape
        across = [c.vector in shape.inner for c in self.choices]  # stores are narrow then
        ends = [Lanes(-1, 1) if a else c for a, c in zip(across, self.choices, strict=True)]
        points = self.blocks[:, : shape.split].prod(axis=1)
        cost = 2.0 + self._of_choice([4.0 * a for a in across])
        cost = cost + points * self._of_choice([3.0 * len(shape.combines) * a for a in across])
        if shape.combines:
            cost = cost + 0.5 * self.blocks.prod(axis=1) + 4.0
        ending = Counter(shape.work.ending)
        for item, times in (*ending.items(), *((store, 1) for store in shape.work.stores)):
            slots = [times * _slots(shape, item, e) * e.size(shape) for e in ends]
            cost = cost + self._of_choice(slots) * self._points(item, self.blocks)
            if item.element and shape.footprint(item) > _FAR:
                run, rows, _ = self._runs(item, self._spans())
                cost = cost + _FROM_MEMORY * rows * np.ceil(run / 64)
        return np.asarray(cost)

    def _points(self, item: Item, widths: Array) -> Array:
        """How many different points of the item there are; indices that move together along
        several axes overlap."""
        points = np.ones(len(widths))
        for _, count in self._distances(item, widths):
            points = points * count
        return points

    def _distances(self, item: Item, widths: Array) -> Iterator[tuple[int, Array]]:
        """Yield how far apart in memory neighbours along axes are, 0 where nothing is known, and
        how many different points there are."""
        known = self._near.get(item)
        if known is None:
            groups: dict[int, list[int]] = {}
            steps = dict(item.steps) if item.element else {}
            for axis in item.axes:
                if axis < widths.shape[1]:
                    step = abs(steps.get(axis, 0)) if axis not in item.scattered else 0
                    groups.setdefault(step or -1 - axis, []).append(axis)
            known = self._near[item] = [(max(step, 0), axes) for step, axes in groups.items()]
        for step, (axis, *others) in known:
            count = widths[:, axis]
            for other in others:
                count = count + (widths[:, other] - 1)
            yield step, count
