"""``deepglass models``: the networks that have a name."""

from __future__ import annotations

from typing import Any

from ..config.choice import options_of
from ..models import DESIGNS, Sizes
from ..nn import init
from .arguments import Json
from .screen import listing, print_json

USUAL = {
    "images": Sizes("images", (1, 28, 28), 10),
    "points": Sizes("points", (2,), 2),
    "series": Sizes("series", (24, 1), 1),
    "text": Sizes("text", (64,), 65),
}


def models(json: Json = False) -> None:
    """List the networks, what they read, their options and how many weights they have.

    Weights are for the images that a network was made for, for those of 28 x 28 in 10 classes
    where that is no certain size, or else for a series with a window of 24.
    Options are set like this:

        deepglass train mnist --model mlp --set model.hidden=[256,128]
    """
    found: list[dict[str, Any]] = []
    for name, design in DESIGNS.items():
        sizes = design.usual or next(USUAL[kind] for kind in USUAL if kind in design.kinds)
        with init.unfilled():
            weights = sum(p.numel() for p in design.make(sizes).parameters())
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


def _plain(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
