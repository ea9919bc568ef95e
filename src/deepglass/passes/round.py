"""Products of numbers rounded to bfloat16, added up in float32."""

from __future__ import annotations

from ..graph.graph import Graph, Node, derived, like
from ..graph.kinds import Contraction
from ..graph.op import REGISTRY
from ..graph.types import DType, TensorType, bfloat16, float32


def round_factors(graph: Graph) -> Graph:
    """Round what products of float32 are made of to bfloat16.

    y = x @ w    -->    a = float32(bfloat16(x)); b = float32(bfloat16(w)); y = a @ b

    Matrix products, convolutions and their gradients alike. The results, and all else, stay
    float32: weights, what an optimizer remembers, normalizations, losses.
    """
    return graph.rewrite(_round_node)


def _round_node(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = like(node, inputs)
    if not isinstance(node.op.kernel, Contraction) or node.type.dtype is not float32:
        return node
    return like(node, tuple(_cast(node, float32, _cast(node, bfloat16, x)) for x in inputs))


def _cast(origin: Node, dtype: DType, x: Node) -> Node:
    type = TensorType(x.type.shape, dtype)
    return derived(origin, REGISTRY["cast"], (x,), {"dtype": dtype}, type)
