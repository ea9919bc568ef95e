"""A lowered graph, its memory and its machine code, behind one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from ...graph.graph import Graph
from ...graph.tensor import aligned
from .executable import Executable
from .lower import ARENA, lower


class NativeExecutable:
    """See `backends.Executable`.

    Attributes:
        loops: the loop IR; ``print`` shows it.
        code: the machine code, with ``llvm`` and ``assembly()`` to look at.
        arena_bytes: scratch memory.
    """

    def __init__(self, graph: Graph, state: Sequence[np.ndarray]) -> None:
        lowered = lower(graph)
        self.loops = lowered.program
        self.code = Executable(lowered.program)
        self.arena_bytes = lowered.arena
        self._keep = [aligned((max(lowered.arena, 1),), np.dtype(np.uint8)), *state]
        self._table = (ctypes.c_void_p * (len(lowered.slots) + 1))()
        self._table[ARENA] = self._keep[0].ctypes.data
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
            kept = array if node.id in known else np.ascontiguousarray(array)
            self._keep.append(kept)
            self._table[k + 1] = kept.ctypes.data
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
        self.code.run(table)
        return outputs

    def each(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run once per row of the inputs; see `backends.Executable`."""
        count = len(inputs[0])
        tables = np.tile(np.frombuffer(memoryview(self._table), np.int64), (count, 1))
        rows = np.arange(count)
        for slot, k in self._inputs:
            tables[:, slot] = inputs[k].ctypes.data + rows * (inputs[k].nbytes // count)
        outputs = []
        for slot, shape, dtype in self._outputs:
            array = np.empty((count, *shape), dtype)
            tables[:, slot] = array.ctypes.data + rows * (array.nbytes // count)
            outputs.append(array)
        self.code.each(tables)
        return outputs
