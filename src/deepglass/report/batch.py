"""The recorded batch of a run, and its explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ..explain import Explainer
from ..graph.tensor import Tensor
from ..ops.random import default_generator
from ..runs import Run
from ..runs.folder import BEST, RECORD
from ..tensorfile import read_tensors
from ..train import load_checkpoint

EXPLAINED = 10**9  # multiply-adds for the recorded batch at most: large networks take fewer samples


@dataclass(frozen=True)
class Recorded:
    """The samples of the validation part that a run keeps.

    Attributes:
        inputs: as the data have them.
        prepared: as the network reads them.
        targets: one for each.
        indices: where they stand in the data.
    """

    inputs: np.ndarray
    prepared: Tensor
    targets: np.ndarray
    indices: np.ndarray


def recorded(run: Run) -> Recorded:
    """Return the recorded batch.

    Raises:
        DataError: the file is missing or damaged.
    """
    path = run.folder.path / RECORD
    if not path.is_file():
        raise DataError(
            f"{path}: the samples that a run keeps for its report; the file is missing. Begin a "
            "new run: deepglass train"
        )
    arrays, _ = read_tensors(path)
    if {"inputs", "targets", "indices"} - set(arrays):
        raise DataError(
            f"{path}: inputs, targets and indices of some samples; it holds {', '.join(arrays)}. "
            "Begin a new run: deepglass train"
        )
    prepare = run.assembled.trainer.steps.prepare
    inputs, targets, indices = (arrays[n] for n in ("inputs", "targets", "indices"))
    x = prepare(Tensor(inputs)) if prepare else Tensor(inputs)
    few = slice(affordable(run, x[:1], EXPLAINED))
    return Recorded(inputs[few], x[few], targets[few], indices[few])


def affordable(run: Run, example: Tensor, work: int) -> int:
    """Return how many samples the network answers in ``work`` multiply-adds; at least one."""
    each = run.assembled.trainer.model.summary(example).multiply_adds
    return max(1, work // max(1, each))


def best_state(run: Run) -> dict[str, Any]:
    """Return the state of the trainer after the best epoch.

    Raises:
        DataError: the run is not trained yet, or the file is damaged.
    """
    path = run.folder.checkpoints / BEST
    if not path.is_file():
        raise DataError(
            f"{run.folder.path}: a run with a trained network; it has no checkpoints/{BEST}. "
            f"Train it: deepglass resume {run.folder.path}"
        )
    state, _ = load_checkpoint(path)
    return state


def apart(run: Run) -> Run:
    """Return the same run with a network of its own; random numbers go on as if nothing was."""
    before = default_generator.get_state()
    copy = Run(run.folder, run.config, run.material)
    _ = copy.assembled
    default_generator.set_state(before)
    return copy


def explainer_of(run: Run, batch: Recorded | None = None) -> Explainer:
    """Return what explains the best state of a run on its recorded batch, in float64.

    The step explained is the one that the optimizer would take next, from what it remembers.
    Where a schedule has brought the learning rate to 0, it is the configured one again.

    Raises:
        DataError: the run is not trained yet, or a file is damaged.
    """
    batch = batch or recorded(run)
    trainer = apart(run).assembled.trainer
    state = best_state(run)
    model, optimizer = trainer.model.double(), trainer.optimizer
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] or run.config.optimizer.options["lr"]
    x, y = batch.prepared, Tensor(batch.targets)
    x, y = (t.to("float64") if t.dtype.is_float else t for t in (x, y))
    return Explainer(model, trainer.steps.loss, optimizer, x, y, trainer.steps.clip_norm)
