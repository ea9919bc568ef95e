"""What is the same for every sample: numbers into other numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import DataError
from .transform import Transform


class ToFloat(Transform):
    """Turns whole numbers into float32: bytes into 0 ... 1, others as they are.

    >>> ToFloat()(np.uint8([0, 51, 255])).tolist() == np.float32([0, 0.2, 1]).tolist()
    True
    """

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        floats = images.astype(np.float32)
        return np.divide(floats, np.float32(255)) if images.dtype == np.uint8 else floats


class Normalize(Transform):
    """(x - mean) / std

    Args:
        mean: one number, or one per channel.
        std: the same; not 0.

    Raises:
        DataError: a standard deviation that is 0, negative or no number.

    >>> Normalize([1.0, 2.0], [0.5, 4.0])(np.float32([[[2]], [[2]]])).ravel().tolist()
    [2.0, 0.0]
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean, self.std = (np.asarray(v, np.float32) for v in (mean, std))
        if not (np.isfinite(self.std).all() and (self.std > 0).all()):
            raise DataError(f"Normalize: std is positive; got {std}.")

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        mean, std = (v[:, None, None] if v.ndim else v for v in (self.mean, self.std))
        return np.asarray((images - mean) / std, np.float32)


class OneHot:
    """Turns a class number into float32 with a 1 in its place.

    Args:
        classes: how many there are.

    Raises:
        DataError: a number that is no class.

    >>> OneHot(3)(2).tolist()
    [0.0, 0.0, 1.0]
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def __call__(self, label: Any) -> np.ndarray:
        number = int(label)
        if not 0 <= number < self.classes:
            raise DataError(
                f"OneHot: class numbers lie between 0 and {self.classes - 1}; got {number}."
            )
        row = np.zeros(self.classes, np.float32)
        row[number] = 1
        return row
