"""Masks: filling where they hold, and the elements and positions where they do.

How many those are depends on data, so the second kind exists eagerly only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, TraceError
from ..graph.graph import CONSTANT
from ..graph.tensor import Tensor, as_tensor
from ..graph.trace import active_trace
from ..graph.types import bool_
from .elementwise import to, where
from .movement import broadcast_together, reshape
from .selecting import index_select


def known(name: str, x: Tensor) -> np.ndarray:
    """Return the elements of ``x``, on which a shape depends.

    Raises:
        TraceError: they are not known while a program is recorded.
    """
    trace, node = active_trace(), x.node
    if trace is not None and (node.op is not CONSTANT or node.trace is not trace):
        raise TraceError(
            f"{name}: a shape that depends on data exists eagerly only; here it depends on what "
            f"{x.type} will hold. Use dg.where(mask, x, 0) or x[mask] = number, which keep the "
            "shape, or do this part outside of the compiled function."
        )
    return x.numpy()


def check_mask(name: str, mask: Tensor) -> Tensor:
    """Return ``mask`` if it is boolean.

    Raises:
        DTypeError: it is not.
    """
    if mask.dtype is not bool_:
        raise DTypeError(f"{name}: the mask is boolean; got {mask.type}. Compare first: x > 0.")
    return mask


def masked_fill(x: Any, mask: Any, value: Any) -> Tensor:
    """Return ``x`` with ``value`` where the mask holds.

    Args:
        x: any tensor.
        mask: booleans, broadcast together with ``x``.
        value: a number, or a tensor without axes.

    Raises:
        DTypeError: the mask is not boolean.
        ShapeError: the shapes do not go together.

    >>> masked_fill(Tensor([1.0, 2.0]), Tensor([True, False]), 0)
    tensor([0., 2.])
    """
    inside = check_mask("masked_fill", as_tensor(mask))
    inside, x = broadcast_together("masked_fill", inside, as_tensor(x))
    return where(inside, to(as_tensor(value), x.dtype), x)


def masked_select(x: Any, mask: Any) -> Tensor:
    """Return the elements of ``x`` where the mask holds, in one dimension; eagerly only.

    Raises:
        DTypeError: the mask is not boolean.
        TraceError: in a compiled function, where their number is not known.

    >>> masked_select(Tensor([1, 2, 3]), Tensor([True, False, True]))
    tensor([1, 3])
    """
    inside = check_mask("masked_select", as_tensor(mask))
    x, inside = broadcast_together("masked_select", as_tensor(x), inside)
    places = np.flatnonzero(known("masked_select", inside))
    return index_select(reshape(x, -1), 0, Tensor(places))


def nonzero(x: Any, as_tuple: bool = False) -> Any:
    """Return the positions of the elements that are not 0; eagerly only.

    Args:
        x: any tensor.
        as_tuple: return one tensor of positions per axis, to index with.

    Shapes:
        output: (count, axes of x), int64; or (count,) each

    Raises:
        TraceError: in a compiled function, where their number is not known.

    >>> nonzero(Tensor([[0, 5], [7, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    elements = known("nonzero", as_tensor(x))
    if as_tuple:
        return tuple(map(Tensor, np.nonzero(np.atleast_1d(elements))))
    return Tensor(np.argwhere(elements))
