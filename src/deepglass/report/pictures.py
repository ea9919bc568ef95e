"""Samples as a page shows them: pictures, or rows of words."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np

from ..data import TableEncoder
from ..data.sources.columns import NumberColumn

SIDE = 96  # pixels of a picture at most


def picture(image: np.ndarray, side: int = SIDE) -> str:
    """Return an image as the address of a PNG that holds it, of ``side`` pixels at most.

    Shapes:
        image: (channels, height, width), uint8, or floats from 0 to 1
    """
    return "data:image/png;base64," + base64.b64encode(png(image, side)).decode()


def png(image: np.ndarray, side: int = 0) -> bytes:
    """Return an image as the bytes of a PNG file, of ``side`` pixels at most if it is given.

    Shapes:
        image: (channels, height, width), uint8, or floats from 0 to 1
    """
    from PIL import Image

    levels = image if image.dtype == np.uint8 else (255 * image).round().clip(0, 255)
    pixels = np.moveaxis(levels.astype(np.uint8), 0, -1)
    drawn = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if side:
        drawn.thumbnail((side, side))
    file = io.BytesIO()
    drawn.save(file, "png", optimize=True)
    return file.getvalue()


def row(encoder: TableEncoder, features: np.ndarray) -> list[list[str]]:
    """Return a row as [column, value] in the words of the table."""
    shown, start = [], 0
    for column in encoder.inputs:
        own = features[start : start + len(column.features)]
        start += len(own)
        if isinstance(column, NumberColumn):
            missing = column.indicator and own[1] > 0.5
            value = "" if missing else _rounded(float(column.inverse(own[0])), column.std)
        else:
            names = [*column.categories, "…"]
            value = names[int(own.argmax())] if own.any() else ""
        shown.append([column.name, value])
    return shown


def _rounded(value: float, spread: float) -> str:
    """A number without the digits that float32 does not hold: five of its spread."""
    digits = max(0, 4 - math.floor(math.log10(spread)))
    return f"{round(value, digits) + 0.0:.12g}"


def packed(array: np.ndarray) -> dict[str, Any]:
    """Return an array as JSON values: its type, shape and bytes in base 64."""
    kind = "u8" if array.dtype == np.uint8 else "f32"
    plain = np.ascontiguousarray(array, np.uint8 if kind == "u8" else "<f4")
    text = base64.b64encode(plain.tobytes()).decode()
    return {"type": kind, "shape": list(array.shape), "data": text}
