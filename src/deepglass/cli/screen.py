"""What all commands share of the screen: a console, colours, and how progress looks."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from ..train import Callback, Epoch, Trainer
from ..train import Progress as Training

console = Console(highlight=False, soft_wrap=True)


def complain(message: str) -> None:
    """Print an error where errors go."""
    text = Text("deepglass: ", style="bold red").append(message, style="default")
    Console(stderr=True, highlight=False, soft_wrap=True).print(text)


def percent(share: float) -> str:
    """Write a share as a percentage with two decimals.

    >>> percent(0.975)
    '97.50 %'
    """
    return f"{100 * share:.2f} %"


class Lines(Callback):
    """Progress as plain lines, about ten in all, for logs and pipes."""

    def on_epoch(self, trainer: Trainer, progress: Training, epoch: Epoch) -> None:
        every = max(1, progress.epochs // 10)
        if progress.epoch == 1 or progress.epoch % every == 0 or progress.epoch == progress.epochs:
            print(
                f"epoch {progress.epoch:3}/{progress.epochs}"
                f"  loss {epoch.train['loss']:.4f}"
                f"  accuracy {percent(epoch.train['accuracy']):>8}"
                f"  test {percent(epoch.validation['accuracy']):>8}"
                f"  {epoch.rate:,.0f} samples/s",
                flush=True,
            )


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
        self._task = self._bar.add_task(
            "", total=progress.epochs * progress.steps, **self._fields(progress)
        )

    def on_steps(self, trainer: Trainer, progress: Training) -> None:
        done = (progress.epoch - 1) * progress.steps + progress.step
        self._bar.update(self._task, completed=done, **self._fields(progress))

    def _fields(self, progress: Training) -> dict[str, Any]:
        epoch = f"{progress.epoch:{len(str(progress.epochs))}}/{progress.epochs}"
        if not progress.values:
            return {"epoch": epoch, "values": "", "rate": ""}
        loss, accuracy = progress.values["loss"], progress.values["accuracy"]
        return {
            "epoch": epoch,
            "values": f"loss {loss:.4f}  accuracy {percent(accuracy):>8}",
            "rate": f" {progress.rate:,.0f} samples/s ",
        }


class _Left(ProgressColumn):
    """The time left, in seconds or minutes; the time taken once nothing is left."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"{task.finished_time or 0:.1f} s", style="green")
        left = task.time_remaining
        if left is None:
            return Text("")
        return Text(f"{left:.0f} s left" if left < 100 else f"{left / 60:.0f} min left")


def facts(rows: list[tuple[str, str]]) -> None:
    """Print a closing table; aligned lines where there is no terminal."""
    if not console.is_terminal:
        for name, value in rows:
            print(f"{name:<18} {value}")
        return
    table = Table(box=box.ROUNDED, show_header=False, border_style="blue")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    console.print(table)
