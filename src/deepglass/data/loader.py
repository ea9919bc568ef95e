"""Samples in batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import DataError
from ..graph.tensor import Tensor
from ..ops.random import Generator
from .dataset import Dataset
from .splits import permutation


class DataLoader:
    """Goes through a dataset in batches, as often as it is asked to.

    Args:
        dataset: what is gone through.
        batch_size: samples per batch; the last batch holds what is left.
        shuffle: take the samples in another random order each time.
        drop_last: leave out a last batch that is not full.
        generator: source of the orders; the default generator unless given. Its seed and
            counter decide every order from here on.

    Yields:
        per batch a tuple of tensors, one for each field of a sample.

    Raises:
        DataError: no samples, or a batch size below 1.

    >>> from .dataset import TensorDataset
    >>> numbers = TensorDataset(np.arange(5))
    >>> [batch.tolist() for (batch,) in DataLoader(numbers, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"DataLoader: batch_size is at least 1 sample; got {batch_size}.")
        if len(dataset) < (batch_size if drop_last else 1):
            raise DataError(
                f"DataLoader: at least one batch is needed; got {len(dataset)} samples with "
                f"batch_size={batch_size}, drop_last={drop_last}."
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator

    @property
    def samples(self) -> int:
        """How many samples one time through gives."""
        count = len(self.dataset)
        return count - count % self.batch_size if self.drop_last else count

    def __len__(self) -> int:
        """How many batches one time through gives."""
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        count = len(self.dataset)
        order = permutation(count, self.generator) if self.shuffle else np.arange(count)
        for start in range(0, self.samples, self.batch_size):
            fields = self.dataset.batch(order[start : start + self.batch_size])
            yield tuple(Tensor(field) for field in fields)
