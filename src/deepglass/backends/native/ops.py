"""The operations of the loop IR on scalars and vectors: what `ir.OPS` means, in LLVM IR.

Integers wrap around, the least of them divided by -1 too; integer division and remainder
floor, and yield 0 for a divisor of 0; comparisons with NaN are false except `ne`; `maximum` and
`minimum` hand on NaN; a float out of an integer's range is cast to the nearest end of it, NaN
to 0.
"""

from __future__ import annotations

from collections.abc import Callable

from ...errors import BackendError
from ...graph.types import DType, bool_, float32
from . import halves, mathlib, waves
from .erf import erf
from .power import power
from .text import Value, Writer, constant, constants, number_text, suffix, type_text, unsigned

_FLOAT_OPCODES = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_INTEGER_OPCODES = {
    "add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor",
    "shl": "shl", "shr": "lshr",
}  # fmt: skip
_FLOAT_PREDICATES = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_FUNCTIONS: dict[str, Callable[[Writer, Value], Value]] = {
    "exp": mathlib.exp,
    "expm1": mathlib.expm1,
    "log": mathlib.log,
    "log1p": mathlib.log1p,
    "tanh": mathlib.tanh,
    "sigmoid": mathlib.sigmoid,
    "sin": waves.sin,
    "cos": waves.cos,
    "erf": erf,
    "sqrt": mathlib.sqrt,
    "rsqrt": mathlib.rsqrt,
}
_FOLDS: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "maximum": max,
    "minimum": min,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}
COMPARISONS = frozenset(_FLOAT_PREDICATES)


def apply(w: Writer, op: str, args: list[Value], dtype: DType) -> Value:
    """Emit ``op``; operands are all scalar or all of the same number of lanes.

    Raises:
        BackendError: the loop IR does not define ``op`` for these types.
    """
    folded = _fold(op, args, dtype)
    if folded is not None:
        return folded
    if op in _FUNCTIONS:
        return _FUNCTIONS[op](w, args[0])
    if op in _FLOAT_OPCODES and args[0].dtype.is_float:
        return w.binary(_FLOAT_OPCODES[op], *args)
    match op, args:
        case "cast", [a]:
            return cast(w, a, dtype)
        case "fma", [a, b, c]:
            return w.fma(a, b, c)
        case "neg", [a]:
            return w.negate(a)
        case "pow", [a, b]:
            return power(w, a, b)
        case "abs", [a]:
            return magnitude(w, a)
        case (("floor" | "round"), [a]):
            return w.intrinsic("floor" if op == "floor" else "roundeven", a)
        case "not", [a]:
            return w.binary("xor", a, constant(_all_ones(a.dtype), a.dtype, a.lanes))
        case "where", [condition, a, b]:
            return w.select(condition, a, b)
        case "choose", [at, *options]:
            return _chosen(w, at, options, dtype)
        case (("maximum" | "minimum"), [a, b]):
            return extremum(w, op, a, b)
        case (("floordiv" | "mod"), [a, b]):
            return _float_division(w, op, a, b) if a.dtype.is_float else division(w, op, a, b)
        case _, [a, b] if op in COMPARISONS:
            return compare(w, op, a, b)
        case _, [a, b] if not a.dtype.is_float and op in _INTEGER_OPCODES:
            return w.binary(_INTEGER_OPCODES[op], a, b)
    types = ", ".join(a.dtype.name for a in args)
    raise BackendError(f"{op}: not defined for ({types}); cast the operands to a type that has it.")


def _chosen(w: Writer, at: Value, options: list[Value], dtype: DType) -> Value:
    """The option that has the number ``at``, found by comparing."""
    *others, result = options
    for k, option in reversed(list(enumerate(others))):
        found = apply(w, "eq", [at, constant(k, at.dtype, at.lanes)], bool_)
        result = apply(w, "where", [found, option, result], dtype)
    return result


def compare(w: Writer, op: str, a: Value, b: Value) -> Value:
    if a.dtype.is_float:
        return w.compare(f"fcmp {_FLOAT_PREDICATES[op]}", a, b)
    if op in ("eq", "ne"):
        return w.compare(f"icmp {op}", a, b)
    return w.compare(f"icmp {'u' if unsigned(a.dtype) else 's'}{op}", a, b)


