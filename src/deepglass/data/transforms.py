"""Changes to samples as they are fetched: small functions that compose.

Each takes one array and returns another. Images have the axes (channels, height, width).
What is random draws from `sample_rng`, so it depends on (seed, epoch, sample) alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from .stream import sample_rng

__all__ = ["Compose", "Normalize", "OneHot", "RandomCrop", "RandomHorizontalFlip", "ToFloat"]


class Compose:
    """Does one change after the other.

    >>> Compose([ToFloat(), Normalize(0.5, 0.5)])(np.uint8([0, 255])).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x


class ToFloat:
    """Turns whole numbers into float32: bytes into 0 ... 1, others as they are.

    >>> ToFloat()(np.uint8([0, 51, 255])).tolist() == np.float32([0, 0.2, 1]).tolist()
    True
    """

    def __call__(self, x: Any) -> np.ndarray:
        array = np.asarray(x)
        floats = array.astype(np.float32)
        return np.divide(floats, np.float32(255)) if array.dtype == np.uint8 else floats


class Normalize:
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

    def __call__(self, x: Any) -> np.ndarray:
        array = np.asarray(x)
        mean, std = (v[:, None, None] if v.ndim else v for v in (self.mean, self.std))
        return np.asarray((array - mean) / std, np.float32)


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


class RandomHorizontalFlip:
    """Mirrors an image left to right.

    Args:
        p: how probable it is.

    >>> RandomHorizontalFlip(1.0)(np.array([[[1, 2, 3]]])).tolist()
    [[[3, 2, 1]]]
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise DataError(f"RandomHorizontalFlip: p is a probability, 0 to 1; got {p}.")
        self.p = p

    def __call__(self, image: Any) -> np.ndarray:
        array = np.asarray(image)
        return array[..., ::-1] if sample_rng().random() < self.p else array


class RandomCrop:
    """Cuts a random part out of an image.

    Args:
        size: height and width of the part, in pixels; one number for a square.
        padding: zeros put around the image first, on each side.

    Raises:
        ShapeError: the padded image is smaller than the part.

    >>> RandomCrop(2)(np.zeros((3, 5, 7))).shape
    (3, 2, 2)
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else size
        self.padding = padding

    def __call__(self, image: Any) -> np.ndarray:
        array = np.asarray(image)
        sides = [(0, 0)] * (array.ndim - 2) + [(self.padding, self.padding)] * 2
        array = np.pad(array, sides)
        room = [there - wanted for there, wanted in zip(array.shape[-2:], self.size, strict=True)]
        if min(room) < 0:
            raise ShapeError(
                f"RandomCrop: an image of at least {self.size} pixels with its padding; got "
                f"{array.shape[-2:]}. Resize it, or pad more."
            )
        rng = sample_rng()
        top, left = (int(rng.integers(n + 1)) for n in room)
        return array[..., top : top + self.size[0], left : left + self.size[1]]
