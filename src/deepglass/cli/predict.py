"""``deepglass predict``: a trained network answers."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.columns import Columns
from rich.table import Table as Grid
from rich.text import Text

from ..data import read_table
from ..errors import DataError, DeepglassError
from ..files import replace_file
from ..runs.predictor import Predictor, top
from .arguments import Json, RunName, find_run
from .screen import complain, console, percent, print_json

SMALL = 28  # pixels of a side up to which a picture is drawn beside the answer


def predict(
    run: RunName,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Images; a table (CSV) with rows to answer; a series (CSV) to go on with.",
            metavar="FILE...",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write a table of answers (CSV) instead of printing it."),
    ] = None,
    top_classes: Annotated[
        int, typer.Option("--top", min=1, help="Classes to show per image.")
    ] = 3,
    json: Json = False,
) -> None:
    """Let a trained network answer.

    Images are told their classes, rows of a table their answers, a series what follows it.

    Examples:

        deepglass predict photos-convnet-1 cat.jpg dog.jpg
        deepglass predict houses-mlp-1 new.csv -o answers.csv
        deepglass predict air-mlp-1 air.csv
    """
    predictor = Predictor(find_run(run))
    paths = files or []
    if predictor.kind == "text":
        raise typer.BadParameter(f"a run on text goes on with: deepglass generate {run}")
    if not paths:
        raise typer.BadParameter("name at least one file to answer.")
    if out is not None and out.exists():
        raise DataError(
            f"{out}: a file that is new; this one is there. Name another, or delete it."
        )
    if predictor.kind == "images":
        raise typer.Exit(_images(predictor, paths, top_classes, out, json))
    tables = [_answered(predictor, path) for path in paths]
    if json:
        print_json(
            [dict(zip(row, values, strict=True)) for row, lines in tables for values in lines]
        )
        return
    text = "".join(
        _csv(None if number and head == tables[0][0] else head, rows)
        for number, (head, rows) in enumerate(tables)
    )
    if out is None:
        print(text, end="")
    else:
        replace_file(out, text)
        console.print(f"written: {out}", markup=False)


def _answered(predictor: Predictor, path: Path) -> tuple[list[str], list[list[Any]]]:
    """Head and rows of a table with its answers; of a series, what follows it."""
    table = read_table(path)
    answers = predictor.answer(table)
    if predictor.kind == "series":
        return list(answers), [list(row) for row in zip(*answers.values(), strict=True)]
    target = next(iter(answers))
    new = {f"predicted {n}" if n == target else n: cells for n, cells in answers.items()}
    everything = {**table.columns, **new}
    return list(everything), [list(row) for row in zip(*everything.values(), strict=True)]


def _csv(head: list[str] | None, rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if head is not None:
        writer.writerow(head)
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows)
    return text.getvalue()


def _images(
    predictor: Predictor, paths: list[Path], count: int, out: Path | None, json: bool
) -> int:
    """Answer images one by one; one that cannot be read does not stop the others."""
    failed = 0
    answers: list[tuple[Path, list[tuple[str, float]]]] = []
    for path in paths:
        try:
            image = predictor.picture(path)
        except (DeepglassError, OSError) as error:
            complain(str(error))
            failed = 1
            continue
        best = top(predictor.probabilities(image[None])[0].tolist(), predictor.classes, count)
        answers.append((path, best))
        if not json and out is None:
            _show(path, image, best)
    if json:
        print_json([{"file": str(path), "classes": dict(best)} for path, best in answers])
    if out is not None:
        rows = [[str(path), *best[0]] for path, best in answers]
        replace_file(out, _csv(["file", "class", "probability"], rows))
        console.print(f"written: {out}", markup=False)
    return failed


def _show(path: Path, image: np.ndarray, best: list[tuple[str, float]]) -> None:
    if not console.is_terminal:
        answers = ", ".join(f"{name} {percent(chance)}" for name, chance in best)
        console.print(f"{path}: {answers}", markup=False)
        return
    grid = Grid(box=None, show_header=False, title=Text(str(path)), title_justify="left")
    grid.add_column(style="bold", justify="right")
    grid.add_column(justify="right")
    grid.add_column()
    for rank, (name, chance) in enumerate(best):
        color = "green" if rank == 0 else "dim"
        bar = "━" * max(1, round(30 * chance))
        grid.add_row(Text(name), percent(chance), Text(bar, style=color))
    small = max(image.shape[1:]) <= SMALL
    console.print(Columns([_blocks(image), grid], padding=(1, 3)) if small else grid)


def _blocks(image: np.ndarray) -> Text:
    """What the network gets, two characters per pixel, so that pixels look square."""
    levels = image if image.dtype == np.uint8 else (255 * image).round().astype(np.uint8)
    text = Text()
    for row in np.moveaxis(levels, 0, -1):
        for pixel in row:
            r, g, b = pixel if len(pixel) == 3 else pixel.repeat(3)
            text.append("  ", style=f"on rgb({r},{g},{b})")
        text.append("\n")
    return text
