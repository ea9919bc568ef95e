"""Dividing samples into parts: one to learn from, one to be tested on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import DataError
from ..ops.random import Generator, default_generator
from .dataset import Dataset, Subset
from .stream import order_of


def permutation(count: int, generator: Generator | None = None) -> np.ndarray:
    """Return the numbers from 0 to ``count`` - 1 in random order.

    They are sorted by 32 random bits each, so the order is a function of the generator's
    seed and of how much was drawn before, in every release and on every machine.

    >>> sorted(permutation(4, Generator(1)).tolist())
    [0, 1, 2, 3]
    """
    return order_of((generator or default_generator).bits((count,)).numpy())


def random_split(
    dataset: Dataset,
    lengths: str | Sequence[float],
    generator: Generator | None = None,
    stratify: Any = None,
) -> list[Subset]:
    """Divide ``dataset`` at random into parts that share no sample.

    Args:
        dataset: what is divided.
        lengths: samples per part, fractions that sum to 1, or a ratio such as "8:2" or
            "6:2:2" (what is left by rounding down goes to the first parts, one sample each).
        generator: source of the order; the default generator unless given.
        stratify: one class per sample; each class is then divided in the same proportions.

    Returns:
        one `Subset` per part.

    Raises:
        DataError: the lengths do not add up, or there is not one class per sample.

    >>> from .dataset import TensorDataset
    >>> ten = TensorDataset(np.arange(10))
    >>> [len(part) for part in random_split(ten, "6:2:2", Generator(0))]
    [6, 2, 2]
    """
    counts = part_lengths(len(dataset), lengths)
    order = permutation(len(dataset), generator)
    if stratify is None:
        return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]
    classes = np.asarray(stratify)
    if classes.shape != (len(dataset),):
        raise DataError(
            f"random_split: stratify holds one class for each of the {len(dataset)} samples; got "
            f"shape {classes.shape}."
        )
    dealt = np.empty(len(dataset), np.int64)
    dealt[np.argsort(classes[order], kind="stable")] = _deal(counts)
    return [Subset(dataset, order[dealt == part]) for part in range(len(counts))]


def part_lengths(total: int, lengths: str | Sequence[float]) -> list[int]:
    """Return how many of ``total`` samples each part gets; see `random_split`."""
    if isinstance(lengths, str):
        lengths = _shares(lengths)
    if not lengths or any(n < 0 for n in lengths):
        raise DataError(f"random_split: lengths are not negative; got {list(lengths)}.")
    if abs(sum(lengths) - 1) < 1e-9:
        counts = [int(total * share) for share in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
        return counts
    if any(n != int(n) for n in lengths) or sum(lengths) != total:
        raise DataError(
            f"random_split: lengths sum to the {total} samples there are, or to 1; got "
            f"{list(lengths)}, which sum to {sum(lengths):g}."
        )
    return [int(n) for n in lengths]


def _shares(ratio: str) -> list[float]:
    """From "8:2" to fractions."""
    try:
        parts = [Fraction(part.strip()) for part in ratio.split(":")]
        return [float(part / sum(parts)) for part in parts]
    except (ValueError, ZeroDivisionError) as error:
        raise DataError(
            f"random_split: a ratio is numbers with colons between, such as 8:2; got {ratio!r}."
        ) from error


def _deal(counts: list[int]) -> np.ndarray:
    """Return the part of each place in a row, every part spread evenly over the row."""
    places = [(np.arange(n) + 0.5) / n for n in counts if n]
    parts = [np.full(n, part) for part, n in enumerate(counts)]
    order = np.argsort(np.concatenate(places), kind="stable")
    return np.concatenate(parts)[order]
