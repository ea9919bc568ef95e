"""What makes two graphs the same: a text that is equal where they compute equal things."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from .graph import Graph, Node
from .kinds import Host
from .region import Region
from .types import DType, TensorType

_PLAIN = (bool, int, float, str, type(None))
_OURS = __name__.split(".", maxsplit=1)[0] + "."


class _UnknownError(Exception):
    """Something cannot be told apart by a text."""


@dataclass(frozen=True)
class Identity:
    """A graph, named by what it computes rather than by the objects it is made of.

    Attributes:
        text: equal for two graphs that compute the same from the same.
        nodes: inputs, state, and all others; those of equal graphs correspond.
    """

    text: str
    nodes: tuple[Node, ...]


def identify(graph: Graph) -> Identity | None:
    """Return the identity of ``graph``.

    None if it has a part that a text does not determine: an op whose loops are said outside
    this package, a parameter that is no number, name, type or tuple of them.
    """
    try:
        return _identity(graph)
    except _UnknownError:
        return None


def _identity(graph: Graph) -> Identity:
    nodes = tuple(dict.fromkeys((*graph.inputs, *graph.state, *graph.nodes())))
    number = {n.id: k for k, n in enumerate(nodes)}
    lines = [f"{len(graph.inputs)} inputs, {len(graph.state)} state"]
    lines += [_line(n, number) for n in nodes]
    lines.append(f"return {[number[n.id] for n in graph.outputs]}")
    lines += [f"{number[s.id]} <- {number[v.id]}" for s, v in graph.updates]
    lines.append(f"taps {[number[n.id] for n in graph.taps]}")
    return Identity("\n".join(lines), nodes)


def _line(node: Node, number: dict[int, int]) -> str:
    if not isinstance(node.op.kernel, Host) and not _said_here(node.op.kernel):
        raise _UnknownError
    parts = [node.op.name, str(node.type), str([number[i.id] for i in node.inputs])]
    parts += [f"{k}={_text(v)}" for k, v in sorted(node.params.items())]
    if node.data is not None:
        parts.append(hashlib.sha256(node.data.tobytes()).hexdigest())
    return " ".join(parts)


def _said_here(kernel: object) -> bool:
    """Whether all rules of a kind stand in this package."""
    rules = [getattr(kernel, f.name) for f in dataclasses.fields(kernel)]  # type: ignore[arg-type]
    return all(r.__module__.startswith(_OURS) for r in rules if callable(r))


def _text(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    if isinstance(value, (DType, TensorType)):
        return str(value)
    if isinstance(value, Region):
        return f"[{_identity(value.graph).text}]"
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith(_OURS):
        fields = [_text(getattr(value, f.name)) for f in dataclasses.fields(value)]
        return f"{type(value).__name__}({', '.join(fields)})"
    raise _UnknownError
