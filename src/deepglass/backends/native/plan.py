"""All it takes to run a graph: made by lowering and compiling it, or kept from before."""

from __future__ import annotations

import gc
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from ...graph.graph import Graph, Node
from ...graph.identity import identity, numbered
from ...graph.types import DTYPES, dtype_of
from ..measured import Stopwatch
from ..recorded import Recorded
from . import store
from .cpu import host
from .executable import Code, generate
from .ir import Buffer, HostCall, Window
from .lower import lower

WORTH_KEEPING = 0.05  # seconds; what is made in less is made again
_MAKERS = ("backends", "graph", "ops", "passes")  # the parts of the package that code depends on


Given = tuple[str, int] | np.ndarray  # ("input" or "state", number), or a constant


@dataclass(frozen=True)
class Segment:
    """Loops without Python in between, and the calls that follow them."""

    code: Code | None
    calls: tuple[HostCall, ...]


@dataclass(frozen=True)
class Plan:
    """What an executable is made of.

    Attributes:
        given: what is behind the first slots of the pointer table after the arena's. A slot
            per output follows.
        arena: bytes of scratch memory.
        taps: where in the arena the graph's taps are after a run.
        settled: the segment that needs to run only if state changed since it last did, if any.
        segments: the others.
    """

    given: tuple[Given, ...]
    arena: int
    taps: tuple[Window, ...]
    settled: Segment | None
    segments: tuple[Segment, ...]


def make_plan(graph: Graph, watch: Stopwatch, stamps: bool = False) -> Plan:
    """Lower and compile ``graph``.

    Args:
        watch: is told how long the parts took.
        stamps: whether nests leave stamps (see `clock`), for each segment in a slot of its
            own after those of the outputs, the settled one first.
    """
    with watch("loops"):
        lowered = lower(graph)
    first = 1 + len(lowered.slots)
    segments = [
        Segment(generate(loops, record=k if stamps else None, watch=watch), calls)
        if loops.levels
        else Segment(None, calls)
        for k, (loops, calls) in enumerate(lowered.program.segments(), first)
    ]
    leaves = lowered.slots[: len(lowered.slots) - len(graph.outputs)]
    settled = segments.pop(0) if lowered.program.settled else None
    given = _given(graph, leaves)
    return Plan(given, lowered.arena, lowered.taps, settled, tuple(segments))


def _given(graph: Graph, leaves: Sequence[Node]) -> tuple[Given, ...]:
    places = {n.id: ("input", k) for k, n in enumerate(graph.inputs)}
    places |= {n.id: ("state", k) for k, n in enumerate(graph.state)}
    return tuple(n.data if n.data is not None else places[n.id] for n in leaves)


def find_plan(recorded: Recorded, watch: Stopwatch) -> Plan:
    """Return the plan of a graph, from the store if it is there, else made and kept.

    What is in the store is found without the passes, unless Python is called in between.
    """
    with watch("store"):
        key = _key(recorded) if store.folder() is not None else None
        kept = None if key is None else store.load(key)
        if kept is not None:
            return _unpacked(kept, recorded)
    begin = time.perf_counter()
    with _nothing_collected():
        plan = make_plan(recorded.optimized, watch)
    if key is not None and time.perf_counter() - begin > WORTH_KEEPING:
        with watch("store"):
            store.save(key, _packed(plan, recorded.optimized))
    return plan


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep Python from looking for garbage in cycles: what compiling makes is much, and in use."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _key(recorded: Recorded) -> bytes | None:
    text = identity(recorded.graph)
    if text is None:
        return None
    parts = [engine(), repr(host()), recorded.options, text]
    return hashlib.sha256("\n".join(parts).encode()).digest()


@cache
def engine() -> str:
    """Return what stands for the version of all that turns a graph into code."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for part in _MAKERS:
        for path in sorted((package / part).rglob("*.py")):
            digest.update(path.read_bytes())
    return f"{digest.hexdigest()} llvmlite {llvmlite.__version__} LLVM {llvm.llvm_version_info}"


# A plan as bytes: the length of a head in JSON, the head, then object files and constants one
# after another. Nodes are written as their numbers in the graph (see `graph.identity`).


def _packed(plan: Plan, graph: Graph) -> bytes:
    number = {n.id: k for k, n in enumerate(numbered(graph))}
    pieces: list[bytes] = []
    segments: list[Any] = []
    for segment in filter(None, (plan.settled, *plan.segments)):
        code = segment.code
        facts = None
        if code is not None:
            pieces += code.objects
            sizes = [len(o) for o in code.objects]
            facts = [sizes, code.shared, code.barriers, code.nests, code.stamps]
        calls = [
            [number[c.node.id], [_window(w) for w in c.arguments], _window(c.result), c.level]
            for c in segment.calls
        ]
        segments.append([facts, calls])
    given: list[Any] = []
    for what in plan.given:
        if isinstance(what, np.ndarray):
            pieces.append(what.tobytes())
            given.append([dtype_of(what.dtype).name, what.shape])
        else:
            given.append(what)
    taps = [_window(w) for w in plan.taps]
    settled = plan.settled is not None
    head = json.dumps([given, plan.arena, taps, settled, segments]).encode()
    return b"".join([len(head).to_bytes(8, "little"), head, *pieces])


def _unpacked(content: bytes, recorded: Recorded) -> Plan:
    start = 8 + int.from_bytes(content[:8], "little")
    given, arena, taps, settled, segments = json.loads(content[8:start])
    pieces = _Pieces(content, start)
    nodes = numbered(recorded.optimized) if any(calls for _, calls in segments) else ()
    made = [
        Segment(
            None if facts is None else _code(pieces, *facts),
            tuple(
                HostCall(nodes[k], tuple(map(_seen, arguments)), _seen(result), level)
                for k, arguments, result, level in calls
            ),
        )
        for facts, calls in segments
    ]
    behind = tuple(_found(pieces, kind, value) for kind, value in given)
    first = made.pop(0) if settled else None
    return Plan(behind, arena, tuple(map(_seen, taps)), first, tuple(made))


def _found(pieces: _Pieces, kind: str, value: Any) -> Given:
    if kind in ("input", "state"):
        return kind, value
    constant = np.empty(value, DTYPES[kind].numpy)
    (content,) = pieces.take([constant.nbytes])
    constant.reshape(-1).view(np.uint8)[:] = np.frombuffer(content, np.uint8)
    return constant


@dataclass
class _Pieces:
    content: bytes
    at: int

    def take(self, sizes: list[int]) -> Iterator[bytes]:
        for size in sizes:
            self.at += size
            yield self.content[self.at - size : self.at]


def _code(
    objects: _Pieces, sizes: list[int], shared: bool, barriers: int, nests: list[str], stamps: int
) -> Code:
    return Code(tuple(objects.take(sizes)), shared, barriers, tuple(nests), stamps)


def _window(window: Window) -> list[Any]:
    b = window.buffer
    return [b.name, b.dtype.name, b.size, b.slot, b.offset, window.shape]


def _seen(parts: list[Any]) -> Window:
    name, dtype, size, slot, offset, shape = parts
    return Window(Buffer(name, DTYPES[dtype], size, slot, offset), tuple(shape))
