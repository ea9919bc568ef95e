"""``deepglass resume``: go on with a run that was stopped."""

from __future__ import annotations

from ..runs import Run
from .arguments import RunName, find_run
from .train import do


def resume(run: RunName) -> None:
    """Go on with a run that was stopped, exactly where it stood.

    The weights at its end are those of a run that was never stopped.

    Example:

        deepglass resume digits-mlp-1
    """
    folder = find_run(run)
    do(Run(folder, folder.config()))
