"""The loop IR: what stands between the graph and LLVM.

    Program := Level* HostCall*    a barrier stands between two levels
    Level   := Phase*              phases of one level do not read one another's results
    Phase   := rows chunk Nest*    parallel over fixed chunks of the axis `rows`; for each
                                   chunk the nests run in order
    Nest    := axes over Accum* Store* Span* schedule tiles
    Accum   := name combine Expr   combine: add | max | argmax | nanmax | nanmin
    Store   := Buffer Index Expr   plain, or combined with what stands there: add | max;
                                   or aside, for who looks on
    Expr    := Const | Iota(Index) | Load(Buffer, Index, where, other) | Call(op, Expr*) | Acc(name)
    Span    := axis over step pace first length
    Index   := sum(coefficient * axis) + constant + sum(coefficient * Expr)
    Buffer  := name dtype size slot offset scratch
    HostCall := node level Window* Window     carried out after the loops of its level
    Window  := Buffer shape

The meaning of a nest is the same whatever its schedule says:

    for every point of `axes`:
        every accumulator starts at the neutral element of its `combine`
        for every point of `over`:  accumulator = combine(accumulator, expr)
        every store is carried out, in order; Acc(name) reads an accumulator

A matrix product, a convolution and its gradients, a row sum, a maximum and a chain of
elementwise operations are all nests; the schedule (see `schedule.py`) says how one is
blocked into registers and vectors, and may be changed without changing the meaning.
`interpret.py` runs the meaning, slowly; `emit.py` writes LLVM IR for it.

The axis `rows` of a phase stands for the rows of one chunk, [chunk * size, min(end)), and
the axis `chunk` for the chunk's number. A nest has `rows` among its `axes` (each row is
independent of all others), or an axis that counts tiles of them, or has `rows` in its `over`
(a partial result per chunk, stored at an index that contains the axis `chunk`). The chunks are
fixed by the program, never by the number of threads, and so are the bits of every sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ...graph.graph import Node
from ...graph.types import DType, Shape, bool_, int64


# Axes and indices are made, compared and looked up most of all: as tuples that takes least.
class Axis(NamedTuple):
    """A loop variable that runs from 0 to ``extent`` (exclusive)."""

    name: str
    extent: int

    def __str__(self) -> str:
        return self.name


STACK = -1  # the slot of memory on the stack of a nest's function


@dataclass(frozen=True)
class Scratch:
    """Memory for the rows of one chunk at a time, which every thread has for itself.

    Attributes:
        row: bytes of a row.
        block: bytes from one thread's memory to the next one's.
        blocks: how many threads there is memory for.
    """

    row: int
    block: int
    blocks: int


@dataclass(frozen=True)
class Buffer:
    """Memory: ``size`` elements, ``offset`` bytes after the pointer in table slot ``slot``.

    The element type `bool` is stored as one byte, 0 or 1. Pointers are aligned to the
    element size at least, arena buffers to 64 bytes. With ``scratch`` only the rows of the
    current chunk are there; an index counts from the first of all rows all the same.
    """

    name: str
    dtype: DType
    size: int
    slot: int
    offset: int = 0
    scratch: Scratch | None = None

    @property
    def home(self) -> Home:
        """What tells it from other memory of a phase."""
        return self.slot, self.offset, self.scratch

    def __str__(self) -> str:
        return self.name


Home = tuple[int, int, Scratch | None]  # slot, offset, scratch


class Index(NamedTuple):
    """An integer (int64) that is affine in the axes, plus multiples of loaded integers."""

    terms: tuple[tuple[Axis, int], ...] = ()
    constant: int = 0
    loaded: tuple[tuple[Expr, int], ...] = ()

    def coefficient(self, axis: Axis) -> int:
        """How far the index moves when ``axis`` moves by one (loaded parts aside)."""
        return next((c for a, c in self.terms if a == axis), 0)


@dataclass(frozen=True)
class Const:
    value: float | int | bool
    dtype: DType


@dataclass(frozen=True)
class Iota:
    """The value of an index as an int64 number."""

    index: Index
    dtype: DType = int64


@dataclass(frozen=True)
class Load:
    """``buffer[index]`` where the boolean ``where`` holds, else ``other``; nothing is read then."""

    buffer: Buffer
    index: Index
    where: Expr | None = None
    other: float | int | bool = 0

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype


@dataclass(frozen=True, eq=False)
class Call:
    """A scalar operation; `OPS` lists the names. ``dtype`` is that of the result.

    Two calls are equal when they are the same object: expressions share their parts, and
    comparing (or hashing) by value would visit a shared part once per path to it.
    """

    op: str
    args: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True)
class Acc:
    """The final value of an accumulator, to be read by the stores of its nest."""

    name: str
    dtype: DType


Expr = Const | Iota | Load | Call | Acc

# maximum and minimum hand on NaN as NumPy does; shr is logical
OPS = frozenset(
    {
        *("add", "sub", "mul", "div", "fma", "neg", "abs", "maximum", "minimum"),
        *("floordiv", "mod"),
        *("floor", "round", "pow", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "tanh"),
        *("sigmoid", "sin", "cos", "erf"),
        *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "not", "shl", "shr"),
        *("where", "choose", "cast"),
    }
)


@dataclass(frozen=True)
class Accum:
    """One reduction. ``argmax`` yields the int64 position of the first maximum, counted
    row-major over the axes ``over`` of the nest; NaN counts as the maximum. ``nanmax`` and
    ``nanmin`` pass over NaN, which takes a third of the instructions of ``max``."""

    name: str
    combine: str
    expr: Expr

    @property
    def dtype(self) -> DType:
        return int64 if self.combine == "argmax" else self.expr.dtype


@dataclass(frozen=True)
class Store:
    """``aside``: the schedule does not reckon with it, so that the bits of sums are those of
    the nest without it."""

    buffer: Buffer
    index: Index
    expr: Expr
    combine: str = ""
    aside: bool = False


@dataclass(frozen=True)
class Span:
    """All terms of ``axis``, one of the nest's `axes`, and ``over``, one of its `over`, are 0 but
    where ``step * axis + pace * over + first`` is from 0 to ``length`` - 1; ``pace`` is 1 or -1.
    Loops need not visit them (see `spans`), and find zeros if they do."""

    axis: Axis
    over: Axis
    step: int
    pace: int
    first: int
    length: int


@dataclass(frozen=True)
class Schedule:
    """How a nest runs: which axis is in the vector lanes and which are blocked in registers.

    Attributes:
        vector: the axis across the lanes; one of ``axes`` (lanes are results) or of
            ``over`` (lanes are partial sums, added up at the end); None runs scalars.
        lanes: lanes of one vector.
        block: points of an axis that are in registers at once; for the vector axis the number
            of vectors. Each point of the block has its own accumulators; those of a blocked
            axis of ``over`` are partial results, combined at the end.
        unroll: points of an axis of ``over`` that are taken at once and share accumulators.
        order: the loops, outermost first: all ``axes``, then all ``over``.
        columns: where the vector axis is one of ``over``, the blocked axis along which the
            results of a block are put together to vectors again; None stores scalars.
        turned: the axis along which the stores of a map lie side by side, where what it loads does
            so along the vector axis: squares of vectors are turned in registers.
        panel: copy what the vectors of a product read for each block of the vector axis, see
            `panel.py`.
        paired: evaluate the stores of two vectors of a block at once.
        strips: the axis of results along which the other factor lies, if it is copied too.
        cycles: estimate of how long one call takes, in cycles.
    """

    vector: Axis | None = None
    lanes: int = 1
    block: tuple[tuple[Axis, int], ...] = ()
    unroll: tuple[tuple[Axis, int], ...] = ()
    order: tuple[Axis, ...] = ()
    columns: Axis | None = None
    turned: Axis | None = None
    panel: bool = False
    paired: bool = False
    strips: Axis | None = None
    cycles: float = 0.0


@dataclass(frozen=True)
class Nest:
    """One set of loops; ``label`` names the ops it computes, ``layer`` says where in the model,
    ``source`` is the user's line; ``tiles`` is the axis that counts tiles of the phase's rows, if
    it is not these themselves that the nest goes through."""

    axes: tuple[Axis, ...]
    stores: tuple[Store, ...]
    over: tuple[Axis, ...] = ()
    accums: tuple[Accum, ...] = ()
    schedule: Schedule | None = None
    label: str = ""
    layer: str = ""
    source: str = ""
    tiles: Axis | None = None
    spans: tuple[Span, ...] = ()

    def __str__(self) -> str:
        from .show import nest_text

        return nest_text(self)


@dataclass(frozen=True)
class Phase:
    """Nests that share one parallel axis. ``rows`` is None for work that one thread does."""

    nests: tuple[Nest, ...]
    rows: Axis | None = None
    chunk_size: int = 1

    @property
    def chunk(self) -> Axis:
        """The axis that numbers the chunks."""
        return Axis("chunk", -(-self.rows.extent // self.chunk_size) if self.rows else 1)

    def rows_of(self, nest: Nest) -> Axis | None:
        """The axis of a nest that goes through the rows, or through tiles of them."""
        return nest.tiles if self.rows and nest.tiles else self.rows

    def tile_of(self, nest: Nest) -> int:
        """Rows per step of that axis."""
        own = self.rows_of(nest)
        return self.rows.extent // own.extent if self.rows and own and own.extent else 1

    def __str__(self) -> str:
        head = (
            f"rows {self.rows}<{self.rows.extent} by {self.chunk_size}" if self.rows else "serial"
        )
        body = "\n".join(str(n) for n in self.nests)
        return f"{head}\n" + "\n".join(f"  {line}" for line in body.splitlines())


@dataclass(frozen=True)
class Window:
    """A whole buffer, seen as an array."""

    buffer: Buffer
    shape: Shape


@dataclass(frozen=True)
class HostCall:
    """Python at work: ``result`` is filled with what the node's op makes of ``arguments``."""

    node: Node
    arguments: tuple[Window, ...]
    result: Window
    level: int

    def __str__(self) -> str:
        arguments = ", ".join(str(w.buffer) for w in self.arguments)
        return f"host {self.result.buffer} = {self.node.op.name}({arguments})"


