"""The processor's own clock, read in machine code: stamps around the calls of nests."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache

import llvmlite.binding as llvm

from .cpu import host, target_machine

STAMP = 3  # int64 numbers of a stamp: thread, start, stop
_READ = "call i64 @llvm.readcyclecounter()"
_TICKS = f"""\
define i64 @ticks() {{
  %now = {_READ}
  ret i64 %now
}}
"""


def stamped(call: str, record: str, first: int, name: str) -> str:
    """Return the instructions of a call that leaves a stamp.

    Args:
        call: the instruction, in a function that knows ``%thread`` and ``%chunk``.
        record: the SSA name of the memory for stamps.
        first: the number of the stamp of chunk 0; the others follow.
        name: a prefix for SSA names, of which it is the only one.
    """
    lines = [
        f"  %{name}.start = {_READ}",
        call,
        f"  %{name}.stop = {_READ}",
        f"  %{name}.number = add i64 %chunk, {first}",
        f"  %{name}.at = mul i64 %{name}.number, {STAMP}",
    ]
    for k, value in enumerate(("%thread", f"%{name}.start", f"%{name}.stop")):
        lines += [
            f"  %{name}.at{k} = add i64 %{name}.at, {k}",
            f"  %{name}.p{k} = getelementptr i64, ptr {record}, i64 %{name}.at{k}",
            f"  store i64 {value}, ptr %{name}.p{k}, align 8",
        ]
    return "\n".join(lines)


@cache
def _engine() -> llvm.ExecutionEngine:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_TICKS), target_machine(host()))
    engine.finalize_object()
    return engine


def ticks() -> Callable[[], int]:
    """Return the function that reads the clock."""
    return ctypes.CFUNCTYPE(ctypes.c_int64)(_engine().get_function_address("ticks"))


@cache
def seconds_per_tick() -> float:
    """Return how long a tick takes, compared with Python's clock over 20 ms."""
    read = ticks()
    begin, first = time.perf_counter(), read()
    while time.perf_counter() - begin < 0.02:
        pass
    last, end = read(), time.perf_counter()
    return (end - begin) / (last - first)
