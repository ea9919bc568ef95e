"""Nodes and graphs: values, and how they came to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, islice
from typing import Any

import numpy as np

from ..errors import DeepglassError, TraceError
from .kinds import Elementwise, Host, Leaf
from .op import Op, Sample
from .types import TensorType

_ids = count()


class Node:
    """An immutable value: one application of an op, or a leaf.

    Eagerly ``data`` holds the array; in a trace it is None (constants aside) and the node
    only says how to compute it. ``inputs`` of an eager node are kept only while a gradient
    may be asked for.
    """

    __slots__ = (
        "__weakref__", "data", "id", "inputs", "is_leaf", "name", "op", "origin",
        "owner", "params", "path", "requires_grad", "source", "trace", "type",
    )  # fmt: skip

    def __init__(
        self,
        op: Op,
        type: TensorType,
        inputs: tuple[Node, ...] = (),
        params: dict[str, Any] | None = None,
        data: np.ndarray | None = None,
        requires_grad: bool = False,
        is_leaf: bool = False,
    ) -> None:
        self.id = next(_ids)
        self.op = op
        self.type = type
        self.inputs = inputs
        self.params = params or {}
        self.data = data
        self.requires_grad = requires_grad
        self.is_leaf = is_leaf  # its gradient goes to the tensor that owns it
        self.owner: Any = None  # weak reference to that tensor
        self.trace: Any = None  # the trace this node belongs to; None once concrete
        self.source = ""  # "file.py:12", the user's line
        self.path = ""  # the layer, "conv1.bn"
        self.name = ""
        self.origin = 0  # the id of the gradient that this one was added to, the first of a sum

    def __repr__(self) -> str:
        return f"<{self.name or self.op.name} {self.type}>"

    def compute(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Return the value for inputs of these values.

        What the op's reference raises says in a note where the op was recorded.
        """
        try:
            return self.op.compute(arrays, self.params, self.type)
        except Exception as error:
            error.add_note(f"In {self.op.name} {self.type}, recorded at {self.source or '?'}.")
            raise


def _no_reference(*_: Any, **__: Any) -> Any:
    raise DeepglassError("leaf: a leaf is given, not computed; pass its value to the backend.")


def _leaf(name: str) -> Op:
    return Op(name=name, infer=lambda **p: p["type"], reference=_no_reference, kernel=Leaf())


INPUT = _leaf("input")
STATE = _leaf("state")
CONSTANT = _leaf("constant")

# The value of its input under a new identity: where a gradient starts or stops.
ALIAS = Op(
    name="alias",
    infer=lambda x: x,
    reference=lambda x: x,
    kernel=Elementwise(lambda b, x: x),
    gradient=(lambda g, y, x: g,),
    samples=lambda rng: [Sample((rng.uniform(-2, 2, shape),)) for shape in ((), (2, 3))],
    notation="{0}",
    doc="The value of its input under a new identity; used where a gradient starts or stops.",
)


def since_now() -> int:
    """Return a number that the ids of earlier nodes are below, and those of later ones not."""
    return next(_ids)


def ancestors(outputs: Iterable[Node], through: Callable[[Node], bool] | None = None) -> list[Node]:
    """Return every node that ``outputs`` depend on, themselves included, inputs first.

    Args:
        outputs: where to begin.
        through: whether to look at the inputs of a node as well; always unless given.
    """
    seen: set[Node] = set()
    done: dict[Node, None] = {}
    stack = list(outputs)[::-1]
    while stack:
        node = stack[-1]
        if node in seen:
            done[stack.pop()] = None
            continue
        seen.add(node)
        if through is None or through(node):
            stack += node.inputs[::-1]
    return list(done)


