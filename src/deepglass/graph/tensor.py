"""Tensors: mutable handles on immutable values.

``x += y``, ``x[i] = v`` and ``zero_()`` give the handle another value; nothing else that
looks at the old value sees a change. Slices are values of their own, never windows.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, GradientError, TraceError
from .data import to_array
from .graph import ALIAS, CONSTANT, Node
from .methods import TensorMethods
from .op import Op, widened_params
from .storage import Storage
from .trace import (
    CHANGES,
    active_trace,
    check_seal,
    escaped,
    grad_enabled,
    record,
    set_grad_enabled,
)  # fmt: skip
from .types import DType, Shape, TensorType, bool_, dtype_of, float32, int64, widened


class _Dropped:
    """Stands for a gradient that a compiled step used and did not keep."""


DROPPED = _Dropped()


class Tensor(TensorMethods):
    """An array of one element type that knows how it was computed.

    Args:
        data: numbers, nested lists, a NumPy array or another tensor; always copied.
        dtype: element type; that of ``data`` unless given (Python floats become float32,
            Python integers int64).
        requires_grad: whether `backward` shall compute a gradient for it.

    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """

    __slots__ = ("__weakref__", "_grad", "_node", "_storage", "is_slice", "name")

    __array_priority__ = 1000  # array * tensor is a tensor: NumPy leaves the work to us

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> None:
        self._grad: Any = None
        self._storage: Storage | None = None
        self.name = ""
        self.is_slice = False
        if isinstance(data, Tensor):
            data = data.numpy()
        self._node = concrete(to_array(data, dtype))
        if requires_grad:
            self.requires_grad = True

    @classmethod
    def of(cls, node: Node) -> Tensor:
        """Return a handle on ``node``."""
        self = Tensor.__new__(Tensor)
        self._node, self._grad, self._storage, self.name = node, None, None, ""
        self.is_slice = False
        return self

    # What it holds ------------------------------------------------------------------

    @property
    def node(self) -> Node:
        """The value this handle stands for."""
        storage = self._storage
        if storage is not None and self._node.trace is None and not storage.stale:
            version = storage.version
            if version != storage.seen:
                old = self._node
                self._node = _leaf_node(self, storage.array.copy(), old.requires_grad)
                storage.seen = version
        return self._node

    def rebind(self, node: Node) -> None:
        """Give the handle another value of the same type.

        Raises:
            GradientError: the tensor requires a gradient and operations are being recorded;
                its history would make it a result instead of a parameter.
            TraceError: shape or type would change inside a compiled function.
        """
        check_seal(self)
        before = self._node
        if before.is_leaf and before.requires_grad:
            if grad_enabled():
                raise GradientError(
                    f"assignment: a tensor that requires a gradient changes under no_grad only; "
                    f"got {before.type}. Write `with dg.no_grad():` around it."
                )
            node = _leaf_from(self, node)
        trace = active_trace()
        if trace is None:
            self._node = node
            if self._storage is not None:
                self._storage.stale = True
                CHANGES.values += 1
            if node.type != before.type:
                self._storage = None  # programs for the old type look it up again
                CHANGES.structure += 1
            return
        if before.trace is not trace and node.type != before.type:
            raise TraceError(
                f"compile: state keeps its shape and type; {self.name or 'a tensor'} is "
                f"{before.type} and was given {node.type}. Make a new tensor and return it."
            )
        if before.trace is None:
            trace.read(self)  # the state that is updated
        trace.remember(self)
        self._node = node

    def bind_storage(self) -> Storage:
        """Return the storage of this state tensor, brought up to date; made when first asked.

        The value is there alone then, until Python reads it.
        """
        value = self._node.data
        if self._storage is None:
            assert value is not None
            self._storage = Storage(value)
        elif self._storage.stale:
            assert value is not None
            self._storage.fill(value)
        if value is not None and not self._node.inputs:
            self._node = _leaf_node(self, None, self._node.requires_grad)
            self._storage.seen = 0
        return self._storage

    def take_storage(self, storage: Storage) -> None:
        """Let the value live in memory that another tensor, or this one, used before."""
        if self._storage is not storage:
            self.leave_storage()
            self._storage = storage
            storage.stale = True

    def leave_storage(self) -> None:
        """Keep the value and give up the memory it lived in."""
        self._node = self.node
        self._storage = None

    @property
    def type(self) -> TensorType:
        return self._node.type

    @property
    def shape(self) -> Shape:
        return self._node.type.shape

    @property
    def dtype(self) -> DType:
        return self._node.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def dim(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the length of axis ``dim``."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """Return the number of elements."""
        return self.type.size

    # Out of it ----------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """Return the value as a read-only array.

        Raises:
            TraceError: inside a compiled function, where there is no value yet, or where a
                value read now would be frozen into the program.
        """
        node = self.node
        trace = active_trace()
        if node.trace is not None and node.op is not CONSTANT:
            if trace is not node.trace:
                raise escaped(node)
            raise TraceError(
                f"compile: a value is not known while the program is recorded; {node.op.name} "
                f"{node.type} from {node.source or 'an argument'} was asked for a number. Use "
                "dg.where instead of `if`, return the tensor and look at it outside, or compile "
                "only the part without this line."
            )
        if trace is not None and node.trace is None:
            raise TraceError(
                f"compile: a number read while the program is recorded would be frozen into it; "
                f"{self.name or 'a tensor'} {node.type} was asked for its value. Compute with "
                "the tensor itself."
            )
        assert node.data is not None
        return node.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=True if copy is None else copy)

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises:
            ValueError: there is not exactly one element.
        """
        if self.numel() != 1:
            raise ValueError(f"item: one element is needed; got {self.type}. Use tolist().")
        return self.numpy().item()

    def tolist(self) -> Any:
        """Return nested lists of Python numbers."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        if not self.dtype.is_integer:
            raise DTypeError(f"index: an integer is needed; got {self.type}.")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len: a tensor without axes has no length; use item().")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        node = self._node
        if node.trace is not None and node.op is not CONSTANT:
            return f"tensor(traced {node.type}, {node.op.name} at {node.source})"
        with np.printoptions(precision=4, threshold=200):
            body = np.array2string(widened(self.numpy()), separator=", ", prefix="tensor(")
        usual = (float32, int64, bool_)
        dtype = "" if self.dtype in usual else f", dtype={self.dtype}"
        return f"tensor({body}{dtype}{', requires_grad=True' if self.requires_grad else ''})"

    __hash__ = object.__hash__

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """Return a tensor of its own with the same value and gradient, without history."""
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin._storage, twin.name, twin.is_slice = None, self.name, False
        twin._node = self.node
        twin._node = _leaf_node(twin, self.numpy(), self.requires_grad and self.is_leaf)
        twin._grad = copy.deepcopy(self._grad, memo) if isinstance(self._grad, Tensor) else None
        return twin

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    # Gradients ----------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._node.requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and not self.dtype.is_float:
            raise DTypeError(
                f"requires_grad: only floats have gradients; got {self.type}. Convert with "
                "`.to(dg.float32)`."
            )
        if wanted == self.requires_grad:
            return
        if active_trace() is not None:
            raise TraceError("compile: requires_grad is set outside of a compiled function.")
        self._node = _leaf_node(self, self.node.data, wanted)
        CHANGES.structure += 1

    def requires_grad_(self, wanted: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor itself."""
        self.requires_grad = wanted
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was given rather than computed with recorded operations."""
        return not self._node.inputs or self._node.is_leaf

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` left here, or None.

        Raises:
            GradientError: a compiled step computed it and did not keep it.
        """
        if self._grad is DROPPED:
            raise GradientError(
                "grad: a compiled step keeps no gradients; this one was used and dropped. "
                "Compile with dg.compile(step, keep_grads=True) to keep them, or call "
                "zero_grad() first to start anew."
            )
        trace = active_trace()
        if trace is not None:
            trace.saw_gradient(self)
        return self._grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and value.type != self.type:
            raise GradientError(
                f"grad: a gradient has the type of its tensor; got {value.type} for {self.type}."
            )
        check_seal(self)
        trace = active_trace()
        if trace is not None:
            trace.set_gradient(self)
        elif value is not self._grad:
            CHANGES.values += 1
        self._grad = value

    def detach(self) -> Tensor:
        """Return the same value without its history."""
        return Tensor.of(_renamed(read(self), requires_grad=False))

    @property
    def data(self) -> Tensor:
        """The value without its history; what is assigned here is not recorded.

        As everything that is taken from a tensor it is a value of its own: writing into it is
        an error, ``x.data = ...`` and ``x.data -= ...`` are not.
        """
        value = self.detach()
        value.is_slice = True
        return value

    @data.setter
    def data(self, value: Tensor) -> None:
        with set_grad_enabled(False):
            self.rebind(read(value))


