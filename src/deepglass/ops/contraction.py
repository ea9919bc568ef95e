"""Contractions: sums of products."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.kinds import Contraction
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, TensorType, bool_
from .elementwise import mul, unify
from .movement import broadcast_to, reshape, transpose
from .samples import cases


def _matmul_type(x: TensorType, w: TensorType) -> TensorType:
    if len(x.shape) < 2 or len(w.shape) < 2:
        raise ShapeError(f"matmul: both have at least two axes; got x {x.shape} and w {w.shape}.")
    if x.shape[-1] != w.shape[-2]:
        hint = " Did you mean w.mT?" if x.shape[-1] == w.shape[-1] else " Check the layer sizes."
        if len(w.shape) == 2:
            hint = hint.replace("mT", "T")
        raise ShapeError(
            "matmul: the last axis of x must equal the last but one of w; got x "
            f"{x.shape} and w {w.shape}.{hint}"
        )
    if x.shape[:-2] != w.shape[:-2]:
        raise ShapeError(
            f"matmul: both have the same batch axes; got x {x.shape} and w {w.shape}. Call "
            "dg.matmul, which broadcasts them."
        )
    if x.dtype is not w.dtype or x.dtype is bool_:
        raise DTypeError(
            f"matmul: both hold numbers of one type; got {x} and {w}. Convert with "
            "`.to(dg.float32)`."
        )
    return TensorType((*x.shape[:-1], w.shape[-1]), x.dtype)


MATMUL = Op(
    name="matmul",
    infer=_matmul_type,
    reference=np.matmul,
    kernel=Contraction(
        over=lambda types: types[0].shape[-1:],
        term=lambda b, i, k, x, w, types: (x([*i[:-1], k[0]]), w([*i[:-2], k[0], i[-1]])),
    ),
    gradient=(
        lambda g, y, x, w: matmul(g, transpose(w, -2, -1)),
        lambda g, y, x, w: matmul(transpose(x, -2, -1), g),
    ),
    samples=cases(
        (((2, 3), (3, 5)), {}),
        (((7, 5), (5, 3)), {}),
        (((1, 1), (1, 1)), {}),
        (((2, 0), (0, 3)), {}),
        (((0, 2), (2, 3)), {}),
        (((17, 33), (33, 19)), {}),
        (((9, 40), (40, 65)), {}),
        (((2, 3, 5), (2, 5, 7)), {}),
        (((3, 2, 1, 7), (3, 2, 7, 5)), {}),
        (((2, 19, 33), (2, 33, 17)), {}),
        (((0, 3, 5), (0, 5, 7)), {}),
        (((2, 3, 0), (2, 0, 5)), {}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)), np.ones((5, 3))), {}, ShapeError, "Did you mean w.T?"),
        Misuse((np.ones((2, 2, 3)), np.ones((2, 5, 3))), {}, ShapeError, "Did you mean w.mT?"),
        Misuse((np.ones(3), np.ones((3, 2))), {}, ShapeError, "two axes"),
        Misuse(
            (np.ones((2, 5, 3)), np.ones((3, 7))), {}, ShapeError, "batch axes; got x (2, 5, 3)"
        ),
        Misuse((np.ones((2, 3), np.int64),) * 2, {}, ShapeError, "last but one"),
        Misuse((np.ones((2, 2), bool),) * 2, {}, DTypeError, "numbers of one type; got bool[2, 2]"),
        Misuse((np.ones((2, 2)), np.ones((2, 2), "i8")), {}, DTypeError, "and int64[2, 2]"),
    ),
    notation="{0} @ {1}",
    doc="The matrix product: y[..., i, j] = sum over k of x[..., i, k] w[..., k, j].",
)


# contract -------------------------------------------------------------------------------


def _letters(equation: str) -> tuple[str, str, str]:
    """The letters of x, of w and of the result."""
    inputs, _, result = equation.partition("->")
    x, _, w = inputs.partition(",")
    return x, w, result


def _lengths_of(x: TensorType, w: TensorType, equation: str) -> dict[str, int]:
    first, second, _ = _letters(equation)
    pairs = zip(second + first, w.shape + x.shape, strict=True)
    return dict(pairs)


def _contract_type(x: TensorType, w: TensorType, equation: str) -> TensorType:
    first, second, result = _letters(equation)
    named = (len(first), len(second)) == (len(x.shape), len(w.shape))
    lengths = _lengths_of(x, w, equation) if named else {}
    if not named or any(lengths[n] != k for n, k in zip(second, w.shape, strict=True)):
        raise ShapeError(
            f"contract: one letter per axis, and one length per letter; got {equation!r} for x "
            f"{x.shape} and w {w.shape}. dg.einsum repeats axes of length 1."
        )
    if x.dtype is not w.dtype or not x.dtype.is_float:
        raise DTypeError(
            f"contract: both tensors are of one float type; got {x} and {w}. Convert with .to()."
        )
    return TensorType(tuple(lengths[n] for n in result), x.dtype)


def _summed(equation: str) -> str:
    """The letters that are summed over: both operands have them, the result does not."""
    x, w, result = _letters(equation)
    return "".join(n for n in x if n in w and n not in result)


def _contract_over(types: tuple[TensorType, TensorType], equation: str) -> Shape:
    x, w = types
    lengths = _lengths_of(x, w, equation)
    return tuple(lengths[n] for n in _summed(equation))


def _contract_term(b: Any, i: Any, k: Any, x: Any, w: Any, types: Any, equation: str) -> Any:
    first, second, result = _letters(equation)
    at = dict(zip(result + _summed(equation), (*i, *k), strict=True))
    return x([at[n] for n in first]), w([at[n] for n in second])


def _for(equation: str, order: str) -> str:
    """The equation with its three groups of letters in another order."""
    groups = dict(zip("xwy", _letters(equation), strict=True))
    first, second, result = (groups[g] for g in order)
    return f"{first},{second}->{result}"


CONTRACT: Op = Op(
    name="contract",
    infer=_contract_type,
    reference=lambda x, w, equation: np.einsum(equation, x, w, optimize=True),
    kernel=Contraction(_contract_over, _contract_term),
    gradient=(
        lambda g, y, x, w, equation: apply(CONTRACT, g, w, equation=_for(equation, "ywx")),
        lambda g, y, x, w, equation: apply(CONTRACT, x, g, equation=_for(equation, "xyw")),
    ),
    samples=cases(
        (((2, 3, 7), (2, 7, 5)), {"equation": "nij,njk->nik"}),
        (((7, 3, 5), (3, 5, 19)), {"equation": "nek,eko->neo"}),
        (((7, 2, 3, 9), (7, 2, 3, 17)), {"equation": "ntek,nteo->eko"}),
        (((2, 3), (5,)), {"equation": "ab,c->cab"}),
        (((0, 3, 5), (3, 5, 2)), {"equation": "nek,eko->neo"}),
    ),
    misuses=(
        Misuse(
            (np.ones((2, 3)), np.ones((5, 7))),
            {"equation": "ij,jk->ik"},
            ShapeError,
            "one length per letter; got 'ij,jk->ik' for x (2, 3) and w (5, 7)",
        ),
        Misuse(
            (np.ones((2, 3)), np.ones(3)), {"equation": "ij,jk->ik"}, ShapeError, "letter per axis"
        ),
        Misuse(
            (np.ones((2, 3), np.float32), np.ones((3, 5))),
            {"equation": "ij,jk->ik"},
            DTypeError,
            "one float type",
        ),
    ),
    doc="""One sum of products, with a letter for each axis: \"nij,njk->nik\".

    Every letter stands in two of the three groups or in all.
    """,
)


def matmul(x: Any, w: Any) -> Tensor:
    """Return the matrix product of ``x`` and ``w``.

    y[..., i, j] = sum over k of x[..., i, k] w[..., k, j]

    Shapes:
        x: (..., rows, inner), or (inner,)
        w: (..., inner, columns), or (inner,)
        The leading axes are batches of matrices, which are broadcast together.

    Raises:
        ShapeError: the inner lengths differ, or the batch axes do not fit together.
        DTypeError: booleans.

    Numerics: whole numbers are added up in their own type and wrap around.

    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    x, w = unify((as_tensor(x), as_tensor(w)))
    if not x.ndim or not w.ndim:
        raise ShapeError(f"matmul: both have axes; got {x.type} and {w.type}. Multiply with *.")
    rows = reshape(x, 1, -1) if x.ndim == 1 else x
    columns = reshape(w, -1, 1) if w.ndim == 1 else w
    if columns.ndim == 2 and rows.ndim > 2:  # one product of all rows
        y = apply(MATMUL, reshape(rows, prod(rows.shape[:-1]), rows.shape[-1]), columns)
        y = reshape(y, *rows.shape[:-1], columns.shape[-1])
    else:
        y = apply(MATMUL, *_same_batches(rows, columns))
    if x.ndim == 1 or w.ndim == 1:
        end = y.shape[-2:-1] * (x.ndim > 1) + y.shape[-1:] * (w.ndim > 1)
        y = reshape(y, y.shape[:-2] + end)
    return y


