"""Where the loops of a nest stand, and what follows from it about integers.

The bounds and remainders found here decide conditions, choose 32 bits for 64 and tell which
lanes read which elements, all while emitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...graph.types import DType, bool_, int32
from .nodes import IndexNode, Node
from .text import unsigned

Bounds = tuple[int, int]


class Position(NamedTuple):
    """Where an axis stands: ``base + offset``.

    Attributes:
        base: an SSA name, or "" where the position is the constant ``offset``.
        depth: of the loop that defines ``base``.
        low, high: smallest and largest value of ``base``.
        step: ``base`` is ``low`` plus a multiple of it.
    """

    base: str = ""
    offset: int = 0
    depth: int = 0
    low: int = 0
    high: int = 0
    step: int = 0

    def moved(self, distance: int) -> Position:
        return Position(
            self.base, self.offset + distance, self.depth, self.low, self.high, self.step
        )


@dataclass(frozen=True)
class Region:
    """A part of an axis that is taken in equal steps.

    Attributes:
        width: points (vectors, for the vector axis) per step.
        valid: lanes of the last vector that lie inside the axis.
    """

    start: int
    stop: int
    step: int
    width: int
    valid: int


@dataclass
class Place:
    """One point of a register block.

    Attributes:
        positions: position of each axis; of the first lane, for the vector axis.
        vector: number of the axis in the lanes, or -1.
        valid: how many lanes of the current vector lie inside the axis.
    """

    positions: list[Position]
    vector: int = -1
    lanes: int = 1
    valid: int = 1

    def bounds(self, node: Node) -> Bounds | None:
        """Smallest and largest value of an integer in the valid lanes; None if unknown."""
        if node.dtype is bool_:
            return 0, 1
        if node.dtype.is_float or node.kind == "load":
            return None
        if node.kind == "const":
            return int(node.value), int(node.value)
        if node.index is not None:
            found = self.index_bounds(node.index)
        else:
            inner = [b for a in node.args if (b := self.bounds(a)) is not None]
            found = _bounds_of(node.kind, inner) if len(inner) == len(node.args) else None
        return found if fits(found, node.dtype) else None

    def index_bounds(self, index: IndexNode) -> Bounds | None:
        """Smallest and largest value of an index in the valid lanes; None if unknown."""
        low = high = index.constant
        for axis, c in index.terms:
            p = self.positions[axis]
            last = self.valid - 1 if axis == self.vector else 0
            ends = c * (p.low + p.offset), c * (p.high + p.offset + last)
            low, high = low + min(ends), high + max(ends)
        for node, c in index.loaded:
            inner = self.bounds(node)
            if inner is None:
                return None
            ends = c * inner[0], c * inner[1]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def outcome(self, node: Node) -> bool | None:
        """What a comparison of integers always yields here; None if it depends."""
        if len(node.args) != 2:
            return None
        a, b = (self.bounds(n) for n in node.args)
        return None if a is None or b is None else _outcome(node.kind, a, b)

    def remainder(self, node: Node, modulus: int) -> int | None:
        """The value in the first lane modulo ``modulus``; None if it is not always the same."""
        match node.kind, node.args:
            case "const", _ if not node.dtype.is_float:
                return int(node.value) % modulus
            case "iota", _ if node.index is not None:
                return self._index_remainder(node.index, modulus)
            case "floordiv", (a, b) if b.kind == "const" and int(b.value) > 0:
                inner = self.remainder(a, modulus * int(b.value))
                return None if inner is None else inner // int(b.value)
            case "cast", (a,) if node.dtype.is_integer and a.dtype.is_integer:
                return self.remainder(a, modulus) if self.bounds(node) is not None else None
        return None

    def _index_remainder(self, index: IndexNode, modulus: int) -> int | None:
        total = index.constant
        for axis, c in index.terms:
            p = self.positions[axis]
            if p.base and c * p.step % modulus:
                return None
            total += c * (p.low + p.offset)
        for node, c in index.loaded:
            inner = self.remainder(node, modulus)
            if inner is None:
                return None
            total += c * inner
        return total % modulus


def fits(bounds: Bounds | None, dtype: DType = int32) -> bool:
    """Whether all integers within the bounds are numbers of ``dtype``."""
    if bounds is None:
        return False
    bits = 8 * dtype.bytes
    low, end = (0, 1 << bits) if unsigned(dtype) else (-1 << (bits - 1), 1 << (bits - 1))
    return low <= bounds[0] and bounds[1] < end


def _bounds_of(op: str, inner: list[Bounds]) -> Bounds | None:
    """Bounds of an operation's result from those of its operands."""
    match op, inner:
        case "neg", [(a, b)]:
            return -b, -a
        case "abs", [(a, b)]:
            return max(a, -b, 0), max(-a, b)
        case "cast", [bounds]:
            return bounds
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
            return (a, b) if a >= 0 and b < c else (0, c - 1)
        case "where", [_, (a, b), (c, d)]:
            return min(a, c), max(b, d)
    return None


def _outcome(op: str, a: Bounds, b: Bounds) -> bool | None:
    """Whether a comparison holds for all values (True), for none (False), or for some."""
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
