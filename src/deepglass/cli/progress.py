"""How the progress of a training looks."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from ..train import Callback, Epoch, Trainer
from ..train import Progress as Training
from .screen import console, measures, seconds

LINES = 10  # of a whole training where there is no terminal, about


class Lines(Callback):
    """Progress as plain lines, for logs and pipes."""

    def on_epoch(self, trainer: Trainer, progress: Training, epoch: Epoch) -> None:
        number, last = epoch.number, progress.epochs
        if number == 1 or number % max(1, last // LINES) == 0 or number == last:
            print(
                f"epoch {number:3}/{last}  {measures(epoch.train)}"
                f"  |  validation {measures(epoch.validation)}  {epoch.rate:,.0f} samples/s",
                flush=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing stays open."""


class Bar(Callback):
    """Progress as one live line. Use as a context manager."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}", style="bold"),
            BarColumn(bar_width=None, complete_style="blue", finished_style="green"),
            TextColumn("{task.fields[values]}"),
            TextColumn("{task.fields[rate]}", style="dim"),
            _Left(),
            console=console,
            expand=True,
        )
        self._last: Epoch | None = None

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def on_start(self, trainer: Trainer, progress: Training) -> None:
        done = len(trainer.history) * progress.steps + progress.step
        total = progress.epochs * progress.steps
        self._task = self._bar.add_task("", total=total, completed=done, **self._fields(progress))

    def on_steps(self, trainer: Trainer, progress: Training) -> None:
        done = (progress.epoch - 1) * progress.steps + progress.step
        self._bar.update(self._task, completed=done, **self._fields(progress))

    def on_epoch(self, trainer: Trainer, progress: Training, epoch: Epoch) -> None:
        self._last = epoch
        self._bar.update(
            self._task, completed=epoch.number * progress.steps, **self._fields(progress)
        )

    def _fields(self, progress: Training) -> dict[str, Any]:
        epoch = f"{progress.epoch:{len(str(progress.epochs))}}/{progress.epochs}"
        if self._last is None:
            values = measures(progress.values)
            rate = progress.rate
        else:
            values, rate = measures(self._last.validation or self._last.train), self._last.rate
        told = f" {rate:,.0f} samples/s " if rate else ""
        return {"epoch": epoch, "values": values, "rate": told}


class _Left(ProgressColumn):
    """The time left; the time taken once nothing is left."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(seconds(task.finished_time or 0), style="green")
        left = task.time_remaining
        return Text("" if left is None else f"{seconds(left)} left")


def watcher() -> Bar | Lines:
    """Return what shows progress on this screen."""
    return Bar() if console.is_terminal else Lines()
