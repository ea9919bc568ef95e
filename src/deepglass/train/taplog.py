"""What taps find in the steps of a training run, written down."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import replace_file
from ..taps import Taps
from .callbacks import Callback
from .progress import Progress

if TYPE_CHECKING:
    from .trainer import Trainer


class TapLog(Callback):
    """Writes what taps find into a file, one line of JSON for each step that is looked at.

    A line is ``{"epoch": 1, "step": 100, "taps": {"fc1.weight.grad": {"mean": 0.01, ...}}}``, with
    null for what is infinite or no number.

    Args:
        path: of the file; made anew when training begins. When it goes on, the lines of steps
            that are done again are dropped.
        taps: what to look at, and every how many steps; at most those of an epoch.
    """

    def __init__(self, path: str | Path, taps: Taps) -> None:
        self.path = Path(path)
        self.taps, self.every = taps, taps.every

    def on_start(self, trainer: Trainer, progress: Progress) -> None:
        done = len(trainer.history) + 1, progress.step
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        found = ((line, json.loads(line)) for line in lines)
        kept = [line for line, at in found if (at["epoch"], at["step"]) <= done]
        replace_file(self.path, "".join(f"{line}\n" for line in kept))

    def on_steps(self, trainer: Trainer, progress: Progress) -> None:
        found = {name: _plain(reading) for name, reading in trainer.taps.items()}
        line = {"epoch": progress.epoch, "step": progress.step, "taps": found}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """A reading as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {k: _plain(v) for k, v in asdict(value).items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
