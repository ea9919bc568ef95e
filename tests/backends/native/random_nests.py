"""Random loop-IR programs with random schedules, from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from nests import Memory, call, index, inside, iota, load, number

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

EXTENTS = (1, 2, 3, 5, 7, 12, 16, 17, 33, 40)
STEPS = (0, 1, 1, 1, 2, 3, 4, -1, 6)
VALUE_TYPES = (
    float32, float32, float32, float64, int8, int16, int32, int64, uint8, uint32, bool_,
)  # fmt: skip
_WORDS = (uint8, uint16, uint32, uint64, int8, int16, int32, int64)


@dataclass
class RandomNests:
    """Draws programs."""

    seed: int
    memory: Memory = field(default_factory=Memory)
    targets: list[ir.Buffer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.axes: tuple[ir.Axis, ...] = ()

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def program(self) -> ir.Program:
        """Return one nest in one phase, sometimes in chunks."""
        count = self.pick((1, 1, 2, 2, 3))
        axes = tuple(self._axis(f"i{n}") for n in range(count))
        over = tuple(self._axis(f"k{n}", 17) for n in range(self.pick((0, 0, 1, 1, 2))))
        self.axes = axes + over
        accums = []
        for n in range(self.pick((1, 1, 2)) if over else 0):
            dtype = self.pick(VALUE_TYPES[:-1])
            combine = self.pick(("add", "add", "max", "argmax"))
            term = self.leaf(dtype, 0) if combine == "argmax" else self.expr(dtype, 2)
            accums.append(ir.Accum(f"a{n}", combine, term))
        self.axes = axes
        stores = tuple(self.store(accums) for _ in range(self.pick((1, 1, 2))))
        nest = ir.Nest(axes, stores, over, tuple(accums), label=f"random {self.seed}")
        rows = self.pick((None, axes[0], axes[0]))
        if any(s.index.loaded for s in stores):
            rows = None  # chunks would add to one place at once
        chunk = int(self.rng.integers(1, axes[0].extent + 2))
        if self.chance(0.6):
            nest = replace(nest, schedule=self.schedule(nest))
        return ir.Program(((ir.Phase((nest,), rows, chunk),),))

    def _axis(self, name: str, most: int = 40) -> ir.Axis:
        return ir.Axis(name, 0 if self.chance(0.02) else min(most, self.pick(EXTENTS)))

    # expressions

    def expr(self, dtype: DType, depth: int) -> ir.Expr:
        """Return an expression; what is discontinuous is only applied to loaded numbers."""
        if depth == 0 or self.chance(0.2):
            return self.leaf(dtype, depth)
        if self.chance(0.15):
            condition = self.condition(depth - 1)
            return call(
                "where", condition, self.expr(dtype, depth - 1), self.expr(dtype, depth - 1)
            )
        if dtype.is_float:
            op = self.pick(("add", "sub", "mul", "mul", "maximum", "minimum", "neg", "abs", "tanh",
                            "exp", "sigmoid", "sin", "cos", "erf", "div", "sqrt", "log", "rsqrt",
                            "floor", "round", "pow"))  # fmt: skip
        elif dtype is bool_:
            return self.condition(depth)
        else:
            op = self.pick(("add", "sub", "mul", "maximum", "minimum", "abs", "and", "or", "xor",
                            "not", "floordiv", "mod", "shl", "shr"))  # fmt: skip
        if op in ("floor", "round"):
            return call(op, self.leaf(dtype, 0))
        if op == "pow":
            return call(op, call("exp", self.leaf(dtype, 0)), self.leaf(dtype, 0))
        if op in ("sqrt", "log", "rsqrt"):  # steep where their argument is small
            return call(op, self.leaf(dtype, 0))
        if op == "div":
            divisor = call("add", number(2, dtype), call("tanh", self.leaf(dtype, 0)))
            return call(op, self.expr(dtype, depth - 1), divisor)
        if op in ("neg", "abs", "tanh", "exp", "sigmoid", "sin", "cos", "erf", "not"):
            return call(op, self.expr(dtype, depth - 1))
        if op in ("shl", "shr"):
            return call(
                op, self.expr(dtype, depth - 1), number(int(self.rng.integers(0, 7)), dtype)
            )
        if op in ("floordiv", "mod"):
            divisor = self.pick(
                (number(self.pick((1, 2, 3, 4, 7, 10)), dtype), self.leaf(dtype, 0))
            )
            return call(op, self.expr(dtype, depth - 1), divisor)
        return call(op, self.expr(dtype, depth - 1), self.expr(dtype, depth - 1))

    def condition(self, depth: int) -> ir.Expr:
        if depth > 0 and self.chance(0.4):
            op = self.pick(("and", "or", "xor", "not"))
            args = [self.condition(depth - 1) for _ in range(1 if op == "not" else 2)]
            return call(op, *args)
        op = self.pick(("eq", "ne", "lt", "le", "gt", "ge"))
        dtype = self.pick((float32, int8, int16, int32, int64, uint32, uint8))
        return call(op, self.leaf(dtype, 0), self.leaf(dtype, 0))

    def leaf(self, dtype: DType, depth: int) -> ir.Expr:
        choice = self.rng.random()
        if choice < 0.1:
            return number(self.pick((0, 1, 2, 3)), dtype)
        if choice < 0.25 and dtype is not bool_:
            return call("cast", self.position(), dtype=dtype)
        if choice < 0.35:
            source = self.pick((float32, float64, *_WORDS, bool_))
            return call("cast", self.read(source), dtype=dtype)
        return self.read(dtype)

    def position(self) -> ir.Expr:
        """An int64 made of loop variables."""
        place = iota(*self.terms()[0], constant=int(self.rng.integers(-3, 4)))
        match self.pick(("plain", "plain", "floordiv", "mod", "both")):
            case "floordiv":
                return call("floordiv", place, number(self.pick((2, 3, 4)), int64))
            case "mod":
                return call("mod", place, number(self.pick((2, 3, 4)), int64))
            case "both":
                half = call("floordiv", place, number(2, int64))
                return call("sub", place, call("mul", half, number(2, int64)))
        return place

    def terms(self) -> tuple[list[tuple[ir.Axis, int]], int, int]:
        """Return random terms and the smallest and largest sum."""
        terms, low, high = [], 0, 0
        for a in self.axes:
            step = self.pick(STEPS)
            if step:
                terms.append((a, step))
                reach = step * max(0, a.extent - 1)
                low, high = low + min(reach, 0), high + max(reach, 0)
        return terms, low, high

    def read(self, dtype: DType) -> ir.Load:
        """Load: affine, past the ends under a condition, halved, or gathered."""
        terms, low, high = self.terms()
        kind = self.pick(("affine", "affine", "affine", "padded", "halved", "gathered"))
        if kind == "affine":
            return load(self.source(high - low + 1, dtype), *terms, constant=-low)
        if kind == "padded":
            shift = int(self.rng.integers(-3, 4))
            size = max(1, high - low + 1 + int(self.rng.integers(-4, 2)))
            place = iota(*terms, constant=shift - low)
            where = inside((place, size))
            other = self.pick((0, 1))
            return load(
                self.source(size, dtype), *terms, constant=shift - low, where=where, other=other
            )
        if kind == "halved":
            by = self.pick((2, 2, 3, 4))
            half = call("floordiv", iota(*terms, constant=-low), number(by, int64))
            factor = self.pick((1, 1, 2))
            size = factor * ((high - low) // by) + 2
            extra = self.pick((0, 1))
            return load(self.source(size, dtype), loaded=((half, factor),), constant=extra)
        places = load(self.places(high - low + 1, 9), *terms, constant=-low)
        return load(self.source(2 * 8 + 1, dtype), loaded=((places, 2),))

    def source(self, size: int, dtype: DType) -> ir.Buffer:
        same = [b for b in self.memory.buffers if b.size >= size and b.dtype is dtype]
        same = [b for b in same if b not in self.targets]
        if same and self.chance(0.3):
            return self.pick(same)
        return self.memory.buffer(size, dtype)

    def places(self, size: int, end: int) -> ir.Buffer:
        return self.memory.buffer(size, int64, self.rng.integers(0, end, size))

    # stores

    def store(self, accums: list[ir.Accum]) -> ir.Store:
        dtype = self.pick(VALUE_TYPES)
        usable = [a for a in accums if a.dtype is dtype]
        value: ir.Expr = self.expr(dtype, 2)
        if accums:
            chosen = self.pick(usable or accums)
            dtype = chosen.dtype
            value = ir.Acc(chosen.name, dtype)
            if self.chance(0.5):
                value = call("add", value, self.expr(dtype, 1))
        order = [self.axes[int(n)] for n in self.rng.permutation(len(self.axes))]
        stride, terms = self.pick((1, 1, 1, 2)), []
        for a in order if self.chance(0.3) else reversed(self.axes):
            terms.append((a, stride))
            stride *= a.extent
        if self.chance(0.15) and dtype is not bool_:
            spread = load(self.places(self.axes[-1].extent, 5), (self.axes[-1], 1))
            target = self.target(5, dtype)
            if dtype.is_float:
                value = call("cast", self.read(int32), dtype=dtype)  # sums are then exact
            combine = self.pick(("add", "add", "max"))
            return ir.Store(target, index(loaded=((spread, 1),)), value, combine)
        target = self.target(stride, dtype)
        if self.chance(0.2) and dtype is not bool_:
            value = call("sub", ir.Load(target, index(*terms)), value)
        combine = "add" if self.chance(0.15) and dtype is not bool_ else ""
        return ir.Store(target, index(*terms), value, combine)

    def target(self, size: int, dtype: DType) -> ir.Buffer:
        self.targets.append(self.memory.buffer(size, dtype))
        return self.targets[-1]

    # schedules

    def schedule(self, nest: ir.Nest) -> ir.Schedule:
        """Return a random schedule that keeps the meaning."""
        serial = any(s.combine for s in nest.stores)
        argmax = any(a.combine == "argmax" for a in nest.accums)
        choices = [None, *(a for a in nest.axes if not serial)]
        if not argmax:
            choices += nest.over
        vector = self.pick(choices)
        block, unroll = {}, {}
        for a in nest.axes:
            if not serial and self.chance(0.6):
                block[a] = int(self.rng.integers(1, 5))
        for a in nest.over:
            if not argmax and self.chance(0.3):
                block[a] = int(self.rng.integers(1, 4))
            if self.chance(0.4) and (not argmax or a is nest.over[-1]):
                unroll[a] = int(self.rng.integers(1, 4))
        lanes = self.pick((2, 4, 8, 16))
        columns = None
        if vector in nest.over:
            wide = [a for a in nest.axes if 1 < block.get(a, 1) <= lanes]
            columns = self.pick(wide) if wide and self.chance(0.7) else None
        axes = list(nest.axes)
        if not serial and self.chance(0.3):
            axes = [axes[int(n)] for n in self.rng.permutation(len(axes))]
        paired = vector in nest.axes and self.chance(0.5)
        return ir.Schedule(
            vector, lanes if vector else 1, tuple(block.items()), tuple(unroll.items()),
            (*axes, *nest.over), columns, paired=paired,
        )  # fmt: skip
