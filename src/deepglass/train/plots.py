"""Pictures of a training run, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import replace_file
from .progress import Epoch

TRAIN, TEST, INK = "#2f6fde", "#e8590c", "#1f2430"
GRID, EMPTY = "#d9dde5", "#f3f5f8"


def learning_curves(history: Sequence[Epoch], title: str = "") -> bytes:
    """Return the curves of loss and accuracy over the epochs.

    The training curves are means over the steps of an epoch, taken while the weights still
    moved (and with dropout, where there is any), so they may lie below the test curves.
    """
    figure = blank_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    _curves(left, history, "loss", 1, "cross-entropy, nats")
    _curves(right, history, "accuracy", 100, "accuracy, %")
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    last = [e.validation["accuracy"] * 100 for e in history if "accuracy" in e.validation]
    if last:
        right.axhline(last[-1], color=TEST, linewidth=0.8, linestyle=":")
        right.set_ylim(min(90.0, min(last) - 1), 100.4)
    right.legend(loc="lower right", frameon=False)
    figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold", color=INK)
    return png(figure)


def confusion_picture(matrix: np.ndarray, names: Sequence[str], title: str = "") -> bytes:
    """Return a confusion matrix: rows are the true classes, columns the answers.

    Right answers are blue by their share of the row; mistakes are orange, and strong already
    when they are rare.
    """
    figure = blank_figure(6.4, 6.2)
    axes = figure.subplots()
    count = len(names)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for row, column in np.ndindex(count, count):
        right, part = row == column, float(share[row, column])
        strength = 0.15 + 0.85 * part if right else min(1.0, 0.2 + 6 * part)
        color = _tint(TRAIN if right else TEST, strength) if part else EMPTY
        box = {"facecolor": color, "edgecolor": "white", "linewidth": 2}
        axes.add_patch(_rectangle(column - 0.5, row - 0.5, box))
        if matrix[row, column]:
            axes.text(
                column,
                row,
                str(matrix[row, column]),
                ha="center",
                va="center",
                fontsize=11,
                color="white" if strength > 0.55 else INK,
            )
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(count), names)
    axes.set_yticks(range(count), names)
    axes.set_xlabel("answer of the network")
    axes.set_ylabel("true digit")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold", color=INK)
    return png(figure)


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


def _curves(axes: Any, history: Sequence[Epoch], name: str, scale: float, label: str) -> None:
    epochs = [e.number for e in history]
    axes.plot(
        epochs,
        [e.train[name] * scale for e in history],
        color=TRAIN,
        label="training, while it learns",
    )
    if all(name in e.validation for e in history):
        axes.plot(
            epochs,
            [e.validation[name] * scale for e in history],
            color=TEST,
            label="test, after each epoch",
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.set_xlim(min(epochs), max(max(epochs), min(epochs) + 1))
    axes.grid(color=GRID, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _rectangle(x: float, y: float, style: dict[str, Any]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 1, 1, **style)


def _tint(color: str, strength: float) -> tuple[float, ...]:
    """Mix ``color`` with white: 0 is white, 1 the color itself."""
    rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(1 - strength * (1 - part) for part in rgb)
