"""Lengths of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .elementwise import abs, eq, ne, same, to, where
from .logic import logical_or
from .piecewise import sign
from .power import pow
from .reduction import Dims, amax, amin, dims_of, needs_elements, reduced_shape, spread, sum
from .samples import ONE_AXIS, SEVERAL_AXES, apart

Axes = tuple[int, ...]


def _type(x: TensorType, p: float, dim: Axes, keepdim: bool) -> TensorType:
    if p == 0:
        raise DomainError("norm: p is not 0 here; got 0. Call dg.norm, which counts the elements.")
    return TensorType(reduced_shape(same("norm", "float")(x).shape, dim, keepdim), x.dtype)


def _reference(x: np.ndarray, p: float, dim: Axes, keepdim: bool) -> np.ndarray:
    return np.asarray((np.abs(x) ** p).sum(dim, keepdims=keepdim) ** (1 / p), x.dtype)


def _gradient(g: Tensor, y: Tensor, x: Tensor, p: float, dim: Axes, keepdim: bool) -> Tensor:
    length = spread(y, x, dim)
    nothing = logical_or(eq(x, 0), eq(length, 0))
    share = pow(where(nothing, 1.0, abs(x) / length), p - 1)
    return where(nothing, 0.0, spread(g, x, dim) * sign(x) * share)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    powers = (2, 3, 1.5, -1, 0.5)
    for number, (shape, dim) in enumerate((*ONE_AXIS, *SEVERAL_AXES)):
        params = {"p": powers[number % 5], "dim": dim, "keepdim": number % 3 == 0}
        yield Sample((apart(rng, shape),), params)
    for p in powers:
        for x in (np.zeros(3), np.array([0.0, 2.0, -2.0, 5.0])):
            yield Sample((x,), {"p": p, "dim": (0,), "keepdim": False}, smooth=False)


NORM = Op(
    name="norm",
    infer=_type,
    reference=_reference,
    kernel=Composite(
        lambda x, p, dim, keepdim: pow(sum(pow(abs(x), p), dim, keepdim), 1 / p),
    ),
    gradient=(_gradient,),
    samples=_samples,
    misuses=(
        Misuse(
            (np.array([1, 2]),), {"p": 2, "dim": (0,), "keepdim": False}, DTypeError,
            "one of float; got int64[2]. Convert",
        ),
        Misuse(
            (np.ones(2),), {"p": 0, "dim": (0,), "keepdim": False}, DomainError,
            "p is not 0 here; got 0. Call dg.norm",
        ),
    ),
    notation="norm({0}, {p}, {dim})",
    doc="The sum of |x|^p along the axes dim, to the power 1 / p.",
)  # fmt: skip


def norm(x: Any, p: float | str = "fro", dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the length of the vectors along ``dim`` (of all elements unless given).

    (sum of |x|^p)^(1 / p)

    Args:
        x: floats; whole numbers and truth values are computed with as float32.
        p: 2 or "fro" is the usual length, 1 the sum of sizes, inf the largest size, -inf the
            smallest, 0 the number of elements other than 0; any other number as it is.
        dim: one axis, several, or None for all.
        keepdim: leave the reduced axes in place with length 1.

    Raises:
        DomainError: ``p`` is no number.
        ShapeError: the largest or smallest of no elements.

    Gradient: 0 for elements that are 0, and for all where the length is 0; shared equally
        among the largest.

    Numerics: powers are not scaled; for p = 2 elements beyond 1.8e19 make inf in float32.

    >>> norm(Tensor([3.0, -4.0])), norm(Tensor([3.0, -4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    x = as_tensor(x)
    if not x.dtype.is_float:
        x = to(x, "float32")
    if p == "fro":
        p = 2
    if isinstance(p, str):
        raise DomainError(f"norm: p is a number or 'fro'; got {p!r}. Use p=2 for the length.")
    dims = dims_of("norm", dim, x.ndim)
    if p == 0:
        return sum(to(ne(x, 0), x.dtype), dims, keepdim)
    if p == 1:
        return sum(abs(x), dims, keepdim)
    if p in (inf, -inf):
        needs_elements("norm", x.type, dims)
        return (amax if p > 0 else amin)(abs(x), dims, keepdim)
    return apply(NORM, x, p=p, dim=dims, keepdim=keepdim)
