"""What the transforms have in common, and how one follows another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..stream import sample_rng


class Transform:
    """Base of changes that many images of one size can undergo at once.

    A subclass says in ``draws`` how many random numbers it uses for an image and what it does
    in `apply`. Drawing and doing are apart, so that an image changes in the same way alone, in
    any batch and in any process.

    Attributes:
        draws: random numbers per image, from 0 to 1.
        together: whether `apply` may be used; a `Compose` of any functions does without.
    """

    draws = 0
    together = True

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return changed images.

        Shapes:
            images: (count, channels, height, width)
            numbers: (count, draws), float64
            result: (count, channels, new height, new width)
        """
        raise NotImplementedError(f"{type(self).__name__}: define apply(self, images, numbers).")

    def draw(self) -> np.ndarray:
        """Return the random numbers for the sample at hand."""
        return sample_rng().random(self.draws) if self.draws else np.empty(0)

    def __call__(self, image: Any) -> np.ndarray:
        """Return one changed image."""
        changed = self.apply(np.asarray(image)[None], self.draw()[None])
        return np.asarray(changed[0])


class Compose(Transform):
    """Does one change after the other.

    Args:
        transforms: `Transform` or any functions of one array.

    >>> from . import Normalize, ToFloat
    >>> Compose([ToFloat(), Normalize(0.5, 0.5)])(np.uint8([0, 255])).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)
        self.together = all(isinstance(t, Transform) and t.together for t in self.transforms)
        self.draws = sum(getattr(t, "draws", 0) for t in self.transforms)

    def apply(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        used = 0
        for transform in self.transforms:
            assert isinstance(transform, Transform)
            images = transform.apply(images, numbers[:, used : used + transform.draws])
            used += transform.draws
        return images

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x
