"""``deepglass train``: a network learns to read digits."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from rich import box
from rich.table import Table

from .. import __version__
from ..errors import DataError
from ..train import Epoch, confusion_matrix, save
from ..train.digits import DigitsRun, Settings
from ..train.plots import confusion_picture, learning_curves
from ..train.saving import write_atomically
from .screen import Bar, Lines, console, percent

NETWORK, RECORD, SAMPLE = "network.safetensors", "run.json", "digit.png"
CURVES, CONFUSION = "learning_curves.png", "confusion_matrix.png"
USUAL = Settings()


class Backend(StrEnum):
    """What runs the training steps."""

    native = "native"
    reference = "reference"


def train(
    epochs: Annotated[
        int, typer.Option(min=1, help="How often every training digit is shown.")
    ] = USUAL.epochs,
    batch_size: Annotated[int, typer.Option(min=1, help="Digits per step.")] = USUAL.batch_size,
    lr: Annotated[
        float, typer.Option(min=0, help="Learning rate of Adam at the start; it falls to 0.")
    ] = USUAL.lr,
    hidden: Annotated[
        str, typer.Option(help="Neurons of each hidden layer, such as 128 or 256,256.")
    ] = ",".join(map(str, USUAL.hidden)),
    seed: Annotated[
        int, typer.Option(help="Of the split, the first weights and the order of the digits.")
    ] = USUAL.seed,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results.", show_default="runs/digits-1, -2, ..."),
    ] = None,
    backend: Annotated[
        Backend, typer.Option(help="Machine code, or NumPy step by step to compare with.")
    ] = Backend.native,
) -> None:
    """Train a network on 1,797 handwritten digits and test it on a fifth of them.

    The whole training step, forward, backward and update, is compiled to machine code. The
    folder then holds the network (safetensors), its learning curves and confusion matrix
    (PNG), the settings and figures (JSON) and one test digit to try:

        deepglass predict runs/digits-1 runs/digits-1/digit.png
    """
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        hidden=_sizes(hidden),
        seed=seed,
        backend=backend.value,
    )
    folder = _folder(out)
    run = DigitsRun(settings)
    weights = sum(p.numel() for p in run.model.parameters())
    shape = "-".join(map(str, run.model.sizes))
    _say(f"[bold]deepglass {__version__}[/]  MLP {shape}, {weights:,} weights, {backend.value}")
    if console.is_terminal:
        with Bar() as bar:
            history = run.fit([bar])
    else:
        history = run.fit([Lines()])
    learnt, tested = (_share_right(run, part) for part in (run.train, run.test))
    _write(folder, run, history, learnt, tested)
    seconds = sum(e.seconds for e in history)
    _table(
        {
            "data": f"{len(run.train):,} digits to learn from, {len(run.test):,} to test on",
            "network": f"MLP {shape}, {weights:,} weights",
            "time": f"{seconds:.2f} s of training, {run.trainer.compile_seconds:.2f} s of "
            "compiling before it",
            "speed": f"{len(run.train) * len(history) / seconds:,.0f} samples/s",
            "training accuracy": percent(learnt),
            "test accuracy": f"{percent(tested)}  ({_mistakes(run)})",
            "files": f"{folder}/",
            "": f"{NETWORK}, {CURVES}, {CONFUSION}, {RECORD}, {SAMPLE}",
        }
    )
    if console.is_terminal:
        console.print(f"try it: [bold]deepglass predict {folder} {folder / SAMPLE}[/]")
    _say(f"[bold green]test accuracy {percent(tested)}[/]")


def _sizes(hidden: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(n) for n in hidden.split(",") if n.strip())
    except ValueError:
        sizes = (0,)
    if any(n < 1 for n in sizes):
        raise typer.BadParameter(
            f"whole numbers of neurons from 1, with commas between; got {hidden!r}.",
            param_hint="--hidden",
        )
    return sizes


def _folder(out: Path | None) -> Path:
    """Make the folder of this run, which is empty."""
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DataError(
                f"--out: a run gets a folder of its own; {out} is taken. Name another, or delete "
                "it first."
            )
        out.mkdir(parents=True, exist_ok=True)
        return out
    for number in range(1, 1_000_000):
        folder = Path("runs", f"digits-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise DataError("--out: runs/ holds a million runs. Name a folder with --out.")


def _say(line: str) -> None:
    console.print(line)


def _share_right(run: DigitsRun, part: Any) -> float:
    answers, labels = run.answers(part)
    return float((answers == labels).mean())


def _mistakes(run: DigitsRun) -> str:
    answers, labels = run.answers(run.test)
    wrong = int((answers != labels).sum())
    return f"{wrong} of {len(labels)} wrong" if wrong else f"all {len(labels)} right"


def _write(
    folder: Path, run: DigitsRun, history: list[Epoch], learnt: float, tested: float
) -> None:
    answers, labels = run.answers(run.test)
    about = {"input": "digits 8x8", "test_accuracy": tested}
    save(run.model, folder / NETWORK, about)
    title = f"Handwritten digits: {percent(tested)} of {len(labels)} test digits right"
    write_atomically(folder / CURVES, learning_curves(history, title))
    matrix = confusion_matrix(answers, labels, 10)
    names = [str(n) for n in range(10)]
    write_atomically(folder / CONFUSION, confusion_picture(matrix, names, title))
    record = {
        "deepglass": __version__,
        "settings": asdict(run.settings),
        "train": {"samples": len(run.train), "accuracy": learnt},
        "test": {"samples": len(run.test), "accuracy": tested},
        "compile_seconds": run.trainer.compile_seconds,
        "history": [asdict(epoch) for epoch in history],
    }
    write_atomically(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())
    right = int(np.flatnonzero(answers == labels)[0]) if (answers == labels).any() else 0
    _sample(run.test[right][0][0]).save(folder / SAMPLE)


def _sample(image: np.ndarray) -> Image.Image:
    """A test digit as someone might have photographed it: large, dark on light."""
    small = Image.fromarray((255 - 255 * image).astype(np.uint8))
    large = Image.new("L", (200, 200), 255)
    large.paste(small.resize((160, 160), Image.Resampling.BICUBIC), (20, 20))
    return large


def _table(rows: dict[str, str]) -> None:
    table = Table(box=box.ROUNDED if console.is_terminal else None, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
