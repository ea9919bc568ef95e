"""``deepglass train``: from data, or a configuration, to a trained network."""

from __future__ import annotations

import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from ..config import AUGMENTATIONS, read_toml, to_toml
from ..errors import DataError
from ..report import write_report
from ..runs import Run, plan
from .arguments import complete_data, complete_models
from .progress import watcher
from .screen import aside, console, facts, measures, seconds

Partial = dict[str, dict[str, Any]]


def train(
    data: Annotated[
        str,
        typer.Argument(
            help="A file (CSV, text), a folder with a folder of images per class, the name of a "
            "data set (`deepglass data`), or a configuration (.toml).",
            metavar="DATA",
            autocompletion=complete_data,
        ),
    ] = "digits",
    target: Annotated[
        str | None, typer.Option(help="Column of a table to learn.", show_default=False)
    ] = None,
    forecast: Annotated[
        str | None,
        typer.Option(help="Column of a series to foretell; its rows are in the order of time."),
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Rows to foretell.", show_default="1")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Rows to read for it.", show_default="24")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help=f"Random changes of training images, or none: {', '.join(AUGMENTATIONS)}.",
            metavar="NAME,NAME",
            show_default="by the kind of images",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The network: see `deepglass models`.",
            show_default="chosen by the data",
            autocompletion=complete_models,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, help="How often to go through the data.", show_default="by the size of the data"
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Samples per step.", show_default="16 to 64")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate at the start.", show_default="0.001 to 0.01")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Shares for training and validation, 8:2, and test if there are three, 6:2:2.",
            show_default="8:2",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the split, the first weights, the order.", show_default="0"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any other setting, as it stands in a configuration; may be repeated.",
            metavar="SECTION.KEY=VALUE",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the run.", show_default="runs/DATA-MODEL-N"),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the whole configuration instead of training."),
    ] = False,
) -> None:
    """Train a network on your data.

    Task, network, loss and measures are chosen by the data unless you say otherwise; the
    choice is explained before training. Ctrl-C stops cleanly; `deepglass resume` goes on.

    Examples:

        deepglass train
        deepglass train houses.csv --target price
        deepglass train ./photos --epochs 30
        deepglass train ./letters --augment crop,rotation
        deepglass train air.csv --forecast passengers --horizon 12
        deepglass train mnist --model lenet5
        deepglass train book.txt
        deepglass train moons --set model.hidden=[8,8]
        deepglass train houses.csv --target price --show > houses.toml
        deepglass train houses.toml --seed 1
    """
    given: Partial = {}
    path = "command line"
    if data.endswith(".toml"):
        given, path = read_toml(data), data
    else:
        _put(given, "data", "source", data)
    if target is not None and forecast is not None:
        raise typer.BadParameter("--target learns a column, --forecast foretells one; give one.")
    options = {
        ("data", "target"): target if forecast is None else forecast,
        ("data", "horizon"): 1 if forecast is not None and horizon is None else horizon,
        ("data", "window"): window,
        ("data", "split"): split,
        ("data", "augment"): None if augment is None else _names(augment),
        ("model", "name"): model,
        ("optimizer", "lr"): lr,
        ("train", "epochs"): epochs,
        ("train", "batch_size"): batch_size,
        ("train", "seed"): seed,
    }
    for (section, key), value in options.items():
        if value is not None:
            _put(given, section, key, value)
    for setting in settings or []:
        _put(given, *_setting(setting))
    if show:
        planned = plan(given, path)
        print(to_toml(planned.config, "\n".join(planned.reasons)), end="")
        return
    with aside.status("reading the data") if aside.is_terminal else nullcontext():
        run = Run.create(given, out, path)
    for reason in run.reasons:
        console.print(reason, markup=False)
    do(run)


def do(run: Run) -> None:
    """Train a run, or go on with one, and say what came of it."""
    folder = run.folder.path
    try:
        with watcher() as watching:
            history = run.fit([watching])
    except KeyboardInterrupt:
        console.print(
            f"stopped; nothing is lost. Go on with: deepglass resume {folder}", markup=False
        )
        raise typer.Exit(130) from None
    trainer = run.assembled.trainer
    best = run.evaluate()
    weights = sum(p.numel() for p in trainer.model.parameters())
    parts = run.material.parts
    rows = [
        ("network", f"{run.config.model.name}, {weights:,} weights"),
        ("samples", ", ".join(f"{len(part):,} {name}" for name, part in parts.items())),
        ("last epoch", measures(history[-1].validation)),
        ("best epoch", measures(best)),
    ]
    if "test" in parts:
        rows.append(("test", measures(run.evaluate("test"))))
    taken = sum(epoch.seconds for epoch in history)
    rows.append(
        ("time", f"{seconds(taken)} of steps, {seconds(trainer.compile_seconds)} compiling")
    )
    if trainer.stopped:
        rows.append(("ended early", trainer.stopped))
    rows += [("report", str(write_report(run))), ("run", f"{folder}/")]
    facts(rows)


def _put(given: Partial, section: str, key: str, value: Any) -> None:
    given.setdefault(section, {})[key] = value


def _names(text: str) -> list[str]:
    """``crop,horizontal_flip`` as a list; none is an empty one."""
    return [] if text == "none" else [name.strip() for name in text.split(",")]


def _setting(text: str) -> tuple[str, str, Any]:
    """``optimizer.lr=0.1`` as section, key and value."""
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and key):
        raise DataError(f"--set: SECTION.KEY=VALUE, such as optimizer.lr=0.01; got {text!r}.")
    try:
        return section, key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return section, key, value
