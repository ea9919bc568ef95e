"""Losses as modules; what each computes is said at its function in `nn.functional`.

``reduction`` is "mean" (the texts' cost), "sum" (total loss) or "none" (loss of each sample).
"""

from __future__ import annotations

from typing import Any

from ..graph.tensor import Buffer, Tensor
from ..ops.losses import check_reduction
from . import functional as F
from .module import Module


class _Loss(Module):
    """A loss of predictions and targets; ``weight`` and the like are state, not trained."""

    reductions: tuple[str, ...] = ()  # beyond those that every loss has

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction, *self.reductions)
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


def _buffer(values: Any, role: str) -> Buffer | None:
    return None if values is None else Buffer(values, role=role)


class MSELoss(_Loss):
    """The squared error between tensors of one shape."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The absolute error between tensors of one shape."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """0.5 d^2 / beta for errors d below ``beta``, d - 0.5 beta above.

    Source: Girshick (2015).
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """0.5 d^2 for errors d up to ``delta``, delta (d - 0.5 delta) above.

    Source: Huber (1964).
    """

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(_Loss):
    """The cross-entropy, in nats, between logits and labels, or probabilities of classes.

    Args:
        weight: one number per class; None counts all alike.
        ignore_index: label of samples that do not count; none unless given.
        reduction: "mean", "sum" or "none".
        label_smoothing: share of the target that is spread over all classes, from 0 to 1.

    Shapes:
        input: (batch, classes) or (batch, classes, ...)
        target: (batch,) or (batch, ...), or that of the input

    >>> CrossEntropyLoss()(Tensor([[0.0, 0.0]]), Tensor([1]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction=reduction)
        self.weight = _buffer(weight, "class weights")
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """Minus the log-probability of the class that the label names.

    Args:
        weight: one number per class; None counts all alike.
        ignore_index: label of samples that do not count; none unless given.
        reduction: "mean", "sum" or "none".
    """

    def __init__(
        self, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.weight = _buffer(weight, "class weights")
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """target (log target - input), the input and with ``log_target`` the target too being
    log-probabilities; reduction "batchmean" gives the divergence."""

    reductions = ("batchmean",)

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class BCELoss(_Loss):
    """The cross-entropy, in nats, between probabilities and answers 1 or 0.

    Args:
        weight: of each element, broadcast.
        reduction: "mean", "sum" or "none".
    """

    def __init__(self, weight: Any = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.weight = _buffer(weight, "weights")

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The cross-entropy, in nats, between logits and answers 1 or 0.

    Args:
        weight: of each element, broadcast.
        reduction: "mean", "sum" or "none".
        pos_weight: how much more an answer 1 counts, broadcast.
    """

    def __init__(
        self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
    ) -> None:
        super().__init__(reduction=reduction)
        self.weight = _buffer(weight, "weights")
        self.pos_weight = _buffer(pos_weight, "weights of yes")

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class HingeLoss(_Loss):
    """max(0, margin - target input) for targets 1 and -1: support vector machines.

    Source: Cortes and Vapnik (1995).
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.hinge_loss(input, target, self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """The distance of a like pair (target 1), and what an unlike pair (-1) lacks to the margin."""

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MultiMarginLoss(_Loss):
    """The hinge loss of several classes: each other class shall score lower by a margin.

    Args:
        p: 1 or 2, the power of what lacks.
        margin: difference of scores from which on a class costs nothing.
        weight: one number per class; None counts all alike.
        reduction: "mean", "sum" or "none".
    """

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.p = p
        self.margin = margin
        self.weight = _buffer(weight, "class weights")

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )
