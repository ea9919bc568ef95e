"""A lowered graph, its memory and its machine code, behind one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...graph.kinds import Scan
from ...graph.storage import Storage, aligned
from ...graph.types import TensorType
from ..measured import Measured, Stopwatch
from ..recorded import Recorded
from .executable import Executable
from .ir import HostCall, Program, Window
from .lower import ARENA, lower
from .plan import Plan, find_plan

Addresses = np.ndarray | int

_SMALL = 16_384  # bytes: copying them takes less time than asking NumPy where they are


class NativeExecutable:
    """See `backends.Executable`.

    Attributes:
        code: the machine code; several pieces where Python is called in between, else one.
        settled: the code that runs before it, only if state changed since it last did; or None.
        arena_bytes: scratch memory.
        taps: see `backends.Executable`.
    """

    def __init__(self, recorded: Recorded, state: Sequence[Storage]) -> None:
        self.recorded, self.state = recorded, state
        graph = recorded.graph
        self._watch = Stopwatch()
        plan = self._plan()
        self.arena_bytes = plan.arena
        slots = 1 + len(plan.given) + len(graph.outputs)
        self._table = (ctypes.c_void_p * (slots + 1 + len(plan.segments)))()
        self._memory = [np.empty(0)] * len(self._table)  # behind each slot that stays
        self._put(ARENA, aligned((max(plan.arena, 1),), np.dtype(np.uint8)))
        self.taps = [_array(window, self._memory) for window in plan.taps]
        with self._watch("machine code"):
            settled = plan.settled.code if plan.settled else None
            self.settled = Executable(settled) if settled else None
            self._steps = [
                (None if s.code is None else Executable(s.code), s.calls) for s in plan.segments
            ]
        self._versions: list[int] | None = None  # of the state that settled code last saw
        self._calls = [call for _, calls in self._steps for call in calls]
        self._repeated = {
            call.node.id: Repeated(call.node.params)
            for call in self._calls
            if isinstance(call.node.op.kernel, Scan)
        }
        self.code = [code for code, _ in self._steps if code is not None]
        self._inputs: list[tuple[int, int, np.ndarray | None]] = []  # slot, argument, own memory
        for slot, what in enumerate(plan.given, 1):
            if isinstance(what, np.ndarray):
                self._put(slot, np.ascontiguousarray(what))
            elif what[0] == "state":
                self._put(slot, state[what[1]].array)
            else:
                own = self._own(slot, graph.inputs[what[1]].type)
                self._inputs.append((slot, what[1], own))
        results = len(plan.given)
        self._outputs = [
            (results + k + 1, n.type, self._own(results + k + 1, n.type))
            for k, n in enumerate(graph.outputs)
        ]

    def _plan(self) -> Plan:
        return find_plan(self.recorded, self._watch)

    @cached_property
    def loops(self) -> Program:
        """The loop IR; ``print`` shows it."""
        return lower(self.recorded.optimized).program

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        table = self._table
        for slot, k, own in self._inputs:
            if own is not None:
                np.copyto(own, inputs[k])
            else:
                table[slot] = inputs[k].__array_interface__["data"][0]
        outputs = []
        for slot, type, own in self._outputs:
            if own is None:
                array = np.empty(type.shape, type.dtype.numpy)
                table[slot] = array.__array_interface__["data"][0]
            outputs.append(array if own is None else own)
        self._settle()
        for code, calls in self._steps:
            if code is not None:
                code.run(table)
            if calls:
                self._call_host(calls, inputs, outputs)
        return [
            array if own is None else array.copy()
            for array, (_, _, own) in zip(outputs, self._outputs, strict=True)
        ]

    def _settle(self) -> None:
        """Compute what state alone determines, if state changed since that was last done."""
        if self.settled is not None:
            versions = [s.version for s in self.state]
            if versions != self._versions:
                self.settled.run(self._table)
                self._versions = versions

    def measure(self, inputs: Sequence[np.ndarray], runs: int) -> Measured:
        """Time a copy of the program; see `backends.Executable`."""
        from .measure import measure

        return measure(self.recorded, self.state, inputs, runs)

    def source(self, language: str, kernel: int | None = None) -> str:
        """Return the program as text; see `backends.Executable`."""
        from .listing import listing

        return listing(self.loops, language, kernel)

    @property
    def seconds(self) -> dict[str, float]:
        """How long the parts of compiling it took."""
        return self._watch.seconds

    @property
    def runs_rows(self) -> bool:
        """Whether `run_rows` can be called: there is one piece of code, and no Python."""
        return len(self.code) == 1 and not self._calls

    def each(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run once per row of the inputs; see `backends.Executable`."""
        count = len(inputs[0])
        if not self.runs_rows:
            runs = [self([a[k, ...] for a in inputs]) for k in range(count)]
            return [np.stack(results) for results in zip(*runs, strict=True)]
        outputs = [np.empty((count, *t.shape), t.dtype.numpy) for _, t, _ in self._outputs]
        self.run_rows(count, [rows_of(a) for a in inputs], [rows_of(a) for a in outputs])
        return outputs

    def run_rows(
        self, count: int, inputs: Sequence[Addresses], outputs: Sequence[Addresses]
    ) -> None:
        """Run ``count`` times where inputs and outputs stand at these addresses, in order."""
        tables = np.tile(np.frombuffer(memoryview(self._table), np.int64), (count, 1))
        for slot, k, _ in self._inputs:
            tables[:, slot] = inputs[k]
        for (slot, _, _), addresses in zip(self._outputs, outputs, strict=True):
            tables[:, slot] = addresses
        self._settle()
        self.code[0].each(tables)

    def _own(self, slot: int, type: TensorType) -> np.ndarray | None:
        """Memory of the program's own for a small argument or result."""
        if type.bytes > _SMALL:
            return None
        array = aligned(type.shape, type.dtype.numpy)
        self._put(slot, array)
        return array

    def _put(self, slot: int, array: np.ndarray) -> None:
        """Let a slot stand for ``array`` as long as the program lives."""
        self._memory[slot] = array
        self._table[slot] = array.ctypes.data

    def _call_host(
        self,
        calls: Sequence[HostCall],
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
    ) -> None:
        memory = self._memory.copy()
        for slot, k, _ in self._inputs:
            memory[slot] = inputs[k]
        for (slot, _, _), array in zip(self._outputs, outputs, strict=True):
            memory[slot] = array
        for call in calls:
            self._call(call, memory)

    def _call(self, call: HostCall, memory: Sequence[np.ndarray]) -> None:
        arguments = [_array(w, memory) for w in call.arguments]
        for array in arguments:
            array.flags.writeable = False
        result = _array(call.result, memory)
        if call.node.id in self._repeated:
            self._repeated[call.node.id](arguments, result)
        else:
            np.copyto(result, call.node.compute(arguments))


