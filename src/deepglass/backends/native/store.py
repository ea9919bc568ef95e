"""Machine code between processes: files of one folder, each whole, checked, and the user's own.

An entry is looked up by a key of 32 bytes, and holds

    magic  sha256 of all that follows  key  content

so one that is damaged, cut off, renamed or of another kind is no entry; it is made again.
Entries appear whole (`files.replace_file`), so that processes may read and write them at once.
The folder is used only if it belongs to the user and nobody else may enter it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

from ...files import replace_file

VARIABLE = "DEEPGLASS_CACHE"  # names the folder; 0 switches it off
LIMIT = 512 * 2**20  # bytes; beyond it, entries that were not used for the longest time go
_MAGIC = b"deepglass machine code 1\n"
_HASH = 32  # bytes of a checksum, and of a key
_ENDING = ".code"


def folder() -> Path | None:
    """Return the folder that ``DEEPGLASS_CACHE`` names, or the platform's place for such
    files; None where it is switched off."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return None if named == "0" else Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home(), "deepglass", "Cache", "code")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "deepglass" / "code"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "deepglass", "code")


def load(key: bytes) -> bytes | None:
    """Return the content of the entry ``key``, or None if there is none to rely on."""
    try:
        place = _opened()
        if place is None:
            return None
        path = place / _name(key)
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    start = len(_MAGIC) + _HASH
    checked = data[start:]
    if data[:start] != _MAGIC + hashlib.sha256(checked).digest() or checked[:_HASH] != key:
        return None
    return checked[_HASH:]


def save(key: bytes, content: bytes) -> None:
    """Keep ``content`` as the entry ``key``, where the folder can be written."""
    checked = key + content
    with suppress(OSError):
        place = _opened()
        if place is not None:
            replace_file(place / _name(key), _MAGIC + hashlib.sha256(checked).digest() + checked)
            _trim(place)


def entries() -> list[os.stat_result]:
    """Return what is known of the files of all entries, those used last at the end."""
    place = folder()
    return [] if place is None else [found for found, _ in _listed(place)]


def trouble() -> str:
    """Return why nothing can be kept, or ""."""
    place = folder()
    if place is None:
        return f"off ({VARIABLE}=0)"
    try:
        _opened()
    except OSError as error:
        return f"not used: {error.strerror or error}"
    return "" if os.access(place, os.W_OK) else "read only"


def _name(key: bytes) -> str:
    return key.hex() + _ENDING


def _opened() -> Path | None:
    """The folder, made if it was not there.

    Raises:
        PermissionError: it is not the user's alone.
    """
    place = folder()
    if place is None:
        return None
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):
        found = place.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{place} is not this user's alone (chmod 700 makes it so)")
    return place


def _listed(place: Path) -> list[tuple[os.stat_result, Path]]:
    found = []
    for path in place.glob(f"*{_ENDING}"):
        with suppress(OSError):  # another process may have removed it
            found.append((path.stat(), path))
    return sorted(found, key=lambda pair: pair[0].st_mtime)


def _trim(place: Path) -> None:
    """Remove entries, those used longest ago first, until the rest is within the limit."""
    listed = _listed(place)
    total = sum(found.st_size for found, _ in listed)
    for found, path in listed[:-1]:
        if total <= LIMIT:
            break
        total -= found.st_size
        with suppress(OSError):
            path.unlink()
