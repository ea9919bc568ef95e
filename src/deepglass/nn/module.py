"""Module: a layer, or a network of layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..discovery import token
from ..errors import ShapeError
from ..graph.tensor import Buffer, Parameter, Tensor
from ..graph.trace import CHANGES, Traceable, active_trace, set_grad_enabled

_OWNED = (Parameter, Buffer)  # they tell their changes themselves


class Module(Traceable):
    """Base of all layers and networks.

    A subclass makes its parameters, buffers and layers in ``__init__`` by plain assignment
    and computes in ``forward``.

    >>> class Twice(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = Parameter([2.0])
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> Twice()(Tensor([3.0]))
    tensor([6.], requires_grad=True)
    """

    training: bool

    def __init__(self) -> None:
        self.training = True

    def __setattr__(self, name: str, value: Any) -> None:
        CHANGES.structure += 1
        if isinstance(value, (list, tuple)) and any(isinstance(v, Module) for v in value):
            warnings.warn(
                f"{type(self).__name__}.{name}: layers in a plain list are not found, so they are "
                "neither trained nor saved. Use nn.Sequential.",
                UserWarning,
                stacklevel=2,
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        CHANGES.structure += 1
        object.__delattr__(self, name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass says how."""
        raise NotImplementedError(
            f"{type(self).__name__}: a module computes in forward(self, ...); define it."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = active_trace()
        if trace is None:
            return self.forward(*args, **kwargs)
        with trace.scope(self):
            return self.forward(*args, **kwargs)

    # What it consists of ------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, layer) for the layers assigned to this module itself."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the layers assigned to this module itself."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield (path, module) for this module and all below it, each once."""
        seen: set[int] = set()

        def walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
            if id(module) in seen:
                return
            seen.add(id(module))
            yield path, module
            for name, child in module.named_children():
                yield from walk(child, f"{path}.{name}" if path else name)

        return walk(self, prefix)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: type[Tensor]) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter), each parameter once."""
        return self._named(Parameter)

    def parameters(self) -> Iterator[Parameter]:
        """Yield the parameters, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield (name, buffer): state that is not trained."""
        return self._named(Buffer)

    def buffers(self) -> Iterator[Buffer]:
        """Yield the buffers, each once."""
        return (buffer for _, buffer in self.named_buffers())

    # What a trace sees --------------------------------------------------------------

    def trace_key(self) -> Hashable:
        """Everything but parameters and buffers in this module and all below it."""
        return tuple(
            (
                path,
                type(module).__name__,
                *((k, token(v)) for k, v in vars(module).items() if not isinstance(v, _OWNED)),
            )
            for path, module in self.named_modules()
        )

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.named_parameters()
        yield from self.named_buffers()

    def named_scopes(self) -> Iterator[tuple[str, Module]]:
        return self.named_modules()

    # Modes and conversions ----------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below: batch statistics are used, dropout drops."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Make all parameters trainable, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call ``function`` with every module below this one, then with this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def double(self) -> Self:
        """Convert all floating-point parameters and buffers to float64."""
        return self._convert("float64")

    def float(self) -> Self:
        """Convert all floating-point parameters and buffers to float32."""
        return self._convert("float32")

    def _convert(self, dtype: str) -> Self:
        with set_grad_enabled(False):
            for _, tensor in self.named_state():
                if tensor.dtype.is_float:
                    tensor.grad = None
                    tensor.rebind(tensor.to(dtype).node)
        return self

    # Saving -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return all parameters and buffers by name, as NumPy arrays.

        One that is shared stands under each of its names, as in PyTorch.
        """
        return {name: np.array(tensor.numpy()) for name, tensor in self._every_name()}

    def _every_name(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for name, value in vars(self).items():
            if isinstance(value, (Parameter, Buffer)):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child._every_name(f"{prefix}{name}.")

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over parameters and buffers by name.

        Args:
            state_dict: arrays or tensors; converted to the types here.
            strict: the names must be exactly those of this module.

        Raises:
            KeyError: with ``strict``, names are missing or unknown. Nothing was changed.
            ShapeError: an array has another shape. Nothing was changed.
        """
        own = dict(self._every_name())
        missing, unknown = sorted(own.keys() - state_dict.keys()), sorted(state_dict.keys() - own)
        if strict and (missing or unknown):
            raise KeyError(
                f"load_state_dict: names agree; missing {missing}, unknown {unknown}. Pass "
                "strict=False to load what fits."
            )
        values = {name: np.asarray(state_dict[name]) for name in own if name in state_dict}
        for name, value in values.items():
            if value.shape != own[name].shape:
                raise ShapeError(
                    f"load_state_dict: shapes agree; {name} is {own[name].shape} here and "
                    f"{value.shape} in the file."
                )
        with set_grad_enabled(False):
            for name, value in values.items():
                own[name].copy_(value)

    # On screen ----------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what a layer shows of its settings."""
        return ""

    def __repr__(self) -> str:
        children = list(self.named_children())
        name = type(self).__name__
        if not children:
            return f"{name}({self.extra_repr()})"
        lines = [f"({key}): {child!r}".replace("\n", "\n  ") for key, child in children]
        return "\n".join([f"{name}(", *[f"  {line}" for line in lines], ")"])
