"""Making tensors from numbers, arrays and shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import DomainError, DTypeError, ShapeError
from .graph.tensor import Tensor
from .graph.trace import set_grad_enabled
from .graph.types import Shape, dtype_of, float32
from .ops import add, eq, exp, iota, lt, mul, sub, to, where
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


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """Return ``data`` itself where it is a tensor of that type, else a tensor of it.

    >>> x = tensor([1.0])
    >>> as_tensor(x) is x
    True
    """
    if not isinstance(data, Tensor):
        return Tensor(data, dtype)
    return data if dtype is None else to(data, dtype)


def full(shape: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ``shape`` that holds ``fill_value`` everywhere.

    Args:
        shape: a length, or one per axis.
        fill_value: a number.
        dtype: element type; that of the number unless given.
        requires_grad: whether `backward` shall compute a gradient for it.

    Raises:
        ShapeError: a length is negative.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    lengths = _lengths("full", (shape,))
    return Tensor(np.full(lengths, Tensor(fill_value, dtype).numpy()), None, requires_grad)


def _lengths(name: str, shape: tuple[Any, ...]) -> Shape:
    lengths = shape_of(shape)
    if any(n < 0 for n in lengths):
        raise ShapeError(f"{name}: lengths are not negative; got {lengths}.")
    return lengths


def zeros(*shape: Any, dtype: Any = float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros.

    >>> zeros(2)
    tensor([0., 0.])
    """
    return Tensor(np.zeros(_lengths("zeros", shape), dtype_of(dtype).numpy), None, requires_grad)


def ones(*shape: Any, dtype: Any = float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones.

    >>> ones(2)
    tensor([1., 1.])
    """
    return Tensor(np.ones(_lengths("ones", shape), dtype_of(dtype).numpy), None, requires_grad)


def empty(*shape: Any, dtype: Any = float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor to be filled: zeros here, so that a run can be repeated.

    >>> empty(2).shape
    (2,)
    """
    return zeros(*shape, dtype=dtype, requires_grad=requires_grad)


def full_like(x: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ``fill_value`` everywhere, in the shape and type of ``x``.

    >>> full_like(tensor([1.0, 2.0]), 7)
    tensor([7., 7.])
    """
    x = as_tensor(x)
    number = Tensor(fill_value, x.dtype if dtype is None else dtype)
    return _leaf(broadcast_to(number, x.shape), requires_grad)


def _leaf(x: Tensor, requires_grad: bool) -> Tensor:
    return x.requires_grad_() if requires_grad else x


def zeros_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of the shape and type of ``x``.

    >>> zeros_like(tensor([1, 2]))
    tensor([0, 0])
    """
    return full_like(x, 0, dtype, requires_grad)


def ones_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of the shape and type of ``x``.

    >>> ones_like(tensor([1, 2]))
    tensor([1, 1])
    """
    return full_like(x, 1, dtype, requires_grad)


def empty_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor to be filled, of the shape and type of ``x``: zeros; see `empty`.

    >>> empty_like(tensor([1, 2])).shape
    (2,)
    """
    return zeros_like(x, dtype, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: Any = float32, requires_grad: bool = False
) -> Tensor:
    """Return a matrix with ones on the diagonal and zeros elsewhere.

    Args:
        n: rows.
        m: columns; as many as rows unless given.
        dtype: element type.
        requires_grad: whether `backward` shall compute a gradient for it.

    >>> eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    shape = _lengths("eye", (n, n if m is None else m))
    return _leaf(to(eq(iota(shape, 0), iota(shape, 1)), dtype), requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the numbers from ``start`` to ``end`` (exclusive) at a distance of ``step``.

    Args:
        start: the first number; with no ``end`` given, the end, and 0 the first number.
        end: where the numbers stop.
        step: the distance, negative to count down.
        dtype: element type; int64 unless given where all three are whole numbers, else float32.
        requires_grad: whether `backward` shall compute a gradient for it.

    Raises:
        DomainError: the step is 0 or leads away from the end.

    Numerics: start + i * step in float64, then rounded to ``dtype``.

    >>> arange(3), arange(5, 1, -2)
    (tensor([0, 1, 2]), tensor([5, 3]))
    """
    if end is None:
        start, end = 0, start
    whole = all(isinstance(x, (int, np.integer)) for x in (start, end, step))
    if not step or (end - start) / step < 0:
        raise DomainError(
            f"arange: the step leads from start to end; got start {start}, end {end}, step {step}."
        )
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    counted = iota((int(count),), dtype="int64" if whole else "float64")
    numbers = add(mul(counted, step), start)
    return _leaf(to(numbers, dtype or ("int64" if whole else float32)), requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = float32, requires_grad: bool = False
) -> Tensor:
    """Return ``steps`` numbers at equal distances from ``start`` to ``end`` (inclusive).

    Numerics: counted from the nearer end in float64, then rounded to ``dtype``; both ends are
    exact.

    >>> linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if steps < 0:
        raise DomainError(f"linspace: steps are counted from 0; got {steps}.")
    step = (end - start) / max(steps - 1, 1)
    i = iota((steps,), dtype="float64")
    first, second = add(mul(i, step), start), sub(end, mul(sub(steps - 1, i), step))
    numbers = where(lt(i, steps / 2), first, second)
    return _leaf(to(numbers, dtype), requires_grad)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = float32
) -> Tensor:
    """Return ``steps`` numbers at equal ratios, from base**start to base**end (inclusive).

    Numerics: base**s as exp(s log base) in float64, then rounded to ``dtype``.

    >>> logspace(-2, 1, 4)
    tensor([ 0.01,  0.1 ,  1.  , 10.  ])
    """
    if base <= 0:
        raise DomainError(f"logspace: the base is positive; got {base}.")
    exponents = linspace(start, end, steps, dtype="float64")
    return to(exp(mul(exponents, math.log(base))), dtype)


def no_grad() -> Any:
    """Do not record operations for `backward` until the block ends (in this thread).

    >>> x = tensor(1.0, requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """
    return set_grad_enabled(False)
