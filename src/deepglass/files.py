"""Files that are there as a whole or not at all."""

from __future__ import annotations

import glob
import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

ABANDONED = 3600.0  # seconds without a change after which nobody writes a file any more


def replace_file(path: str | Path, content: bytes | str) -> None:
    """Write a file beside its place, force it to the disk, and only then rename it.

    Whatever happens, killed process and full disk included, the name holds the old content
    or the new, never a part. A killed process leaves an unfinished file, hidden by a dot; the
    first call with this path an hour later removes it.

    Args:
        path: of the file; its folder exists.
        content: bytes, or text that is written as UTF-8.

    Raises:
        OSError: it cannot be written, or the folder cannot be forced to the disk after it was;
            the file is whole either way.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        remove_abandoned(path.parent, f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}")
        _replace(path, data)
    except OSError as error:
        why = f"{error.strerror or error}; the file is whole, as it was or as it should be"
        raise OSError(error.errno, why, str(path)) from error


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove what killed writers left an hour ago or more; others may be writing right now."""
    for left in folder.glob(pattern):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - ABANDONED:
                left.unlink()


def _replace(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with open(unfinished, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
