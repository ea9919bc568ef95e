"""Random changes of what the pixels of an image are."""

from __future__ import annotations

import numpy as np

from ...errors import DataError
from .drawing import between, boxes, chance, places
from .transform import Transform

LUMA = np.array(
    [0.2989, 0.587, 0.114], np.float32
)  # how bright red, green and blue are, ITU-R BT.601

Strength = float | tuple[float, float]


class RandomErasing(Transform):
    """Sets a random box of an image to one value.

    Args:
        p: how probable it is.
        scale: the smallest and the largest share of the image's area.
        ratio: the smallest and the largest height in widths; all logarithms are as probable.
        value: of all channels, in the units of the pixels.

    Raises:
        DataError: a probability, shares or ratios that are none.

    Source: Zhong, Zheng, Kang, Li and Yang (2020), "Random erasing data augmentation",
    algorithm 1; DeVries and Taylor (2017), "Improved regularization of convolutional neural
    networks with cutout", where it is a square of one size.

    >>> erasing = RandomErasing(1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0))
    >>> int(erasing(np.ones((1, 4, 6), np.uint8)).sum())  # of 24 pixels 2 x 2 are erased
    20
    """

    draws = 23

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float = 0.0,
    ) -> None:
        self.p = chance("RandomErasing", p)
        self.scale = between("RandomErasing", "scale", scale, 1.0)
        self.ratio = between("RandomErasing", "ratio", ratio)
        self.value = value

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        height, width = images.shape[-2:]
        most, ratio = (height - 1, width - 1), (1 / self.ratio[1], 1 / self.ratio[0])
        high, wide, fits = boxes(numbers[:, 3:], height * width, most, self.scale, ratio)
        top, left = places(numbers[:, 1], height - high), places(numbers[:, 2], width - wide)
        erased = (numbers[:, 0] < self.p) & fits
        changed = images.copy()
        for number in np.flatnonzero(erased):
            rows = slice(top[number], top[number] + high[number])
            columns = slice(left[number], left[number] + wide[number])
            changed[number, ..., rows, columns] = self.value
        return changed


class ColorJitter(Transform):
    """Changes brightness, contrast and saturation of an image, in this order.

    Each is multiplied by a random factor: brightness 0 is black; contrast 0 is the mean
    brightness of the image everywhere; saturation 0 is grey. Values stay between 0 and 255, or
    0 and 1 for floats.

    Args:
        brightness: f for factors from max(0, 1 - f) to 1 + f, or the smallest and the largest.
        contrast: the same.
        saturation: the same; an image of one channel has none.

    Raises:
        DataError: a strength that is negative or not in order.

    Numerics: in float32, rounded once at the end.

    >>> ColorJitter(brightness=(2.0, 2.0))(np.full((3, 1, 1), 60, np.uint8)).ravel().tolist()
    [120, 120, 120]
    """

    draws = 3

    def __init__(
        self, brightness: Strength = 0.0, contrast: Strength = 0.0, saturation: Strength = 0.0
    ) -> None:
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        most = 255 if images.dtype == np.uint8 else 1
        ranges = np.array([self.brightness, self.contrast, self.saturation])
        factors = ranges[:, 0] + (ranges[:, 1] - ranges[:, 0]) * numbers
        light, contrast, colour = factors.T.astype(np.float32)[..., None, None, None]
        x = np.clip(images * light, 0, most)
        grey = _grey(x).mean(axis=(1, 2, 3), keepdims=True)
        x = np.clip(grey + contrast * (x - grey), 0, most)
        grey = _grey(x)
        x = np.clip(grey + colour * (x - grey), 0, most)
        return np.asarray(np.rint(x) if most == 255 else x, images.dtype)


def _grey(images: np.ndarray) -> np.ndarray:
    """How bright each pixel is: (count, 1, height, width)."""
    if images.shape[1] != 3:
        return np.asarray(images.mean(axis=1, keepdims=True))
    return np.asarray(np.einsum("nchw,c->nhw", images, LUMA)[:, None])


def _factors(name: str, strength: Strength) -> tuple[float, float]:
    pair = strength if isinstance(strength, tuple) else (max(0.0, 1 - strength), 1 + strength)
    if not 0 <= pair[0] <= pair[1] < np.inf:
        raise DataError(
            f"ColorJitter: {name} is a number from 0, or the smallest and the largest factor; "
            f"got {strength}."
        )
    return pair
