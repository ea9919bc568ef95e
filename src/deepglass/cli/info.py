"""``deepglass info``: what runs here."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from .. import __version__, backends
from .screen import facts

PACKAGES = ("numpy", "llvmlite", "scikit-learn", "matplotlib", "pillow", "safetensors")


def info() -> None:
    """Show versions, the processor, the backend and its threads: what a report should name."""
    facts(
        [
            ("deepglass", __version__),
            ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
            ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
            ("processor", _processor()),
            ("backend", backends.default()),
            ("threads", str(_threads())),
            ("kept code", _kept()),
            *((package, _version(package)) for package in PACKAGES),
        ]
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """The name the processor gives itself, and how many of it this process may use."""
    name = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
                break
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return f"{name}, {count} usable"


def _kept() -> str:
    """Where machine code is kept between processes, and how much of it there is."""
    if backends.default() != "native":
        return "none without the native backend"
    from ..backends.native import store

    trouble = store.trouble()
    sizes = [found.st_size for found in store.entries()]
    held = f"{store.folder()}, {len(sizes)} programs, {sum(sizes) / 1e6:.1f} MB"
    return f"{held}; {trouble}" if trouble and store.folder() is not None else trouble or held


def _threads() -> int:
    if backends.default() != "native":
        return 1
    from ..backends.native.threads import threads

    return threads()
