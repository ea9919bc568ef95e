"""Sorting. The order is found in NumPy, also between the loops of a compiled program; the
elements are then gathered, and so is the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import DomainError, ShapeError
from ..graph.kinds import Host
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType, int64
from .indexing import gather
from .movement import axis_of, reshape
from .samples import apart
from .slicing import narrow


class Sorted(NamedTuple):
    """What `sort` and `topk` return: the values, and where each of them stood."""

    values: Tensor
    indices: Tensor


def _argsort_type(x: TensorType, dim: int, descending: bool) -> TensorType:
    if not x.shape:
        raise ShapeError(f"argsort: there is an axis to sort along; got {x}. Use x.reshape(1).")
    axis_of("argsort", dim, len(x.shape))
    return TensorType(x.shape, int64)


def _argsort_reference(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    if not descending:
        return np.argsort(x, dim, kind="stable")
    # sorted from the other end and turned round, so that equal elements keep their order
    backwards = np.argsort(np.flip(x, dim), dim, kind="stable")
    return np.flip(x.shape[dim] - 1 - backwards, dim)


def _argsort_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dim in (((7,), 0), ((2, 5), 1), ((5, 3, 2), 0), ((2, 0), 1), ((3, 33), 1)):
        for descending in (False, True):
            params = {"dim": dim, "descending": descending}
            yield Sample((apart(rng, shape),), params)
            yield Sample((rng.integers(-2, 3, shape),), params)
    odd = np.array([0.0, np.nan, -np.inf, np.inf, np.nan, -0.0, 1.0])
    for descending in (False, True):
        yield Sample((odd,), {"dim": 0, "descending": descending})


ARGSORT = Op(
    name="argsort",
    infer=_argsort_type,
    reference=_argsort_reference,
    kernel=Host(),
    samples=_argsort_samples,
    misuses=(
        Misuse((np.ones((2, 3)),), {"dim": 2, "descending": False}, ShapeError, "-2 to 1 here"),
        Misuse((np.array(1.0),), {"dim": 0, "descending": False}, ShapeError, "got float64[]"),
    ),
    notation="argsort({0}, {dim})",
    doc="""Where the elements in sorted order stand along the axis dim.

    Equal elements keep their order; NaN counts as the largest.
    """,
)


def argsort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Return where the elements in sorted order stand along axis ``dim``.

    Args:
        x: any tensor.
        dim: the axis to sort along.
        descending: from the largest down.
        stable: whether equal elements keep their order; here they always do.

    NaN counts as the largest.

    >>> argsort(Tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    x = as_tensor(x)
    if not x.ndim:
        return reshape(argsort(reshape(x, 1), dim, descending), ())
    return apply(ARGSORT, x, dim=axis_of("argsort", dim, x.ndim), descending=descending)


def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Sorted:
    """Return the elements in sorted order along axis ``dim``, and where they stood.

    Args:
        x: any tensor.
        dim: the axis to sort along.
        descending: from the largest down.
        stable: whether equal elements keep their order; here they always do.

    Returns:
        (values, indices); NaN counts as the largest.

    Gradient: goes back to where each element stood.

    >>> sort(Tensor([3.0, 1.0, 2.0])).values
    tensor([1., 2., 3.])
    """
    x = as_tensor(x)
    order = argsort(x, dim, descending)
    return Sorted(gather(x, dim, order) if x.ndim else x, order)


def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """Return the ``k`` largest elements along axis ``dim``, and where they stand.

    Args:
        x: any tensor.
        k: how many.
        dim: the axis.
        largest: False for the smallest.
        sorted: whether the result is in order; here it always is.

    Returns:
        (values, indices); the first of equal elements comes first, NaN counts as the largest.

    Raises:
        DomainError: the axis has fewer than ``k`` elements.

    Gradient: goes to the elements that were chosen.

    >>> topk(Tensor([3.0, 1.0, 2.0]), 2)
    Sorted(values=tensor([3., 2.]), indices=tensor([0, 2]))
    """
    x = as_tensor(x)
    axis = axis_of("topk", dim, x.ndim)
    if not 0 <= k <= x.shape[axis]:
        raise DomainError(
            f"topk: k lies between 0 and the length of axis {axis}; got k {k} for {x.type}."
        )
    order = narrow(argsort(x, axis, descending=largest), axis, 0, k)
    return Sorted(gather(x, axis, order), order)
