"""A lowered graph, its memory and its machine code, behind one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from ...graph.graph import Graph
from ...graph.tensor import aligned
from .executable import Executable
from .ir import HostCall, Window
from .lower import ARENA, lower


class NativeExecutable:
    """See `backends.Executable`.

    Attributes:
        loops: the loop IR; ``print`` shows it.
        code: the machine code, with ``llvm`` and ``assembly()`` to look at; several pieces
            where Python is called in between, else one.
        arena_bytes: scratch memory.
    """

    def __init__(self, graph: Graph, state: Sequence[np.ndarray]) -> None:
        lowered = lower(graph)
        self.loops = lowered.program
        self.arena_bytes = lowered.arena
        self._table = (ctypes.c_void_p * (len(lowered.slots) + 1))()
        self._memory = [np.empty(0)] * len(self._table)  # behind each slot that stays
        self._put(ARENA, aligned((max(lowered.arena, 1),), np.dtype(np.uint8)))
        self._steps: list[tuple[Executable | None, tuple[HostCall, ...]]] = []
        for loops, calls in lowered.program.segments():
            self._steps.append((Executable(loops) if loops.levels else None, calls))
        self.code = [code for code, _ in self._steps if code is not None]
        known = {n.id: a for n, a in zip(graph.state, state, strict=True)}
        position = {n.id: k for k, n in enumerate(graph.inputs)}
        self._inputs: list[tuple[int, int]] = []  # slot, argument
        results = len(lowered.slots) - len(graph.outputs)
        for k, node in enumerate(lowered.slots[:results]):
            if node.id in position:
                self._inputs.append((k + 1, position[node.id]))
                continue
            array = known.get(node.id, node.data)
            assert array is not None
            self._put(k + 1, array if node.id in known else np.ascontiguousarray(array))
        self._outputs = [
            (results + k + 1, n.type.shape, n.type.dtype.numpy) for k, n in enumerate(graph.outputs)
        ]

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        table = self._table
        for slot, k in self._inputs:
            table[slot] = inputs[k].__array_interface__["data"][0]
        outputs = []
        for slot, shape, dtype in self._outputs:
            array = np.empty(shape, dtype)
            table[slot] = array.__array_interface__["data"][0]
            outputs.append(array)
        for code, calls in self._steps:
            if code is not None:
                code.run(table)
            if calls:
                self._call_host(calls, inputs, outputs)
        return outputs

    def each(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run once per row of the inputs; see `backends.Executable`."""
        count = len(inputs[0])
        if len(self.code) != 1 or self.loops.calls:
            runs = [self([a[k, ...] for a in inputs]) for k in range(count)]
            return [np.stack(results) for results in zip(*runs, strict=True)]
        tables = np.tile(np.frombuffer(memoryview(self._table), np.int64), (count, 1))
        rows = np.arange(count)
        for slot, k in self._inputs:
            tables[:, slot] = inputs[k].ctypes.data + rows * (inputs[k].nbytes // count)
        outputs = []
        for slot, shape, dtype in self._outputs:
            array = np.empty((count, *shape), dtype)
            tables[:, slot] = array.ctypes.data + rows * (array.nbytes // count)
            outputs.append(array)
        self.code[0].each(tables)
        return outputs

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
        for slot, k in self._inputs:
            memory[slot] = inputs[k]
        for (slot, _, _), array in zip(self._outputs, outputs, strict=True):
            memory[slot] = array
        for call in calls:
            arguments = [_array(w, memory) for w in call.arguments]
            for array in arguments:
                array.flags.writeable = False
            np.copyto(_array(call.result, memory), call.node.compute(arguments))


def _array(window: Window, memory: Sequence[np.ndarray]) -> np.ndarray:
    """Return an array of its own on the memory of a buffer."""
    buffer = window.buffer
    dtype = buffer.dtype.numpy
    part = memory[buffer.slot].reshape(-1).view(np.uint8)[buffer.offset :]
    return part[: buffer.size * dtype.itemsize].view(dtype).reshape(window.shape)
