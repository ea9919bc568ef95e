"""Counters: tensors whose elements are their own positions, and what compares with them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, TraceError
from ..graph.kinds import Elementwise, Pull
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.trace import active_trace
from ..graph.types import Shape, TensorType, dtype_of, int64
from .movement import axis_of


def _iota_type(shape: Shape, dim: int | None, dtype: Any) -> TensorType:
    return TensorType(shape, dtype)


def _iota_reference(shape: Shape, dim: int | None, dtype: Any) -> np.ndarray:
    if dim is None:
        return np.arange(prod(shape), dtype=dtype.numpy).reshape(shape)
    numbers = np.arange(shape[dim], dtype=dtype.numpy)
    return np.broadcast_to(numbers.reshape([-1] + [1] * (len(shape) - dim - 1)), shape)


def _iota_rule(b: Any, i: Any, shape: Shape, dim: int | None, dtype: Any) -> Any:
    if dim is not None:
        return b.cast(i[dim], dtype)
    position = b.const(0, like=None)
    for k, n in zip(i, shape, strict=True):
        position = b.add(b.mul(position, b.const(n, like=None)), k)
    return b.cast(position, dtype)


def _iota_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dim in (((7,), 0), ((2, 3), 0), ((2, 40), 1), ((2, 3, 5), None), ((), None)):
        for dtype in ("int64", "float64", "uint64"):
            yield Sample((), {"shape": shape, "dim": dim, "dtype": dtype_of(dtype)})


IOTA = Op(
    name="iota",
    infer=_iota_type,
    reference=_iota_reference,
    kernel=Elementwise(_iota_rule),
    samples=_iota_samples,
    notation="iota({shape}, {dim})",
    doc="The position along axis dim, or among all elements, as numbers.",
)


def iota(shape: Shape, dim: int | None = 0, dtype: Any = int64) -> Tensor:
    """Return a tensor whose elements are their own position along axis ``dim``.

    With ``dim`` None the elements are counted through, row by row.

    >>> iota((2, 3), dim=1)
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    if any(n < 0 for n in shape):
        raise DomainError(f"iota: lengths are not negative; got {shape}.")
    axis = None if dim is None else axis_of("iota", dim, len(shape))
    return apply(IOTA, shape=tuple(shape), dim=axis, dtype=dtype_of(dtype))


# one_hot --------------------------------------------------------------------------------


def _one_hot_type(x: TensorType, num_classes: int) -> TensorType:
    if not x.dtype.is_integer:
        raise DTypeError(f"one_hot: labels are integers; got {x}. Convert with .to(dg.int64).")
    return TensorType((*x.shape, num_classes), int64)


def _one_hot_rule(b: Any, i: Any, x: Any, types: Any, num_classes: int) -> Any:
    return b.cast(b.eq(b.cast(x(i[:-1]), int64), b.cast(i[-1], int64)), int64)


def _one_hot_check(x: np.ndarray, num_classes: int) -> None:
    if x.size and not 0 <= x.min() <= x.max() < num_classes:
        raise DomainError(
            f"one_hot: labels lie between 0 and {num_classes - 1}; got {x.min()} to {x.max()}."
        )


def _one_hot_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dtype in (((7,), "i8"), ((2, 3), "i4"), ((), "u1"), ((0, 2), "i8"), ((33,), "i8")):
        yield Sample((rng.integers(0, 5, shape).astype(dtype),), {"num_classes": 5})


ONE_HOT = Op(
    name="one_hot",
    infer=_one_hot_type,
    reference=lambda x, num_classes: (x[..., None] == np.arange(num_classes)).astype(np.int64),
    kernel=Pull(_one_hot_rule),
    samples=_one_hot_samples,
    misuses=(
        Misuse((np.array([5]),), {"num_classes": 5}, DomainError, "between 0 and 4; got 5 to 5"),
        Misuse((np.array([-1, 2]),), {"num_classes": 5}, DomainError, "got -1 to 2"),
        Misuse((np.array([1.0]),), {"num_classes": 5}, DTypeError, "labels are integers; got"),
    ),
    validate=_one_hot_check,
    notation="one_hot({0}, {num_classes})",
    doc="1 at the position that each label names along a new last axis, 0 elsewhere.",
)


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Return rows of zeros with a one at the position each label names.

    Args:
        tensor: labels, whole numbers from 0.
        num_classes: length of the rows; one more than the largest label where it is -1, which
            a compiled function cannot know.

    Shapes:
        tensor: any
        output: (*, num_classes), int64

    Raises:
        DomainError: a label is negative or not less than ``num_classes``.

    >>> one_hot(Tensor([2, 0]), 3)
    tensor([[0, 0, 1],
            [1, 0, 0]])
    """
    x = as_tensor(tensor)
    if num_classes == -1:
        if active_trace() is not None:
            raise TraceError(
                "one_hot: in a compiled function num_classes is given, because it is a length of "
                f"the result; got -1 for {x.type}. Write one_hot(x, num_classes)."
            )
        num_classes = int(x.numpy().max()) + 1 if x.numel() else 0
    return apply(ONE_HOT, x, num_classes=num_classes)