class Repeated:
    """What a scan repeats, compiled once (see `graph.kinds.Scan`).

    Args:
        params: those of the scan.
    """

    def __init__(self, params: dict[str, Any]) -> None:
        self.step = NativeExecutable(Recorded.already(params["region"].graph), ())
        self.rows: int = params["rows"]
        self.length: int = params["length"]
        self.reverse: bool = params["reverse"]
        self.last: bool = params["last"]

    def __call__(self, arguments: Sequence[np.ndarray], result: np.ndarray) -> None:
        """Fill ``result``; the two carries of a scan that keeps the last alternate."""
        init, xs = arguments[0], arguments[1 : self.rows + 1]
        captured = arguments[self.rows + 1 :]
        order = np.arange(self.length)[:: -1 if self.reverse else 1]
        if self.last:
            spare = np.empty_like(result)
            places = [result, spare] if self.length % 2 else [spare, result]
            carries = np.array([places[k % 2].ctypes.data for k in range(self.length)])
        else:
            carries = rows_of(result)[order]
        if self.step.runs_rows:
            before = np.concatenate([[init.ctypes.data], carries[:-1]])
            moving: list[Addresses] = [before, *[rows_of(x)[order] for x in xs]]
            inputs = [*moving, *[a.ctypes.data for a in captured]]
            self.step.run_rows(self.length, inputs, [carries])
            return
        carry = init
        for t in order:
            (carry,) = self.step([carry, *[x[t, ...] for x in xs], *captured])
            if not self.last:
                result[t, ...] = carry
        if self.last:
            np.copyto(result, carry)


def rows_of(array: np.ndarray) -> np.ndarray:
    """Return the addresses of the rows of a contiguous array."""
    return array.ctypes.data + np.arange(len(array)) * (array.nbytes // max(len(array), 1))


def _array(window: Window, memory: Sequence[np.ndarray]) -> np.ndarray:
    """Return an array of its own on the memory of a buffer."""
    buffer = window.buffer
    dtype = buffer.dtype.numpy
    part = memory[buffer.slot].reshape(-1).view(np.uint8)[buffer.offset :]
    return part[: buffer.size * dtype.itemsize].view(dtype).reshape(window.shape)
