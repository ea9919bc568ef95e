"""Arrays to test ops with. Every axis has a length of its own (2, 3, 5, 7), because a
mixed-up axis passes on square shapes; scalars, empty axes and axes of one are there too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..graph.op import Sample

SHAPES = ((), (1,), (7,), (2, 3), (3, 1, 5), (0, 3), (2, 3, 5, 7), (33,))

Samples = Callable[["np.random.Generator"], Iterator[Sample]]  # loaded when first used


def real(
    rng: np.random.Generator, shape: tuple[int, ...], low: float = -2, high: float = 2
) -> np.ndarray:
    return rng.uniform(low, high, shape)


def apart(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers no two of which are close, so that a maximum is smooth around them."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) - size / 2) * 0.25 + 0.1


def unary_samples(low: float, high: float) -> Samples:
    """Samples of one real array with values between ``low`` and ``high``."""

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for shape in SHAPES:
            yield Sample((real(rng, shape, low, high),))

    return samples


def away_from_zero(rng: np.random.Generator) -> Iterator[Sample]:
    """One real array without numbers close to 0, where there is a kink; then odd numbers, and 0
    itself, where the gradient is a convention."""
    for sample in unary_samples(-2, 2)(rng):
        x = sample.args[0]
        yield Sample((np.where(np.abs(x) < 0.05, 0.05, x),))
    yield Sample((np.array([0.0, -0.0, np.nan, np.inf, -np.inf]),), smooth=False)
    yield Sample((np.array([0.0, -0.0, 1.5, -1.5]),), smooth=False)


def binary_samples(low: float = -2, high: float = 2, low2: float | None = None) -> Samples:
    """Samples of two real arrays of one shape; ``low2`` is the least value of the second."""

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for shape in SHAPES:
            second = real(rng, shape, low if low2 is None else low2, high)
            yield Sample((real(rng, shape, low, high), second))

    return samples


def compare_samples(rng: np.random.Generator) -> Iterator[Sample]:
    """Two arrays with many ties, NaN and infinities."""
    for shape in SHAPES:
        x, y = (rng.integers(-1, 2, shape).astype(float) for _ in range(2))
        yield Sample((x, y), smooth=False)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])
    yield Sample((np.repeat(odd, 5), np.tile(odd, 5)), smooth=False)


Reductions = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

ONE_AXIS: Reductions = (
    ((7,), (0,)),
    ((2, 3), (0,)),
    ((2, 3), (1,)),
    ((2, 3, 5), (1,)),
    ((3, 40), (1,)),
    ((40, 3), (0,)),
    ((1, 3), (0,)),
)
SEVERAL_AXES: Reductions = (
    ((), ()),
    ((2, 3, 5), (0, 2)),
    ((2, 3, 5, 7), (0, 2, 3)),
    ((2, 3), (0, 1)),
    ((5, 3, 2), (0, 1, 2)),
)


def along_axes(values: Callable[..., np.ndarray], axes: bool = True) -> Samples:
    """Samples of a reduction over one, several or all axes."""

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dim in ONE_AXIS:
            for keepdim in (False, True):
                yield Sample((values(rng, shape),), {"dim": dim, "keepdim": keepdim})
        for shape, dim in SEVERAL_AXES if axes else ():
            yield Sample((values(rng, shape),), {"dim": dim, "keepdim": False})

    return samples


def cases(*calls: tuple[tuple[Any, ...], dict[str, Any]]) -> Samples:
    """Samples of the given calls; a tuple of integers stands for a real array of that shape."""

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for args, params in calls:
            arrays = tuple(real(rng, a) if isinstance(a, tuple) else np.asarray(a) for a in args)
            yield Sample(arrays, params)

    return samples
