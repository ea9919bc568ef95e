"""Plain text: read, turned into tokens and back, and cut into windows for the next token."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from ..files import reading

BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """Return the text in a file, which may be packed with gzip.

    A byte-order mark at the beginning tells UTF-8 and UTF-16, whatever ``encoding`` says.

    Raises:
        DataError: the file is missing, empty, or not of that encoding.
    """
    with reading(path, "a text file") as content:
        data = content.read()
    encoding = BOMS.get(data[:2], BOMS.get(data[:3], encoding))
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: text in {encoding}; got byte {data[error.start]:02x} at offset "
            f"{error.start:,}, line {line:,}. Say which encoding it has, such as "
            "encoding='latin-1' or 'gb18030'."
        ) from error
    except LookupError as error:
        raise DataError(
            f"{path}: an encoding that Python knows, such as utf-8; got {encoding!r}."
        ) from error
