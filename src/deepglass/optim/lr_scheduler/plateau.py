"""Smaller rates when a measure of success no longer improves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

from ...errors import DomainError
from ..optimizer import Optimizer
from .base import LRScheduler


class ReduceLROnPlateau(LRScheduler):
    """lr ← lr · factor where the metric has not improved for more than ``patience`` steps.

    Args:
        optimizer: whose rates are set.
        mode: "min" for a loss, "max" for an accuracy.
        factor: by which the rate is multiplied, below 1.
        patience: steps without improvement that are borne.
        threshold: what counts as an improvement.
        threshold_mode: "rel" for a share of the best value, "abs" for a difference.
        cooldown: steps after a reduction in which nothing is counted.
        min_lr: the least rate; one for all groups, or a list with one for each.
        eps: reductions by less are left out.

    Attributes:
        best: the best metric so far.
        num_bad_epochs: steps in a row without improvement.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if not factor < 1:
            raise DomainError(
                f"ReduceLROnPlateau: factor is below 1; got {factor}. Usual: 0.1 or 0.5."
            )
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise DomainError(
                "ReduceLROnPlateau: mode is 'min' or 'max', threshold_mode 'rel' or 'abs'; got "
                f"{mode!r}, {threshold_mode!r}. For a loss: 'min' and 'rel'."
            )
        groups = len(optimizer.param_groups)
        least = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * groups
        if len(least) != groups:
            raise DomainError(
                "ReduceLROnPlateau: min_lr is a number, or one for each group; got "
                f"{len(least)} for {groups} groups. Pass a single number to use it for all."
            )
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.min_lrs, self.eps = cooldown, least, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        self._lrs: list[float] = [group["lr"] for group in optimizer.param_groups]
        super().__init__(optimizer)

    def rate(self, base_lr: float, step: float, group: int) -> float:
        return self._lrs[group]

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]  # PyTorch's
        """Look at the metric, count one step and set the rates.

        Args:
            metrics: the value to improve, usually the loss on data not trained on.
        """
        self._lrs = self.get_last_lr()
        self._look(float(metrics))
        super().step()

    def _look(self, value: float) -> None:
        better = self._is_better(value)
        self.best = value if better else self.best
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            smaller = [
                max(a * self.factor, b) for a, b in zip(self._lrs, self.min_lrs, strict=True)
            ]
            self._lrs = [
                new if old - new > self.eps else old
                for old, new in zip(self._lrs, smaller, strict=True)
            ]
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, value: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * value > sign * self.best * (1 + sign * self.threshold)
        return sign * value > sign * self.best + self.threshold

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(), "best": self.best, "num_bad_epochs": self.num_bad_epochs,
            "cooldown_counter": self.cooldown_counter, "lrs": self.get_last_lr(),
        }  # fmt: skip

    def _load(self, state: dict[str, Any]) -> None:
        self.best, self._lrs = float(state["best"]), list(state["lrs"])
        self.num_bad_epochs = state["num_bad_epochs"]
        self.cooldown_counter = state["cooldown_counter"]
        super()._load(state)
