"""Optimizer: parameters in groups, and state that belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from ..errors import DataError, DomainError
from ..graph.tensor import Buffer, Tensor
from ..graph.trace import CHANGES, Traceable, set_grad_enabled
from .clearing import Clearing
from .group import SWITCH, Number, ParamGroup, Rule, at_least_0, number, rounded

State = dict[str, Buffer]


def keep(buffer: Buffer, value: Tensor) -> Tensor:
    """Let ``buffer`` hold ``value``, rounded to its type; return ``value`` as it is."""
    buffer.rebind(value.to(buffer.dtype).node)
    return value


class Optimizer(Traceable):
    """Base of all optimizers.

    A subclass says in ``init`` what it remembers of a parameter and in ``update`` what is taken
    off it; ``rules`` says what its settings have to be.

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        defaults: settings for parameters that do not have their own; "lr" among them.

    Attributes:
        param_groups: the settings; ``param_groups[0]["lr"] = 0.1`` changes the learning rate.
        state: what is remembered, by parameter and by name.

    Raises:
        DomainError: no parameters, a parameter twice, or a setting out of its range.

    >>> class SignDescent(Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     def update(self, p, g, lr, group, state):
    ...         return lr * g.sign()
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w
    tensor([0.5, 1.5], requires_grad=True)
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        "lr": at_least_0("0.1 to 0.0001"),
        "weight_decay": at_least_0("0 or 0.0001"),
        "maximize": SWITCH,
    }

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("optimizer: parameters come in a list; got one tensor. Write [w].")
        groups = list(params)
        if not groups:
            raise DomainError(
                "optimizer: at least one parameter is needed; got none. Pass model.parameters()."
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.defaults = defaults
        self.param_groups: list[ParamGroup] = []
        self.state: dict[Tensor, State] = {}
        self._clearing = Clearing()
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Train further parameters.

        Args:
            param_group: "params", and settings that differ from the defaults.
        """
        given = param_group.get("params", ())
        listed = [given] if isinstance(given, Tensor) else list(given)
        self._check_params(listed)
        group = self._group({**self.defaults, **param_group, "params": listed}, self._prepare)
        self._prepare(group)
        self.param_groups.append(group)
        CHANGES.structure += 1

    def _group(self, settings: dict[str, Any], changed: Callable[[ParamGroup], None]) -> ParamGroup:
        rules = {name: self.rules.get(name) for name in self.defaults}
        return ParamGroup(type(self).__name__, settings, rules, changed)

    def _check_params(self, params: list[Any]) -> None:
        if not params:
            raise DomainError(
                "optimizer: a group has at least one parameter; got none. Pass "
                "model.parameters(), and make it anew: a generator is used up by one loop."
            )
        for p in params:
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
        known = [id(p) for p in (*self.parameters(), *params)]
        if len(set(known)) != len(known):
            raise DomainError(
                "optimizer: a parameter belongs to one group; one is there twice. Leave it out "
                "of the other group."
            )

    def parameters(self) -> list[Tensor]:
        """Return the parameters of all groups, in their order."""
        return [p for group in self.param_groups for p in group["params"]]

    # What a subclass says -----------------------------------------------------------

    def init(self, p: Tensor, group: ParamGroup) -> Mapping[str, Any]:
        """Return the arrays to be remembered of ``p`` under the group's settings, by name, as
        they are before the first step."""
        return {}

    def update(self, p: Tensor, g: Tensor, lr: Number, group: ParamGroup, state: State) -> Tensor:
        """Return what is taken off ``p``.

        Args:
            p: a parameter.
            g: its gradient, turned round where the group maximizes, weight decay added; float32
                for a half.
            lr: the group's learning rate: a Python number, in a compiled step a tensor.
            group: further settings.
            state: what `init` named.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: an optimizer says what is taken off a parameter in "
            "update(self, p, g, lr, group, state); define it."
        )

    # Steps --------------------------------------------------------------------------

    def step(self) -> None:
        """Change every parameter that has a gradient.

        Warns:
            DeepglassWarning: for some steps in a row, gradients were added to those of the step
                before.
        """
        self._clearing.look(self.parameters())
        with set_grad_enabled(False):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._step_of(p, p.grad, group)

    def _step_of(self, p: Tensor, g: Tensor, group: ParamGroup) -> None:
        wide = p.dtype.wide  # halves are computed with as float32 and rounded once
        g, lr = g.to(wide), rounded(number(group.rate), wide)
        value = p.to(wide)
        if group.is_on("maximize"):
            g = -g
        if group.is_on("weight_decay") and not group.is_on("decoupled_weight_decay"):
            g = g + value * group["weight_decay"]
        elif group.is_on("weight_decay"):
            value = value * (1 - lr * group["weight_decay"])
        value = value - self.update(p, g, lr, group, self.state[p])
        p.rebind(value.to(p.dtype).node)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, so that the next `backward` starts from nothing.

        Args:
            set_to_none: False leaves zeros, with which a momentum goes on.
        """
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad = Tensor(np.zeros(p.shape, p.dtype.numpy))

    def _prepare(self, group: ParamGroup) -> None:
        """Remember what the settings of a group ask for: what is there already, or new buffers."""
        for p in group["params"]:
            old = self.state.get(p, {})
            self.state[p] = {
                name: old[name] if name in old else Buffer(value, role=name, parameter=p)
                for name, value in self.init(p, group).items()
            }

    # Saving -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the settings and what is remembered, as plain numbers and NumPy arrays.

        Returns:
            "state": arrays by the number of the parameter and by name; "param_groups": the
            settings, where "params" are numbers of parameters. PyTorch has the same form.
        """
        parameters = self.parameters()
        numbers = iter(range(len(parameters)))
        return {
            "state": {
                k: {name: np.array(buffer.numpy()) for name, buffer in self.state[p].items()}
                for k, p in enumerate(parameters)
                if self.state[p]
            },
            "param_groups": [
                {**group, "params": [next(numbers) for _ in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where an optimizer of as many parameters stood.

        Args:
            state_dict: what its `state_dict` returned.

        Raises:
            DataError: groups, names or shapes are not those of this optimizer, in which nothing
                was changed.
            DomainError: a setting is out of its range. Nothing was changed.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise self._other("no dict with 'state' and 'param_groups'")
        groups = [dict(group) for group in state_dict["param_groups"]]
        counts = [len(group.pop("params")) for group in groups]
        here = [len(group["params"]) for group in self.param_groups]
        if counts != here:
            raise self._other(f"groups of {counts} parameters for {here}")
        numbers = {p: k for k, p in enumerate(self.parameters())}
        found: dict[Tensor, dict[str, np.ndarray]] = {}
        for own, settings in zip(self.param_groups, groups, strict=True):
            different = settings.keys() ^ self.defaults.keys()
            if different:
                raise self._other(f"settings only one of them has: {', '.join(sorted(different))}")
            trial = self._group({**settings, "params": own["params"]}, lambda group: None)
            for p in own["params"]:
                k = numbers[p]
                found[p] = {n: np.asarray(v) for n, v in state_dict["state"].get(k, {}).items()}
                shapes = {n: v.shape for n, v in found[p].items()}
                needed = {n: np.shape(v) for n, v in self.init(p, trial).items()}
                if shapes != needed:
                    raise self._other(f"{shapes} for parameter {k}, which needs {needed}")
        for own, settings in zip(self.param_groups, groups, strict=True):
            own.update(settings)
        for p, values in found.items():
            for name, value in values.items():
                buffer = self.state[p][name]
                buffer.rebind(Tensor(value, buffer.dtype).node)

    def _other(self, got: str) -> DataError:
        return DataError(
            f"load_state_dict: it comes from an optimizer like this one, {type(self).__name__}; "
            f"got {got}. Nothing was changed. Make the optimizer as the saved one was."
        )

    # What a trace sees --------------------------------------------------------------

    def trace_key(self) -> Hashable:
        return tuple(
            (group.fixed(), tuple(map(id, group["params"]))) for group in self.param_groups
        )

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        for i, group in enumerate(self.param_groups):
            where = f"[{i}]" if len(self.param_groups) > 1 else ""
            for name, tensor in group.named_tensors():
                yield name + where, tensor
        for i, p in enumerate(self.parameters()):
            for name, buffer in self.state[p].items():
                yield f"{name}[{i}]", buffer

    def __repr__(self) -> str:
        lines = [
            ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(lines)})"
