"""How well a classifier does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from ..graph.tensor import Tensor


def accuracy(output: Tensor, labels: Tensor) -> Tensor:
    """Return the share of samples whose largest output is the right one.

    Shapes:
        output: (batch, classes)
        labels: (batch,), whole numbers
        result: ()

    >>> accuracy(Tensor([[0.1, 0.9], [0.8, 0.2]]), Tensor([1, 1]))
    tensor(0.5)
    """
    return (output.argmax(1) == labels).to("float32").mean()


def confusion_matrix(predicted: Any, labels: Any, classes: int) -> np.ndarray:
    """Return how often each class was taken for each.

    Args:
        predicted: class numbers the network answered.
        labels: the true ones.
        classes: how many there are.

    Shapes:
        result: (classes, classes), true class by answer

    Raises:
        DataError: lengths differ, or a number lies outside 0 ... classes - 1.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 1], [0, 1]]
    """
    answer, truth = np.asarray(predicted), np.asarray(labels)
    if answer.shape != truth.shape or answer.ndim != 1:
        raise DataError(
            f"confusion_matrix: one answer per label; got {answer.shape} and {truth.shape}."
        )
    both = np.concatenate([answer, truth])
    if both.size and not (both.min() >= 0 and both.max() < classes):
        raise DataError(
            f"confusion_matrix: class numbers lie between 0 and {classes - 1}; got "
            f"{both.min()} to {both.max()}."
        )
    pairs = truth.astype(np.int64) * classes + answer.astype(np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
