"""Losses over classes: the cross-entropy between what a network says and what is so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_floats, as_tensor
from ..graph.types import Shape, TensorType, bool_
from .activation import relu
from .counting import iota
from .elementwise import eq, ne, to, where
from .functions import exp, log
from .indexing import outside
from .losses import check_reduction, compared, reduced, warn_of
from .movement import broadcast_to, reshape
from .reduction import sum
from .samples import real
from .softmax import LOG_SOFTMAX, SOFTMAX, log_softmax, softmax

Ignore = int | None  # the label of samples that do not count

# labels ---------------------------------------------------------------------------------


def _with_classes(shape: Shape, classes: int, dim: int) -> Shape:
    return (*shape[:dim], classes, *shape[dim:])


def _mask_type(target: TensorType, classes: int, dim: int, ignore: Ignore, name: str) -> TensorType:
    if not target.dtype.is_integer:
        raise DTypeError(
            f"{name}: labels are whole numbers; got {target}. Write target.to(dg.int64)."
        )
    return TensorType(_with_classes(target.shape, classes, dim), bool_)


def _check_labels(target: np.ndarray, classes: int, dim: int, ignore: Ignore, name: str) -> None:
    if outside(target, classes):
        wrong = (target < 0) | (target >= classes)
        labels = target[wrong if ignore is None else wrong & (target != ignore)]
        if labels.size:
            raise DomainError(
                f"{name}: labels lie between 0 and {classes - 1} for {classes} classes; got "
                f"{labels.min()} to {labels.max()}. Number the classes from 0, add outputs, or "
                "pass ignore_index= for samples that do not count."
            )


def _mask_reference(
    target: np.ndarray, classes: int, dim: int, ignore: Ignore, name: str
) -> np.ndarray:
    labels = target.astype(np.int64)
    if ignore is not None:
        labels = np.where(target == ignore, -1, labels)
    labels = np.expand_dims(labels, dim)
    numbers = np.arange(classes).reshape(-1, *[1] * (target.ndim - dim))
    return np.asarray(labels == numbers)


def _mask(target: Tensor, classes: int, dim: int, ignore: Ignore, name: str) -> Tensor:
    shape = _with_classes(target.shape, classes, dim)
    labels = to(target, "int64")
    if ignore is not None and 0 <= ignore < classes:
        labels = where(eq(labels, ignore), -1, labels)
    labels = reshape(labels, _with_classes(target.shape, 1, dim))
    return eq(iota(shape, dim), broadcast_to(labels, shape))


_SAMPLE = {"classes": 3, "dim": 1, "ignore": None, "name": "loss"}


def _mask_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, classes, dim in (((7,), 5, 1), ((2, 3), 7, 1), ((), 3, 0), ((0,), 2, 1)):
        for ignore in (None, 1):
            labels = rng.integers(0, classes, shape)
            params = {"classes": classes, "dim": dim, "ignore": ignore, "name": "loss"}
            yield Sample((labels,), params)
    yield Sample((np.array([3, 0], np.uint8),), {**_SAMPLE, "classes": 5})
    yield Sample((np.array([2, -100, 0]),), {**_SAMPLE, "classes": 5, "ignore": -100})


CLASS_MASK = Op(
    name="class_mask",
    infer=_mask_type,
    reference=_mask_reference,
    kernel=Composite(_mask),
    gradient=(None,),
    samples=_mask_samples,
    misuses=(
        Misuse((np.array([0, 3]),), _SAMPLE, DomainError, "between 0 and 2 for 3 classes; got 3"),
        Misuse((np.array([-1, 1]),), _SAMPLE, DomainError, "got -1 to -1. Number the classes"),
        Misuse((np.array([0.0, 1.0]),), _SAMPLE, DTypeError, "Write target.to(dg.int64)"),
    ),
    validate=_check_labels,
    notation="({0} = class)",
    doc="""Which class, along a new axis dim, is the one a label names; none for ``ignore``.""",
)


def _hot(name: str, x: Tensor, target: Tensor, dim: int, ignore: Ignore) -> Tensor:
    """Return 1 for the class of scores ``x`` that each label names and 0 for the others."""
    if target.shape != x.shape[:dim] + x.shape[dim + 1 :]:
        raise ShapeError(
            f"{name}: scores are (batch, classes, ...) and labels (batch, ...); got {x.shape} and "
            f"{target.shape}. Write target.reshape(-1) for a column of labels, "
            "target.argmax(1) for one-hot rows."
        )
    classes = x.shape[dim]
    mask = apply(CLASS_MASK, target, classes=classes, dim=dim, ignore=ignore, name=name)
    return to(mask, x.dtype)


def _class_axis(name: str, x: Tensor) -> int:
    if x.ndim == 0:
        raise ShapeError(f"{name}: scores have an axis of classes; got {x.type}.")
    return min(1, x.ndim - 1)


def _keepdim(x: Tensor, dim: int) -> Tensor:
    return reshape(x, _with_classes(x.shape, 1, dim))


def _weight_like(name: str, weight: Any, x: Tensor, dim: int) -> Tensor:
    """Return one weight per class, repeated to the shape of ``x``."""
    w = to(as_tensor(weight), x.dtype)
    if w.shape != (x.shape[dim],):
        raise ShapeError(
            f"{name}: weight has one number per class, {(x.shape[dim],)} here; got {w.shape}."
        )
    return broadcast_to(reshape(w, -1, *[1] * (x.ndim - dim - 1)), x.shape)


# cross-entropy --------------------------------------------------------------------------


def _cross_entropy_type(x: TensorType, target: TensorType, dim: int) -> TensorType:
    if x.shape != target.shape:
        raise ShapeError(
            "cross_entropy: probabilities have the shape of the logits; got logits "
            f"{x.shape} and {target.shape}. Labels are whole numbers."
        )
    if x.dtype is not target.dtype or not x.dtype.is_float:
        raise DTypeError(f"cross_entropy: both hold floats of one type; got {x} and {target}.")
    return TensorType(x.shape[:dim] + x.shape[dim + 1 :], x.dtype)


def _cross_entropy_reference(x: np.ndarray, target: np.ndarray, dim: int) -> np.ndarray:
    terms = target * np.where(target == 0, 0, LOG_SOFTMAX.reference(x, dim))
    return np.asarray(-terms.sum(dim))


def _cross_entropy(x: Tensor, target: Tensor, dim: int) -> Tensor:
    return -sum(target * where(eq(target, 0.0), 0.0, log_softmax(x, dim)), dim)


def _logit_gradient(g: Tensor, y: Tensor, x: Tensor, target: Tensor, dim: int) -> Tensor:
    share = softmax(x, dim) * sum(target, dim, keepdim=True)
    return (share - target) * _keepdim(g, dim)


def _target_gradient(g: Tensor, y: Tensor, x: Tensor, target: Tensor, dim: int) -> Tensor:
    return -log_softmax(x, dim) * _keepdim(g, dim)


def _cross_entropy_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 1), ((7, 5), 1), ((1, 2), 1), ((33, 10), 1), ((2, 3, 5), 1),
                       ((7,), 0)):  # fmt: skip
        yield Sample((real(rng, shape, -4, 4), real(rng, shape, 0.1, 1)), {"dim": dim})
    hot = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    hidden = np.array([[0.0, 1.0, -np.inf], [1e4, 0.0, -1e4]])
    yield Sample((hidden, hot), {"dim": 1}, smooth=False)


CROSS_ENTROPY = Op(
    name="cross_entropy",
    infer=_cross_entropy_type,
    reference=_cross_entropy_reference,
    kernel=Composite(_cross_entropy),
    gradient=(_logit_gradient, _target_gradient),
    samples=_cross_entropy_samples,
    misuses=(
        Misuse((np.ones((2, 3)), np.ones((3, 2))), {"dim": 1}, ShapeError, "whole numbers"),
        Misuse((np.ones((2, 3)), np.array([[0, 1, 0]] * 2)), {"dim": 1}, DTypeError, "one type"),
    ),
    notation="cross_entropy({0}, {1})",
    doc="""Minus the sum along dim of the target times the logarithm of softmax, which counts as
    0 where the target is 0.""",
)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: Ignore = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy, in nats, between logits and classes.

    loss[n] = -sum over c of q[n, c] log softmax(input[n])[c]

    where q is 1 for the class that the label names and 0 for the others, or the target itself
    when it holds probabilities; smoothed, (1 - label_smoothing) q + label_smoothing / classes;
    and times the weight of the class.

    Args:
        input, target: see Shapes.
        weight: one number per class; None counts all alike.
        ignore_index: label of samples that do not count; none unless given, so that a wrong
            label is an error (PyTorch's is -100).
        reduction: "mean", over the samples that count and by their weights (the texts' cost);
            "sum" (total loss); or "none" (loss of each sample).
        label_smoothing: share of the target that is spread over all classes, from 0 to 1.

    Shapes:
        input: (batch, classes), (batch, classes, ...) or (classes,); logits: softmax is
            applied here
        target: whole numbers from 0 to classes - 1, of the shape of the input without its
            classes; or floats, the probabilities of the classes, of the shape of the input
        weight: (classes,)

    Returns:
        nats per sample; log(classes) for a network that knows nothing

    Raises:
        DomainError: a label is not a class number.
        ShapeError, DTypeError: shapes or types are others.

    Numerics: the maximum is subtracted first; exact for logits of 1e4. Classes whose logit
    is -inf count as 0 where the target is 0. NaN when no sample counts.

    Source: label smoothing: Szegedy et al. (2016), section 7.

    >>> cross_entropy(Tensor([[0.0, 0.0]]), Tensor([1]))
    tensor(0.6931)
    """
    name = "cross_entropy"
    x, target = as_floats(name, input), as_tensor(target)
    check_reduction(name, reduction)
    if not 0 <= label_smoothing <= 1:
        raise DomainError(f"{name}: label_smoothing lies between 0 and 1; got {label_smoothing}.")
    warn_of(name, x, (SOFTMAX,), "softmax is applied in here; got its result, and softmax of "
            "softmax learns slowly. Leave it out of the network.")  # fmt: skip
    dim, labelled = _class_axis(name, x), not target.dtype.is_float
    counts = None
    if labelled and ignore_index is not None:
        counts = to(ne(to(target, "int64"), ignore_index), x.dtype)
    q = hot = _hot(name, x, target, dim, ignore_index) if labelled else to(target, x.dtype)
    if label_smoothing:
        q = q * (1 - label_smoothing) + label_smoothing / max(x.shape[dim], 1)
        q = q if counts is None else q * _keepdim(counts, dim)
    if weight is not None:
        w = _weight_like(name, weight, x, dim)
        q, counts = q * w, sum(hot * w, dim) if labelled else None
    losses = apply(CROSS_ENTROPY, x, q, dim=dim)
    if reduction == "mean" and counts is not None:
        return sum(losses) / sum(counts)
    return reduced(name, losses, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: Ignore = None,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the log-probability of the class that the label names.

    loss[n] = -weight[target[n]] input[n, target[n]]

    Args:
        input: log-probabilities, as `log_softmax` computes them.
        target: labels; this and all else as for `cross_entropy`.

    Shapes:
        input: (batch, classes), (batch, classes, ...) or (classes,)
        target: the same without the classes

    >>> nll_loss(Tensor([[-0.5, -1.0]]), Tensor([1]))
    tensor(1.)
    """
    name = "nll_loss"
    x, target = as_floats(name, input), as_tensor(target)
    check_reduction(name, reduction)
    warn_of(name, x, (SOFTMAX,), "it takes log-probabilities; got probabilities. Use log_softmax "
            "instead of softmax.")  # fmt: skip
    dim = _class_axis(name, x)
    hot = _hot(name, x, target, dim, ignore_index)
    q = hot if weight is None else hot * _weight_like(name, weight, x, dim)
    losses = -sum(where(eq(q, 0.0), 0.0, q * x), dim)
    if reduction == "mean" and (weight is not None or ignore_index is not None):
        return sum(losses) / sum(q)
    return reduced(name, losses, reduction)


def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Return the divergence of Kullback and Leibler, element by element, in nats.

    loss = target (log target - input), which is 0 where the target is 0

    Args:
        input: log-probabilities of the model, as `log_softmax` computes them.
        target: probabilities; their logarithms with ``log_target``.
        reduction: "batchmean", the divergence: the sum over classes, the mean over the first
            axis; "sum"; "none"; or "mean", PyTorch's default, over classes as well.
        log_target: the target holds log-probabilities.

    Shapes:
        input, target: the same

    Source: Kullback and Leibler (1951), equation 2.4.

    >>> kl_div(Tensor([[0.5, 0.5]]).log(), Tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    name = "kl_div"
    check_reduction(name, reduction, "batchmean")
    x, t = compared(name, input, target)
    warn_of(name, x, (SOFTMAX,), "its input is log-probabilities; got probabilities. Use "
            "log_softmax instead of softmax.")  # fmt: skip
    if log_target:
        losses = exp(t) * (t - x)
    else:
        none = eq(t, 0.0)
        losses = where(none, 0.0, t * (log(where(none, 1.0, t)) - x))
    if reduction == "batchmean":
        return sum(losses) / max(x.shape[0] if x.ndim else 1, 1)
    return reduced(name, losses, reduction)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return the hinge loss of several classes: every other class shall score lower by a margin.

    loss[n] = sum over c != t of weight[t] max(0, margin - input[n, t] + input[n, c])^p / classes
    with the label t = target[n]

    Args:
        input: scores.
        target: labels.
        p: 1 or 2.
        margin: difference of scores from which on a class costs nothing.
        weight: one number per class; None counts all alike.
        reduction: as for `cross_entropy`; the mean is over all samples.

    Shapes:
        input: (batch, classes) or (classes,)
        target: (batch,) or ()

    Gradient: 0 at the margin.

    Source: Crammer and Singer (2001), summed over classes as in PyTorch.

    >>> multi_margin_loss(Tensor([[1.0, 0.5, 3.0]]), Tensor([0]))
    tensor(1.1667)
    """
    name = "multi_margin_loss"
    x, target = as_floats(name, input), as_tensor(target)
    check_reduction(name, reduction)
    if p not in (1, 2) or x.ndim > 2:
        raise DomainError(
            f"{name}: p is 1 or 2 and scores are (batch, classes); got p={p} and {x.shape}."
        )
    dim = _class_axis(name, x)
    hot = _hot(name, x, target, dim, None)
    excess = relu(margin - sum(hot * x, dim, keepdim=True) + x) * (1 - hot)
    costs = excess * excess if p == 2 else excess
    if weight is not None:
        costs = costs * sum(hot * _weight_like(name, weight, x, dim), dim, keepdim=True)
    return reduced(name, sum(costs, dim) / max(x.shape[dim], 1), reduction)
