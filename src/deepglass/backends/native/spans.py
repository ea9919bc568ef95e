"""Loops over the taps of windows that leave out what lies in the border of zeros.

    for i<14:  over k<5:                         s += g[i - k + 4] * w[k]
    -->
    for i<14:  over k from max(0, i - 9) to i:   s += g[i - k + 4] * w[k]

The points of a register block share their taps: those that any of them needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from ...graph.kinds import Span as Wish
from . import ir

_WORTH = 0.1  # share of the terms that are 0, from which on it is worth leaving them out


def spans_of(
    wishes: Sequence[Wish], at: Sequence[ir.Index], k: Sequence[ir.Index]
) -> Iterator[ir.Span]:
    """Yield spans of a nest that stands at element ``at`` of the result and ``k`` of the sum."""
    for wish in wishes:
        place, term = at[wish.axis].terms, k[wish.over].terms
        if len(place) == len(term) == 1:
            (axis, _), (over, _) = place[0], term[0]
            span = ir.Span(axis, over, wish.step, wish.pace, wish.first, wish.length)
            if average(span, 1) <= (1 - _WORTH) * over.extent:
                yield span


def start_of(span: ir.Span) -> tuple[int, int, bool]:
    """Of the first term that places need: factor and constant of the place that decides, and
    whether that is the last of them."""
    if span.pace > 0:
        return -span.step, -span.first, True
    return span.step, span.first - span.length + 1, False


def stop_of(span: ir.Span) -> tuple[int, int, bool]:
    """The same of the first term after those that places need."""
    if span.pace > 0:
        return -span.step, span.length - span.first, False
    return span.step, span.first + 1, True


@lru_cache(maxsize=1024)
def average(span: ir.Span, width: int) -> float:
    """How many terms blocks of so many places visit."""
    return sum(stop - start for start, stop in _visited(span, width)) / -(
        -span.axis.extent // width
    )


def _visited(span: ir.Span, width: int) -> Iterator[tuple[int, int]]:
    for low in range(0, span.axis.extent, width):
        ends = low, min(low + width, span.axis.extent) - 1
        (a, b, late), (c, d, late_stop) = start_of(span), stop_of(span)
        start = min(max(a * ends[late] + b, 0), span.over.extent - 1)
        yield start, max(min(c * ends[late_stop] + d, span.over.extent), start + 1)
