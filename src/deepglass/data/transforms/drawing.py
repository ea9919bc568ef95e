"""What random changes of images draw: places, and boxes of random area and proportions."""

from __future__ import annotations

import numpy as np

from ...errors import DataError


def places(numbers: np.ndarray, room: int | np.ndarray) -> np.ndarray:
    """Return whole numbers from 0 to ``room`` for numbers from 0 to 1.

    >>> places(np.array([0, 0.49, 0.5, 0.999]), 1).tolist()
    [0, 0, 1, 1]
    """
    return np.asarray(np.floor(numbers * (room + 1)).astype(np.int64))


def boxes(
    numbers: np.ndarray,
    area: int,
    most: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return heights and widths in pixels: of several attempts the first that fits.

    Args:
        numbers: from 0 to 1, two for each attempt: (count, 2 attempts).
        area: of the image, in pixels.
        most: the largest height and width.
        scale: the smallest and the largest share of the area.
        ratio: the smallest and the largest width in heights; evenly in its logarithm.

    Returns:
        heights, widths, and whether an attempt fitted: (count,) each.
    """
    areas = area * (scale[0] + (scale[1] - scale[0]) * numbers[:, 0::2])
    low, high = np.log(ratio)
    ratios = np.exp(low + (high - low) * numbers[:, 1::2])
    sides = [np.rint(np.sqrt(v)).astype(np.int64) for v in (areas / ratios, areas * ratios)]
    good = [(side > 0) & (side <= limit) for side, limit in zip(sides, most, strict=True)]
    fits = good[0] & good[1]
    first = np.arange(len(numbers)), fits.argmax(axis=1)
    return sides[0][first], sides[1][first], fits[first]


def chance(name: str, p: float) -> float:
    """Return a probability, or say that it is none."""
    if not 0 <= p <= 1:
        raise DataError(f"{name}: p is a probability, 0 to 1; got {p}.")
    return p


def between(
    name: str, what: str, pair: tuple[float, float], most: float = np.inf
) -> tuple[float, float]:
    """Return a smallest and a largest positive number, or say that they are none."""
    low, high = pair
    if not 0 < low <= high <= most:
        raise DataError(
            f"{name}: {what} is two numbers in order, above 0"
            f"{f' and up to {most:g}' if most < np.inf else ''}; got {pair}."
        )
    return low, high
