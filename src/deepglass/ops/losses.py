"""What losses share, and those between numbers: how far a prediction is from its target.

The texts' words: the loss of a sample is ``reduction="none"``, the cost is their mean,
``reduction="mean"``, and the total loss their sum, ``reduction="sum"``.
"""

from __future__ import annotations

from typing import Any

from ..errors import DomainError, ShapeError
from ..graph.graph import ALIAS
from ..graph.kinds import Pull, View
from ..graph.op import Op
from ..graph.tensor import Tensor, as_floats, as_tensor, read
from ..graph.trace import warn
from .elementwise import CAST, abs, lt, to, where
from .reduction import mean, sum


def reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    """Return the losses, their mean or their sum.

    Raises:
        DomainError: ``reduction`` is another word.
    """
    check_reduction(name, reduction)
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


def check_reduction(name: str, reduction: str, *others: str) -> None:
    """Raise unless ``reduction`` is a word that the loss ``name`` knows."""
    words = ("mean", "sum", "none", *others)
    if reduction not in words:
        raise DomainError(
            f"{name}: reduction is one of {', '.join(words)}; got {reduction!r}. Write "
            'reduction="none" for the loss of each sample.'
        )


def compared(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Return prediction and target as tensors of one shape and one float type.

    Raises:
        ShapeError: the shapes differ: broadcasting would compare every prediction with every
            target.
        DTypeError: the prediction does not hold floats.
    """
    x, y = as_floats(name, input), as_tensor(target)
    if x.shape != y.shape:
        advice = "Check what the network returns."
        if x.numel() == y.numel():
            advice = f"Write target.reshape{x.shape}."
        raise ShapeError(
            f"{name}: prediction and target have one shape; got {x.shape} and {y.shape}, of which "
            f"every element would be compared with every other. {advice}"
        )
    return x, to(y, x.dtype)


def warn_of(name: str, x: Tensor, ops: tuple[Op, ...], advice: str) -> None:
    """Warn when ``x`` was computed by one of ``ops``, perhaps moved or converted since."""
    node = read(x)
    while node.op not in ops and len(node.inputs) == 1:
        if not isinstance(node.op.kernel, (View, Pull)) and node.op not in (ALIAS, CAST):
            return
        node = node.inputs[0]
    if node.op in ops:
        warn(f"{name}: {advice}")


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Return the squared error.

    loss = (input - target)^2, the mean of it over all elements unless asked otherwise

    Args:
        input, target: see Shapes; the target is converted to the type of the input.
        reduction: "mean" (the texts' cost), "sum" (total loss) or "none" (loss of each element).

    Shapes:
        input, target: the same

    Raises:
        ShapeError: the shapes differ, as (batch, 1) and (batch,) do.

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(2.)
    """
    x, y = compared("mse_loss", input, target)
    difference = x - y
    return reduced("mse_loss", difference * difference, reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Return the absolute error, |input - target|; arguments as `mse_loss`.

    Gradient: 0 where they are equal.

    >>> l1_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(1.)
    """
    x, y = compared("l1_loss", input, target)
    return reduced("l1_loss", abs(x - y), reduction)


def smooth_l1_loss(
    input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Return the squared error where it is small, the absolute error where it is large.

    loss = 0.5 d^2 / beta where d = |input - target| is less than beta, else d - 0.5 beta

    Args:
        input, target, reduction: as for `mse_loss`.
        beta: error from which on it counts by its size; 0 gives `l1_loss`.

    Source: Girshick (2015), equation 3.

    >>> smooth_l1_loss(Tensor([0.5, 3.0]), Tensor([0.0, 0.0]), reduction="none")
    tensor([0.125, 2.5  ])
    """
    x, y = compared("smooth_l1_loss", input, target)
    if beta < 0:
        raise DomainError(f"smooth_l1_loss: beta is not negative; got {beta}.")
    if beta == 0:
        return reduced("smooth_l1_loss", abs(x - y), reduction)
    return reduced("smooth_l1_loss", _huber(x - y, beta) / beta, reduction)


def huber_loss(input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Return half the squared error where it is small, a multiple of the absolute error where
    it is large.

    loss = 0.5 d^2 where d = |input - target| is at most delta, else delta (d - 0.5 delta)

    Args:
        input, target, reduction: as for `mse_loss`.
        delta: error from which on it counts by its size.

    Source: Huber (1964).

    >>> huber_loss(Tensor([0.5, 3.0]), Tensor([0.0, 0.0]), reduction="none", delta=2.0)
    tensor([0.125, 4.   ])
    """
    x, y = compared("huber_loss", input, target)
    if delta <= 0:
        raise DomainError(f"huber_loss: delta is positive; got {delta}. Use l1_loss instead.")
    return reduced("huber_loss", _huber(x - y, delta), reduction)


def _huber(difference: Tensor, delta: float) -> Tensor:
    d = abs(difference)
    return where(lt(d, delta), 0.5 * d * d, delta * (d - 0.5 * delta))
