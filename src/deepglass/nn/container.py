"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .module import Module


class Sequential(Module):
    """Layers applied one after another.

    Args:
        layers: modules, named "0", "1", ...; or one mapping from names to modules.

    >>> from .activation import ReLU
    >>> from .linear import Linear
    >>> len(Sequential(Linear(2, 3), ReLU()))
    2
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        super().__init__()
        named: dict[str, Any] = {str(i): layer for i, layer in enumerate(layers)}
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = dict(layers[0])
        for name, layer in named.items():
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Sequential: its parts are modules; got {type(layer).__name__} as {name!r}. "
                    "Write nn.ReLU() instead of a function."
                )
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        for layer in self.children():
            x = layer(x)
        return x

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int) -> Module:
        return list(self.children())[index]
