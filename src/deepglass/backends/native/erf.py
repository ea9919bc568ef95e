"""The error function for float32 and float64, scalars or vectors; see `mathlib` for the errors."""

from __future__ import annotations

from dataclasses import dataclass

from ...graph.types import float32
from .mathlib import at_most, exp, like, polynomial
from .text import Value, Writer


@dataclass(frozen=True)
class _Fit:
    """Constants of one floating-point format.

    Attributes:
        limit: from here on erf is 1.
        near: fit of erf(x) / x - 1 in x^2, on |x| <= 1.
        far: fit of e^(x^2) (1 - erf x) in (x - 2) / (x + 2), from x = 1 to the limit, the error
            weighted with e^(-x^2).
    """

    limit: float
    near: tuple[float, ...]
    far: tuple[float, ...]


_SINGLE = _Fit(
    limit=4.0,
    near=(
        0.12837916591381917678,
        -0.37612627136403344022,
        0.1128360018115281973,
        -0.026854444786139218814,
        0.0051895356734569424154,
        -0.00080208438642869316384,
        0.000078891269205302162561,
    ),
    far=(
        0.25539567791314576055,
        -0.42718585349380652211,
        0.24165727023350317628,
        -0.078986906007607638386,
        0.0037297388815980043631,
        0.0072125504167893589302,
    ),
)
_DOUBLE = _Fit(
    limit=6.0,
    near=(
        0.12837916709551256679,
        -0.37612638903183546575,
        0.11283791670945251498,
        -0.026866170643276000061,
        0.005223977607422063918,
        -0.00085483259896444906552,
        0.00012055295319299036532,
        -0.000014924744646215366482,
        1.6447517526776732956e-6,
        -1.6209175142155683087e-7,
        1.3722974357150961273e-8,
        -7.8011875684048357894e-10,
    ),
    far=(
        0.25539567631050575941,
        -0.42718584741395683082,
        0.24165819424246879831,
        -0.078978581016415604304,
        0.0037328923985397136102,
        0.0069974617856641434796,
        -0.00084714259050968234399,
        -0.00098197647955070783663,
        0.000043536159709073210262,
        0.00017428847109840840455,
        0.000027623189695265231883,
        -0.000026611475868822501278,
        -0.000012644093449352277176,
    ),
)


def erf(w: Writer, x: Value) -> Value:
    """x + x P(x^2) below 1, and above it 1 - e^(-x^2) Q((x - 2) / (x + 2)), of which at most a
    sixth is subtracted, so that its own errors count little.

    A slope e^(-x^2) that is found beside it has the same steps, which are taken once."""
    fit = _SINGLE if x.dtype is float32 else _DOUBLE
    size = at_most(w, w.intrinsic("fabs", x), fit.limit)
    square = w.binary("fmul", x, x)
    near = w.fma(size, polynomial(w, square, fit.near), size)
    two = like(x, 2.0)
    t = w.binary("fdiv", w.binary("fsub", size, two), w.binary("fadd", size, two))
    decay = exp(w, w.negate(square))
    far = w.fma(w.negate(decay), polynomial(w, t, fit.far), like(x, 1.0))
    result = w.select(w.compare("fcmp olt", size, like(x, 1.0)), near, far)
    return w.intrinsic("copysign", result, x)
