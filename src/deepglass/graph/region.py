"""A recorded piece of computation, closed over what it reads, to be carried out again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .graph import CONSTANT, INPUT, Graph, Node, ancestors, derived, since_now
from .kinds import Elementwise, Leaf, Pull, View
from .tensor import Tensor, apply, read
from .trace import active_trace, grad_enabled, sealed, set_grad_enabled
from .types import TensorType

Instead = Callable[..., Tensor]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Region:
    """Nodes between some inputs and one output.

    Attributes:
        graph: of ops alone: it has no state, and holds no values but single numbers.
        name: tells it apart, as in ``step#3``.
    """

    graph: Graph
    name: str = field(default_factory=lambda: f"region#{next(_numbers)}")

    @staticmethod
    def cut(
        output: Node, inputs: Sequence[Node], inside: Callable[[Node], bool], name: str
    ) -> tuple[Region, list[Node]]:
        """Return the region that computes ``output`` and the nodes it reads besides ``inputs``.

        Args:
            output: the result.
            inputs: nodes the region is a function of; its graph has one input for each, and
                then one for each node read.
            inside: whether a node belongs to the region. Of the others, it holds single
                numbers itself and reads the rest.
            name: what it is called.
        """
        given = {n.id for n in inputs}
        order = ancestors([output], lambda n: n.id not in given and inside(n))
        new = {n.id: _place(n) for n in inputs}
        besides: list[Node] = []
        for node in order:
            if node.id in given:
                continue
            if inside(node):
                new[node.id] = derived(
                    node, node.op, tuple(new[i.id] for i in node.inputs), node.params, node.type
                )
                new[node.id].requires_grad = node.requires_grad
            elif _is_number(node):
                new[node.id] = node
            else:
                new[node.id] = _place(node)
                besides.append(node)
        for k, node in enumerate((*inputs, *besides)):
            new[node.id].name = node.name or f"r{k}"
        graph = Graph(tuple(new[n.id] for n in (*inputs, *besides)), (), (new[output.id],))
        return Region(graph, f"{name}#{next(_numbers)}"), besides

    @staticmethod
    def record(
        function: Callable[..., Tensor], arguments: Mapping[str, TensorType], name: str, rule: str
    ) -> tuple[Region, list[Tensor]]:
        """Return ``function``, recorded in the active trace, and the tensors it reads besides
        its arguments.

        What does not depend on the arguments is computed outside, once; movements of whole
        tensors, which cost nothing where they are used, are inside.

        Args:
            function: changes nothing: no state, no random generator.
            arguments: their names and types.
            name: what the region is called.
            rule: what an error says where the function changes something.
        """
        trace = active_trace()
        assert trace is not None
        start = since_now()
        with sealed(rule):
            places = [trace.argument(t, name) for name, t in arguments.items()]
            for place in places:
                place.requires_grad = place.type.dtype.is_float
            output = read(function(*map(Tensor.of, places)))
        depends = {p.id for p in places}
        for node in ancestors([output], lambda n: n.id >= start):
            if any(i.id in depends for i in node.inputs):
                depends.add(node.id)

        def inside(node: Node) -> bool:
            return node.id in depends or (node.id >= start and _moves(node))

        region, besides = Region.cut(output, places, inside, name)
        return region, [Tensor.of(n) for n in besides]

    def __call__(self, *tensors: Tensor) -> Tensor:
        """Compute the output for other inputs, as if its ops were applied here.

        What was not recorded for differentiation the first time is not recorded now.
        """
        return self.trail(tensors)[self.graph.outputs[0].id]

    def trail(
        self, tensors: Sequence[Tensor], instead: Mapping[int, Instead] | None = None
    ) -> dict[int, Tensor]:
        """As a call, but return the values of all nodes, by id.

        Args:
            tensors: the inputs.
            instead: for some nodes, by id, what is made of their inputs instead.
        """
        values = {n.id: x for n, x in zip(self.graph.inputs, tensors, strict=True)}
        trace, recorded = active_trace(), grad_enabled()
        for node in self.graph.nodes():
            if node.id in values:
                continue
            if isinstance(node.op.kernel, Leaf):
                values[node.id] = Tensor.of(node)
                continue
            inputs = [values[i.id] for i in node.inputs]
            with set_grad_enabled(recorded and node.requires_grad):
                if instead is not None and node.id in instead:
                    result = instead[node.id](*inputs)
                else:
                    result = apply(node.op, *inputs, **node.params)
            if trace is not None:
                result.node.source, result.node.path = node.source, node.path
            values[node.id] = result
        return values

    @staticmethod
    def only(node: Node) -> Region:
        """Return the region of one node: a function of its inputs."""
        inputs = tuple(map(_place, node.inputs))
        again = derived(node, node.op, inputs, node.params, node.type)
        again.requires_grad = node.requires_grad
        return Region(Graph(inputs, (), (again,)), f"{node.op.name}#{next(_numbers)}")

    def unread(self) -> list[bool]:
        """Return for each input whether the output does not depend on it."""
        read = {n.id for n in self.graph.nodes()}
        return [n.id not in read for n in self.graph.inputs]

    def without(self, dropped: Sequence[bool]) -> Region:
        """Return the region as a function of its other inputs; those dropped are unread."""
        inputs = tuple(n for n, d in zip(self.graph.inputs, dropped, strict=True) if not d)
        return Region(Graph(inputs, (), self.graph.outputs), self.name)

    def compute(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Return the output's value, computed in NumPy."""
        known = {n.id: a for n, a in zip(self.graph.inputs, arrays, strict=True)}
        return self.graph.compute(known)[0]

    def __repr__(self) -> str:
        return self.name


def _place(node: Node) -> Node:
    """An input of a region, where ``node`` stands outside."""
    place = Node(INPUT, node.type)
    place.trace = node.trace
    return place


def _is_number(node: Node) -> bool:
    given = node.op is CONSTANT and node.data is not None and not node.requires_grad
    return given and node.type.size == 1


def _moves(node: Node) -> bool:
    """Whether the elements of one tensor, or counters, are found where they are used."""
    kernel = node.op.kernel
    if isinstance(kernel, Elementwise):
        return not node.inputs
    return isinstance(kernel, (View, Pull)) and len(node.inputs) == 1