def _same_batches(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    try:
        batch = np.broadcast_shapes(x.shape[:-2], w.shape[:-2])
    except ValueError:
        raise ShapeError(
            "matmul: batch axes are equal or 1, counted from the last; got "
            f"{x.shape[:-2]} of x {x.shape} and {w.shape[:-2]} of w {w.shape}."
        ) from None
    return broadcast_to(x, batch + x.shape[-2:]), broadcast_to(w, batch + w.shape[-2:])


def _with_axes(name: str, *operands: tuple[Any, int]) -> list[Tensor]:
    """Return the operands as tensors of one type, each with so many axes."""
    tensors = unify(tuple(as_tensor(x) for x, _ in operands))
    wanted = [n for _, n in operands]
    if [x.ndim for x in tensors] != wanted:
        got = " and ".join(str(x.shape) for x in tensors)
        raise ShapeError(
            f"{name}: the operands have {' and '.join(map(str, wanted))} axes; got {got}. "
            "dg.matmul takes any number."
        )
    return tensors


def mm(x: Any, mat2: Any) -> Tensor:
    """Return the product of two matrices; see `matmul`.

    >>> mm(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    return matmul(*_with_axes("mm", (x, 2), (mat2, 2)))


def bmm(x: Any, mat2: Any) -> Tensor:
    """Return the products of the matrices of two batches, one by one; see `matmul`.

    Shapes:
        x: (batch, rows, inner)
        mat2: (batch, inner, columns)

    >>> bmm(Tensor([[[1.0, 2.0]]]), Tensor([[[3.0], [4.0]]]))
    tensor([[[11.]]])
    """
    x, w = _with_axes("bmm", (x, 3), (mat2, 3))
    if x.shape[0] != w.shape[0]:
        raise ShapeError(
            f"bmm: both batches have one length; got {x.shape} and {w.shape}. dg.matmul broadcasts."
        )
    return matmul(x, w)


def mv(x: Any, vec: Any) -> Tensor:
    """Return the product of a matrix and a vector; see `matmul`.

    >>> mv(Tensor([[1.0, 2.0]]), Tensor([3.0, 4.0]))
    tensor([11.])
    """
    return matmul(*_with_axes("mv", (x, 2), (vec, 1)))


def dot(x: Any, tensor: Any) -> Tensor:
    """Return the sum of the products of two vectors' elements; see `matmul`.

    >>> dot(Tensor([1.0, 2.0]), Tensor([3.0, 4.0]))
    tensor(11.)
    """
    return matmul(*_with_axes("dot", (x, 1), (tensor, 1)))


def outer(x: Any, vec2: Any) -> Tensor:
    """Return all products of elements of two vectors: out[i, j] = x[i] vec2[j].

    >>> outer(Tensor([1, 2]), Tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    x, y = _with_axes("outer", (x, 1), (vec2, 1))
    return mul(reshape(x, -1, 1), y)