def magnitude(w: Writer, a: Value) -> Value:
    if a.dtype.is_float:
        return w.intrinsic("fabs", a)
    if unsigned(a.dtype):
        return a
    negative = w.compare("icmp slt", a, constant(0, a.dtype, a.lanes))
    return w.select(negative, w.negate(a), a)


def extremum(w: Writer, op: str, a: Value, b: Value) -> Value:
    """``maximum`` or ``minimum``. x86 has `a > b ? a : b` as one instruction, which hands on
    a NaN in b; a NaN in a needs a second choice unless a is a constant."""
    predicate = "gt" if op == "maximum" else "lt"
    if a.dtype is bool_:
        return w.binary("or" if op == "maximum" else "and", a, b)
    if not a.dtype.is_float:
        sign = "u" if unsigned(a.dtype) else "s"
        return w.intrinsic(f"{sign}{op[:3]}", a, b)
    if _is_constant(b):
        a, b = b, a
    best = w.select(w.compare(f"fcmp o{predicate}", a, b), a, b)
    if _is_constant(a):
        return best
    return w.select(w.compare("fcmp uno", a, a), a, best)


def cast(w: Writer, a: Value, dtype: DType) -> Value:
    source = a.dtype
    if source is dtype:
        return a
    if source.is_half and dtype is float32:
        return halves.extend(w, a)
    if dtype.is_half and source is float32:
        return halves.round_to(w, a, dtype)
    if source.is_half or dtype.is_half:
        raise BackendError(f"cast: a half is cast from and to float32; got {source} to {dtype}.")
    if dtype is bool_:
        zero = constant(0, source, a.lanes)
        return w.compare("fcmp une" if source.is_float else "icmp ne", a, zero)
    if source.is_float and dtype.is_float:
        return w.convert("fpext" if dtype.bytes > source.bytes else "fptrunc", a, dtype)
    if source.is_float:
        name = f"llvm.fpto{'u' if unsigned(dtype) else 's'}i.sat"
        result = type_text(dtype, a.lanes)
        ending = f"{suffix(dtype, a.lanes)}.{suffix(source, a.lanes)}"
        return w.emit(f"call {result} @{name}.{ending}({a})", dtype, a.lanes)
    if dtype.is_float:
        return w.convert("uitofp" if unsigned(source) else "sitofp", a, dtype)
    if a.known is not None:
        return (
            constants([_wrap(v, dtype) for v in a.known], dtype)
            if a.lanes > 1
            else constant(_wrap(a.known[0], dtype), dtype)
        )
    if dtype.bytes == source.bytes and source is not bool_:
        return Value(a.text, dtype, a.lanes)
    if dtype.bytes < source.bytes:
        return w.convert("trunc", a, dtype)
    return w.convert("zext" if unsigned(source) else "sext", a, dtype)


def division(w: Writer, op: str, a: Value, b: Value, non_negative: bool = False) -> Value:
    """Integer division or remainder, flooring; ``non_negative`` promises it of the dividend."""
    divisor = _common(b)
    power = divisor is not None and divisor > 0 and divisor & (divisor - 1) == 0
    if power and divisor is not None:
        if op == "mod":
            return w.binary("and", a, constant(divisor - 1, a.dtype, a.lanes))
        shift = constant(divisor.bit_length() - 1, a.dtype, a.lanes)
        return w.binary("lshr" if unsigned(a.dtype) else "ashr", a, shift)
    if divisor is None:
        return _division_by_any(w, op, a, b, non_negative)
    if divisor == 0 or (divisor == -1 and op == "mod"):
        return constant(0, a.dtype, a.lanes)
    if divisor == -1:
        return w.negate(a)
    return division_by(w, op, a, b, divisor, non_negative)


