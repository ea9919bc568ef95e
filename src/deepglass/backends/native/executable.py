"""A loop-IR program compiled to machine code in this process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ..measured import Stopwatch
from . import ir, threads
from .codegen import Module
from .cpu import Cpu, host, target_machine, usable_cpus
from .emit import emit_program

_WORTH_SHARING = 12_000  # cycles of work below which waking other threads costs more than it saves
_BARRIER = 1_000  # cycles that a barrier may cost


@dataclass(frozen=True)
class Code:
    """Machine code of a program, as it can be kept.

    Attributes:
        objects: object files; the last has the entries `run` and `each` (see `emit`).
        shared: whether there is work enough for several threads.
        barriers: how often the threads meet in one run.
        nests: the function of each nest, in the order of the program.
        stamps: how many there are in one run.
    """

    objects: tuple[bytes, ...]
    shared: bool
    barriers: int
    nests: tuple[str, ...]
    stamps: int


def generate(
    program: ir.Program,
    cpu: Cpu | None = None,
    record: int | None = None,
    watch: Stopwatch | None = None,
) -> Code:
    """Return the machine code of a program.

    While Python writes the text of a piece, other threads have LLVM make machine code of those
    before. Then this thread helps them, from the last piece on.

    Args:
        program: what to run. Nests that have a schedule keep it.
        cpu: the processor to compile for; this one by default.
        record: the slot of memory for stamps, where nests are to be timed (see `clock`).
        watch: is told how long writing the text took, and then waiting for machine code.
    """
    cpu, watch = cpu or host(), watch or Stopwatch()
    pieces: list[Module] = []
    with ThreadPoolExecutor(max_workers=max(len(usable_cpus()) - 1, 1)) as workers:

        def give(text: str, effort: int) -> None:
            pieces.append(_module(text, cpu, effort))
            workers.submit(pieces[-1].make)

        with watch("text"):
            facts = emit_program(program, cpu, give, record)
        with watch("machine code"):
            for piece in reversed(pieces):
                piece.make()
            objects = tuple(piece.code() for piece in pieces)
    shared = facts.cycles > _WORTH_SHARING + _BARRIER * facts.barriers
    return Code(objects, shared, facts.barriers, facts.nests, facts.stamps)


class Executable:
    """Machine code in memory, ready to run.

    Args:
        made: the machine code, or a program to make it of.
        cpu: the processor to compile for; this one by default.
    """

    def __init__(self, made: Code | ir.Program, cpu: Cpu | None = None) -> None:
        self.code = made if isinstance(made, Code) else generate(made, cpu)
        self._engine = _loaded(self.code.objects)
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
        several = self.code.shared and threads.threads() > 1
        if not (several and threads.run(self._run, ctypes.addressof(table))):
            self._alone(table)

    def each(self, tables: np.ndarray) -> None:
        """Run the program on one table after another, without a return to Python.

        Args:
            tables: pointers as int64, (rows, slots); at least one row.
        """
        rows = np.concatenate([[len(tables), tables[0].nbytes], tables.ravel()])
        address = rows.ctypes.data
        several = self.code.shared and threads.threads() > 1
        if not (several and threads.run(self._each, address)):
            self._each_alone(address)


@lru_cache(maxsize=64)
def _module(text: str, cpu: Cpu, effort: int) -> Module:
    """Equal modules are compiled once."""
    return Module(text, cpu, effort)


@lru_cache(maxsize=32)
def _loaded(objects: tuple[bytes, ...]) -> llvm.ExecutionEngine:
    """Return object files in memory; equal programs share it."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine(host()))
    for content in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(content))
    engine.finalize_object()
    return engine
