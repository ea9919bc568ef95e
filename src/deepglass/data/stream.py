"""The random numbers of data: functions of (seed, epoch, sample), of nothing else.

Which process makes a sample, and what was made before it, changes no bit. The bits are those
of Philox-4x64-10 with the key (seed, epoch) and a counter that starts at the sample's number.

Source: Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3",
section 3.2; as NumPy has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from ..ops.random import Generator, default_generator

SAMPLES, ORDER = 0, 1  # the highest word of the counter tells what the numbers are for


class Stream:
    """Random numbers of one epoch.

    Args:
        seed: of all epochs, from 0 to 2^64 - 1.
        epoch: from 0.
    """

    def __init__(self, seed: int, epoch: int) -> None:
        self.key = np.array([seed, epoch], np.uint64)
        self._sample, self._started = 0, False
        self._rng: np.random.Generator | None = None

    def order(self, count: int) -> np.ndarray:
        """Return the numbers from 0 to ``count`` - 1 in the order of this epoch."""
        bits = np.random.Philox(key=self.key, counter=[0, 0, 0, ORDER]).random_raw(count)
        return order_of(bits >> np.uint64(32))

    def start(self, sample: int) -> None:
        """Go to the numbers of this sample."""
        self._sample, self._started = sample, False

    @property
    def rng(self) -> np.random.Generator:
        """The numbers of the sample at hand; good until the next sample."""
        if self._rng is None:
            self._rng = np.random.Generator(np.random.Philox(key=self.key))
        if not self._started:  # a state that is set costs a quarter of a new generator
            counter = np.array([0, self._sample, 0, SAMPLES], np.uint64)
            self._rng.bit_generator.state = {
                "bit_generator": "Philox",
                "state": {"counter": counter, "key": self.key},
                "buffer": np.zeros(4, np.uint64),
                "buffer_pos": 4,
                "has_uint32": 0,
                "uinteger": 0,
            }
            self._started = True
        return self._rng


_STREAM: ContextVar[Stream | None] = ContextVar("stream", default=None)


@contextmanager
def streaming(stream: Stream) -> Iterator[None]:
    """Let the samples made within draw from ``stream``."""
    token = _STREAM.set(stream)
    try:
        yield
    finally:
        _STREAM.reset(token)


def start_sample(number: int) -> None:
    """Say which sample is made next; without meaning outside a loader."""
    stream = _STREAM.get()
    if stream is not None:
        stream.start(number)


def sample_rng() -> np.random.Generator:
    """Return the random numbers a transform draws from.

    While a `DataLoader` makes a sample they depend on (seed, epoch, number of the sample)
    alone, so every worker draws others and any number of workers draws the same. Elsewhere
    they follow from the default generator, that is, from `dg.manual_seed`.

    >>> 0 <= sample_rng().random() < 1
    True
    """
    stream = _STREAM.get()
    return Stream(draw_seed(default_generator), 0).rng if stream is None else stream.rng


def draw_seed(generator: Generator) -> int:
    """Draw a seed of 64 bits."""
    low, high = (int(word) for word in generator.bits((2,)).numpy())
    return low | high << 32


def order_of(bits: np.ndarray) -> np.ndarray:
    """Return the numbers 0, 1, ... in the order of 32 bits each; equal bits keep their order.

    A plain sort of (bits, number) in one word gives it and is several times as fast as a
    stable argsort.
    """
    numbers = np.arange(len(bits), dtype=np.uint64)
    words = np.sort(bits.astype(np.uint64) << np.uint64(32) | numbers)
    return (words & np.uint64(0xFFFFFFFF)).astype(np.int64)
