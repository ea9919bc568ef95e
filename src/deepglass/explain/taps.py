"""What goes into each layer of a network and comes out of it, kept while it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..graph.tensor import Tensor
from ..nn import Module


class Tap(Module):
    """Stands in the place of a layer and keeps what passes.

    Attributes:
        path: of the layer.
        layer: that does the work.
        input: what it was given when it was last called.
        output: what it returned.
    """

    input: Any
    output: Any

    def __init__(self, path: str, layer: Module, calls: list[Tap]) -> None:
        super().__init__()
        self.path, self.layer = path, layer
        self.training = layer.training
        self._calls = calls

    def forward(self, *inputs: Any) -> Any:
        self.input, self.output = inputs[0], self.layer(*inputs)
        if isinstance(self.output, Tensor):
            self._calls.append(self)
        return self.output


@contextmanager
def tapped(model: Module) -> Iterator[list[Tap]]:
    """Keep what passes the layers below ``model`` until the block ends.

    Yields:
        the layers without parts in the order in which they are called.
    """
    calls: list[Tap] = []
    places = [
        (parent, name, child, f"{path}.{name}".removeprefix("."))
        for path, parent in model.named_modules()
        for name, child in parent.named_children()
        if not any(child.children())
    ]
    for parent, name, child, path in places:
        setattr(parent, name, Tap(path, child, calls))
    try:
        yield calls
    finally:
        for parent, name, child, _ in places:
            setattr(parent, name, child)
