"""The vocabulary of scalar rules, spoken in loop IR.

A scalar is an `Index` (integer arithmetic on loop variables, kept affine as long as it is)
or an `Expr`. An index turns into a number where a rule computes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ...graph.types import DType, bool_, int64
from .ir import Axis, Call, Const, Expr, Index, Iota, Load, conjunction

Scalar = Index | Expr


def index_of(axis: Axis) -> Index:
    """Return ``axis`` as an index; an axis of length 1 is always 0."""
    return Index() if axis.extent == 1 else Index(((axis, 1),))


def add_index(x: Index, y: Index) -> Index:
    if not y.terms and not y.loaded:
        return x if not y.constant else Index(x.terms, x.constant + y.constant, x.loaded)
    if not x.terms and not x.loaded:
        return y if not x.constant else Index(y.terms, x.constant + y.constant, y.loaded)
    return total_index(((x, 1), (y, 1)))


def total_index(parts: Iterable[tuple[Index, int]], constant: int = 0) -> Index:
    """Return the sum of indices times factors, and of a constant."""
    terms: dict[Axis, int] = {}
    loaded: dict[Expr, int] = {}
    for x, factor in parts:
        constant += factor * x.constant
        for axis, c in x.terms:
            terms[axis] = terms.get(axis, 0) + factor * c
        for expr, c in x.loaded:
            loaded[expr] = loaded.get(expr, 0) + factor * c
    by_name = sorted([t for t in terms.items() if t[1]], key=_name)
    return Index(tuple(by_name), constant, tuple([t for t in loaded.items() if t[1]]))


def _name(term: tuple[Axis, int]) -> str:
    return term[0].name


def scale_index(x: Index, factor: int) -> Index:
    if factor == 0:
        return Index()
    if factor == 1:
        return x
    return Index(
        tuple((a, c * factor) for a, c in x.terms),
        x.constant * factor,
        tuple((e, c * factor) for e, c in x.loaded),
    )


def bounds(x: Index) -> tuple[int, int] | None:
    """Return the least and the greatest value of an affine index; None if it loads."""
    if x.loaded:
        return None
    low = high = x.constant
    for axis, c in x.terms:
        span = c * (axis.extent - 1)
        low, high = low + min(span, 0), high + max(span, 0)
    return low, high


def as_index(x: Scalar) -> Index:
    """Return an integer scalar as (part of) a memory index."""
    if isinstance(x, Index):
        return x
    if isinstance(x, Iota):
        return x.index
    if isinstance(x, Const):
        return Index(constant=int(x.value))
    wide = x if x.dtype is int64 else Call("cast", (x,), int64)
    return Index(loaded=((wide, 1),))


def as_expr(x: Scalar) -> Expr:
    """Return a scalar as a number: an index becomes an int64."""
    if not isinstance(x, Index):
        return x
    if not x.terms and not x.loaded:
        return Const(x.constant, int64)
    if not x.terms and not x.constant and len(x.loaded) == 1 and x.loaded[0][1] == 1:
        return x.loaded[0][0]
    return Iota(x)


class LoopVocabulary:
    """See `graph.kinds.Vocabulary`, of which this is one implementation."""

    def const(self, value: float | int | bool, like: Scalar | None) -> Scalar:
        if like is None or isinstance(like, Index):
            return Index(constant=int(value))
        return Const(value, like.dtype)

    def cast(self, x: Scalar, dtype: DType) -> Scalar:
        if isinstance(x, Index) and not x.terms and not x.loaded:
            return Const(x.constant, dtype)
        x = as_expr(x)
        return x if x.dtype is dtype else Call("cast", (x,), dtype)

    def _call(self, op: str, *args: Scalar, dtype: DType | None = None) -> Expr:
        exprs = tuple(as_expr(x) for x in args)
        return Call(op, exprs, dtype or exprs[0].dtype)

    def add(self, x: Scalar, y: Scalar) -> Scalar:
        if isinstance(x, Index) and isinstance(y, Index):
            return add_index(x, y)
        return self._call("add", x, y)

    def sub(self, x: Scalar, y: Scalar) -> Scalar:
        if isinstance(x, Index) and isinstance(y, Index):
            return total_index(((x, 1), (y, -1)))
        return self._call("sub", x, y)

    def mul(self, x: Scalar, y: Scalar) -> Scalar:
        if isinstance(x, Index) and isinstance(y, Index):
            for a, b in ((x, y), (y, x)):
                if not b.terms and not b.loaded:
                    return scale_index(a, b.constant)
        return self._call("mul", x, y)

    def floordiv(self, x: Scalar, y: Scalar) -> Scalar:
        """x // c stays an affine index where what is no multiple of c never reaches the next."""
        if isinstance(x, Index) and isinstance(y, Index) and not y.terms and not y.loaded:
            c = y.constant
            if c == 1:
                return x
            whole, rest = _split(x, c)
            known = bounds(rest)
            if known is not None and known[0] // c == known[1] // c:
                quotient = tuple((a, k // c) for a, k in whole.terms)
                return Index(quotient, known[0] // c)
            return as_index(Call("floordiv", (as_expr(x), Const(c, int64)), int64))
        return self._call("floordiv", x, y)

    def mod(self, x: Scalar, y: Scalar) -> Scalar:
        if isinstance(x, Index) and isinstance(y, Index) and not y.terms and not y.loaded:
            c = y.constant
            _, rest = _split(x, c)
            known = bounds(rest)
            if known is not None and known[0] // c == known[1] // c:
                return add_index(rest, Index(constant=-c * (known[0] // c)))
            return as_index(Call("mod", (as_expr(x), Const(c, int64)), int64))
        return self._call("mod", x, y)

    def div(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("div", x, y)

    def fma(self, x: Scalar, y: Scalar, z: Scalar) -> Scalar:
        return self._call("fma", x, y, z)

    def neg(self, x: Scalar) -> Scalar:
        return self._call("neg", x)

    def abs(self, x: Scalar) -> Scalar:
        return self._call("abs", x)

    def maximum(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("maximum", x, y)

    def minimum(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("minimum", x, y)

    def floor(self, x: Scalar) -> Scalar:
        return self._call("floor", x)

    def round(self, x: Scalar) -> Scalar:
        return self._call("round", x)

    def pow(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("pow", x, y)

    def exp(self, x: Scalar) -> Scalar:
        return self._call("exp", x)

    def expm1(self, x: Scalar) -> Scalar:
        return self._call("expm1", x)

    def log(self, x: Scalar) -> Scalar:
        return self._call("log", x)

    def log1p(self, x: Scalar) -> Scalar:
        return self._call("log1p", x)

    def sqrt(self, x: Scalar) -> Scalar:
        return self._call("sqrt", x)

    def rsqrt(self, x: Scalar) -> Scalar:
        return self._call("rsqrt", x)

    def tanh(self, x: Scalar) -> Scalar:
        return self._call("tanh", x)

    def sigmoid(self, x: Scalar) -> Scalar:
        return self._call("sigmoid", x)

    def sin(self, x: Scalar) -> Scalar:
        return self._call("sin", x)

    def cos(self, x: Scalar) -> Scalar:
        return self._call("cos", x)

    def erf(self, x: Scalar) -> Scalar:
        return self._call("erf", x)

    def _compare(self, op: str, x: Scalar, y: Scalar) -> Scalar:
        if isinstance(x, Index) and isinstance(y, Index):
            difference = total_index(((x, 1), (y, -1)))
            known = bounds(difference)
            if known is not None:
                always = _decided(op, *known)
                if always is not None:
                    return Const(always, bool_)
        return self._call(op, x, y, dtype=bool_)

    def eq(self, x: Scalar, y: Scalar) -> Scalar:
        return self._compare("eq", x, y)

    def ne(self, x: Scalar, y: Scalar) -> Scalar:
        return self._compare("ne", x, y)

    def lt(self, x: Scalar, y: Scalar) -> Scalar:
        return self._compare("lt", x, y)

    def le(self, x: Scalar, y: Scalar) -> Scalar:
        return self._compare("le", x, y)

    def gt(self, x: Scalar, y: Scalar) -> Scalar:
        return self._compare("gt", x, y)

    def ge(self, x: Scalar, y: Scalar) -> Scalar:
        return self._compare("ge", x, y)

    def xor(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("xor", x, y)

    def bit_and(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("and", x, y)

    def bit_or(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("or", x, y)

    def shl(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("shl", x, y)

    def shr(self, x: Scalar, y: Scalar) -> Scalar:
        return self._call("shr", x, y)

    def logical_and(self, x: Scalar, y: Scalar) -> Scalar:
        for a, b in ((x, y), (y, x)):
            if isinstance(a, Const):
                return b if a.value else a
        return self._call("and", x, y)

    def logical_not(self, x: Scalar) -> Scalar:
        if isinstance(x, Const):
            return Const(not x.value, bool_)
        return self._call("not", x)

    def where(self, condition: Scalar, x: Scalar, y: Scalar) -> Scalar:
        if isinstance(condition, Const):
            return x if condition.value else y
        chosen = as_expr(x)
        return Call("where", (as_expr(condition), chosen, as_expr(y)), chosen.dtype)

    def choose(self, at: Scalar, *options: Scalar) -> Scalar:
        if isinstance(at, Index) and not at.terms and not at.loaded:
            return options[at.constant]
        return self._call("choose", at, *options, dtype=as_expr(options[0]).dtype)

    def guard(
        self, condition: Scalar, read: Callable[[], Scalar], other: float | int | bool
    ) -> Scalar:
        """Every load below ``read()`` happens only where the condition holds."""
        test = as_expr(condition)
        value = as_expr(read())
        if isinstance(test, Const):
            return value if test.value else Const(other, value.dtype)
        if isinstance(value, Load) and value.where is None:
            return replace(value, where=test, other=other)
        return Call("where", (test, guarded(value, test), Const(other, value.dtype)), value.dtype)


def _split(x: Index, c: int) -> tuple[Index, Index]:
    """The part of an index that is a multiple of c whatever the axes are, and the rest."""
    whole = tuple((a, k) for a, k in x.terms if k % c == 0)
    rest = tuple((a, k) for a, k in x.terms if k % c)
    return Index(whole), Index(rest, x.constant, x.loaded)


def guarded(expr: Expr, test: Expr) -> Expr:
    """Return ``expr`` with every load restricted to where ``test`` holds; loads that the test
    itself needs stay as they are."""
    done: dict[int, Expr] = {id(e): e for e in _parts(test)}

    def index(x: Index) -> Index:
        return Index(x.terms, x.constant, tuple([(walk(e), c) for e, c in x.loaded]))

    def walk(e: Expr) -> Expr:
        if id(e) not in done:
            done[id(e)] = rebuild(e)
        return done[id(e)]

    def rebuild(e: Expr) -> Expr:
        if isinstance(e, Load):
            return replace(e, index=index(e.index), where=conjunction(test, e.where))
        if isinstance(e, Iota):
            return replace(e, index=index(e.index))
        if isinstance(e, Call):
            return replace(e, args=tuple(walk(a) for a in e.args))
        return e

    return walk(expr)


def _parts(expr: Expr) -> Iterator[Expr]:
    """Yield ``expr`` and all expressions it consists of, each once."""
    seen: set[int] = set()
    stack = [expr]
    while stack:
        e = stack.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        yield e
        if isinstance(e, Call):
            stack.extend(e.args)
        elif isinstance(e, (Load, Iota)):
            stack.extend(part for part, _ in e.index.loaded)
            if isinstance(e, Load) and e.where is not None:
                stack.append(e.where)


def _decided(op: str, low: int, high: int) -> bool | None:
    """Whether ``d op 0`` holds for every d, or for none, from ``low`` to ``high``."""
    holds = {
        "lt": (high < 0, low >= 0), "le": (high <= 0, low > 0), "gt": (low > 0, high <= 0),
        "ge": (low >= 0, high < 0), "eq": (low == high == 0, low > 0 or high < 0),
        "ne": (low > 0 or high < 0, low == high == 0),
    }[op]  # fmt: skip
    return True if holds[0] else False if holds[1] else None
