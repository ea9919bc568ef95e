"""``deepglass predict``: a trained network reads a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageOps
from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from .. import no_grad, softmax, tensor
from ..data import fit_digit
from ..errors import DataError, DeepglassError
from ..nn import Module
from ..train import load
from .screen import complain, console, percent
from .train import INPUT, NETWORK

SHOWN = 3  # classes per picture


def predict(
    run: Annotated[
        Path, typer.Argument(help="Folder of a run, or a network file.", metavar="RUN_OR_FILE")
    ],
    images: Annotated[
        list[Path],
        typer.Argument(help="Pictures of one digit each: PNG, JPG, ...", metavar="IMAGE..."),
    ],
) -> None:
    """Read the digit on each picture.

    Pictures may have any size, dark on light or light on dark. What the network really gets,
    8 x 8 shades of grey like the digits it was trained on, is shown beside its answer.
    """
    model = _digits_network(run / NETWORK if run.is_dir() else run)
    failed = False
    for path in images:
        try:
            digit = fit_digit(read_gray(path))
        except (DeepglassError, OSError) as error:
            complain(f"{path}: {error}")
            failed = True
            continue
        with no_grad():
            chances = softmax(model(tensor(digit[None, None])), 1).numpy()[0]
        _show(path, digit, chances)
    raise typer.Exit(1 if failed else 0)


def read_gray(path: Path) -> np.ndarray:
    """Return the brightness of a picture, (height, width), from 0 to 255.

    Transparent parts are white; photographs are turned as the camera was held.

    Raises:
        DataError: the file is not a picture, or is damaged.
        OSError: it cannot be read.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith(("I", "F")):
                values = np.asarray(image, np.float64)
                return np.asarray(values * 255 / max(values.max(), 1))
            white = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("L"))
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:
        raise DataError(f"a picture that can be opened, such as PNG or JPG; {error}") from error


def _digits_network(path: Path) -> Module:
    if not path.exists():
        raise DataError(
            f"predict: the folder of a run, or a network file; there is no {path}. Train one with "
            "`deepglass train`."
        )
    model, about = load(path)
    if about.get("input") != INPUT:
        raise DataError(
            f"predict: a network that reads 8 x 8 digits; {path} is for {about.get('input')!r}."
        )
    return model


def _show(path: Path, digit: np.ndarray, chances: np.ndarray) -> None:
    best = np.argsort(-chances, kind="stable")[:SHOWN]
    if not console.is_terminal:
        answers = ", ".join(f"{n} {percent(chances[n])}" for n in best)
        console.print(f"{path}: {answers}", markup=False)
        return
    table = Table(box=None, show_header=False, title=Text(str(path)), title_justify="left")
    table.add_column(style="bold", justify="right")
    table.add_column(justify="right")
    table.add_column()
    for rank, n in enumerate(best):
        color = "green" if rank == 0 else "dim"
        bar = "━" * max(1, round(30 * float(chances[n])))
        table.add_row(str(n), percent(chances[n]), Text(bar, style=color))
    console.print(Columns([_blocks(digit), table], padding=(1, 3)))


def _blocks(digit: np.ndarray) -> Text:
    """The picture itself, two characters per pixel, so that pixels look square."""
    text = Text()
    for row in digit:
        for value in row:
            shade = round(255 * float(value))
            text.append("  ", style=f"on rgb({shade},{shade},{shade})")
        text.append("\n")
    return text
