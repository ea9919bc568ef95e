"""Softmax, its logarithm, and sums of exponentials: scores turned into probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .elementwise import ElementwiseOp, abs, eq, maximum, same, to, where
from .functions import exp, log, log1p, sigmoid
from .logic import isfinite
from .movement import axis_of, reshape
from .reduction import Dims, amax, dims_of, reduced_shape, spread, sum
from .samples import along_axes, binary_samples, compare_samples, real

Axes = tuple[int, ...]


def _floats(name: str) -> Any:
    return lambda x, dim: same(name, "float")(x)


def _softmax_reference(x: np.ndarray, dim: int) -> np.ndarray:
    if not x.size:
        return x
    e = np.exp(x - x.max(dim, keepdims=True))
    return np.asarray(e / e.sum(dim, keepdims=True))


def _log_softmax_reference(x: np.ndarray, dim: int) -> np.ndarray:
    if not x.size:
        return x
    shifted = x - x.max(dim, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(dim, keepdims=True)))


def _shifted(x: Tensor, dim: int) -> Tensor:
    """x minus its maximum, which changes neither softmax nor its gradient."""
    return x - amax(x, dim, keepdim=True).detach()


def _softmax(x: Tensor, dim: int) -> Tensor:
    e = exp(_shifted(x, dim))
    return e / sum(e, dim, keepdim=True)


def _log_softmax(x: Tensor, dim: int) -> Tensor:
    shifted = _shifted(x, dim)
    return shifted - log(sum(exp(shifted), dim, keepdim=True))


def _class_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 1), ((5, 3), 0), ((2, 3, 5), 1), ((3, 40), 1), ((1, 1), 1)):
        yield Sample((real(rng, shape, -5, 5),), {"dim": dim})


def _misuses() -> tuple[Misuse, ...]:
    return (
        Misuse((np.array([1, 2]),), {"dim": 0}, DTypeError, "is one of float; got int64[2]"),
        Misuse((np.array([[True]]),), {"dim": 1}, DTypeError, "got bool[1, 1]. Convert"),
    )


SOFTMAX = Op(
    name="softmax",
    infer=_floats("softmax"),
    reference=_softmax_reference,
    kernel=Composite(_softmax),
    gradient=(lambda g, y, x, dim: y * (g - sum(g * y, dim, keepdim=True)),),
    samples=_class_samples,
    misuses=_misuses(),
    notation="softmax({0}, {dim})",
    doc="exp(x) divided by its sum along dim.",
)

LOG_SOFTMAX = Op(
    name="log_softmax",
    infer=_floats("log_softmax"),
    reference=_log_softmax_reference,
    kernel=Composite(_log_softmax),
    gradient=(lambda g, y, x, dim: g - exp(y) * sum(g, dim, keepdim=True),),
    samples=_class_samples,
    misuses=_misuses(),
    notation="log_softmax({0}, {dim})",
    doc="The logarithm of softmax.",
)


def softmax(x: Any, dim: int = -1) -> Tensor:
    """Return exp(x) divided by its sum along ``dim``: positive numbers that sum to 1.

    Numerics: the maximum is subtracted first, so nothing overflows.

    >>> softmax(Tensor([1000.0, 1000.0]))
    tensor([0.5, 0.5])
    """
    x = as_tensor(x)
    return apply(SOFTMAX, x, dim=axis_of("softmax", dim, x.ndim))


def log_softmax(x: Any, dim: int = -1) -> Tensor:
    """Return x - log(sum(exp(x))) along ``dim``.

    Numerics: exact where softmax itself would round to 0 or 1.
    """
    x = as_tensor(x)
    return apply(LOG_SOFTMAX, x, dim=axis_of("log_softmax", dim, x.ndim))


# sums of exponentials -------------------------------------------------------------------


def _logsumexp_type(x: TensorType, dim: Axes, keepdim: bool) -> TensorType:
    return TensorType(reduced_shape(same("logsumexp", "float")(x).shape, dim, keepdim), x.dtype)


def _logsumexp_reference(x: np.ndarray, dim: Axes, keepdim: bool) -> np.ndarray:
    top = x.max(dim, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    total = np.log(np.exp(x - top).sum(dim, keepdims=True)) + top
    return np.asarray(total).reshape(reduced_shape(x.shape, dim, keepdim))


def _logsumexp(x: Tensor, dim: Axes, keepdim: bool) -> Tensor:
    if 0 in [x.shape[d] for d in dim]:
        return log(sum(x, dim, keepdim))
    top = amax(x, dim, keepdim=True).detach()
    top = where(isfinite(top), top, 0.0)
    total = log(sum(exp(x - top), dim, keepdim=True)) + top
    return reshape(total, reduced_shape(x.shape, dim, keepdim))


def _logsumexp_gradient(g: Tensor, y: Tensor, x: Tensor, dim: Axes, keepdim: bool) -> Tensor:
    """Softmax; 0 where all scores are -inf."""
    total = spread(where(isfinite(y), y, 0.0), x, dim)
    return spread(g, x, dim) * exp(x - total)


def _logsumexp_samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from along_axes(lambda rng, shape: real(rng, shape, -5, 5))(rng)
    params = {"dim": (1,), "keepdim": False}
    yield Sample((real(rng, (3, 0)),), params, smooth=False)
    yield Sample((np.array([[1e4, 1e4], [-1e4, -1e4]]),), params, smooth=False)
    odd = [[-np.inf, -np.inf], [np.inf, 1.0], [np.nan, 1.0], [-np.inf, 2.0]]
    yield Sample((np.array(odd),), params, smooth=False)


LOGSUMEXP = Op(
    name="logsumexp",
    infer=_logsumexp_type,
    reference=_logsumexp_reference,
    kernel=Composite(_logsumexp),
    gradient=(_logsumexp_gradient,),
    samples=_logsumexp_samples,
    misuses=(
        Misuse(
            (np.array([1, 2]),), {"dim": (0,), "keepdim": False}, DTypeError,
            "one of float; got int64[2]. Convert",
        ),
        Misuse(
            (np.array([True]),), {"dim": (0,), "keepdim": False}, DTypeError,
            "one of float; got bool[1]. Convert",
        ),
    ),
    notation="logsumexp({0}, {dim})",
    doc="The logarithm of the sum of exp(x) along the axes dim.",
)  # fmt: skip


def logsumexp(x: Any, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return log(sum(exp(x))) along ``dim``: a smooth maximum.

    -inf over no elements at all.

    Args:
        x: floats; whole numbers and truth values are computed with as float32.
        dim: one axis, several, or None for all.
        keepdim: leave the reduced axes in place with length 1.

    Gradient: softmax(x).

    Numerics: the maximum is subtracted first, so nothing overflows.

    >>> logsumexp(Tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    x = as_tensor(x)
    if not x.dtype.is_float:
        x = to(x, "float32")
    return apply(LOGSUMEXP, x, dim=dims_of("logsumexp", dim, x.ndim), keepdim=keepdim)


def _difference(x: Tensor, y: Tensor) -> Tensor:
    """x - y, and 0 where they are the same infinity."""
    return where(eq(x, y), 0.0, x - y)


def _logaddexp_samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from binary_samples()(rng)
    yield from compare_samples(rng)


logaddexp = ElementwiseOp(
    name="logaddexp",
    infer=same("logaddexp", "float"),
    reference=np.logaddexp,
    kernel=Composite(lambda x, y: maximum(x, y) + log1p(exp(-abs(_difference(x, y))))),
    gradient=(
        lambda g, out, x, y: g * sigmoid(_difference(x, y)),
        lambda g, out, x, y: g * sigmoid(_difference(y, x)),
    ),
    samples=_logaddexp_samples,
    misuses=(
        Misuse((np.ones(2), np.ones(3)), {}, DTypeError, "one shape and type"),
        Misuse((np.array([1]), np.array([1])), {}, DTypeError, "one of float; got int64[1]"),
    ),
    notation="log(exp({0}) + exp({1}))",
    floats=True,
    doc="""log(exp(x) + exp(y)), broadcast: the sum of two numbers of which logarithms are known.

    Gradient: sigmoid(x - y) for x, sigmoid(y - x) for y.

    Numerics: never overflows.

    >>> logaddexp(Tensor([1000.0]), 1000.0)
    tensor([1000.6932])
    """,
)
