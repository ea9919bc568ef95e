"""What the nests of a program amount to: operations, bytes, and how long values live."""

from __future__ import annotations

from math import prod

from ...graph.kinds import Scan
from ..measured import Kernel, Life
from . import ir
from .lower import ARENA
from .nodes import IndexNode, Node, NodeTable
from .work import reachable

_MOVES = frozenset({"const", "iota", "load", "acc", "cast", "where", "choose"})


def kernel_of(nest: ir.Nest, phase: ir.Phase, level: int) -> Kernel:
    """Return a nest as one kernel of a program."""
    flops, size = _amounts(nest, phase.chunk)
    return Kernel(
        nest.label,
        nest.layer,
        nest.source,
        _kind(nest),
        loops_of(nest),
        level,
        flops,
        size,
        phase.chunk.extent,
    )


def made_by(call: ir.HostCall) -> Kernel:
    """Return a call of the host as one kernel of a program."""
    node = call.node
    windows = (*call.arguments, call.result)
    moved = sum(w.buffer.size * w.buffer.dtype.bytes for w in windows)
    repeats = node.params["length"] if isinstance(node.op.kernel, Scan) else 1
    loops = f"{repeats} times" if repeats > 1 else ""
    return Kernel(node.op.name, node.path, node.source, "host", loops, call.level, 0, moved)


def _kind(nest: ir.Nest) -> str:
    if nest.accums:
        return "sum"
    if any(s.combine for s in nest.stores):
        return "scatter"
    return "copy" if all(isinstance(s.expr, ir.Load) for s in nest.stores) else "map"


def loops_of(nest: ir.Nest) -> str:
    """Return the axes of a nest as text, and how its schedule runs them.

    `64 8x128 over k 784, 8 lanes of k`
    """
    text = _axes(nest.axes)
    if nest.over:
        text += f" over {_axes(nest.over)}"
    schedule = nest.schedule
    if schedule is None or schedule.vector is None:
        return text
    text += f"; {schedule.lanes} lanes of {schedule.vector}"
    if schedule.block:
        text += "; block " + " ".join(f"{a}:{n}" for a, n in schedule.block)
    return text


def _axes(axes: tuple[ir.Axis, ...]) -> str:
    return " ".join(f"{a}<{a.extent}" for a in axes) or "()"


def _amounts(nest: ir.Nest, chunk: ir.Axis) -> tuple[int, int]:
    """Operations on floats, each where its operands first are known, and bytes, each element
    once. What lies under padding counts as well."""
    table, nodes = _nodes(nest, chunk)
    extents = [a.extent for a in table.axes]
    results = prod(a.extent for a in nest.axes)
    points = results * prod(a.extent for a in nest.over)
    flops = sum(points for a in nest.accums if a.dtype.is_float)
    touched: dict[ir.Home, int] = {}

    def touch(buffer: ir.Buffer, index: IndexNode) -> None:
        moving = {a for a, _ in index.terms} | {a for n, _ in index.loaded for a in n.axes}
        count = min(buffer.size, prod(extents[a] for a in moving))
        touched[buffer.home] = max(touched.get(buffer.home, 0), count * buffer.dtype.bytes)

    for node in nodes:
        if node.kind == "load" and node.buffer and node.index:
            touch(node.buffer, node.index)
        elif node.dtype.is_float and node.kind not in _MOVES:
            times = results if node.pinned else prod(extents[a] for a in node.axes)
            flops += min(times, points)  # axes without points are left out of expressions
    for store in nest.stores:
        touch(store.buffer, table.index(store.index))
    return flops, sum(touched.values())


def lives_of(program: ir.Program) -> tuple[Life, ...]:
    """Return the values in the arena, in the order in which they are made, but for those that one
    pass over the rows makes and uses up."""
    seen: dict[ir.Buffer, list[int]] = {}
    labels: dict[ir.Buffer, str] = {}
    for level, phases in enumerate(program.levels):
        for nest, chunks in ((n, p.chunk) for p in phases for n in p.nests):
            for buffer in _buffers(nest, chunks):
                seen.setdefault(buffer, []).append(level)
            for store in nest.stores:
                labels.setdefault(store.buffer, f"{nest.label} {nest.layer}".strip())
        for call in program.calls_after(level):
            for window in (*call.arguments, call.result):
                seen.setdefault(window.buffer, []).append(level)
            labels.setdefault(call.result.buffer, call.node.op.name)
    return tuple(
        Life(b.name, labels.get(b, ""), b.size * b.dtype.bytes, b.offset, min(at), max(at))
        for b, at in seen.items()
        if b.slot == ARENA and b.scratch is None
    )


def _buffers(nest: ir.Nest, chunk: ir.Axis) -> set[ir.Buffer]:
    _, nodes = _nodes(nest, chunk)
    return {n.buffer for n in nodes if n.buffer} | {s.buffer for s in nest.stores}


def _nodes(nest: ir.Nest, chunk: ir.Axis) -> tuple[NodeTable, list[Node]]:
    """All expressions of a nest, equal ones once."""
    axes = nest.axes + nest.over
    table = NodeTable(axes if chunk in axes else (*axes, chunk), frozenset())
    results = [*[a.expr for a in nest.accums], *[s.expr for s in nest.stores]]
    places = [e for s in nest.stores for e, _ in s.index.loaded]
    return table, reachable([table.node(e) for e in (*results, *places)])
