"""A program as text: its loops, its LLVM IR, its machine code, whole or one nest of it."""

from __future__ import annotations

import re

from ...errors import BackendError
from .codegen import assembly
from .cpu import Cpu, host
from .emit import emit_program
from .ir import Program

LANGUAGES = ("loops", "llvm", "assembly")


def listing(loops: Program, language: str, kernel: int | None) -> str:
    """See `backends.Executable.source`."""
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise BackendError(f"source: a language is one of {known}; got {language!r}. Choose one.")
    if kernel is None:
        if language == "loops":
            return str(loops)
        return "\n".join(text_of(segment, language)[0] for segment, _ in loops.segments())
    kernels = _kernels(loops)
    if not 0 <= kernel < len(kernels):
        raise BackendError(
            f"source: a kernel has a number below {len(kernels)}; got {kernel}. "
            "The report numbers them."
        )
    nest, text = kernels[kernel]
    if language == "loops" or nest is None:
        return text
    for segment, _ in loops.segments():
        text, names = text_of(segment, language)
        if nest < len(names):
            return _function(text, names[nest], language)
        nest -= len(names)
    raise AssertionError(nest)


def text_of(program: Program, language: str, cpu: Cpu | None = None) -> tuple[str, tuple[str, ...]]:
    """Return LLVM IR or assembly of a program, and the name of the function of each nest."""
    cpu, texts = cpu or host(), list[str]()

    def give(text: str, effort: int) -> None:
        texts.append(assembly(text, cpu, effort) if language == "assembly" else text)

    module = emit_program(program, cpu, give)
    return "\n".join(texts), module.nests


def _kernels(loops: Program) -> list[tuple[int | None, str]]:
    """For each kernel its number among the nests (None for a call of the host) and its loops."""
    found: list[tuple[int | None, str]] = []
    nests = 0
    for level, phases in enumerate(loops.levels):
        for nest in (nest for phase in phases for nest in phase.nests):
            found.append((nests, str(nest)))
            nests += 1
        found += [(None, str(call)) for call in loops.calls_after(level)]
    return found


def _function(text: str, name: str, language: str) -> str:
    """The part of a module that is one function."""
    pattern = {
        "llvm": rf"^define [^\n]*@{name}\(.*?^}}$",
        "assembly": rf"^_?{name}:.*?(?=^\.?L?func_end|^\s*\.cfi_endproc)",
    }[language]
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()
