"""What ``deepglass explain --method`` shows of an image, as a PNG file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError, did_you_mean
from ..explain import feature_maps, grad_cam, kernels, occlusion, overlay, saliency, tiles
from ..files import replace_file
from ..report import png
from ..runs.predictor import Predictor
from .screen import console, percent

HEAT = {"gradcam": grad_cam, "saliency": saliency, "occlusion": occlusion}
METHODS = (*HEAT, "maps", "kernels")
LARGE, TILE = 336, 56  # pixels of an image and of a tile at least
ACROSS = 16  # maps in a row


def look(
    predictor: Predictor, method: str, image: Path | None, name: str | None, out: Path
) -> None:
    """Write what a method shows as a PNG file.

    Args:
        predictor: of a run on images.
        method: one of `METHODS`.
        image: the file that is looked at; the kernels need none.
        name: the class that is asked about; the most probable one unless given.
        out: the file to write, which is new.

    Raises:
        DataError: a run on other data, no such method or class, no image, or a file that is there.
    """
    if method not in METHODS:
        raise DataError(
            f"explain: --method is one of {', '.join(METHODS)}; got {method}."
            f"{did_you_mean(method, METHODS)}"
        )
    if predictor.kind != "images":
        raise DataError(
            f"explain: --method {method} is for runs on images; this one is on "
            f"{predictor.kind}. Ask for a weight: --weight"
        )
    if out.exists():
        raise DataError(
            f"{out}: a file that is new; this one is there. Name another, or delete it."
        )
    if method == "kernels":
        pixels = tiles(kernels(predictor.model, predictor.inputs), side=TILE)
    elif image is None:
        raise DataError(f"explain: --method {method} looks at an image; name one: --image FILE")
    else:
        pixels = _seen(predictor, method, image, name)
    replace_file(out, png(pixels))
    console.print(f"written: {out}", markup=False)


def _seen(predictor: Predictor, method: str, path: Path, name: str | None) -> np.ndarray:
    """The image beside what the method shows of it."""
    picture = predictor.picture(path)
    chances = predictor.probabilities(picture[None])[0]
    chosen = int(chances.argmax()) if name is None else _number(name, predictor.classes)
    console.print(f"{path}: {predictor.classes[chosen]} {percent(chances[chosen])}", markup=False)
    x = predictor.prepared(picture[None])
    if method == "maps":
        found = feature_maps(predictor.model, x)
        if not found:
            raise DataError(
                "explain: --method maps is for networks with convolutions. Use kernels."
            )
        return _below([tiles(maps[0][:, None], ACROSS, TILE) for maps in found.values()])
    heat = HEAT[method](predictor.model, x, [chosen])[0]
    plain = picture if picture.dtype == np.uint8 else (255 * picture).round().astype(np.uint8)
    both = np.stack([np.broadcast_to(plain, (3, *picture.shape[1:])), overlay(picture, heat)])
    return tiles(both, columns=2, side=LARGE)


def _number(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise DataError(
            f"explain: --class is one of {', '.join(classes)}; got {name}."
            f"{did_you_mean(name, classes)}"
        )
    return list(classes).index(name)


def _below(grids: Sequence[np.ndarray]) -> np.ndarray:
    """Grids one below the other, on white."""
    width = max(grid.shape[2] for grid in grids)
    rows = [
        np.pad(grid, ((0, 0), (0, 8), (0, width - grid.shape[2])), constant_values=255)
        for grid in grids
    ]
    return np.concatenate(rows, axis=1)
