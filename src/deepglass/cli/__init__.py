"""The command line: one file per command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run ``deepglass`` with the arguments it was started with, and return the exit code."""
    try:
        from .app import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("deepglass"):
            raise
        print(
            f"deepglass: the command line needs {error.name}, which is not installed here. Run\n"
            '    pip install "deepglass[cli]"',
            file=sys.stderr,
        )
        return 1
    return run()


__all__ = ["main"]
