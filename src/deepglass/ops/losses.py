"""Losses: how far a prediction is from its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .counting import iota
from .elementwise import eq, to
from .indexing import gather, outside
from .movement import broadcast_to, reshape
from .reduction import mean
from .samples import real
from .softmax import LOG_SOFTMAX, log_softmax, softmax


def _cross_entropy_type(x: TensorType, target: TensorType) -> TensorType:
    if len(x.shape) != 2 or target.shape != x.shape[:1]:
        raise ShapeError(
            "cross_entropy: logits are (batch, classes) and targets (batch,); got "
            f"{x.shape} and {target.shape}."
        )
    if not x.dtype.is_float or not target.dtype.is_integer:
        raise DTypeError(
            f"cross_entropy: logits are floats and targets whole numbers; got {x} and {target}."
        )
    return TensorType((), x.dtype)


def _check_labels(x: np.ndarray, target: np.ndarray) -> None:
    if outside(target, x.shape[1]):
        raise DomainError(
            f"cross_entropy: labels lie between 0 and {x.shape[1] - 1} for {x.shape[1]} classes; "
            f"got {target.min()} to {target.max()}."
        )


def _cross_entropy(x: Tensor, target: Tensor) -> Tensor:
    picked = gather(log_softmax(x, 1), 1, reshape(target, -1, 1))
    return -mean(picked)


def _cross_entropy_gradient(g: Tensor, y: Tensor, x: Tensor, target: Tensor) -> Tensor:
    labels = broadcast_to(reshape(to(target, "int64"), -1, 1), x.shape)
    hot = to(eq(iota(x.shape, 1), labels), x.dtype)
    return (softmax(x, 1) - hot) * (g / float(x.shape[0] or 1))


def _cross_entropy_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for rows, classes in ((2, 3), (7, 5), (1, 2), (33, 10)):
        yield Sample((real(rng, (rows, classes), -4, 4), rng.integers(0, classes, rows)))


CROSS_ENTROPY = Op(
    name="cross_entropy",
    infer=_cross_entropy_type,
    reference=lambda x, target: (
        -np.mean(np.take_along_axis(LOG_SOFTMAX.reference(x, 1), target.reshape(-1, 1), 1))
    ),
    kernel=Composite(_cross_entropy),
    gradient=(_cross_entropy_gradient, None),
    samples=_cross_entropy_samples,
    misuses=(
        Misuse((np.ones((2, 3)), np.array([0, 3])), {}, DomainError, "between 0 and 2"),
        Misuse((np.ones((2, 3)), np.array([0.0, 1.0])), {}, DTypeError, "whole numbers"),
        Misuse((np.ones((2, 3)), np.array([[0], [1]])), {}, ShapeError, "(batch,)"),
    ),
    validate=_check_labels,
    doc="The mean over the batch of minus the logarithm of the probability of the true class.",
)


def cross_entropy(input: Any, target: Any) -> Tensor:
    """Return the mean cross-entropy, in nats, between logits and class numbers.

    loss = mean over n of -log softmax(input[n])[target[n]]

    Shapes:
        input: (batch, classes), logits: softmax is applied here
        target: (batch,), whole numbers from 0 to classes - 1

    Returns:
        one number, in nats per sample; log(classes) for a network that knows nothing

    Raises:
        DomainError: a label is not a class number.

    >>> cross_entropy(Tensor([[0.0, 0.0]]), Tensor([1]))
    tensor(0.6931)
    """
    return apply(CROSS_ENTROPY, as_tensor(input), as_tensor(target))


def mse_loss(input: Any, target: Any) -> Tensor:
    """Return the mean squared error.

    loss = mean of (input - target)^2 over all elements

    Shapes:
        input, target: the same

    Raises:
        ShapeError: the shapes differ; broadcasting here would compare every prediction with
            every target.

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(2.)
    """
    input, target = as_tensor(input), as_tensor(target)
    if input.shape != target.shape:
        raise ShapeError(
            f"mse_loss: prediction and target have one shape; got {input.shape} and "
            f"{target.shape}. Reshape the target, for instance with y.reshape(-1, 1)."
        )
    difference = input - target
    return mean(difference * difference)
