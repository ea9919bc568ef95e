"""What is told of one weight."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .update import Line

Index = tuple[int, ...]


@dataclass(frozen=True)
class Paths:
    """The derivative by one output of a layer, as a sum over the outputs of the next.

    Attributes:
        layer: the path of the next layer with weights.
        slopes: how each of its outputs changes with the output explained.
        deltas: derivative of the loss by each of its outputs.
    """

    layer: str
    slopes: np.ndarray
    deltas: np.ndarray

    @property
    def products(self) -> np.ndarray:
        """What each path adds to the derivative."""
        return np.asarray(self.slopes * self.deltas)


@dataclass(frozen=True)
class Explanation:
    """All numbers behind one weight.

    A weight that is used at several places, as those of convolutions are, has several outputs;
    the forward sum and the paths are those of one of them, at ``position``.

    Attributes:
        name, index: of the weight.
        weight: its value.
        sample: the one whose forward sum and paths are explained.
        layer: the path of its layer.
        position: of the output explained, within the sample.
        output: its value.
        inputs: of the forward sum: what each parameter of the layer is multiplied with, by name.
        parameters: their values.
        deltas: derivative of the loss by each output that the layer has, (samples, ...).
        factors: what the weight is multiplied with in each of them, (samples, ...).
        paths: the delta at ``position`` unfolded; None where it comes from the loss.
        probabilities: of the sample's classes, where its delta is (probability - truth) / samples.
        target: the true class of the sample then.
        clipping: what the gradients of all weights are multiplied with before the step.
        lines: the optimizer's step.
        new: the value after it, as the optimizer itself computes it.
    """

    name: str
    index: Index
    weight: float
    sample: int
    layer: str
    position: Index
    output: float
    inputs: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]
    deltas: np.ndarray
    factors: np.ndarray
    paths: Paths | None
    probabilities: np.ndarray | None
    target: int | None
    clipping: float
    lines: list[Line]
    new: float

    @property
    def by_sample(self) -> np.ndarray:
        """What each sample adds to the gradient."""
        products = self.deltas * self.factors
        return np.asarray(products.reshape(len(products), -1).sum(axis=1))

    @property
    def gradient(self) -> float:
        """Of the loss over all samples by the weight."""
        return float(self.by_sample.sum())

    @property
    def delta(self) -> float:
        """The derivative of the loss by the output explained."""
        return float(self.deltas[(self.sample, *self.position)])

    def terms(self) -> list[tuple[str, Index, float, float]]:
        """Return the forward sum: (parameter, index, its value, what it is multiplied with).

        Those multiplied with 0 are left out, except the one that is explained.
        """
        own = self.name.rpartition(".")[2]
        return [
            (name, index, float(self.parameters[name][index]), float(inputs[index]))
            for name, inputs in self.inputs.items()
            for index in np.ndindex(inputs.shape)
            if inputs[index] != 0 or (name, index) == (own, self.index)
        ]


def parse_weight(text: str) -> tuple[str, Index]:
    """Return name and index of a weight as people write it.

    Raises:
        DataError: it is written otherwise.

    >>> parse_weight("fc1.weight[3,17]")
    ('fc1.weight', (3, 17))
    """
    match = re.fullmatch(r"\s*([\w.]+)\s*\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]\s*", text)
    if match is None:
        raise DataError(
            f"explain: a weight is written as a name and an index, such as fc1.weight[3,17]; got "
            f"{text!r}."
        )
    return match[1], tuple(int(n) for n in match[2].split(","))