@dataclass(frozen=True)
class Program:
    """Loops, and what Python does between them; as a rule nothing. The first ``settled`` levels
    need to run only if state changed since they last did."""

    levels: tuple[tuple[Phase, ...], ...]
    buffers: tuple[Buffer, ...] = field(default=())
    calls: tuple[HostCall, ...] = field(default=())
    settled: int = 0

    def calls_after(self, level: int) -> tuple[HostCall, ...]:
        return tuple(call for call in self.calls if call.level == level)

    def segments(self) -> Iterator[tuple[Program, tuple[HostCall, ...]]]:
        """Yield stretches of loops without Python in between, and the calls that follow each;
        settled loops are a stretch of their own."""
        start = 0
        for level in range(len(self.levels)):
            calls = self.calls_after(level)
            if calls or level + 1 in (self.settled, len(self.levels)):
                loops = tuple(phases for phases in self.levels[start : level + 1] if phases)
                yield Program(loops, self.buffers), calls
                start = level + 1

    def __str__(self) -> str:
        return "\n--- barrier\n".join(
            "\n".join(map(str, (*phases, *self.calls_after(level))))
            for level, phases in enumerate(self.levels)
        )


def conjunction(*conditions: Expr | None) -> Expr | None:
    """Return the ``and`` of the conditions that are not None, or None."""
    result: Expr | None = None
    for condition in conditions:
        if condition is not None:
            result = condition if result is None else Call("and", (result, condition), bool_)
    return result
