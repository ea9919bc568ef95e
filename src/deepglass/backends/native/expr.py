"""Evaluating the expressions of a nest: where each instruction goes, and in how many lanes.

Each loop has a *head*, at the start of its body, and a *body*. A value that depends on the
axes of outer loops only goes to the head of the innermost loop it depends on, and is
remembered there with the positions of its axes as the key; everything else goes to the body
of the current loop. So whatever is shared by the points of a register block, or does not
change in an inner loop, is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from ...graph.types import DType, bool_, int32, int64
from . import ir, ops
from .nodes import IndexNode, Node
from .text import Value, Writer, constant, constants, memory_text, unsigned

T = TypeVar("T")

_WIDEST_STRIDE = 4


class Position(NamedTuple):
    """Where an axis stands: ``base + offset``.

    Attributes:
        base: an SSA name, or "" where the position is the constant ``offset``.
        depth: of the loop that defines ``base``.
        low, high: smallest and largest value of ``base``.
    """

    base: str = ""
    offset: int = 0
    depth: int = 0
    low: int = 0
    high: int = 0

    def moved(self, distance: int) -> Position:
        return self._replace(offset=self.offset + distance)


@dataclass
class Section:
    """A place for instructions, and the values that are known there."""

    lines: list[Any] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    values: dict[Hashable, Any] = field(default_factory=dict)


@dataclass
class Scope:
    """The body of one loop, or of the function."""

    head: Section = field(default_factory=Section)
    body: Section = field(default_factory=Section)


@dataclass
class Evaluator:
    """Turns nodes into values at the current point.

    Attributes:
        positions: position of each axis at the current point.
        scopes: the open loops, outermost (the function) first.
        vector: number of the axis in the lanes, or -1.
        valid: how many lanes of the current vector lie inside the axis.
        accumulators: values of `ir.Acc` at the current point.
        bases: names of the pointers to the buffers used, by slot and offset.
    """

    writer: Writer
    positions: list[Position]
    scopes: list[Scope] = field(default_factory=lambda: [Scope()])
    vector: int = -1
    lanes: int = 1
    valid: int = 1
    accumulators: dict[str, Value] = field(default_factory=dict)
    bases: dict[tuple[int, int], str] = field(default_factory=dict)
    _depth: int = 0
    _section: Section = field(default_factory=Section)

    # where instructions go

    def here(self) -> None:
        """Let the writer append to the body of the innermost open loop."""
        self._enter(len(self.scopes) - 1, self.scopes[-1].body)

    def _enter(self, depth: int, section: Section) -> None:
        self._depth, self._section = depth, section
        self.writer.lines, self.writer.seen = section.lines, section.seen

    def _placed(self, depth: int, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` emits, once per key, in the loop at ``depth``."""
        scope = self.scopes[depth]
        section = scope.head
        if depth == len(self.scopes) - 1 and key not in section.values:
            section = scope.body
        if key not in section.values:
            before = self._depth, self._section
            self._enter(depth, section)
            section.values[key] = make()
            self._enter(*before)
        found: T = section.values[key]
        return found

    def _depth_of(self, axes: Sequence[int]) -> int:
        return max((self.positions[a].depth for a in axes), default=0)

    # values

    def value(self, node: Node) -> Value:
        """Return the value of a node at the current point; scalar if all lanes agree."""
        if node.kind == "acc":
            return self.accumulators[str(node.value)]
        depth = len(self.scopes) - 1 if node.pinned else self._depth_of(node.axes)
        return self._placed(depth, self._key(node), lambda: self._compute(node))

    def vector_value(self, node: Node) -> Value:
        """Return the value of a node in all lanes, in its own type."""
        value = self.value(node)
        if value.dtype is not node.dtype:
            value = ops.cast(self.writer, value, node.dtype)
        return self.splat(value)

    def splat(self, value: Value) -> Value:
        """Return the value in all lanes; a scalar is spread once per loop."""
        if value.lanes == self.lanes:
            return value
        key = ("splat", value.text, value.dtype.name, self.lanes)
        return self._placed(self._depth, key, lambda: self.writer.splat(value, self.lanes))

    def _key(self, node: Node) -> Hashable:
        at = tuple(self.positions[a][:2] for a in node.axes)
        varying = (self.vector, self.lanes, self.valid) if self.vector in node.axes else None
        # an accumulator's value differs between points that agree in the node's axes
        reads = tuple(v.text for v in self.accumulators.values()) if node.pinned else None
        return node.number, at, varying, reads

    def _compute(self, node: Node) -> Value:
        match node.kind:
            case "const":
                return constant(node.value, node.dtype)  # type: ignore[arg-type]
            case "iota":
                return self._iota(node)
            case "load":
                return self._load(node)
            case "and" if node.dtype is bool_:
                return self._conjunction(node)
        decided = self._decided(node)
        return decided if decided is not None else self._call(node)

    def _call(self, node: Node) -> Value:
        args = [self.value(a) for a in node.args]
        args = self._same_width(node, args)
        if any(a.lanes > 1 for a in args):
            choice = node.kind == "where" and args[0].lanes == 1
            args = [a if choice and i == 0 else self.splat(a) for i, a in enumerate(args)]
        if node.kind in ("floordiv", "mod") and not args[0].dtype.is_float and args[1].known:
            if args[0].known is None and self._non_negative(node.args[0]):
                return ops.division(self.writer, node.kind, *args, non_negative=True)
        dtype = node.dtype
        if node.kind not in ops.COMPARISONS and node.kind != "cast" and dtype is int64:
            dtype = args[-1].dtype
        return ops.apply(self.writer, node.kind, args, dtype)

    def _same_width(self, node: Node, args: list[Value]) -> list[Value]:
        """Give int64 operands one width: 32 bits if all are narrow and so is the result."""
        narrow = [a.dtype is int32 and n.dtype is int64 for a, n in zip(args, node.args, strict=True)]
        if not any(narrow) or node.kind == "cast":
            return args
        fits = node.kind in ops.COMPARISONS or _fits(self._range(node))
        if fits and all(_fits(self._range(n)) for n in node.args if n.dtype is int64):
            wanted = int32
        else:
            wanted = int64
        return [
            ops.cast(self.writer, a, wanted) if n.dtype is int64 else a
            for a, n in zip(args, node.args, strict=True)
        ]

    def _conjunction(self, node: Node) -> Value:
        """Join the uniform conditions as scalars, then those that differ between lanes."""
        values = sorted((self.value(a) for a in node.args), key=lambda v: v.lanes > 1)
        result = values[0]
        for value in values[1:]:
            if value.lanes > result.lanes:
                result = self._masked(value, result)
            else:
                result = ops.apply(self.writer, "and", [result, value], bool_)
        return result

    def _masked(self, mask: Value, condition: Value) -> Value:
        """Return ``mask`` where the scalar condition holds, else no lane."""
        if condition.known is not None:
            return mask if condition.known[0] else constant(0, bool_, mask.lanes)
        if mask.known is not None and not any(mask.known):
            return mask
        return self.writer.select(condition, mask, constant(0, bool_, mask.lanes))

    # integers: positions, ranges

    def _iota(self, node: Node) -> Value:
        index = node.index
        assert index is not None
        value = self._index_value(index, narrow=_fits(self._range(node)))
        if node.dtype is int64:  # which stays narrow where 32 bits will do
            return value
        return ops.cast(self.writer, value, node.dtype)

    def _index_value(self, index: IndexNode, narrow: bool) -> Value:
        """The index as a number: a scalar, or one per lane where lanes differ."""
        total = self._scalar_index(index)
        steps = self._lane_steps(index)
        if steps is None:
            return total
        dtype = int32 if narrow and steps.dtype is int32 else int64
        if total.known is not None and steps.known is not None:
            return constants([total.known[0] + s for s in steps.known], dtype)
        start = self.splat(ops.cast(self.writer, total, dtype))
        return self.writer.binary("add", start, ops.cast(self.writer, steps, dtype))

    def _lane_steps(self, index: IndexNode) -> Value | None:
        """What each lane adds to the first lane's index, or None if the lanes agree."""
        step = index.coefficient(self.vector)
        steps: Value | None = None
        if step:
            reach = step * (self.lanes - 1)
            dtype = int32 if _fits((reach, reach)) else int64
            steps = constants([step * lane for lane in range(self.lanes)], dtype)
        for node, coefficient in index.loaded:
            if self.vector in node.axes:
                part = ops.cast(self.writer, self.vector_value(node), int64)
                part = self._times(part, coefficient)
                if steps is not None:
                    part = self.writer.binary("add", ops.cast(self.writer, steps, int64), part)
                steps = part
        return steps

    def _times(self, value: Value, factor: int) -> Value:
        if factor == 1:
            return value
        return self.writer.binary("mul", value, constant(factor, value.dtype, value.lanes))

    def _scalar_index(self, index: IndexNode) -> Value:
        """The index of the first lane, without loaded parts that differ between lanes."""
        offset = index.constant
        total: Value | None = None
        for axis, coefficient in sorted(index.terms, key=lambda t: self.positions[t[0]].depth):
            position = self.positions[axis]
            offset += coefficient * position.offset
            if position.base:
                part = self._scaled(position, coefficient)
                total = self._sum(total, part, position.depth)
        for node, coefficient in index.loaded:
            if self.vector not in node.axes:
                part = self._times(ops.cast(self.writer, self.value(node), int64), coefficient)
                total = part if total is None else self.writer.binary("add", total, part)
        if total is None:
            return constant(offset, int64)
        if offset == 0:
            return total
        return self.writer.binary("add", total, constant(offset, int64))

    def _scaled(self, position: Position, coefficient: int) -> Value:
        base = Value(position.base, int64)
        if coefficient == 1:
            return base
        key = ("scaled", position.base, coefficient)
        return self._placed(position.depth, key, lambda: self._times(base, coefficient))

    def _sum(self, total: Value | None, part: Value, depth: int) -> Value:
        if total is None:
            return part
        key = ("sum", total.text, part.text)
        return self._placed(depth, key, lambda: self.writer.binary("add", total, part))

    def _range(self, node: Node) -> tuple[int, int] | None:
        """Smallest and largest value of an integer at this point, or None if not known."""
        if node.dtype is bool_:
            return 0, 1
        if node.dtype.is_float or node.kind == "load":
            return None
        if node.kind == "const":
            return int(node.value), int(node.value)
        if node.kind == "iota" and node.index is not None:
            found = self._index_range(node.index)
        else:
            ranges = [r for a in node.args if (r := self._range(a)) is not None]
            found = _range_of(node.kind, ranges) if len(ranges) == len(node.args) else None
        return found if _fits(found, node.dtype) else None

    def _index_range(self, index: IndexNode) -> tuple[int, int] | None:
        low = high = index.constant
        for axis, c in index.terms:
            p = self.positions[axis]
            last = self.valid - 1 if axis == self.vector else 0
            ends = c * (p.low + p.offset), c * (p.high + p.offset + last)
            low, high = low + min(ends), high + max(ends)
        for node, c in index.loaded:
            inner = self._range(node)
            if inner is None:
                return None
            ends = c * inner[0], c * inner[1]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def _non_negative(self, node: Node) -> bool:
        bounds = self._range(node)
        return bounds is not None and bounds[0] >= 0

    def _decided(self, node: Node) -> Value | None:
        """A comparison whose outcome follows from the ranges of its operands."""
        if node.kind not in ops.COMPARISONS or len(node.args) != 2:
            return None
        a, b = (self._range(n) for n in node.args)
        if a is None or b is None:
            return None
        outcome = _outcome(node.kind, a, b)
        return None if outcome is None else constant(outcome, bool_)

    # memory

    def address(self, buffer: ir.Buffer, index: IndexNode) -> str:
        """Return a pointer to the element of the first lane."""
        pointer = self._base_pointer(buffer)
        offset = index.constant
        for axis, coefficient in sorted(index.terms, key=lambda t: self.positions[t[0]].depth):
            position = self.positions[axis]
            offset += coefficient * position.offset
            if position.base:
                by = self._scaled(position, coefficient)
                pointer = self._advance(pointer, buffer, by, position.depth)
        for node, coefficient in index.loaded:
            if self.vector not in node.axes:
                part = self._times(ops.cast(self.writer, self.value(node), int64), coefficient)
                pointer = self._advance(pointer, buffer, part, self._depth)
        if offset:
            pointer = self._advance(pointer, buffer, constant(offset, int64), self._depth)
        return pointer

    def _advance(self, pointer: str, buffer: ir.Buffer, by: Value, depth: int) -> str:
        key = ("advance", pointer, by.text, buffer.dtype.bytes)
        element = memory_text(buffer.dtype)
        text = f"getelementptr {element}, ptr {pointer}, {by}"
        return self._placed(depth, key, lambda: self.writer.pointer(text))

    def _base_pointer(self, buffer: ir.Buffer) -> str:
        return self.bases.setdefault((buffer.slot, buffer.offset), f"%base{len(self.bases)}")

    def pointers(self, buffer: ir.Buffer, index: IndexNode) -> str:
        """Return a vector of pointers, one element per lane."""
        start = self.address(buffer, index)
        steps = self._lane_steps(index)
        if steps is None:
            steps = constant(0, int64, self.lanes)
        element = memory_text(buffer.dtype)
        return self.writer.pointer(f"getelementptr {element}, ptr {start}, {steps}")

    def tail_mask(self) -> Value | None:
        """The lanes inside the vector axis, or None if all are."""
        if self.valid >= self.lanes:
            return None
        return constants([lane < self.valid for lane in range(self.lanes)], bool_)

    def _load(self, node: Node) -> Value:
        where = self.value(node.args[0]) if node.args else None
        if where is not None and where.known is not None:
            if not any(where.known):
                return constant(node.value, node.dtype)  # type: ignore[arg-type]
            if all(where.known):
                where = None
        index = node.index
        assert index is not None
        assert node.buffer is not None
        loaded = any(self.vector in n.axes for n, _ in index.loaded)
        if not loaded and not index.coefficient(self.vector):
            return self._uniform_load(node, index, where)
        return self._vector_load(node, index, self._lanes_mask(node, where))

    def _lanes_mask(self, node: Node, where: Value | None) -> Value | None:
        tail = self.tail_mask()
        if where is None:
            return tail
        if where.lanes > 1 and tail is None:
            return where
        every = tail if tail is not None else constant(1, bool_, self.lanes)
        depth = self._depth_of(node.args[0].axes)
        if node.args[0].pinned:
            depth = len(self.scopes) - 1

        def make() -> Value:
            if where.lanes == 1:
                return self._masked(every, where)
            return ops.apply(self.writer, "and", [where, every], bool_)

        return self._placed(depth, ("mask", where.text, every.text), make)

    def _uniform_load(self, node: Node, index: IndexNode, where: Value | None) -> Value:
        """Load one element; where the condition does not hold, from the table, which is
        always readable, and choose afterwards."""
        w, buffer = self.writer, node.buffer
        assert buffer is not None
        pointer = self.address(buffer, index)
        if where is None:
            return w.load(pointer, node.dtype, fresh=node.pinned)
        mask = where
        if where.lanes > 1:
            tail = self.tail_mask()
            inside = where if tail is None else w.binary("and", where, tail)
            where = w.any_lane(inside)
        safe = w.pointer(f"select {where}, ptr {pointer}, ptr %table")
        value = w.load(safe, node.dtype, fresh=node.pinned)
        other = constant(node.value, node.dtype, mask.lanes)  # type: ignore[arg-type]
        return w.select(mask, self.splat(value) if mask.lanes > 1 else value, other)

    def _vector_load(self, node: Node, index: IndexNode, mask: Value | None) -> Value:
        buffer = node.buffer
        assert buffer is not None
        step = index.coefficient(self.vector)
        other: float = node.value  # type: ignore[assignment]
        if not any(self.vector in n.axes for n, _ in index.loaded):
            if step == 1:
                pointer = self.address(buffer, index)
                return self.writer.load(pointer, node.dtype, self.lanes, mask, other, node.pinned)
            if 2 <= step <= _WIDEST_STRIDE:
                return self._strided_load(node, index, step, mask)
        every = mask if mask is not None else constant(1, bool_, self.lanes)
        pointers = self.pointers(buffer, index)
        return self.writer.gather(pointers, node.dtype, every, other, node.pinned)

    def _strided_load(self, node: Node, index: IndexNode, step: int, mask: Value | None) -> Value:
        """Load the elements between too, under a mask that reads only every ``step``-th."""
        assert node.buffer is not None
        wide = self.lanes * step
        if mask is None:
            spread = constants([i % step == 0 for i in range(wide)], bool_)
        elif mask.known is not None:
            spread = constants([i % step == 0 and mask.known[i // step] for i in range(wide)], bool_)
        else:
            order = [i // step if i % step == 0 else self.lanes for i in range(wide)]
            spread = self.writer.shuffle(mask, constant(0, bool_, self.lanes), order)
        pointer = self.address(node.buffer, index)
        other: float = node.value  # type: ignore[assignment]
        raw = self.writer.load(pointer, node.dtype, wide, spread, other, node.pinned)
        return self.writer.shuffle(raw, None, range(0, wide, step))


def _fits(bounds: tuple[int, int] | None, dtype: DType = int32) -> bool:
    """Whether all integers within the bounds are numbers of ``dtype``."""
    if bounds is None:
        return False
    bits = 8 * dtype.bytes
    low, end = (0, 1 << bits) if unsigned(dtype) else (-1 << (bits - 1), 1 << (bits - 1))
    return low <= bounds[0] and bounds[1] < end


def _range_of(op: str, ranges: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Bounds of an operation's result from those of its operands."""
    match op, ranges:
        case "neg", [(a, b)]:
            return -b, -a
        case "add", [(a, b), (c, d)]:
            return a + c, b + d
        case "sub", [(a, b), (c, d)]:
            return a - d, b - c
        case "mul", [(a, b), (c, d)]:
            ends = a * c, a * d, b * c, b * d
            return min(ends), max(ends)
        case "maximum", [(a, b), (c, d)]:
            return max(a, c), max(b, d)
        case "minimum", [(a, b), (c, d)]:
            return min(a, c), min(b, d)
        case "floordiv", [(a, b), (c, d)] if c == d > 0:
            return a // c, b // c
        case "mod", [(a, b), (c, d)] if c == d > 0:
            return (a, b) if 0 <= a and b < c else (0, c - 1)
        case "where", [_, (a, b), (c, d)]:
            return min(a, c), max(b, d)
        case "cast", [bounds]:
            return bounds
    return None


def _outcome(op: str, a: tuple[int, int], b: tuple[int, int]) -> bool | None:
    """Whether a comparison holds for all values, for none (False), or for some (None)."""
    match op:
        case "lt":
            return True if a[1] < b[0] else False if a[0] >= b[1] else None
        case "ge":
            return False if a[1] < b[0] else True if a[0] >= b[1] else None
        case "gt":
            return _outcome("lt", b, a)
        case "le":
            return _outcome("ge", b, a)
        case "eq" if a[1] < b[0] or b[1] < a[0]:
            return False
        case "ne" if a[1] < b[0] or b[1] < a[0]:
            return True
    return None
