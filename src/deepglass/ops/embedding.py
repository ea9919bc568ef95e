"""Rows of a table by number: words, and whatever else is counted through, as vectors."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.tensor import Tensor, as_tensor
from .elementwise import eq, where
from .movement import reshape
from .selecting import index_select


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """Return the rows of ``weight`` that the input names.

    y[..., :] = weight[input[...], :]

    Args:
        input, weight: see Shapes.
        padding_idx: a row that is not trained: its gradient is 0.

    Shapes:
        input: (...), whole numbers from 0 to rows - 1
        weight: (rows, features)
        output: (..., features)

    Raises:
        DomainError: there is no such row.
        DTypeError: the input does not hold whole numbers.

    Gradient: what arrives at each row is added up.

    >>> embedding(Tensor([1, 0]), Tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    index, table = as_tensor(input), as_tensor(weight)
    if not index.dtype.is_integer:
        raise DTypeError(
            f"embedding: row numbers are whole numbers; got {index.type}. Write x.to(dg.int64)."
        )
    if table.ndim != 2:
        raise ShapeError(f"embedding: the table is (rows, features); got {table.shape}.")
    rows = index_select(table, 0, index)
    if padding_idx is None:
        return rows
    if not -table.shape[0] <= padding_idx < table.shape[0]:
        raise DomainError(
            f"embedding: padding_idx is a row of the table of {table.shape[0]}; got {padding_idx}."
        )
    padded = eq(reshape(index, *index.shape, 1), padding_idx % table.shape[0])
    return where(padded, rows.detach(), rows)
