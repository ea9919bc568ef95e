"""From the rows of a table to what a network reads and answers, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import DataError
from ...ops.random import Generator
from ..dataset import Subset, TensorDataset
from ..splits import random_split
from .columns import (
    CategoryColumn,
    ClassTarget,
    NumberColumn,
    from_record,
    is_number_column,
    is_skewed,
    looks_like_classes,
    number_cells,
    target_cells,
    to_record,
    why_left_out,
)
from .table import Table

TASKS = ("regression", "classification")


@dataclass(frozen=True)
class TableEncoder:
    """How the rows of one table become numbers; fitted on its training rows.

    Attributes:
        inputs: the columns that are read.
        target: the column that is answered.
        left_out: the columns that are not read, with the reason.
        reason: why the task is what it is.
    """

    inputs: tuple[NumberColumn | CategoryColumn, ...]
    target: NumberColumn | ClassTarget
    left_out: dict[str, str]
    reason: str

    @classmethod
    def fit(
        cls,
        table: Table,
        target: str,
        rows: Sequence[int] | np.ndarray | None = None,
        task: str | None = None,
        log: bool | Sequence[str] = (),
        categorical: Sequence[str] = (),
        ignore: Sequence[str] = (),
        indicators: bool = True,
    ) -> TableEncoder:
        """Return the encoder of a table.

        A column is a number if nearly all its values are. Numbers are standardised; a missing
        one becomes the median. Words become one feature per category, and no value is a
        category of its own.

        Args:
            table: with the target among its columns.
            target: the column to learn.
            rows: the training rows, which decide everything; all unless given.
            task: "regression" or "classification"; told from the target unless given.
            log: columns, the target included, of which the logarithm log(1 + x) is taken, or
                True for all that are not negative and skewed.
            categorical: columns of numbers that are names, such as postal codes.
            ignore: columns to leave out.
            indicators: add a feature that tells rows without a number from others.

        Raises:
            DataError: no such column; a target without a value, that is not finite, or that is
                the same in all rows; a column of numbers with a cell that is none; nothing
                left to learn from.
        """
        learning = table if rows is None else table.take(rows)
        if len(learning) == 0:
            raise DataError(f"{table.path}: at least one row to learn from; got none.")
        for name in (target, *categorical, *ignore, *([] if isinstance(log, bool) else log)):
            table.column(name)
        why = looks_like_classes(target_cells(learning, target))
        if task is None:
            task = "classification" if why else "regression"
            reason = why or "its values are numbers"
        elif task in TASKS:
            reason = "it was asked for"
        else:
            raise DataError(f"TableEncoder: the task is one of {', '.join(TASKS)}; got {task!r}.")

        def number(name: str, indicator: bool) -> NumberColumn:
            if isinstance(log, bool):
                return NumberColumn.fit(learning, name, log and _skewed(learning, name), indicator)
            return NumberColumn.fit(learning, name, name in log, indicator)

        inputs: list[NumberColumn | CategoryColumn] = []
        left_out = {}
        for name in table.names:
            if name == target:
                continue
            cause = "it was asked for" if name in ignore else why_left_out(learning, table, name)
            if cause:
                left_out[name] = cause
            elif name not in categorical and is_number_column(learning, name):
                inputs.append(number(name, indicators))
            else:
                inputs.append(CategoryColumn.fit(name, learning.column(name)))
        if not inputs:
            raise DataError(
                f"{table.path}: a column to learn {target!r} from; got none. Left out: "
                f"{'; '.join(f'{n!r}, {c}' for n, c in left_out.items()) or 'nothing'}."
            )
        if task == "classification":
            return cls(tuple(inputs), ClassTarget.fit(learning, target), left_out, reason)
        answer = number(target, False)
        if len(set(number_cells(learning, target).tolist())) < 2:
            raise DataError(
                f"{table.path}: {target!r} differs between rows; all {len(learning):,} training "
                f"rows have {answer.median:g}. Is it the right column?"
            )
        return cls(tuple(inputs), answer, left_out, reason)

    @property
    def task(self) -> str:
        """ "classification" or "regression"."""
        return TASKS[isinstance(self.target, ClassTarget)]

    @property
    def features(self) -> list[str]:
        """What each number of an input means."""
        return [feature for column in self.inputs for feature in column.features]

    def transform(self, table: Table) -> np.ndarray:
        """Return the inputs of rows, which need no target.

        Shapes:
            result: (rows, features), float32

        Raises:
            DataError: a column is missing, or a number is none.
        """
        blocks = [column.transform(table) for column in self.inputs]
        return np.concatenate(blocks, axis=1).astype(np.float32)

    def targets(self, table: Table) -> np.ndarray:
        """Return what a network should answer.

        Shapes:
            result: (rows,), int64, for classes; (rows, 1), float32, standardised, for numbers

        Raises:
            DataError: a row has no value, or a class that no training row has.
        """
        if isinstance(self.target, ClassTarget):
            return self.target.transform(table)
        target_cells(table, self.target.name)
        return self.target.transform(table).astype(np.float32)

    def inverse(self, outputs: np.ndarray) -> list[Any]:
        """Return what outputs mean, in the units or words of the table.

        Shapes:
            outputs: (rows, classes), of which the largest counts, or (rows, 1)
        """
        if isinstance(self.target, ClassTarget):
            return self.target.inverse(outputs)
        return list(self.target.inverse(np.asarray(outputs)[:, 0]).tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "inputs": [to_record(column) for column in self.inputs],
            "target": to_record(self.target),
            "left_out": dict(self.left_out),
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> TableEncoder:
        """Return the encoder that `to_dict` wrote.

        Raises:
            DataError: the state is none.
        """
        try:
            inputs = tuple(from_record(record) for record in state["inputs"])
            target = from_record(state["target"])
            left_out = {str(name): str(cause) for name, cause in state["left_out"].items()}
            reason = str(state["reason"])
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(f"TableEncoder: a state made by to_dict; got {state!r}.") from error
        if (
            not inputs
            or isinstance(target, CategoryColumn)
            or any(isinstance(column, ClassTarget) for column in inputs)
        ):
            raise DataError(f"TableEncoder: inputs and a target; got {state!r}.")
        return cls(inputs, target, left_out, reason)


def _skewed(table: Table, name: str) -> bool:
    return is_skewed(number_cells(table, name))


def encode_table(
    table: Table,
    target: str,
    lengths: str | Sequence[float] = "8:2",
    generator: Generator | None = None,
    **options: Any,
) -> tuple[TableEncoder, list[Subset]]:
    """Divide a table at random, fit an encoder to the first part, and encode all parts.

    Classes are divided in the same proportions.

    Args:
        table: with the target among its columns.
        target: the column to learn.
        lengths: of the parts, as for `random_split`.
        generator: source of the order; the default generator unless given.
        options: those of `TableEncoder.fit`.

    Returns:
        the encoder, and one set of (input, target) per part.
    """
    cells = target_cells(table, target)
    classes = options.get("task") == "classification" or bool(
        options.get("task") is None and looks_like_classes(cells)
    )
    everything = TensorDataset(np.arange(len(table)))
    parts = random_split(everything, lengths, generator, cells if classes else None)
    encoder = TableEncoder.fit(table, target, parts[0].indices, **options)
    whole = TensorDataset(encoder.transform(table), encoder.targets(table))
    return encoder, [Subset(whole, part.indices) for part in parts]
