"""Every error deepglass raises on purpose, and its warning.

    DeepglassError
    ├── ShapeError (ValueError)       sizes that do not fit together
    ├── DTypeError (TypeError)        an element type where another is needed
    ├── DomainError (ValueError)      a value outside what the operation means
    ├── GradientError (RuntimeError)  a gradient that does not exist or is not kept
    ├── TraceError (RuntimeError)     Python that cannot be captured by ``dg.compile``
    ├── BackendError (RuntimeError)   a backend that cannot serve this machine or program
    └── DataError (ValueError)        a file or table that is not what it should be

    DeepglassWarning (UserWarning)    what runs, and is most likely a mistake

Each message reads *what: the rule; the values received; what to do next*.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BackendError",
    "DTypeError",
    "DataError",
    "DeepglassError",
    "DeepglassWarning",
    "DomainError",
    "GradientError",
    "ShapeError",
    "TraceError",
    "did_you_mean",
]


class DeepglassError(Exception):
    """Base of every error of this package."""


class ShapeError(DeepglassError, ValueError):
    """Sizes that do not fit together."""


class DTypeError(DeepglassError, TypeError):
    """An element type where another is needed."""


class DomainError(DeepglassError, ValueError):
    """A value outside what the operation means: a label out of range, a negative rate."""


class GradientError(DeepglassError, RuntimeError):
    """A gradient that does not exist, or that a compiled step did not keep."""


class TraceError(DeepglassError, RuntimeError):
    """Python that ``dg.compile`` cannot capture, or a traced value that escaped it."""


class BackendError(DeepglassError, RuntimeError):
    """A backend that cannot serve this machine or this program."""


class DataError(DeepglassError, ValueError):
    """A file or a table that is damaged, truncated or of another kind."""


class DeepglassWarning(UserWarning):
    """Code that runs and most likely is not what was meant; told at the user's line.

    Silenced with ``warnings.filterwarnings("ignore", category=DeepglassWarning)``.
    """


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the end of a message: the name that is most like a word, if one is.

    >>> did_you_mean("prise", ["size", "price"])
    ' Did you mean price?'
    """
    close = get_close_matches(word, list(names), 1)
    return f" Did you mean {close[0]}?" if close else ""
