"""Module: a layer, or a network of layers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..discovery import token
from ..errors import DomainError, DTypeError
from ..graph.tensor import Buffer, Parameter, Tensor, read
from ..graph.trace import (
    CHANGES,
    Call,
    Traceable,
    active_trace,
    noted_calls,
    set_grad_enabled,
    warn,
)  # fmt: skip
from ..graph.types import dtype_of
from .state import IncompatibleKeys, load

if TYPE_CHECKING:
    from .summary import Summary

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
        held = vars(self).get(name)
        if isinstance(held, _OWNED) and isinstance(value, Tensor) and not isinstance(value, _OWNED):
            self._replace(name, held, value)
            return
        if isinstance(value, (Module, *_OWNED)) and "training" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__}.{name}: a module is made before its parts; got "
                f"{type(value).__name__}. Write super().__init__() first."
            )
        CHANGES.structure += 1
        parts = value.values() if isinstance(value, dict) else value
        if isinstance(value, (list, tuple, dict)) and any(isinstance(v, Module) for v in parts):
            kind = "dict" if isinstance(value, dict) else "list"
            warn(
                f"{type(self).__name__}.{name}: layers in a plain {kind} are not found, so they "
                f"are neither trained nor saved. Use nn.Module{kind.title()}."
            )
        object.__setattr__(self, name, value)

    def _replace(self, name: str, held: Tensor, value: Tensor) -> None:
        """``self.count = self.count + 1`` gives a buffer another value; it stays the buffer."""
        if isinstance(held, Parameter):
            raise TypeError(
                f"{type(self).__name__}.{name}: a parameter is replaced by a parameter; got a "
                f"tensor {value.type}. Write `with dg.no_grad(): module.{name}.copy_(...)` to "
                "change its values, or nn.Parameter(...) for another one."
            )
        held.rebind(read(value))

    def __delattr__(self, name: str) -> None:
        CHANGES.structure += 1
        object.__delattr__(self, name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass says how."""
        raise NotImplementedError(
            f"{type(self).__name__}: a module computes in forward(self, ...); define it."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace, calls = active_trace(), noted_calls()
        if trace is None:
            result = self.forward(*args, **kwargs)
        else:
            with trace.scope(self):
                result = self.forward(*args, **kwargs)
        if calls is not None:
            calls.append(Call(self, args, result))
        return result

    # What it consists of ------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make ``param`` an attribute; the same as assigning it."""
        self._register("register_parameter", name, param, Parameter)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Make an attribute of ``tensor`` that belongs to the state but is not trained.

        Args:
            name: of the attribute.
            tensor: its values, which are copied; or None.
            persistent: whether it stands in the state dict.
        """
        buffer = None if tensor is None else Buffer(tensor, persistent=persistent)
        self._register("register_buffer", name, buffer, Buffer)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make ``module`` an attribute; the same as assigning it."""
        self._register("add_module", name, module, Module)

    def _register(self, what: str, name: str, value: Any, kind: type) -> None:
        if not name or "." in name or hasattr(type(self), name):
            raise DomainError(
                f"{what}: a name has no dots and is not that of a method; got {name!r}. Choose "
                "another one."
            )
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{what}: a {kind.__name__} or None; got {type(value).__name__}.")
        setattr(self, name, value)

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
                yield from walk(child, _join(path, name))

        return walk(self, prefix)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: type[Tensor], prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter), each parameter once.

        Args:
            prefix: put in front of every name, with a dot.
            recurse: those of the layers below as well.
        """
        return self._named(Parameter, prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once; with ``recurse`` those of the layers below as well."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Buffer]]:
        """Yield (name, buffer): state that is not trained; arguments as `named_parameters`."""
        return self._named(Buffer, prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """Yield the buffers, each once; with ``recurse`` those of the layers below as well."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """Return the layer at the path ``target``, such as "features.0"; itself for "".

        Raises:
            AttributeError: there is none.
        """
        module: Any = self
        for name in target.split(".") if target else []:
            module = _part("get_submodule", target, module, name, Module)
        found: Module = module
        return found

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter of the full name ``target``, such as "features.0.weight"."""
        path, _, name = target.rpartition(".")
        found: Parameter = _part("get_parameter", target, self.get_submodule(path), name, Parameter)
        return found

    def get_buffer(self, target: str) -> Buffer:
        """Return the buffer of the full name ``target``, such as "bn1.running_mean"."""
        path, _, name = target.rpartition(".")
        found: Buffer = _part("get_buffer", target, self.get_submodule(path), name, Buffer)
        return found

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

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: False leaves zeros.
        """
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = Tensor(np.zeros(parameter.shape, parameter.dtype.numpy))

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call ``function`` with every module below this one, then with this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def to(self, dtype: Any) -> Self:
        """Convert all floating-point parameters and buffers to the float type ``dtype``.

        Gradients are forgotten. Integers, such as counters, stay what they are.

        Raises:
            DTypeError: ``dtype`` is no type of floats.
        """
        wanted = dtype_of(dtype)
        if not wanted.is_float:
            raise DTypeError(
                f"{type(self).__name__}.to: parameters are floats; got {wanted}. Use dg.float32 "
                "or another type of floats."
            )
        with set_grad_enabled(False):
            for _, tensor in self.named_state():
                if tensor.dtype.is_float:
                    tensor.grad = None
                    tensor.rebind(tensor.to(wanted).node)
        return self

    def double(self) -> Self:
        """Convert all floating-point parameters and buffers to float64."""
        return self.to("float64")

    def float(self) -> Self:
        """Convert all floating-point parameters and buffers to float32."""
        return self.to("float32")

    def half(self) -> Self:
        """Convert all floating-point parameters and buffers to float16."""
        return self.to("float16")

    def bfloat16(self) -> Self:
        """Convert all floating-point parameters and buffers to bfloat16."""
        return self.to("bfloat16")

    # Saving -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return all parameters and persistent buffers by name, as copies in NumPy arrays.

        The names are PyTorch's; ``{k: torch.tensor(v) for k, v in state.items()}`` loads there.
        One that is shared stands under each of its names, as in PyTorch.
        """
        return {name: np.array(tensor.numpy()) for name, tensor in self._every_name()}

    def _every_name(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter) or (isinstance(value, Buffer) and value.persistent):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child._every_name(f"{prefix}{name}.")

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Take over parameters and buffers by name.

        Args:
            state_dict: NumPy arrays, tensors or PyTorch's tensors; converted to the types here.
            strict: the names must be exactly those of this module.

        Returns:
            (missing_keys, unexpected_keys): empty, or with ``strict`` False what did not match.

        Raises:
            DataError: names (with ``strict``) or shapes differ. The first are listed, and
                nothing was changed.
        """
        return load(dict(self._every_name()), state_dict, strict)

    # On screen ----------------------------------------------------------------------

    def summary(self, *inputs: Any, dtype: Any = None) -> Summary:
        """Return a table of the layers: output shapes, parameters and multiply-adds.

        The module is traced in evaluation mode, so nothing is computed and nothing changes.

        Args:
            inputs: for each argument of forward a shape, batch included, or an example: a
                tensor, an array, or lists and dicts of them.
            dtype: element type where a shape is given; that of the parameters unless given.

        Returns:
            a `Summary`, which prints as a table and has all numbers as attributes.
        """
        from .summary import summarize

        return summarize(self, inputs, dtype)

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


@contextmanager
def evaluating(module: Module) -> Iterator[None]:
    """Evaluation mode for all layers, and nothing recorded for `backward`, until the block ends;
    then each layer has its own mode again."""
    training = [layer for layer in module.modules() if layer.training]
    for layer in training:
        layer.training = False
    try:
        with set_grad_enabled(False):
            yield
    finally:
        for layer in training:
            layer.training = True


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _part(what: str, target: str, module: Module, name: str, kind: type) -> Any:
    """The attribute ``name`` of a module, which is of ``kind``."""
    value = vars(module).get(name)
    if not isinstance(value, kind):
        there = ", ".join(k for k, v in vars(module).items() if isinstance(v, kind)) or "none"
        raise AttributeError(
            f"{what}: names, joined by dots, of what is there; got {target!r}, but "
            f"{type(module).__name__} has no {kind.__name__} {name!r}. It has {there}."
        )
    return value
