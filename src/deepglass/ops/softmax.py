"""Softmax and its logarithm: scores turned into probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..graph.kinds import Composite
from ..graph.op import Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from .elementwise import same
from .functions import exp, log
from .movement import axis_of
from .reduction import amax, sum
from .samples import real


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


SOFTMAX = Op(
    name="softmax",
    infer=_floats("softmax"),
    reference=_softmax_reference,
    kernel=Composite(_softmax),
    gradient=(lambda g, y, x, dim: y * (g - sum(g * y, dim, keepdim=True)),),
    samples=_class_samples,
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
