"""A loop-IR program as the text of LLVM modules.

    run(table, thread, threads, gate)   all threads enter together; a barrier between levels
    each(rows, thread, threads, gate)   run for one table after another; see `_EACH`
    alone(table), each_alone(rows)      the same for one thread
    work_n(table, thread, chunk)        nests in order, for one chunk of a phase
    over_chunks(..., work, ...)         claims chunks for a thread and works on each
    first_thread(..., work)             works if it is the first
    nest_n(lo, chunk, table, bases)     see `nest.py`; one function for all nests that do the same

The nests, where the time is spent, make modules of their own. All others, the *frame*, run once
per chunk or less, so LLVM makes their code quickly instead of well; and so it does with nests that
have next to nothing of the program's work, which are many. Each module is given as soon as it is
long enough.

Thread t of T takes the chunks [t*S/T, (t+1)*S/T) of S: contiguous memory, and nearly the same
from phase to phase, so that a chunk tends to find its data in its core's cache. Chunks are
claimed one by one, and a thread that has finished its own takes what is left of others', so
that a thread which another process keeps from running does not hold up the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import prod

from . import ir
from .clock import stamped
from .cpu import QUICKLY, WELL, Cpu
from .likeness import likeness
from .nest import Function, Rows, emit_nest
from .schedule import schedule
from .threads import BARRIER, CLAIMED_PHASES, claims_of

PIECE = 75_000  # characters that make a module
_LITTLE = 1e-5  # cycles per point of the program's loops: a nest's share of 1 in some 20,000
_WHO = "ptr %table, i64 %thread, i64 %threads, ptr %gate"
_SHARED = "ptr %work, i64 %chunks, i64 %most, i64 %phase"
_RUN = f"define void @run({_WHO}) #0 {{"
_ALONE = """\
define void @alone(ptr %table) #0 {
  call void @run(ptr %table, i64 0, i64 1, ptr null)
  ret void
}

define void @each_alone(ptr %rows) #0 {
  call void @each(ptr %rows, i64 0, i64 1, ptr null)
  ret void
}
"""
# Rows: their count, the bytes from one table to the next, the tables.
_EACH = """\
define void @each(ptr %rows, i64 %thread, i64 %threads, ptr %gate) #0 {
entry:
  %count = load i64, ptr %rows, align 8
  %stride.at = getelementptr i64, ptr %rows, i64 1
  %stride = load i64, ptr %stride.at, align 8
  %first = getelementptr i64, ptr %rows, i64 2
  br label %row
row:
  %table = phi ptr [ %first, %entry ], [ %next, %again ]
  %number = phi i64 [ 1, %entry ], [ %following, %again ]
  call void @run(ptr %table, i64 %thread, i64 %threads, ptr %gate)
  %more = icmp ult i64 %number, %count
  br i1 %more, label %again, label %done
again:
  call void @barrier(ptr %gate, i64 %threads)
  %next = getelementptr i8, ptr %table, i64 %stride
  %following = add i64 %number, 1
  br label %row
done:
  ret void
}
"""
# A thread claims its own chunks, then those left of the thread after it, and so on; threads beyond
# the first ``most`` have none. One that is alone counts for itself, and so does each in a phase
# whose chunks cannot be claimed, which has the number -1.
_PHASES = f"""\
define internal void @first_thread({_WHO}, ptr %work) noinline #0 {{
entry:
  %first = icmp eq i64 %thread, 0
  br i1 %first, label %work.it, label %done
work.it:
  call void %work(ptr %table, i64 0, i64 0)
  br label %done
done:
  ret void
}}

define internal void @over_chunks({_WHO}, {_SHARED}) noinline #0 {{
entry:
  %fewer = icmp ult i64 %threads, %most
  %workers = select i1 %fewer, i64 %threads, i64 %most
  %together = icmp ugt i64 %workers, 1
  %claimed.phase = icmp sge i64 %phase, 0
  %several = and i1 %together, %claimed.phase
  %owners = select i1 %several, i64 %workers, i64 1
  %working = icmp ult i64 %thread, %workers
  br i1 %working, label %share, label %done
