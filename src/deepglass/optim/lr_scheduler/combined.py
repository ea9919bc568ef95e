"""Schedules made of schedules: one after the other, or one on top of the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ...errors import DomainError
from ..optimizer import Optimizer
from .base import LRScheduler
from .one_cycle import OneCycleLR
from .plateau import ReduceLROnPlateau


class SequentialLR(LRScheduler):
    """One schedule after the other, each counting from 0 at its milestone.

    Args:
        optimizer: whose rates are set.
        schedulers: schedules of this optimizer.
        milestones: the counts at which the next one begins, ascending.
        last_epoch: how many steps were taken before; -1 to begin.

    >>> from ...graph.tensor import Tensor
    >>> from ..sgd import SGD
    >>> from .functions import ExponentialLR, LinearLR
    >>> optimizer = SGD([Tensor([1.0])], lr=8.0)
    >>> warm_up = LinearLR(optimizer, 0.25, total_iters=3)
    >>> schedule = SequentialLR(optimizer, [warm_up, ExponentialLR(optimizer, 0.5)], [3])
    >>> rates = [optimizer.param_groups[0]["lr"]]
    >>> for _ in range(5):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [2.0, 4.0, 6.0, 8.0, 4.0, 2.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        _check_parts("SequentialLR", optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(milestones):
            raise DomainError(
                "SequentialLR: milestones ascend, one between two schedulers; got "
                f"{list(milestones)} for {len(schedulers)} schedulers. Pass milestones=[500] for a "
                "change after 500 steps."
            )
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        k = bisect_right(self.milestones, step)
        begun = self.milestones[k - 1] if k else 0
        return self.schedulers[k].rate(base_lr, step - begun, group)


class ChainedScheduler(LRScheduler):
    """Each schedule changes the rate that the one before it gives: their factors multiply.

    Args:
        schedulers: schedules of one optimizer.
        optimizer: that optimizer.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        owner = optimizer or next((s.optimizer for s in schedulers), None)
        _check_parts("ChainedScheduler", owner, schedulers)
        assert owner is not None
        self.schedulers = list(schedulers)
        super().__init__(owner)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        for scheduler in self.schedulers:
            base_lr = scheduler.rate(base_lr, step, group)
        return base_lr


def _check_parts(name: str, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]) -> None:
    if not schedulers or any(s.optimizer is not optimizer for s in schedulers):
        raise DomainError(
            f"{name}: at least one schedule, and all of one optimizer; got {len(schedulers)}. Make "
            "them with the optimizer that this one gets."
        )
    for s in schedulers:
        if isinstance(s, ReduceLROnPlateau):
            raise DomainError(
                f"{name}: its parts are functions of the count; got ReduceLROnPlateau. Step that "
                "one by itself."
            )
        if isinstance(s, OneCycleLR) and s.cycle_momentum:
            raise DomainError(
                f"{name}: its parts set rates only; got a OneCycleLR that sets the momentum. Make "
                "it with cycle_momentum=False."
            )
