"""Evaluating the expressions of a nest: where each instruction goes, and in how many lanes.

Each loop has a *head*, at the start of its body, and a *body*. A value that depends on the
axes of outer loops only goes to the head of the innermost loop it depends on, and is
remembered there with the positions of its axes as the key; everything else goes to the body
of the current loop. So whatever is shared by the points of a register block, or does not
change in an inner loop, is computed once.

A value is scalar if all lanes agree. Integers made of loop variables are split into the
first lane's, computed as a scalar, and constants that the other lanes add.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ...graph.types import bool_, int32, int64
from . import access, ops
from .ir import STACK, Buffer, Home
from .nodes import IndexNode, Node
from .place import Place, Position, fits
from .text import Value, Writer, constant, constants, memory_text

if TYPE_CHECKING:
    from .panel import Copy

T = TypeVar("T")
_SPLIT = frozenset({"iota", "add", "sub", "mul", "floordiv", "mod", "cast"})


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


@dataclass(frozen=True)
class Lanes:
    """An integer in each lane: the sum of ``starts``, times their factors, plus ``steps``.

    Attributes:
        steps: what each lane adds, constants where ``known``; None if the lanes agree.
    """

    starts: tuple[tuple[Value, int], ...]
    steps: Value | None


class Evaluator:
    """Turns nodes into values at the current place.

    Attributes:
        scopes: the open loops, outermost (the function) first.
        accumulators: values of `ir.Acc` at the current point.
        bases: names of the pointers to the buffers used, by their home.
        copies: the copies that stand for some of the loads, by their node's number.
    """

    def __init__(self, writer: Writer, positions: list[Position]) -> None:
        self.writer = writer
        self.place = Place(positions)
        self.scopes = [Scope()]
        self.accumulators: dict[str, Value] = {}
        self.bases: dict[Home, str] = {}
        self.copies: dict[int, Copy] = {}
        self._depth, self._section = 0, self.scopes[0].body
        self.here()

    # where instructions go

    def here(self) -> None:
        """Let the writer append to the body of the innermost open loop."""
        self._enter(len(self.scopes) - 1, self.scopes[-1].body)

    def _enter(self, depth: int, section: Section) -> None:
        self._depth, self._section = depth, section
        self.writer.lines, self.writer.seen = section.lines, section.seen

    def placed(self, depth: int, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` emits, once per key, in the loop at ``depth``."""
        scope, innermost = self.scopes[depth], depth == len(self.scopes) - 1
        found: T | None = scope.head.values.get(key)
        if found is None and innermost:
            found = scope.body.values.get(key)
        if found is None:
            section = scope.body if innermost else scope.head
            before = self._depth, self._section
            self._enter(depth, section)
            found = section.values[key] = make()
            self._enter(*before)
        return found

    def depth_of(self, node: Node) -> int:
        """The loop in which a node's value is found."""
        if node.pinned:
            return len(self.scopes) - 1
        positions = self.place.positions
        return max([positions[a].depth for a in node.axes], default=0)

    # values

    def value(self, node: Node) -> Value:
        """Return the value of a node; int64 numbers that fit may come in 32 bits."""
        if node.kind == "acc":
            return self.accumulators[str(node.value)]
        if node.number in self.copies:
            return self.copies[node.number].load(self)
        return self.placed(self.depth_of(node), self._key(node), lambda: self._compute(node))

    def vector_value(self, node: Node) -> Value:
        """Return the value of a node in all lanes, in its own type."""
        return self.splat(ops.cast(self.writer, self.value(node), node.dtype))

    def splat(self, value: Value) -> Value:
        """Return the value in all lanes; a scalar is spread once per loop."""
        if value.lanes == self.place.lanes:
            return value
        key = ("splat", value.text, value.dtype.name, self.place.lanes)
        return self.placed(self._depth, key, lambda: self.writer.splat(value, self.place.lanes))

    def varies(self, node: Node) -> bool:
        """Whether the lanes may differ."""
        return self.place.vector in node.axes

    def _key(self, node: Node) -> Hashable:
        place, positions = self.place, self.place.positions
        at = tuple([positions[a][:2] for a in node.axes])
        lanes = (place.vector, place.lanes, place.valid) if self.varies(node) else None
        # an accumulator's value differs between points that agree in the node's axes
        reads = tuple(v.text for v in self.accumulators.values()) if node.pinned else None
        return node.number, at, lanes, reads

    def _compute(self, node: Node) -> Value:
        if node.kind == "const":
            return constant(node.value, node.dtype)  # type: ignore[arg-type]
        if node.kind == "load":
            return access.load(self, node)
        if node.kind == "and" and node.dtype is bool_:
            return self._conjunction(node)
        if node.kind == "where":
            condition = self.value(node.args[0])
            if condition.known is not None and len(set(condition.known)) == 1:
                return self.value(node.args[1 if condition.known[0] else 2])
        if node.kind == "choose":
            at = self.value(node.args[0])
            if at.known is not None and len(set(at.known)) == 1:
                return self.value(node.args[1 + at.known[0]])
        if node.kind in ops.COMPARISONS:
            outcome = self.place.outcome(node)
            if outcome is not None:
                return constant(outcome, bool_)
        if node.kind in _SPLIT and node.dtype is int64 and self.varies(node):
            lanes = self._split(node)
            if lanes is not None:
                return self._joined(lanes, fits(self.place.bounds(node)))
        if node.index is not None:
            total = self._joined(self._whole(node.index), fits(self.place.bounds(node)))
            return total if node.dtype is int64 else ops.cast(self.writer, total, node.dtype)
        return self._call(node)

    def _call(self, node: Node) -> Value:
        args = self._same_width(node, [self.value(a) for a in node.args])
        if any(a.lanes > 1 for a in args):
            choice = node.kind in ("where", "choose") and args[0].lanes == 1
            args = [a if choice and i == 0 else self.splat(a) for i, a in enumerate(args)]
        if node.kind in ("floordiv", "mod") and not node.dtype.is_float:
            bounds = self.place.bounds(node.args[0])
            positive = bounds is not None and bounds[0] >= 0
            if any(a.known is None for a in args):
                return ops.division(self.writer, node.kind, args[0], args[1], positive)
        dtype = node.dtype
        if node.kind not in ops.COMPARISONS and node.kind != "cast" and dtype is int64:
            dtype = args[-1].dtype
        return ops.apply(self.writer, node.kind, args, dtype)

    def _same_width(self, node: Node, args: list[Value]) -> list[Value]:
        """Give int64 operands one width: 32 bits if all are narrow and so is the result."""
        if node.kind == "cast" or not any(a.dtype is int32 for a in args):
            return args
        wide = [n.dtype is int64 for n in node.args]
        if not any(a.dtype is int32 and w for a, w in zip(args, wide, strict=True)):
            return args
        small = node.kind in ops.COMPARISONS or fits(self.place.bounds(node))
        small = small and all(fits(self.place.bounds(n)) for n in node.args if n.dtype is int64)
        dtype = int32 if small else int64
        return [
            ops.cast(self.writer, a, dtype) if w else a for a, w in zip(args, wide, strict=True)
        ]

    def _conjunction(self, node: Node) -> Value:
        """Join the uniform conditions as scalars, then those that differ between lanes."""
        values = sorted((self.value(a) for a in node.args), key=lambda v: v.lanes > 1)
        result = values[0]
        for value in values[1:]:
            result = self.both(result, value)
        return result

    def both(self, a: Value, b: Value) -> Value:
        """The conjunction of a condition and another, or of a condition and a mask."""
        if a.lanes == b.lanes:
            return ops.apply(self.writer, "and", [a, b], bool_)
        none = constant(0, bool_, b.lanes)
        if a.known is not None:
            return b if a.known[0] else none
        if b.known is not None and not any(b.known):
            return b
        if b.known is not None:
            return self.writer.some_lanes(a, b.known)
        # not a choice: LLVM makes a branch of it, and loses masks that leave half a vector out
        return self.writer.binary("and", self.writer.splat(a, b.lanes), b)

    # integers

    def lanes_of(self, index: IndexNode) -> Lanes:
        """Return what loaded parts add to the first lane, and what the other lanes add; `first`
        is the part that is affine in the loops' counters."""
        place, w = self.place, self.writer
        step = index.coefficient(place.vector)
        known = [step * lane for lane in range(place.lanes)]
        starts: list[tuple[Value, int]] = []
        rest: Value | None = None
        for node, factor in index.loaded:
            split = self._split(node)
            if split is not None:
                starts += [(v, factor * f) for v, f in split.starts]
                if split.steps is not None and split.steps.known is not None:
                    known = [k + factor * s for k, s in zip(known, split.steps.known, strict=True)]
            elif place.lanes == 1:
                starts.append((ops.cast(w, self.value(node), int64), factor))
            else:
                part = self._times(ops.cast(w, self.vector_value(node), int64), factor)
                rest = part if rest is None else w.binary("add", rest, part)
        steps = None
        if any(known):
            reach = max(map(abs, known))
            steps = constants(known, int32 if fits((reach, reach)) else int64)
        if rest is not None:
            steps = rest if steps is None else w.binary("add", ops.cast(w, steps, int64), rest)
        return Lanes(tuple(starts), steps)

    def _whole(self, index: IndexNode) -> Lanes:
        lanes = self.lanes_of(index)
        return Lanes(((self.first(index), 1), *lanes.starts), lanes.steps)

    def _split(self, node: Node) -> Lanes | None:
        """Split an integer made of loop variables; None where the steps are not constants."""
        if node.pinned:
            return None  # an accumulator may differ between lanes
        if not self.varies(node):
            return Lanes(((ops.cast(self.writer, self.value(node), int64), 1),), None)
        if node.index is not None and node.kind == "iota":
            lanes = self._whole(node.index)
            return lanes if lanes.steps is None or lanes.steps.known is not None else None
        match node.kind, node.args:
            case "cast", (a,) if a.dtype.is_integer and node.dtype is int64:
                return self._split(a)
            case (("add" | "sub"), (a, b)):
                left, right = self._split(a), self._split(b)
                if left is not None and right is not None:
                    return self._sum(left, right, 1 if node.kind == "add" else -1)
            case "mul", (a, b) if b.kind == "const":
                left = self._split(a)
                if left is not None:
                    return self._sum(Lanes((), None), left, int(b.value))
            case (("floordiv" | "mod"), (a, b)) if b.kind == "const" and int(b.value) > 0:
                return self._split_division(node.kind, a, int(b.value))
        return None

    def _sum(self, left: Lanes, right: Lanes, factor: int) -> Lanes:
        starts = left.starts + tuple((v, f * factor) for v, f in right.starts)
        steps = [a + factor * b for a, b in zip(self._known(left), self._known(right), strict=True)]
        return Lanes(starts, constants(steps, int64) if any(steps) else None)

    def _known(self, lanes: Lanes) -> tuple[int, ...]:
        if lanes.steps is None or lanes.steps.known is None:
            return (0,) * self.place.lanes
        return lanes.steps.known

    def _split_division(self, op: str, a: Node, divisor: int) -> Lanes | None:
        """(s + step) // d = s // d + (r + step) // d where s leaves the remainder r."""
        remainder = self.place.remainder(a, divisor)
        inner = self._split(a) if remainder is not None else None
        if inner is None or remainder is None:
            return None
        moved = [remainder + step for step in self._known(inner)]
        if op == "mod":
            return Lanes((), constants([m % divisor for m in moved], int64))
        bounds = self.place.bounds(a)
        start = self._total(inner.starts)
        by = constant(divisor, int64)
        if start.known is not None:
            start = constant(start.known[0] // divisor, int64)
        else:
            positive = bounds is not None and bounds[0] >= 0
            start = ops.division(self.writer, "floordiv", start, by, positive)
        return Lanes(((start, 1),), constants([m // divisor for m in moved], int64))

    def _joined(self, lanes: Lanes, narrow: bool) -> Value:
        """The integer as one value, in 32 bits if ``narrow`` and if lanes differ."""
        w = self.writer
        total = self._total(lanes.starts)
        steps = lanes.steps
        if steps is None:
            return total
        dtype = int32 if narrow and steps.known is not None else int64
        if total.known is not None and steps.known is not None:
            return constants([total.known[0] + s for s in steps.known], dtype)
        start = self.splat(ops.cast(w, total, dtype))
        return w.binary("add", start, ops.cast(w, steps, dtype))

    def _total(self, starts: Sequence[tuple[Value, int]]) -> Value:
        total = constant(0, int64)
        for value, factor in starts:
            total = self._plus(total, self._times(value, factor))
        return total

    def _plus(self, a: Value, b: Value) -> Value:
        if a.known == (0,):
            return b
        return a if b.known == (0,) else ops.apply(self.writer, "add", [a, b], int64)

    def _times(self, value: Value, factor: int) -> Value:
        if factor == 1:
            return value
        by = constant(factor, value.dtype, value.lanes)
        return ops.apply(self.writer, "mul", [value, by], value.dtype)

    def first(self, index: IndexNode) -> Value:
        """The part of an index that is affine in the loops' counters, in the first lane.

        Products and sums are found in the loop that first knows them."""
        offset = index.constant
        total: Value | None = None
        for axis, factor in sorted(index.terms, key=lambda t: self.place.positions[t[0]].depth):
            position = self.place.positions[axis]
            offset += factor * position.offset
            if position.base:
                part = self._scaled(position.depth, position.base, factor)
                total = self._accumulated(total, part, position.depth)
        if total is None:
            return constant(offset, int64)
        return self._plus(total, constant(offset, int64))

    def _accumulated(self, total: Value | None, part: Value, depth: int) -> Value:
        if total is None:
            return part
        key = ("sum", total.text, part.text)
        return self.placed(depth, key, lambda: self.writer.binary("add", total, part))

    def _scaled(self, depth: int, base: str, factor: int) -> Value:
        key = ("scaled", base, factor)
        return self.placed(depth, key, lambda: self._times(Value(base, int64), factor))

    # addresses

    def address(self, buffer: Buffer, index: IndexNode, lanes: Lanes) -> str:
        """Return a pointer to the element of the first lane.

        Constant distances come last, where they are part of the machine's address."""
        pointer = f"%{buffer.name}"
        if buffer.slot != STACK:
            pointer = self.bases.setdefault(buffer.home, f"%base{len(self.bases)}")
        offset = index.constant
        moving: list[tuple[int, str, int]] = []  # depth, base and factor
        for axis, factor in index.terms:
            position = self.place.positions[axis]
            offset += factor * position.offset
            if position.base:
                moving.append((position.depth, position.base, factor))
        if moving:
            key = ("moved", pointer, buffer.dtype.bytes, *moving)
            start = pointer
            depth = max(moving)[0]
            pointer = self.placed(depth, key, lambda: self._moved(start, buffer, moving))
        for value, factor in lanes.starts:
            if value.known is not None:
                offset += factor * value.known[0]
            else:
                pointer = self.advance(pointer, buffer, self._times(value, factor), self._depth)
        if offset:
            pointer = self.advance(pointer, buffer, constant(offset, int64), self._depth)
        return pointer

    def _moved(self, pointer: str, buffer: Buffer, moving: list[tuple[int, str, int]]) -> str:
        """The pointer moved along axes, each in the loop that first knows it."""
        for depth, base, factor in sorted(moving, key=lambda m: m[0]):
            pointer = self.advance(pointer, buffer, self._scaled(depth, base, factor), depth)
        return pointer

    def advance(self, pointer: str, buffer: Buffer, by: Value, depth: int | None = None) -> str:
        """Return the pointer moved by so many elements."""
        key = ("advance", pointer, by.text, buffer.dtype.bytes)
        text = f"getelementptr {memory_text(buffer.dtype)}, ptr {pointer}, {by}"
        at = self._depth if depth is None else depth
        return self.placed(at, key, lambda: self.writer.pointer(text))
