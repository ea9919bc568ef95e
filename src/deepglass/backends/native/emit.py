"""A loop-IR program as the text of one LLVM module.

    run(table, thread, threads)     all threads enter together; a barrier between levels
    phase_p(table, thread, threads) the chunks of this thread, in order
    nest_n(lo, chunk, table)        see `nest.py`

Thread t of T takes the chunks [t*S/T, (t+1)*S/T) of S: contiguous memory, and nearly the same
from phase to phase, so that a chunk tends to find its data in its core's cache.
"""

from __future__ import annotations

from . import ir
from .cpu import Cpu
from .nest import Rows, emit_nest
from .schedule import schedule
from .threads import BARRIER


def emit_program(program: ir.Program, cpu: Cpu) -> str:
    """Return the module's text; its entry point is `run`."""
    parts: list[str] = [BARRIER]
    body: list[str] = []
    crossed = True  # whether results of other threads may be waited for
    for number, level in enumerate(program.levels):
        alone = all(_single(phase) for phase in level)
        if number and not (alone and crossed):
            body.append("  call void @barrier(ptr %gate, i64 %threads)")
        crossed = alone
        for index, phase in enumerate(level):
            name = f"phase_{number}_{index}"
            parts += _emit_phase(phase, name, cpu)
            body.append(f"  call void @{name}(ptr %table, i64 %thread, i64 %threads)")
    head = "define void @run(ptr %table, i64 %thread, i64 %threads, ptr %gate) #0 {"
    parts += [head, *body, "  ret void", "}", "", _attributes(cpu)]
    return "\n".join(parts)


def _attributes(cpu: Cpu) -> str:
    bits = 8 * cpu.vector_bytes
    return (
        f'attributes #0 = {{ nounwind "prefer-vector-width"="{bits}" '
        f'"min-legal-vector-width"="{bits}" "no-trapping-math"="true" "denormal-fp-math"="ieee" }}'
    )


def _single(phase: ir.Phase) -> bool:
    """Whether one thread does the whole phase."""
    return phase.rows is None or phase.chunk.extent <= 1


def _emit_phase(phase: ir.Phase, name: str, cpu: Cpu) -> list[str]:
    extent = phase.rows.extent if phase.rows else 1
    chunks, size = phase.chunk.extent, min(phase.chunk_size, extent)
    last = extent - (chunks - 1) * size
    parts: list[str] = []
    calls: dict[int, list[str]] = {}
    for count in {size, last}:
        rows = Rows(phase.rows, count)
        calls[count] = []
        for i, nest in enumerate(phase.nests):
            callee = f"{name}_{i}_{count}"
            label = nest.label.replace("\n", " ")
            parts += [f"; {label}", emit_nest(schedule(nest, phase, cpu, count), phase.chunk, rows, callee)]
            calls[count].append(f"  call void @{callee}(i64 %lo, i64 %chunk, ptr %table)")
    parts.append(f"define internal void @{name}(ptr %table, i64 %thread, i64 %threads) noinline #0 {{")
    if _single(phase):
        parts += _on_first_thread(calls[last] if chunks else [])
    else:
        parts += _over_chunks(chunks, size, calls[size], calls[last])
    return [*parts, ""]


def _on_first_thread(calls: list[str]) -> list[str]:
    return [
        "entry:",
        "  %first = icmp eq i64 %thread, 0",
        "  br i1 %first, label %work, label %done",
        "work:",
        "  %lo = add i64 0, 0",
        "  %chunk = add i64 0, 0",
        *calls,
        "  br label %done",
        "done:",
        "  ret void",
        "}",
    ]


def _over_chunks(chunks: int, size: int, full: list[str], last: list[str]) -> list[str]:
    """Loop over this thread's chunks; the last chunk of all may be a shorter variant."""
    lines = [
        "entry:",
        f"  %before = mul i64 %thread, {chunks}",
        f"  %through = add i64 %before, {chunks}",
        "  %start = udiv i64 %before, %threads",
        "  %stop = udiv i64 %through, %threads",
        "  %any = icmp ult i64 %start, %stop",
        "  br i1 %any, label %loop, label %done",
        "loop:",
        "  %chunk = phi i64 [ %start, %entry ], [ %following, %next ]",
        f"  %lo = mul i64 %chunk, {size}",
    ]
    if full == last:
        lines += [*full, "  br label %next"]
    else:
        lines += [
            f"  %ragged = icmp eq i64 %chunk, {chunks - 1}",
            "  br i1 %ragged, label %last, label %full",
            "full:",
            *full,
            "  br label %next",
            "last:",
            *last,
            "  br label %next",
        ]
    return [
        *lines,
        "next:",
        "  %following = add i64 %chunk, 1",
        "  %more = icmp ult i64 %following, %stop",
        "  br i1 %more, label %loop, label %done",
        "done:",
        "  ret void",
        "}",
    ]
