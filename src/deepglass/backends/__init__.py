"""Backends: what turns a graph into something that runs.

A backend is a module with ``compile(recorded, state) -> Executable``; it is imported when it is
first asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from ..errors import BackendError
from ..graph.storage import Storage
from ..graph.trace import warn
from .measured import Measured
from .recorded import Recorded

MODULES = {"reference": ".reference", "native": ".native"}


class Executable(Protocol):
    """A compiled graph.

    Attributes:
        seconds: how long the parts of compiling it took.
        taps: one array per tap of the graph, which every run writes anew.
    """

    @property
    def seconds(self) -> Mapping[str, float]: ...
    @property
    def taps(self) -> Sequence[np.ndarray]: ...

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run once.

        Args:
            inputs: one contiguous array per graph input.

        Returns:
            one fresh array per graph output; state arrays have been updated in place.
        """
        ...

    def each(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run once per row of the inputs, in order.

        Args:
            inputs: one contiguous array per graph input, with an axis of equal length, at
                least 1, in front.

        Returns:
            one fresh array per graph output, with the results of all runs along a first axis.
        """
        ...

    def measure(self, inputs: Sequence[np.ndarray], runs: int) -> Measured:
        """Time a copy of the program, ``runs`` times, on copies of its state.

        Args:
            inputs: one contiguous array per graph input.
        """
        ...

    def source(self, language: str, kernel: int | None = None) -> str:
        """Return the program as text.

        Args:
            language: "loops", "llvm" or "assembly".
            kernel: the number of one kernel, as `Measured` counts them; the whole program
                unless given.

        Raises:
            BackendError: the language or the kernel is unknown.
        """
        ...


class Backend(Protocol):
    """A way to run graphs.

    Attributes:
        FEWER_PRODUCTS: whether it gains from `passes.winograd`.
    """

    FEWER_PRODUCTS: bool

    def compile(self, recorded: Recorded, state: Sequence[Storage]) -> Executable:
        """Return an executable for a graph.

        Args:
            recorded: the graph; after the passes it has primitive ops only.
            state: one per state node. The executable reads and, for updates, overwrites the
                arrays, which stay in place; the caller tells their versions.
        """
        ...


_chosen: list[str] = []


def default() -> str:
    """Return the name of the backend that compiles where none is named.

    That is "native", or "reference" where LLVM cannot be loaded (which is said once).
    """
    if not _chosen:
        try:
            get("native")
            _chosen.append("native")
        except (ImportError, OSError) as error:
            if not (getattr(error, "name", None) or "llvmlite").startswith("llvmlite"):
                raise
            warn(
                f"deepglass compiles with NumPy here, which is slower: {error}. "
                "`pip install llvmlite` brings machine code."
            )
            _chosen.append("reference")
    return _chosen[-1]


def get(name: str) -> Backend:
    """Return the backend called ``name``.

    Raises:
        BackendError: there is none of that name.
        ImportError: what it needs is not installed.
    """
    if name not in MODULES:
        raise BackendError(f"backend: one of {', '.join(MODULES)}; got {name!r}.")
    backend: Any = importlib.import_module(MODULES[name], __package__)
    return backend  # type: ignore[no-any-return]


@contextmanager
def use(name: str) -> Iterator[None]:
    """Compile with the backend ``name`` until the block ends.

    >>> with use("reference"):
    ...     default()
    'reference'
    """
    get(name)
    default()
    _chosen.append(name)
    try:
        yield
    finally:
        _chosen.pop()


def set_threads(count: int) -> None:
    """Run compiled programs on ``count`` threads from now on; results do not change by a bit.

    Unless said, they run on as many as there are processors for this process, or as the
    environment variable DEEPGLASS_THREADS says. NumPy's library for matrix products has threads
    of its own.

    Raises:
        BackendError: ``count`` is no whole number from 1 on.
        ImportError: llvmlite is not installed, so there are no such programs.

    >>> before = get_threads()
    >>> set_threads(1)
    >>> get_threads()
    1
    >>> set_threads(before)
    """
    _threads().set_threads(count)


def get_threads() -> int:
    """Return how many threads compiled programs run on.

    Raises:
        ImportError: llvmlite is not installed, so there are no such programs.
    """
    count: int = _threads().threads()
    return count


def _threads() -> Any:
    return importlib.import_module(".native.threads", __package__)
