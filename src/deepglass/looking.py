"""What a compiled function shows of itself: its graph, its code, and where its time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .backends import Executable
from .backends.measured import Measured
from .backends.perfetto import trace_json
from .backends.report import StepReport
from .errors import DomainError, TraceError
from .files import replace_file
from .graph.graph import Graph
from .graph.types import TensorType
from .taps import Taps

RUNS = 10


class Looked(Protocol):
    """What is looked at: a `program.Program`."""

    @property
    def graph(self) -> Graph: ...
    @property
    def optimized(self) -> Graph: ...
    @property
    def executable(self) -> Executable: ...
    @property
    def chosen(self) -> str: ...
    @property
    def seconds(self) -> Mapping[str, float]: ...
    def prepared(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]: ...
    def readings(self) -> dict[str, Any]: ...


class Looking:
    """The part of a compiled function that looks at its programs.

    `report` and `profile` take the arguments of a call and look at the program for them.
    Without arguments, as everything else here, they look at the one that was called last.
    """

    name: str
    calls: int
    latest: Looked | None
    tapped: Looked | None
    watching: Taps | None

    def _lookup(self, args: Any, kwargs: Any) -> tuple[Looked, list[np.ndarray]]:
        raise NotImplementedError

    def report(self, *args: Any, runs: int = RUNS, **kwargs: Any) -> StepReport:
        """Run a copy of the program with a clock around every kernel, and return what it saw.

        Parameters and other state stay as they are. Without arguments, floats are drawn from
        the normal distribution and integers are 0: times hardly depend on values.

        Args:
            args, kwargs: those of a call.
            runs: how often to run; times are medians.

        Returns:
            a report to print: for each kernel its line, layer, time, GFLOP/s, GB/s and share
            of what one core can do, measured now; and the memory.

        Raises:
            TraceError: no arguments are given, and nothing was called yet.
            DomainError: ``runs`` is below 1.
        """
        program, measured = self._measure(args, kwargs, runs)
        return StepReport(self._title(program), program.chosen, program.seconds, measured)

    def profile(self, path: str | Path, *args: Any, runs: int = RUNS, **kwargs: Any) -> None:
        """Write a trace of some runs, as `report` makes them, to open at ui.perfetto.dev.

        Threads are rows, and every kernel at work on a chunk of its rows is a slice.

        Args:
            path: of the file, JSON.
            args, kwargs: those of a call.
            runs: how many, one after the other.

        Raises:
            TraceError: no arguments are given, and nothing was called yet.
            DomainError: ``runs`` is below 1.
            OSError: the file cannot be written.
        """
        program, measured = self._measure(args, kwargs, runs)
        replace_file(path, trace_json(measured, self._title(program)))

    @property
    def graph(self) -> Graph:
        """What the program called last was recorded as; ``print`` shows it.

        Raises:
            TraceError: nothing was called yet.
        """
        return self._look((), {})[0].graph

    @property
    def optimized(self) -> Graph:
        """What the passes made of `graph`, as the backend was given it.

        Raises:
            TraceError: nothing was called yet.
        """
        return self._look((), {})[0].optimized

    def source(self, language: str = "loops", kernel: int | None = None) -> str:
        """Return the code of the program called last.

        Args:
            language: "loops" (the loop IR), "llvm" or "assembly".
            kernel: one kernel alone, by its number in the report.

        Raises:
            TraceError: nothing was called yet.
            BackendError: the language or the kernel is unknown, or the backend makes no code.
        """
        return self._look((), {})[0].executable.source(language, kernel)

    @property
    def taps(self) -> dict[str, Any]:
        """What the taps found in the last call that they were due in, by name.

        Raises:
            TraceError: there are none, or they were not due yet.
        """
        if self.tapped is None:
            due = f"due every {self.watching.every} calls" if self.watching else "not compiled in"
            raise TraceError(
                f"taps: they are read after a call that they are due in; here they are {due}, and "
                f"{self.calls} calls were made. Pass taps=dg.taps.health(model) to compile."
            )
        return self.tapped.readings()

    def _look(self, args: Any, kwargs: Any) -> tuple[Looked, list[np.ndarray]]:
        if args or kwargs:
            return self._lookup(args, kwargs)
        program = self.latest
        if program is None:
            raise TraceError(
                f"compile: there is something to look at after a call; {self.name} was not "
                "called yet. Call it, or give the arguments of a call."
            )
        rng = np.random.default_rng(0)
        return program, [_any(n.type, rng) for n in program.graph.inputs]

    def _measure(self, args: Any, kwargs: Any, runs: int) -> tuple[Looked, Measured]:
        if runs < 1:
            raise DomainError(f"report: runs is a number from 1 on; got {runs}. Leave it out.")
        program, arrays = self._look(args, kwargs)
        return program, program.executable.measure(program.prepared(arrays), runs)

    def _title(self, program: Looked) -> str:
        given = ", ".join(f"{n.name or 'x'}: {n.type}" for n in program.graph.inputs)
        return f"{self.name}({given})"


def _any(type: TensorType, rng: np.random.Generator) -> np.ndarray:
    if type.dtype.is_float:
        return rng.standard_normal(type.shape).astype(type.dtype.numpy)
    return np.zeros(type.shape, type.dtype.numpy)
