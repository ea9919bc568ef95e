"""Pictures as PNG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..files import replace_file


def blank_figure(width: float, height: float) -> Any:
    """Return a matplotlib figure of that size, in inches, that needs no screen.

    Raises:
        DataError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DataError(
            "plots: pictures are drawn with matplotlib, which is not installed here. Run "
            '`pip install "deepglass[cli]"`.'
        ) from error
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def png(figure: Any) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def draw(figure: Any, path: Path) -> None:
    """Write a figure as PNG to ``path``, whose folder is made if need be, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, png(figure))
    print(f"drawn: {path}")
