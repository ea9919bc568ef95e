"""``deepglass evaluate``: how good a trained network is."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ..runs import Run
from .arguments import Json, RunName, find_run
from .screen import facts, measure, print_json


def evaluate(
    run: RunName,
    part: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(
            help="Part of the data.", show_default="test if there is one, else validation"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure the best state of a run on a part of its data.

    Example:

        deepglass evaluate digits-mlp-1 --part train
    """
    folder = find_run(run)
    opened = Run(folder, folder.config())
    parts = opened.material.parts
    name = part or ("test" if "test" in parts else "validation")
    found = opened.evaluate(name)
    if json:
        print_json({"part": name, "samples": len(parts[name]), **found})
        return
    facts(
        [
            ("part", f"{name}, {len(parts[name]):,} samples"),
            *((key, measure(key, value)) for key, value in found.items()),
        ]
    )
