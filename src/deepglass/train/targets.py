"""Class numbers tried before training, so that a wrong one is found by its place."""

from __future__ import annotations

import numpy as np

from ..data.loader import DataLoader
from ..errors import DomainError
from ..graph.tensor import Tensor
from .feed import arrays_of
from .steps import Steps

AT_ONCE = 2**22  # outputs


def try_targets(steps: Steps, loader: DataLoader) -> None:
    """Give the loss all class numbers that lie in memory once, with outputs of zero: for each of
    them the first sample that has it.

    Raises:
        DomainError: the loss refuses one; the message names its sample.
    """
    whole = arrays_of(loader.dataset)
    if whole is None or whole[0][-1].dtype.kind not in "iu":
        return
    arrays, rows = whole
    targets = arrays[-1][rows]
    places = np.unique(targets, return_index=True)[1]
    samples = np.unique(places // max(1, targets[:1].size))
    targets = targets[samples]
    shape = steps.output(*loader.example(1)[:-1]).shape[1:]
    size = max(1, AT_ONCE // max(1, int(np.prod(shape))))
    for start in range(0, len(targets), size):
        part = targets[start : start + size]
        error = _refused(steps, part, shape)
        if error is not None:
            sample = samples[start + _first(steps, part, shape)]
            raise DomainError(f"{error} It is sample {sample} of the training data.") from error


def _refused(steps: Steps, targets: np.ndarray, shape: tuple[int, ...]) -> DomainError | None:
    """What the loss says of some targets, if it refuses them."""
    outputs = np.zeros((len(targets), *shape), np.float32)
    try:
        steps.loss(Tensor(outputs), Tensor(targets))
    except DomainError as error:
        return error
    return None


def _first(steps: Steps, targets: np.ndarray, shape: tuple[int, ...]) -> int:
    """The place of the first target that the loss refuses, found by halving."""
    start, stop = 0, len(targets)
    while stop - start > 1:
        middle = (start + stop) // 2
        if _refused(steps, targets[start:middle], shape):
            stop = middle
        else:
            start = middle
    return start
