"""Losses over yes and no: one number per answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from .activation import relu, softplus
from .elementwise import eq, maximum, same, to, where
from .functions import log, log1p, sigmoid
from .losses import check_reduction, compared, reduced, warn_of
from .piecewise import clamp_min
from .samples import SHAPES, real
from .softmax import SOFTMAX

LEAST_LOG = -100.0  # of a probability, as in PyTorch


def _check_probabilities(x: np.ndarray, target: np.ndarray) -> None:
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise DomainError(
            "binary_cross_entropy: predictions are probabilities, from 0 to 1; got "
            f"{x.min():g} to {x.max():g}. Use binary_cross_entropy_with_logits, or apply sigmoid."
        )


def _binary_reference(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    yes, no = (np.maximum(v, LEAST_LOG) for v in (np.log(x), np.log1p(-x)))
    return np.asarray(-target * yes - (1 - target) * no)


def _binary(x: Tensor, target: Tensor) -> Tensor:
    yes, no = (maximum(v, LEAST_LOG) for v in (log(x), log1p(-x)))
    return -target * yes - (1 - target) * no


def _binary_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((real(rng, shape, 0.05, 0.95), real(rng, shape, 0, 1)))
    certain = np.array([0.0, 1.0, 0.0, 1.0, 0.5])
    yield Sample((certain, np.array([0.0, 1.0, 1.0, 0.0, 1.0])), smooth=False)


BINARY_CROSS_ENTROPY = Op(
    name="binary_cross_entropy",
    infer=same("binary_cross_entropy", "float"),
    reference=_binary_reference,
    kernel=Composite(_binary),
    gradient=(
        lambda g, y, x, target: g * (x - target) / maximum(x * (1 - x), 1e-12),
        lambda g, y, x, target: g * (maximum(log1p(-x), LEAST_LOG) - maximum(log(x), LEAST_LOG)),
    ),
    samples=_binary_samples,
    misuses=(
        Misuse((np.array([0.5, 1.5]), np.ones(2)), {}, DomainError, "got 0.5 to 1.5. Use binary"),
        Misuse((np.array([np.nan]), np.ones(1)), {}, DomainError, "from 0 to 1; got nan"),
        Misuse((np.array([1]), np.array([1])), {}, DTypeError, "float; got int64[1]"),
    ),
    validate=_check_probabilities,
    doc="""-(target log x + (1 - target) log(1 - x)), with logarithms of at least -100.""",
)


def _weighed(name: str, losses: Tensor, weight: Any, reduction: str) -> Tensor:
    return reduced(name, losses if weight is None else losses * to(as_tensor(weight), losses.dtype),
                   reduction)  # fmt: skip


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean"
) -> Tensor:
    """Return the cross-entropy, in nats, between probabilities and answers.

    loss = -weight (target log input + (1 - target) log(1 - input))

    Args:
        input: probabilities of yes, from 0 to 1, as `sigmoid` computes them.
        target: 1 for yes, 0 for no, or probabilities.
        weight: of each element, broadcast.
        reduction: "mean" (the texts' cost), "sum" (total loss) or "none" (loss of each element).

    Shapes:
        input, target: the same

    Raises:
        DomainError: a prediction is not a probability.
        ShapeError: the shapes differ, as (batch, 1) and (batch,) do.

    Gradient: (input - target) / max(input (1 - input), 1e-12).

    Numerics: logarithms are at least -100, as in PyTorch. `binary_cross_entropy_with_logits`
    needs no such bound.

    >>> binary_cross_entropy(Tensor([0.5, 1.0]), Tensor([1.0, 1.0]), reduction="none")
    tensor([0.6931, 0.    ])
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    x, t = compared(name, input, target)
    return _weighed(name, apply(BINARY_CROSS_ENTROPY, x, t), weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """Return the cross-entropy, in nats, between logits and answers.

    loss = weight (pos_weight target softplus(-input) + (1 - target) softplus(input))

    which is `binary_cross_entropy` of sigmoid(input).

    Args:
        input: logits: sigmoid is applied here.
        target: 1 for yes, 0 for no, or probabilities.
        weight: of each element, broadcast.
        reduction: "mean" (the texts' cost), "sum" (total loss) or "none" (loss of each element).
        pos_weight: how much more an answer yes counts, broadcast: the ratio of no to yes in
            the data evens them out.

    Shapes:
        input, target: the same

    Raises:
        ShapeError: the shapes differ, as (batch, 1) and (batch,) do.

    Numerics: exact for logits of 1e4 of either sign.

    >>> binary_cross_entropy_with_logits(Tensor([0.0, 1e4]), Tensor([1.0, 0.0]), reduction="none")
    tensor([6.9315e-01, 1.0000e+04])
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    x, t = compared(name, input, target)
    warn_of(name, x, (sigmoid, SOFTMAX), "sigmoid is applied in here; got probabilities, which it "
            "flattens. Leave sigmoid out of the network, or use binary_cross_entropy.")  # fmt: skip
    yes = t if pos_weight is None else t * to(as_tensor(pos_weight), t.dtype)
    return _weighed(name, yes * softplus(-x) + (1 - t) * softplus(x), weight, reduction)


def hinge_loss(input: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """Return the hinge loss of scores: an answer costs nothing once it is right by a margin.

    loss = max(0, margin - target input)

    Args:
        input: scores, positive for yes.
        target: 1 for yes, -1 for no.
        margin: score from which on a right answer costs nothing.
        reduction: "mean" (the texts' cost), "sum" (total loss) or "none" (loss of each element).

    Shapes:
        input, target: the same

    Gradient: 0 at the margin.

    Source: Cortes and Vapnik (1995). PyTorch has none; scikit-learn's has this name.

    >>> hinge_loss(Tensor([0.3, 2.0]), Tensor([1, 1]), reduction="none")
    tensor([0.7, 0. ])
    """
    check_reduction("hinge_loss", reduction)
    x, t = compared("hinge_loss", input, target)
    return reduced("hinge_loss", relu(margin - t * x), reduction)


def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """Return a loss of distances: those of like pairs shrink, those of others grow to a margin.

    loss = input where the target is 1, max(0, margin - input) where it is -1

    Args:
        input: distances of pairs.
        target: 1 for pairs that are alike, -1 for others.
        margin: distance from which on another pair costs nothing.
        reduction: "mean", "sum" or "none".

    Shapes:
        input, target: the same

    Gradient: -1 for another pair at the margin, as in PyTorch.

    >>> hinge_embedding_loss(Tensor([0.3, 0.3]), Tensor([1, -1]), reduction="none")
    tensor([0.3, 0.7])
    """
    check_reduction("hinge_embedding_loss", reduction)
    x, t = compared("hinge_embedding_loss", input, target)
    losses = where(eq(t, 1.0), x, clamp_min(margin - x, 0.0))
    return reduced("hinge_embedding_loss", losses, reduction)
