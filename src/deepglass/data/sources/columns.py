"""How the columns of a table become numbers, and numbers become values again.

What is fitted here is fitted on the training rows alone, and is plain: every column can be
written as JSON and read again, so a run folder can hold it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError
from .table import NAMED, Table, numbers

MOSTLY = 0.9  # share of numbers from which a cell that is none is a mistake
CATEGORIES = 64  # of a column at most; rarer ones become "other"
WHOLE_CLASSES = 10  # different whole numbers that are taken for classes at most


@dataclass(frozen=True)
class NumberColumn:
    """(x - mean) / std, after log(1 + x) if ``log``; the median where there is no value.

    Attributes:
        name: of the column.
        median: of the values.
        mean: of the values, after the logarithm if there is one; so is the next.
        std: their standard deviation.
        log: whether the logarithm is taken.
        indicator: whether a second number tells rows without a value (1) from others (0).
    """

    kind: ClassVar[str] = "number"
    name: str
    median: float
    mean: float
    std: float
    log: bool = False
    indicator: bool = False

    @classmethod
    def fit(cls, table: Table, name: str, log: bool, indicator: bool) -> NumberColumn:
        """Fit to the rows of ``table`` that have a value."""
        values = number_cells(table, name)
        there = values[~np.isnan(values)]
        scale = _logarithm(values, table, name)[~np.isnan(values)] if log else there
        return cls(
            name,
            float(np.median(there)),
            float(scale.mean()),
            float(scale.std()) or 1.0,
            log,
            indicator and len(there) < len(values),
        )

    @property
    def features(self) -> list[str]:
        """What each number of a row means."""
        return [self.name, *([f"{self.name} is missing"] if self.indicator else [])]

    def transform(self, table: Table) -> np.ndarray:
        values = number_cells(table, self.name)
        missing = np.isnan(values)
        scaled = self.scale(np.where(missing, self.median, values), table)
        return np.stack([scaled, missing] if self.indicator else [scaled], axis=1)

    def scale(self, values: np.ndarray, table: Table) -> np.ndarray:
        """Return values of rows of ``table`` as a network reads them."""
        if self.log:
            values = _logarithm(values, table, self.name)
        return np.asarray((values - self.mean) / self.std)

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        values = np.asarray(scaled, np.float64) * self.std + self.mean
        return np.expm1(values) if self.log else values


@dataclass(frozen=True)
class CategoryColumn:
    """A 1 in the place of the category, 0 elsewhere; all 0 for one never seen.

    Attributes:
        name: of the column.
        categories: the values, in the order of their places; "" stands for no value.
        other: whether a last place is for all rarer values.
    """

    kind: ClassVar[str] = "category"
    name: str
    categories: tuple[str, ...]
    other: bool = False

    @classmethod
    def fit(cls, name: str, cells: Sequence[str]) -> CategoryColumn:
        """Keep the most frequent values, in alphabetical order."""
        common = Counter(cells).most_common()
        if len(common) <= CATEGORIES:
            return cls(name, tuple(sorted(value for value, _ in common)))
        kept = sorted(value for value, _ in common[: CATEGORIES - 1])
        return cls(name, tuple(kept), other=True)

    @property
    def features(self) -> list[str]:
        names = [f"{self.name} = {value or '(none)'}" for value in self.categories]
        return [*names, *([f"{self.name} = (other)"] if self.other else [])]

    def transform(self, table: Table) -> np.ndarray:
        places = {value: place for place, value in enumerate(self.categories)}
        otherwise = len(self.categories) if self.other else -1
        found = np.array([places.get(cell, otherwise) for cell in table.column(self.name)])
        return np.asarray(found[:, None] == np.arange(len(self.features)), np.float64)


@dataclass(frozen=True)
class ClassTarget:
    """What a classifier learns: the number of a class.

    Attributes:
        name: of the column.
        classes: their names, in the order of their numbers.
    """

    kind: ClassVar[str] = "class"
    name: str
    classes: tuple[str, ...]

    @classmethod
    def fit(cls, table: Table, name: str) -> ClassTarget:
        cells = target_cells(table, name)
        classes = sorted(set(map(plain, cells)), key=_order)
        if len(classes) < 2:
            raise DataError(
                f"{table.path}: {name!r} tells at least two classes apart; all {len(table):,} "
                f"training rows have {classes[0]!r}. Is it the right column?"
            )
        return cls(name, tuple(classes))

    def transform(self, table: Table) -> np.ndarray:
        places = {value: place for place, value in enumerate(self.classes)}
        cells = [plain(cell) for cell in target_cells(table, self.name)]
        unseen = np.flatnonzero([cell not in places for cell in cells])
        if unseen.size:
            raise DataError(
                f"{table.path}: {self.name!r} is one of the {len(self.classes)} classes of the "
                f"training rows; got {cells[unseen[0]]!r} in {table.at(unseen)}. Leave these rows "
                "out, or split in another way."
            )
        return np.array([places[cell] for cell in cells], np.int64)

    def inverse(self, outputs: np.ndarray) -> list[str]:
        return [self.classes[i] for i in np.argmax(outputs, axis=1).tolist()]


def number_cells(table: Table, name: str) -> np.ndarray:
    """Return a column as float64, NaN where there is no value.

    Raises:
        DataError: a cell is no finite number.
    """
    cells = table.column(name)
    values = table.numbers(name)
    wrong = np.flatnonzero(~np.isfinite(values) & np.array([cell != "" for cell in cells], bool))
    if wrong.size:
        raise DataError(
            f"{table.path}: {name!r} holds finite numbers; got {cells[wrong[0]]!r} in "
            f"{table.at(wrong)}. Correct or empty the cell; if the column is not a number, name "
            f"it: categorical=[{name!r}]."
        )
    return values


def _logarithm(values: np.ndarray, table: Table, name: str) -> np.ndarray:
    low = np.flatnonzero(values < 0)
    if low.size:
        raise DataError(
            f"{table.path}: {name!r} is not negative, as its logarithm is taken; got "
            f"{values[low[0]]:g} in {table.at(low)}. Take no logarithm, or correct the cell."
        )
    return np.asarray(np.log1p(values))


def is_number_column(table: Table, name: str) -> bool:
    """Whether a column holds numbers, by nearly all of its cells that have a value."""
    filled = sum(cell != "" for cell in table.column(name))
    found = int(np.count_nonzero(~np.isnan(table.numbers(name))))
    return found >= MOSTLY * filled > 0


def target_cells(table: Table, name: str) -> list[str]:
    """Return the cells of the target.

    Raises:
        DataError: some have no value.
    """
    cells = table.column(name)
    empty = np.flatnonzero([cell == "" for cell in cells])
    if empty.size:
        raise DataError(
            f"{table.path}: every row has a value of the target {name!r}; {empty.size:,} of "
            f"{len(cells):,} have none, {table.at(empty)}. Fill them, or leave them out: "
            f"table.with_value({name!r})."
        )
    return cells


def why_left_out(table: Table, whole: Table, name: str) -> str:
    """Return why a column tells a network nothing, or "" if it may.

    Args:
        table: the training rows.
        whole: all rows in the order of the file.
        name: of the column.
    """
    cells = [cell for cell in table.column(name) if cell]
    kinds = len(set(cells))
    if kinds == 0:
        return "it has no values"
    if kinds == 1 and len(cells) == len(table):
        return f"all rows have {cells[0]!r}"
    if is_number_column(table, name):
        values = whole.numbers(name)
        start = values[0]
        if len(values) > NAMED and start in (0, 1) and (values == start + range(len(values))).all():
            return "it numbers the rows"
    elif kinds > 20 and kinds > len(cells) / 2:
        return f"it has {kinds:,} different values in {len(cells):,} rows"
    return ""


def is_skewed(values: np.ndarray) -> bool:
    """Whether values are not negative and have a long tail: a skewness above 1."""
    there = values[~np.isnan(values)]
    if there.size == 0 or there.min() < 0 or there.std() == 0:
        return False
    return float((((there - there.mean()) / there.std()) ** 3).mean()) > 1


def looks_like_classes(cells: Sequence[str]) -> str:
    """Return why target cells name classes, or "" if they are measured."""
    values = numbers(cells)
    if np.isnan(values).mean() > 1 - MOSTLY:
        return "its values are words"
    counts = Counter(values.tolist())
    whole = all(np.isfinite(v) and v == int(v) for v in counts)
    if whole and len(counts) <= WHOLE_CLASSES and min(counts.values()) > 1:
        return f"its values are {len(counts)} whole numbers that repeat"
    return ""


def plain(cell: str) -> str:
    """One spelling per class: "1", "1.0" and "01" are "1"."""
    value = float(numbers([cell])[0])
    return str(int(value)) if abs(value) < 2**53 and value == int(value) else cell


def _order(name: str) -> tuple[float, str]:
    """Numbers by size, then words."""
    value = numbers([name])[0]
    return (float("inf") if np.isnan(value) else float(value)), name


Column = NumberColumn | CategoryColumn | ClassTarget
KINDS: dict[str, type[Column]] = {
    kind.kind: kind for kind in (NumberColumn, CategoryColumn, ClassTarget)
}


def to_record(column: Column) -> dict[str, Any]:
    """Return a column as JSON values."""
    return {"kind": column.kind, **asdict(column)}


def from_record(record: Any) -> Any:
    """Return the column that `to_record` wrote.

    Raises:
        DataError: it is none.
    """
    try:
        values = dict(record)
        kind: Any = KINDS[values.pop("kind")]
        wanted = {field.name: CHECKS[str(field.type)] for field in fields(kind)}
        if values.keys() == wanted.keys() and all(wanted[n](v) for n, v in values.items()):
            return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})
    except (KeyError, TypeError, ValueError):
        pass
    raise DataError(f"columns: a record of one of {', '.join(KINDS)}; got {record!r}.")


CHECKS: dict[str, Callable[[Any], bool]] = {
    "str": lambda v: isinstance(v, str),
    "bool": lambda v: isinstance(v, bool),
    "float": lambda v: isinstance(v, int | float) and bool(np.isfinite(v)),
    "tuple[str, ...]": lambda v: isinstance(v, list | tuple) and all(isinstance(x, str) for x in v),
}
