"""A program as text: its loops, its LLVM IR, its machine code, whole or one nest of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...errors import BackendError
from .executable import Executable
from .ir import Program

LANGUAGES = ("loops", "llvm", "assembly")


def listing(loops: Program, code: Sequence[Executable], language: str, kernel: int | None) -> str:
    """See `backends.Executable.source`."""
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise BackendError(f"source: a language is one of {known}; got {language!r}. Choose one.")
    if kernel is None:
        return "\n".join([str(loops)] if language == "loops" else _texts(code, language))
    kernels = _kernels(loops)
    if not 0 <= kernel < len(kernels):
        raise BackendError(
            f"source: a kernel has a number below {len(kernels)}; got {kernel}. "
            "The report numbers them."
        )
    nest, text = kernels[kernel]
    if language == "loops" or nest is None:
        return text
    names = [(piece, name) for piece in code for name in piece.nests]
    piece, name = names[nest]
    return _function(_texts([piece], language)[0], name, language)


def _texts(code: Sequence[Executable], language: str) -> list[str]:
    return [c.llvm if language == "llvm" else c.assembly() for c in code]


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
