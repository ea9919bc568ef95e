"""The application: its commands, and how errors look."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from ..errors import DeepglassError
from .data import app as data
from .evaluate import evaluate
from .explain import explain
from .generate import generate
from .info import info
from .models import models
from .predict import predict
from .progress import downloads
from .report import report
from .resume import resume
from .runs import app as runs
from .screen import complain
from .train import train

app = typer.Typer(
    name="deepglass",
    help="A deep-learning framework you can see through.",
    epilog="Start with: deepglass train",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
TRAINING, LISTS = "Training", "What there is"
app.command(rich_help_panel=TRAINING)(train)
app.command(rich_help_panel=TRAINING)(resume)
app.command(rich_help_panel=TRAINING)(evaluate)
app.command(rich_help_panel=TRAINING)(predict)
app.command(rich_help_panel=TRAINING)(generate)
app.command(rich_help_panel=TRAINING)(report)
app.command(rich_help_panel=TRAINING)(explain)
app.add_typer(runs, name="runs", rich_help_panel=TRAINING)
app.add_typer(data, name="data", rich_help_panel=LISTS)
app.command(rich_help_panel=LISTS)(models)
app.command(rich_help_panel=LISTS)(info)


def run() -> int:
    """Run the command that was asked for; a mistake is one clear message, not a traceback."""
    warnings.showwarning = _note
    try:
        with downloads():
            app()
    except DeepglassError as error:
        complain(str(error))
        return 1
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}." if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        complain("stopped.")
        return 130
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(bool(leave.code))
    finally:
        sys.stdout.flush()
    return 0


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line, without the place in the code."""
    complain(str(message))
