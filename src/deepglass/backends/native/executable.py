"""A loop-IR program compiled to machine code in this process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ..measured import Stopwatch
from . import ir, threads
from .cpu import Cpu, host, target_machine
from .emit import emit_program

_WORTH_SHARING = 12_000  # cycles of work below which waking other threads costs more than it saves
_BARRIER = 1_000  # cycles that a barrier may cost


class Executable:
    """Machine code for a program.

    Args:
        program: what to run. Nests that have a schedule keep it.
        cpu: the processor to compile for; this one by default.
        record: the slot of memory for stamps, where nests are to be timed (see `clock`).
        watch: is told how long writing the text and making machine code of it took.

    Attributes:
        llvm: the program as LLVM IR text.
        barriers: how often the threads meet in one run.
        nests: the function of each nest, in the order of the program.
        stamps: how many there are in one run.
    """

    def __init__(
        self,
        program: ir.Program,
        cpu: Cpu | None = None,
        record: int | None = None,
        watch: Stopwatch | None = None,
    ) -> None:
        self._cpu = cpu or host()
        watch = watch or Stopwatch()
        with watch("text"):
            module = emit_program(program, self._cpu, record)
        self.llvm, self.barriers = module.text, module.barriers
        self.nests, self.stamps = module.nests, module.stamps
        self._shared = module.cycles > _WORTH_SHARING + _BARRIER * module.barriers
        with watch("machine code"):
            self._engine = _compile(module.text, self._cpu)
        self._run, self._alone = self._entries("run", "alone")
        self._each, self._each_alone = self._entries("each", "each_alone")

    def _entries(self, several: str, alone: str) -> tuple[int, Callable[[Any], None]]:
        """The address of a function for all threads, and the function for one thread."""
        address = self._engine.get_function_address(alone)
        one = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
        return self._engine.get_function_address(several), one

    def run(self, table: ctypes.Array[ctypes.c_void_p]) -> None:
        """Run the program on memory.

        Args:
            table: a pointer per slot of the program's buffers (one at least, even if unused).
        """
        several = self._shared and threads.threads() > 1
        if not (several and threads.run(self._run, ctypes.addressof(table))):
            self._alone(table)

    def each(self, tables: np.ndarray) -> None:
        """Run the program on one table after another, without a return to Python.

        Args:
            tables: pointers as int64, (rows, slots); at least one row.
        """
        rows = np.concatenate([[len(tables), tables[0].nbytes], tables.ravel()])
        address = rows.ctypes.data
        several = self._shared and threads.threads() > 1
        if not (several and threads.run(self._each, address)):
            self._each_alone(address)

    def assembly(self) -> str:
        """Return the machine code as assembly text (which compiles it once more)."""
        module = _parse(self.llvm)
        return str(target_machine(self._cpu).emit_assembly(module))


def _parse(text: str) -> llvm.ModuleRef:
    module = llvm.parse_assembly(text)
    module.verify()
    return module


@lru_cache(maxsize=32)
def _compile(text: str, cpu: Cpu) -> llvm.ExecutionEngine:
    """Return the machine code of a module; equal programs share it.

    The nests are emitted as they shall run, so no optimisation pass but those of the code
    generator is needed."""
    machine = target_machine(cpu)
    engine = llvm.create_mcjit_compiler(_parse(text), machine)
    engine.finalize_object()
    return engine
