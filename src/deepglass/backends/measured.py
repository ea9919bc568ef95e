"""What a program is made of, and what was seen while it ran: the same for every backend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np


class Stopwatch:
    """Adds up how long the parts of some work take.

    Attributes:
        seconds: by the name of the part, in the order in which the parts began.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Add the time that the block takes to that of ``part``."""
        begin = time.perf_counter()
        self.seconds.setdefault(part, 0.0)
        yield
        self.seconds[part] += time.perf_counter() - begin


@dataclass(frozen=True)
class Kernel:
    """One set of loops, or one call of Python between them.

    Attributes:
        label: the ops it computes.
        layer: where in the model, "∂fc1" for gradients behind fc1, "" outside of layers.
        source: the user's line, "net.py:7".
        kind: "sum" (a reduction or product with what follows it), "map", "scatter", "copy",
            "host" for a call of Python, or "numpy" on the reference backend.
        loops: its axes and how they run, as text.
        level: how many barriers come before.
        flops: operations on floats in one run, a multiply-add counted twice.
        bytes: memory that one run reads and writes at least, each element once.
        parts: how many parts threads can share, each one chunk of the rows.
    """

    label: str
    layer: str
    source: str
    kind: str
    loops: str
    level: int
    flops: int
    bytes: int
    parts: int = 1


@dataclass(frozen=True)
class Life:
    """A value in the arena.

    Attributes:
        name: of its buffer in the loops.
        label: the ops that compute it.
        bytes, offset: its size and place.
        first, last: the levels between which it is needed.
    """

    name: str
    label: str
    bytes: int
    offset: int
    first: int
    last: int


@dataclass(frozen=True)
class Peaks:
    """What one core can do, measured: float32 multiply-adds in registers (FLOP/s), and bytes
    read and written per second when copying within the second cache and in memory."""

    flops: float
    cached: float
    memory: float


@dataclass(frozen=True)
class Slices:
    """One run: which thread was at work in which kernel, and when.

    Attributes:
        kernel, thread: numbers, one per slice.
        start, stop: seconds since the run began.
        wall: seconds the run took.
    """

    kernel: np.ndarray
    thread: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    wall: float

    def busy(self, kernels: int) -> np.ndarray:
        """Return the seconds that threads spent in each kernel."""
        return np.bincount(self.kernel, self.stop - self.start, kernels)


@dataclass(frozen=True)
class Measured:
    """A program and some runs of it.

    Attributes:
        kernels: in the order in which they run.
        runs: at least one.
        threads: how many the runs had.
        barriers: how often the threads meet in one run.
        arena: bytes of scratch memory, which `lives` share.
        peaks: None where nothing is known about the machine.
    """

    kernels: tuple[Kernel, ...]
    runs: tuple[Slices, ...]
    threads: int
    barriers: int
    arena: int
    lives: tuple[Life, ...]
    peaks: Peaks | None

    @property
    def wall(self) -> float:
        """Seconds of one run: the median."""
        return float(np.median([run.wall for run in self.runs]))

    @property
    def seconds(self) -> np.ndarray:
        """Seconds of processor time per kernel, of all threads together: medians."""
        return np.asarray(np.median([r.busy(len(self.kernels)) for r in self.runs], axis=0))

    def share_of_peak(self) -> np.ndarray:
        """Return, per kernel, the larger of two shares: of the operations, and of the bytes,
        that one core could have done in the time; NaN where no peak is known.

        Bytes are compared with copying in the second cache where those of a part fit into it;
        what comes from the first cache, or is only read, can do better.
        """
        if self.peaks is None:
            return np.full(len(self.kernels), np.nan)
        best = [self._least(kernel, self.peaks) for kernel in self.kernels]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.array(best) / self.seconds)

    @staticmethod
    def _least(kernel: Kernel, peaks: Peaks) -> float:
        rate = peaks.cached if kernel.bytes < FITS * kernel.parts else peaks.memory
        return max(kernel.flops / peaks.flops, kernel.bytes / rate)


FITS = 1_000_000  # bytes below which what a part touches is taken to be in a core's cache
