"""CSV tables: what is in the file, as text, with the numbers of its lines."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import DataError, did_you_mean
from .text import read_text

MISSING = frozenset(("", "?", "na", "n/a", "#n/a", "nan", "null", "none"))  # in lower case
DELIMITERS = ",;\t|"
LOOKED_AT = 50  # rows by which the delimiter is told
NAMED = 5  # lines or values that a message names


@dataclass(frozen=True)
class Table:
    """Named columns of text.

    Attributes:
        path: of the file.
        columns: the cells of each, without blanks around them; "" where there is no value.
        lines: the number of the line each row begins in, from 1.
    """

    path: str
    columns: dict[str, list[str]]
    lines: np.ndarray
    _numbers: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self.columns)

    def take(self, indices: Sequence[int] | np.ndarray) -> Table:
        """Return the table with these rows alone."""
        rows = np.asarray(indices, np.int64)
        numbers = rows.tolist()
        columns = {name: [cells[i] for i in numbers] for name, cells in self.columns.items()}
        return Table(self.path, columns, self.lines[rows])

    def column(self, name: str) -> list[str]:
        """Return the cells of a column.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(
                f"{self.path}: a column {name!r}; got {', '.join(map(repr, self.columns))}."
                f"{did_you_mean(name, self.columns)}"
            )
        return self.columns[name]

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64; NaN where there is no value or no number."""
        if name not in self._numbers:
            self._numbers[name] = numbers(self.column(name))
        return self._numbers[name]

    def with_value(self, name: str) -> Table:
        """Return the table without the rows that have no value in column ``name``."""
        return self.take([i for i, cell in enumerate(self.column(name)) if cell])

    def at(self, rows: np.ndarray) -> str:
        """Return where rows stand in the file: "line 3", "lines 3, 8, 9 and 4 more"."""
        lines = self.lines[rows]
        named = ", ".join(map(str, lines[:NAMED].tolist()))
        more = f" and {len(lines) - NAMED:,} more" if len(lines) > NAMED else ""
        return f"line{'s' if len(lines) > 1 else ''} {named}{more}"


def read_table(
    path: str | Path,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
) -> Table:
    """Return the table in a CSV file, which may be packed with gzip.

    Empty lines are passed over. Cells that are empty or hold ?, NA, N/A, NaN, null or None
    have no value.

    Args:
        path: of the file.
        delimiter: between cells; told from the first rows unless given.
        header: whether the first row names the columns; unless given, it does if none of its
            cells is a number. Columns without a name are called "column 1", "column 2", ...
        encoding: of the text.

    Raises:
        DataError: the file is missing, empty or no text; it has no rows; rows differ in
            length; two columns have one name.
    """
    text = read_text(path, encoding)
    if "\0" in text:
        raise DataError(f"{path}: a CSV file; got a zero byte, so this is no text.")
    rows, lines = _rows(text, delimiter or _delimiter(text), path)
    if not rows:
        raise DataError(f"{path}: a table has rows; this one has none.")
    if header is None:
        header = not np.isfinite(numbers(rows[0])).any()
    names = _names(rows[0] if header else [""] * len(rows[0]), path)
    if header:
        rows, lines = rows[1:], lines[1:]
    if not rows:
        raise DataError(
            f"{path}: a table has rows; this one has a header alone. Is the rest missing? If the "
            "first line is no header, pass header=False."
        )
    _check_lengths(rows, len(names), Table(str(path), {}, np.array(lines)))
    columns = ([_value(cell) for cell in cells] for cells in zip(*rows, strict=True))
    return Table(str(path), dict(zip(names, columns, strict=True)), np.array(lines))


def numbers(cells: Sequence[str]) -> np.ndarray:
    """Return cells as float64; NaN where there is no value or no number."""
    return np.array([_number(cell) for cell in cells], np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell) if cell and "_" not in cell else float("nan")
    except ValueError:
        return float("nan")


def _value(cell: str) -> str:
    cell = cell.strip()
    return "" if cell.lower() in MISSING else cell


def _rows(text: str, delimiter: str, path: str | Path) -> tuple[list[list[str]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines, begins = [], [], 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}: CSV; {error}, in the row that begins in line {begins:,}. Is a quotation "
            "mark missing?"
        ) from error
    return rows, lines


def _delimiter(text: str) -> str:
    """The one that divides the first rows evenly, into the most cells."""
    start = "\n".join(text.splitlines()[:LOOKED_AT])
    best, found = (0, 1), DELIMITERS[0]
    for delimiter in DELIMITERS:
        try:
            lengths = [len(row) for row in csv.reader(io.StringIO(start), delimiter=delimiter)]
        except csv.Error:
            continue
        counts = Counter(n for n in lengths if n > 1).most_common(1)
        length, count = counts[0] if counts else (0, 0)
        if (count, length) > best:
            best, found = (count, length), delimiter
    return found


def _names(cells: Sequence[str], path: str | Path) -> tuple[str, ...]:
    names = tuple(cell.strip() or f"column {n}" for n, cell in enumerate(cells, 1))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{path}: every column has a name of its own; the header has "
            f"{', '.join(map(repr, twice))} more than once. Rename one."
        )
    return names


def _check_lengths(rows: list[list[str]], wanted: int, table: Table) -> None:
    lengths = np.array([len(row) for row in rows])
    ragged = np.flatnonzero(lengths != wanted)
    if ragged.size:
        found = ", ".join(map(str, sorted(set(lengths[ragged].tolist()))[:NAMED]))
        raise DataError(
            f"{table.path}: {wanted} cells per row; {table.at(ragged)} "
            f"{'have' if ragged.size > 1 else 'has'} {found}. A cell that contains the delimiter "
            "needs quotation marks around it."
        )
