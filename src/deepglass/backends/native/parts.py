"""Long sums over images, one tile of images at a time.

    for o, c, u, v:       over n<64, y, x:  s += a[n, c, y + u, x + v] * g[n, o, y, x]
    -->
    for t<8, o, c, u, v:  over y, x, n<8:   p[t, o, c, u, v] += ...  image 8 t + n
    for o, c, u, v:       over t<8:         s += p[t, o, c, u, v]

A thread then takes its tiles from the loops that make ``a`` and ``g`` on to their products, while
both are in its cache, and partial sums lose less to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ...graph.graph import Node, derived
from ...graph.kinds import Arrangement, Contraction
from ...graph.op import REGISTRY, Op
from ...graph.types import TensorType

_LONG = 256  # terms of a part: fewer are not worth a store, and a load later


def suits(node: Node, wish: Arrangement, tile: int) -> bool:
    """Whether the sum of a contraction is long enough to be taken in parts of so many images."""
    kernel = node.op.kernel
    assert isinstance(kernel, Contraction)
    extents = kernel.over(tuple(i.type for i in node.inputs), **node.params)
    return wish.long and tile * prod(extents[1:]) >= _LONG


def parts_of(node: Node, wish: Arrangement, tile: int) -> tuple[Node, Arrangement]:
    """Return the sums over each tile, along a first axis of their own, and how they lie."""
    images, shape = node.inputs[0].type.shape[0], node.type.shape
    type = TensorType((images // tile, *shape), node.type.dtype)
    parts = derived(node, _op(node.op, tile), node.inputs, node.params, type)
    return parts, replace(wish, result=tuple(range(1 + len(shape))), over=wish.over[1:], long=False)


def _op(op: Op, tile: int) -> Op:
    whole = op.kernel
    assert isinstance(whole, Contraction)

    def over(types: Any, **params: Any) -> tuple[int, ...]:
        return (tile, *whole.over(types, **params)[1:])

    def term(b: Any, i: Sequence[Any], k: Sequence[Any], *reads: Any, **rest: Any) -> Any:
        (part, *own), (image, *places) = i, k
        image = b.add(b.mul(part, b.const(tile, like=part)), image)
        return whole.term(b, own, [image, *places], *reads, **rest)

    return replace(op, name=f"{op.name}.parts", kernel=Contraction(over, term))


def total(node: Node, parts: Node) -> Node:
    """Return the sum of all parts, in the place of ``node``."""
    return derived(node, REGISTRY["sum"], (parts,), {"dim": (0,), "keepdim": False}, node.type)
