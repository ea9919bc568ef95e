"""Runs of a copy of a program whose nests and calls leave stamps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.storage import Storage
from ..measured import Kernel, Measured, Slices
from ..recorded import Recorded
from . import threads
from .clock import STAMP, seconds_per_tick, ticks
from .count import kernel_of, lives_of, made_by
from .cpu import host
from .ir import HostCall
from .peaks import peaks
from .plan import Plan, make_plan
from .program import NativeExecutable
from .schedule import schedule

Numbers = list[tuple[int, int]]  # kernel and how many stamps it leaves, in their order


def measure(
    recorded: Recorded, state: Sequence[Storage], inputs: Sequence[np.ndarray], runs: int
) -> Measured:
    """Return what a program does and how long it takes.

    It runs on a copy of the state, which stays as it is, once before the runs that count.
    """
    timed = TimedExecutable(recorded, [Storage(s.array) for s in state])
    timed.run(inputs)
    return Measured(
        tuple(timed.kernels),
        tuple(timed.run(inputs) for _ in range(runs)),
        threads.threads(),
        sum(run.code.barriers for run in timed.code),
        timed.arena_bytes,
        lives_of(timed.loops),
        peaks(),
    )


class TimedExecutable(NativeExecutable):
    """A program that leaves a stamp per nest and chunk, and one per call of the host.

    Attributes:
        kernels: its nests and calls, in the order in which they run, settled ones first.
    """

    def __init__(self, recorded: Recorded, state: Sequence[Storage]) -> None:
        self._called: list[tuple[int, int]] = []  # when the calls of the host started, ended
        super().__init__(recorded, state)
        self._stamps: list[np.ndarray] = []  # of what runs each time
        pieces = [code for code, _ in self._steps]
        first = len(self._table) - len(pieces) - 1
        for slot, code in enumerate([self.settled, *pieces] if self.settled else pieces, first):
            if code is not None:
                stamps = np.zeros((code.code.stamps, STAMP), np.int64)
                self._put(slot, stamps)
                self._stamps += [stamps] if code is not self.settled else []
        self.kernels: list[Kernel] = []
        self._order: list[int] = []  # the kernel of each stamp: loops, then calls
        calls: list[int] = []
        for level, phases in enumerate(self.loops.levels):
            for phase in phases:
                for nest in phase.nests:
                    if level >= self.loops.settled:
                        self._order += [len(self.kernels)] * phase.chunk.extent
                    scheduled = schedule(nest, phase, host())
                    self.kernels.append(kernel_of(scheduled, phase, level))
            for call in self.loops.calls_after(level):
                calls.append(len(self.kernels))
                self.kernels.append(made_by(call))
        self._order += calls

    def _plan(self) -> Plan:
        return make_plan(self.recorded.optimized, self._watch, stamps=True)

    def _call(self, call: HostCall, memory: Sequence[np.ndarray]) -> None:
        read = ticks()
        start = read()
        super()._call(call, memory)
        self._called.append((start, read()))

    def run(self, inputs: Sequence[np.ndarray]) -> Slices:
        """Run once and return who was at work when."""
        self._called.clear()
        read, tick = ticks(), seconds_per_tick()
        begin = read()
        self(inputs)
        end = read()
        calls = np.array([(0, *times) for times in self._called], np.int64).reshape(-1, STAMP)
        thread, start, stop = np.concatenate([*self._stamps, calls]).T
        return Slices(
            np.array(self._order, np.int64),
            thread.copy(),
            (start - begin) * tick,
            (stop - begin) * tick,
            (end - begin) * tick,
        )
