"""What a network consists of, as a table: shapes, what is seen, parameters, multiply-adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..discovery import names_of
from ..graph.graph import Graph, Node
from ..graph.kinds import Contraction, Scan
from ..graph.tensor import Tensor
from ..graph.trace import Trace, noting_calls
from ..graph.tree import flatten, map_leaves
from ..graph.types import Shape, TensorType, dtype_of, float32
from ..passes.expand import expand
from .module import Module, evaluating
from .receptive import Fields, receptive_fields


@dataclass(frozen=True)
class LayerSummary:
    """One line of a `Summary`.

    Attributes:
        name: the path of the layer, such as "features.0"; "" for the network itself.
        type: the name of its class.
        output_shapes: of the tensors it returned when it was last called.
        receptive_fields: elements of the input, by axis, that one value of the first of them
            sees through windows, an empty one in front of all windows; one for each call that
            sees otherwise than those before it.
        parameters: numbers it owns; those shared with a layer above count there.
        trainable: how many of them are trained.
        multiply_adds: products that are summed on the way to the result of the network, in all
            calls of the layer, its parts not included.
    """

    name: str
    type: str
    output_shapes: tuple[Shape, ...]
    receptive_fields: tuple[tuple[int, ...], ...]
    parameters: int
    trainable: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """The layers of a network, and totals; ``print`` shows a table.

    Attributes:
        layers: those without parts, and those that compute something beside their parts.
    """

    layers: tuple[LayerSummary, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        return sum(layer.trainable for layer in self.layers)

    @property
    def frozen(self) -> int:
        return self.parameters - self.trainable

    @property
    def multiply_adds(self) -> int:
        return sum(layer.multiply_adds for layer in self.layers)

    def __str__(self) -> str:
        head = ("layer", "type", "output shape", "sees", "parameters", "multiply-adds")
        rows = [
            (
                layer.name or "(itself)",
                layer.type,
                ", ".join(map(str, layer.output_shapes)) or "-",
                _seen(layer.receptive_fields),
                f"{layer.parameters:,}",
                f"{layer.multiply_adds:,}",
            )
            for layer in self.layers
        ]
        total = ("total", "", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}")
        table: list[tuple[str, ...]] = [head, *rows, total]
        if not any(any(layer.receptive_fields) for layer in self.layers):
            table = [(*row[:3], *row[4:]) for row in table]
        *widths, a, b = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "   ".join([*map(str.ljust, row, widths), row[-2].rjust(a), row[-1].rjust(b)])
            for row in table
        ]
        rule = "-" * len(lines[0])
        ending = f"trainable {self.trainable:,}, frozen {self.frozen:,}"
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], ending])


def _seen(fields: Sequence[tuple[int, ...]]) -> str:
    """What the calls of a layer see, the first and the last of many.

    >>> _seen([(3, 3), (5, 5)]), _seen([(), (3,), (5,), (7,)]), _seen([()])
    ('3 x 3, 5 x 5', '-, ..., 7', '')
    """
    if not any(fields):
        return ""
    told = [" x ".join(map(str, field)) or "-" for field in fields]
    return ", ".join(told if len(told) < 3 else [told[0], "...", told[-1]])


def summarize(module: Module, inputs: Sequence[Any], dtype: Any = None) -> Summary:
    """Return the summary of ``module``, found by tracing it; see `Module.summary`."""
    floats = (p.dtype for p in module.parameters() if p.dtype.is_float)
    wanted = next(floats, float32) if dtype is None else dtype_of(dtype)

    def placeholder(example: Any) -> Any:
        if not isinstance(example, (Tensor, np.ndarray)):
            return example
        return Tensor.of(trace.argument(TensorType(example.shape, dtype_of(example.dtype)), ""))

    names = names_of({"": module})
    with evaluating(module), Trace(*names) as trace, noting_calls() as calls:
        arguments = [
            Tensor.of(trace.argument(TensorType(tuple(x), wanted), ""))
            if _is_shape(x)
            else map_leaves(placeholder, x)
            for x in inputs
        ]
        result = module(*arguments)
    returned: dict[int, list[list[Tensor]]] = {}
    for call in calls:
        returned.setdefault(id(call.layer), []).append(_tensors(call.output))
    graph = Graph((), (), tuple(t._node for t in _tensors(result)))
    fields = receptive_fields(graph.nodes())
    return Summary(tuple(_layers(module, returned, fields, _multiply_adds(graph))))


def _is_shape(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and all(type(n) is int for n in x)


def _tensors(value: Any) -> list[Tensor]:
    return [x for x in flatten(value)[0] if isinstance(x, Tensor)]


def _multiply_adds(graph: Graph) -> Counter[str]:
    """Count the products that are summed for the outputs, by the path of their layer."""
    counts: Counter[str] = Counter()
    for node in expand(graph).nodes():
        kind = node.op.kernel
        if isinstance(kind, Contraction):
            extents = kind.over([i.type for i in node.inputs], **node.params)
            counts[node.path] += node.type.size * prod(extents)
        elif isinstance(kind, Scan):
            for path, count in _multiply_adds(node.params["region"].graph).items():
                counts[path] += node.params["length"] * count
    return counts


def _layers(
    module: Module,
    returned: dict[int, list[list[Tensor]]],
    fields: dict[Node, Fields],
    products: Counter[str],
) -> Iterator[LayerSummary]:
    seen: set[int] = set()
    for path, layer in module.named_modules():
        own = [p for p in layer.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        if any(layer.children()) and not own and not products[path]:
            continue
        by_call = returned.get(id(layer), [])
        sizes = [tuple(f.size for f in fields.get(t[0]._node, ())) for t in by_call if t]
        yield LayerSummary(
            path,
            type(layer).__name__,
            tuple(t.shape for t in by_call[-1]) if by_call else (),
            tuple(dict.fromkeys(sizes)),
            sum(p.numel() for p in own),
            sum(p.numel() for p in own if p.requires_grad),
            products[path],
        )
