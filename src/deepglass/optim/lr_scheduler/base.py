"""LRScheduler: learning rates as a function of how many steps were taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import DataError, DomainError, TraceError
from ...graph.trace import active_trace
from ..optimizer import Optimizer


class LRScheduler:
    """Base of all schedules: ``lr = rate(base_lr, step, group)``.

    The rate is computed anew from the count of steps, so it does not drift, and is written into
    ``optimizer.param_groups[i]["lr"]``, which is a tensor: compiled steps read the new rate and
    need no new program. A rate that is written there by hand lasts until the next step of the
    schedule.

    Args:
        optimizer: whose rates are set. The rates it has now are the base rates; those it had
            before the first schedule where another schedule has set them.
        last_epoch: how many steps were taken before; -1 to begin.

    Attributes:
        base_lrs: of each group.
        last_epoch: steps taken so far: epochs, batches, whatever calls `step`.

    >>> class Halving(LRScheduler):
    ...     def rate(self, base_lr, step, group):
    ...         return base_lr * 0.5**step
    >>> from ...graph.tensor import Tensor
    >>> from ..sgd import SGD
    >>> schedule = Halving(SGD([Tensor([1.0])], lr=0.1))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: the first argument is an optimizer; got "
                f"{type(optimizer).__name__}. Make one first, such as dg.optim.SGD(...)."
            )
        if last_epoch < -1:
            raise DomainError(
                f"{type(self).__name__}: last_epoch is -1 or more; got {last_epoch}. Leave it out."
            )
        self.optimizer = optimizer
        self.base_lrs = [group.base_rate() for group in optimizer.param_groups]
        self.last_epoch: float = last_epoch
        self._go_to(last_epoch + 1)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        """Return the learning rate after ``step`` steps; every subclass says how.

        Args:
            base_lr: the rate it would be without this schedule.
            step: how many steps were taken.
            group: the number of the parameter group.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: a schedule says its rate in rate(self, base_lr, step, group); "
            "define it."
        )

    def get_lr(self) -> list[float]:
        """Return the rate of each group at the present count."""
        return [self.rate(lr, self.last_epoch, k) for k, lr in enumerate(self.base_lrs)]

    def get_last_lr(self) -> list[float]:
        """Return the rate that each group has."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:
        """Count one step and set the rates.

        Raises:
            TraceError: in a compiled function, which would count once and never again.
        """
        self._go_to(self.last_epoch + 1)

    def _go_to(self, count: float) -> None:
        if active_trace() is not None:
            raise TraceError(
                f"{type(self).__name__}: a schedule counts in Python; got a step inside a compiled "
                "function. Call scheduler.step() after it."
            )
        if len(self.base_lrs) != len(self.optimizer.param_groups):
            raise DomainError(
                f"{type(self).__name__}: it was made for {len(self.base_lrs)} groups of parameters;"
                f" got {len(self.optimizer.param_groups)}. Make the schedule anew after "
                "add_param_group."
            )
        self.last_epoch = count
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group.schedule(lr)

    def state_dict(self) -> dict[str, Any]:
        """Return how far the schedule is, as plain numbers."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where another schedule of the same settings was, and set the rates.

        Raises:
            DataError: it has other names, or another number of groups. Nothing was changed.
        """
        own = self.state_dict()
        groups = len(own["base_lrs"])
        if state_dict.keys() != own.keys() or len(state_dict["base_lrs"]) != groups:
            raise DataError(
                f"load_state_dict: a {type(self).__name__} for {groups} groups has "
                f"{', '.join(own)}; got {dict(state_dict)}. Pass what its state_dict() returned."
            )
        self._load(dict(state_dict))

    def _load(self, state: dict[str, Any]) -> None:
        self.base_lrs = [float(lr) for lr in state["base_lrs"]]
        self._go_to(state["last_epoch"])
