"""Published files: those at hand first, then the cache, then the address they come from.

An address and its checksum are offered only with the public file they were read from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..files import remove_abandoned

VARIABLE = "DEEPGLASS_DATA"  # names a folder with one folder per data set
TIMEOUT = 30  # seconds without an answer
CHUNK = 1 << 16  # bytes between two reports of a download

# What watches a download, made of its name and its bytes: it is entered and yields what pooch
# reports to, which has a total, update(count), reset() and close(); False for nothing.
Watch = Callable[[str, int], AbstractContextManager[Any]]

_watch: ContextVar[Watch | None] = ContextVar("deepglass_downloads", default=None)


@dataclass(frozen=True)
class Remote:
    """A file that can be downloaded.

    Attributes:
        name: of the file.
        url: where it comes from.
        sha256: its checksum, in hexadecimal digits.
        size: in bytes.
        cited: the public file that says so, as owner/repository and path.
    """

    name: str
    url: str
    sha256: str
    size: int
    cited: str


@contextmanager
def watching_downloads(watch: Watch) -> Iterator[None]:
    """Let ``watch`` tell of downloads until the block ends (in this thread), and pooch nothing."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def at_hand(folder: str, *names: str) -> Path | None:
    """Return the first of some files that lies under DEEPGLASS_DATA, or None.

    Args:
        folder: of the data set.
        names: possible names in it, the best one first.

    Raises:
        DataError: DEEPGLASS_DATA is set to what is no folder.
    """
    root = os.environ.get(VARIABLE, "")
    if not root:
        return None
    if not Path(root).is_dir():
        raise DataError(
            f"{VARIABLE}: the folder that holds data sets, one folder each; there is no folder "
            f"{root}. Correct or unset it."
        )
    return next((p for name in names if (p := Path(root, folder, name)).exists()), None)


def fetch(folder: str, remote: Remote, *aliases: str) -> Path:
    """Return the path of a published file, downloading it if need be.

    A download that stops begins anew the next time. What a killed process left of one never has
    the name of the file; the first download into the folder an hour later removes it.

    Args:
        folder: of the data set, under DEEPGLASS_DATA and in the cache.
        remote: the file.
        aliases: other names it may have under DEEPGLASS_DATA.

    Raises:
        DataError: it is not at hand and cannot be downloaded; nothing is left half done.
    """
    here = at_hand(folder, remote.name, *aliases)
    if here is not None:
        return here
    pooch = _pooch(folder, remote)
    place = Path(pooch.os_cache("deepglass"), folder)
    remove_abandoned(place, "tmp*")  # as pooch names what it has not finished
    watch = _watch.get()
    if watch is not None:
        pooch.get_logger().setLevel("WARNING")
    told = nullcontext(False) if watch is None else watch(f"{folder}/{remote.name}", remote.size)
    try:
        with told as bar:
            return Path(
                pooch.retrieve(
                    remote.url,
                    known_hash=f"sha256:{remote.sha256}",
                    fname=remote.name,
                    path=place,
                    downloader=pooch.HTTPDownloader(bar, CHUNK, timeout=TIMEOUT),
                )
            )
    except (OSError, ValueError) as error:  # no network, another checksum, a full disk
        raise DataError(
            f"{folder}/{remote.name}: a download from {remote.url} to {place}, {remote.size:,} "
            f"bytes with SHA-256 {remote.sha256}; {error}. Nothing was kept. Try again, or put "
            f"the file into a folder {folder} of the folder that {VARIABLE} names."
        ) from error


def _pooch(folder: str, remote: Remote) -> Any:
    try:
        import pooch
    except ImportError as error:
        raise DataError(
            f"{folder}/{remote.name}: downloads are made with pooch, which is not installed here. "
            'Run `pip install "deepglass[data]"`, or put the file into a folder '
            f"{folder} of the folder that {VARIABLE} names."
        ) from error
    return pooch
