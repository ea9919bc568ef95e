"""The first machine that learned from examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError, ShapeError
from ..graph.tensor import Buffer, Tensor
from ..nn.functional import linear
from ..nn.module import Module


class Perceptron(Module):
    """One neuron with Rosenblatt's learning rule.

    y = 1 if w · x + b >= 0, else 0

    After each mistake the example itself is added to the weights, or taken away:

    w ← w + (target - y) x;  b ← b + (target - y)

    Nothing changes while the answers are right. If any line (plane, ...) separates the two
    classes, mistakes end after at most (R / γ)² of them, see `mistake_bound`; if none does,
    they never end.

    Args:
        in_features: numbers per example.

    Shapes:
        input: (..., in_features)
        output: (...), int64, 0 or 1
        weight: (1, in_features)
        bias: (1,)

    Source: Rosenblatt (1958), "The perceptron: a probabilistic model for information storage
    and organization in the brain"; Novikoff (1962), "On convergence proofs on perceptrons".

    >>> x, y = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]]), np.int64([0, 0, 0, 1])
    >>> neuron = Perceptron(2)
    >>> neuron.fit(x, y)[-1]
    0
    >>> neuron(Tensor(x))
    tensor([0, 0, 0, 1])
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        if in_features < 1:
            raise DomainError(f"Perceptron: in_features is at least 1; got {in_features}.")
        self.weight = Buffer(np.zeros((1, in_features), np.float32), role="weights")
        self.bias = Buffer(np.zeros(1, np.float32), role="bias")

    def forward(self, x: Any) -> Tensor:
        return (linear(x, self.weight, self.bias)[..., 0] >= 0).to("int64")

    def learn(self, x: Any, target: int) -> bool:
        """Show one example ``x``, shape (in_features,), and return whether it was mistaken."""
        error = target - int(self(x))
        if error:
            self.weight += error * x
            self.bias += error
        return error != 0

    def fit(self, x: Any, y: Any, epochs: int = 1000) -> list[int]:
        """Show all examples in turn until one epoch passes without a mistake.

        Args:
            x: examples, (count, in_features).
            y: their classes, 0 or 1, (count,).
            epochs: when to give up.

        Returns:
            the number of mistakes in each epoch; the last is 0 if the rule converged.

        Raises:
            ShapeError: there is not one class per example.
            DomainError: a class other than 0 and 1.
        """
        x, y = np.asarray(x, np.float32), np.asarray(y)
        if x.ndim != 2 or y.shape != x.shape[:1]:
            raise ShapeError(
                f"fit: examples (count, in_features) and classes (count,); got {x.shape} and "
                f"{y.shape}."
            )
        if not np.isin(y, (0, 1)).all():
            raise DomainError(f"fit: the classes are 0 and 1; got {np.unique(y).tolist()}.")
        mistakes: list[int] = []
        while len(mistakes) < epochs and (not mistakes or mistakes[-1]):
            mistakes.append(
                sum(self.learn(*example) for example in zip(x, y.tolist(), strict=True))
            )
        return mistakes


def mistake_bound(x: Any, y: Any, weight: Any, bias: float) -> float:
    """Return how many mistakes `Perceptron.fit` can make at most, starting from zero.

    (R / γ)², where R is the length of the longest example and γ the distance between the
    separating plane and the closest one, both with a 1 appended to each example for the bias.

    Args:
        x: examples, (count, in_features).
        y: their classes, 0 or 1, (count,).
        weight: of a plane that separates the classes, (in_features,).
        bias: of the same plane.

    Raises:
        DomainError: the plane does not separate the classes.

    Source: Novikoff (1962).

    >>> mistake_bound([[-1.0], [1.0]], [0, 1], [1.0], 0.0)
    2.0
    """
    points = np.hstack([np.asarray(x, np.float64), np.ones((len(x), 1))])
    plane = np.append(np.asarray(weight, np.float64), bias)
    sides = np.where(np.asarray(y) == 1, 1, -1)
    margin = (sides * (points @ plane)).min() / np.linalg.norm(plane)
    if not margin > 0:
        raise DomainError(
            "mistake_bound: the plane has all examples of class 1 on one side and of class 0 on "
            f"the other; one is on the wrong side by {-margin:g}."
        )
    return float((points**2).sum(axis=1).max() / margin**2)
