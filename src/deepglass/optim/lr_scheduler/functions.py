"""Schedules that are a function of the count alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from ...errors import DomainError
from ..optimizer import Optimizer
from .base import LRScheduler


class LambdaLR(LRScheduler):
    """lr = base · λ(t), with a function of the user's.

    Args:
        optimizer: whose rates are set.
        lr_lambda: from the count of steps to a factor; one for all groups, or a list with one
            for each.
        last_epoch: how many steps were taken before; -1 to begin.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[float], float] | Sequence[Callable[[float], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        listed = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(listed) != groups:
            raise DomainError(
                f"LambdaLR: one function for all, or one for each group; got {len(listed)} for "
                f"{groups} groups. Pass a single function."
            )
        self.lr_lambdas = listed
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return float(base_lr * self.lr_lambdas[group](step))


class StepLR(LRScheduler):
    """lr = base · gamma^floor(t / step_size).

    Args:
        optimizer: whose rates are set.
        step_size: steps from one fall to the next.
        gamma: factor of each fall.
        last_epoch: how many steps were taken before; -1 to begin.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not step_size > 0:
            raise DomainError(
                f"StepLR: step_size is at least 1; got {step_size}. Usual: 10 to 50 epochs."
            )
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return float(base_lr * self.gamma ** (step // self.step_size))


class MultiStepLR(LRScheduler):
    """lr = base · gamma^(number of milestones that t has reached).

    Args:
        optimizer: whose rates are set.
        milestones: counts at which the rate falls, ascending; one that stands twice counts twice.
        gamma: factor of each fall.
        last_epoch: how many steps were taken before; -1 to begin.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return base_lr * self.gamma ** bisect_right(self.milestones, step)


class ConstantLR(LRScheduler):
    """lr = base · factor for the first steps, then base.

    Args:
        optimizer: whose rates are set.
        factor: at first, from 0 to 1.
        total_iters: how many steps it lasts.
        last_epoch: how many steps were taken before; -1 to begin.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise DomainError(f"ConstantLR: factor is from 0 to 1; got {factor}. Usual: 1 / 3.")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return base_lr * self.factor if step < self.total_iters else base_lr


class LinearLR(LRScheduler):
    """lr = base · (start + (end - start) t / total) for the first steps, then base · end.

    Warm-up is this schedule before another:

        SequentialLR(optimizer, [LinearLR(optimizer, 0.01, total_iters=500),
                                 CosineAnnealingLR(optimizer, 9500)], milestones=[500])

    Args:
        optimizer: whose rates are set.
        start_factor: at first, above 0 and at most 1.
        end_factor: at the end, from 0 to 1.
        total_iters: how many steps it takes.
        last_epoch: how many steps were taken before; -1 to begin.

    Source: Goyal et al. (2017), section 2.2, for the gradual warm-up.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1 and total_iters > 0):
            raise DomainError(
                "LinearLR: start_factor is above 0 and at most 1, end_factor from 0 to 1, "
                f"total_iters positive; got {start_factor}, {end_factor}, {total_iters}. Usual for "
                "a warm-up: 0.01, 1, 500."
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        done = min(step / self.total_iters, 1)
        return base_lr * (self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(LRScheduler):
    """lr = base · gamma^t.

    Args:
        optimizer: whose rates are set.
        gamma: factor of each step.
        last_epoch: how many steps were taken before; -1 to begin.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        if not gamma > 0:
            raise DomainError(
                f"ExponentialLR: gamma is positive; got {gamma}. Usual: 0.9 to 0.999."
            )
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return float(base_lr * self.gamma**step)


class PolynomialLR(LRScheduler):
    """lr = base · (1 - t / total)^power for the first steps, then 0.

    Args:
        optimizer: whose rates are set.
        total_iters: how many steps it takes.
        power: 1 for a straight line.
        last_epoch: how many steps were taken before; -1 to begin.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        if not (total_iters > 0 and power > 0):
            raise DomainError(
                f"PolynomialLR: total_iters and power are positive; got {total_iters}, {power}. "
                "Pass the number of steps of the training."
            )
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return float(base_lr * (1 - min(step / self.total_iters, 1)) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (base - eta_min) (1 + cos(π t / T_max)) / 2.

    Args:
        optimizer: whose rates are set.
        T_max: steps from the greatest rate to the least; beyond them it rises again.
        eta_min: the least rate.
        last_epoch: how many steps were taken before; -1 to begin.

    Source: Loshchilov and Hutter (2017), "SGDR", equation 5, without restarts.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803 - PyTorch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not T_max > 0:
            raise DomainError(
                f"CosineAnnealingLR: T_max is positive; got {T_max}. Pass the number of steps of "
                "the training."
            )
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return half_cosine(base_lr, self.eta_min, step / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from base to eta_min, again and again, each T_mult times as long.

    lr = eta_min + (base - eta_min) (1 + cos(π c / T)) / 2, c steps after the last restart

    Args:
        optimizer: whose rates are set.
        T_0: steps to the first restart.
        T_mult: how much longer each further one takes.
        eta_min: the least rate.
        last_epoch: how many steps were taken before; -1 to begin.

    Source: Loshchilov and Hutter (2017), "SGDR", equation 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803 - PyTorch's name
        T_mult: int = 1,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not (T_0 >= 1 and T_mult >= 1):
            raise DomainError(
                "CosineAnnealingWarmRestarts: T_0 and T_mult are at least 1; got "
                f"{T_0}, {T_mult}. Usual: T_0=10, T_mult=2."
            )
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Count one step, or go to ``epoch``, which may be a fraction, and set the rates."""
        self._go_to(self.last_epoch + 1 if epoch is None else epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        length = self.T_0
        if self.T_mult == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.T_mult
        return half_cosine(base_lr, self.eta_min, step / length)


def half_cosine(start: float, end: float, done: float) -> float:
    """Return what falls from ``start`` to ``end`` along half a cosine.

    >>> half_cosine(1.0, 0.0, 0.0), half_cosine(1.0, 0.0, 1.0)
    (1.0, 0.0)
    """
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
