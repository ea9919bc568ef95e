"""How well a network does: numbers that people know, exact over batches of any size.

A metric is two functions. ``observe`` is part of the compiled step and keeps a few numbers
per sample, such as the class that was answered; ``result`` makes the measure from those of
all samples. No mean of means is taken, so a last batch that is not full counts for what it
holds.

Definitions are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError, DomainError, ShapeError
from ..graph.tensor import Tensor, as_tensor
from ..ops.indexing import gather
from ..ops.movement import reshape


@dataclass(frozen=True)
class Metric:
    """A measure of quality.

    Attributes:
        name: as it stands in tables and files.
        observe: ``observe(output, target)`` returns a tuple of tensors with one row per
            sample; called inside a compiled step.
        result: ``result(*arrays)`` makes the number from the rows of all samples.
        better: "higher" or "lower".

    >>> accuracy(Tensor([[0.1, 0.9], [0.8, 0.2]]), Tensor([1, 1]))
    0.5
    """

    name: str
    observe: Callable[[Tensor, Tensor], tuple[Tensor, ...]]
    result: Callable[..., float]
    better: str = "higher"

    def __call__(self, output: Any, target: Any) -> float:
        """Return the measure of one set of outputs."""
        seen = self.observe(as_tensor(output), as_tensor(target))
        return self.result(*[x.numpy() for x in seen])


# Classes --------------------------------------------------------------------------------


def answers(output: Tensor) -> Tensor:
    """Return the class each output names: the largest of several, or the sign of one.

    Shapes:
        output: (batch, classes, ...), or (batch, 1) or (batch,) for two classes
        result: (batch, ...)
    """
    if output.ndim == 1 or output.shape[1] == 1:
        return (reshape(output, -1) > 0).to("int64")
    return output.argmax(1)


def _classes(output: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    return reshape(answers(output), -1), reshape(target, -1).to("int64")


def _share_right(answer: np.ndarray, truth: np.ndarray) -> float:
    return float((answer == truth).mean())


accuracy = Metric("accuracy", _classes, _share_right)


def top_k(k: int) -> Metric:
    """The share of samples whose class is among the ``k`` largest outputs.

    >>> top_k(2)(Tensor([[3.0, 2.0, 1.0]]), Tensor([1]))
    1.0
    """
    if k < 1:
        raise DomainError(f"top_k: k is at least 1; got {k}.")

    def observe(output: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        if output.ndim != 2:
            raise ShapeError(f"top_k: outputs are (batch, classes); got {output.shape}.")
        own = gather(output, 1, reshape(target, -1, 1))
        return ((output > own).sum(1),)

    return Metric(f"top_{k}", observe, lambda better: float((better < k).mean()))


def precision(average: str = "macro") -> Metric:
    """Of the samples an answer was given to, the share where it was right; per class, then
    averaged: see `f1`."""
    return _by_class("precision", average, lambda right, answered, true: _share(right, answered))


def recall(average: str = "macro") -> Metric:
    """Of the samples of a class, the share that was found; averaged: see `f1`."""
    return _by_class("recall", average, lambda right, answered, true: _share(right, true))


def f1(average: str = "macro") -> Metric:
    """The harmonic mean of precision and recall, per class, then averaged.

    Args:
        average: "macro" (each class counts the same), "micro" (each sample does), "weighted"
            (each class by its samples), or "binary" (class 1 alone).

    Numerics: a class without samples and answers counts as 0, as in scikit-learn; classes
    that occur neither as truth nor as answer do not count.

    >>> f1("binary")(Tensor([1.0, 1.0, -1.0]), Tensor([1, 0, 0]))
    0.6666666666666666
    """
    return _by_class(
        "f1", average, lambda right, answered, true: _share(2 * right, answered + true)
    )


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(part / np.maximum(whole, 1))


def _by_class(
    name: str, average: str, measure: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
) -> Metric:
    if average not in ("macro", "micro", "weighted", "binary"):
        raise DomainError(f"{name}: average is macro, micro, weighted or binary; got {average!r}.")

    def result(answer: np.ndarray, truth: np.ndarray) -> float:
        classes = 1 + int(max(answer.max(initial=1), truth.max(initial=1)))
        table = confusion_matrix(answer, truth, classes)
        counts = np.diag(table), table.sum(0), table.sum(1)
        if average == "micro":
            return float(measure(*(c.sum() for c in counts)))
        each = measure(*counts)
        if average == "binary":
            return float(each[1])
        weights = counts[2] if average == "weighted" else (counts[1] + counts[2] > 0).astype(float)
        return float(np.average(each, weights=weights))

    return Metric(name if average == "macro" else f"{name}_{average}", _classes, result)


def confusion_matrix(answer: Any, truth: Any, classes: int) -> np.ndarray:
    """Return how often each class was taken for each.

    Args:
        answer: class numbers the network answered.
        truth: the true ones.
        classes: how many there are.

    Shapes:
        result: (classes, classes), true class by answer

    Raises:
        DataError: lengths differ, or a number lies outside 0 ... classes - 1.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 1], [0, 1]]
    """
    answer, truth = np.asarray(answer), np.asarray(truth)
    if answer.shape != truth.shape or answer.ndim != 1:
        raise DataError(
            f"confusion_matrix: one answer per sample; got {answer.shape} and {truth.shape}."
        )
    both = np.concatenate([answer, truth])
    if both.size and not (both.min() >= 0 and both.max() < classes):
        raise DataError(
            f"confusion_matrix: class numbers lie between 0 and {classes - 1}; got "
            f"{both.min()} to {both.max()}."
        )
    pairs = truth.astype(np.int64) * classes + answer.astype(np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _scores(output: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    if output.ndim == 2 and output.shape[1] == 2:
        output = output[:, 1] - output[:, 0]
    if output.ndim > 2 or (output.ndim == 2 and output.shape[1] != 1):
        raise ShapeError(
            f"auc: outputs are (batch,), (batch, 1) or (batch, 2); got {output.shape}. It is "
            "defined for two classes."
        )
    return reshape(output, -1), reshape(target, -1)


def _area(score: np.ndarray, truth: np.ndarray) -> float:
    """How often a sample of class 1 scores above one of class 0; ties count half."""
    positive = truth == 1
    total = int(positive.sum()) * int((~positive).sum())
    if not total:
        return float("nan")
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    ones = int(positive.sum())
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / total)


auc = Metric("auc", _scores, _area)


# Numbers --------------------------------------------------------------------------------


def _pairs(output: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    if output.numel() != target.numel():
        raise ShapeError(f"metric: one output per target; got {output.shape} and {target.shape}.")
    return reshape(output, -1), reshape(target, -1)


def _errors(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.asarray(output.astype(np.float64) - target)


def _r2(output: np.ndarray, target: np.ndarray) -> float:
    spread = _errors(target, target.astype(np.float64).mean())
    whole = float((spread**2).sum())
    left = float((_errors(output, target) ** 2).sum())
    return 1 - left / whole if whole else float("nan")


mae = Metric("mae", _pairs, lambda y, t: float(np.abs(_errors(y, t)).mean()), "lower")
rmse = Metric("rmse", _pairs, lambda y, t: float(np.sqrt((_errors(y, t) ** 2).mean())), "lower")
r2 = Metric("r2", _pairs, _r2)
