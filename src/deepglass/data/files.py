"""Files of data: opened with care, so that what is wrong with one is said with its name.

No header is believed: memory is taken as bytes arrive, never because a file announces them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import DataError
from ..reading import opening

CHUNK = 1 << 20  # bytes read at a time
DEFLATE_LIMIT = 1032  # bytes that one byte of a gzip stream can stand for at most
GZIP = b"\x1f\x8b"
AGAIN = "It may be a broken download: delete it and get it again."


class Content:
    """The bytes of a file from the beginning, unpacked if it is a gzip file.

    Attributes:
        path: of the file.
        packed: whether it is a gzip file.
        most: bytes that it can hold at most.
        offset: bytes taken so far.
        file: the bytes, unpacked.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        size = path.stat().st_size
        self.packed = file.read(2) == GZIP
        file.seek(0)
        self.most = size * DEFLATE_LIMIT if self.packed else size
        self.offset = 0
        self.file: IO[bytes] = gzip.GzipFile(fileobj=file) if self.packed else file  # type: ignore[assignment]  # it reads alike

    def take(self, count: int, rule: str) -> bytearray:
        """Return the next ``count`` bytes.

        Raises:
            DataError: there are fewer; ``rule`` is why there should be so many.
        """
        taken = bytearray()
        if self.offset + count <= self.most:
            while len(taken) < count:
                chunk = self.file.read(min(CHUNK, count - len(taken)))
                if not chunk:
                    break
                taken += chunk
        if len(taken) < count:
            there = self.offset + len(taken) if taken or self.packed else self.most
            raise DataError(
                f"{self.path}: {rule}, so {self.offset + count:,} bytes; got {there:,}"
                f"{' after unpacking' if self.packed else ''}. {AGAIN}"
            )
        self.offset += count
        return taken

    def read(self, count: int = -1) -> bytes:
        """Return up to ``count`` bytes that follow, or all."""
        data = self.file.read(count)
        self.offset += len(data)
        return data

    def end(self, rule: str) -> None:
        """Make sure that nothing follows.

        Raises:
            DataError: something does.
        """
        if self.file.read(1):
            raise DataError(
                f"{self.path}: {rule}, so {self.offset:,} bytes; more follow. It is another kind "
                "of file, or two in one."
            )


@contextmanager
def reading(path: str | Path, wanted: str) -> Iterator[Content]:
    """Open a file for reading.

    Args:
        path: of the file.
        wanted: what it should be, such as "an IDX file".

    Raises:
        DataError: it is missing, empty, no file, not allowed, or a damaged gzip file.
    """
    place = Path(path)
    with opening(path, wanted), place.open("rb") as file:
        content = Content(place, file)
        if content.most == 0:
            raise DataError(f"{path}: {wanted}; the file is empty, 0 bytes. {AGAIN}")
        try:
            yield content
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{path}: {wanted}; the gzip stream is damaged or cut off: {error}. {AGAIN}"
            ) from error
