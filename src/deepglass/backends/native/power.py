"""x to the power y, for floats and whole numbers, scalars or vectors; see `mathlib` for the
errors.

|x|^y = e^(y log |x|), for which the logarithm needs as many more digits as the result has
before the point of its exponent. A float32 is computed in float64; for float64 the logarithm
is a sum of two numbers.
"""

from __future__ import annotations

from ...graph.types import float32, float64
from .mathlib import exp, format_of, like, log, log_at_the_ends, polynomial, split_by_power, whole
from .text import Value, Writer, constant, integer_like, unsigned

_BEYOND = 1000.0  # e to the power of it is inf, of its negative 0
_TWO_THIRDS = (0.6666666666666666, 3.7007434154171886e-17)  # 2 / 3 in two parts
# fit of (2 atanh(s) - 2 s - 2/3 s^3) / s^5 in s^2, on |s| <= (sqrt 2 - 1) / (sqrt 2 + 1)
_TAIL = (
    0.40000000000002271325,
    0.28571428570091904454,
    0.22222222521349911321,
    0.18181784237507232282,
    0.15386763507257929866,
    0.13256669441152412578,
    0.13197744426770239465,
)

Pair = tuple[Value, Value]  # a number as a sum whose second part is below the first's last place


def power(w: Writer, x: Value, y: Value) -> Value:
    """x^y as IEEE 754 and NumPy define it; of whole numbers modulo 2^bits, and 0 where y is
    negative."""
    return w.call("pow", _of_floats if x.dtype.is_float else _of_whole_numbers, x, y)


def _of_floats(w: Writer, x: Value, y: Value) -> Value:
    size = w.intrinsic("fabs", x)
    result = _in_double(w, size, y) if x.dtype is float32 else _of_size(w, size, y)
    # an odd power keeps the sign of x, of zeros too
    floor, half = w.intrinsic("floor", y), w.binary("fmul", y, like(y, 0.5))
    is_whole = w.compare("fcmp oeq", floor, y)
    odd = w.binary("and", is_whole, w.compare("fcmp une", w.intrinsic("floor", half), half))
    sign = w.compare("icmp slt", w.bits(x, integer_like(x.dtype)), whole(x, 0))
    result = w.select(w.binary("and", odd, sign), w.negate(result), result)
    # a broken power of a negative number is no real number
    broken = w.binary("and", w.compare("fcmp olt", x, like(x, 0.0)), _not(w, is_whole))
    broken = w.binary("and", broken, w.compare("fcmp one", size, like(x, float("inf"))))
    return w.select(broken, like(x, float("nan")), result)


def _not(w: Writer, condition: Value) -> Value:
    return w.binary("xor", condition, constant(True, condition.dtype, condition.lanes))


def _product(w: Writer, size: Value, y: Value, product: Value) -> Value:
    """y times log |x|, which is 0 where x is 1 or y is 0, whatever the other one is."""
    trivial = w.compare("fcmp oeq", size, like(size, 1.0))
    trivial = w.binary("or", trivial, w.compare("fcmp oeq", y, like(y, 0.0)))
    return w.select(trivial, like(size, 0.0), product)


def _in_double(w: Writer, size: Value, y: Value) -> Value:
    size, y = w.convert("fpext", size, float64), w.convert("fpext", y, float64)
    exponent = _product(w, size, y, w.binary("fmul", y, log(w, size)))
    return w.convert("fptrunc", exp(w, exponent), float32)


def _of_size(w: Writer, size: Value, y: Value) -> Value:
    high, low = _log(w, size)
    product = w.binary("fmul", y, high)
    rest = w.fma(y, low, w.fma(y, high, w.negate(product)))
    near = w.compare("fcmp olt", w.intrinsic("fabs", product), like(y, _BEYOND))
    rest = w.select(near, rest, like(y, 0.0))
    return exp(w, _product(w, size, y, product), rest)


def _log(w: Writer, x: Value) -> Pair:
    """log x = e ln 2 + 2 s + 2/3 s^3 + s^5 T(s^2), with e, f and s as in `mathlib.log`."""
    e, f = split_by_power(w, x)
    s = _quotient(w, f)
    square = _times(w, s, s)
    third = _times(w, _times(w, square, s), _constants(x, *_TWO_THIRDS))
    fifth = w.binary("fmul", w.binary("fmul", square[0], square[0]), s[0])
    tail = w.binary("fmul", fifth, polynomial(w, square[0], _TAIL))
    double = w.binary("fadd", s[0], s[0]), w.binary("fadd", s[1], s[1])
    fraction = _plus(w, double, (third[0], w.binary("fadd", third[1], tail)))
    form = format_of(x.dtype)
    exponent = _times(w, (e, like(x, 0.0)), _constants(x, form.ln2_high, form.ln2_low))
    high, low = _plus(w, exponent, fraction)
    return log_at_the_ends(w, x, high), low


def _quotient(w: Writer, f: Value) -> Pair:
    """f / (2 + f)."""
    two = like(f, 2.0)
    divisor = w.binary("fadd", f, two)
    lost = w.binary("fsub", f, w.binary("fsub", divisor, two))
    inverse = w.binary("fdiv", like(f, 1.0), divisor)
    s = w.binary("fmul", f, inverse)
    remainder = w.fma(w.negate(s), divisor, f)
    remainder = w.fma(w.negate(s), lost, remainder)
    return s, w.binary("fmul", remainder, inverse)


def _times(w: Writer, a: Pair, b: Pair) -> Pair:
    high = w.binary("fmul", a[0], b[0])
    low = w.fma(a[0], b[0], w.negate(high))
    return high, w.fma(a[0], b[1], w.fma(a[1], b[0], low))


def _plus(w: Writer, a: Pair, b: Pair) -> Pair:
    """The sum, where a is 0 or not smaller than b."""
    high, lost = _sum(w, a[0], b[0])
    return _sum(w, high, w.binary("fadd", lost, w.binary("fadd", a[1], b[1])))


def _sum(w: Writer, a: Value, b: Value) -> Pair:
    """The sum and what its rounding took away, where a is 0 or not smaller than b."""
    high = w.binary("fadd", a, b)
    return high, w.binary("fadd", w.binary("fsub", a, high), b)


def _constants(x: Value, high: float, low: float) -> Pair:
    return like(x, high), like(x, low)


def _of_whole_numbers(w: Writer, x: Value, y: Value) -> Value:
    """The product of those x^(2^k) whose bit k is set in y."""
    zero, one = (constant(n, x.dtype, x.lanes) for n in (0, 1))
    result, square, bits = one, x, y
    for _ in range(8 * x.dtype.bytes):
        used = w.compare("icmp ne", w.binary("and", bits, one), zero)
        result = w.select(used, w.binary("mul", result, square), result)
        square = w.binary("mul", square, square)
        bits = w.binary("lshr", bits, one)
    if unsigned(x.dtype):
        return result
    return w.select(w.compare("icmp slt", y, zero), zero, result)
