"""Choosing by chance: with weights, and in random order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.tensor import Tensor, as_tensor
from ..graph.trace import active_trace, set_grad_enabled
from ..graph.types import dtype_of, float64, int64, uint8, uint64
from .elementwise import gt, lt, to, where
from .functions import log
from .movement import squeeze, unsqueeze
from .random import Generator, default_generator, rand
from .reduction import amax, argmax
from .running import cumsum
from .sorting import argsort, topk


def multinomial(
    input: Any,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Draw positions, each as likely as its weight says.

    Args:
        input: weights, not negative; they need not add up to 1.
        num_samples: how many positions to draw for each row.
        replacement: whether a position may be drawn again.
        generator: the default one unless given.

    Shapes:
        input: (categories,) or (rows, categories)
        result: (num_samples,) or (rows, num_samples), int64

    Raises:
        ShapeError: another number of axes.
        DomainError: a negative or infinite weight, no positive one, or too few to draw from
            without replacement (weights are not checked in a compiled function).

    Numerics: computed in float64; a position with weight 0 is never drawn.

    Source: without replacement, Efraimidis and Spirakis (2006), as a race of exponential times.

    >>> multinomial(Tensor([0.0, 3.0, 0.0]), 4, replacement=True)
    tensor([1, 1, 1, 1])
    """
    weights = as_tensor(input)
    if weights.ndim not in (1, 2):
        raise ShapeError(
            f"multinomial: weights are (categories,) or (rows, categories); got {weights.type}. "
            "Flatten the other axes first."
        )
    if active_trace() is None:
        _check(weights.numpy(), num_samples, replacement)
    with set_grad_enabled(False):
        rows = to(weights if weights.ndim == 2 else unsqueeze(weights, 0), float64)
        if replacement:
            drawn = _with_replacement(rows, num_samples, generator)
        else:
            u = rand(*rows.shape, generator=generator, dtype=float64)
            drawn = topk(-log(1 - u) / rows, num_samples, largest=False).indices
        return drawn if weights.ndim == 2 else squeeze(drawn, 0)


def _with_replacement(rows: Tensor, count: int, generator: Generator | None) -> Tensor:
    """The first position at which the running sum of weights is above a uniform number."""
    sums = where(gt(rows, 0), cumsum(rows, 1), 0.0)
    u = rand(rows.shape[0], count, generator=generator, dtype=float64) * amax(sums, 1, keepdim=True)
    return argmax(to(lt(unsqueeze(u, 2), unsqueeze(sums, 1)), uint8), 2)


def _check(weights: np.ndarray, num_samples: int, replacement: bool) -> None:
    good = np.isfinite(weights) & (weights >= 0)
    if not good.all():
        raise DomainError(
            "multinomial: weights are finite and not negative; got "
            f"{weights[~good].reshape(-1)[0]}. Apply softmax to scores first."
        )
    enough = 1 if replacement else num_samples
    positive = int((weights > 0).sum(-1).min(initial=weights.shape[-1]))
    if num_samples < 1 or positive < enough:
        raise DomainError(
            f"multinomial: at least one is drawn, from as many positive weights; got {num_samples} "
            f"from {positive}. Draw fewer, or with replacement=True."
        )


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = int64) -> Tensor:
    """Return the whole numbers from 0 to ``n`` - 1 in random order.

    Args:
        n: how many.
        generator: the default one unless given.
        dtype: an integer type.

    Raises:
        DomainError: a negative number.

    Numerics: the order of 64 random bits each; all orders are equally likely but for the n^2
    in 2^65 cases in which two of them are the same.

    >>> sorted(randperm(5).tolist())
    [0, 1, 2, 3, 4]
    """
    if n < 0:
        raise DomainError(f"randperm: a length is not negative; got {n}. Pass len(data).")
    wanted = dtype_of(dtype)
    if not wanted.is_integer:
        raise DTypeError(f"randperm: whole numbers are put in order; got {wanted}. Use int64.")
    return to(argsort((generator or default_generator).bits((n,), uint64)), wanted)
