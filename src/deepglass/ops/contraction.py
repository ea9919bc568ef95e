"""Contractions: sums of products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.kinds import Contraction
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .elementwise import unify
from .movement import reshape, transpose
from .samples import cases


def _matmul_type(x: TensorType, w: TensorType) -> TensorType:
    if len(x.shape) != 2 or len(w.shape) != 2:
        raise ShapeError(f"matmul: both have two axes; got x {x.shape} and w {w.shape}.")
    if x.shape[1] != w.shape[0]:
        hint = " Did you mean w.T?" if x.shape[1] == w.shape[1] else " Check the layer sizes."
        raise ShapeError(
            "matmul: the last axis of x must equal the first axis of w; got x "
            f"{x.shape} and w {w.shape}.{hint}"
        )
    if x.dtype is not w.dtype or not x.dtype.is_float:
        raise DTypeError(f"matmul: both are of one float type; got {x} and {w}.")
    return TensorType((x.shape[0], w.shape[1]), x.dtype)


MATMUL = Op(
    name="matmul",
    infer=_matmul_type,
    reference=lambda x, w: x @ w,
    kernel=Contraction(
        over=lambda types: (types[0].shape[1],),
        term=lambda b, i, k, x, w, types: (x([i[0], k[0]]), w([k[0], i[1]])),
    ),
    gradient=(
        lambda g, y, x, w: matmul(g, transpose(w, 0, 1)),
        lambda g, y, x, w: matmul(transpose(x, 0, 1), g),
    ),
    samples=cases(
        (((2, 3), (3, 5)), {}),
        (((7, 5), (5, 3)), {}),
        (((1, 1), (1, 1)), {}),
        (((2, 0), (0, 3)), {}),
        (((0, 2), (2, 3)), {}),
        (((17, 33), (33, 19)), {}),
        (((9, 40), (40, 65)), {}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)), np.ones((5, 3))), {}, ShapeError, "Did you mean w.T?"),
        Misuse((np.ones(3), np.ones((3, 2))), {}, ShapeError, "two axes"),
        Misuse((np.ones((2, 3), np.int64),) * 2, {}, ShapeError, "first axis"),
    ),
    notation="{0} @ {1}",
    doc="The matrix product: y[i, j] = sum over k of x[i, k] w[k, j].",
)


def matmul(x: Any, w: Any) -> Tensor:
    """Return the matrix product of ``x`` and ``w``.

    y[i, j] = sum over k of x[i, k] w[k, j]

    Shapes:
        x: (rows, inner), or (inner,)
        w: (inner, columns), or (inner,)

    Raises:
        ShapeError: the inner lengths differ.

    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    x, w = unify((as_tensor(x), as_tensor(w)))
    rows, columns = x, w
    if x.ndim == 1:
        rows = reshape(x, 1, -1)
    if w.ndim == 1:
        columns = reshape(w, -1, 1)
    y = apply(MATMUL, rows, columns)
    if x.ndim == 1 or w.ndim == 1:
        y = reshape(y, x.shape[:-1] + w.shape[1:])
    return y
