"""Time series: rows in the order of time, cut into windows that end before what follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import DataError
from ..dataset import Dataset, Fields, Subset
from ..splits import part_lengths
from .columns import NumberColumn, from_record, is_number_column, to_record
from .table import Table


class WindowDataset(Dataset):
    """Windows of a series, each with what comes after it.

    Args:
        values: one row per point in time.
        window: rows that are read.
        horizon: rows after them that are to be foretold.
        target: the column to foretell.
        step: rows from the beginning of one window to that of the next.

    Shapes:
        values: (time, features)
        input: (window, features)
        target: (horizon,)

    Raises:
        DataError: a length below 1, or fewer rows than a window and its horizon.

    >>> series = WindowDataset(np.arange(6.0)[:, None], window=3, horizon=2)
    >>> [(x.ravel().tolist(), y.tolist()) for x, y in (series[i] for i in range(len(series)))]
    [([0.0, 1.0, 2.0], [3.0, 4.0]), ([1.0, 2.0, 3.0], [4.0, 5.0])]
    """

    def __init__(
        self, values: Any, window: int, horizon: int = 1, target: int = 0, step: int = 1
    ) -> None:
        self.values = np.array(values)
        if self.values.ndim != 2 or not 0 <= target < self.values.shape[1]:
            raise DataError(
                "WindowDataset: values as (time, features) and a target among the features; got "
                f"shape {self.values.shape} and {target}."
            )
        if min(window, horizon, step) < 1 or len(self.values) < window + horizon:
            raise DataError(
                "WindowDataset: window, horizon and step of at least 1 row, and rows for one of "
                f"each; got window={window}, horizon={horizon}, step={step} and "
                f"{len(self.values)} rows."
            )
        self.window = window
        self.horizon = horizon
        self.target = target
        self.starts = np.arange(0, len(self.values) - window - horizon + 1, step)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Fields:
        inputs, targets = self.batch(np.array([index]))
        return inputs[0], targets[0]

    def batch(self, indices: np.ndarray) -> Fields:
        starts = self.starts[indices][:, None]
        ends = starts + self.window
        return (
            self.values[starts + np.arange(self.window)],
            self.values[ends + np.arange(self.horizon), self.target],
        )

    def between(self, first: int, last: int) -> Subset:
        """Return the windows whose targets lie in the rows from ``first`` to before ``last``."""
        ends = self.starts + self.window
        return Subset(self, np.flatnonzero((ends >= first) & (ends + self.horizon <= last)))


@dataclass(frozen=True)
class SeriesEncoder:
    """How the columns of a series become numbers; fitted on its training rows.

    Attributes:
        columns: what is read at each point in time; the first one is foretold.
        left_out: the columns that are not read, with the reason.
    """

    columns: tuple[NumberColumn, ...]
    left_out: dict[str, str]

    @classmethod
    def fit(
        cls,
        table: Table,
        target: str,
        rows: int | None = None,
        log: Sequence[str] = (),
        ignore: Sequence[str] = (),
    ) -> SeriesEncoder:
        """Return the encoder of a table whose rows stand in the order of time.

        Columns of numbers are read, the others (a date, say) are left out.

        Args:
            table: the series.
            target: the column to foretell.
            rows: how many rows from the beginning decide; all unless given.
            log: columns of which the logarithm log(1 + x) is taken.
            ignore: columns to leave out.

        Raises:
            DataError: no such column, one with gaps, or a target that is no number.
        """
        learning = table.take(np.arange(len(table) if rows is None else rows))
        for name in (target, *log, *ignore):
            table.column(name)
        columns, left_out = [], {}
        for name in (target, *(n for n in table.names if n != target)):
            if name in ignore:
                left_out[name] = "it was asked for"
            elif name != target and not is_number_column(table, name):
                left_out[name] = "its values are not numbers"
            else:
                whole_column(learning, name)
                columns.append(NumberColumn.fit(learning, name, name in log, indicator=False))
        return cls(tuple(columns), left_out)

    def transform(self, table: Table) -> np.ndarray:
        """Return the series standardised.

        Shapes:
            result: (time, features), float32

        Raises:
            DataError: a column is missing or has a gap.
        """
        found = [c.scale(whole_column(table, c.name), table) for c in self.columns]
        return np.stack(found, axis=1).astype(np.float32)

    def inverse(self, outputs: np.ndarray) -> np.ndarray:
        """Return foretold numbers in the unit of the target, float64."""
        return self.columns[0].inverse(outputs)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "columns": [to_record(column) for column in self.columns],
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> SeriesEncoder:
        """Return the encoder that `to_dict` wrote.

        Raises:
            DataError: the state is none.
        """
        try:
            columns = tuple(from_record(record) for record in state["columns"])
            left_out = {str(name): str(cause) for name, cause in state["left_out"].items()}
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(f"SeriesEncoder: a state made by to_dict; got {state!r}.") from error
        if not columns or not all(isinstance(column, NumberColumn) for column in columns):
            raise DataError(f"SeriesEncoder: columns of numbers; got {state!r}.")
        return cls(columns, left_out)


def encode_series(
    table: Table,
    target: str,
    window: int,
    horizon: int = 1,
    lengths: str | Sequence[float] = "8:2",
    step: int = 1,
    **options: Any,
) -> tuple[SeriesEncoder, list[Subset]]:
    """Divide a series by time, fit an encoder to the first part, and cut windows.

    A window belongs to the part its targets lie in. What it reads may reach back into the
    part before, which is known by then; no target is in two parts.

    Args:
        table: rows in the order of time.
        target: the column to foretell.
        window: rows that are read.
        horizon: rows that are foretold.
        lengths: of the parts, in time, as for `random_split`.
        step: rows from the beginning of one window to that of the next.
        options: those of `SeriesEncoder.fit`.

    Returns:
        the encoder, and one set of (input, target) per part.

    Raises:
        DataError: a part is too short for one window.
    """
    ends = np.cumsum([0, *part_lengths(len(table), lengths)]).tolist()
    encoder = SeriesEncoder.fit(table, target, ends[1], **options)
    windows = WindowDataset(encoder.transform(table), window, horizon, 0, step)
    parts = [windows.between(first, last) for first, last in pairwise(ends)]
    short = [number for number, part in enumerate(parts, 1) if len(part) == 0]
    if short:
        raise DataError(
            f"{table.path}: every part holds a window of {window} rows and {horizon} after it; "
            f"got {len(table)} rows in parts of {np.diff(ends).tolist()}, of which part "
            f"{short[0]} has none. Take a shorter window or horizon."
        )
    return encoder, parts


def whole_column(table: Table, name: str) -> np.ndarray:
    """Return a column of numbers without gaps.

    Raises:
        DataError: a cell has no value or is no finite number.
    """
    values = table.numbers(name)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise DataError(
            f"{table.path}: a series has a finite number at every point in time; {name!r} has "
            f"{table.column(name)[wrong[0]]!r} in {table.at(wrong)}. Fill the gaps, or leave the "
            f"column out: ignore=[{name!r}]."
        )
    return values
