"""Plain text: read, turned into tokens and back, and cut into windows for the next token."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from ...ops.random import Generator
from ..files import reading
from ..stream import order_of

BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}

ENTRY = 40  # characters of a line in a list at most
MANY = 100  # lines that make a list


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


def is_list(text: str) -> bool:
    """Whether a text is a list, such as of names: many short lines and no empty one.

    >>> is_list("emma\\nolivia\\n" * 50), is_list("To be,\\nor not to be\\n\\n" * 50)
    (True, False)
    """
    lines = text.splitlines()
    return len(lines) >= MANY and all(0 < len(line.strip()) <= ENTRY for line in lines)


def shuffle_lines(text: str, generator: Generator) -> str:
    """Return the lines of a text in an order drawn from ``generator``, each with its end."""
    lines = text.splitlines()
    order = order_of(generator.bits((len(lines),)).numpy())
    return "".join(f"{lines[k]}\n" for k in order)
