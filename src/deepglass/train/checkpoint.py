"""A training run on disk: safetensors with JSON in the header, and never pickle.

The state of a `Trainer` is numbers, names and arrays in nested dicts and lists. Arrays become
tensors of the file, named by where they stand ("model.fc1.weight"); the rest becomes JSON in
its header, in which an array is {"array": name}. One file is one state: it is written beside
its place and renamed, so the name holds the old state or the new one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading import reading
from ..tensorfile import read_tensors, write_tensors
from .callbacks import Best, Callback
from .progress import Epoch, Progress
from .trainer import Trainer

KEY, FORMAT = "deepglass checkpoint", 1


def save_checkpoint(
    path: str | Path, state: Mapping[str, Any], about: Mapping[str, Any] | None = None
) -> None:
    """Write a state to one file.

    Args:
        path: of the file; by custom it ends with ".safetensors".
        state: of a trainer, from `Trainer.state_dict`.
        about: what else a reader should know, as JSON values.

    Raises:
        DataError: the state holds something that is neither a number, a name nor an array.
        OSError: the file cannot be written; what was there before still is.
    """
    arrays: dict[str, np.ndarray] = {}
    written = {"format": FORMAT, "about": dict(about or {}), "state": _taken_apart(state, arrays)}
    write_tensors(path, arrays, {KEY: json.dumps(written, allow_nan=False)})


def load_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state in a file, and what `save_checkpoint` was told about it.

    Raises:
        DataError: the file cannot be read, is damaged, or no checkpoint.
    """
    arrays, header = read_tensors(path)
    if KEY not in header:
        raise DataError(
            f"{path}: a checkpoint of a training run; this is another safetensors file, with "
            f"{', '.join(header) or 'no notes'} in its header."
        )
    with reading(f"{path}: a checkpoint of a training run"):
        written = json.loads(header[KEY])
        if written["format"] != FORMAT:
            raise DataError(
                f"{path}: a checkpoint of format {FORMAT}; this one has {written['format']!r}. "
                "Read it with the version of deepglass that wrote it."
            )
        return dict(_put_together(written["state"], arrays)), dict(written["about"])


def _taken_apart(value: Any, arrays: dict[str, np.ndarray], place: str = "") -> Any:
    """``value`` as JSON, its arrays noted by their place."""
    if isinstance(value, np.ndarray):
        arrays[place] = value
        return {"array": place}
    if isinstance(value, Mapping):
        within = f"{place}." if place else ""
        pairs = [(k, _taken_apart(v, arrays, f"{within}{k}")) for k, v in value.items()]
        by_name = all(isinstance(k, str) for k in value)  # JSON has no other keys
        return {"dict": dict(pairs)} if by_name else {"numbered": pairs}
    if isinstance(value, (list, tuple)):
        return [_taken_apart(v, arrays, f"{place}.{i}") for i, v in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise DataError(
        f"save_checkpoint: a state holds numbers, names and arrays; got "
        f"{type(value).__name__} at {place or 'the top'}."
    )


def _put_together(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_put_together(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "float":
        return float(content)
    if kind == "dict":
        return {k: _put_together(v, arrays) for k, v in content.items()}
    if kind == "numbered":
        return {int(k): _put_together(v, arrays) for k, v in content}
    raise ValueError(f"entries are array, float, dict or numbered; got {kind!r}")


class Checkpoints(Callback):
    """Writes the state of a run: after epochs, and when it stops.

    Args:
        folder: for ``last.safetensors`` and ``best.safetensors``; made if need be.
        watch: the measure that makes an epoch the best.
        better: "lower" or "higher".
        every: also after so many steps; 0 only after epochs.
        seconds: that pass between two saves at least; where epochs are short, the state of the
            best waits in memory for the next.
        about: kept in each file.
    """

    def __init__(
        self,
        folder: str | Path,
        watch: str = "loss",
        better: str = "lower",
        every: int = 0,
        seconds: float = 0.0,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.best = Best(watch, better)
        self.every = every or 2**62
        self.seconds = seconds
        self.about = dict(about or {})
        self._waiting: dict[str, Any] | None = None  # the state of the best epoch
        self._saved = -math.inf

    def on_start(self, trainer: Trainer, progress: Progress) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def on_steps(self, trainer: Trainer, progress: Progress) -> None:
        self._save(trainer)

    def on_epoch(self, trainer: Trainer, progress: Progress, epoch: Epoch) -> None:
        if self.best.improved(epoch):
            self._waiting = trainer.state_dict()
        if perf_counter() - self._saved >= self.seconds:
            self._save(trainer)

    def on_stop(self, trainer: Trainer, progress: Progress) -> None:
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if self._waiting is not None:
            save_checkpoint(self.folder / "best.safetensors", self._waiting, self.about)
            self._waiting = None
        save_checkpoint(self.folder / "last.safetensors", trainer.state_dict(), self.about)
        self._saved = perf_counter()

    def state_dict(self) -> dict[str, Any]:
        return self.best.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best.load_state_dict(state)
