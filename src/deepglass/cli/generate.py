"""``deepglass generate``: a network that was trained on text goes on with one."""

from __future__ import annotations

import sys
from itertools import chain
from typing import Annotated

import typer

from ..runs.predictor import Predictor
from .arguments import Json, RunName, find_run
from .screen import print_json


def generate(
    run: RunName,
    prompt: Annotated[
        str | None,
        typer.Option(help="What the text begins with.", show_default="the beginning of a line"),
    ] = None,
    length: Annotated[int, typer.Option(min=1, help="Tokens to add.")] = 300,
    temperature: Annotated[
        float, typer.Option(min=0, help="How daring text is: 0 always takes the most probable.")
    ] = 0.8,
    top_k: Annotated[
        int | None,
        typer.Option(min=1, help="Draw among so many of the most probable.", show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    json: Json = False,
) -> None:
    """Write text with a network that was trained on text.

    Each token is drawn from what the network expects after all before it, and shown at once.

    Examples:

        deepglass generate book-gpt-1
        deepglass generate book-gpt-1 --prompt "It was" --temperature 0.8 --top-k 40
        deepglass generate names-gpt-1 --length 100 --seed 7
    """
    predictor = Predictor(find_run(run))
    begin = predictor.beginning() if prompt is None else prompt
    pieces = predictor.generate(begin, length, temperature, top_k, seed)
    if json:
        print_json({"prompt": begin, "text": "".join(pieces)})
        return
    for piece in chain([begin.lstrip("\n")], pieces):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
