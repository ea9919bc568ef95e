"""Random changes of where things are in an image, and how large."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...errors import DataError, DTypeError, ShapeError
from .drawing import between, boxes, chance, places
from .transform import Transform

Size = int | tuple[int, int]
NEAREST, BILINEAR = 0, 2  # as Pillow counts
INTERPOLATIONS = {"nearest": NEAREST, "bilinear": BILINEAR}


class RandomHorizontalFlip(Transform):
    """Mirrors an image left to right.

    Args:
        p: how probable it is.

    >>> RandomHorizontalFlip(1.0)(np.array([[[1, 2, 3]]])).tolist()
    [[[3, 2, 1]]]
    """

    draws = 1

    def __init__(self, p: float = 0.5) -> None:
        self.p = chance("RandomHorizontalFlip", p)

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        mirrored = numbers[:, 0] < self.p
        changed = images.copy()
        changed[mirrored] = images[mirrored][..., ::-1]
        return changed


class RandomCrop(Transform):
    """Cuts a random part out of an image.

    Args:
        size: height and width of the part, in pixels; one number for a square.
        padding: zeros put around the image first, on each side.

    Raises:
        ShapeError: the padded image is smaller than the part.

    >>> RandomCrop(2)(np.zeros((3, 5, 7))).shape
    (3, 2, 2)
    """

    draws = 2

    def __init__(self, size: Size, padding: int = 0) -> None:
        self.size = _pair(size)
        self.padding = padding

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        sides = [(0, 0)] * (images.ndim - 2) + [(self.padding, self.padding)] * 2
        padded = np.pad(images, sides) if self.padding else images
        there = padded.shape[-2:]
        if there[0] < self.size[0] or there[1] < self.size[1]:
            raise ShapeError(
                f"RandomCrop: an image of at least {self.size} pixels with its padding; got "
                f"{there}. Resize it, or pad more."
            )
        top, left = (
            places(u, n - wanted) for u, n, wanted in zip(numbers.T, there, self.size, strict=True)
        )
        windows = sliding_window_view(padded, self.size, axis=(-2, -1))
        return windows[np.arange(len(images)), ..., top, left, :, :]


class RandomResizedCrop(Transform):
    """Cuts a part of random size and proportions out of an image, and scales it to one size.

    Args:
        size: height and width that come out, in pixels; one number for a square.
        scale: the smallest and the largest share of the image's area.
        ratio: the smallest and the largest width in heights; all logarithms are as probable.

    Raises:
        DataError: shares or ratios that are not in order.
        DTypeError: pixels that are neither bytes nor float32.

    Numerics: bilinear; each new pixel is a mean over all that it covers.

    Source: Szegedy et al. (2015), "Going deeper with convolutions", section 6.

    >>> RandomResizedCrop(4)(np.zeros((3, 5, 7), np.uint8)).shape
    (3, 4, 4)
    """

    draws = 22

    def __init__(
        self,
        size: Size,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ) -> None:
        self.size = _pair(size)
        self.scale = between("RandomResizedCrop", "scale", scale, 1.0)
        self.ratio = between("RandomResizedCrop", "ratio", ratio)

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        height, width = images.shape[-2:]
        most = (height, width)
        high, wide, fits = boxes(numbers[:, :20], height * width, most, self.scale, self.ratio)
        largest = self._largest(height, width)
        high, wide = np.where(fits, high, largest[0]), np.where(fits, wide, largest[1])
        down, right = np.where(fits, numbers[:, 20:].T, 0.5)  # the middle where none fits
        top, left = places(down, height - high), places(right, width - wide)
        size = self.size[::-1]

        def scaled(picture: Any, number: int) -> Any:
            edges = (left[number], top[number], (left + wide)[number], (top + high)[number])
            return picture.crop(tuple(map(int, edges))).resize(size, resample=BILINEAR)

        return _by_pillow("RandomResizedCrop", images, scaled)

    def _largest(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the largest part whose proportions are allowed."""
        low, high = self.ratio
        if width < low * height:
            return round(width / low), width
        return (height, round(height * high)) if width > high * height else (height, width)


class RandomRotation(Transform):
    """Turns an image around its middle; corners that are laid open become 0.

    Args:
        degrees: the largest angle, to both sides; or the smallest and the largest, positive
            against the clock.
        interpolation: "nearest" pixel, or "bilinear".

    Raises:
        DataError: angles that are not in order, or another interpolation.
        DTypeError: pixels that are neither bytes nor float32.

    >>> RandomRotation((90, 90))(np.float32([[[1, 2], [3, 4]]])).tolist()
    [[[2.0, 4.0], [1.0, 3.0]]]
    """

    draws = 1

    def __init__(
        self, degrees: float | tuple[float, float], interpolation: str = "nearest"
    ) -> None:
        pair = degrees if isinstance(degrees, tuple) else (-degrees, degrees)
        if not -math.inf < pair[0] <= pair[1] < math.inf:
            raise DataError(
                "RandomRotation: degrees is the largest angle, at least 0, or the smallest and "
                f"the largest; got {degrees}."
            )
        if interpolation not in INTERPOLATIONS:
            raise DataError(
                f"RandomRotation: interpolation is one of {', '.join(INTERPOLATIONS)}; got "
                f"{interpolation!r}."
            )
        self.degrees, self.interpolation = pair, interpolation

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        low, high = self.degrees
        angles = low + (high - low) * numbers[:, 0]
        resample = INTERPOLATIONS[self.interpolation]

        def turned(picture: Any, number: int) -> Any:
            return picture.rotate(angles[number], resample=resample)

        return _by_pillow("RandomRotation", images, turned)


def _by_pillow(name: str, images: np.ndarray, change: Callable[[Any, int], Any]) -> np.ndarray:
    """Let Pillow change images: colours at once, other channels one by one.

    Args:
        name: of the transform, for messages.
        images: (count, channels, height, width).
        change: ``change(picture, number of the image)`` returns another picture.
    """
    from PIL import Image

    if images.dtype not in (np.uint8, np.float32):
        raise DTypeError(
            f"{name}: pixels are uint8 or float32; got {images.dtype}. Convert them first: "
            'images.astype("float32").'
        )

    def changed(pixels: np.ndarray, number: int) -> np.ndarray:
        return np.asarray(change(Image.fromarray(pixels), number))

    if images.shape[1] == 3 and images.dtype == np.uint8:
        colours = np.ascontiguousarray(np.moveaxis(images, 1, -1))
        found = np.stack([changed(pixels, n) for n, pixels in enumerate(colours)])
        return np.ascontiguousarray(np.moveaxis(found, -1, 1))
    return np.array([[changed(channel, n) for channel in x] for n, x in enumerate(images)])


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
