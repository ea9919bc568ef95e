"""All it takes to run a graph: made by lowering and compiling it, or kept from before."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ...graph.graph import Graph, Node
from ...graph.identity import Identity, identify
from ...graph.types import DTYPES
from ..measured import Stopwatch
from . import store
from .cpu import host
from .executable import Code, generate
from .ir import Buffer, HostCall, Window
from .lower import lower

WORTH_KEEPING = 0.05  # seconds; what is made in less is made again
_MAKERS = ("backends", "graph", "ops")  # the parts of the package that code depends on


@dataclass(frozen=True)
class Segment:
    """Loops without Python in between, and the calls that follow them."""

    code: Code | None
    calls: tuple[HostCall, ...]


@dataclass(frozen=True)
class Plan:
    """What an executable is made of.

    Attributes:
        given: the nodes behind the first slots of the pointer table after the arena's:
            state, arguments and constants. A slot per output follows.
        arena: bytes of scratch memory.
        taps: where in the arena the graph's taps are after a run.
    """

    given: tuple[Node, ...]
    arena: int
    taps: tuple[Window, ...]
    segments: tuple[Segment, ...]


def make_plan(graph: Graph, watch: Stopwatch, stamps: bool = False) -> Plan:
    """Lower and compile ``graph``.

    Args:
        watch: is told how long the parts took.
        stamps: whether nests leave stamps (see `clock`), for each segment in a slot of its
            own after those of the outputs.
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
    given = lowered.slots[: len(lowered.slots) - len(graph.outputs)]
    return Plan(given, lowered.arena, lowered.taps, tuple(segments))


def find_plan(graph: Graph, watch: Stopwatch) -> Plan:
    """Return the plan of ``graph``, from the store if it is there, else made and kept."""
    with watch("store"):
        identity = identify(graph) if store.folder() is not None else None
        key = None if identity is None else _key(identity)
        kept = None if key is None else store.load(key)
        if identity is not None and kept is not None:
            return _unpacked(kept, identity)
    begin = time.perf_counter()
    plan = make_plan(graph, watch)
    if identity is not None and key is not None and time.perf_counter() - begin > WORTH_KEEPING:
        with watch("store"):
            store.save(key, _packed(plan, identity))
    return plan


def _key(identity: Identity) -> bytes:
    text = "\n".join([engine(), repr(host()), identity.text])
    return hashlib.sha256(text.encode()).digest()


@cache
def engine() -> str:
    """Return what stands for the version of all that turns a graph into code."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for part in _MAKERS:
        for path in sorted((package / part).rglob("*.py")):
            digest.update(path.read_bytes())
    return f"{digest.hexdigest()} llvmlite {llvmlite.__version__} LLVM {llvm.llvm_version_info}"


# A plan as bytes: the length of a head in JSON, the head, the object files one after another.
# Nodes are written as their numbers in the graph's identity.


def _packed(plan: Plan, identity: Identity) -> bytes:
    number = {n.id: k for k, n in enumerate(identity.nodes)}
    objects: list[bytes] = []
    segments: list[Any] = []
    for segment in plan.segments:
        code = segment.code
        facts = None
        if code is not None:
            objects += code.objects
            sizes = [len(o) for o in code.objects]
            facts = [sizes, code.shared, code.barriers, code.nests, code.stamps]
        calls = [
            [number[c.node.id], [_window(w) for w in c.arguments], _window(c.result), c.level]
            for c in segment.calls
        ]
        segments.append([facts, calls])
    given = [number[n.id] for n in plan.given]
    taps = [_window(w) for w in plan.taps]
    head = json.dumps([given, plan.arena, taps, segments]).encode()
    return b"".join([len(head).to_bytes(8, "little"), head, *objects])


def _unpacked(content: bytes, identity: Identity) -> Plan:
    start = 8 + int.from_bytes(content[:8], "little")
    given, arena, taps, segments = json.loads(content[8:start])
    objects = _Pieces(content, start)
    nodes = identity.nodes
    return Plan(
        tuple(nodes[k] for k in given),
        arena,
        tuple(map(_seen, taps)),
        tuple(
            Segment(
                None if facts is None else _code(objects, *facts),
                tuple(
                    HostCall(nodes[k], tuple(map(_seen, arguments)), _seen(result), level)
                    for k, arguments, result, level in calls
                ),
            )
            for facts, calls in segments
        ),
    )


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
