"""Pixels as a network reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ..graph.tensor import Tensor


@dataclass(frozen=True)
class Scale:
    """(x / divisor - mean) / std, done inside the compiled step.

    Attributes:
        divisor: 255 for bytes, 1 for pixels from 0 to 1.
        mean: per channel, of the training part.
        std: the same.
    """

    divisor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, images: np.ndarray) -> Scale:
        """Return the scale that brings images to mean 0 and standard deviation 1.

        Shapes:
            images: (count, channels, height, width), uint8 or float32
        """
        divisor = 255.0 if images.dtype == np.uint8 else 1.0
        pixels = np.moveaxis(images, 1, 0).reshape(images.shape[1], -1)
        mean = pixels.mean(axis=1, dtype=np.float64) / divisor
        std = pixels.std(axis=1, dtype=np.float64) / divisor
        rounded = ([round(float(v), 4) for v in values] for values in (mean, std))
        means, stds = rounded
        return cls(divisor, tuple(means), tuple(v or 1.0 for v in stds))

    def __call__(self, x: Tensor) -> Tensor:
        mean, std = (np.array(v, np.float32)[:, None, None] for v in (self.mean, self.std))
        factor, shift = 1 / (std * np.float32(self.divisor)), mean / std
        return x.to("float32") * Tensor(factor) - Tensor(shift)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Scale:
        """Return the scale that `to_dict` wrote.

        Raises:
            DataError: the state is none.
        """
        try:
            mean, std = (tuple(map(float, state[name])) for name in ("mean", "std"))
            return cls(float(state["divisor"]), mean, std)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"Scale: a state made by to_dict; got {state!r}.") from error
