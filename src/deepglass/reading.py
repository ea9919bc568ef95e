"""What can go wrong while a file is read is one kind of error, which names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DataError


@contextmanager
def opening(path: str | Path, wanted: str) -> Iterator[None]:
    """Turn what the system says of a file that cannot be read into a `DataError`.

    Args:
        path: of the file.
        wanted: what it should be, such as "an IDX file".

    >>> with opening("nowhere.idx", "an IDX file"):
    ...     open("nowhere.idx")
    Traceback (most recent call last):
    deepglass.errors.DataError: nowhere.idx: an IDX file; there is no such file. Check the name.
    """
    try:
        if Path(path).is_dir():
            raise IsADirectoryError
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: {wanted}; there is no such file. Check the name.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: {wanted}; this is a folder. Name a file in it.") from error
    except PermissionError as error:
        raise DataError(
            f"{path}: {wanted}; reading it is not permitted. Change its permissions, or copy it."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: {wanted}; it cannot be read: {error}.") from error


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
