"""``deepglass train``: a network learns to read digits."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.markup import escape

from .. import __version__
from ..data import Subset
from ..errors import DataError
from ..files import replace_file
from ..train import Epoch, confusion_matrix, save
from ..train.digits import DigitsRun, Settings
from ..train.plots import confusion_picture, learning_curves
from .screen import Bar, Lines, console, facts, percent

NETWORK, RECORD, SAMPLE = "network.safetensors", "run.json", "digit.png"
CURVES, CONFUSION = "learning_curves.png", "confusion_matrix.png"
FILES = (NETWORK, CURVES, CONFUSION, RECORD, SAMPLE)
INPUT = "digits 8x8"
USUAL = Settings()


class Backend(StrEnum):
    """What runs the training steps."""

    native = "native"
    reference = "reference"


def train(
    epochs: Annotated[
        int, typer.Option(min=1, help="How often to go through the training digits.")
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
        Backend | None,
        typer.Option(
            help="Machine code, or NumPy step by step to compare with.", show_default="native"
        ),
    ] = None,
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
        backend=backend.value if backend is not None else None,
    )
    started = perf_counter()
    with _results(out) as folder:
        run = DigitsRun(settings)
        weights = sum(p.numel() for p in run.model.parameters())
        network = f"MLP {'-'.join(map(str, run.model.sizes))}, {weights:,} weights"
        console.print(f"[bold]deepglass {__version__}[/]  {network}, {run.trainer.backend}")
        history = _fit(run)
        accuracy = {"train": _share_right(run, run.train), "test": _share_right(run, run.test)}
        _write(folder, run, accuracy)
    stepping = sum(epoch.seconds for epoch in history)
    steps = f"compiling {run.trainer.compile_seconds:.1f} s, training {stepping:.1f} s"
    wrong = round((1 - accuracy["test"]) * len(run.test))
    facts(
        [
            ("data", f"{len(run.train):,} digits to learn from, {len(run.test):,} to test on"),
            ("network", network),
            ("time", f"{perf_counter() - started:.1f} s: {steps}"),
            ("speed", f"{sum(e.rate * e.seconds for e in history) / stepping:,.0f} samples/s"),
            ("training accuracy", percent(accuracy["train"])),
            ("test accuracy", f"{percent(accuracy['test'])}, {wrong} of {len(run.test)} wrong"),
            ("files", f"{folder}{os.sep}"),
            *(("", name) for name in FILES),
        ]
    )
    if console.is_terminal:
        command = f"deepglass predict {folder} {folder / SAMPLE}"
        console.print(f"try it: [bold]{escape(command)}[/]")
    console.print(f"[bold green]test accuracy {percent(accuracy['test'])}[/]")


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


@contextmanager
def _results(out: Path | None) -> Iterator[Path]:
    """The folder of this run; it vanishes again if nothing comes to lie in it."""
    folder = _new_folder() if out is None else out
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"--out: a run gets a folder of its own; {folder} is taken. Name another, or delete "
            "it first."
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def _new_folder() -> Path:
    number = 1
    while (folder := Path("runs", f"digits-{number}")).exists():
        number += 1
    return folder


def _fit(run: DigitsRun) -> list[Epoch]:
    if not console.is_terminal:
        return run.fit([Lines()])
    with Bar() as bar:
        return run.fit([bar])


def _share_right(run: DigitsRun, part: Subset) -> float:
    answers, labels = run.answers(part)
    return float((answers == labels).mean())


def _write(folder: Path, run: DigitsRun, accuracy: dict[str, float]) -> None:
    """Write all files of a run that is done."""
    history = run.trainer.history
    answers, labels = run.answers(run.test)
    names = [str(n) for n in range(10)]
    title = f"Handwritten digits: {percent(accuracy['test'])} of {len(labels)} test digits right"
    record = {
        "deepglass": __version__,
        "settings": asdict(run.settings),
        "train": {"samples": len(run.train), "accuracy": accuracy["train"]},
        "test": {"samples": len(run.test), "accuracy": accuracy["test"]},
        "compile_seconds": run.trainer.compile_seconds,
        "history": [asdict(epoch) for epoch in history],
    }
    save(run.model, folder / NETWORK, {"input": INPUT, "test_accuracy": accuracy["test"]})
    replace_file(folder / CURVES, learning_curves(history, title))
    matrix = confusion_matrix(answers, labels, 10)
    replace_file(folder / CONFUSION, confusion_picture(matrix, names, title))
    replace_file(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())
    easy = int((answers == labels).argmax())  # the first that is read right
    _sample(run.test[easy][0][0]).save(folder / SAMPLE)


def _sample(image: np.ndarray) -> Image.Image:
    """A test digit as someone might have photographed it: large, dark on light."""
    paper = Image.new("L", (10, 10), 255)
    paper.paste(Image.fromarray((255 - 255 * image).astype(np.uint8)), (1, 1))
    return paper.resize((200, 200), Image.Resampling.BICUBIC)
