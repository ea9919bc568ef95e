"""Hand-written nests of every kind, each with its memory, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nests import Memory, axis, call, index, inside, iota, load, number, program, store

from deepglass.backends.native import ir
from deepglass.graph.types import (
    DType,
    bool_,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)


@dataclass(frozen=True)
class Case:
    """A program and the memory it runs on."""

    program: ir.Program
    memory: Memory

    @property
    def nest(self) -> ir.Nest:
        return self.program.levels[0][0].nests[0]


CASES: dict[str, Callable[[], Case]] = {}


def case(*settings):
    """Register a function as one case per tuple of arguments."""

    def register(make):
        for arguments in settings:
            name = "-".join([make.__name__, *map(str, arguments)])
            CASES[name] = lambda make=make, arguments=arguments: make(*arguments)
        return make

    return register


def total(term: ir.Expr, combine: str = "add") -> tuple[ir.Accum, ir.Acc]:
    accum = ir.Accum("s", combine, term)
    return accum, ir.Acc("s", accum.dtype)


@case(
    ("dot", 13, 37, 21), ("dot", 4, 2, 8), ("dot", 1, 1, 100), ("dot", 5, 3, 1), ("dot", 9, 8, 0),
    ("plain", 13, 37, 21), ("plain", 8, 64, 33), ("plain", 1, 7, 5), ("plain", 3, 1, 2),
    ("first", 13, 37, 21), ("first", 16, 48, 7), ("plain", 0, 5, 3),
)  # fmt: skip
def matmul(form: str, m: int, n: int, k: int, dtype: DType = float32) -> Case:
    """C = A B, with B or A transposed in memory, a bias and a ReLU."""
    memory = Memory()
    i, j, t = axis("i", m), axis("j", n), axis("k", k)
    a, b = memory.buffer(m * k, dtype), memory.buffer(k * n, dtype)
    bias, c = memory.buffer(n, dtype), memory.buffer(m * n, dtype)
    left = load(a, (i, 1), (t, m)) if form == "first" else load(a, (i, k), (t, 1))
    right = load(b, (j, k), (t, 1)) if form == "dot" else load(b, (j, 1), (t, n))
    accum, result = total(call("mul", left, right))
    value = call("maximum", call("add", result, load(bias, (j, 1))), number(0, dtype))
    nest = ir.Nest((i, j), (store(c, (i, n), (j, 1), value=value),), (t,), (accum,), label=form)
    return Case(program(nest, rows=i if m else None, chunk=4), memory)


@case((float64,))
def matmul_of(dtype: DType) -> Case:
    return matmul("dot", 7, 11, 19, dtype)


def _window(x, w: int, h: int, ic: int, k: int, p: int, n, c, y, v, kh, kw, stride: int = 1):
    """A padded load x[n, c, stride y + kh - p, stride v + kw - p]."""
    row, column = iota((y, stride), (kh, 1), constant=-p), iota((v, stride), (kw, 1), constant=-p)
    where = inside((row, h), (column, w)) if p else None
    return load(
        x, (n, ic * h * w), (c, h * w), (y, stride * w), (kh, w), (v, stride), (kw, 1),
        constant=-p * w - p, where=where,
    )  # fmt: skip


@case(
    (3, 5, 6, 9, 20, 3, 1), (2, 3, 4, 7, 5, 3, 1), (2, 1, 3, 12, 12, 5, 2), (1, 4, 9, 28, 28, 3, 1),
    (2, 8, 3, 6, 7, 1, 0), (1, 2, 2, 1, 1, 3, 1),
)  # fmt: skip
def convolution(n: int, ic: int, oc: int, h: int, w: int, k: int, p: int) -> Case:
    memory = Memory()
    x, f = memory.buffer(n * ic * h * w), memory.buffer(oc * ic * k * k)
    oh, ow = h + 2 * p - k + 1, w + 2 * p - k + 1
    y = memory.buffer(n * oc * oh * ow)
    b, o, r, v = axis("n", n), axis("oc", oc), axis("h", oh), axis("w", ow)
    c, kh, kw = axis("ic", ic), axis("kh", k), axis("kw", k)
    weight = load(f, (o, ic * k * k), (c, k * k), (kh, k), (kw, 1))
    accum, result = total(call("mul", weight, _window(x, w, h, ic, k, p, b, c, r, v, kh, kw)))
    out = store(y, (b, oc * oh * ow), (o, oh * ow), (r, ow), (v, 1), value=result)
    nest = ir.Nest((b, o, r, v), (out,), (c, kh, kw), (accum,), label="convolution")
    return Case(program(nest, rows=b, chunk=2), memory)


@case((3, 5, 6, 9, 20, 3, 1), (2, 3, 4, 7, 5, 3, 1), (2, 1, 3, 12, 12, 5, 2))
def weight_gradient(n: int, ic: int, oc: int, h: int, w: int, k: int, p: int) -> Case:
    memory = Memory()
    x, dy = memory.buffer(n * ic * h * w), memory.buffer(n * oc * h * w)
    df = memory.buffer(oc * ic * k * k)
    b, o, r, v = axis("n", n), axis("oc", oc), axis("h", h), axis("w", w)
    c, kh, kw = axis("ic", ic), axis("kh", k), axis("kw", k)
    gradient = load(dy, (b, oc * h * w), (o, h * w), (r, w), (v, 1))
    accum, result = total(call("mul", gradient, _window(x, w, h, ic, k, p, b, c, r, v, kh, kw)))
    out = store(df, (o, ic * k * k), (c, k * k), (kh, k), (kw, 1), value=result)
    nest = ir.Nest((o, c, kh, kw), (out,), (b, r, v), (accum,), label="weight gradient")
    return Case(program(nest, rows=o, chunk=4), memory)


@case((3, 2, 11, 24), (2, 3, 5, 17))
def strided_convolution(n: int, ic: int, h: int, w: int) -> Case:
    memory = Memory()
    oh, ow = (h + 1) // 2, (w + 1) // 2
    x, f = memory.buffer(n * ic * h * w), memory.buffer(4 * ic * 9)
    y = memory.buffer(n * 4 * oh * ow)
    b, o, r, v = axis("n", n), axis("oc", 4), axis("h", oh), axis("w", ow)
    c, kh, kw = axis("ic", ic), axis("kh", 3), axis("kw", 3)
    weight = load(f, (o, ic * 9), (c, 9), (kh, 3), (kw, 1))
    window = _window(x, w, h, ic, 3, 1, b, c, r, v, kh, kw, stride=2)
    accum, result = total(call("mul", weight, window))
    out = store(y, (b, 4 * oh * ow), (o, oh * ow), (r, ow), (v, 1), value=result)
    nest = ir.Nest((b, o, r, v), (out,), (c, kh, kw), (accum,), label="strided convolution")
    return Case(program(nest, rows=b, chunk=1), memory)


@case(
    (1, 1, float32), (7, 45, float32), (3, 64, float32), (5, 16, float64), (128, 3, float32),
    (2, 300, int32), (4, 33, uint8), (3, 21, int64), (0, 9, float32), (9, 0, float32),
)  # fmt: skip
def elementwise(n: int, m: int, dtype: DType) -> Case:
    """y = max(x + b, 2) - x, in place in x too."""
    memory = Memory()
    i, j = axis("i", n), axis("j", m)
    x, b, y = memory.buffer(n * m, dtype), memory.buffer(m, dtype), memory.buffer(n * m, dtype)
    here = ((i, m), (j, 1))
    value = call("maximum", call("add", load(x, *here), load(b, (j, 1))), number(2, dtype))
    nest = ir.Nest(
        (i, j),
        (
            store(y, *here, value=call("sub", value, load(x, *here))),
            store(x, *here, value=value),
        ),
        label="elementwise",
    )
    return Case(program(nest, rows=i if n else None, chunk=3), memory)


@case((7, 45), (1, 1), (33, 10), (4, 200))
def softmax(n: int, m: int) -> Case:
    """Three nests that hand on rows: maximum, sum of exponentials, quotient."""
    memory = Memory()
    i, j, k = axis("i", n), axis("j", m), axis("k", m)
    x, y = memory.buffer(n * m), memory.buffer(n * m)
    top, whole = memory.buffer(n), memory.buffer(n)
    accum, result = total(load(x, (i, m), (k, 1)), "max")
    first = ir.Nest((i,), (store(top, (i, 1), value=result),), (k,), (accum,), label="maximum")
    e = call("exp", call("sub", load(x, (i, m), (k, 1)), load(top, (i, 1))))
    accum, result = total(e)
    second = ir.Nest((i,), (store(whole, (i, 1), value=result),), (k,), (accum,), label="sum")
    e = call("exp", call("sub", load(x, (i, m), (j, 1)), load(top, (i, 1))))
    value = call("div", e, load(whole, (i, 1)))
    third = ir.Nest((i, j), (store(y, (i, m), (j, 1), value=value),), label="quotient")
    return Case(program(first, second, third, rows=i, chunk=4), memory)


@case((50, 9), (64, 10), (3, 40), (1, 5))
def column_sums(n: int, m: int) -> Case:
    memory = Memory()
    j, k = axis("j", m), axis("k", n)
    x, y = memory.buffer(n * m), memory.buffer(m)
    accum, result = total(load(x, (k, m), (j, 1)))
    nest = ir.Nest((j,), (store(y, (j, 1), value=result),), (k,), (accum,), label="column sums")
    return Case(program(nest), memory)


@case((6, 5, 7), (2, 3, 40))
def statistics(n: int, c: int, m: int) -> Case:
    """Sum and sum of squares per channel, a partial result per chunk of rows."""
    memory = Memory()
    rows, ch, k = axis("rows", n), axis("c", c), axis("k", m)
    chunk = ir.Axis("chunk", -(-n // 4))
    x = memory.buffer(n * c * m)
    sums, squares = memory.buffer(c * chunk.extent), memory.buffer(c * chunk.extent)
    value = load(x, (rows, c * m), (ch, m), (k, 1))
    accums = (ir.Accum("s", "add", value), ir.Accum("q", "add", call("mul", value, value)))
    stores = (
        store(sums, (chunk, c), (ch, 1), value=ir.Acc("s", float32)),
        store(squares, (chunk, c), (ch, 1), value=ir.Acc("q", float32)),
    )
    nest = ir.Nest((ch,), stores, (rows, k), accums, label="statistics")
    return Case(program(nest, rows=rows, chunk=4), memory)


@case((9, 20), (5, 3), (1, 17))
def embedding(n: int, m: int) -> Case:
    memory = Memory()
    rng = np.random.default_rng(5)
    i, j = axis("i", n), axis("j", m)
    table, at = memory.buffer(7 * m), memory.buffer(n, int64, rng.integers(0, 7, n))
    y = memory.buffer(n * m)
    row = ((load(at, (i, 1)), m),)
    take = ir.Nest((i, j), (store(y, (i, m), (j, 1), value=load(table, (j, 1), loaded=row)),))
    out = store(table, (j, 1), loaded=row, value=load(y, (i, m), (j, 1)), combine="add")
    return Case(program(take, ir.Nest((i, j), (out,), label="scatter")), memory)


@case((2, 3, 4, 10), (1, 2, 7, 16), (2, 1, 1, 1))
def pooling(n: int, c: int, h: int, w: int) -> Case:
    """2x2 maximum pooling and its gradient: strided loads, repeated lanes, parities."""
    memory = Memory()
    b, ch, r, v = axis("n", n), axis("c", c), axis("h", h), axis("w", w)
    x, y = memory.buffer(4 * n * c * h * w), memory.buffer(n * c * h * w)
    taps = [
        load(x, (b, 4 * c * h * w), (ch, 4 * h * w), (r, 4 * w), (v, 2), constant=2 * w * p + q)
        for p in (0, 1)
        for q in (0, 1)
    ]
    best = call("maximum", call("maximum", taps[0], taps[1]), call("maximum", taps[2], taps[3]))
    out = store(y, (b, c * h * w), (ch, h * w), (r, w), (v, 1), value=best)
    forward = ir.Nest((b, ch, r, v), (out,), label="pooling")
    rr, vv = axis("rr", 2 * h), axis("vv", 2 * w)
    up = [call("floordiv", iota((a, 1)), number(2, int64)) for a in (rr, vv)]
    spread = load(y, (b, c * h * w), (ch, h * w), loaded=((up[0], w), (up[1], 1)))
    odd = call("mod", iota((vv, 1)), number(2, int64))
    here = ((b, 4 * c * h * w), (ch, 4 * h * w), (rr, 2 * w), (vv, 1))
    chosen = call("and", call("eq", load(x, *here), spread), call("eq", odd, number(1, int64)))
    gradient = memory.buffer(4 * n * c * h * w)
    value = call("where", chosen, spread, number(0))
    backward = ir.Nest((b, ch, rr, vv), (store(gradient, *here, value=value),), label="unpooling")
    return Case(program(forward, backward, rows=b, chunk=1), memory)


@case(("position",), ("memory",))
def choices(where: str) -> Case:
    """One of several values by its number: known where the axis is a block, else compared."""
    memory, i, k = Memory(), axis("i", 21), axis("k", 3)
    x, y = memory.buffer(21), memory.buffer(63)
    numbers = memory.buffer(63, int64, np.arange(63) * 7 % 3)
    number_ = iota((k, 1)) if where == "position" else load(numbers, (i, 3), (k, 1))
    value = load(x, (i, 1))
    options = value, call("neg", value), call("mul", value, number(3.0))
    chosen = call("choose", number_, *options)
    nest = ir.Nest((i, k), (store(y, (i, 3), (k, 1), value=chosen),), label=f"choose by {where}")
    return Case(program(nest), memory)


@case((2,), (3,), (4,), (5,), (-1,), (-3,))
def strides(step: int) -> Case:
    """Strided, and reversed, loads and stores."""
    memory, i = Memory(), axis("i", 37)
    start = 36 * max(0, -step)
    x, y = memory.buffer(36 * abs(step) + 1), memory.buffer(37)
    z = memory.buffer(36 * abs(step) + 1)
    value = call("neg", load(x, (i, step), constant=start))
    stores = (store(y, (i, 1), value=value), store(z, (i, step), constant=start, value=value))
    return Case(program(ir.Nest((i,), stores, label=f"stride {step}")), memory)


@case((float32,), (float64,), (int32,))
def best_position(dtype: DType) -> Case:
    """argmax with ties and NaN, over two axes."""
    memory = Memory()
    rng = np.random.default_rng(3)
    values = rng.integers(0, 4, 6 * 35).astype(dtype.numpy)
    if dtype.is_float:
        values[[40, 50, 140]] = np.nan
        values[70:105] = -np.inf
    i, k, t = axis("i", 6), axis("k", 5), axis("t", 7)
    x, y = memory.buffer(6 * 35, dtype, values), memory.buffer(6, int64)
    accum, result = total(load(x, (i, 35), (k, 7), (t, 1)), "argmax")
    nest = ir.Nest((i,), (store(y, (i, 1), value=result),), (k, t), (accum,), label="argmax")
    return Case(program(nest, rows=i, chunk=2), memory)


@case((37,))
def random_bits(n: int) -> Case:
    """A few rounds of a counter-based generator: 64-bit counters, 32-bit words, floats."""
    memory, i = Memory(), axis("i", n)
    state = memory.buffer(1, uint64, [2**40 + 7])
    y, f = memory.buffer(n, uint32), memory.buffer(n)
    counter = call("add", call("cast", iota((i, 1)), dtype=uint64), load(state))
    low = call("cast", counter, dtype=uint32)
    high = call("cast", call("shr", counter, number(32, uint64)), dtype=uint32)
    for turn in (13, 15, 26, 6):
        low = call("add", low, high)
        left, right = number(turn, uint32), number(32 - turn, uint32)
        high = call("xor", call("or", call("shl", high, left), call("shr", high, right)), low)
    unit = call("mul", call("cast", call("shr", low, number(8, uint32)), dtype=float32),
                number(2.0**-24))  # fmt: skip
    stores = (store(y, (i, 1), value=high), store(f, (i, 1), value=unit))
    return Case(program(ir.Nest((i,), stores, label="random bits")), memory)


@case(
    (float32,), (float64,), (int8,), (int16,), (int32,), (int64,), (uint8,), (uint16,), (uint32,),
    (bool_,),
)  # fmt: skip
def casts_to(dtype: DType) -> Case:
    """Casts from every type, floats beyond the range of integers included; the last vector
    has a single lane."""
    memory, i, stores = Memory(), axis("i", 17), []
    sources = (float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool_)
    for source in sources:
        values = np.linspace(-300, 300, 17)
        if source.is_float:
            values[:4] = np.nan, 1e30, -1e30, 0.7
        elif source is bool_:
            values = np.arange(17) % 2
        x = memory.buffer(17, source, np.abs(values) if source.kind == "unsigned" else values)
        y = memory.buffer(17, dtype)
        stores.append(store(y, (i, 1), value=call("cast", load(x, (i, 1)), dtype=dtype)))
    return Case(program(ir.Nest((i,), tuple(stores), label="casts")), memory)


@case((float32,), (float64,))
def division_with_remainder(dtype: DType) -> Case:
    memory, i = Memory(), axis("i", 40)
    x = memory.buffer(40, dtype, np.linspace(-7, 7, 40))
    d = memory.buffer(40, dtype, np.tile([2.0, -2.0, 0.7, -0.3], 10))
    q, r = memory.buffer(40, dtype), memory.buffer(40, dtype)
    a, b = load(x, (i, 1)), load(d, (i, 1))
    stores = (
        store(q, (i, 1), value=call("floordiv", a, b)),
        store(r, (i, 1), value=call("mod", a, b)),
    )
    return Case(program(ir.Nest((i,), stores, label="division")), memory)


@case((int8,), (int16,), (int32,), (int64,), (uint8,), (uint16,), (uint32,), (uint64,))
def integer_arithmetic(dtype: DType) -> Case:
    """Every integer operation, divisors of zero included and the least integer by -1."""
    memory, i, stores = Memory(), axis("i", 45), []
    rng = np.random.default_rng(1)
    info = np.iinfo(dtype.numpy)
    x = memory.buffer(45, dtype, rng.integers(info.min, info.max, 45, dtype.numpy, endpoint=True))
    d = memory.buffer(45, dtype, rng.integers(0, 7, 45))
    if dtype.kind == "signed":
        memory.inner(x)[:5], memory.inner(d)[:10] = info.min, -1
    a, b, s = (load(v, (i, 1)) for v in (x, d, memory.buffer(45, dtype, rng.integers(0, 7, 45))))
    for op in ("add", "sub", "mul", "maximum", "minimum", "and", "or", "xor", "floordiv", "mod",
               "shl", "shr"):  # fmt: skip
        out = memory.buffer(45, dtype)
        stores.append(store(out, (i, 1), value=call(op, a, s if op in ("shl", "shr") else b)))
    for op in ("neg", "not"):
        out = memory.buffer(45, dtype)
        stores.append(store(out, (i, 1), value=call(op, a)))
    for divisor in (1, 3, 8) if dtype.kind == "unsigned" else (1, 3, 8, -1):
        for op in ("floordiv", "mod"):
            out = memory.buffer(45, dtype)
            stores.append(store(out, (i, 1), value=call(op, a, number(divisor, dtype))))
    return Case(program(ir.Nest((i,), tuple(stores), label="integers")), memory)


@case((float32,), (float64,))
def comparisons_with_nan(dtype: DType) -> Case:
    memory, i, stores = Memory(), axis("i", 30), []
    values = np.tile([np.nan, 1.0, 2.0, np.inf, -0.0, 0.0], 5)
    x = memory.buffer(30, dtype, values)
    z = memory.buffer(30, dtype, np.repeat(values[:6], 5))
    a, b = load(x, (i, 1)), load(z, (i, 1))
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        out = memory.buffer(30, bool_)
        stores.append(store(out, (i, 1), value=call(op, a, b)))
    for op in ("maximum", "minimum"):
        for other in (b, number(1, dtype)):
            out = memory.buffer(30, dtype)
            stores.append(store(out, (i, 1), value=call(op, a, other)))
    return Case(program(ir.Nest((i,), tuple(stores), label="comparisons")), memory)


@case((float32,), (int32,))
def maxima_with_nan(dtype: DType) -> Case:
    """Row maxima along lanes and across them; NaN anywhere wins."""
    memory = Memory()
    rng = np.random.default_rng(2)
    values = rng.integers(-50, 50, 6 * 40).astype(dtype.numpy)
    if dtype.is_float:
        values[[3, 79, 100, 239]] = np.nan
    i, k, j, t = axis("i", 6), axis("k", 40), axis("j", 40), axis("t", 6)
    x = memory.buffer(240, dtype, values)
    y, z = memory.buffer(6, dtype), memory.buffer(40, dtype)
    accum, result = total(load(x, (i, 40), (k, 1)), "max")
    rows = ir.Nest((i,), (store(y, (i, 1), value=result),), (k,), (accum,))
    accum, result = total(load(x, (t, 40), (j, 1)), "max")
    columns = ir.Nest((j,), (store(z, (j, 1), value=result),), (t,), (accum,))
    return Case(program(rows, columns), memory)


@case((3, 17), (1, 1))
def conditional_gather(n: int, m: int) -> Case:
    """Loads at loaded places under conditions made of loaded numbers."""
    memory = Memory()
    rng = np.random.default_rng(8)
    i, j = axis("i", n), axis("j", m)
    at = memory.buffer(n * m, int64, rng.integers(-3, 12, n * m))
    x, y = memory.buffer(9), memory.buffer(n * m)
    place = load(at, (i, m), (j, 1))
    where = ir.conjunction(call("ge", place, number(0, int64)), call("lt", place, number(9, int64)))
    value = ir.Load(x, index(loaded=((place, 1),)), where, float("nan"))
    nest = ir.Nest((i, j), (store(y, (i, m), (j, 1), value=value),), label="gather")
    return Case(program(nest, rows=i, chunk=2), memory)


@case((4, 30))
def hoisting(n: int, m: int) -> Case:
    """Costly values that depend on outer loops only, and one number for all."""
    memory = Memory()
    i, j = axis("i", n), axis("j", m)
    step, x, y = memory.buffer(1), memory.buffer(n), memory.buffer(n * m)
    rate = call("exp", load(step))
    row = call("mul", call("tanh", load(x, (i, 1))), rate)
    value = call("add", row, call("cast", iota((i, 1), (j, 2)), dtype=float32))
    nest = ir.Nest((i, j), (store(y, (i, m), (j, 1), value=value),), label="hoisting")
    return Case(program(nest, rows=i, chunk=3), memory)


@case((33,))
def momentum_update(n: int) -> Case:
    """An optimizer's step in place: m = 0.9 m + g, w = w - rate m, of the product's result."""
    memory = Memory()
    i, k = axis("i", n), axis("k", 5)
    w, m = memory.buffer(n), memory.buffer(n)
    a, b, rate = memory.buffer(5 * n), memory.buffer(5), memory.buffer(1)
    accum, gradient = total(call("mul", load(a, (k, n), (i, 1)), load(b, (k, 1))))
    speed = call("add", call("mul", load(m, (i, 1)), number(0.9)), gradient)
    moved = call("sub", load(w, (i, 1)), call("mul", load(rate), speed))
    stores = (store(m, (i, 1), value=speed), store(w, (i, 1), value=moved))
    return Case(program(ir.Nest((i,), stores, (k,), (accum,), label="momentum")), memory)
