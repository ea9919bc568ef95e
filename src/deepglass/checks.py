"""Checks of values that can only be made when a compiled program is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from .errors import DomainError
from .graph.graph import CONSTANT, Graph, Node
from .graph.types import Shape

Check = Callable[[list[np.ndarray]], None]


def checks_of(graph: Graph) -> list[Check]:
    """Return value checks that can be made on arguments before the program runs.

    A record's ``validate`` looks at the values of integer inputs only. Where such an input is
    an argument of the program (moved or repeated at most), it is checked at each call; where
    it is written into the program, now.

    Raises:
        DomainError: as the op's record says, for a value that is written into the program.
    """
    position = {n.id: k for k, n in enumerate(graph.inputs)}
    checks: list[Check] = []
    for node in graph.nodes():
        if node.op.validate is None:
            continue
        sources = [_behind_moves(i) for i in node.inputs]
        whole = [s if s.type.dtype.is_integer else None for s in sources]
        if any(s is not None and s.id in position for s in whole):
            checks.append(_check(node, whole, position))
        elif any(s is not None and s.op is CONSTANT for s in whole):
            _check(node, whole, position)([])
    return checks


_MOVES = frozenset({"alias", "broadcast", "flip", "reshape", "roll", "transpose"})


def _behind_moves(node: Node) -> Node:
    """The node that all elements of ``node`` come from, in whatever integer type."""
    while node.op.name in _MOVES or _keeps_all(node):
        node = node.inputs[0]
    return node


def _keeps_all(node: Node) -> bool:
    if node.op.name == "cast":
        return node.inputs[0].type.dtype.is_integer
    return node.op.name == "slice" and node.type == node.inputs[0].type


def _check(node: Node, sources: Sequence[Node | None], position: dict[int, int]) -> Check:
    """The check of one node. Values that are not known could be 0 or 1: what is wrong either
    way is an error."""
    validate, params = node.op.validate, node.params
    assert validate is not None
    types = [i.type for i in node.inputs]
    given = [(at, position[s.id]) for at, s in enumerate(sources) if s and s.id in position]

    def standing_in(number: int) -> list[np.ndarray]:
        return [
            np.broadcast_to(np.array(number, t.dtype.wide.numpy), t.shape)
            if s is None or s.data is None
            else np.resize(s.data, t.shape)
            for s, t in zip(sources, types, strict=True)
        ]

    known = [standing_in(0), standing_in(1)]

    def check(arrays: list[np.ndarray]) -> None:
        for standing in known:
            values = standing.copy()
            for at, k in given:
                values[at] = _in_shape(arrays[k], types[at].shape)
            try:
                return validate(*values, **params)
            except DomainError as found:
                error = found
        raise error

    return check


def _in_shape(array: np.ndarray, shape: Shape) -> np.ndarray:
    """The values of an argument as the node sees them; all of them where they are of many steps."""
    if array.shape == shape:
        return array
    size = prod(shape)
    if array.size == size:
        return array.reshape(shape)
    return np.resize(array, shape) if array.size < size else array
