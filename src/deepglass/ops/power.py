"""Powers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Misuse, Sample
from ..graph.tensor import Tensor, as_tensor, read
from ..graph.types import bool_
from .elementwise import ElementwiseOp, div, eq, ge, same, to, where
from .functions import log, rsqrt, sqrt
from .samples import SHAPES, real

_MOST_PRODUCTS = 4  # the greatest power of floats that is found by multiplication


def _negative(exponent: Any) -> DomainError:
    return DomainError(
        f"pow: whole numbers have powers with exponents >= 0; got {exponent}. Convert the base "
        "with `.to(dg.float32)`."
    )


def _check_exponents(x: np.ndarray, y: np.ndarray) -> None:
    if y.dtype.kind in "iu" and (y < 0).any():
        raise _negative(y.min())


def _base_gradient(g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return g * y * POW(x, where(eq(y, 0), 1.0, y) - 1)


def _exponent_gradient(g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    settled = to(eq(x, 0), x.dtype) * to(ge(y, 0), x.dtype)
    return g * out * log(where(eq(settled, 1), 1.0, x))


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((real(rng, shape, 0.3, 2), real(rng, shape, -2, 3)))
    x, y = np.array([-2.0, -1.5, -0.3]), np.array([-3.0, -2.0, 0.0, 1.0, 2.0, 5.0, 0.5])
    yield Sample((np.repeat(x, 7), np.tile(y, 3)), smooth=False)
    exponents = np.array([0.0, 0.5, 1.0, 2.0, 3.0, -1.0])
    yield Sample((np.zeros(6), exponents), smooth=False)
    odd = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, np.inf, -np.inf, np.nan])
    yield Sample((np.repeat(odd, 10), np.tile(odd, 10)), smooth=False)
    yield Sample((rng.integers(-4, 5, (3, 5)), rng.integers(0, 9, (3, 5))))


POW = ElementwiseOp(
    name="pow",
    infer=same("pow", "float", "signed", "unsigned"),
    reference=np.power,
    kernel=Elementwise(lambda b, x, y: b.pow(x, y)),
    gradient=(_base_gradient, _exponent_gradient),
    samples=_samples,
    misuses=(
        Misuse((np.array([2]), np.array([-1])), {}, DomainError, "exponents >= 0; got -1. Convert"),
        Misuse((np.array([True]), np.array([True])), {}, DTypeError, "float, signed, unsigned"),
        Misuse((np.ones(2), np.ones(3)), {}, DTypeError, "one shape and type"),
    ),
    validate=_check_exponents,
    notation="{0}^{1}",
    doc="x to the power y.",
)


def pow(x: Any, exponent: Any) -> Tensor:
    """Return ``x`` to the power ``exponent``, broadcast; ``x ** exponent``.

    Args:
        x: any tensor of numbers, or a number.
        exponent: a number or a tensor; whole numbers keep the type of whole numbers.

    Raises:
        DomainError: a whole number to a negative power.

    Gradient: exponent x^(exponent - 1) for ``x``, and 0 where the exponent is 0; result log(x)
        for the exponent, and 0 where x is 0 and the exponent is not negative.

    Numerics: small whole exponents multiply, so that squares are exact where they can be.
        NaN for a broken power of a negative number; x^0 and 1^y are 1, NaN or not.

    >>> pow(Tensor([1, 2, 3]), 2), pow(2.0, Tensor([0.5, -1.0]))
    (tensor([1, 4, 9]), tensor([1.4142, 0.5   ]))
    """
    if isinstance(x, Tensor) and isinstance(exponent, (int, float)):
        return _number_power(x, exponent)
    return POW(x, exponent)


def _number_power(x: Tensor, n: float) -> Tensor:
    if not x.dtype.is_float:
        if isinstance(n, float):
            return _number_power(to(x, "float32"), n)
        if n < 0:
            raise _negative(n)
        x = to(x, "int64") if x.dtype is bool_ else x
        return _product(x, n) if n else POW(x, n)
    if float(n).is_integer() and 1 <= abs(n) <= _MOST_PRODUCTS:
        return _product(x if n > 0 else reciprocal(x), abs(int(n)))
    if abs(n) == 0.5:
        return sqrt(x) if n > 0 else rsqrt(x)
    return POW(x, n)


def _product(x: Tensor, n: int) -> Tensor:
    """x to the power n >= 1 by squaring."""
    result = Tensor.of(read(x))
    for bit in f"{n:b}"[1:]:
        result = result * result
        if bit == "1":
            result = result * x
    return result


def square(x: Any) -> Tensor:
    """Return x times x.

    >>> square(Tensor([-3.0, 2.0]))
    tensor([9., 4.])
    """
    return pow(as_tensor(x), 2)


def reciprocal(x: Any) -> Tensor:
    """Return 1 / x.

    >>> reciprocal(Tensor([4.0, 0.0]))
    tensor([0.25,  inf])
    """
    return div(1.0, x)
