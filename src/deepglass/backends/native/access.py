"""Loads and stores of one vector of points, or of one point.

    lanes agree                     one scalar load
    lanes read neighbours           one vector load, masked at the end of the axis
    lanes read a known pattern      vector loads of all that lies between, and a shuffle
    anything else                   gather and scatter

Nothing is touched for lanes that are masked off. What lies between two elements that are read
is part of the same buffer, so it may be read too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

from ...graph.types import bool_, int64
from . import ops
from .ir import Buffer
from .nodes import IndexNode, Node
from .text import Number, Value, Writer, constant, constants, memory_text

if TYPE_CHECKING:
    from .expr import Evaluator, Lanes

_WIDEST = 4  # vectors that a pattern may span


@dataclass(frozen=True)
class Target:
    """Where a store goes, and how it joins what is there: "add", "max", or not at all."""

    buffer: Buffer
    index: IndexNode
    combine: str


def load(ev: Evaluator, node: Node) -> Value:
    """Return the loaded value: a scalar if all lanes agree."""
    index, buffer = node.index, node.buffer
    assert index is not None
    assert buffer is not None
    where = ev.value(node.args[0]) if node.args else None
    if where is not None and where.known is not None:
        if not any(where.known):
            return constant(_other(node), node.dtype)
        if all(where.known):
            where = None
    lanes = ev.lanes_of(index)
    if lanes.steps is None:
        value = _uniform_load(ev, node, ev.address(buffer, index, lanes), where)
        tail = tail_mask(ev) if ev.varies(node) else None
        if tail is None:
            return value
        other = constant(_other(node), node.dtype, ev.place.lanes)
        return ev.writer.select(tail, ev.splat(value), other)
    mask = _mask(ev, node, where)
    if lanes.steps.known is not None:
        steps = lanes.steps.known
        if steps == tuple(range(ev.place.lanes)):
            pointer = ev.address(buffer, index, lanes)
            return ev.writer.load(
                pointer, node.dtype, ev.place.lanes, mask, _other(node), node.pinned
            )
        if max(steps) - min(steps) < _WIDEST * ev.place.lanes:
            return _pattern_load(ev, node, lanes, steps, mask)
    every = mask if mask is not None else constant(1, bool_, ev.place.lanes)
    pointers = _pointers(ev, buffer, index, lanes)
    return ev.writer.gather(pointers, node.dtype, every, _other(node), node.pinned)


def store(ev: Evaluator, target: Target, value: Value) -> None:
    """Store a vector of values, or combine it with what is there."""
    w, buffer = ev.writer, target.buffer
    lanes = ev.lanes_of(target.index)
    mask = tail_mask(ev)
    neighbours = lanes.steps is not None and lanes.steps.known == tuple(range(ev.place.lanes))
    if ev.place.lanes > 1 and not neighbours:
        pointers = _pointers(ev, buffer, target.index, lanes)
        every = mask if mask is not None else constant(1, bool_, ev.place.lanes)
        if target.combine:
            old = w.gather(pointers, buffer.dtype, every, fresh=True)
            value = _combined(w, target, old, value)
        w.scatter(value, pointers, every)
        return
    pointer = ev.address(buffer, target.index, lanes)
    if target.combine:
        old = w.load(pointer, buffer.dtype, ev.place.lanes, mask, fresh=True)
        value = _combined(w, target, old, value)
    w.store(value, pointer, mask)


def _combined(w: Writer, target: Target, old: Value, value: Value) -> Value:
    word = {"add": "add", "max": "maximum"}[target.combine]
    return ops.apply(w, word, [old, value], target.buffer.dtype)


def tail_mask(ev: Evaluator) -> Value | None:
    """The lanes inside the vector axis, or None if all are."""
    place = ev.place
    if place.valid >= place.lanes:
        return None
    return constants([lane < place.valid for lane in range(place.lanes)], bool_)


def _other(node: Node) -> Number:
    return node.value  # type: ignore[return-value]


def _mask(ev: Evaluator, node: Node, where: Value | None) -> Value | None:
    """The lanes that read, found in the loop that knows the condition; None if all do."""
    tail = tail_mask(ev)
    if where is None:
        return tail
    if where.lanes > 1 and tail is None:
        return where
    every = tail if tail is not None else constant(1, bool_, ev.place.lanes)
    key = ("mask", where.text, every)
    return ev.placed(ev.depth_of(node.args[0]), key, lambda: ev.both(where, every))


def _pointers(ev: Evaluator, buffer: Buffer, index: IndexNode, lanes: Lanes) -> str:
    """Return a vector of pointers, one element per lane."""
    start = ev.address(buffer, index, lanes)
    steps = lanes.steps if lanes.steps is not None else constant(0, int64, ev.place.lanes)
    return ev.writer.pointer(f"getelementptr {memory_text(buffer.dtype)}, ptr {start}, {steps}")


def _uniform_load(ev: Evaluator, node: Node, pointer: str, where: Value | None) -> Value:
    """Load one element; where the condition does not hold, from the table, which is always
    readable, and choose afterwards."""
    w = ev.writer
    if where is None:
        return w.load(pointer, node.dtype, fresh=node.pinned)
    mask = where
    if where.lanes > 1:
        tail = tail_mask(ev)
        where = w.any_lane(where if tail is None else w.binary("and", where, tail))
    safe = w.pointer(f"select {where}, ptr {pointer}, ptr %table")
    value = w.load(safe, node.dtype, fresh=node.pinned)
    other = constant(_other(node), node.dtype, mask.lanes)
    return w.select(mask, ev.splat(value) if mask.lanes > 1 else value, other)


def _pattern_load(
    ev: Evaluator, node: Node, lanes: Lanes, steps: tuple[int, ...], mask: Value | None
) -> Value:
    """Load the elements from the first to the last that is read, then choose.

    The window grows to whole groups where the buffer surely holds them, so that loads of
    every other element share one window."""
    index, buffer, place = node.index, node.buffer, ev.place
    assert index is not None
    assert buffer is not None
    reading = mask.known if mask is not None and mask.known is not None else (1,) * place.valid
    read = tuple(step for step, reads in zip(steps, reading, strict=False) if reads)
    if not read:
        return constant(_other(node), node.dtype, place.lanes)
    low, high = min(read), max(read)  # of the elements, from the first lane's
    if mask is None or mask.known is not None:
        low, high = _grown(ev, index, buffer, read)
    count = high - low + 1
    wide = -(-count // place.lanes) * place.lanes
    if count <= place.lanes:
        wide = max(2, 1 << (count - 1).bit_length())
    inside = constants([i < count for i in range(wide)], bool_) if count < wide else None
    if mask is not None and mask.known is None:
        inside = _element_mask(ev, mask, [s - low for s in steps], wide)
    pointer = ev.address(buffer, index, lanes)
    if low:
        pointer = ev.advance(pointer, buffer, constant(low, int64))
    raw = ev.writer.load(pointer, node.dtype, wide, inside, _other(node), node.pinned)
    picked = ev.writer.shuffle(raw, None, [s - low if low <= s <= high else -1 for s in steps])
    if mask is None or (mask.known is None and len(set(steps)) == place.valid == place.lanes):
        return picked
    return ev.writer.select(mask, picked, constant(_other(node), node.dtype, place.lanes))


def _grown(
    ev: Evaluator, index: IndexNode, buffer: Buffer, steps: tuple[int, ...]
) -> tuple[int, int]:
    """Let the window start and end at multiples of the distance between the elements."""
    low, high = min(steps), max(steps)
    bounds = ev.place.index_bounds(index)
    group = gcd(*(s - low for s in steps))
    if bounds is None or group < 2:
        return low, high
    before = (low + index.constant) % group
    after = -(high + 1 + index.constant) % group
    grown_low = low - before if bounds[0] >= before else low
    grown_high = high + after if bounds[1] + after < buffer.size else high
    return grown_low, grown_high


def _element_mask(ev: Evaluator, mask: Value, sources: list[int], wide: int) -> Value:
    """The elements of a window that any lane of the mask reads."""
    readers: list[list[int]] = [[] for _ in range(wide)]
    for lane, source in enumerate(sources[: ev.place.valid]):
        readers[source].append(lane)
    none = constant(0, bool_, ev.place.lanes)
    result: Value | None = None
    for turn in range(max(map(len, readers))):
        order = [r[turn] if turn < len(r) else ev.place.lanes for r in readers]
        part = ev.writer.shuffle(mask, none, order)
        result = part if result is None else ev.writer.binary("or", result, part)
    assert result is not None
    return result
