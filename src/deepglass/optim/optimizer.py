"""Optimizer: parameters in groups, and state that belongs to them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, MutableMapping
from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Buffer, Parameter, Tensor
from ..graph.trace import CHANGES, Traceable, set_grad_enabled


class ParamGroup(MutableMapping[str, Any]):
    """The settings of some parameters.

    ``group["lr"] = x`` writes into a tensor that compiled steps read, so a schedule needs
    no new program; any other setting is a Python number and part of the program.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.rate = Buffer(np.float64(0), role="lr")
        self._settings: dict[str, Any] = {}
        self.update(settings)

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "lr":
            if not float(value) >= 0:
                raise DomainError(f"lr: a learning rate is a number >= 0; got {value}.")
            self.rate.rebind(Tensor(np.float64(value)).node)
            value = None  # the number itself is in the tensor
        else:
            CHANGES.structure += 1
        self._settings[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.rate.item() if name == "lr" else self._settings[name]

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"settings: they are changed, not removed; got {name!r}.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __repr__(self) -> str:
        return repr(dict(self))

    def numbers(self) -> tuple[tuple[str, Any], ...]:
        """Return the settings that are part of the program."""
        return tuple((k, v) for k, v in self._settings.items() if k not in ("lr", "params"))


def _listed(params: Any) -> list[Any]:
    return [params] if isinstance(params, Tensor) else list(params)


class Optimizer(Traceable):
    """Base of all optimizers.

    A subclass names its state in ``__init__`` with `buffers` and changes one parameter in
    ``update``.

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        defaults: settings for parameters that do not have their own; "lr" among them.

    Raises:
        DomainError: no parameters, or a parameter twice.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("optimizer: parameters come in a list; got one tensor. Write [w].")
        groups = list(params)
        if groups and not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.param_groups = [
            ParamGroup({**defaults, **group, "params": _listed(group["params"])})
            for group in groups
        ]
        everything = [p for group in self.param_groups for p in group["params"]]
        if not everything:
            raise DomainError("optimizer: at least one parameter is needed; got none.")
        for p in everything:
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"optimizer: parameters are tensors; got {type(p).__name__}. Pass "
                    "model.parameters()."
                )
            if not p.is_leaf:
                raise DomainError(
                    f"optimizer: a parameter is given, not computed; got {p.type} with a history. "
                    "Pass the tensor it was computed from, or x.detach()."
                )
        if len({id(p) for p in everything}) != len(everything):
            raise DomainError("optimizer: a parameter belongs to one group; one is there twice.")
        self.state: dict[str, dict[int, Buffer]] = {}

    def buffers(self, role: str) -> None:
        """Make one buffer of zeros per parameter, called ``role``."""
        self.state[role] = {
            id(p): Buffer(np.zeros(p.shape, p.dtype.numpy), role=role, parameter=p)
            for group in self.param_groups
            for p in group["params"]
        }

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        with set_grad_enabled(False):
            self.before_step()
            for group in self.param_groups:
                scalars = self.scalars(group)
                for p in group["params"]:
                    if p.grad is not None:
                        self.update(p, p.grad, group, *[s.to(p.dtype) for s in scalars])

    def before_step(self) -> None:
        """Do what is done once per step, such as counting it."""

    def scalars(self, group: ParamGroup) -> tuple[Tensor, ...]:
        """Return the numbers (float64, without axes) that all parameters of a group share."""
        return (group.rate,)

    def update(self, p: Parameter, g: Tensor, group: ParamGroup, *scalars: Tensor) -> None:
        """Change ``p``, whose gradient is ``g``, with the group's scalars in its own type."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next `backward` starts from nothing."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def trace_key(self) -> Hashable:
        return tuple(
            (group.numbers(), tuple(map(id, group["params"]))) for group in self.param_groups
        )

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        for i, group in enumerate(self.param_groups):
            yield f"lr[{i}]" if len(self.param_groups) > 1 else "lr", group.rate
        for role, buffers in self.state.items():
            for i, buffer in enumerate(buffers.values()):
                yield f"{role}[{i}]", buffer
