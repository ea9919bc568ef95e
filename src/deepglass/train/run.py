"""One call of `Trainer.fit`: its data, and what is known of the epoch under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.loader import DataLoader
from ..errors import DataError, DomainError
from ..taps import Taps
from .callbacks import Callback
from .progress import Progress

CALL_SECONDS = 0.05  # about how long one native call of several steps may take
MOST_STEPS = 4096  # of one call

Seen = list[list[tuple[np.ndarray, ...]]]  # by call and metric: what was observed


class Run:
    """The state of a training run between two calls of its steps.

    Attributes:
        seen: what the metrics observed in this epoch.
        taps: what a callback wants to know of the steps.
    """

    def __init__(
        self,
        train: DataLoader,
        validation: DataLoader | None,
        callbacks: tuple[Callback, ...],
        progress: Progress,
    ) -> None:
        self.train, self.validation = train, validation
        self.callbacks, self.progress = callbacks, progress
        self.seen: Seen = []
        self.taps = _taps_of(callbacks, progress)
        self._total = 0.0
        self._pace = 0.0  # seconds per step, in the last call

    def begin_epoch(self) -> None:
        """Forget what belongs to the last epoch."""
        self.progress.step, self.progress.samples, self.progress.seconds = 0, 0, 0.0
        self.seen, self._total = [], 0.0

    def most(self) -> int:
        """Return how many steps the next call may be: until a callback is due, or for a while."""
        paced = int(CALL_SECONDS / self._pace) if self._pace else 1
        due = [c.every - self.progress.step % c.every for c in self.callbacks if c.every]
        return max(1, min(paced, MOST_STEPS, *due))

    def note(self, samples: int, losses: np.ndarray, seen: Any, seconds: float) -> None:
        """Some steps of so many samples each are done."""
        self.progress.step += len(losses)
        self.progress.samples += samples * len(losses)
        self.progress.seconds += seconds
        self._pace = seconds / len(losses)
        self._total += float(losses.sum(dtype=np.float64)) * samples
        self.seen.append(seen)

    @property
    def loss(self) -> float:
        """The mean loss of this epoch so far."""
        return self._total / self.progress.samples

    def _loaders(self) -> list[DataLoader]:
        return [self.train] if self.validation is None else [self.train, self.validation]

    def state_dict(self) -> dict[str, Any]:
        """Return what another run needs to do the steps that are left."""
        progress = self.progress
        return {
            "epochs": progress.epochs,
            "step": progress.step,
            "samples": progress.samples,
            "seconds": progress.seconds,
            "total": self._total,
            "seen": joined(self.seen),
            "loaders": [loader.state_dict() for loader in self._loaders()],
            "callbacks": [c.state_dict() for c in self._lasting()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another run stood.

        Raises:
            DataError: it had other data or other callbacks.
        """
        kinds = ("loaders", self._loaders()), ("callbacks with a state", self._lasting())
        for name, given in kinds:
            had = len(state[name.split()[0]])
            if had != len(given):
                raise DataError(
                    f"fit: a run goes on with as many {name} as it had, {had}; got {len(given)}."
                )
        progress = self.progress
        progress.step, progress.samples = state["step"], state["samples"]
        progress.seconds, self._total = state["seconds"], state["total"]
        self.seen = (
            [[tuple(a[None] for a in rows) for rows in state["seen"]]] if state["step"] else []
        )
        for loader, kept in zip(self._loaders(), state["loaders"], strict=True):
            loader.load_state_dict(kept)
        for callback, kept in zip(self._lasting(), state["callbacks"], strict=True):
            callback.load_state_dict(kept)

    def _lasting(self) -> list[Callback]:
        """The callbacks that have a state; who only looks on may come and go."""
        return [c for c in self.callbacks if c.state_dict()]


def joined(seen: Seen) -> list[tuple[np.ndarray, ...]]:
    """Return, for each metric, the rows of all samples that some calls observed."""
    return [
        tuple(
            np.concatenate([a.reshape(-1, *a.shape[2:]) for a in parts])
            for parts in zip(*calls, strict=True)
        )
        for calls in zip(*seen, strict=True)
    ]


def _taps_of(callbacks: tuple[Callback, ...], progress: Progress) -> Taps | None:
    found = [c.taps for c in callbacks if c.taps is not None]
    if len(found) > 1 or any(taps.every > progress.steps for taps in found):
        raise DomainError(
            "fit: one callback at most has taps, due at least once in the steps of an epoch, "
            f"{progress.steps}; got taps every {[taps.every for taps in found]} steps. Add them "
            "together, or lower every."
        )
    return found[0] if found else None
