"""Accumulators: their neutral elements, one step, and putting partial results together.

The state of an accumulator is a tuple of values: the best one and its position for `argmax`, else
one value alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.types import DType, bool_, int64
from . import ops
from .text import Value, Writer, constant, unsigned

State = tuple[Value, ...]

_PREDICATE = {"nanmax": "ogt", "nanmin": "olt"}


def neutral(combine: str, dtype: DType, lanes: int) -> State:
    """The state before the first step."""
    if combine == "add":
        return (constant(0, dtype, lanes),)
    if combine == "nanmin":
        return (constant(most(dtype), dtype, lanes),)
    lowest = constant(least(dtype), dtype, lanes)
    return (lowest, constant(0, int64, lanes)) if combine == "argmax" else (lowest,)


def step(w: Writer, combine: str, state: State, value: Value, position: Value | None) -> State:
    """Combine the state with one more value; ``position`` is the value's, for argmax."""
    if combine != "argmax" or position is None:
        return (_join(w, combine, state[0], value),)
    best, where = state
    better = _better(w, value, best)
    return w.select(better, value, best), w.select(better, position, where)


def keep(w: Writer, mask: Value, new: State, old: State) -> State:
    """The new state in the lanes of the mask, else the old one."""
    return tuple(w.select(mask, n, o) for n, o in zip(new, old, strict=True))


def merge(w: Writer, combine: str, parts: Sequence[Value]) -> Value:
    """Combine partial results pairwise."""
    values = list(parts)
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        rest = values[-1:] if len(values) % 2 else []
        values = [_join(w, combine, a, b) for a, b in pairs] + rest
    return values[0]


def across_lanes(w: Writer, combine: str, vectors: Sequence[Value]) -> list[Value]:
    """Combine the lanes of each vector; result i is lane ``i % lanes`` of vector ``i // lanes``.

    All vectors are reduced together: two of them fold into one, whose first half of segments
    belongs to the first and whose second half to the second, until every lane is a result.
    """
    lanes = vectors[0].lanes
    level, segment = list(vectors), lanes
    while segment > 1:
        half = segment // 2
        if len(level) == 1:
            level = [_fold_alone(w, combine, level[0], segment)]
        else:
            pairs = [
                (level[i], level[i + 1] if i + 1 < len(level) else None)
                for i in range(0, len(level), 2)
            ]
            level = [_fold_pair(w, combine, a, b, segment) for a, b in pairs]
        segment = half
    return level


def _fold_alone(w: Writer, combine: str, a: Value, segment: int) -> Value:
    half = segment // 2
    first = [s + i for s in range(0, a.lanes, segment) for i in range(half)]
    if len(first) == 1:
        return _join(w, combine, w.extract(a, 0), w.extract(a, half))
    low = w.shuffle(a, None, first)
    return _join(w, combine, low, w.shuffle(a, None, [i + half for i in first]))


def _fold_pair(w: Writer, combine: str, a: Value, b: Value | None, segment: int) -> Value:
    if b is None:
        half = segment // 2
        first = [s + i for s in range(0, a.lanes, segment) for i in range(half)]
        padding = [-1] * len(first)
        low = w.shuffle(a, None, first + padding)
        return _join(w, combine, low, w.shuffle(a, None, [i + half for i in first] + padding))
    half = segment // 2
    first = [s + i for s in range(0, 2 * a.lanes, segment) for i in range(half)]
    low = w.shuffle(a, b, first)
    return _join(w, combine, low, w.shuffle(a, b, [i + half for i in first]))


def _join(w: Writer, combine: str, a: Value, b: Value) -> Value:
    """``a`` is no NaN where these are passed over, so one instruction does."""
    if combine == "add":
        return _add(w, a, b)
    if combine in _PREDICATE and a.dtype.is_float:
        return w.select(w.compare(f"fcmp {_PREDICATE[combine]}", b, a), b, a)
    return ops.extremum(w, "minimum" if combine == "nanmin" else "maximum", a, b)


def _add(w: Writer, a: Value, b: Value) -> Value:
    if a.dtype is bool_:
        return w.binary("or", a, b)
    return w.binary("fadd" if a.dtype.is_float else "add", a, b)


def _better(w: Writer, value: Value, best: Value) -> Value:
    """Whether the value is greater, or the first NaN."""
    if not value.dtype.is_float:
        return ops.compare(w, "gt", value, best)
    number = w.compare("fcmp ord", best, best)
    return w.binary("and", w.compare("fcmp ugt", value, best), number)


def least(dtype: DType) -> float | int:
    """The value that no maximum notices."""
    if dtype.is_float:
        return float("-inf")
    return 0 if unsigned(dtype) else -(1 << (8 * dtype.bytes - 1))


def most(dtype: DType) -> float | int:
    """The value that no minimum notices."""
    if dtype.is_float:
        return float("inf")
    if dtype is bool_:
        return 1
    return (1 << (8 * dtype.bytes - (not unsigned(dtype)))) - 1
