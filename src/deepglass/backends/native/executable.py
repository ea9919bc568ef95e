"""A program compiled to machine code."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm

from . import ir
from .cpu import Cpu, host, target_machine
from .emit import emit_program


class Executable:
    def __init__(self, program: ir.Program, cpu: Cpu | None = None) -> None:
        self.cpu = cpu or host()
        self.program = program
        self.llvm = emit_program(program, self.cpu)
        machine = target_machine(self.cpu)
        module = llvm.parse_assembly(self.llvm)
        module.verify()
        self._asm = machine.emit_assembly(module)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        address = self._engine.get_function_address("run")
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)(address)

    def run(self, table) -> None:
        self._run(ctypes.addressof(table), 0, 1, None)

    def assembly(self) -> str:
        return self._asm
