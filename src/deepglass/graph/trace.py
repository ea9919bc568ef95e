"""The tracing context: what is recorded while ``dg.compile`` runs a function once.

A trace is a transaction. Handles that are rebound during it (``p -= lr * g``) are noted
with what they held before, and are put back when the trace ends, whether it succeeds or
raises; what they held at the end becomes the state updates of the program.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ..errors import DeepglassWarning, TraceError
from .graph import CONSTANT, INPUT, STATE, Node, since_now
from .op import Op
from .types import TensorType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

_active: ContextVar[Trace | None] = ContextVar("deepglass_trace", default=None)
_grad_enabled: ContextVar[bool] = ContextVar("deepglass_grad", default=True)
_seal: ContextVar[tuple[int, str] | None] = ContextVar("deepglass_seal", default=None)
_calls: ContextVar[list[Call] | None] = ContextVar("deepglass_calls", default=None)


class _Changes:
    """Counts what a compiled function may depend on and does not see as an argument. As long
    as a count stands still, nothing behind it has to be looked at.

    Attributes:
        structure: modes and attributes of modules, settings of optimizers, types of tensors;
            they decide which program runs.
        values: state that Python has rebound, gradients that appear or vanish; a program
            takes them over before it runs.
    """

    structure = 0
    values = 0


CHANGES = _Changes()


class Traceable:
    """What a trace can look into: `Module`, `Optimizer`, `Generator`."""

    def trace_key(self) -> Hashable:
        """The Python values (modes, sizes, coefficients) a trace of this object depends on."""
        raise NotImplementedError

    def named_state(self) -> Iterator[tuple[str, Any]]:
        """Yield (name, tensor) for each tensor the object owns."""
        raise NotImplementedError

    def named_scopes(self) -> Iterator[tuple[str, Any]]:
        """Yield (path, object) for each layer; nothing unless the object has layers."""
        return iter(())


@dataclass(frozen=True)
class Call:
    """One call of a layer: what it was given, and what it returned."""

    layer: Any
    inputs: tuple[Any, ...]
    output: Any


@contextmanager
def noting_calls() -> Iterator[list[Call]]:
    """Note the calls of layers until the block ends (in this thread), inner ones first."""
    calls: list[Call] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def noted_calls() -> list[Call] | None:
    """Return where calls of layers are noted now, in this thread, or None."""
    return _calls.get()


def active_trace() -> Trace | None:
    """Return the trace that is being recorded in this thread, or None."""
    return _active.get()


def grad_enabled() -> bool:
    """Return whether operations are being recorded for `backward`, in this thread."""
    return _grad_enabled.get()


@contextmanager
def set_grad_enabled(enabled: bool) -> Iterator[None]:
    """Record operations for `backward`, or not, until the block ends (in this thread)."""
    token = _grad_enabled.set(enabled)
    try:
        yield
    finally:
        _grad_enabled.reset(token)


@contextmanager
def sealed(rule: str) -> Iterator[None]:
    """Until the block ends, refuse to change tensors made before it (in this thread).

    Args:
        rule: the beginning of the error: who asks for it, and what the rule is.
    """
    token = _seal.set((since_now(), rule))
    try:
        yield
    finally:
        _seal.reset(token)


def check_seal(tensor: Any) -> None:
    """Raise if ``tensor`` must not be given another value, or another gradient, here."""
    seal = _seal.get()
    if seal is not None and (tensor._storage is not None or tensor._node.id < seal[0]):
        name = tensor.name or "a tensor made before"
        raise TraceError(
            f"{seal[1]}; {name}, {tensor.type}, or its gradient was given another value. Change "
            "it afterwards; draw random numbers before."
        )


class Trace:
    """Everything one trace collects. Use as a context manager."""

    def __init__(self, names: dict[int, str] | None = None, scopes: dict[int, str] | None = None):
        self.names = names or {}
        self.scopes = scopes or {}
        self.state: dict[int, tuple[Any, Node]] = {}  # id(tensor) -> tensor, its node at entry
        self._before: dict[int, tuple[Any, Node, Any]] = {}  # id -> tensor, node, grad at entry
        self._path = [""]
        self._grad_set: set[int] = set()
        self._origin: Node | None = None  # the composite being expanded
        self.updates: list[tuple[Any, Node]] = []  # tensor, new value
        self.gradients: list[tuple[Any, Any]] = []  # tensor, its .grad at the end
        self.entry_gradients: list[tuple[Any, Any]] = []  # tensor, the .grad found at entry
        self._flows: dict[int, list[Node]] = {}  # id of a node -> its gradients, one per sweep

    def __enter__(self) -> Trace:
        if active_trace() is not None:
            raise TraceError(
                "compile: a program is recorded one at a time; a compiled function was called "
                "while another was being recorded. Call the plain function inside."
            )
        self._token = _active.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _active.reset(self._token)
        if kind is None:
            self._collect()
        for tensor, node, grad in self._before.values():
            tensor._node, tensor._grad = node, grad
        self._before.clear()  # the values live on where the tensors have them

    def _collect(self) -> None:
        self.updates = list(self.changed())
        for tensor, before, grad in self._before.values():
            if before.trace is None and tensor._grad is not grad:
                self.gradients.append((tensor, tensor._grad))

    def changed(self) -> Iterator[tuple[Any, Node]]:
        """Yield (tensor, its new value) for the state that was given another value so far."""
        for tensor, before, _ in self._before.values():
            if before.trace is None and tensor._node is not before:
                yield tensor, tensor._node

    def add(self, node: Node) -> Node:
        """Enter ``node`` into the trace with the user's line and the layer it belongs to."""
        node.trace = self
        if self._origin is not None:
            node.path, node.source = self._origin.path, self._origin.source
        else:
            node.path, node.source = self._path[-1], user_line()
        return node

    def argument(self, type: TensorType, name: str, requires_grad: bool = False) -> Node:
        node = self.add(Node(INPUT, type, requires_grad=requires_grad, is_leaf=requires_grad))
        node.name = name
        return node

    def read(self, tensor: Any) -> Node:
        """Return the node of ``tensor`` in this trace; a concrete tensor becomes state."""
        node: Node = tensor._node
        if node.trace is self:
            return node
        if node.trace is not None and node.op is not CONSTANT:
            raise escaped(node)
        if node.requires_grad and node.inputs and _grad_enabled.get():
            raise TraceError(
                f"compile: what is differentiated inside is computed inside; {node.op.name} "
                f"{node.type} was computed outside, so its gradient would stop there. Compute it "
                "in the function, or capture x.detach()."
            )
        if id(tensor) not in self.state:
            leaf = Node(STATE, node.type, requires_grad=node.requires_grad, is_leaf=True)
            leaf.owner = node.owner
            leaf.name = self.names.get(id(tensor), tensor.name)
            leaf.trace = self
            self.state[id(tensor)] = (tensor, leaf)
        return self.state[id(tensor)][1]

    def remember(self, tensor: Any) -> None:
        """Note what ``tensor`` holds before it is rebound or its gradient set."""
        if id(tensor) not in self._before:
            self._before[id(tensor)] = (tensor, tensor._node, tensor._grad)

    def saw_gradient(self, tensor: Any) -> None:
        """Note that the program depends on the gradient ``tensor`` had when it started."""
        if id(tensor) not in self._grad_set:
            self._grad_set.add(id(tensor))
            self.entry_gradients.append((tensor, tensor._grad))

    def set_gradient(self, tensor: Any) -> None:
        """Note that the gradient of ``tensor`` is about to be given another value."""
        self.remember(tensor)
        self._grad_set.add(id(tensor))

    def note_gradient(self, node: Node, gradient: Node) -> None:
        """Note what a backward sweep found for ``node``."""
        self._flows.setdefault(node.id, []).append(gradient)

    def gradients_of(self, node: Node) -> Sequence[Node]:
        """Return what backward sweeps found for ``node``, one after another."""
        return self._flows.get(node.id, ())

    @contextmanager
    def resume(self, origin: Node) -> Iterator[None]:
        """Record once more, on behalf of ``origin``: passes expand composites this way."""
        token = _active.set(self)
        self._origin = origin
        try:
            with set_grad_enabled(False):
                yield
        finally:
            self._origin = None
            _active.reset(token)

    def scope(self, layer: object) -> AbstractContextManager[None]:
        """Name the nodes made in this block after ``layer``."""
        return self.at(self.scopes.get(id(layer), self._path[-1]))

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Let the nodes made in this block belong to the layer at ``path``."""
        self._path.append(path)
        try:
            yield
        finally:
            self._path.pop()


def record(op: Op, type: TensorType, inputs: tuple[Node, ...], params: dict[str, Any]) -> Node:
    """Enter one application of ``op`` into the active trace."""
    trace = _active.get()
    assert trace is not None
    wanted = _grad_enabled.get() and type.dtype.is_float
    requires_grad = wanted and any(i.requires_grad for i in inputs)
    return trace.add(Node(op, type, inputs, params, requires_grad=requires_grad))


def gradient_of(node: Node) -> AbstractContextManager[None]:
    """In a trace, let the nodes made in this block belong to ∂layer, with the layer of ``node``."""
    trace = _active.get()
    if trace is None or not node.path:
        return nullcontext()
    return trace.at(f"∂{node.path}")


def escaped(node: Node) -> TraceError:
    """Return the error for a value that is used outside the trace it was made in."""
    return TraceError(
        f"compile: a value lives inside the compiled function that made it; {node.op.name} "
        f"{node.type} from {node.source or 'an argument'} was kept and used outside. "
        "Return it from the function instead."
    )


def user_line() -> str:
    """Return "file.py:12" for the innermost frame outside this package."""
    frame, _ = _user_frame()
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}" if frame else ""


def warn(message: str) -> None:
    """Give a `DeepglassWarning` at the innermost line outside this package."""
    warnings.warn(message, DeepglassWarning, stacklevel=_user_frame()[1])


def _user_frame() -> tuple[FrameType | None, int]:
    """The innermost frame outside this package, and how far it is from the caller."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    return frame, level
