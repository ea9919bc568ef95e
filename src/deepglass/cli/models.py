"""``deepglass models``: the networks that have a name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..config.choice import options_of
from ..errors import DataError, did_you_mean
from ..models import DESIGNS, Design, Sizes
from ..nn import Module, init
from .arguments import Json, complete_models
from .screen import listing, print_json

USUAL = {
    "images": Sizes("images", (1, 28, 28), 10),
    "points": Sizes("points", (2,), 2),
    "series": Sizes("series", (24, 1), 1),
    "text": Sizes("text", (64,), 65),
}


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A network, to see its layers.",
            metavar="NAME",
            show_default=False,
            autocompletion=complete_models,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the networks, what they read, their options and how many weights they have.

    Of one network: its layers, what each returns, what it sees of an image, its weights and its
    multiply-adds.

    Sizes are those of the images that a network was made for, of images of 28 x 28 in 10 classes
    where that is no certain size, or else of a series with a window of 24.

    Examples:

        deepglass models
        deepglass models vgg16
        deepglass train mnist --model mlp --set model.hidden=[256,128]
    """
    if name is not None:
        _show(name)
        return
    found: list[dict[str, Any]] = []
    for name, design in DESIGNS.items():
        weights = sum(p.numel() for p in _made(design)[0].parameters())
        options = {key: default for key, (_, default) in options_of(design.make).items()}
        found.append(
            {
                "name": name,
                "about": design.about,
                "reads": list(design.kinds),
                "weights": weights,
                "options": options,
            }
        )
    if json:
        print_json(found)
        return
    rows = [
        [
            str(m["name"]),
            str(m["about"]),
            ", ".join(m["reads"]),
            f"{m['weights']:,}",
            ", ".join(f"{k}={_plain(v)}" for k, v in m["options"].items()),
        ]
        for m in found
    ]
    listing(["name", "what it is", "reads", "weights", "options"], rows)


def _made(design: Design) -> tuple[Module, Sizes]:
    """A network without numbers, and the sizes that it was made for."""
    sizes = design.usual or next(USUAL[kind] for kind in USUAL if kind in design.kinds)
    with init.unfilled():
        return design.make(sizes), sizes


def _show(name: str) -> None:
    if name not in DESIGNS:
        raise DataError(
            f"models: one of {', '.join(DESIGNS)}; got {name!r}.{did_you_mean(name, DESIGNS)}"
        )
    model, sizes = _made(DESIGNS[name])
    print(model.summary((1, *sizes.inputs), dtype="int64" if sizes.kind == "text" else None))


def _plain(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
