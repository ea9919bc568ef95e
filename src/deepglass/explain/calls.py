"""What goes into each layer of a network and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..graph.tensor import Tensor
from ..graph.trace import noting_calls
from ..nn import Module


@dataclass(frozen=True)
class LayerCall:
    """What one layer made of its input.

    Attributes:
        path: of the layer.
    """

    path: str
    layer: Module
    input: Any
    output: Any


def called(model: Module, inputs: Tensor) -> tuple[Any, list[LayerCall]]:
    """Return what ``model`` makes of ``inputs``, and the calls of its layers without parts that
    returned a tensor, in order."""
    paths = {id(layer): path for path, layer in model.named_modules()}
    with noting_calls() as calls:
        outputs = model(inputs)
    return outputs, [
        LayerCall(paths[id(c.layer)], c.layer, c.inputs[0], c.output)
        for c in calls
        if id(c.layer) in paths and not any(c.layer.children()) and isinstance(c.output, Tensor)
    ]
