"""Counters: tensors whose elements are their own positions."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.kinds import Elementwise
from ..graph.op import Op, Sample
from ..graph.tensor import Tensor, apply
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