class Parameter(Tensor):
    """A tensor that training changes: the weights of a layer.

    Args:
        data: the initial values.
        requires_grad: False freezes it.
    """

    __slots__ = ()

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = True) -> None:
        super().__init__(data, dtype, requires_grad)


class Buffer(Tensor):
    """State that is not trained: running means, an optimizer's momentum, a learning rate.

    Args:
        data: the initial values.
        role: what it is for, as shown by ``print(program)``.
        parameter: the parameter it belongs to, if any.
        persistent: whether it stands in the state dict of its module.
    """

    __slots__ = ("parameter", "persistent", "role")

    def __init__(
        self,
        data: Any,
        dtype: Any = None,
        role: str = "",
        parameter: Tensor | None = None,
        persistent: bool = True,
    ) -> None:
        super().__init__(data, dtype)
        self.role = role
        self.parameter = parameter
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        twin = super().__deepcopy__(memo)
        assert isinstance(twin, Buffer)
        twin.role, twin.parameter = self.role, copy.deepcopy(self.parameter, memo)
        twin.persistent = self.persistent
        return twin


# Making and combining -------------------------------------------------------------------


def concrete(array: np.ndarray) -> Node:
    """Return a node with a value that nobody writes to any more."""
    array.flags.writeable = False
    trace = active_trace()
    node = Node(CONSTANT, TensorType(array.shape, dtype_of(array.dtype)), data=array)
    return node if trace is None else trace.add(node)


