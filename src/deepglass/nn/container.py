"""Modules made of modules, and of parameters: in a row or by name."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self

from ..graph.tensor import Parameter
from .module import Module


class _Row(Module):
    """Entries one after another under the names "0", "1", ..., used like a list."""

    _kind: type = Module  # of the entries

    def __init__(self, entries: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(entries)

    def _entries(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if isinstance(v, self._kind)}

    def _checked(self, entry: Any) -> Any:
        return _module(type(self).__name__, entry)

    def _name(self, index: int) -> str:
        """The name of the entry at ``index``, which may count from the end."""
        names = list(self._entries())
        if not -len(names) <= index < len(names):
            raise IndexError(
                f"{type(self).__name__}: an index lies between {-len(names)} and "
                f"{len(names) - 1}; got {index}."
            )
        return names[index]

    def _refill(self, entries: Iterable[Any]) -> None:
        """Hold other entries, named anew by their positions."""
        checked = [self._checked(e) for e in entries]
        for name in self._entries():
            delattr(self, name)
        for k, entry in enumerate(checked):
            setattr(self, str(k), entry)

    def append(self, entry: Any) -> Self:
        """Add one at the end."""
        return self.extend([entry])

    def extend(self, entries: Iterable[Any]) -> Self:
        """Add several at the end."""
        for entry in [self._checked(e) for e in entries]:
            setattr(self, str(len(self)), entry)
        return self

    def insert(self, index: int, entry: Any) -> Self:
        """Add one in front of that at ``index``; all are named anew."""
        entries = list(self)
        entries.insert(index, entry)
        self._refill(entries)
        return self

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries().values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, entry: Any) -> None:
        setattr(self, self._name(index), self._checked(entry))

    def __delitem__(self, index: int | slice) -> None:
        entries = list(self)
        del entries[index]
        self._refill(entries)


def _module(owner: str, value: Any) -> Module:
    if not isinstance(value, Module):
        raise TypeError(
            f"{owner}: its parts are modules; got {type(value).__name__}. Write nn.ReLU() "
            "instead of a function."
        )
    return value


class Sequential(_Row):
    """Layers applied one after another.

    Args:
        layers: modules, named "0", "1", ...; or one mapping from names to modules.

    >>> from .activation import ReLU
    >>> from .linear import Linear
    >>> model = Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    >>> len(model), model[-1], len(model[:2])
    (3, Linear(3, 1, bias=True), 2)
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        super().__init__()
        named: Mapping[str, Any] = {str(k): layer for k, layer in enumerate(layers)}
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = layers[0]
        for name, layer in named.items():
            self.add_module(name, _module("Sequential", layer))

    def __getitem__(self, index: int | slice) -> Any:
        """Return a layer, or with a slice some of them, which keep their names."""
        if isinstance(index, slice):
            return Sequential(dict(list(self._entries().items())[index]))
        return super().__getitem__(index)

    def forward(self, x: Any) -> Any:
        for layer in self:
            x = layer(x)
        return x


class ModuleList(_Row):
    """Layers in a list, which ``forward`` of the module that owns it goes through as it likes.

    Args:
        entries: the layers.

    >>> from .linear import Linear
    >>> layers = ModuleList(Linear(3, 3) for _ in range(4))
    >>> len(layers), sorted(layers.state_dict())[:2]
    (4, ['0.bias', '0.weight'])
    """

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError(
            "ModuleList: a list of layers is not called; loop over it, or use nn.Sequential."
        )


class ParameterList(_Row):
    """Parameters in a list.

    Args:
        entries: parameters; tensors and arrays become parameters.

    >>> [name for name, _ in ParameterList([[1.0], [2.0, 3.0]]).named_parameters()]
    ['0', '1']
    """

    _kind = Parameter

    def _checked(self, entry: Any) -> Parameter:
        return entry if isinstance(entry, Parameter) else Parameter(entry)

    def extra_repr(self) -> str:
        return ", ".join(str(p.type) for p in self)


class ModuleDict(Module):
    """Layers by name, used like a dict.

    Args:
        modules: a mapping from names to layers.

    >>> from .activation import ReLU, Tanh
    >>> ModuleDict({"relu": ReLU(), "tanh": Tanh()})["tanh"]
    Tanh()
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError(
            "ModuleDict: a dict of layers is not called; call one of them, layers[name](x)."
        )

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add the layers of a mapping; those of the same names are replaced."""
        for name, module in modules.items():
            self[name] = module

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return dict(self.named_children()).keys()

    def values(self) -> ValuesView[Module]:
        """Return the layers."""
        return dict(self.named_children()).values()

    def items(self) -> ItemsView[str, Module]:
        """Return the names with their layers."""
        return dict(self.named_children()).items()

    def pop(self, name: str) -> Module:
        """Remove a layer and return it."""
        module = self[name]
        del self[name]
        return module

    def __getitem__(self, name: str) -> Module:
        return dict(self.named_children())[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, _module("ModuleDict", module))

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())
