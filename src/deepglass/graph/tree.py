"""Nested lists, tuples and dicts of values, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

LEAF = "*"


def flatten(tree: Any) -> tuple[list[Any], Hashable]:
    """Return the leaves of ``tree`` in order and a hashable description of its shape.

    >>> flatten({"x": 1, "y": (2, 3)})
    ([1, 2, 3], ('dict', ('x', 'y'), ('*', ('tuple', ('*', '*')))))
    """
    if isinstance(tree, dict):
        keys = tuple(tree)
        parts = [flatten(tree[k]) for k in keys]
        return [x for p, _ in parts for x in p], ("dict", keys, tuple(s for _, s in parts))
    if isinstance(tree, (list, tuple)):
        parts = [flatten(x) for x in tree]
        kind: Hashable = "list" if isinstance(tree, list) else "tuple"
        if hasattr(tree, "_fields"):
            kind = type(tree)  # a named tuple
        return [x for p, _ in parts for x in p], (kind, tuple(s for _, s in parts))
    return [tree], LEAF


def unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    """Return the tree that `flatten` took apart."""
    if structure == LEAF:
        return next(leaves)
    if structure[0] == "dict":
        return {k: unflatten(s, leaves) for k, s in zip(structure[1], structure[2], strict=True)}
    parts = [unflatten(s, leaves) for s in structure[1]]
    if structure[0] in ("list", "tuple"):
        return parts if structure[0] == "list" else tuple(parts)
    return structure[0](*parts)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return ``tree`` with ``function`` applied to each leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, iter([function(x) for x in leaves]))