@dataclass(frozen=True)
class Graph:
    """A program before it is compiled.

    Attributes:
        inputs: one node per argument array.
        state: one node per tensor that is read or rebound: parameters, buffers, data.
        outputs: what is returned.
        updates: (state node, its new value), carried out together at the end.
        taps: values that are looked at beside; no other value changes by a bit because of them.
    """

    inputs: tuple[Node, ...]
    state: tuple[Node, ...]
    outputs: tuple[Node, ...]
    updates: tuple[tuple[Node, Node], ...] = ()
    taps: tuple[Node, ...] = ()

    @property
    def results(self) -> tuple[Node, ...]:
        """Everything that has to be computed: outputs, then new state values, then taps."""
        return (*self.outputs, *(new for _, new in self.updates), *self.taps)

    def nodes(self) -> list[Node]:
        """Return the nodes to compute, inputs first."""
        return list(self._nodes)

    @cached_property
    def _nodes(self) -> list[Node]:
        return ancestors(self.results)

    def settled(self) -> frozenset[int]:
        """Return the ids of what state and constants alone determine, results left out, where
        no state is updated: between two runs it is the same unless Python, or another program,
        changed the state."""
        found: set[int] = set()
        results = {n.id for n in self.results}
        for node in self.nodes() if not self.updates else ():
            given = node.op in (STATE, CONSTANT)
            made = not isinstance(node.op.kernel, (Leaf, Host)) and node.id not in results
            if given or (made and all(i.id in found for i in node.inputs)):
                found.add(node.id)
        return frozenset(found)

    def compute(
        self, given: Mapping[int, np.ndarray], computed: Callable[[], object] = lambda: None
    ) -> list[np.ndarray]:
        """Return the values of `results`, each node computed in NumPy by its op's reference.

        Args:
            given: the values of inputs and state, by the ids of their nodes.
            computed: called after each node.
        """
        values = {id: array.view() for id, array in given.items()}
        for node in self.nodes():
            if node.id in values:
                continue
            if isinstance(node.op.kernel, Leaf):
                assert node.data is not None
                values[node.id] = node.data
                continue
            arguments = [values[i.id] for i in node.inputs]
            for array in arguments:
                array.flags.writeable = False
            values[node.id] = node.compute(arguments)
            computed()
        return [values[n.id] for n in self.results]

    def with_results(self, results: Sequence[Node]) -> Graph:
        """Return the graph with ``results`` (in the order of `results`) put in place."""
        given = iter(results)
        outputs = tuple(islice(given, len(self.outputs)))
        updates = tuple((state, next(given)) for state, _ in self.updates)
        return replace(self, outputs=outputs, updates=updates, taps=tuple(given))

    def rewrite(self, rule: Any) -> Graph:
        """Return the graph rebuilt bottom-up by ``rule(node, new_inputs) -> Node``."""
        new: dict[int, Node] = {}
        for node in self.nodes():
            new[node.id] = rule(node, tuple([new[i.id] for i in node.inputs]))
        before = self.results
        results = tuple([new[n.id] for n in before])
        return self if results == before else self.with_results(results)

    def verify(self) -> None:
        """Check every node against its op's own shape rule.

        Raises:
            DeepglassError: a node's recorded type is not what its op infers.
            TraceError: a node stands for an argument of something else.
        """
        for state, value in self.updates:
            if state.type != value.type:
                raise DeepglassError(
                    f"graph: a new state value keeps its type; {state.name} is {state.type}, "
                    f"its new value {value.type}."
                )
        given = {n.id for n in (*self.inputs, *self.state)}
        for node in self.nodes():
            if node.op in (INPUT, STATE) and node.id not in given:
                raise TraceError(
                    f"scan: what a step computes leaves it as its carry; a value that depends on "
                    f"{node.name} {node.type} at {node.source or '?'} was kept and used outside. "
                    "Make it part of the carry."
                )
            if isinstance(node.op.kernel, Leaf):
                continue
            found = node.op.infer(*[i.type for i in node.inputs], **node.params)
            if found != node.type:
                raise DeepglassError(
                    f"graph: a node has the type its op infers; {node.op.name} at "
                    f"{node.source or '?'} says {node.type}, inferred {found}."
                )

    def __str__(self) -> str:
        from .show import page

        return page(self)

    def dot(self) -> str:
        """Return the graph in Graphviz' language."""
        lines = ["digraph program {", "  rankdir=LR; node [shape=box];"]
        for node in self.nodes():
            label = f"{node.name or node.op.name}\\n{node.type}"
            lines.append(f'  n{node.id} [label="{label}"];')
            lines += [f"  n{i.id} -> n{node.id};" for i in node.inputs]
        return "\n".join([*lines, "}"])


def like(node: Node, inputs: tuple[Node, ...]) -> Node:
    """Return ``node`` applied to other inputs; the node itself when they are its own."""
    if inputs == node.inputs:
        return node
    return derived(node, node.op, inputs, node.params, node.type)


def derived(
    origin: Node, op: Op, inputs: tuple[Node, ...], params: dict[str, Any], type: TensorType
) -> Node:
    """Return a new node that tells the user's line and layer of ``origin``."""
    new = Node(op, type, inputs, params)
    new.trace, new.source, new.path = origin.trace, origin.source, origin.path
    return new
