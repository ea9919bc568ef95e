"""Random programs: chains of ops over a few tensors and pieces of state.

What one finds wrong is rarely a single op; it is what fusing, ordering and overwriting do
to several. Shapes are small and of distinct lengths, values stay moderate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

import deepglass as dg
from deepglass.graph.graph import Node, ancestors
from deepglass.graph.kinds import Host, Leaf
from deepglass.graph.op import REGISTRY, Op, Sample
from deepglass.graph.tensor import Buffer, Tensor, apply
from deepglass.graph.trace import active_trace
from deepglass.graph.types import dtype_of
from deepglass.nn import functional
from deepglass.ops.keys import getitem
from deepglass.testing import records

samples_of = cache(records.samples_of)  # which draws them anew

# The last is long enough for sums in slices, and for threads to share out rows.
SHAPES = ((5,), (3, 5), (7, 3), (20, 5), (2, 3, 5), (2, 3, 6, 8), (17, 40), (64, 9), (403, 5))

BACKWARDS = Op(
    name="random_programs.backwards",
    infer=lambda x: x,
    reference=lambda x: x.reshape(-1)[::-1].reshape(x.shape),
    kernel=Host(),
    gradient=(lambda g, y, x: apply(BACKWARDS, g),),
)

UNSEEN = {
    **{op.name: "given, not computed" for op in REGISTRY.values() if isinstance(op.kernel, Leaf)},
    "known": "within the recorded steps of a scan's gradient alone",
}
OPS = [op for op in REGISTRY.values() if op.name not in UNSEEN]
DIFFERENTIABLE = [op for op in OPS if any(op.gradient) or op.pullback or op.expands_at_once]

# What a recorded function is a parameter of has no samples: choices of its own make it.
SAMPLED = [op for op in OPS if op.samples]
SMOOTH_OPS = [op for op in DIFFERENTIABLE if any(s.smooth for s in samples_of(op))]


class RandomProgram:
    """A function of two arrays and some state, drawn from ``seed``.

    Attributes:
        used: names of the choices that were made, for coverage.
        forward: names of the ops that the results depend on, once it has run.
        backward: names of the ops that the gradient among them goes through.
    """

    def __init__(self, seed: int, length: int = 14) -> None:
        self.seed = seed
        self.length = length
        rng = np.random.default_rng(seed)
        self.arguments = [self._values(rng, SHAPES[rng.integers(len(SHAPES))]) for _ in range(2)]
        shapes = [a.shape for a in self.arguments] + [SHAPES[rng.integers(len(SHAPES))]]
        self.initial = [self._values(rng, s) for s in shapes]
        self.used: list[str] = []
        self.forward: set[str] = set()
        self.backward: set[str] = set()

    @staticmethod
    def _values(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(-1.5, 1.5, shape).astype(np.float32)

    def run(self, dtype: str, eager: bool = False, calls: int = 2) -> list[np.ndarray]:
        """Return all results and all state after ``calls`` calls, compiled or op by op."""
        wanted = dtype_of(dtype).numpy
        state = [Buffer(s.astype(wanted)) for s in self.initial]

        def function(*arguments: Tensor) -> list[Tensor]:
            return self._body(list(arguments), state)

        compiled = dg.compile(function)
        results: list[np.ndarray] = []
        for _ in range(calls):
            arguments = [Tensor(a.astype(wanted)) for a in self.arguments]
            outputs = function(*arguments) if eager else compiled(*arguments)
            results += [np.array(o.numpy()) for o in outputs]
        if compiled.latest is not None:
            self.forward = {n.op.name for n in compiled.latest.graph.nodes()}
        return results + [np.array(s.numpy()) for s in state]

    def _body(self, pool: list[Tensor], state: list[Buffer]) -> list[Tensor]:
        rng = np.random.default_rng(self.seed + 1)
        self.used = []
        pool = pool + list(state)
        start = [s * 1.0 for s in state]
        for _ in range(self.length):
            name = CHOICES[rng.integers(len(CHOICES))]
            made = getattr(self, name)(rng, pool)
            if made is not None:
                self.used.append(name)
                pool.append(made)
            if rng.random() < 0.25:
                self._rebind(rng, pool, state)
        loss = (pool[-1] * pool[-1]).mean()
        gradient = self._gradient(rng, start[0])
        shown = [*pool[-3:-1], self._pick(rng, pool), self._pick(rng, pool)]
        return [loss, gradient, *[x * 1.0 for x in shown]]

    def _gradient(self, rng: np.random.Generator, x: Tensor) -> Tensor:
        seed = int(rng.integers(2**31))
        values: list[Node] = []

        def value(x: Tensor) -> Tensor:
            inner = np.random.default_rng(seed)
            pool = [x, self._differentiated(inner, x)]
            for _ in range(4):
                made = getattr(self, SMOOTH[inner.integers(len(SMOOTH))])(inner, pool)
                pool += [] if made is None else [made]
            total = (pool[-1] * pool[-1]).sum() + pool[1].sum()
            values.append(total.node)
            return total

        gradient: Tensor = dg.grad(value)(x)
        trace = active_trace()
        if trace is not None:
            self.backward = {n.op.name for n in ancestors(values) if trace.gradients_of(n)}
        return gradient

    def _rebind(self, rng: np.random.Generator, pool: list[Tensor], state: list[Buffer]) -> None:
        target = state[rng.integers(len(state))]
        fitting = [x for x in pool if x.shape == target.shape]
        value = fitting[rng.integers(len(fitting))]
        self.used.append("rebind")
        target.rebind((functional.softsign(value) * 0.5 + value * 0.25).node)

    def _differentiated(self, rng: np.random.Generator, x: Tensor) -> Tensor:
        """An op on one of its own samples, away from kinks, where it depends on ``x``."""
        op = SMOOTH_OPS[rng.integers(len(SMOOTH_OPS))]
        smooth = [s for s in samples_of(op) if s.smooth]
        nearly_one = 1 + functional.softsign(x.mean()) / 1024
        return self._applied(op, smooth[rng.integers(len(smooth))], nearly_one)

    def _applied(self, op: Op, sample: Sample, factor: Tensor) -> Tensor:
        """The op on its sample, floats times ``factor``; moderate numbers come out, and some."""
        inputs = []
        for a in sample.args:
            given = dg.tensor(a)
            inputs.append(given.to(factor.dtype) * factor if given.dtype.is_float else given)
        y = apply(op, *inputs, **sample.params).to(factor.dtype)
        y = functional.softsign(dg.where(dg.abs(y) < 1e3, y, 0.5) * 0.25)
        return y if y.numel() else factor * 0.5

    # One method per choice; None where no tensor of the pool fits ------------------------

    def _pick(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
        return pool[rng.integers(len(pool))]

    def unary(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
        x = self._pick(rng, pool)
        functions: list[Callable[[Tensor], Tensor]] = [
            dg.tanh, dg.sigmoid, dg.relu, dg.neg, lambda v: dg.exp(dg.tanh(v)),
            lambda v: dg.sqrt(v * v + 0.5), lambda v: dg.log(v * v + 0.5), dg.erf,
            lambda v: dg.sin(v) * dg.cos(v), lambda v: dg.log1p(v * v), dg.abs,
            lambda v: (v * v + 0.5) ** -0.7, lambda v: dg.expm1(dg.clamp(v, -1.5, 1.5)),
            lambda v: v.to("float32").to(v.dtype),
        ]  # fmt: skip
        return functions[rng.integers(len(functions))](x)

    def binary(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        x = self._pick(rng, pool)
        fitting = [y for y in pool if y.shape == x.shape or y.shape == x.shape[-1:]]
        y = self._pick(rng, fitting)
        functions: list[Callable[..., Tensor]] = [
            dg.add, dg.sub, dg.mul, dg.maximum, dg.minimum, dg.logaddexp,
            lambda a, b: a / (b * b + 1.0),
            lambda a, b: dg.where(dg.gt(a, b), a - b, (b - a) * 0.5),  # continuous where they meet
        ]  # fmt: skip
        return functions[rng.integers(len(functions))](x, y)

    def siblings(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
        """One op twice on one value, with different parameters."""
        x = self._pick(rng, pool)
        functions: list[Callable[[int], Tensor]] = [
            lambda k: dg.clamp(x, -0.4 * k, 0.3 * k), lambda k: dg.norm(x, k) * 0.3,
            lambda k: functional.leaky_relu(x, 0.2 * k), lambda k: functional.elu(x, 0.3 * k),
            lambda k: dg.roll(x, k),
        ]  # fmt: skip
        function = functions[rng.integers(len(functions))]
        return function(1) - function(2) * 0.5

    def reduce(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        x = self._pick(rng, [t for t in pool if t.ndim] or pool)
        if not x.ndim:
            return None
        count = int(rng.integers(1, x.ndim + 1))
        dims = tuple(int(d) for d in rng.permutation(x.ndim)[:count])
        functions: list[Callable[..., Tensor]] = [
            dg.sum, dg.mean, dg.amax, dg.amin, dg.logsumexp,
            lambda x, dims, keepdim: dg.sqrt(dg.var(x, dims, 0, keepdim) + 0.25),
            lambda x, dims, keepdim: dg.norm(x, 2, dims, keepdim) * 0.3,
            lambda x, dims, keepdim: dg.cumsum(x, dims[0]) * 0.2,
        ]  # fmt: skip
        reduced = functions[rng.integers(len(functions))](x, dims, True)
        return x - reduced if rng.random() < 0.7 else reduced.reshape(-1)

    def product(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        for x in (pool[k] for k in rng.permutation(len(pool))):
            for y in (pool[k] for k in rng.permutation(len(pool))):
                if x.ndim == y.ndim == 2 and x.shape[1] in y.shape:
                    w = y if y.shape[0] == x.shape[1] else y.T
                    return (x @ w) * (1.0 / x.shape[1])
        return None

    def move(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        x = self._pick(rng, pool)
        if not x.ndim:
            return None
        choice = rng.integers(5)
        if choice == 0:
            return x.permute(*rng.permutation(x.ndim))
        if choice == 1:
            return x.reshape(-1)
        if choice == 2:
            step = int(rng.integers(1, 3))
            return getitem(x, (slice(int(rng.integers(2)), None, step),)) * 1.0
        if choice == 3:
            return dg.pad(x, (int(rng.integers(3)), int(rng.integers(3))))
        return dg.cat([x, x * 0.5], int(rng.integers(x.ndim)))

    def index(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        x = self._pick(rng, pool)
        if not x.ndim or 0 in x.shape:
            return None
        dim = int(rng.integers(x.ndim))
        index = rng.integers(0, x.shape[dim], x.shape)
        if rng.random() < 0.5:
            return dg.gather(x, dim, index)
        return dg.scatter_add(x, dim, index, functional.softsign(x))

    def normalize(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        x = self._pick(rng, pool)
        if not x.ndim or x.shape[-1] < 2:
            return None
        if rng.random() < 0.5:
            return dg.softmax(x)
        return functional.layer_norm(x, x.shape[-1], eps=0.1)

    def image(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        fitting = [x for x in pool if x.ndim == 4 and min(x.shape) > 1]
        if not fitting:
            return None
        x = self._pick(rng, fitting)
        channels, stride, padding = x.shape[1], *map(int, rng.integers((1, 0), (3, 2)))
        if rng.random() < 0.5:
            pool2d = (dg.max_pool2d, functional.avg_pool2d)[rng.integers(2)]
            return pool2d(x, 2, stride, padding)
        if rng.random() < 0.3:
            weight = dg.tensor(self._values(rng, (channels, 3, 2, 2)), x.dtype)
            return dg.conv_transpose2d(x, weight, None, stride, padding) * 0.3
        groups = channels if rng.random() < 0.3 else 1
        weight = dg.tensor(self._values(rng, (3 * groups, channels // groups, 2, 2)), x.dtype)
        return dg.conv2d(x, weight, None, stride, padding, groups=groups) * 0.3

    def noise(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        if "noise" in self.used:  # it makes much code, as all that read it compute it again
            return None
        x = self._pick(rng, pool)
        generator = dg.Generator(int(rng.integers(1000)))
        return functional.dropout(x, 0.3, generator=generator)

    def host(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
        return apply(BACKWARDS, self._pick(rng, pool))

    def scan(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor | None:
        x = self._pick(rng, pool)
        if not x.ndim or x.shape[0] > 20:
            return None
        like = [y for y in pool if y.shape == x.shape[1:] and y.dtype is x.dtype]
        factor = self._pick(rng, like) if like else dg.tensor(0.5, x.dtype)
        start = dg.zeros(x.shape[1:], dtype=x.dtype)
        return dg.scan(
            lambda c, v: functional.softsign(c * factor + v), start, x, bool(rng.integers(2))
        )

    def record(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
        """An op on one of its own samples, which nothing rounds: the factor is 1."""
        op = SAMPLED[rng.integers(len(SAMPLED))]
        samples = samples_of(op)
        some = self._pick(rng, pool).reshape(-1)[0]
        one = dg.where(some > 1e6, 2.0, 1.0).to(some.dtype)
        return self._applied(op, samples[rng.integers(len(samples))], one)

    def checkpoint(self, rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
        x, y = self._pick(rng, pool), self._pick(rng, pool)
        return dg.checkpoint(lambda v: functional.softsign(v) * y.mean() + dg.sigmoid(v), x)


CHOICES = (
    "unary", "binary", "binary", "siblings", "reduce", "product", "move", "move", "index", "index",
    "normalize", "image", "noise", "host", "scan", "checkpoint", "record", "record",
)  # fmt: skip
SMOOTH = (
    "unary", "binary", "siblings", "reduce", "product", "move", "normalize", "index", "image",
    "host", "scan", "checkpoint",
)  # fmt: skip


def disagreement(program: RandomProgram, dtype: str) -> float:
    """Return the largest difference between machine code and NumPy, relative to the largest
    value of each array; inf where NaN or infinity differ.

    NumPy computes op by op: no trace, no pass and no loop that may be wrong has a part in it.
    """
    compiled = program.run(dtype)
    with dg.backend("reference"):
        truth = program.run(dtype, eager=True)
    worst = 0.0
    for found, expected in zip(compiled, truth, strict=True):
        same_oddities = np.array_equal(np.isfinite(found), np.isfinite(expected))
        if found.shape != expected.shape or not same_oddities:
            return float("inf")
        finite = np.isfinite(expected)
        if finite.any():
            scale = max(float(np.abs(expected[finite]).max()), 1e-3)
            worst = max(worst, float(np.abs(found - expected)[finite].max()) / scale)
    return worst
