"""sin and cos for float32 and float64, scalars or vectors; see `mathlib` for the errors.

An angle is a number of quarter turns and a rest of at most 45 degrees. The rest is found
with pi / 2 in three parts, which is exact enough up to `_Angles.limit`. Beyond it, where one
lane is, the C library computes all lanes in float64: slower, and never a wrong number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...graph.types import DType, float32, float64
from .mathlib import format_of, like, nearest_whole, polynomial, whole
from .text import Value, Writer, integer_like


@dataclass(frozen=True)
class _Angles:
    """Constants of one floating-point format.

    Attributes:
        limit: size of the greatest angle, in radians, that is reduced here.
        quarter: pi / 2 in three parts, each cut off (not rounded), so that all are positive.
        sin_tail: fit of (sin r - r) / r^3 in r^2, on |r| <= pi / 4 and a little more.
        cos_tail: fit of (cos r - 1 + r^2 / 2) / r^4 in r^2, on the same.
    """

    limit: float
    quarter: tuple[float, float, float]
    sin_tail: tuple[float, ...]
    cos_tail: tuple[float, ...]


_SINGLE = _Angles(
    limit=2.0**15,
    quarter=(1.5707962512969970703, 7.5497894158615963534e-8, 5.3903025299577647655e-15),
    sin_tail=(-0.16666654398444095487, 0.0083321426385926542822, -0.00019512370042953165265),
    cos_tail=(0.041666645944853276161, -0.0013887320720778777046, 0.000024432922091633197643),
)
_DOUBLE = _Angles(
    limit=2.0**40,
    quarter=(
        float.fromhex("0x1.921fb54442d18p+0"),
        float.fromhex("0x1.1a62633145c06p-54"),
        float.fromhex("0x1.c1cd129024e08p-107"),
    ),
    sin_tail=(
        -0.16666666666666631537,
        0.0083333333333222850388,
        -0.00019841269829699930129,
        2.7557313652926785652e-6,
        -2.505075178288202047e-8,
        1.5896416263268484458e-10,
    ),
    cos_tail=(
        0.041666666666666598524,
        -0.0013888888888873949863,
        0.000024801587289368205218,
        -2.7557314317989204973e-7,
        2.0875718424663555763e-9,
        -1.1359387968211674043e-11,
    ),
)


def sin(w: Writer, x: Value) -> Value:
    """sin r, cos r, -sin r or -cos r by the quarter; x itself near 0."""
    return w.call("sin", _sin, x)


def cos(w: Writer, x: Value) -> Value:
    """cos r, -sin r, -cos r or sin r by the quarter."""
    return w.call("cos", _cos, x)


def _sin(w: Writer, x: Value) -> Value:
    quarters, r = _reduced(w, x)
    wave = _wave(w, r, quarters, _odd(w, quarters))
    tiny = w.compare("fcmp olt", w.intrinsic("fabs", x), like(x, _smallest(x.dtype)))
    return _or_from_library(w, "sin", x, w.select(tiny, x, wave))


def _cos(w: Writer, x: Value) -> Value:
    quarters, r = _reduced(w, x)
    ahead = w.binary("add", quarters, whole(x, 1))
    return _or_from_library(w, "cos", x, _wave(w, r, ahead, _odd(w, ahead)))


def _angles(dtype: DType) -> _Angles:
    return _SINGLE if dtype is float32 else _DOUBLE


def _smallest(dtype: DType) -> float:
    """Below this x^3 / 6 is less than a quarter of x's last place."""
    return float(2.0 ** (-format_of(dtype).mantissa / 2 - 1))


def _reduced(w: Writer, x: Value) -> tuple[Value, Value]:
    """Return (n, r) with x = n pi / 2 + r."""
    rounded, n = nearest_whole(w, x, 2 / math.pi)
    r = x
    for part in _angles(x.dtype).quarter:
        r = w.fma(rounded, like(x, -part), r)
    return n, r


def _odd(w: Writer, n: Value) -> Value:
    """Whether n is odd."""
    one = whole(n, 1)
    return w.compare("icmp eq", w.binary("and", n, one), one)


def _wave(w: Writer, r: Value, n: Value, uses_cosine: Value) -> Value:
    """sin(r + n pi / 2)."""
    angles = _angles(r.dtype)
    z = w.binary("fmul", r, r)
    cube = w.binary("fmul", r, z)
    sine = w.fma(cube, polynomial(w, z, angles.sin_tail), r)
    flat = w.fma(z, like(r, -0.5), like(r, 1.0))
    cosine = w.fma(w.binary("fmul", z, z), polynomial(w, z, angles.cos_tail), flat)
    wave = w.select(uses_cosine, cosine, sine)
    # the second bit of n becomes the sign bit
    turned = w.binary("and", n, whole(n, 2))
    sign = w.binary("shl", turned, whole(n, 8 * r.dtype.bytes - 2))
    return w.bits(w.binary("xor", w.bits(wave, integer_like(r.dtype)), sign), r.dtype)


def _or_from_library(w: Writer, name: str, x: Value, wave: Value) -> Value:
    """``wave`` where the angle was reduced; else what the C library says."""
    limit = like(x, _angles(x.dtype).limit)
    far = w.compare("fcmp ogt", w.intrinsic("fabs", x), limit)
    some = far if x.lanes == 1 else w.any_lane(far)
    w.lines += [f"  br i1 {some.text}, label %far, label %done", "far:"]
    wide = x if x.dtype is float64 else w.convert("fpext", x, float64)
    there = w.intrinsic(name, wide)
    there = there if x.dtype is float64 else w.convert("fptrunc", there, x.dtype)
    chosen = w.select(far, there, wave)
    w.lines += ["  br label %done", "done:"]
    return w.emit(
        f"phi {x.type} [ {wave.text}, %entry ], [ {chosen.text}, %far ]", x.dtype, x.lanes
    )
