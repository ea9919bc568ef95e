"""The quantile function of the normal distribution, which turns uniform into normal numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Misuse, Sample
from .elementwise import ElementwiseOp, same
from .functions import exp
from .samples import unary_samples

# (numerator, denominator) of each range, ascending powers.
_CENTRE = (
    (3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
     45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
     21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610),
)  # fmt: skip
_TAIL = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
     3.64784832476320460504, 1.27045825245236838258, 0.241780725177450611770,
     0.0227238449892691845833, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
     0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4,
     1.05075007164441684324e-9),
)  # fmt: skip
_FAR_TAIL = (
    (6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
     0.296560571828504891230, 0.0265321895265761230930, 1.24266094738807843860e-3,
     2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15),
)  # fmt: skip


Polynomials = tuple[tuple[float, ...], tuple[float, ...]]


def _ratio(x: np.ndarray, polynomials: Polynomials) -> np.ndarray:
    values = []
    for coefficients in polynomials:
        value = np.full_like(x, coefficients[-1])
        for c in reversed(coefficients[:-1]):
            value *= x
            value += c
        values.append(value)
    return np.asarray(values[0] / values[1])


def _centre(p: np.ndarray) -> np.ndarray:
    q = p - 0.5
    return np.asarray(q * _ratio(0.180625 - q * q, _CENTRE))


def _tails(p: np.ndarray) -> np.ndarray:
    tail = np.minimum(p, 1 - p)
    r = np.sqrt(-np.log(tail))
    size = np.where(r <= 5, _ratio(r - 1.6, _TAIL), _ratio(r - 5, _FAR_TAIL))
    return np.copysign(np.where(tail == 0, np.inf, size), p - 0.5)


def _rule(b: Any, p: Any) -> Any:
    def number(value: float) -> Any:
        return b.const(value, like=p)

    def ratio(x: Any, polynomials: Polynomials) -> Any:
        values = []
        for coefficients in polynomials:
            value = number(coefficients[-1])
            for c in reversed(coefficients[:-1]):
                value = b.add(b.mul(value, x), number(c))
            values.append(value)
        return b.div(*values)

    q = b.sub(p, number(0.5))
    below = b.lt(q, number(0))
    square = b.sub(number(0.180625), b.mul(q, q))
    tail = b.where(below, p, b.sub(number(1), p))
    r = b.sqrt(b.neg(b.log(tail)))
    near, far = ratio(b.sub(r, number(1.6)), _TAIL), ratio(b.sub(r, number(5)), _FAR_TAIL)
    size = b.where(b.le(r, number(5)), near, far)
    size = b.where(b.eq(tail, number(0)), number(math.inf), size)
    outside = b.where(below, b.neg(size), size)
    return b.where(b.ge(square, number(0)), b.mul(q, ratio(square, _CENTRE)), outside)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from unary_samples(0.01, 0.99)(rng)
    yield Sample(
        (np.array([1e-30, 1e-12, 1e-5, 0.074, 0.0751, 0.5, 0.9249, 0.9251]),), smooth=False
    )
    yield Sample((np.array([0.0, -0.0, 1.0, -0.1, 1.1, np.nan, np.inf, -np.inf]),), smooth=False)


ndtri = ElementwiseOp(
    name="ndtri",
    infer=same("ndtri", "float"),
    reference=lambda p: np.piecewise(p, [np.abs(p - 0.5) <= 0.425], [_centre, _tails]),
    kernel=Elementwise(_rule),
    gradient=(lambda g, y, p: g * math.sqrt(2 * math.pi) * exp(y * y * 0.5),),
    samples=_samples,
    misuses=(
        Misuse((np.array([0, 1]),), {}, DTypeError, "ndtri: the element type is one of float; got"),
        Misuse((np.array([True]),), {}, DTypeError, "Convert with `.to(dg.float32)`"),
    ),
    notation="Φ⁻¹({0})",
    doc="""The number below which a standard normal variable lies with probability p.

    Gradient: sqrt(2 pi) exp(y^2 / 2).

    Numerics: about 1e-16 of the result in float64. -inf at 0, inf at 1, NaN outside of [0, 1].
    Near 1 the result is as exact as 1 - p is.

    Source: Wichura (1988), algorithm AS 241, PPND16.

    >>> ndtri(Tensor([0.5, 0.975]))
    tensor([0.  , 1.96])
    """,
    floats=True,
)
