"""float16 and bfloat16 from and to float32.

In a register a half is its 16 bits, an integer: nothing is computed with it, and LLVM, which
would call functions of a runtime library for what the CPU cannot do, never sees the type. One
exception: a CPU that converts float16 itself is asked to.

Rounding is to the nearest, ties to even; NaN stays NaN and becomes quiet.
"""

from __future__ import annotations

from ...graph.types import DType, bfloat16, float16, float32, int32
from .text import Value, Writer, constant, type_text

_SIGN = 0x80000000
_INFINITY = 0x7F800000  # the bits of float32's, as all numbers here
_TOO_LARGE = 0x47800000  # 2^16: this and beyond is inf in float16
_NORMAL = 0x38800000  # 2^-14: float16's least normal number
_SUBNORMAL_UNIT = 0x3F000000  # 0.5, whose last place is worth 2^-24, float16's least number
_REBIASED = 0x38000000  # the distance between the exponents 15 and 127


def extend(w: Writer, a: Value) -> Value:
    """The float32 that a half is."""
    if a.dtype is bfloat16:
        return w.bits(_shifted(w, "shl", w.convert("zext", a, int32), 16), float32)
    if w.converts_float16:
        half = _half(a.lanes)
        name = w.pointer(f"bitcast {a} to {half}")
        return w.emit(f"fpext {half} {name} to {type_text(float32, a.lanes)}", float32, a.lanes)
    return _extend_float16(w, w.convert("zext", a, int32))


def _extend_float16(w: Writer, bits: Value) -> Value:
    """Shift exponent and fraction into place; multiplying mends the exponent, those of
    subnormal numbers too. What comes out as 2^16 or more was inf or NaN."""
    size = _shifted(w, "shl", _masked(w, bits, 0x7FFF), 13)
    scaled = w.binary("fmul", w.bits(size, float32), constant(2.0**112, float32, bits.lanes))
    large = w.compare("fcmp oge", scaled, constant(2.0**16, float32, bits.lanes))
    size = w.bits(scaled, int32)
    size = w.select(large, w.binary("or", size, _number(size, _INFINITY)), size)
    sign = _shifted(w, "shl", _masked(w, bits, 0x8000), 16)
    return w.bits(w.binary("or", size, sign), float32)


def round_to(w: Writer, a: Value, dtype: DType) -> Value:
    """The half nearest to a float32."""
    if dtype is float16 and w.converts_float16:
        half = _half(a.lanes)
        name = w.pointer(f"fptrunc {a} to {half}")
        return w.emit(f"bitcast {half} {name} to {type_text(float16, a.lanes)}", float16, a.lanes)
    rule = _float16_bits if dtype is float16 else _bfloat16_bits
    return w.convert("trunc", rule(w, w.bits(a, int32)), dtype)


def _bfloat16_bits(w: Writer, bits: Value) -> Value:
    """The upper 16 bits, one more if the lower ones are above the middle, or at it and the
    upper ones odd."""
    upper = _shifted(w, "lshr", bits, 16)
    rounded = _shifted(w, "lshr", w.binary("add", bits, _half_unit(w, upper, 0x7FFF)), 16)
    quiet = w.binary("or", upper, _number(bits, 0x40))
    return w.select(_is_nan(w, _masked(w, bits, ~_SIGN)), quiet, rounded)


def _float16_bits(w: Writer, bits: Value) -> Value:
    """Three ways by size, of which the right one is chosen."""
    sign = _masked(w, bits, _SIGN)
    size = w.binary("xor", bits, sign)
    # normal: as above, with 13 bits to lose; rounding up carries into the exponent, even to inf
    odd = _half_unit(w, _shifted(w, "lshr", size, 13), 0xFFF)
    lowered = w.binary("sub", size, _number(size, _REBIASED))
    normal = _shifted(w, "lshr", w.binary("add", lowered, odd), 13)
    # subnormal: adding 0.5 rounds to its last place, which then counts least numbers
    unit = constant(0.5, float32, bits.lanes)
    moved = w.bits(w.binary("fadd", w.bits(size, float32), unit), int32)
    subnormal = w.binary("sub", moved, _number(size, _SUBNORMAL_UNIT))
    ends = w.select(_is_nan(w, size), _number(size, 0x7E00), _number(size, 0x7C00))
    small = w.compare("icmp ult", size, _number(size, _NORMAL))
    large = w.compare("icmp uge", size, _number(size, _TOO_LARGE))
    chosen = w.select(large, ends, w.select(small, subnormal, normal))
    return w.binary("or", chosen, _shifted(w, "lshr", sign, 16))


def _half_unit(w: Writer, kept: Value, below: int) -> Value:
    """What to add before the bits that are lost are cut off: just below half a unit, and
    half a unit if what is kept is odd."""
    return w.binary("add", _masked(w, kept, 1), _number(kept, below))


def _is_nan(w: Writer, size: Value) -> Value:
    return w.compare("icmp ugt", size, _number(size, _INFINITY))


def _half(lanes: int) -> str:
    """LLVM's own type, for the CPU's own conversions."""
    return "half" if lanes == 1 else f"<{lanes} x half>"


def _number(like: Value, bits: int) -> Value:
    return constant(bits - (1 << 32) if bits >= _SIGN else bits, int32, like.lanes)


def _masked(w: Writer, a: Value, mask: int) -> Value:
    return w.binary("and", a, _number(a, mask))


def _shifted(w: Writer, opcode: str, a: Value, distance: int) -> Value:
    return w.binary(opcode, a, _number(a, distance))
