"""Sets of samples that can be asked for by number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from .stream import start_sample
from .transforms import Transform

Fields = tuple[np.ndarray, ...]


class Dataset:
    """Base of all sets of samples.

    A subclass says how many there are in ``__len__`` and returns one in ``__getitem__``, as
    a tuple such as (image, label). Where many can be fetched at once, it overrides `batch`.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: define __len__(self), how many samples.")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__}: define __getitem__(self, index), one sample as a tuple."
        )

    def samples(self, indices: np.ndarray) -> list[Any]:
        """Return the samples of these numbers, one by one.

        An error on the way says which sample it was.
        """
        return self._each(indices, self.__getitem__)

    def _each(self, indices: np.ndarray, make: Callable[[int], Any]) -> list[Any]:
        """Make something of every sample, with random numbers of its own."""
        found = []
        for index in indices.tolist():
            start_sample(index)
            try:
                found.append(make(index))
            except Exception as error:
                error.add_note(f"while sample {index} of {type(self).__name__} was made")
                raise
        return found

    def batch(self, indices: np.ndarray) -> Fields:
        """Return the samples of these numbers, stacked: one array per field."""
        return collate(self.samples(indices))

    def arrays(self) -> Fields | None:
        """Return all samples, stacked, where they lie in memory ready to be used; None otherwise.

        Training then fetches its batches inside of the compiled step.
        """
        return None


def collate(samples: Sequence[Any]) -> Fields:
    """Stack samples to one array per field.

    Raises:
        ShapeError: they differ in their number of fields or in the shape of one.

    >>> [field.tolist() for field in collate([([1, 2], 0), ([3, 4], 1)])]
    [[[1, 2], [3, 4]], [0, 1]]
    """
    rows = [s if isinstance(s, tuple) else (s,) for s in samples]
    if len({len(row) for row in rows}) > 1:
        raise ShapeError(
            "batch: all samples have the same number of fields; got "
            f"{sorted({len(row) for row in rows})}."
        )
    fields = [[np.asarray(x) for x in field] for field in zip(*rows, strict=True)]
    for number, field in enumerate(fields):
        shapes = list(dict.fromkeys(x.shape for x in field))
        if len(shapes) > 1:
            raise ShapeError(
                f"batch: field {number} has one shape in all samples of a batch; got "
                f"{' and '.join(map(str, shapes[:3]))}. Bring them to one size, or give the "
                "loader a collate_fn."
            )
    return tuple(np.stack(field) for field in fields)


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
        return tuple(np.take(a, indices, axis=0) for a in self.tensors)

    def arrays(self) -> Fields:
        return self.tensors


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

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def samples(self, indices: np.ndarray) -> list[Any]:
        return self.dataset.samples(self.indices[indices])

    def batch(self, indices: np.ndarray) -> Fields:
        return self.dataset.batch(self.indices[indices])


class ConcatDataset(Dataset):
    """The samples of several sets, one set after the other.

    Args:
        datasets: at least one.

    Raises:
        DataError: there is none.

    >>> both = ConcatDataset([TensorDataset([1, 2]), TensorDataset([3])])
    >>> [int(both[i][0]) for i in range(len(both))]
    [1, 2, 3]
    """

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise DataError("ConcatDataset: at least one dataset; got none.")
        self.ends = np.cumsum([len(d) for d in self.datasets])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: {len(self)} samples; got number {index}.")
        place = index % len(self)
        part = int(np.searchsorted(self.ends, place, side="right"))
        first = int(self.ends[part]) - len(self.datasets[part])
        return self.datasets[part][place - first]


class TransformDataset(Dataset):
    """The samples of another set, changed as they are fetched.

    Args:
        dataset: of samples (input, target, ...).
        transform: what is done to the input, such as `transforms.Compose`.
        target_transform: what is done to the target.

    >>> doubled = TransformDataset(TensorDataset([1, 2], [5, 6]), lambda x: 2 * x)
    >>> [tuple(map(int, doubled[i])) for i in range(2)]
    [(2, 5), (4, 6)]
    """

    def __init__(
        self,
        dataset: Dataset,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.dataset = dataset
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        first, *rest = self._fetched(index)
        return (first if self.transform is None else self.transform(first), *rest)

    def batch(self, indices: np.ndarray) -> Fields:
        """Return samples, stacked; a `Transform` changes all that have one size at once."""
        transform = self.transform
        if not (isinstance(transform, Transform) and transform.together):
            return super().batch(indices)
        drawn = self._each(indices, lambda index: (self._fetched(index), transform.draw()))
        images = [np.asarray(sample[0]) for sample, _ in drawn]
        numbers = np.stack([n for _, n in drawn])
        if len({x.shape for x in images}) == 1:
            changed = transform.apply(np.stack(images), numbers)
        else:
            each = zip(images, numbers, strict=True)
            (changed,) = collate([transform.apply(x[None], n[None])[0] for x, n in each])
        rest = [sample[1:] for sample, _ in drawn]
        return (changed, *(collate(rest) if rest[0] else ()))

    def _fetched(self, index: int) -> tuple[Any, ...]:
        """A sample before its input changes."""
        sample = list(self.dataset[index])
        if self.target_transform is not None:
            sample[1] = self.target_transform(sample[1])
        return tuple(sample)
