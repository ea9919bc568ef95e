"""Sets of samples that can be asked for by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError

Fields = tuple[np.ndarray, ...]


class Dataset:
    """Base of all sets of samples.

    A subclass says how many there are in ``__len__`` and returns one in ``__getitem__``, as
    a tuple such as (image, label). Where many can be fetched at once, it overrides `batch`.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: define __len__(self), how many samples.")

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        raise NotImplementedError(
            f"{type(self).__name__}: define __getitem__(self, index), one sample as a tuple."
        )

    def batch(self, indices: np.ndarray) -> Fields:
        """Return the samples of these numbers, stacked: one array per field."""
        samples = [self[int(i)] for i in indices]
        return tuple(
            np.stack([np.asarray(x) for x in field]) for field in zip(*samples, strict=True)
        )


class TensorDataset(Dataset):
    """Samples along the first axis of arrays of one length.

    Args:
        arrays: NumPy arrays or tensors; copied, and read-only from then on.

    Raises:
        ShapeError: there is no array, or their lengths differ.

    >>> pairs = TensorDataset(np.float32([[0, 0], [0, 1], [1, 1]]), np.int64([0, 1, 0]))
    >>> len(pairs), int(pairs[1][1])
    (3, 1)
    """

    def __init__(self, *arrays: Any) -> None:
        copies = tuple(np.array(a) for a in arrays)
        if not copies or any(a.ndim == 0 for a in copies) or len({len(a) for a in copies}) > 1:
            raise ShapeError(
                "TensorDataset: arrays whose first axes have one length; got "
                f"{', '.join(str(a.shape) for a in copies) or 'none'}."
            )
        for array in copies:
            array.flags.writeable = False
        self.tensors = copies

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> Fields:
        return tuple(a[index] for a in self.tensors)

    def batch(self, indices: np.ndarray) -> Fields:
        return tuple(a[indices] for a in self.tensors)


class Subset(Dataset):
    """Some samples of another set, in an order of their own.

    Args:
        dataset: where they come from.
        indices: their numbers there.

    Raises:
        DataError: a number that ``dataset`` does not have.
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray) -> None:
        numbers = np.array(indices, np.int64).reshape(-1)
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(dataset)):
            raise DataError(
                f"Subset: sample numbers lie between 0 and {len(dataset) - 1}; got "
                f"{numbers.min()} to {numbers.max()}."
            )
        self.dataset = dataset
        self.indices = numbers

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self.dataset[int(self.indices[index])]

    def batch(self, indices: np.ndarray) -> Fields:
        return self.dataset.batch(self.indices[indices])
