"""How the progress of a training and of a download looks."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from ..data.fetch import watching_downloads
from ..train import Callback, Epoch, Trainer
from ..train import Progress as Training
from .screen import aside, console, measures, seconds

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


class Download:
    """A download as one live line, which appears with the first bytes. Use as a context manager.

    Args:
        name: of the file.
        size: in bytes.

    Attributes:
        total: what the server says of the size, which may be nothing.
    """

    def __init__(self, name: str, size: int) -> None:
        self.total = 0
        self._size = size
        self._bar = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(complete_style="blue", finished_style="green"),
            DownloadColumn(),
            TransferSpeedColumn(),
            _Left(),
            console=aside,
        )
        self._task = self._bar.add_task(f"downloading {name}", total=size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def update(self, count: int) -> None:
        """Take note of ``count`` more bytes."""
        self._bar.start()
        self._bar.update(self._task, advance=count)

    def reset(self) -> None:
        """Begin to count anew, as pooch does at the end, before it tells the whole at once."""
        self._bar.update(self._task, completed=0)

    def close(self) -> None:
        """Take note that all bytes are there."""
        self._bar.update(self._task, completed=self._size)


def downloads() -> AbstractContextManager[None]:
    """Return a block in which downloads show their progress, and nothing without a terminal."""
    return watching_downloads(
        Download if aside.is_terminal else lambda name, size: nullcontext(False)
    )


def watcher() -> Bar | Lines:
    """Return what shows progress on this screen."""
    return Bar() if console.is_terminal else Lines()