share:
  %turn = phi i64 [ 0, %entry ], [ %following, %shared ]
  %sum = add i64 %thread, %turn
  %owner = urem i64 %sum, %workers
  %before = mul i64 %owner, %chunks
  %through = add i64 %before, %chunks
  %start = udiv i64 %before, %workers
  %stop = udiv i64 %through, %workers
{claims_of("%claims", "%owner", "%phase")}
  br label %claim
claim:
  %counted = phi i64 [ 0, %share ], [ %count, %work.it ]
  br i1 %several, label %ask, label %take
ask:
  %asked = atomicrmw add ptr %claims, i64 1 monotonic
  br label %take
take:
  %claimed = phi i64 [ %counted, %claim ], [ %asked, %ask ]
  %count = add i64 %counted, 1
  %chunk = add i64 %start, %claimed
  %mine = icmp ult i64 %chunk, %stop
  br i1 %mine, label %work.it, label %shared
work.it:
  call void %work(ptr %table, i64 %thread, i64 %chunk)
  br label %claim
shared:
  %following = add i64 %turn, 1
  %again = icmp ult i64 %following, %owners
  br i1 %again, label %share, label %done
done:
  ret void
}}
"""


@dataclass(frozen=True)
class Written:
    """What is known of a program that was written as LLVM IR.

    Attributes:
        cycles: estimate of the work that threads can share, in cycles of one thread.
        barriers: how often the threads meet.
        nests: the name of the function of each nest, in the order of the program; of that for
            whole chunks where there is one for the shorter last chunk too.
        stamps: how many there are in one run.
    """

    cycles: float
    barriers: int
    nests: tuple[str, ...]
    stamps: int


def emit_program(
    program: ir.Program, cpu: Cpu, give: Callable[[str, int], object], record: int | None = None
) -> Written:
    """Write a program as modules that call one another's functions.

    Args:
        give: called with the text of each module as soon as it is complete, and with how
            LLVM shall make its code (`WELL` or `QUICKLY`); the last has the entries.
        record: the slot of memory where the program leaves a stamp per nest and chunk (see
            `clock`), nests in the order of the program, chunks in theirs; none unless given.
    """
    return _ModuleEmitter(cpu, give, record).module(program)


@dataclass(frozen=True)
class _Made:
    """A function that was emitted: its pointers, as numbers of a nest's places, and the cycles
    that one call takes."""

    name: str
    bases: tuple[int, ...]
    cycles: float


@dataclass
class _Piece:
    """Functions that wait to be given as a module.

    Attributes:
        effort: how LLVM shall make their code.
        called: functions that they call, by name.
    """

    effort: int
    functions: list[str] = field(default_factory=list)
    called: dict[str, str] = field(default_factory=dict)


@dataclass
class _Serial:
    """Calls of nests that the first thread makes, one after another, without a barrier."""

    bases: dict[ir.Home, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)


@dataclass
class _ModuleEmitter:
    cpu: Cpu
    give: Callable[[str, int], object]
    record: int | None
    stamps: int = 0
    cycles: float = 0.0
    little: float = 0.0  # cycles below which a nest has next to nothing of the work
    works: list[str] = field(default_factory=list)  # declared
    serial: _Serial = field(default_factory=_Serial)
    made: dict[Hashable, _Made] = field(default_factory=dict)  # by what a nest does
    names: dict[str, str] = field(default_factory=dict)  # of the nest functions, by their text
    nests: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)  # the nests
    well: _Piece = field(default_factory=lambda: _Piece(WELL))  # nests
    quickly: _Piece = field(default_factory=lambda: _Piece(QUICKLY))  # nests of little work
    frame: _Piece = field(default_factory=lambda: _Piece(QUICKLY))

    def module(self, program: ir.Program) -> Written:
        self.little = _LITTLE * _points(program)
        body: list[str] = []
        barriers = 0
        first = True  # whether only the first thread has worked since the last barrier
        for number, level in enumerate(program.levels):
            alone = all(_single(phase) for phase in level)
            if number and not (alone and first):
                body += self._serial()
                body.append("  call void @barrier(ptr %gate, i64 %threads)")
                barriers += 1
            first = alone
            shared: list[str] = []
            for index, phase in enumerate(level):
                shared += self._phase(phase, index)
            if shared:  # the first thread's own work comes before what others can help with
                body += [*self._serial(), *shared]
        body += self._serial()
        for piece in (self.well, self.quickly, self.frame):
            self._give(piece)
        entries = [_RUN, *body, "  ret void", "}", "", _EACH, _ALONE]
        last = [BARRIER, _PHASES, *self.works, *entries, _attributes(self.cpu)]
        self.give("\n".join(last), QUICKLY)
        return Written(self.cycles, barriers, tuple(self.nests), self.stamps)

    def _phase(self, phase: ir.Phase, index: int) -> list[str]:
        """Emit the nests of a phase, which has this number in its level; return the instruction
        that has threads share it, or note it as the first thread's own."""
        extent = phase.rows.extent if phase.rows else 1
        chunks, size = phase.chunk.extent, min(phase.chunk_size, extent)
        last = extent - (chunks - 1) * size
        bases = self.serial.bases if _single(phase) else {}
        names: list[str] = []
        calls: dict[int, list[str]] = {}
        for count in sorted({last, size}):
            named = [self._call(nest, phase, count, chunks, bases) for nest in phase.nests]
            names = [name for name, _ in named]
            calls[count] = self._stamped([call for _, call in named], count, chunks, bases)
        self.nests += names
        self.stamps += chunks * len(phase.nests)
        if _single(phase):
            self.serial.calls += calls[last] if chunks else []
            return []
        name = self._work(_one_chunk(chunks, size, _pointers(bases), calls[size], calls[last]))
        most = min([chunks, *[s.blocks for _, _, s in bases if s]])
        claimed = index if index < CLAIMED_PHASES else -1
        numbers = f"i64 {chunks}, i64 {most}, i64 {claimed}"
        return [f"  call void @over_chunks({_WHO}, ptr @{name}, {numbers})"]

    def _serial(self) -> list[str]:
        """The instruction that has the first thread do what was noted as its own."""
        serial, self.serial = self.serial, _Serial()
        if not serial.calls:
            return []
        name = self._work(_one_chunk(1, 1, _pointers(serial.bases), serial.calls, serial.calls))
        return [f"  call void @first_thread({_WHO}, ptr @{name})"]

    def _work(self, lines: list[str]) -> str:
        """Emit a function of the frame; return its name."""
        name = f"work_{len(self.works)}"
        head = f"void @{name}(ptr %table, i64 %thread, i64 %chunk)"
        self.works.append(f"declare {head}")
        self._add(self.frame, "\n".join([f"define {head} noinline #0 {{", *lines]))
        return name

    def _call(
        self,
        nest: ir.Nest,
        phase: ir.Phase,
        count: int,
        chunks: int,
        bases: dict[ir.Home, str],
    ) -> tuple[str, str]:
        """Emit a nest for chunks of ``count`` rows; return its name and the call."""
        like = likeness(nest, phase, count)
        made = self.made.get(like.key)
        if made is None:
            made = self.made[like.key] = self._emit(nest, phase, count, like.places)
        if not _single(phase) and count == phase.chunk_size:
            self.cycles += chunks * made.cycles
        places = [like.places[k] for k in made.bases]
        arguments = [bases.setdefault(at, f"%base{len(bases)}") for at in places]
        pointers = "".join(f", ptr {a}" for a in arguments)
        return made.name, f"  call void @{made.name}(i64 %lo, i64 %chunk, ptr %table{pointers})"

    def _emit(
        self, nest: ir.Nest, phase: ir.Phase, count: int, places: tuple[ir.Home, ...]
    ) -> _Made:
        nest = schedule(nest, phase, self.cpu, count)
        rows = Rows(phase.rows_of(nest), count, phase.chunk_size, phase.tile_of(nest))
        function = emit_nest(nest, phase.chunk, rows, self.cpu)
        bases = tuple(places.index(at) for at in function.bases)
        cycles = nest.schedule.cycles if nest.schedule else 0.0
        calls = 1 if _single(phase) else phase.chunk.extent
        piece = self.quickly if calls * cycles < self.little else self.well
        return _Made(self._name(function, nest, piece), bases, cycles)

    def _stamped(
        self, calls: list[str], count: int, chunks: int, bases: dict[ir.Home, str]
    ) -> list[str]:
        """The calls, with stamps where they are wanted."""
        if self.record is None:
            return calls
        memory = bases.setdefault((self.record, 0, None), f"%base{len(bases)}")
        first = [self.stamps + k * chunks for k in range(len(calls))]
        return [
            stamped(call, memory, at, f"stamp{at}.{count}")
            for at, call in zip(first, calls, strict=True)
        ]

    def _name(self, function: Function, nest: ir.Nest, piece: _Piece) -> str:
        name = self.names.get(function.text)
        if name is None:
            name = self.names[function.text] = f"nest_{len(self.names)}"
            label = " ".join(f"{nest.label} {nest.layer}".split())
            pointers = ", ptr" * len(function.bases)
            self.declared.append(f"declare void @{name}(i64, i64, ptr{pointers})")
            piece.called.update(function.functions)
            self._add(piece, f"; {label}\ndefine void @{name}{function.text}")
        return name

    def _add(self, piece: _Piece, function: str) -> None:
        piece.functions.append(function)
        if sum(map(len, piece.functions)) > PIECE:
            self._give(piece)

    def _give(self, piece: _Piece) -> None:
        """Give the functions at hand as a module."""
        if piece.functions:
            called = self.declared if piece is self.frame else piece.called.values()
            self.give("\n".join([*called, *piece.functions, _attributes(self.cpu)]), piece.effort)
            piece.functions, piece.called = [], {}


