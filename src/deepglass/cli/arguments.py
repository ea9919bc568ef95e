"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..data import CATALOG
from ..models import DESIGNS
from ..runs import ROOT, RunFolder, all_runs


def _starting(names: list[str], start: str) -> list[str]:
    return [name for name in names if name.startswith(start)]


def complete_runs(incomplete: str) -> list[str]:
    """Names of runs, for the completion of the shell."""
    return _starting([run.name for run in all_runs()], incomplete)


def complete_models(incomplete: str) -> list[str]:
    """Names of networks, for the completion of the shell."""
    return _starting(list(DESIGNS), incomplete)


def complete_data(incomplete: str) -> list[str]:
    """Names of data sets, for the completion of the shell; it adds files by itself."""
    return _starting(list(CATALOG), incomplete)


def find_run(text: str) -> RunFolder:
    """Return the run that a path or a name below ``runs`` means.

    Raises:
        DataError: it is none.
    """
    path = Path(text)
    return RunFolder(path if path.exists() or not (ROOT / text).exists() else ROOT / text)


RunName = Annotated[
    str,
    typer.Argument(
        help="A run: its folder, or its name below runs/.",
        metavar="RUN",
        autocompletion=complete_runs,
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
