"""Pictures made of numbers: grids of kernels and maps, and heat over an image."""

from __future__ import annotations

import math

import numpy as np

GAP = 1  # pixels between tiles
# From black over violet and orange to light yellow, evenly brighter, also for the colour-blind.
HEAT = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float64
)


def tiles(values: np.ndarray, columns: int = 0, side: int = 0) -> np.ndarray:
    """Return kernels, feature maps or images side by side.

    Numbers are shown from the least to the largest of each tile, bytes as they are.

    Args:
        values: three channels are red, green and blue; of other numbers each is a tile.
        columns: tiles in a row; about as many as rows unless given.
        side: smaller tiles are enlarged, by whole factors, to no less than so many pixels.

    Shapes:
        values: (count, channels, height, width)
        result: (1 or 3, rows, columns of pixels), uint8

    >>> tiles(np.float32([[[[0, 1]]], [[[3, 5]]]]), columns=2).tolist()
    [[[0, 255, 255, 0, 255]]]
    """
    if values.shape[1] != 3:
        values = values.reshape(-1, 1, *values.shape[2:])
    count, channels, height, width = values.shape
    columns = min(count, columns or math.ceil(math.sqrt(count * height / width)))
    factor = max(1, math.ceil(side / max(height, width)))
    height, width = height * factor, width * factor
    rows = -(-count // columns)
    shape = channels, rows * (height + GAP) - GAP, columns * (width + GAP) - GAP
    canvas = np.full(shape, 255, np.uint8)
    for number, tile in enumerate(values):
        top, left = (number // columns) * (height + GAP), (number % columns) * (width + GAP)
        plain = tile.dtype == np.uint8
        bright = tile if plain else (255 * _stretched(tile)).round().astype(np.uint8)
        large = bright.repeat(factor, axis=1).repeat(factor, axis=2)
        canvas[:, top : top + height, left : left + width] = large
    return canvas


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a grey image with heat over it: the hotter a pixel, the more of the image it hides.

    Args:
        image: bytes, or floats from 0 to 1.
        heat: from its least value to its largest; negative values are cold.

    Shapes:
        image: (channels, height, width)
        heat: (height, width)
        result: (3, height, width), uint8
    """
    levels = image / 255 if image.dtype == np.uint8 else image
    grey = levels.mean(axis=0)[..., None] * 255
    warm = _stretched(np.maximum(heat, 0))
    places = np.linspace(0, 1, len(HEAT))
    colours = np.stack([np.interp(warm, places, channel) for channel in HEAT.T], axis=-1)
    share = 0.25 + 0.6 * warm[..., None]
    mixed = (1 - share) * grey + share * colours
    return np.moveaxis(mixed.round().clip(0, 255).astype(np.uint8), -1, 0)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1; all 0 where they do not differ."""
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / (high - low) if high > low else np.zeros(values.shape))
