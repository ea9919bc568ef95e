"""Leading axes that were joined, kept apart in what is computed from them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from string import ascii_lowercase
from typing import Any

from ..graph.graph import Graph, Node, derived, like
from ..graph.kinds import After, Elementwise, Leaf, Reduction, View
from ..graph.op import REGISTRY
from ..graph.types import Shape, TensorType

ROWS = 4  # of the first axis: a backend that shares them out among threads needs some
PLACES = 16  # of a row, each with its features: fewer fill no register blocks


def sink_joins(graph: Graph) -> Graph:
    """Join leading axes as late as possible.

    j = reshape(x, (4096, c)); y = exp(j @ w)
    -->
    s = contract(x, w, "abc,cd->abd"); t = exp(s); y = reshape(t, (4096, d))

    for x of shape (32, 128, c). A dense layer sees all places of all sequences as rows, what
    stands before and after it sees sequences. With the axes apart both have the same rows, so
    that a backend can take a sequence through all of it; and reshapes back and forth vanish.
    """
    return graph.rewrite(_Sinking().rule)


class _Sinking:
    def __init__(self) -> None:
        self.joined: dict[int, tuple[Node, Shape]] = {}  # by id: apart, and the axes in its front
        self.seen: dict[tuple[int, Shape], Node | None] = {}

    def rule(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        node = like(node, inputs)
        if isinstance(node.op.kernel, View):
            return self._view(node)
        front = next((self.joined[i.id][1] for i in inputs if i.id in self.joined), None)
        found = None if front is None else self._computed(node, front)
        if front is None or found is None:
            return node
        if isinstance(node.op.kernel, Reduction) and 0 in node.params["dim"]:
            return _reshaped(found, node.type.shape)
        return self._join(found, front)

    def _join(self, apart: Node, front: Shape) -> Node:
        node = _reshaped(apart, (prod(front), *apart.type.shape[len(front) :]))
        self.joined[node.id] = apart, front
        return node

    def _view(self, node: Node) -> Node:
        source, shape = node.inputs[0], node.type.shape
        if source.id in self.joined:
            source = self.joined[source.id][0]
        front = _front(source.type.shape, shape)
        if front is None:
            return _reshaped(source, shape)
        return self._join(_reshaped(source, (*front, *shape[1:])), front)

    # the axes apart

    def _computed(self, node: Node, front: Shape) -> Node | None:
        """``node`` computed from what its inputs are with the axes apart; None if it cannot be."""
        if isinstance(node.op.kernel, Elementwise):
            return self._same(node, front, node.params)
        if isinstance(node.op.kernel, Reduction):
            dim = node.params["dim"]
            apart = tuple(k for d in dim for k in _axes_of(d, front))
            return self._same(node, front, {**node.params, "dim": apart})
        if isinstance(node.op.kernel, After):
            return self._after(node, front)
        if node.op.name == "matmul":
            return self._product(node, front)
        rule = _MOVEMENTS.get(node.op.name)
        params = None if rule is None else rule(node, front)
        return None if params is None else self._same(node, front, params)

    def _same(self, node: Node, front: Shape, params: dict[str, Any]) -> Node | None:
        inputs = [self._apart(i, front) for i in node.inputs]
        known = tuple(i for i in inputs if i is not None)
        if len(known) < len(inputs):
            return None
        type = node.op.infer(*[i.type for i in known], **params)
        return derived(node, node.op, known, params, type)

    def _after(self, node: Node, front: Shape) -> Node | None:
        x = self._apart(node.inputs[0], front)
        if x is None:
            return None
        others = [self.joined[i.id][0] if i.id in self.joined else i for i in node.inputs[1:]]
        return derived(node, node.op, (x, *others), node.params, x.type)

    def _product(self, node: Node, front: Shape) -> Node | None:
        x, w = node.inputs
        if len(x.type.shape) > 2:
            return self._same(node, front, {})
        if x.id not in self.joined or not node.type.dtype.is_float:
            return None
        rows, (k, n) = ascii_lowercase[: len(front)], "yz"
        params = {"equation": f"{rows}{k},{k}{n}->{rows}{n}"}
        type = TensorType((*front, *node.type.shape[1:]), node.type.dtype)
        return derived(node, REGISTRY["contract"], (self.joined[x.id][0], w), params, type)

    def _apart(self, node: Node, front: Shape) -> Node | None:
        """``node`` with ``front`` in the place of its first axis; None if that takes work."""
        if node.id in self.joined:
            apart, own = self.joined[node.id]
            return apart if own == front else None
        key = node.id, front
        if key not in self.seen:
            self.seen[key] = self._found(node, front)
        return self.seen[key]

    def _found(self, node: Node, front: Shape) -> Node | None:
        kernel, shape = node.op.kernel, node.type.shape
        if shape[:1] != (prod(front),):
            return None
        apart = (*front, *shape[1:])
        source = node
        while isinstance(source.op.kernel, View):
            source = source.inputs[0]
        if isinstance(source.op.kernel, Leaf):
            return _reshaped(source, apart)
        if source.op.name == "broadcast" and source.inputs[0].type.size == 1:
            return _broadcast(node, _reshaped(source.inputs[0], ()), apart)
        if node.op.name == "broadcast":
            (x,) = node.inputs
            if len(x.type.shape) < len(shape) or x.type.shape[0] == 1:
                return _broadcast(node, x, apart)
            return self._same(node, front, {"shape": apart})
        if node.op.name == "iota" and node.params["dim"] != 0:
            dim = node.params["dim"]
            dim = dim if dim is None else _axes_of(dim, front)[0]
            params = {**node.params, "shape": apart, "dim": dim}
            return derived(node, node.op, (), params, node.op.infer(**params))
        summed = isinstance(kernel, Reduction) and 0 not in node.params["dim"]
        if summed or (isinstance(kernel, Elementwise) and node.inputs):
            return self._computed(node, front)
        return None


def _front(shape: Shape, joined: Shape) -> Shape | None:
    """The leading axes of ``shape`` that are the first of ``joined``, if they are worth it."""
    for k in range(2, len(shape) + 1):
        if joined and prod(shape[:k]) == joined[0]:
            front = tuple(n for n in shape[:k] if n != 1)
            places = prod((*front[1:], *joined[1:-1]))
            worth_it = len(front) > 1 and front[0] >= ROWS and places >= PLACES
            return front if worth_it else None
    return None


def _axes_of(axis: int, front: Shape) -> tuple[int, ...]:
    """What an axis is where the first one is apart."""
    return (axis + len(front) - 1,) if axis else tuple(range(len(front)))


def _reshaped(node: Node, shape: Shape) -> Node:
    if node.type.shape == shape:
        return node
    type = TensorType(shape, node.type.dtype)
    return derived(node, REGISTRY["reshape"], (node,), {"shape": shape}, type)


def _broadcast(origin: Node, x: Node, shape: Shape) -> Node:
    type = TensorType(shape, x.type.dtype)
    return derived(origin, REGISTRY["broadcast"], (x,), {"shape": shape}, type)


def _transposed(node: Node, front: Shape) -> dict[str, Any] | None:
    dims = node.params["dims"]
    return {"dims": tuple(k for d in dims for k in _axes_of(d, front))} if dims[0] == 0 else None


def _sliced(node: Node, front: Shape) -> dict[str, Any] | None:
    first, *others = node.params["ranges"]
    if first != (0, node.inputs[0].type.shape[0], 1):
        return None
    return {"ranges": (*((0, n, 1) for n in front), *others)}


def _padded(node: Node, front: Shape) -> dict[str, Any] | None:
    first, *others = node.params["widths"]
    if any(first):
        return None
    return {**node.params, "widths": (*((0, 0, 0) for _ in front), *others)}


def _spread(node: Node, front: Shape) -> dict[str, Any] | None:
    shape, before = node.params["shape"], node.inputs[0].type.shape
    same = len(shape) == len(before) and shape[0] == before[0]
    return {"shape": (*front, *shape[1:])} if same else None


_MOVEMENTS: dict[str, Callable[[Node, Shape], dict[str, Any] | None]] = {
    "transpose": _transposed,
    "slice": _sliced,
    "pad": _padded,
    "broadcast": _spread,
}
