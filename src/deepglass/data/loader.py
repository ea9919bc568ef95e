"""Samples in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ..errors import DataError
from ..graph.tensor import Tensor
from ..ops.random import Generator, default_generator
from .dataset import Dataset, Fields
from .stream import Stream, draw_seed
from .workers import Collate, Order, Recipe, Workers


class DataLoader:
    """Goes through a dataset in batches, as often as it is asked to.

    Order and random transforms are a function of (seed, epoch, sample): the batches are the
    same for every number of workers, and in an epoch that is gone on with after a stop.

    Args:
        dataset: what is gone through.
        batch_size: samples per batch; the last batch holds what is left.
        shuffle: take the samples in another random order in each epoch.
        num_workers: processes that make batches; 0 makes them in this one, which is fastest
            for arrays in memory. They start with the first epoch and stay for the next ones.
        collate_fn: makes a tuple of arrays from a list of samples; `collate` unless given.
        drop_last: leave out a last batch that is not full.
        generator: where the seed is drawn from, once, here; the default generator unless given.
        prefetch_factor: batches that each worker is ahead; 2 unless given. Without workers a
            thread makes that many in advance, and none unless given.

    Attributes:
        seed: of all epochs.
        epoch: the number of the epoch under way or due next, from 0.
        batch: how many batches of it were handed out.

    Yields:
        per batch a tuple of tensors, one for each field of a sample.

    Raises:
        DataError: no samples, a batch size below 1, or a negative number of workers.

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
        num_workers: int = 0,
        collate_fn: Collate | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"DataLoader: batch_size is at least 1 sample; got {batch_size}.")
        if len(dataset) < (batch_size if drop_last else 1):
            raise DataError(
                f"DataLoader: at least one batch is needed; got {len(dataset)} samples with "
                f"batch_size={batch_size}, drop_last={drop_last}."
            )
        if num_workers < 0 or (prefetch_factor or 0) < 0:
            raise DataError(
                "DataLoader: num_workers and prefetch_factor are not negative; got "
                f"{num_workers} and {prefetch_factor}."
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.prefetch_factor = prefetch_factor
        self.seed = draw_seed(generator or default_generator)
        self.epoch = 0
        self.batch = 0
        self._continues = False
        self._workers: Workers | None = None

    @property
    def samples(self) -> int:
        """How many samples an epoch gives."""
        count = len(self.dataset)
        return count - count % self.batch_size if self.drop_last else count

    def __len__(self) -> int:
        """How many batches an epoch gives."""
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Begin an epoch, or go on with the one that `load_state_dict` named."""
        epoch, first = self._begin()
        for number, fields in enumerate(self._fields(epoch, first), first + 1):
            self.epoch, self.batch = epoch, number
            yield tuple(Tensor(field) for field in fields)
        self.epoch, self.batch = epoch + 1, 0

    def order(self, epoch: int) -> np.ndarray:
        """Return the numbers of all samples in the order of an epoch."""
        count = len(self.dataset)
        return Stream(self.seed, epoch).order(count) if self.shuffle else np.arange(count)

    def numbers(self, most: Callable[[], int], together: int = 1) -> Iterator[np.ndarray]:
        """Begin an epoch like ``iter``, or go on with one, but hand out sample numbers.

        For those who gather their samples themselves, several batches at a time.

        Args:
            most: asked each time how many rows to hand out at once, at least 1.
            together: batches in one row.

        Yields:
            whole numbers, (rows, samples); the rows of one array are of one length.
        """
        epoch, first = self._begin()
        order = self.order(epoch)
        size = self.batch_size * together
        row, full = -(-first // together), self.samples // size
        while row * size < self.samples:
            last = min(row + most(), full) if row < full else row + 1
            part = order[row * size : last * size][: self.samples - row * size]
            self.epoch, self.batch = epoch, min(last * together, len(self))
            yield part.reshape(last - row, -1)
            row = last
        self.epoch, self.batch = epoch + 1, 0

    def _begin(self) -> tuple[int, int]:
        """The epoch that is begun or gone on with, and its first batch."""
        if self.batch and not self._continues:
            self.epoch, self.batch = self.epoch + 1, 0  # the last one was left early
        self._continues = False
        return self.epoch, self.batch

    def state_dict(self) -> dict[str, int]:
        """Return where the loader stands: after the last batch it handed out."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "batch": self.batch,
            "batch_size": self.batch_size,
            "samples": self.samples,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where another loader of the same dataset stood.

        Raises:
            DataError: the state is that of a loader of another size.
        """
        here = self.state_dict()
        if state.keys() != here.keys() or any(
            state[name] != here[name] for name in ("batch_size", "samples")
        ):
            raise DataError(
                "DataLoader: a state of a loader with as many samples and the same batch_size; "
                f"got {dict(state)}, this one has {here}."
            )
        self.seed, self.epoch, self.batch = state["seed"], state["epoch"], state["batch"]
        self._continues = True

    def example(self, size: int) -> tuple[Tensor, ...]:
        """Return the first ``size`` samples as a batch, without moving on."""
        recipe = Recipe(self.dataset, self.collate_fn)
        return tuple(Tensor(f) for f in recipe((self.seed, 0, np.arange(size))))

    def _fields(self, epoch: int, first: int) -> Iterator[Fields]:
        ahead = self.prefetch_factor
        if ahead is None:
            ahead = 2 if self.num_workers else 0
        orders = self._orders(epoch, first)
        if self.num_workers == 0 and ahead == 0:
            return map(Recipe(self.dataset, self.collate_fn), orders)
        if self._workers is None or not self._workers.close.alive:
            recipe = Recipe(self.dataset, self.collate_fn)
            self._workers = Workers(recipe, self.num_workers, ahead * max(1, self.num_workers))
        return self._workers.batches(orders)

    def _orders(self, epoch: int, first: int) -> Iterator[Order]:
        order = self.order(epoch)
        for start in range(first * self.batch_size, self.samples, self.batch_size):
            yield self.seed, epoch, order[start : start + self.batch_size]
