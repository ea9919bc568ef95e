"""The application: its commands, and how errors look."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from ..errors import DeepglassError
from .info import info
from .predict import predict
from .screen import complain
from .train import train

app = typer.Typer(
    name="deepglass",
    help="A deep-learning framework you can see through.",
    epilog="Start with: deepglass train",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(train)
app.command()(predict)
app.command()(info)


def run() -> int:
    """Run the command that was asked for; a mistake is one clear message, not a traceback."""
    warnings.showwarning = _note
    try:
        app()
    except (DeepglassError, OSError) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("stopped; nothing more was written.")
        return 130
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(bool(leave.code))
    finally:
        sys.stdout.flush()
    return 0


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line, without the place in the code."""
    complain(str(message))
