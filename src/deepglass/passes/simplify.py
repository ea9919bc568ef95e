"""Rewrites that leave less to compute, each one exact in floating point."""

from __future__ import annotations

from collections.abc import Callable
from math import copysign

import numpy as np

from ..graph.graph import ALIAS, CONSTANT, Graph, Node, derived, like
from ..graph.kinds import After, Leaf, View
from ..graph.op import REGISTRY
from ..graph.types import TensorType

Rule = Callable[[Node], Node | None]


def simplify(graph: Graph) -> Graph:
    """Apply the rules of `RULES` bottom-up until none of them changes a node."""

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = like(node, inputs)
        changed: Node | None = node
        while changed is not None:
            node = changed
            changed = next((new for r in RULES if (new := r(node)) is not None), None)
        return node

    return graph.rewrite(rule)


def drop_alias(node: Node) -> Node | None:
    """alias(x)    -->    x"""
    return node.inputs[0] if node.op is ALIAS else None


def drop_identity(node: Node) -> Node | None:
    """A view, broadcast, cast or slice to the type x has already    -->    x"""
    moves = isinstance(node.op.kernel, View) or node.op.name in ("broadcast", "cast", "slice")
    return node.inputs[0] if moves and node.inputs[0].type == node.type else None


def merge_views(node: Node) -> Node | None:
    """reshape(reshape(x, a), b)    -->    reshape(x, b)"""
    if not isinstance(node.op.kernel, View) or not isinstance(node.inputs[0].op.kernel, View):
        return None
    return derived(node, node.op, node.inputs[0].inputs, node.params, node.type)


def merge_broadcasts(node: Node) -> Node | None:
    """broadcast(broadcast(x, a), b)    -->    broadcast(x, b)"""
    if node.op.name != "broadcast" or node.inputs[0].op.name != "broadcast":
        return None
    return derived(node, node.op, node.inputs[0].inputs, node.params, node.type)


def merge_transposes(node: Node) -> Node | None:
    """transpose(transpose(x, a), b)    -->    transpose(x, a then b), or x"""
    if node.op.name != "transpose" or node.inputs[0].op.name != "transpose":
        return None
    inner = node.inputs[0]
    dims = tuple(inner.params["dims"][d] for d in node.params["dims"])
    if dims == tuple(range(len(dims))):
        return inner.inputs[0]
    return derived(node, node.op, inner.inputs, {"dims": dims}, node.type)


def transposed_product(node: Node) -> Node | None:
    """(a @ b)ᵀ    -->    bᵀ @ aᵀ, whatever becomes of the batch axes before the last two

    The gradient of a weight (out, in) thereby has the weight's own order, and the update can
    be made where the product is.
    """
    if node.op.name != "transpose" or node.inputs[0].op.name != "matmul":
        return None
    product, dims = node.inputs[0], node.params["dims"]
    if dims[-2:] != (len(dims) - 1, len(dims) - 2):
        return None
    a, b = (_transposed(node, x) for x in product.inputs)
    return derived(node, product.op, (b, a), {}, node.type)


def _transposed(origin: Node, x: Node) -> Node:
    """``x`` with its axes in the order that the node ``origin`` gives them."""
    type = TensorType(tuple(x.type.shape[d] for d in origin.params["dims"]), x.type.dtype)
    node = derived(origin, origin.op, (x,), origin.params, type)
    return merge_transposes(node) or node


def view_of_scalar(node: Node) -> Node | None:
    """reshape(broadcast(c, a), b) of a single number c    -->    broadcast(c, b)"""
    source = node.inputs[0] if node.inputs else None
    if not isinstance(node.op.kernel, View) or source is None or source.op.name != "broadcast":
        return None
    if source.inputs[0].type.shape != ():
        return None
    shape = {"shape": node.type.shape}
    return derived(node, REGISTRY["broadcast"], source.inputs, shape, node.type)


def fold_constants(node: Node) -> Node | None:
    """An op of constants with one element    -->    its value"""
    if isinstance(node.op.kernel, Leaf) or node.type.size != 1 or not node.inputs:
        return None
    numbers = [i.data for i in node.inputs if i.data is not None and i.data.size == 1]
    if len(numbers) < len(node.inputs):
        return None
    return constant(node, node.compute(numbers))


def one_number(node: Node) -> Node | None:
    """A constant array that holds one number everywhere    -->    broadcast(number)"""
    if node.op is not CONSTANT or node.data is None or node.data.size < 2:
        return None
    bits = np.ascontiguousarray(node.data).reshape(-1).view(f"u{node.data.itemsize}")
    if (bits != bits[0]).any():
        return None
    number = constant(node, node.data.reshape(-1)[:1].reshape(()).copy())
    shape = {"shape": node.type.shape}
    return derived(node, REGISTRY["broadcast"], (number,), shape, node.type)


def neutral_factor(node: Node) -> Node | None:
    """x · 1, 1 · x, x / 1    -->    x"""
    if node.op.name not in ("mul", "div"):
        return None
    x, y = node.inputs
    if scalar(y) == 1:
        return x
    return y if node.op.name == "mul" and scalar(x) == 1 else None


def neutral_addend(node: Node) -> Node | None:
    """x + -0.0    -->    x"""
    if node.op.name != "add" or not node.type.dtype.is_float:
        return None
    number = scalar(node.inputs[1])
    return node.inputs[0] if number == 0 and copysign(1, number) < 0 else None


def early_number(node: Node) -> Node | None:
    """A single number, repeated or not, after others    -->    the number"""
    known = isinstance(node.op.kernel, After) and scalar(node.inputs[0]) is not None
    return node.inputs[0] if known else None


def constant(origin: Node, value: np.ndarray) -> Node:
    """Return a constant node in the place of ``origin``."""
    node = derived(origin, CONSTANT, (), {}, TensorType(value.shape, origin.type.dtype))
    value.flags.writeable = False
    node.data = value
    return node


def scalar(node: Node) -> float | None:
    """Return the number that ``node`` repeats everywhere, or None."""
    if node.op.name == "broadcast":
        node = node.inputs[0]
    if node.op is CONSTANT and node.data is not None and node.data.size == 1:
        return float(node.data.reshape(()).item())
    return None


RULES: tuple[Rule, ...] = (
    drop_alias,
    drop_identity,
    merge_views,
    merge_broadcasts,
    merge_transposes,
    transposed_product,
    view_of_scalar,
    fold_constants,
    one_number,
    neutral_factor,
    neutral_addend,
    early_number,
)
