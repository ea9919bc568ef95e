"""Threefry: random bits as a function of a key and a counter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Misuse, Op, Sample
from ..graph.types import DType, TensorType, dtype_of, uint32, uint64

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA
_ROUNDS = 20
_MASK = 0xFFFFFFFF


def _rounds(w: Any, k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """Threefry-2x32 over the words of ``w``; returns both words of the block."""
    keys = (k0, k1, w.xor(w.xor(k0, k1), _PARITY))
    x0, x1 = w.add(x0, keys[0]), w.add(x1, keys[1])
    for r in range(_ROUNDS):
        x0 = w.add(x0, x1)
        x1 = w.xor(w.rotate(x1, _ROTATIONS[r % 8]), x0)
        if r % 4 == 3:
            s = r // 4 + 1
            x0 = w.add(x0, keys[s % 3])
            x1 = w.add(w.add(x1, keys[(s + 1) % 3]), s)
    return x0, x1


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


def _reference(key: np.ndarray, counter: np.ndarray, dtype: DType = uint32) -> np.ndarray:
    low, high = np.uint64(_MASK), np.uint64(32)
    words = [(v & low).astype(np.uint32) for v in (key, key >> high, counter, counter >> high)]
    first, second = _rounds(_ArrayWords(), *words)
    if dtype is uint32:
        return np.asarray(first)
    return np.asarray(first.astype(np.uint64) << high | second)


def _rule(b: Any, key: Any, counter: Any, dtype: DType = uint32) -> Any:
    words = []
    for value in (key, counter):
        words.append(b.cast(value, uint32))
        words.append(b.cast(b.shr(value, b.const(32, like=value)), uint32))
    first, second = _rounds(_Words(b), *words)
    if dtype is uint32:
        return first
    high = b.cast(first, uint64)
    return b.bit_or(b.shl(high, b.const(32, like=high)), b.cast(second, uint64))


def _type(key: TensorType, counter: TensorType, dtype: DType = uint32) -> TensorType:
    if key.dtype is not uint64 or counter != key:
        raise DTypeError(
            f"threefry: key and counter are uint64 of one shape; got {key} and {counter}. "
            "Convert with `.to(dg.uint64)`."
        )
    if dtype not in (uint32, uint64):
        raise DTypeError(
            f"threefry: the bits come as uint32 or uint64; got {dtype}. Convert them afterwards."
        )
    return TensorType(key.shape, dtype)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    for dtype in (uint32, uint64):
        for shape in ((), (7,), (3, 40), (0, 3)):
            pair = (rng.integers(0, 2**64, shape, dtype=np.uint64) for _ in range(2))
            yield Sample(tuple(pair), {"dtype": dtype}, smooth=False)


_TWO = np.zeros(2, np.uint64)

THREEFRY = Op(
    name="threefry",
    infer=_type,
    reference=_reference,
    kernel=Elementwise(_rule),
    samples=_samples,
    misuses=(
        Misuse(
            (_TWO, np.zeros(3, np.uint64)), {}, DTypeError, "uint64 of one shape; got uint64[2]"
        ),
        Misuse((_TWO, np.zeros(2, np.int64)), {}, DTypeError, "and int64[2]"),
        Misuse(
            (_TWO, _TWO), {"dtype": dtype_of("int32")}, DTypeError, "uint32 or uint64; got int32"
        ),
    ),
    doc="""32 or 64 random bits from a 64-bit key and a 64-bit counter: the first word of
    Threefry-2x32 with 20 rounds, or both with the first as the upper half. The low halves are
    the first words of key and counter.

    Source: Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as
    1, 2, 3", section 3.3; constants as published with Random123.
    """,
)


SHIFT_RIGHT = Op(
    name="shift_right",
    infer=lambda x, amount: x,
    reference=lambda x, amount: x >> x.dtype.type(amount),
    kernel=Elementwise(lambda b, x, amount: b.shr(x, b.const(amount, like=x))),
    samples=lambda rng: [
        Sample((rng.integers(0, 2**32, (3, 40), dtype=np.uint32),), {"amount": 8}),
        Sample((rng.integers(0, 2**64, (2, 5), dtype=np.uint64),), {"amount": 11}),
    ],
    notation="{0} >> {amount}",
    doc="The bits of an unsigned integer moved to the right; zeros come in from the left.",
)
