"""What can go wrong while a state from a file is taken up is one kind of error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import DataError


@contextmanager
def reading(rule: str) -> Iterator[None]:
    """Turn whatever a block raises into a `DataError` that begins with ``rule``.

    >>> with reading("notes.json: a list of numbers"):
    ...     [1, 2][2]
    Traceback (most recent call last):
    deepglass.errors.DataError: notes.json: a list of numbers; this is damaged: list index out ...
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{rule}; this is damaged: {error or type(error).__name__}") from error
