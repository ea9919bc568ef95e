"""The native backend: graph --> loop IR --> LLVM --> one call.

From the graph to loops, by `lower`:

    arrange     which values lie in memory in another order than row by row
    filling     whether images or channels go into the lanes of contractions
    parts       long sums over images, one tile of them at a time
    layout      where an element lies, and the order of the loops
    border      zeros around a value
    roots       which values are stored, which are computed where they are used
    vocabulary  the words of scalar rules, spoken in loop IR
    recipe      how one root's elements are computed, as an expression over loop variables
    spans       loops over taps that leave out zeros around images
    cookbook    recipes, worked out once for roots that are alike
    groups      which roots share loops, which loops share a pass over the rows
    slices      long sums of products, a slice after another
    bands       triangles: loops that leave out what lies beyond a diagonal
    memory      where values live

The loops themselves:

    ir          the language; its grammar and its meaning
    interpret   the meaning, carried out slowly, for tests
    show        loops as text

From loops to machine code, by `emit`:

    substitute  indices in the place of axes
    likeness    which nests do the same to different memory
    collapse    axes that memory does not tell apart, joined
    work        what a nest loads and computes per step
    schedule    the vector axis and the register blocks of a nest
    estimate    how long a nest takes under a schedule, in cycles
    nest        the loops of one nest
    reduce      accumulators, and their sums across lanes
    nodes       expressions with equal parts merged
    place       where the loops stand: which axes are bound, in which lanes
    expr        expressions at such a place
    access      loads and stores: vectors, masks, shuffles, gathers
    ops         one scalar operation
    mathlib     exp, log, tanh and their like
    waves       sin and cos
    erf         the error function
    power       x to the power y
    halves      float16 and bfloat16 from and to float32
    text        LLVM IR, written

Running it:

    cpu         what this processor can do
    codegen     machine code of modules, several at once
    executable  machine code in memory
    threads     the workers that run it
    plan        all that running a graph takes, made or kept from before
    store       files of machine code between processes
    program     a graph with its memory and its code, behind one call

Looking at it:

    clock       stamps of the processor's clock around nests
    measure     runs of a copy that leaves stamps
    count       operations and bytes of a nest, lives of values
    peaks       what one core can do
    listing     loops, LLVM IR and assembly, whole or by kernel
"""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.storage import Storage
from ..recorded import Recorded
from .program import NativeExecutable

FEWER_PRODUCTS = True


def compile(recorded: Recorded, state: Sequence[Storage]) -> NativeExecutable:
    """Return machine code for a graph."""
    return NativeExecutable(recorded, state)
