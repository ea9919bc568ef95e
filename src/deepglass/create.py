"""Making tensors from numbers, arrays and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError
from .graph.tensor import Tensor
from .graph.trace import set_grad_enabled
from .graph.types import dtype_of, float32
from .ops.counting import iota
from .ops.movement import broadcast_to, shape_of


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor with a copy of ``data``.

    Args:
        data: a number, nested lists, a NumPy array or a tensor.
        dtype: element type; that of ``data`` unless given, where Python floats become
            float32 and Python integers int64.
        requires_grad: whether `backward` shall compute a gradient for it.

    Raises:
        DTypeError: text, objects or an element type deepglass does not have.

    >>> tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    return Tensor(data, dtype, requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a tensor with a copy of ``array`` and its element type."""
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"from_numpy: a NumPy array; got {type(array).__name__}. Use dg.tensor.")
    return Tensor(array)


def full(shape: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ``shape`` that holds ``fill_value`` everywhere.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    lengths = shape_of((shape,) if isinstance(shape, int) else tuple(shape))
    return Tensor(np.full(lengths, Tensor(fill_value, dtype).numpy()), None, requires_grad)


def zeros(*shape: Any, dtype: Any = float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros.

    >>> zeros(2)
    tensor([0., 0.])
    """
    return Tensor(np.zeros(shape_of(shape), dtype_of(dtype).numpy), None, requires_grad)


def ones(*shape: Any, dtype: Any = float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones."""
    return Tensor(np.ones(shape_of(shape), dtype_of(dtype).numpy), None, requires_grad)


def zeros_like(x: Tensor) -> Tensor:
    """Return zeros of the shape and type of ``x``."""
    return broadcast_to(Tensor(0, x.dtype), x.shape)


def arange(end: int, dtype: Any = None) -> Tensor:
    """Return the whole numbers from 0 to ``end`` - 1.

    >>> arange(3)
    tensor([0, 1, 2])
    """
    return iota((end,), dtype=dtype or "int64")


def no_grad() -> Any:
    """Do not record operations for `backward` until the block ends (in this thread).

    >>> x = tensor(1.0, requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """
    return set_grad_enabled(False)
