"""What one core of this machine can do at best, measured."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache

import llvmlite.binding as llvm
import numpy as np

from ..measured import Peaks
from .cpu import host, target_machine

CHAINS, UNROLL = 12, 4  # independent accumulators, and steps per turn
SECONDS = 0.05  # per figure
CACHED, MEMORY = 200_000, 32_000_000  # bytes copied, each read once and written once


@cache
def peaks() -> Peaks:
    """Return the peaks of one core; measured once in a process, which takes 0.2 seconds."""
    return Peaks(fma_peak(), copy_peak(CACHED), copy_peak(MEMORY))


def best(run: Callable[[], object], clock: Callable[[], float], seconds: float = SECONDS) -> float:
    """Return the seconds of the fastest of many short runs."""
    run()
    start = clock()
    run()
    turns = max(1, int(0.003 / max(clock() - start, 1e-7)))
    found: list[float] = []
    begin = time.perf_counter()
    while not found or time.perf_counter() - begin < seconds:
        start = clock()
        for _ in range(turns):
            run()
        found.append((clock() - start) / turns)
    return min(found)


def fma_peak() -> float:
    """Return the FLOP/s of one core on float32 in registers, a multiply-add counted twice."""
    lanes = host().vector_bytes // 4
    vector = f"<{lanes} x float>"
    chains = [f"%a{c}" for c in range(CHAINS)]
    lines = [
        "define void @peak(ptr %x, i64 %n) #0 {",
        "entry:",
        f"  %v = load {vector}, ptr %x, align 4",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
    ]
    lines += [f"  {c}.0 = phi {vector} [ %v, %entry ], [ {c}.{UNROLL}, %loop ]" for c in chains]
    for step in range(UNROLL):
        lines += [
            f"  {c}.{step + 1} = call {vector} @llvm.fma.v{lanes}f32"
            f"({vector} {c}.{step}, {vector} %v, {vector} %v)"
            for c in chains
        ]
    lines += [
        "  %next = add i64 %i, 1",
        "  %more = icmp slt i64 %next, %n",
        "  br i1 %more, label %loop, label %done",
        "done:",
    ]
    total = f"{chains[0]}.{UNROLL}"
    for number, c in enumerate(chains[1:]):
        lines.append(f"  %t{number} = fadd {vector} {total}, {c}.{UNROLL}")
        total = f"%t{number}"
    bits = 8 * host().vector_bytes
    attributes = f'"prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'
    lines += [f"  store {vector} {total}, ptr %x, align 4", "  ret void", "}"]
    lines.append(f"attributes #0 = {{ {attributes} }}")
    engine = llvm.create_mcjit_compiler(
        llvm.parse_assembly("\n".join(lines)), target_machine(host())
    )
    engine.finalize_object()
    types = (None, ctypes.c_void_p, ctypes.c_int64)
    peak = ctypes.CFUNCTYPE(*types)(engine.get_function_address("peak"))
    data, turns = np.zeros(64, np.float32), 5000
    seconds = best(lambda: peak(data.ctypes.data, turns), time.thread_time)
    return turns * CHAINS * UNROLL * lanes * 2 / seconds


def copy_peak(size: int) -> float:
    """Return the bytes read and written per second by NumPy's copy of so many bytes."""
    source, target = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    return 2 * size / best(lambda: np.copyto(target, source), time.thread_time)
