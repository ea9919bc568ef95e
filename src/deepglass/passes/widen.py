"""Halves computed in float32."""

from __future__ import annotations

from ..graph.cost import cost
from ..graph.graph import Graph, Node, derived, like
from ..graph.kinds import After, Elementwise, Leaf, Pull, Scan, View
from ..graph.op import REGISTRY, widened_params
from ..graph.types import DType, TensorType, float32


def widen(graph: Graph) -> Graph:
    """Compute ops on float16 and bfloat16 in float32, each result rounded once.

    y = exp(x)    -->    a = float32(x); b = exp(a); y = float16(b)

    It is what `Op.compute` does with arrays. Afterwards backends meet halves in three places:
    memory, ops that only move elements, and casts from and to float32.
    """
    return graph.rewrite(_widen_node)


def _widen_node(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = like(node, inputs)
    dtypes = [n.type.dtype for n in (node, *inputs)]
    if not any(d.is_half for d in dtypes) or _computes_nothing(node) or _is_door(node):
        return node
    wide = tuple(_cast(node, x, x.type.dtype.wide) for x in inputs)
    params = widened_params(node.params)
    type = node.op.infer(*[x.type for x in wide], **params)
    return _cast(node, derived(node, node.op, wide, params, type), node.type.dtype)


def _computes_nothing(node: Node) -> bool:
    """Whether a node is given, takes its elements from the inputs as they are, or is a scan,
    which leaves computing to the nodes of its step."""
    kernel = node.op.kernel
    if isinstance(kernel, (Elementwise, Pull)):
        return bool(node.inputs) and cost(node) == 0
    return isinstance(kernel, (Leaf, View, Scan, After))


def _is_door(node: Node) -> bool:
    """Whether the node is a cast between a half and float32."""
    return node.op.name == "cast" and float32 in (node.type.dtype, node.inputs[0].type.dtype)


def _cast(origin: Node, x: Node, dtype: DType) -> Node:
    if x.type.dtype is dtype:
        return x
    type = TensorType(x.type.shape, dtype)
    return derived(origin, REGISTRY["cast"], (x,), {"dtype": dtype}, type)