def _leaf_node(tensor: Tensor, data: np.ndarray | None, requires_grad: bool) -> Node:
    if data is not None:
        data.flags.writeable = False
    type = tensor._node.type
    node = Node(CONSTANT, type, data=data, requires_grad=requires_grad, is_leaf=True)
    node.owner = weakref.ref(tensor)
    return node


def _leaf_from(tensor: Tensor, node: Node) -> Node:
    """A leaf that requires a gradient, holds the value of ``node`` and belongs to ``tensor``."""
    leaf = _renamed(node, requires_grad=True)
    leaf.is_leaf = True
    leaf.owner = weakref.ref(tensor)
    return leaf


def _renamed(node: Node, requires_grad: bool) -> Node:
    trace = active_trace()
    if trace is None:
        return Node(CONSTANT, node.type, data=node.data, requires_grad=requires_grad)
    return trace.add(Node(ALIAS, node.type, (node,), requires_grad=requires_grad))


def read(tensor: Tensor) -> Node:
    """Return the node of ``tensor`` for use as an operand, here and now."""
    trace = active_trace()
    if trace is not None:
        return trace.read(tensor)
    node = tensor.node
    if node.trace is not None and node.op is not CONSTANT:
        raise escaped(node)
    return node


def as_tensor(value: Any, dtype: Any = None) -> Tensor:
    """Return ``value`` itself when it is a tensor, else a new tensor of it."""
    return value if isinstance(value, Tensor) else Tensor(value, dtype)


def as_floats(what: str, value: Any) -> Tensor:
    """Return ``value`` as a tensor of floats, which ``what`` computes with.

    Raises:
        DTypeError: it holds anything else.
    """
    x = as_tensor(value)
    if not x.dtype.is_float:
        raise DTypeError(
            f"{what}: the input holds floats; got {x.type}. Write x.float() to convert it."
        )
    return x


def _expanded(op: Op, type: TensorType, inputs: tuple[Tensor, ...], params: Any) -> Tensor:
    """A composite written out; on halves it means what `Op.compute` says, like any other op."""
    wide = [x.to(x.dtype.wide) for x in inputs]
    value: Tensor = op.kernel.expand(*wide, **widened_params(params))  # type: ignore[union-attr]
    return value.to(type.dtype)


Compute = Callable[[Op, Sequence[np.ndarray], dict[str, Any], TensorType], np.ndarray]

_compute: list[Compute] = [Op.compute]


def compute_with(compute: Compute) -> None:
    """Let ``compute`` find what operations outside of compiled functions come to.

    Args:
        compute: takes what `Op.compute` takes, and returns what it returns.
    """
    _compute[0] = compute


def apply(op: Op, *inputs: Tensor, **params: Any) -> Tensor:
    """Apply ``op``: compute it now, or record it when a trace is active.

    Raises:
        ShapeError, DTypeError, DomainError: as the op's record says.
    """
    nodes = tuple(read(x) for x in inputs)
    type = op.infer(*[n.type for n in nodes], **params)
    if op.expands_at_once:
        return _expanded(op, type, inputs, params)
    if active_trace() is not None:
        return Tensor.of(record(op, type, nodes, params))
    arrays: list[Any] = [n.data for n in nodes]
    data = _compute[0](op, arrays, params, type)
    data.flags.writeable = False
    recorded = grad_enabled() and type.dtype.is_float and any(n.requires_grad for n in nodes)
    if not recorded:
        return Tensor.of(Node(op, type, data=data))
    return Tensor.of(Node(op, type, nodes, params, data=data, requires_grad=True))
