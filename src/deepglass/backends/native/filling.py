"""What goes into the vector lanes of contractions: images themselves, or their channels.

    images last      images n/8, c, h, w, n%8         all lanes are filled, whatever the maps are
    channels last    images n, h, w, c/16, c%16       for many channels, and for few images

Contractions that values flow between are of one mind, else all of these would be turned around.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.graph import Graph, Node
from ...graph.kinds import After, Arrangement, Contraction, Elementwise, Order, Pull, View
from .cpu import host
from .roots import keeps_axes

Offers = tuple[Arrangement, ...]


def arrangements(graph: Graph) -> dict[int, Arrangement]:
    """Return the arrangement of each contraction that has one, by the id of its node."""
    nodes = graph.nodes()
    asked = {node.id: found for node in nodes if (found := _offered(node))}
    together = _connected(nodes, asked)
    against = {together[n.id] for n in nodes if _wants_channels(n, asked.get(n.id))}
    return {
        id: chosen
        for id, offers in asked.items()
        for chosen in [a for a in offers if _by_images(a) != (together[id] in against)][:1]
    }


def tiled(order: Order) -> bool:
    """Whether the outermost axis is cut into vectors, which stand innermost."""
    return len(order) > 1 and order[0] == order[-1]


def _by_images(arrangement: Arrangement) -> bool:
    return tiled(arrangement.inputs[0])


def _offered(node: Node) -> Offers:
    """The arrangements that suit a contraction; images come in whole vectors, several of them."""
    kernel = node.op.kernel
    if not isinstance(kernel, Contraction) or kernel.arrange is None:
        return ()
    types = tuple(i.type for i in node.inputs)
    images, lanes = types[0].shape[0], host().vector_bytes // node.type.dtype.bytes
    whole = images % lanes == 0 and images > lanes
    found: Offers = kernel.arrange(types, **node.params)
    return tuple(a for a in found if whole or not _by_images(a))


def _wants_channels(node: Node, offers: Offers | None) -> bool:
    """Whether values cannot flow through a node with images in the lanes."""
    if offers is not None:
        return not any(map(_by_images, offers))
    return _has_orders(node)


def _has_orders(node: Node) -> bool:
    return isinstance(node.op.kernel, Pull) and node.op.kernel.orders is not None


def _connected(nodes: list[Node], asked: dict[int, Offers]) -> dict[int, int]:
    """Return a number per node, equal for those between which values flow as they lie."""
    parent = {node.id: node.id for node in nodes}

    def find(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    for node in nodes:
        for source in _alike(node, asked.get(node.id, ())):
            parent[find(source.id)] = find(node.id)
    return {number: find(number) for number in parent}


def _alike(node: Node, offers: Offers) -> Iterator[Node]:
    """The inputs of a node that had best lie as its result does, or as one another."""
    kernel, shape = node.op.kernel, node.type.shape
    if offers:
        orders = offers[0].inputs
        yield from (i for i, order in zip(node.inputs, orders, strict=True) if order == orders[0])
    elif (isinstance(kernel, View) and keeps_axes(node)) or _has_orders(node):
        yield from node.inputs
    elif isinstance(kernel, (Elementwise, Pull, After)):
        yield from (i for i in node.inputs if i.type.shape[:1] == shape[:1] != ())
