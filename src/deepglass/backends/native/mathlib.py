"""Exponentials, logarithms, roots and their like for float32 and float64, scalars or vectors.

Each function emits a branch-free sequence of IEEE operations, the same for every lane and
every CPU (only sin and cos leave angles far from 0 to the C library). The polynomials are
minimax fits (Remez exchange at 60 digits) of the functions named beside them. Largest errors
found over random arguments of the whole range, in units of the last place of the result
(`tests/backends/native/test_mathlib.py` keeps watch):

    function    float32   float64
    exp            1.03      0.99
    expm1          1.57      1.97
    log            0.88      0.88
    log1p          1.44      1.26
    tanh           1.49      1.47
    sigmoid        1.81      1.68
    sqrt           0.50      0.50
    rsqrt          1.50      1.50    two steps, each correctly rounded: this is never passed
    sin            1.56      1.56    in `waves`
    cos            1.57      1.55    in `waves`
    erf            1.17      1.05    in `erf`
    pow            0.50      1.52    in `power`

Results underflow gradually through the subnormal numbers; exp overflows to inf. NaN is
handed on; log of a negative number is NaN, of 0 -inf; sqrt and rsqrt follow IEEE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...graph.types import DType, float32
from .text import Value, Writer, constant, integer_like

_LOG2_E = 1.4426950408889634074


@dataclass(frozen=True)
class Format:
    """Constants of one floating-point format.

    Attributes:
        mantissa: bits after the point.
        bias: of the exponent.
        ln2_high: ln 2 rounded to the format.
        ln2_low: what is missing from it.
        exp_range: arguments beyond these give 0 or inf.
        expm1_range: arguments beyond these give -1 or inf.
        exp_tail: fit of (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2.
        log_tail: fit of (2 atanh(s) - 2 s) / s^3 in s^2, on |s| <= (sqrt 2 - 1) / (sqrt 2 + 1).
        tanh_tail: fit of (tanh(x) - x) / x^3 in x^2, on |x| <= 0.55.
        tanh_limit: from here on tanh is 1.
    """

    mantissa: int
    bias: int
    ln2_high: float
    ln2_low: float
    exp_range: tuple[float, float]
    expm1_range: tuple[float, float]
    exp_tail: tuple[float, ...]
    log_tail: tuple[float, ...]
    tanh_tail: tuple[float, ...]
    tanh_limit: float


_SINGLE = Format(
    mantissa=23,
    bias=127,
    ln2_high=0.6931471824645996,
    ln2_low=-1.9046542999577678785e-9,
    exp_range=(-104.0, 89.0),
    expm1_range=(-20.0, 89.0),
    exp_tail=(
        0.50000000619357529844,
        0.16666542992302235689,
        0.041666282026629317024,
        0.008366583933956981195,
        0.0013946450090149706154,
    ),
    log_tail=(0.66666685379757196807, 0.39988672747986277667, 0.29584129703247205371),
    tanh_tail=(
        -0.33333318045734342993,
        0.13332601686314645831,
        -0.053853857988457659616,
        0.021077758501791167225,
        -0.0062824734787207295582,
    ),
    tanh_limit=10.0,
)
_DOUBLE = Format(
    mantissa=52,
    bias=1023,
    ln2_high=0.6931471805599453,
    ln2_low=2.319046813846299615494855e-17,
    exp_range=(-746.0, 710.0),
    expm1_range=(-40.0, 710.0),
    exp_tail=(
        0.50000000000000055502,
        0.16666666666666685987,
        0.041666666666573622574,
        0.0083333333333146004755,
        0.0013888888932379470671,
        0.00019841269903009597953,
        0.000024801504445219276603,
        2.7557227973968011571e-6,
        2.7626326798293444162e-7,
        2.5114466411978035887e-8,
    ),
    log_tail=(
        0.66666666666666697707,
        0.39999999999897260331,
        0.28571428626934365415,
        0.22222210985777924559,
        0.1818289954381036194,
        0.15331387249281112216,
        0.14620458863114003221,
    ),
    tanh_tail=(
        -0.33333333333332351272,
        0.13333333333173730584,
        -0.05396825387836996973,
        0.021869486026024954765,
        -0.0088631951520299226012,
        0.003591724647479575835,
        -0.0014532400517329398884,
        0.00057920306678059412513,
        -0.00021040587719558182359,
        0.000051090278325737166655,
    ),
    tanh_limit=20.0,
)


def exp(w: Writer, x: Value, rest: Value | None = None) -> Value:
    """e^x = 2^n e^r, where n is x / ln 2 rounded; ``rest`` is what x lacks of the argument.

    The factor 2^n is applied as two factors, so that results near both ends of the range
    are neither lost early nor inf too soon. Below the range it is 0 without being computed,
    which takes twice as long where the product underflows.
    """
    low, high = format_of(x.dtype).exp_range
    zero = like(x, 0.0)
    none = w.compare("fcmp olt", x, like(x, low))
    x = w.select(none, zero, at_most(w, x, high))
    n, r = split_by_ln2(w, x)
    r = r if rest is None else w.binary("fadd", r, rest)
    p = w.binary("fadd", _expm1_near_0(w, r), like(x, 1.0))
    first = w.binary("lshr", plus(w, n, 2 * format_of(x.dtype).bias), whole(x, 1))
    second = w.binary("sub", plus(w, n, 2 * format_of(x.dtype).bias), first)
    p = w.binary("fmul", p, from_exponent(w, first, x.dtype))
    return w.select(none, zero, w.binary("fmul", p, from_exponent(w, second, x.dtype)))


def expm1(w: Writer, x: Value) -> Value:
    """e^x - 1 = 2 (2^(n-1) (e^r - 1) + 2^(n-1) - 1/2), n and r as in `exp`; x itself near 0."""
    form = format_of(x.dtype)
    low, high = form.expm1_range
    size = w.intrinsic("fabs", x)
    within = at_least(w, at_most(w, x, high), low)
    n, r = split_by_ln2(w, within)
    half = from_exponent(w, plus(w, n, form.bias - 1), x.dtype)
    t = w.fma(half, _expm1_near_0(w, r), w.binary("fsub", half, like(x, 0.5)))
    tiny = w.compare("fcmp olt", size, like(x, 2.0 ** (-form.mantissa - 2)))
    return w.select(tiny, x, w.binary("fadd", t, t))


def log(w: Writer, x: Value) -> Value:
    """log x = e ln 2 + log(1 + f), with sqrt(1/2) <= 1 + f < sqrt 2 and

    log(1 + f) = f - s (f - R(s^2)), where s = f / (2 + f).
    """
    form = format_of(x.dtype)
    e, f = split_by_power(w, x)
    s = w.binary("fdiv", f, w.binary("fadd", f, like(x, 2.0)))
    z = w.binary("fmul", s, s)
    tail = w.binary("fmul", z, polynomial(w, z, form.log_tail))
    part = w.binary("fmul", s, w.binary("fsub", f, tail))
    part = w.fma(e, like(x, -form.ln2_low), part)
    result = w.fma(e, like(x, form.ln2_high), w.binary("fsub", f, part))
    return log_at_the_ends(w, x, result)


def log1p(w: Writer, x: Value) -> Value:
    """log u + c / u, where u is 1 + x rounded and c what the rounding took away."""
    one = like(x, 1.0)
    u = w.binary("fadd", x, one)
    lost = w.binary("fsub", x, w.binary("fsub", u, one))
    correction = w.binary("fdiv", lost, u)
    known = w.compare("fcmp ord", correction, correction)  # unless u is 0 or inf
    correction = w.select(known, correction, like(x, 0.0))
    return w.intrinsic("copysign", w.binary("fadd", log(w, u), correction), x)


def tanh(w: Writer, x: Value) -> Value:
    """tanh |x| = t / (t + 2) with t = e^(2|x|) - 1; below 0.55 x + x^3 P(x^2)."""
    form = format_of(x.dtype)
    size = at_most(w, w.intrinsic("fabs", x), form.tanh_limit)
    n, r = split_by_ln2(w, w.binary("fadd", size, size))
    power = from_exponent(w, plus(w, n, form.bias), x.dtype)
    t = w.fma(power, _expm1_near_0(w, r), w.binary("fsub", power, like(x, 1.0)))
    large = w.binary("fdiv", t, w.binary("fadd", t, like(x, 2.0)))
    z = w.binary("fmul", size, size)
    cube = w.binary("fmul", w.binary("fmul", z, size), polynomial(w, z, form.tanh_tail))
    small = w.binary("fadd", cube, size)
    result = w.select(w.compare("fcmp olt", size, like(x, 0.55)), small, large)
    return w.intrinsic("copysign", result, x)


def sigmoid(w: Writer, x: Value) -> Value:
    """1 / (1 + e^-x); for negative x as e^x / (1 + e^x), which keeps the small results.

    What the sum d = 1 + e lacks for being rounded, t, is made up for: top / (d + t) is nearly
    q - q t / d with the quotient q = top / d, and 1 / d on [1, 2] nearly a line.
    """
    e = exp(w, w.negate(w.intrinsic("fabs", x)))
    one = like(x, 1.0)
    top = w.select(w.compare("fcmp olt", x, like(x, 0.0)), e, one)
    below = w.binary("fadd", e, one)
    lacking = w.binary("fsub", w.binary("fsub", below, one), e)
    quotient = w.binary("fdiv", top, below)
    inverse = w.fma(below, like(x, -0.5), like(x, 1.457))
    return w.fma(w.binary("fmul", quotient, lacking), inverse, quotient)


def sqrt(w: Writer, x: Value) -> Value:
    """The correctly rounded square root."""
    return w.intrinsic("sqrt", x)


def rsqrt(w: Writer, x: Value) -> Value:
    """1 / sqrt x, both steps correctly rounded (no approximate instruction)."""
    return w.binary("fdiv", like(x, 1.0), sqrt(w, x))


def format_of(dtype: DType) -> Format:
    return _SINGLE if dtype is float32 else _DOUBLE


def like(x: Value, number: float) -> Value:
    return constant(number, x.dtype, x.lanes)


def whole(x: Value, number: int) -> Value:
    """The number as an integer of the width of ``x``."""
    return constant(number, integer_like(x.dtype), x.lanes)


def plus(w: Writer, n: Value, number: int) -> Value:
    return w.binary("add", n, constant(number, n.dtype, n.lanes))


def at_most(w: Writer, x: Value, limit: float) -> Value:
    """The smaller of ``x`` and ``limit``; NaN stays NaN."""
    return w.select(w.compare("fcmp ogt", x, like(x, limit)), like(x, limit), x)


def at_least(w: Writer, x: Value, limit: float) -> Value:
    """The larger of ``x`` and ``limit``; NaN stays NaN."""
    return w.select(w.compare("fcmp olt", x, like(x, limit)), like(x, limit), x)


def polynomial(w: Writer, x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's rule; ``coefficients`` ascend."""
    result = like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = w.fma(result, x, like(x, c))
    return result


def split_by_ln2(w: Writer, x: Value) -> tuple[Value, Value]:
    """Return (n, r) with x = n ln 2 + r; n as an integer as wide as x."""
    form = format_of(x.dtype)
    rounded, n = nearest_whole(w, x, _LOG2_E)
    r = w.fma(rounded, like(x, -form.ln2_high), x)
    return n, w.fma(rounded, like(x, -form.ln2_low), r)


def nearest_whole(w: Writer, x: Value, factor: float) -> tuple[Value, Value]:
    """Return x times ``factor`` rounded, as a float and as an integer as wide as x.

    Adding 1.5 * 2^mantissa leaves the rounded number in the low bits, which also works for
    float64 where the CPU cannot convert to 64-bit integers.
    """
    form = format_of(x.dtype)
    magic = like(x, 1.5 * 2.0**form.mantissa)
    shifted = w.fma(x, like(x, factor), magic)
    bits = w.bits(shifted, integer_like(x.dtype))
    return w.binary("fsub", shifted, magic), w.binary("sub", bits, whole(x, _bits_of_magic(form)))


def _bits_of_magic(form: Format) -> int:
    """The bits of 1.5 * 2^mantissa."""
    return ((form.bias + form.mantissa) << form.mantissa) | (1 << (form.mantissa - 1))


def _expm1_near_0(w: Writer, r: Value) -> Value:
    """e^r - 1 for |r| <= ln(2) / 2."""
    tail = polynomial(w, r, format_of(r.dtype).exp_tail)
    return w.fma(w.binary("fmul", r, r), tail, r)


def from_exponent(w: Writer, field: Value, dtype: DType) -> Value:
    """The power of 2 whose exponent field is ``field``."""
    shift = constant(format_of(dtype).mantissa, field.dtype, field.lanes)
    return w.bits(w.binary("shl", field, shift), dtype)


def split_by_power(w: Writer, x: Value) -> tuple[Value, Value]:
    """Return (e, f) with x = 2^e (1 + f), 1 + f in [sqrt 1/2, sqrt 2), for x > 0."""
    form = format_of(x.dtype)
    tiny = w.compare("fcmp olt", x, like(x, 2.0 ** (1 - form.bias)))
    scaled = w.binary("fmul", x, like(x, 2.0 ** (form.mantissa + 1)))
    exponent, f = _split_normal(w, w.select(tiny, scaled, x))
    lowered = w.binary("fsub", exponent, like(x, form.mantissa + 1.0))
    return w.select(tiny, lowered, exponent), f


def _split_normal(w: Writer, x: Value) -> tuple[Value, Value]:
    """The same for x that is not subnormal."""
    form = format_of(x.dtype)
    integer = integer_like(x.dtype)
    bits = w.bits(x, integer)
    # the field is e + bias for 1 + f from sqrt(1/2) on
    field = w.binary("lshr", plus(w, bits, _from_root_half(form)), whole(x, form.mantissa))
    high = plus(w, field, -form.bias)
    f_bits = w.binary("sub", bits, w.binary("shl", high, whole(x, form.mantissa)))
    f = w.binary("fsub", w.bits(f_bits, x.dtype), like(x, 1.0))
    # integers below 2^mantissa become floats by writing them into 2^mantissa
    magic = whole(x, (form.bias + form.mantissa) << form.mantissa)
    as_float = w.bits(w.binary("or", field, magic), x.dtype)
    return w.binary("fsub", as_float, like(x, 2.0**form.mantissa + form.bias)), f


def _from_root_half(form: Format) -> int:
    """The distance from the bits of sqrt(1/2) to those of 1."""
    root_half_fraction = int((2.0**0.5 - 1.0) * 2.0**form.mantissa)
    return (1 << form.mantissa) - root_half_fraction


def log_at_the_ends(w: Writer, x: Value, result: Value) -> Value:
    infinity, zero = like(x, float("inf")), like(x, 0.0)
    result = w.select(w.compare("fcmp oeq", x, infinity), infinity, result)
    result = w.select(w.compare("fcmp oeq", x, zero), like(x, float("-inf")), result)
    return w.select(w.compare("fcmp ult", x, zero), like(x, float("nan")), result)
