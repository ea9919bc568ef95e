"""The native backend: graph --> loop IR --> LLVM --> one call.

roots       which values are stored, which are computed where they are used
recipe      how one root's elements are computed, as an expression over loop variables
groups      which roots share loops, which loops share a pass over the rows
memory      where values live
lower       all of this together: the graph as a program of the loop IR (`ir`)
schedule    vectors and register blocks for each set of loops
emit        loop IR to LLVM IR, `mathlib` for exp and its like
threads     the workers that run the machine code
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.graph import Graph
from .program import NativeExecutable


def compile(graph: Graph, state: Sequence[np.ndarray]) -> NativeExecutable:
    """Return machine code for ``graph``."""
    return NativeExecutable(graph, state)
