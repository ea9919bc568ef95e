"""A graph as a page of mathematics: one line per step, its source line and its layer."""

from __future__ import annotations

import numpy as np

from .graph import ALIAS, CONSTANT, INPUT, STATE, Graph, Node
from .kinds import Host, Leaf, Scan

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def page(graph: Graph) -> str:
    """Return ``graph`` in lines such as ``h₃ = relu(a₂)   float32[64, 128]   fc1   net.py:7``.

    What a scan repeats stands below, as a page of its own.
    """
    pages = [_page(graph, "program")]
    scans = [n for n in graph.nodes() if isinstance(n.op.kernel, Scan)]
    steps = {str(n.params["region"]): n.params["region"].graph for n in scans}
    pages += [_page(step, name) for name, step in steps.items()]
    return "\n\n".join(pages)


def _page(graph: Graph, title: str) -> str:
    names: dict[int, str] = {}
    texts: dict[int, str] = {}
    rows: list[tuple[str, str, str, str]] = []
    uses = _uses(graph)

    def name_leaf(node: Node, fallback: str) -> str:
        return names.setdefault(node.id, node.name or fallback)

    arguments = ", ".join(f"{name_leaf(n, f'x{i}')}: {n.type}" for i, n in enumerate(graph.inputs))
    for i, node in enumerate(graph.state):
        name_leaf(node, f"s{i}")
    counter = 0
    for node in graph.nodes():
        if isinstance(node.op.kernel, Leaf):
            texts[node.id] = names.get(node.id) or _constant(node)
            continue
        text = _expression(node, texts)
        if _inline(node, uses):
            texts[node.id] = text
            continue
        counter += 1
        texts[node.id] = "v" + str(counter).translate(_SUBSCRIPTS)
        rows.append((f"{texts[node.id]} = {text}", str(node.type), node.path, node.source))
    for state, value in graph.updates:
        rows.append((f"{names[state.id]} ← {texts[value.id]}", "", value.path, value.source))
    returned = ", ".join(texts[n.id] for n in graph.outputs)
    lines = [f"{title}({arguments})"]
    lines += [f"  state {names[n.id]}: {n.type}" for n in graph.state]
    widths = [max((len(r[k]) for r in rows), default=0) for k in range(3)]
    for row in rows:
        cells = [cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)]
        lines.append("  " + "   ".join(cells).rstrip())
    lines.append(f"  return {returned}")
    return "\n".join([*lines, *[f"  tap {texts[n.id]}" for n in graph.taps]])


def _uses(graph: Graph) -> dict[int, int]:
    uses: dict[int, int] = {}
    for node in graph.nodes():
        for i in node.inputs:
            uses[i.id] = uses.get(i.id, 0) + 1
    for node in graph.results:
        uses[node.id] = uses.get(node.id, 0) + 2  # a result stands on a line of its own
    return uses


def _inline(node: Node, uses: dict[int, int]) -> bool:
    """A broadcast, an alias, and a transpose used once read better inside their user."""
    if node.op is ALIAS or node.op.name == "broadcast":
        return True
    return node.op.name == "transpose" and uses.get(node.id, 0) == 1


def _constant(node: Node) -> str:
    if node.op is CONSTANT and node.data is not None and node.data.size == 1:
        return f"{node.data.reshape(()).item():g}"
    return {INPUT: "x", STATE: "s"}.get(node.op, f"constant{list(node.type.shape)}")


def _expression(node: Node, texts: dict[int, str]) -> str:
    inputs = [_bracketed(texts[i.id]) for i in node.inputs]
    if node.op.notation:
        shown = {k: _param(v) for k, v in node.params.items()}
        return node.op.notation.format(*inputs, **shown)
    arguments = [texts[i.id] for i in node.inputs]
    if isinstance(node.op.kernel, Scan):
        times = f"{node.params['length']} times{', backwards' * node.params['reverse']}"
        return f"{node.op.name} {node.params['region']}({', '.join(arguments)}) {times}"
    arguments += [f"{k}={_param(v)}" for k, v in node.params.items()]
    where = "host " if isinstance(node.op.kernel, Host) else ""
    return f"{where}{node.op.name}({', '.join(arguments)})"


def _bracketed(text: str) -> str:
    """Brackets around a text that has an operator outside of all brackets."""
    depth = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == " " and depth == 0:
            return f"({text})"
    return text


def _param(value: object) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