def _attributes(cpu: Cpu) -> str:
    bits = 8 * cpu.vector_bytes
    return (
        f'attributes #0 = {{ nounwind "prefer-vector-width"="{bits}" '
        f'"min-legal-vector-width"="{bits}" "no-trapping-math"="true" }}'
    )


def _points(program: ir.Program) -> int:
    """How many points the loops of a program visit."""
    nests = (n for level in program.levels for phase in level for n in phase.nests)
    return sum(prod(a.extent for a in nest.axes + nest.over) for nest in nests)


def _single(phase: ir.Phase) -> bool:
    """Whether one thread does the whole phase."""
    return phase.rows is None or phase.chunk.extent <= 1


def _pointers(bases: dict[ir.Home, str]) -> list[str]:
    """Instructions that find buffers.

    Of memory for the rows of a chunk, the first row of all would stand so far before the thread's
    block that row ``%lo`` stands at its start."""
    lines = []
    for slot in dict.fromkeys(slot for slot, _, _ in bases):
        lines += [
            f"  %slot{slot} = getelementptr ptr, ptr %table, i64 {slot}",
            f"  %memory{slot} = load ptr, ptr %slot{slot}, align 8",
        ]
    for (slot, offset, scratch), name in bases.items():
        found = f"{name}.all" if scratch else name
        lines.append(f"  {found} = getelementptr i8, ptr %memory{slot}, i64 {offset}")
        if scratch:
            lines += [
                f"  {name}.block = mul i64 %thread, {scratch.block}",
                f"  {name}.row = mul i64 %lo, {scratch.row}",
                f"  {name}.by = sub i64 {name}.block, {name}.row",
                f"  {name} = getelementptr i8, ptr {name}.all, i64 {name}.by",
            ]
    return lines


def _one_chunk(
    chunks: int, size: int, pointers: list[str], full: list[str], last: list[str]
) -> list[str]:
    """The work on ``%chunk``; the last chunk of all may be a shorter variant."""
    lines = ["entry:", f"  %lo = mul i64 %chunk, {size}", *pointers]
    end = ["  ret void", "}", ""]
    if full == last:
        return [*lines, *full, *end]
    return [
        *lines,
        f"  %ragged = icmp eq i64 %chunk, {chunks - 1}",
        "  br i1 %ragged, label %last, label %full",
        "full:",
        *full,
        "  ret void",
        "last:",
        *last,
        *end,
    ]
