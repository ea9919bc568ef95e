"""A loop-IR program as the text of one LLVM module.

    run(table, thread, threads, gate)   all threads enter together; a barrier between levels
    alone(table)                        the same for one thread
    phase_p_q(table, thread, threads)   the chunks of this thread, in order
    nest_n(lo, chunk, table, bases)     see `nest.py`; one function for all nests that do the same

Thread t of T takes the chunks [t*S/T, (t+1)*S/T) of S: contiguous memory, and nearly the same
from phase to phase, so that a chunk tends to find its data in its core's cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import ir
from .cpu import Cpu
from .nest import Function, Rows, emit_nest
from .schedule import schedule
from .threads import BARRIER

_RUN = "define void @run(ptr %table, i64 %thread, i64 %threads, ptr %gate) #0 {"
_ALONE = """\
define void @alone(ptr %table) #0 {
  call void @run(ptr %table, i64 0, i64 1, ptr null)
  ret void
}
"""


@dataclass(frozen=True)
class Module:
    """A program as LLVM IR.

    Attributes:
        cycles: estimate of the work that threads can share, in cycles of one thread.
        barriers: how often the threads meet.
    """

    text: str
    cycles: float
    barriers: int


def emit_program(program: ir.Program, cpu: Cpu) -> Module:
    """Return the module of a program."""
    return _ModuleEmitter(cpu).module(program)


@dataclass
class _ModuleEmitter:
    cpu: Cpu
    parts: list[str] = field(default_factory=lambda: [BARRIER])
    cycles: float = 0.0
    names: dict[str, str] = field(default_factory=dict)  # of the nest functions, by their text

    def module(self, program: ir.Program) -> Module:
        body: list[str] = []
        barriers = 0
        first = True  # whether only the first thread has worked since the last barrier
        for number, level in enumerate(program.levels):
            alone = all(_single(phase) for phase in level)
            if number and not (alone and first):
                body.append("  call void @barrier(ptr %gate, i64 %threads)")
                barriers += 1
            first = alone
            for index, phase in enumerate(level):
                name = f"phase_{number}_{index}"
                self._phase(phase, name)
                body.append(f"  call void @{name}(ptr %table, i64 %thread, i64 %threads)")
        self.parts += [_RUN, *body, "  ret void", "}", "", _ALONE, _attributes(self.cpu)]
        return Module("\n".join(self.parts), self.cycles, barriers)

    def _phase(self, phase: ir.Phase, name: str) -> None:
        extent = phase.rows.extent if phase.rows else 1
        chunks, size = phase.chunk.extent, min(phase.chunk_size, extent)
        last = extent - (chunks - 1) * size
        bases: dict[tuple[int, int], str] = {}
        calls = {
            count: [self._call(nest, phase, count, chunks, bases) for nest in phase.nests]
            for count in sorted({size, last})
        }
        head = f"define internal void @{name}(ptr %table, i64 %thread, i64 %threads) noinline #0 {{"
        pointers = _pointers(bases)
        if _single(phase):
            self.parts += [head, *_on_first_thread(pointers, calls[last] if chunks else []), ""]
        else:
            self.parts += [
                head,
                *_over_chunks(chunks, size, pointers, calls[size], calls[last]),
                "",
            ]

    def _call(
        self,
        nest: ir.Nest,
        phase: ir.Phase,
        count: int,
        chunks: int,
        bases: dict[tuple[int, int], str],
    ) -> str:
        """Emit a nest for chunks of ``count`` rows; return the call."""
        nest = schedule(nest, phase, self.cpu, count)
        if nest.schedule and not _single(phase) and count == phase.chunk_size:
            self.cycles += chunks * nest.schedule.cycles
        function = emit_nest(nest, phase.chunk, Rows(phase.rows, count, phase.chunk_size))
        arguments = [bases.setdefault(b, f"%base{len(bases)}") for b in function.bases]
        pointers = "".join(f", ptr {a}" for a in arguments)
        return (
            f"  call void @{self._name(function, nest)}(i64 %lo, i64 %chunk, ptr %table{pointers})"
        )

    def _name(self, function: Function, nest: ir.Nest) -> str:
        name = self.names.get(function.text)
        if name is None:
            name = self.names[function.text] = f"nest_{len(self.names)}"
            label = " ".join(nest.label.split())
            self.parts.append(f"; {label}\ndefine internal void @{name}{function.text}")
        return name


def _attributes(cpu: Cpu) -> str:
    bits = 8 * cpu.vector_bytes
    return (
        f'attributes #0 = {{ nounwind "prefer-vector-width"="{bits}" '
        f'"min-legal-vector-width"="{bits}" "no-trapping-math"="true" }}'
    )


def _single(phase: ir.Phase) -> bool:
    """Whether one thread does the whole phase."""
    return phase.rows is None or phase.chunk.extent <= 1


def _pointers(bases: dict[tuple[int, int], str]) -> list[str]:
    """Instructions that find the buffers of a phase."""
    lines = []
    for (slot, offset), name in bases.items():
        lines += [
            f"  {name}.slot = getelementptr ptr, ptr %table, i64 {slot}",
            f"  {name}.start = load ptr, ptr {name}.slot, align 8",
            f"  {name} = getelementptr i8, ptr {name}.start, i64 {offset}",
        ]
    return lines


def _on_first_thread(pointers: list[str], calls: list[str]) -> list[str]:
    return [
        "entry:",
        "  %first = icmp eq i64 %thread, 0",
        "  br i1 %first, label %work, label %done",
        "work:",
        "  %lo = add i64 0, 0",
        "  %chunk = add i64 0, 0",
        *pointers,
        *calls,
        "  br label %done",
        "done:",
        "  ret void",
        "}",
    ]


def _over_chunks(
    chunks: int, size: int, pointers: list[str], full: list[str], last: list[str]
) -> list[str]:
    """Loop over this thread's chunks; the last chunk of all may be a shorter variant."""
    lines = [
        "entry:",
        *pointers,
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
