"""Variance, standard deviation, and what normalization learns of its input."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, prod
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .elementwise import eq, same, to, where
from .functions import sqrt
from .reduction import Dims, dims_of, mean, reduced_shape, spread, sum
from .samples import ONE_AXIS, SEVERAL_AXES, real


def moments(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance over ``dims``, kept as axes of length 1.

    For images, (batch, channels, ...), each image's own mean and squared deviations are
    found first and then combined, so that squares of large numbers are never subtracted
    from one another, and one image is a unit of work. The rounding of an image's mean shows in
    the variance, though: in float32 1.5e-4 of it where the mean is 10,000 times the deviation,
    against 3e-6 in `var`.

    Source: Chan, Golub and LeVeque (1983), equations 2.1.
    """
    inner = tuple(d for d in dims if d != 0)
    if dims == inner or not inner:
        center = mean(x, dims, keepdim=True)
        deviation = x - center
        return center, mean(deviation * deviation, dims, keepdim=True)
    local = mean(x, inner, keepdim=True)
    deviation = x - local
    within = mean(deviation * deviation, inner, keepdim=True)
    center = mean(local, 0, keepdim=True)
    between = local - center
    return center, mean(within, 0, keepdim=True) + mean(between * between, 0, keepdim=True)


Axes = tuple[int, ...]


def _type(name: str) -> Any:
    def infer(x: TensorType, dim: Axes, correction: int, keepdim: bool) -> TensorType:
        return TensorType(reduced_shape(same(name, "float")(x).shape, dim, keepdim), x.dtype)

    return infer


def _freedom(shape: tuple[int, ...], dim: Axes, correction: int) -> float:
    """What the sum of squared deviations is divided by."""
    return max(float(prod(shape[d] for d in dim) - correction), 0.0)


def _reference(x: np.ndarray, dim: Axes, correction: int, keepdim: bool) -> np.ndarray:
    center = x.sum(dim, keepdims=True) / x.dtype.type(prod(x.shape[d] for d in dim))
    squares = np.square(x - center).sum(dim, keepdims=keepdim)
    return np.asarray(squares / x.dtype.type(_freedom(x.shape, dim, correction)))


def _expand(x: Tensor, dim: Axes, correction: int, keepdim: bool) -> Tensor:
    deviation = x - mean(x, dim, keepdim=True)
    return sum(deviation * deviation, dim, keepdim) / _freedom(x.shape, dim, correction)


def _gradient(g: Tensor, y: Tensor, x: Tensor, dim: Axes, correction: int, keepdim: bool) -> Tensor:
    deviation = x - mean(x, dim, keepdim=True)
    return spread(g, x, dim) * deviation * 2 / _freedom(x.shape, dim, correction)


def _std_gradient(
    g: Tensor, y: Tensor, x: Tensor, dim: Axes, correction: int, keepdim: bool
) -> Tensor:
    """An infinite divisor makes the gradient 0 where nothing deviates."""
    divisor = where(eq(y, 0), inf, y) * _freedom(x.shape, dim, correction)
    return spread(g / divisor, x, dim) * (x - mean(x, dim, keepdim=True))


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, dim) in enumerate((*ONE_AXIS, *SEVERAL_AXES[1:])):
        count = prod(shape[d] for d in dim)
        params = {"dim": dim, "correction": number % 2, "keepdim": number % 3 == 0}
        yield Sample((real(rng, shape),), params, smooth=count > 1)
    yield Sample((np.full((2, 3), 1.5),), {"dim": (1,), "correction": 1, "keepdim": False}, False)


_MISUSES = (
    Misuse(
        (np.array([1, 2]),), {"dim": (0,), "correction": 1, "keepdim": False}, DTypeError,
        "one of float; got int64[2]. Convert",
    ),
    Misuse(
        (np.array([True]),), {"dim": (0,), "correction": 1, "keepdim": False}, DTypeError,
        "one of float; got bool[1]. Convert",
    ),
)  # fmt: skip

VAR = Op(
    name="var",
    infer=_type("var"),
    reference=_reference,
    kernel=Composite(_expand),
    gradient=(_gradient,),
    samples=_samples,
    misuses=_MISUSES,
    notation="var({0}, {dim})",
    doc="The mean squared deviation from the mean along the axes dim, with n - correction for n.",
)

STD = Op(
    name="std",
    infer=_type("std"),
    reference=lambda x, **params: np.sqrt(_reference(x, **params)),
    kernel=Composite(lambda x, **params: sqrt(_expand(x, **params))),
    gradient=(_std_gradient,),
    samples=_samples,
    misuses=_MISUSES,
    notation="std({0}, {dim})",
    doc="The square root of the variance along the axes dim.",
)


def var(x: Any, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Return the variance of the elements along ``dim`` (all axes unless given).

    sum of (x - mean)^2 / (n - correction), for n elements

    Args:
        x: floats; whole numbers and truth values are computed with as float32.
        dim: one axis, several, or None for all.
        correction: 1 estimates the variance of what the elements are a sample of, 0 is that of
            the elements themselves.
        keepdim: leave the reduced axes in place with length 1.

    Numerics: squares of deviations are summed, never a difference of squares taken. NaN where
        n is 1 and ``correction`` too.

    >>> var(Tensor([1.0, 2.0, 6.0]))
    tensor(7.)
    """
    return _apply(VAR, x, dim, correction, keepdim)


def std(x: Any, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Return the standard deviation of the elements along ``dim`` (all axes unless given).

    sqrt(sum of (x - mean)^2 / (n - correction)), for n elements

    Args:
        x, dim, correction, keepdim: as for `var`.

    Gradient: 0 where all elements are equal.

    >>> std(Tensor([1.0, 3.0]), correction=0)
    tensor(1.)
    """
    return _apply(STD, x, dim, correction, keepdim)


def _apply(op: Op, x: Any, dim: Dims, correction: int, keepdim: bool) -> Tensor:
    x = as_tensor(x)
    if not x.dtype.is_float:
        x = to(x, "float32")
    dims = dims_of(op.name, dim, x.ndim)
    return apply(op, x, dim=dims, correction=correction, keepdim=keepdim)
