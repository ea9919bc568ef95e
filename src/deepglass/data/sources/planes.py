"""Toy planes: points with two coordinates, in classes that a network has to part.

Points are float32 of shape (samples, 2), labels int64 of shape (samples,). Noise is the
standard deviation of a normal shift in both coordinates. The generator decides every bit.

Source: moons, circles and blobs as scikit-learn makes them; the two spirals after Lang and
Witbrock (1988), "Learning to tell two spirals apart"; XOR after Minsky and Papert (1969).
"""

from __future__ import annotations

import numpy as np

from ...errors import DataError
from ...ops.random import Generator, default_generator
from ..dataset import TensorDataset


def make_moons(
    samples: int = 200, noise: float = 0.1, generator: Generator | None = None
) -> TensorDataset:
    """Return two half circles that reach into each other.

    >>> make_moons(4, noise=0).tensors[0].round(1).tolist()
    [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]]
    """
    upper, lower = (np.linspace(0, np.pi, n) for n in _halves(samples))
    points = np.concatenate([_circle(upper), np.array([1, 0.5]) - _circle(lower)])
    return _dataset(points, [len(upper), len(lower)], noise, generator)


def make_circles(
    samples: int = 200,
    noise: float = 0.05,
    factor: float = 0.5,
    generator: Generator | None = None,
) -> TensorDataset:
    """Return a circle within a circle; ``factor`` is the inner radius over the outer one."""
    outer, inner = (np.linspace(0, 2 * np.pi, n, endpoint=False) for n in _halves(samples))
    points = np.concatenate([_circle(outer), factor * _circle(inner)])
    return _dataset(points, [len(outer), len(inner)], noise, generator)


def make_blobs(
    samples: int = 200, noise: float = 1.0, classes: int = 3, generator: Generator | None = None
) -> TensorDataset:
    """Return clouds around points that stand evenly on a circle of radius 4."""
    counts = _shares(samples, classes)
    centres = 4 * _circle(2 * np.pi * np.arange(classes) / classes)
    return _dataset(np.repeat(centres, counts, axis=0), counts, noise, generator)


def make_spirals(
    samples: int = 200,
    noise: float = 0.02,
    turns: float = 1.5,
    classes: int = 2,
    generator: Generator | None = None,
) -> TensorDataset:
    """Return arms that wind around each other, ``turns`` times, from the centre to radius 1."""
    counts = _shares(samples, classes)
    arms = []
    for number, count in enumerate(counts):
        radius = (np.arange(count) + 0.5) / count
        arms.append(radius[:, None] * _circle(2 * np.pi * (turns * radius + number / classes)))
    return _dataset(np.concatenate(arms), counts, noise, generator)


def make_xor(
    samples: int = 200, noise: float = 0.0, generator: Generator | None = None
) -> TensorDataset:
    """Return a square in four quarters: class 1 where the coordinates differ in sign."""
    return make_checkerboard(samples, noise, 2, generator)


def make_checkerboard(
    samples: int = 200, noise: float = 0.0, cells: int = 4, generator: Generator | None = None
) -> TensorDataset:
    """Return a square from -1 to 1 in fields of two classes, ``cells`` along each side.

    Points are uniform; noise moves them after they got their class.
    """
    _check(samples, cells)
    source = generator or default_generator
    points = 2 * _uniform((samples, 2), source) - 1
    fields = np.floor((points + 1) / 2 * cells).astype(np.int64)
    return TensorDataset(_shifted(points, noise, source), fields.sum(axis=1) % 2)


def _dataset(
    points: np.ndarray, counts: list[int], noise: float, generator: Generator | None
) -> TensorDataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    return TensorDataset(_shifted(points, noise, generator or default_generator), labels)


def _circle(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _halves(samples: int) -> list[int]:
    """As scikit-learn divides: the second class gets the odd one."""
    _check(samples, 2)
    return [samples // 2, samples - samples // 2]


def _shares(samples: int, classes: int) -> list[int]:
    _check(samples, classes)
    return [samples // classes + (n < samples % classes) for n in range(classes)]


def _check(samples: int, classes: int) -> None:
    if classes < 2 or samples < classes:
        raise DataError(
            "planes: at least two classes or cells, and a sample for each; got "
            f"{classes} and {samples}."
        )


def _shifted(points: np.ndarray, noise: float, generator: Generator) -> np.ndarray:
    if not (np.isfinite(noise) and noise >= 0):
        raise DataError(f"planes: noise is a standard deviation, 0 or more; got {noise}.")
    if noise:
        points = points + noise * _normal(points.shape, generator)
    return points.astype(np.float32)


def _normal(shape: tuple[int, ...], generator: Generator) -> np.ndarray:
    """Standard normal numbers: Box and Muller (1958)."""
    radius = np.sqrt(-2 * np.log(1 - _uniform(shape, generator)))
    return np.asarray(radius * np.cos(2 * np.pi * _uniform(shape, generator)))


def _uniform(shape: tuple[int, ...], generator: Generator) -> np.ndarray:
    return np.asarray((generator.bits(shape).numpy() + 0.5) * 2.0**-32)
