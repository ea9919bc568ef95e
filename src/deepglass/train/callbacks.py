"""Who watches a training run, and may end it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DomainError
from ..files import replace_file
from ..taps import Taps
from .progress import Epoch, Progress

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Watches a training run; a subclass overrides what it wants to hear of.

    Attributes:
        every: steps after which `on_steps` is due; 0 hears of them whenever some are done,
            about twenty times a second.
        taps: what the steps shall tell of themselves, see `taps`; in those steps of an epoch
            whose number ``taps.every`` divides. `Trainer.taps` has what was found last.
    """

    every = 0
    taps: Taps | None = None

    def on_start(self, trainer: Trainer, progress: Progress) -> None:
        """The steps are compiled and training begins, or goes on."""

    def on_steps(self, trainer: Trainer, progress: Progress) -> None:
        """Some more steps are done."""

    def on_epoch(self, trainer: Trainer, progress: Progress, epoch: Epoch) -> None:
        """An epoch is done, its validation included."""

    def on_stop(self, trainer: Trainer, progress: Progress) -> None:
        """Training ends: all epochs are done, or somebody stopped it."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep: numbers, names and arrays."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""


class EarlyStopping(Callback):
    """Ends training when a measure no longer improves, and puts the best weights back.

    Args:
        watch: "loss" or the name of a metric; on the validation data where there are any.
        patience: epochs without improvement after which training ends.
        min_delta: what counts as an improvement.
        better: "lower" or "higher".

    Source: Prechelt (1998), "Early stopping - but when?", the criterion UP with restored weights.
    """

    def __init__(
        self,
        watch: str = "loss",
        patience: int = 5,
        min_delta: float = 0.0,
        better: str = "lower",
    ) -> None:
        if patience < 1 or min_delta < 0:
            raise DomainError(
                "EarlyStopping: patience is at least 1 epoch and min_delta not negative; got "
                f"{patience} and {min_delta}."
            )
        self.best = Best(watch, better, min_delta)
        self.patience = patience
        self.waited = 0
        self._weights: dict[str, np.ndarray] = {}

    def on_epoch(self, trainer: Trainer, progress: Progress, epoch: Epoch) -> None:
        if self.best.improved(epoch):
            self.waited, self._weights = 0, trainer.weights()
            return
        self.waited += 1
        if self.waited >= self.patience:
            trainer.stop(
                f"{self.best.watch} has not improved for {self.waited} epochs; the best is "
                f"{self.best.value:.4g} after epoch {self.best.epoch}"
            )

    def on_stop(self, trainer: Trainer, progress: Progress) -> None:
        if self.waited >= self.patience:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.state_dict(), "waited": self.waited, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best.load_state_dict(state["best"])
        self.waited, self._weights = int(state["waited"]), dict(state["weights"])


class Best:
    """The best value of a measure so far.

    Args:
        watch: its name.
        better: "lower" or "higher".
        min_delta: by how much a value has to be better.
    """

    def __init__(self, watch: str, better: str = "lower", min_delta: float = 0.0) -> None:
        if better not in ("lower", "higher"):
            raise DomainError(f"watch: better is 'lower' or 'higher'; got {better!r}.")
        self.watch, self.better, self.min_delta = watch, better, min_delta
        self.value, self.epoch = math.nan, 0

    def improved(self, epoch: Epoch) -> bool:
        """Whether this epoch is the best so far, which is then noted."""
        try:
            value = epoch.value(self.watch)
        except KeyError:
            known = ", ".join(epoch.validation or epoch.train)
            raise DomainError(
                f"watch: one of the measures of an epoch, {known}; got {self.watch!r}."
            ) from None
        gain = self.value - value if self.better == "lower" else value - self.value
        if not self.epoch or gain > self.min_delta:
            self.value, self.epoch = value, epoch.number
            return True
        return False

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value, "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.value, self.epoch = float(state["value"]), int(state["epoch"])


class CSVLog(Callback):
    """Writes one line per epoch into a table that any spreadsheet opens.

    Args:
        path: of the file; made anew when training begins or goes on, from the epochs so far.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_start(self, trainer: Trainer, progress: Progress) -> None:
        replace_file(self.path, "".join(map(_line, trainer.history)))

    def on_epoch(self, trainer: Trainer, progress: Progress, epoch: Epoch) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(epoch))


def _line(epoch: Epoch) -> str:
    """An epoch as a line of CSV; the first has the names of the columns above it."""
    row: dict[str, Any] = {
        "epoch": epoch.number,
        "steps": epoch.steps,
        "seconds": f"{epoch.seconds:.3f}",
        "learning_rate": f"{epoch.learning_rate:.6g}",
        **{f"train_{k}": f"{v:.6g}" for k, v in epoch.train.items()},
        **{f"val_{k}": f"{v:.6g}" for k, v in epoch.validation.items()},
    }
    text = io.StringIO()
    writer = csv.DictWriter(text, row, lineterminator="\n")
    if epoch.number == 1:
        writer.writeheader()
    writer.writerow(row)
    return text.getvalue()
