"""When two graphs are the same: a text that tells what a graph computes."""

from __future__ import annotations

import dataclasses
import hashlib
from functools import cache
from typing import Any

from .graph import Graph, Node
from .kinds import Host, Kind
from .region import Region
from .types import DType, TensorType

_PLAIN = (bool, int, float, str, type(None))
_OURS = __name__.split(".", maxsplit=1)[0] + "."


class _UnknownError(Exception):
    """Something cannot be told apart by a text."""


def identity(graph: Graph) -> str | None:
    """Return a text that is equal for two graphs that compute the same from the same.

    None if the graph has a part that a text does not determine: an op whose loops are said
    outside this package, a parameter that is no number, name, type or tuple of them.
    """
    try:
        return _identity(graph)
    except _UnknownError:
        return None


def numbered(graph: Graph) -> tuple[Node, ...]:
    """Return inputs, state and all other nodes; those of graphs of one identity correspond."""
    return tuple(dict.fromkeys((*graph.inputs, *graph.state, *graph.nodes())))


def _identity(graph: Graph) -> str:
    nodes = numbered(graph)
    number = {n.id: k for k, n in enumerate(nodes)}
    lines = [f"{len(graph.inputs)} inputs, {len(graph.state)} state"]
    lines += [_line(n, number) for n in nodes]
    lines.append(f"return {[number[n.id] for n in graph.outputs]}")
    lines += [f"{number[s.id]} <- {number[v.id]}" for s, v in graph.updates]
    lines.append(f"taps {[number[n.id] for n in graph.taps]}")
    return "\n".join(lines)


def _line(node: Node, number: dict[int, int]) -> str:
    if not _said_here(node.op.kernel):
        raise _UnknownError
    parts = [node.op.name, str(node.type), str([number[i.id] for i in node.inputs])]
    parts += [f"{k}={_text(v)}" for k, v in sorted(node.params.items())]
    if node.data is not None:
        parts.append(hashlib.sha256(node.data.tobytes()).hexdigest())
    return " ".join(parts)


@cache
def _said_here(kernel: Kind) -> bool:
    """Whether all rules of a kind, where loops follow from it, stand in this package."""
    if isinstance(kernel, Host):
        return True
    rules = [getattr(kernel, f.name) for f in dataclasses.fields(kernel)]
    return all(r.__module__.startswith(_OURS) for r in rules if callable(r))


def _text(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    if isinstance(value, (DType, TensorType)):
        return str(value)
    if isinstance(value, Region):
        return f"[{_identity(value.graph)}]"
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith(_OURS):
        fields = [_text(getattr(value, f.name)) for f in dataclasses.fields(value)]
        return f"{type(value).__name__}({', '.join(fields)})"
    raise _UnknownError
