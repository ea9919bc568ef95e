"""A panel: what the vectors of a product read, copied side by side.

    for j<512, i<64:  over k<128:  s += a[i,k] * b[k,j];  c[i,j] = s
    -->
    for j in blocks of 16:
        for k<128:  panel[k] = b[k, j to j + 16]
        for i in blocks of 6:
            for k<128:  s[6, 16] += a[i to i + 6, k] * panel[k]
            c[i to i + 6, j to j + 16] = s

Rows of ``b`` that lie a power of two apart push one another out of the first cache; and where
``b`` lies the other way, b[j,k], its vectors are no neighbours. A panel is read once for every
block of ``i``, from one stretch of memory. Where it is transposed, squares are turned in
registers.

Strips are the same for the other factor, where it lies along the results and not along the sum,
a[k,i]: of each of its lines a block needs a few numbers only. All that the rows of a chunk need
is copied once, before the panels, block after block:

    for i in blocks of 6, k<128:  strips[i, k] = a[k, i to i + 6]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .expr import Lanes
from .ir import STACK, Buffer
from .nodes import IndexNode, Node
from .place import Region
from .text import Value, Writer, constant, memory_text

if TYPE_CHECKING:
    from .expr import Evaluator
    from .nest import NestEmitter, States

_HERE = Lanes((), None)
_LINE = 64  # bytes of a line of the cache
_AT_ONCE = 4  # steps of the sum that a turn of the loop copies into strips


class Copy(Protocol):
    """What stands for a load."""

    def load(self, ev: Evaluator) -> Value: ...


@dataclass(frozen=True)
class Panel:
    """A copied panel.

    Attributes:
        node: the load it stands for.
        buffer: its memory.
        index: where the first vector of a step is.
        home: where the vector axis stands at the panel's first lane, as an offset.
        number: tells panels apart that take turns in the memory.
    """

    node: Node
    buffer: Buffer
    index: IndexNode
    home: int
    number: int

    def pointer(self, ev: Evaluator, offset: int) -> str:
        """The address of the vector so many lanes, or steps, after the first of this step."""
        index = IndexNode(self.index.terms, offset, ())
        return ev.address(self.buffer, index, _HERE)

    def load(self, ev: Evaluator) -> Value:
        place = ev.place
        pointer = self.pointer(ev, place.positions[place.vector].offset - self.home)
        dtype, lanes = self.node.dtype, place.lanes
        return ev.placed(
            len(ev.scopes) - 1,
            ("panel", self.number, pointer),
            lambda: ev.writer.load(pointer, dtype, lanes, fresh=True),
        )


class PanelCopy:
    """Writes the copy of a panel at the start of a block of the vector axis.

    Args:
        emitter: of the nest; its vector axis stands at the block.
        node: the load to copy.
        number: of the panel.
    """

    def __init__(self, emitter: NestEmitter, node: Node, number: int) -> None:
        self.emitter, self.node = emitter, node
        self.vector, self.lanes = emitter.vector, emitter.lanes
        self.home, self.valid = emitter.place[self.vector], emitter.valid
        self.step = stride = emitter.width[self.vector] * self.lanes
        terms = []
        for axis in reversed(emitter.inner):
            terms.append((axis, stride))
            stride *= emitter.axes[axis].extent
        buffer = Buffer("panel", node.dtype, stride, STACK)
        index = IndexNode(tuple(terms), 0, ())
        self.panel = Panel(node, buffer, index, self.home.offset, number)

    def write(self) -> Panel:
        """Emit the copy; return the panel."""
        self._loops(0)
        self.emitter.ev.here()
        return self.panel

    def _loops(self, level: int) -> None:
        emitter = self.emitter
        axis = emitter.inner[level]
        innermost = level == len(emitter.inner) - 1
        turned = innermost and self._is_turned(axis)
        if turned:
            regions = self._squares_along(axis)
        elif innermost:
            regions = emitter.regions(axis)
        else:
            regions = [Region(0, emitter.axes[axis].extent, 1, 1, 1)]
        for region in regions:

            def body(states: States, valid: int = region.valid) -> States:
                emitter.ev.here()
                if not innermost:
                    self._loops(level + 1)
                elif turned:
                    self._square(axis, valid)
                else:
                    self._vectors(axis)
                return states

            emitter.loop(axis, region, {}, body)

    def _is_turned(self, axis: int) -> bool:
        """Whether neighbours in memory lie along the axis of the sum."""
        index = self.node.index
        assert index is not None
        return index.coefficient(self.vector) != 1 and index.coefficient(axis) == 1

    def _squares_along(self, axis: int) -> list[Region]:
        full, rest = divmod(self.emitter.axes[axis].extent, self.lanes)
        end = full * self.lanes
        regions = [Region(0, end, self.lanes, 1, self.lanes)] if full else []
        return regions + ([Region(end, end + self.lanes, self.lanes, 1, rest)] if rest else [])

    def _vectors(self, axis: int) -> None:
        """Copy the vectors of the steps the loop stands at."""
        emitter, w = self.emitter, self.emitter.writer
        for _ in emitter.points([axis, self.vector]):
            value = emitter.ev.vector_value(self.node)
            offset = emitter.ev.place.positions[self.vector].offset - self.home.offset
            w.store(value, self.panel.pointer(emitter.ev, offset))
            self._ask_for_next()

    def _ask_for_next(self) -> None:
        """Have what the next panel holds in the place of this vector brought near."""
        emitter, ev, index = self.emitter, self.emitter.ev, self.node.index
        if self.node.buffer and index and emitter.flows(self.node.buffer, index):
            here = ev.place.positions[self.vector]
            ev.place.positions[self.vector] = here.moved(self.step)
            emitter.writer.ask(ev.address(self.node.buffer, index, ev.lanes_of(index)))

    def _square(self, axis: int, steps: int) -> None:
        """Copy so many steps, as many as there are lanes: load along them, and turn."""
        emitter, w, lanes = self.emitter, self.emitter.writer, self.lanes
        wide = emitter.width[self.vector]
        place = emitter.ev.place
        place.vector, place.valid = axis, steps
        for block in range(wide):
            rows = []
            for lane in range(self.valid if block == wide - 1 else lanes):
                place.positions = list(emitter.place)
                place.positions[self.vector] = self.home.moved(block * lanes + lane)
                rows.append(emitter.ev.vector_value(self.node))
            rows += [constant(0, self.node.dtype, lanes)] * (lanes - len(rows))
            place.positions = list(emitter.place)
            for step, value in enumerate(turn(w, rows)[:steps]):
                w.store(value, self.panel.pointer(emitter.ev, step * self.step + block * lanes))
        emitter.lanes_of(self.vector, lanes)


class Strips:
    """What is spread over the lanes, copied for all rows of a chunk.

    Args:
        emitter: of the nest.
        node: the load to copy.
        axis: of the rows.
    """

    def __init__(self, emitter: NestEmitter, node: Node, axis: int) -> None:
        self.emitter, self.node, self.axis = emitter, node, axis
        self.wide = emitter.block.get(axis, 1)
        terms, stride = [], self.wide
        for inner in reversed(emitter.inner):
            terms.append((inner, stride))
            stride *= emitter.axes[inner].extent
        self.row = stride // self.wide
        self.terms = (*terms, (axis, self.row))
        self.buffer = Buffer("strips", node.dtype, stride, STACK)
        self.written = 0

    def stack(self) -> list[str]:
        """Their memory; it starts at the first row of the chunk."""
        emitter, text = self.emitter, memory_text(self.node.dtype)
        count = -(-emitter.count_of(self.axis) // self.wide) * self.wide
        first = emitter.first_of(self.axis)
        return [
            f"  %strips.all = alloca [{count * self.row} x {text}], align 64",
            f"  %strips.by = mul i64 {first or 0}, {-self.row}",
            f"  %strips = getelementptr {text}, ptr %strips.all, i64 %strips.by",
        ]

    def write(self) -> None:
        """Emit the copy."""
        for region in self._regions():
            self.emitter.loop(self.axis, region, {}, lambda states: self._inside(0, states))
        self.emitter.ev.here()
        self.written += 1

    def _regions(self) -> Iterator[Region]:
        """Steps of several blocks, so that a line is read once, then what is left."""
        most = -(-_LINE // (self.wide * self.node.dtype.bytes))
        for region in self.emitter.regions(self.axis):
            blocks = (region.stop - region.start) // region.step
            middle = region.start + blocks // most * most * region.step
            halves = (region.start, middle, most), (middle, region.stop, blocks % most)
            for start, stop, n in halves:
                if start < stop:
                    yield Region(start, stop, n * region.step, n * region.width, region.valid)

    def load(self, ev: Evaluator) -> Value:
        pointer = self._pointer(ev)
        return ev.placed(
            len(ev.scopes) - 1,
            ("strips", self.written, pointer),
            lambda: ev.writer.load(pointer, self.node.dtype, fresh=True),
        )

    def _pointer(self, ev: Evaluator) -> str:
        """The address of the row and the step that the loops stand at; rows of a block are
        neighbours."""
        row = ev.place.positions[self.axis].offset - self.emitter.place[self.axis].offset
        row %= self.wide
        return ev.address(self.buffer, IndexNode(self.terms, row - row * self.row, ()), _HERE)

    def _inside(self, level: int, states: States) -> States:
        emitter = self.emitter
        emitter.ev.here()
        if level == len(emitter.inner):
            self._steps()
            return states
        axis = emitter.inner[level]
        full = emitter.axes[axis].extent // _AT_ONCE * _AT_ONCE
        for start, stop, width in ((0, full, _AT_ONCE), (full, emitter.axes[axis].extent, 1)):
            if start < stop:
                region = Region(start, stop, width, width, 1)
                emitter.loop(axis, region, states, lambda s: self._inside(level + 1, s))
        return states

    def _steps(self) -> None:
        emitter, rows = self.emitter, self.emitter.width[self.axis]
        for _ in emitter.points(emitter.inner):
            for row in range(0, rows, self.wide):
                wide = min(self.wide, rows - row)
                emitter.ev.place.positions[self.axis] = emitter.place[self.axis].moved(row)
                emitter.lanes_of(self.axis if wide > 1 else -1, wide)
                value = emitter.ev.vector_value(self.node)
                emitter.writer.store(value, self._pointer(emitter.ev))
        emitter.lanes_of(emitter.vector, emitter.lanes)


def turn(w: Writer, rows: Sequence[Value]) -> list[Value]:
    """Transpose a square of as many vectors as they have lanes, by exchanging halves, quarters
    and so on between pairs of them."""
    rows, lanes = list(rows), len(rows)
    distance = lanes // 2
    while distance:
        for i in (i for i in range(lanes) if not i & distance):
            a, b = rows[i], rows[i + distance]
            low = [lanes + j - distance if j & distance else j for j in range(lanes)]
            rows[i], rows[i + distance] = (
                w.shuffle(a, b, low),
                w.shuffle(a, b, [j + distance for j in low]),
            )
        distance //= 2
    return rows
