"""A graph as it was recorded, and what the passes make of it once that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from ..graph.graph import Graph
from .measured import Stopwatch


@dataclass(frozen=True)
class Recorded:
    """What a backend compiles.

    Attributes:
        graph: as recorded, composites included.
        passes: makes a graph of primitive ops of it, with the same inputs and state.
        options: what decides, besides ``graph``, what the passes make.
        watch: is told how long they took.
    """

    graph: Graph
    passes: Callable[[Graph], Graph]
    options: str = ""
    watch: Stopwatch = field(default_factory=Stopwatch)

    @cached_property
    def optimized(self) -> Graph:
        """The graph after the passes."""
        with self.watch("passes"):
            return self.passes(self.graph)

    @staticmethod
    def already(optimized: Graph) -> Recorded:
        """Return a graph of primitive ops as what needs no passes."""
        return Recorded(optimized, lambda graph: graph)
