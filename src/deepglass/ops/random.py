"""Random numbers that depend on (key, counter) alone.

The bits of element i of a draw are a function of the generator's key and of its counter
plus i: not of the order of evaluation, of memory layout or of threads. Drawing n numbers
moves the counter on by n.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Op, Sample
from ..graph.tensor import Buffer, Tensor, apply
from ..graph.trace import Traceable, set_grad_enabled
from ..graph.types import DType, Shape, TensorType, dtype_of, float32, float64, uint32, uint64
from .counting import iota
from .elementwise import CAST, add, to
from .movement import broadcast_to

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA
_ROUNDS = 20
_MASK = 0xFFFFFFFF


def _rounds(w: Any, k0: Any, k1: Any, x0: Any, x1: Any) -> Any:
    """Threefry-2x32 over the words of ``w``; returns the first word of the block."""
    keys = (k0, k1, w.xor(w.xor(k0, k1), _PARITY))
    x0, x1 = w.add(x0, keys[0]), w.add(x1, keys[1])
    for r in range(_ROUNDS):
        x0 = w.add(x0, x1)
        x1 = w.xor(w.rotate(x1, _ROTATIONS[r % 8]), x0)
        if r % 4 == 3:
            s = r // 4 + 1
            x0 = w.add(x0, keys[s % 3])
            x1 = w.add(w.add(x1, keys[(s + 1) % 3]), s)
    return x0


class _Words:
    """32-bit words in a backend's vocabulary."""

    def __init__(self, b: Any) -> None:
        self.b = b

    def _word(self, x: Any, like: Any) -> Any:
        return self.b.const(x, like=like) if isinstance(x, int) else x

    def add(self, x: Any, y: Any) -> Any:
        return self.b.add(x, self._word(y, x))

    def xor(self, x: Any, y: Any) -> Any:
        return self.b.xor(x, self._word(y, x))

    def rotate(self, x: Any, n: int) -> Any:
        left = self.b.shl(x, self._word(n, x))
        return self.b.bit_or(left, self.b.shr(x, self._word(32 - n, x)))


class _ArrayWords:
    """32-bit words in NumPy arrays, which wrap around."""

    def add(self, x: Any, y: Any) -> Any:
        return np.add(x, np.uint32(y))

    def xor(self, x: Any, y: Any) -> Any:
        return np.bitwise_xor(x, np.uint32(y))

    def rotate(self, x: Any, n: int) -> Any:
        return (x << np.uint32(n)) | (x >> np.uint32(32 - n))


def _reference(key: np.ndarray, counter: np.ndarray) -> np.ndarray:
    low, high = np.uint64(_MASK), np.uint64(32)
    words = [(v & low).astype(np.uint32) for v in (key, key >> high, counter, counter >> high)]
    return np.asarray(_rounds(_ArrayWords(), *words))


def _rule(b: Any, key: Any, counter: Any) -> Any:
    words = []
    for value in (key, counter):
        words.append(b.cast(value, uint32))
        words.append(b.cast(b.shr(value, b.const(32, like=value)), uint32))
    return _rounds(_Words(b), *words)


def _type(key: TensorType, counter: TensorType) -> TensorType:
    if key.dtype is not uint64 or counter != key:
        raise DTypeError(f"threefry: key and counter are uint64; got {key} and {counter}.")
    return TensorType(key.shape, uint32)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in ((), (7,), (3, 40)):
        yield Sample(
            tuple(rng.integers(0, 2**64, shape, dtype=np.uint64) for _ in range(2)), smooth=False
        )


THREEFRY = Op(
    name="threefry",
    infer=_type,
    reference=_reference,
    kernel=Elementwise(_rule),
    samples=_samples,
    doc="""32 random bits from a 64-bit key and a 64-bit counter: the first word of
    Threefry-2x32 with 20 rounds, the low halves being the first words of key and counter.

    Source: Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as
    1, 2, 3", section 3.3; constants as published with Random123.
    """,
)


class Generator(Traceable):
    """A stream of random numbers: a key (the seed) and a counter (how many were drawn).

    Both are buffers, so a compiled step draws new numbers at each call.

    >>> a, b = Generator(7), Generator(7)
    >>> bool((rand(3, generator=a) == rand(3, generator=b)).numpy().all())
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.key = Buffer(np.uint64(0), role="random key")
        self.counter = Buffer(np.uint64(0), role="random counter")
        self.key.name, self.counter.name = "random.key", "random.counter"
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed`` (taken modulo 2^64) from its beginning."""
        self.key.rebind(Tensor(np.uint64(seed % 2**64)).node)
        self.counter.rebind(Tensor(np.uint64(0)).node)
        return self

    def bits(self, shape: Shape) -> Tensor:
        """Draw 32 random bits per element, as uint32, and move the counter on."""
        with set_grad_enabled(False):
            counters = add(self.counter, iota(shape, None, uint64))
            bits = apply(THREEFRY, broadcast_to(self.key, shape), counters)
            self.counter.rebind(add(self.counter, Tensor(prod(shape), uint64)).node)
            return bits

    def trace_key(self) -> Hashable:
        return ()

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        yield "random.key", self.key
        yield "random.counter", self.counter


default_generator = Generator(0)


def manual_seed(seed: int) -> Generator:
    """Seed the generator that is used when none is given, and return it."""
    return default_generator.manual_seed(seed)


def rand(*shape: Any, generator: Generator | None = None, dtype: Any = float32) -> Tensor:
    """Draw numbers uniformly from [0, 1), in steps of 2^-24.

    Args:
        shape: lengths of the axes.
        generator: the default one unless given.
        dtype: float32 or float64.
    """
    from .movement import shape_of

    wanted: DType = dtype_of(dtype)
    if wanted not in (float32, float64):
        raise DTypeError(f"rand: float32 or float64; got {wanted}.")
    bits = (generator or default_generator).bits(shape_of(shape))
    with set_grad_enabled(False):
        # 24 bits are what a float32 holds exactly; int32 converts fast on every CPU
        high = apply(SHIFT_RIGHT, bits, amount=8)
        return to(apply(CAST, high, dtype=dtype_of("int32")), wanted) * 2.0**-24


SHIFT_RIGHT = Op(
    name="shift_right",
    infer=lambda x, amount: x,
    reference=lambda x, amount: x >> x.dtype.type(amount),
    kernel=Elementwise(lambda b, x, amount: b.shr(x, b.const(amount, like=x))),
    samples=lambda rng: iter(
        [Sample((rng.integers(0, 2**32, (3, 40), dtype=np.uint32),), {"amount": 8})]
    ),
    notation="{0} >> {amount}",
    doc="The bits of an unsigned integer moved to the right; zeros come in from the left.",
)
