"""The expressions of one nest as a graph in which equal expressions are one node.

Every node knows which axes of the nest it depends on, so the emitter can place it in the
outermost loop that binds them, and can remember its value per position of those axes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from ...graph.types import DType, bool_
from . import ir
from .text import Number

Terms = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, slots=True)
class IndexNode:
    """An `ir.Index` with axes by number and loaded parts as nodes."""

    terms: Terms
    constant: int
    loaded: tuple[tuple[Node, int], ...]

    @property
    def key(self) -> Hashable:
        return self.terms, self.constant, tuple((n.number, c) for n, c in self.loaded)

    def coefficient(self, axis: int) -> int:
        return next((c for a, c in self.terms if a == axis), 0)


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One expression.

    Attributes:
        kind: `const`, `iota`, `load`, `acc`, or the name of an operation.
        args: operands of an operation; the condition of a load.
        axes: numbers of the axes it depends on, ascending.
        pinned: reads an accumulator or memory that the nest writes, so it must be evaluated
            where it stands.
    """

    number: int
    kind: str
    dtype: DType
    args: tuple[Node, ...] = ()
    axes: tuple[int, ...] = ()
    index: IndexNode | None = None
    buffer: ir.Buffer | None = None
    value: Number | str = 0
    pinned: bool = False


@dataclass
class NodeTable:
    """Makes the nodes of one nest.

    Attributes:
        axes: the nest's axes; a node names them by position.
        written: homes of the buffers that the nest stores to.
    """

    axes: tuple[ir.Axis, ...]
    written: frozenset[ir.Home]
    _by_key: dict[Hashable, Node] = field(default_factory=dict)
    _by_identity: dict[int, Node] = field(default_factory=dict)
    _numbers: dict[ir.Axis, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = {axis: i for i, axis in enumerate(self.axes)}

    def node(self, expr: ir.Expr) -> Node:
        """Return the node of an expression, the same for equal ones."""
        known = self._by_identity.get(id(expr))
        if known is None:
            known = self._by_identity[id(expr)] = self._make(expr)
        return known

    def index(self, index: ir.Index) -> IndexNode:
        terms: dict[int, int] = {}
        for axis, coefficient in index.terms:
            if axis.extent > 1:  # an axis of one point stands at 0
                number = self._numbers[axis]
                terms[number] = terms.get(number, 0) + coefficient
        loaded = tuple((self.node(e), c) for e, c in index.loaded if c)
        ordered = tuple(sorted((a, c) for a, c in terms.items() if c))
        return IndexNode(ordered, index.constant, loaded)

    def _make(self, expr: ir.Expr) -> Node:
        if isinstance(expr, ir.Call):
            args = tuple([self.node(a) for a in expr.args])
            if expr.op == "and" and expr.dtype is bool_:
                args = tuple(_conjuncts(args))
            return self._intern(expr.op, expr.dtype, args=args)
        match expr:
            case ir.Const(value, dtype):
                return self._intern("const", dtype, value=value, extra=repr(value))
            case ir.Acc(name, dtype):
                return self._intern("acc", dtype, value=name, extra=name, pinned=True)
            case ir.Iota(index, dtype):
                return self._intern("iota", dtype, index=self.index(index))
            case ir.Load(buffer, index, where, other):
                return self._intern(
                    "load",
                    buffer.dtype,
                    args=(self.node(where),) if where is not None else (),
                    index=self.index(index),
                    buffer=buffer,
                    value=other,
                    extra=repr(other),
                    pinned=buffer.home in self.written,
                )

    def _intern(
        self,
        kind: str,
        dtype: DType,
        *,
        args: tuple[Node, ...] = (),
        index: IndexNode | None = None,
        buffer: ir.Buffer | None = None,
        value: Number | str = 0,
        extra: str = "",
        pinned: bool = False,
    ) -> Node:
        numbers = tuple([a.number for a in args])
        key = (kind, dtype.name, numbers, index.key if index else None, buffer, extra)
        known = self._by_key.get(key)
        if known is None:
            inner = (*args, *(n for n, _ in index.loaded)) if index else args
            axes = {a for n in inner for a in n.axes}
            if index:
                axes.update(a for a, _ in index.terms)
            pinned = pinned or any(n.pinned for n in inner)
            known = Node(
                len(self._by_key),
                kind,
                dtype,
                args,
                tuple(sorted(axes)),
                index,
                buffer,
                value,
                pinned,
            )
            self._by_key[key] = known
        return known


def _conjuncts(args: Iterable[Node]) -> Iterable[Node]:
    """Flatten nested conjunctions, so that uniform conditions can be joined first."""
    for a in args:
        if a.kind == "and":
            yield from a.args
        else:
            yield a
