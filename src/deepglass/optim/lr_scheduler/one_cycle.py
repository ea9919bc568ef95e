"""One cycle: up to a large rate and down to a very small one, the momentum the other way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import DomainError
from ..optimizer import Optimizer
from .base import LRScheduler
from .functions import half_cosine


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to max_lr, then down to far below the start.

    Args:
        optimizer: whose rates are set; those it has do not count.
        max_lr: the greatest rate; one for all groups, or a list with one for each.
        total_steps: steps of the whole cycle; or give the next two.
        epochs: of the training.
        steps_per_epoch: batches in each.
        pct_start: share of the cycle in which the rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: let the momentum (β1 of Adam) fall where the rate rises.
        base_momentum: the least momentum; a number or a list.
        max_momentum: the greatest momentum; a number or a list.
        div_factor: max_lr over the rate at the start.
        final_div_factor: the rate at the start over that at the end.
        three_phase: fall as fast as it rose, then down to the end.
        last_epoch: how many steps were taken before; -1 to begin.

    Source: Smith and Topin (2018), "Super-convergence", section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            total_steps = (epochs or 0) * (steps_per_epoch or 0)
        if not total_steps > 0:
            raise DomainError(
                "OneCycleLR: total_steps, or epochs and steps_per_epoch, are positive; got "
                f"{total_steps}, {epochs}, {steps_per_epoch}. Pass the number of steps of the "
                "training."
            )
        if not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            raise DomainError(
                "OneCycleLR: pct_start is a share from 0 to 1, anneal_strategy 'cos' or 'linear'; "
                f"got {pct_start}, {anneal_strategy!r}. Usual: 0.3 and 'cos'."
            )
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise DomainError(
                "OneCycleLR: the momentum of an optimizer that has one; got "
                f"{type(optimizer).__name__}. Pass cycle_momentum=False."
            )
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        groups = len(optimizer.param_groups)
        tops = _each("max_lr", max_lr, groups)
        starts = [top / div_factor for top in tops]
        self._lrs = list(zip(starts, tops, [s / final_div_factor for s in starts], strict=True))
        self._momenta = list(
            zip(
                _each("max_momentum", max_momentum, groups),
                _each("base_momentum", base_momentum, groups),
                strict=True,
            )
        )
        rise, end = pct_start * total_steps - 1, total_steps - 1
        self._turns = [0.0, rise, 2 * rise, end] if three_phase else [0.0, rise, end]
        super().__init__(optimizer, last_epoch)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        start, top, end = self._lrs[group]
        through = (start, top, start, end) if len(self._turns) == 4 else (start, top, end)
        return self._between(through, step)

    def momentum(self, step: float, group: int) -> float:
        """Return the momentum of a group after ``step`` steps."""
        high, low = self._momenta[group]
        return self._between((high, low, high, high)[: len(self._turns)], step)

    def _between(self, through: Sequence[float], step: float) -> float:
        """The value at ``step`` on the way through values at the turns."""
        if step > self.total_steps:
            raise DomainError(
                f"OneCycleLR: the cycle has {self.total_steps} steps; got step {step:g}. Pass the "
                "number of steps of the whole training."
            )
        last = len(self._turns) - 2
        phase = next((k for k in range(last) if step <= self._turns[k + 1]), last)
        start, end = self._turns[phase : phase + 2]
        done = min((step - start) / (end - start), 1) if end > start else 1.0
        if self.anneal_strategy == "cos":
            return half_cosine(through[phase], through[phase + 1], done)
        return through[phase] + (through[phase + 1] - through[phase]) * done

    def _go_to(self, count: float) -> None:
        super()._go_to(count)
        for k, group in enumerate(self.optimizer.param_groups if self.cycle_momentum else ()):
            value = self.momentum(count, k)
            if "betas" in group:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value


def _each(name: str, value: Any, groups: int) -> list[float]:
    listed = [float(x) for x in value] if isinstance(value, Sequence) else [float(value)] * groups
    if len(listed) != groups:
        raise DomainError(
            f"OneCycleLR: {name} is a number, or one for each group; got {len(listed)} for "
            f"{groups} groups. Pass a single number to use it for all."
        )
    return listed
