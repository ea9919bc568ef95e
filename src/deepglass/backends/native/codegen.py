"""LLVM's code generator, for several modules at once.

llvmlite lets one thread at a time into LLVM. LLVM itself needs that only where threads share a
context. Here every module has one of its own, and the call that takes long goes around the lock.
"""

from __future__ import annotations

import ctypes
from functools import cache
from threading import Lock
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from ...errors import BackendError
from .cpu import Cpu, target_machine


class Module:
    """A module of LLVM IR on its way to machine code.

    The nests are written as they shall run, so no optimisation pass but those of the code
    generator is needed.

    Args:
        effort: how LLVM shall make the code, `WELL` or `QUICKLY`.
    """

    def __init__(self, text: str, cpu: Cpu, effort: int) -> None:
        self._given: tuple[Any, ...] = target_machine(cpu, effort), _parsed(text)
        self._buffer: Any = None
        self._trouble = ffi.OutputString()
        self._lock = Lock()
        self._code = b""

    def make(self) -> None:
        """Have LLVM make the code; any thread may.

        It is one call out of Python: a thread that comes back waits until the one that writes text
        lets go of Python, which takes milliseconds.
        """
        with self._lock:
            if self._given and self._buffer is None:
                self._buffer = _emit()(*self._given, 1, self._trouble)

    def code(self) -> bytes:
        """Return the machine code.

        Raises:
            BackendError: LLVM makes none of this module.
        """
        self.make()
        with self._lock:
            if self._given:
                if not self._buffer:
                    raise BackendError(f"native: LLVM makes no code of a module; {self._trouble}")
                start = ffi.lib.LLVMPY_GetBufferStart(self._buffer)
                self._code = ctypes.string_at(start, ffi.lib.LLVMPY_GetBufferSize(self._buffer))
                ffi.lib.LLVMPY_DisposeMemoryBuffer(self._buffer)
                self._given = ()
        return self._code


def assembly(text: str, cpu: Cpu, effort: int) -> str:
    """Return a module's machine code as assembly text."""
    return str(target_machine(cpu, effort).emit_assembly(_parsed(text)))


def _parsed(text: str) -> llvm.ModuleRef:
    module = llvm.parse_assembly(text, llvm.create_context())
    module.verify()
    return module


@cache
def _emit() -> Any:
    """LLVM's function, without llvmlite's lock."""
    library = ctypes.CDLL(None, handle=ffi.lib._handle)
    emit = library.LLVMPY_TargetMachineEmitToMemory
    locked = ffi.lib.LLVMPY_TargetMachineEmitToMemory
    emit.argtypes, emit.restype = locked.argtypes, locked.restype
    return emit
