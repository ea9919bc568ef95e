"""``deepglass report``: a run as one page."""

from __future__ import annotations

from ..report import write_report
from ..runs import Run
from .arguments import RunName, find_run
from .screen import console


def report(run: RunName) -> None:
    """Write report.html into the folder of a run: curves, mistakes, and the network to try.

    The page is one file that opens in any browser, without a server and without a network.

    Example:

        deepglass report digits-mlp-1
    """
    folder = find_run(run)
    path = write_report(Run(folder, folder.config()))
    console.print(f"written: {path}", markup=False)