def _division_by_any(w: Writer, op: str, a: Value, b: Value, non_negative: bool) -> Value:
    """The CPU traps at 0, and at -1 where the quotient is one too large; no lane may see them,
    not even one that is masked off."""
    zero, one = constant(0, a.dtype, a.lanes), constant(1, a.dtype, a.lanes)
    by_zero = w.compare("icmp eq", b, zero)
    if unsigned(a.dtype):
        quotient = division_by(w, op, a, w.select(by_zero, one, b), None, non_negative)
        return w.select(by_zero, zero, quotient)
    negated = w.compare("icmp eq", b, constant(-1, a.dtype, a.lanes))
    safe = w.select(w.binary("or", by_zero, negated), one, b)
    quotient = division_by(w, op, a, safe, None, non_negative)  # by 1, the remainder is 0
    if op == "floordiv":
        quotient = w.select(negated, w.negate(a), quotient)
    return w.select(by_zero, zero, quotient)


def division_by(
    w: Writer, op: str, a: Value, b: Value, divisor: int | None, non_negative: bool
) -> Value:
    """Division by ``b``, which is not 0 or -1, and is ``divisor`` where that is known."""
    quotient, remainder = ("udiv", "urem") if unsigned(a.dtype) else ("sdiv", "srem")
    if unsigned(a.dtype) or (non_negative and divisor is not None and divisor > 0):
        return w.binary(quotient if op == "floordiv" else remainder, a, b)
    r = w.binary("srem", a, b)
    zero = constant(0, a.dtype, a.lanes)
    differ = w.compare("icmp slt", w.binary("xor", r, b), zero)
    adjust = w.binary("and", differ, w.compare("icmp ne", r, zero))
    if op == "mod":
        return w.select(adjust, w.binary("add", r, b), r)
    q = w.binary("sdiv", a, b)
    return w.binary("add", q, w.convert("sext", adjust, a.dtype))


def _float_division(w: Writer, op: str, a: Value, b: Value) -> Value:
    """NumPy's floor division and remainder: the exact remainder takes the divisor's sign."""
    zero = constant(0.0, a.dtype, a.lanes)
    r = w.binary("frem", a, b)
    nonzero = w.compare("fcmp une", r, zero)
    differ = w.binary("xor", w.compare("fcmp olt", b, zero), w.compare("fcmp olt", r, zero))
    adjust = w.binary("and", nonzero, differ)
    if op == "mod":
        moved = w.select(adjust, w.binary("fadd", r, b), r)
        return w.select(nonzero, moved, w.intrinsic("copysign", zero, b))
    q = w.binary("fdiv", w.binary("fsub", a, r), b)
    one = constant(1.0, a.dtype, a.lanes)
    q = w.intrinsic("roundeven", w.select(adjust, w.binary("fsub", q, one), q))
    return w.select(w.compare("fcmp oeq", b, zero), w.binary("fdiv", a, b), q)


def _fold(op: str, args: list[Value], dtype: DType) -> Value | None:
    """The result of an operation on known integers, or of a conjunction that is decided."""
    if op == "and" and dtype is bool_:
        for a, b in (args, args[::-1]):
            if a.known is not None and all(a.known):
                return b
            if a.known is not None and not any(a.known):
                return a
    known = [a.known for a in args]
    if len(known) == 1 and op == "not" and known[0] is not None and dtype is bool_:
        return constants([1 - v for v in known[0]], bool_)
    if len(known) != 2 or op not in _FOLDS or known[0] is None or known[1] is None:
        return None
    type_ = dtype if op in COMPARISONS else args[0].dtype
    values = [int(_FOLDS[op](a, b)) for a, b in zip(known[0], known[1], strict=True)]
    if any(v != _wrap(v, type_) for v in values):
        return None
    return constants(values, type_)


def _wrap(value: int, dtype: DType) -> int:
    """The integer ``value`` as ``dtype`` holds it."""
    if dtype is bool_:
        return int(value != 0)
    bits = 8 * dtype.bytes
    value &= (1 << bits) - 1
    if not unsigned(dtype) and value >> (bits - 1):
        value -= 1 << bits
    return value


def _all_ones(dtype: DType) -> int:
    return 1 if dtype is bool_ else -1


def _common(a: Value) -> int | None:
    """The number in all lanes of a known value, or None."""
    if a.known is None or any(v != a.known[0] for v in a.known):
        return None
    return a.known[0]


def _is_constant(a: Value) -> bool:
    """Whether ``a`` is a literal float other than NaN."""
    if a.text.startswith("%"):
        return False
    return number_text(float("nan"), a.dtype) not in a.text
