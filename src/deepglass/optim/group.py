"""Parameter groups: settings that are checked, the moving ones in tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Buffer, Tensor, concrete
from ..graph.trace import CHANGES, active_trace
from ..graph.types import DType

MOVING = ("lr", "momentum", "betas")

Number = float | Tensor  # a tensor without axes


def number(tensor: Tensor) -> Number:
    """Return what a tensor without axes holds: eagerly a Python number, with which arithmetic
    is cheap; in a compiled step the tensor itself, in float64."""
    return tensor if active_trace() is not None else tensor.item()


def rounded(value: Number, dtype: DType) -> Number:
    """Return a number in the type of the gradients; Python's take that of what is beside them."""
    return value.to(dtype) if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class Rule:
    """What a setting has to be.

    Attributes:
        holds: whether a number, or each of several, is as it should be.
        words: the same, for a message.
        advice: what to write instead.
        count: how many numbers there are; None for one that stands alone.
    """

    holds: Callable[[float], bool]
    words: str
    advice: str
    count: int | None = None

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` keeps the rule."""
        try:
            numbers = [float(x) for x in (value if self.count else (value,))]
        except (TypeError, ValueError):
            return False
        return len(numbers) == (self.count or 1) and all(map(self.holds, numbers))


def at_least_0(usual: str) -> Rule:
    """The rule of rates, decays and small constants."""
    return Rule(lambda x: 0 <= x < float("inf"), "a number >= 0", f"Usual: {usual}.")


def below_1(usual: str, count: int | None = None) -> Rule:
    """The rule of shares that are kept of a mean."""
    words = "a number from 0 to below 1" if count is None else f"{count} numbers from 0 to below 1"
    return Rule(lambda x: 0 <= x < 1, words, f"Usual: {usual}.", count)


SWITCH = Rule(lambda x: x in (0, 1), "True or False", "Pass one of them.")


class ParamGroup(MutableMapping[str, Any]):
    """The settings of some parameters.

    ``group["lr"] = x`` writes into a tensor that compiled steps read, so a schedule needs no
    new program; so do "momentum" and "betas", unless a momentum starts or stops being 0. Any
    other setting is a Python number and part of the program.

    Args:
        optimizer: the name of the class, for messages.
        settings: by name, "params" among them.
        rules: what each of them has to be; None for what the optimizer does not say.
        changed: called with the group when a setting that is part of the program has changed.
    """

    def __init__(
        self,
        optimizer: str,
        settings: Mapping[str, Any],
        rules: Mapping[str, Rule | None],
        changed: Callable[[ParamGroup], None],
    ) -> None:
        self._optimizer, self._rules, self._changed = optimizer, rules, changed
        self._tensors: dict[str, tuple[Buffer, ...]] = {}
        self._settings: dict[str, Any] = {}
        self._scheduled: tuple[float, float] | None = None  # base rate, rate set by a schedule
        self.check(settings)
        for name, value in settings.items():
            if name in MOVING:
                count = len(value) if isinstance(value, (list, tuple)) else 1
                self._tensors[name] = tuple(
                    Buffer(np.float64(0), role=name.rstrip("s")) for _ in range(count)
                )
            self._write(name, value)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raise unless all settings have names and values that the optimizer knows."""
        for name, value in settings.items():
            if name == "params":
                continue
            if name not in self._rules:
                close = get_close_matches(name, self._rules, 1)
                raise DomainError(
                    f"{self._optimizer}: its settings are {', '.join(self._rules)}; got {name!r}. "
                    + (f"Did you mean {close[0]!r}?" if close else "Leave it out.")
                )
            rule = self._rules[name]
            if rule is not None and not rule.accepts(value):
                raise DomainError(
                    f"{self._optimizer}: {name} is {rule.words}; got {value}. {rule.advice}"
                )

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            raise TypeError(
                "params: the parameters of a group stay; got others. Use add_param_group."
            )
        self.check({name: value})
        if self._write(name, value):
            CHANGES.structure += 1
            self._changed(self)

    def _write(self, name: str, value: Any) -> bool:
        """Take over one value; return whether it makes another program."""
        fixed = value
        if name in self._tensors:
            numbers = value if isinstance(value, (list, tuple)) else (value,)
            for tensor, number in zip(self._tensors[name], numbers, strict=True):
                tensor.rebind(concrete(np.array(float(number))))
            fixed = name != "momentum" or bool(value)
        before = self._settings.get(name)
        self._settings[name] = fixed
        return name != "params" and bool(before != fixed)

    def __getitem__(self, name: str) -> Any:
        if name not in self._tensors:
            return self._settings[name]
        numbers = tuple(t.item() for t in self._tensors[name])
        return numbers if name == "betas" else numbers[0]

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"settings: they are changed, not removed; got {name!r}.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __repr__(self) -> str:
        return repr(dict(self))

    @property
    def rate(self) -> Buffer:
        """The tensor with the learning rate."""
        return self._tensors["lr"][0]

    def base_rate(self) -> float:
        """Return the learning rate without the schedules that have set it."""
        lr = float(self["lr"])
        return self._scheduled[0] if self._scheduled and self._scheduled[1] == lr else lr

    def schedule(self, lr: float) -> None:
        """Set the learning rate and remember that a schedule did."""
        base = self.base_rate()
        self["lr"] = lr
        self._scheduled = base, float(lr)

    def numbers(self, name: str) -> list[Number]:
        """Return what a moving setting holds; see `number`."""
        return [number(t) for t in self._tensors[name]]

    def is_on(self, name: str) -> bool:
        """Whether there is such a setting and it is not 0, which is part of the program."""
        return bool(self._settings.get(name))

    def fixed(self) -> tuple[tuple[str, Any], ...]:
        """Return the settings that are part of the program."""
        return tuple((k, v) for k, v in self._settings.items() if k != "params")

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, tensor) for the moving settings."""
        for tensors in self._tensors.values():
            for k, tensor in enumerate(tensors):
                yield tensor.role + (str(k + 1) if len(tensors) > 1 else ""), tensor
