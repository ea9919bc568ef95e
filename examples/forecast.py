"""A series with a trend and a season, foretold a year ahead.

A forecast is worth something only beside the simplest one: next year will be like this year.

Run it: python examples/forecast.py
"""

import tempfile
from pathlib import Path

import numpy as np

from deepglass.data import Table, read_table
from deepglass.runs import Run
from deepglass.runs.predictor import Predictor
from deepglass.train.plots import blank_figure, draw

YEARS, MONTHS = 15, 12


def passengers() -> np.ndarray:
    """Return monthly numbers that grow, with a summer of their own and some chance."""
    t = np.arange(YEARS * MONTHS)
    season = 1 + 0.2 * np.sin(2 * np.pi * (t - 3) / MONTHS) + 0.06 * np.sin(4 * np.pi * t / MONTHS)
    chance = np.random.default_rng(0).normal(1, 0.015, len(t))
    return (120 + 2.2 * t) * season * chance


def main(epochs: int = 150, picture: Path | None = None) -> dict[str, float]:
    """Learn all years but the last, foretell it, and return both errors."""
    values = passengers()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = write(folder / "passengers.csv", values[:-MONTHS])
        config = {
            "data": {
                "source": str(known), "target": "passengers", "window": 24, "horizon": MONTHS,
                "split": "9:1", "log": ["passengers"],
            },
            "train": {"epochs": epochs},
        }  # fmt: skip
        run = Run.create(config, folder / "run")
        run.fit()
        table: Table = read_table(known)
        foretold = np.array(Predictor(run.folder).answer(table)["passengers"])
    truth = values[-MONTHS:]
    as_before = values[-2 * MONTHS : -MONTHS]
    errors = {
        "network": float(np.abs(foretold - truth).mean()),
        "as the year before": float(np.abs(as_before - truth).mean()),
    }
    for who, error in errors.items():
        print(f"mean error of {who}: {error:.1f} of {truth.mean():.0f} passengers a month")
    if picture is not None:
        show(picture, values, foretold)
    return errors


def write(path: Path, values: np.ndarray) -> Path:
    """Write a series as a table."""
    lines = [f"{1 + i // MONTHS}-{1 + i % MONTHS:02d},{v:.1f}" for i, v in enumerate(values)]
    path.write_text("month,passengers\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def show(picture: Path, values: np.ndarray, foretold: np.ndarray) -> None:
    """Draw the last years, and the forecast of the last one."""
    figure = blank_figure(8, 3.6)
    axes = figure.subplots()
    t = np.arange(len(values))
    axes.plot(t[-60:], values[-60:], color="#2f6fde", label="passengers")
    axes.plot(t[-MONTHS:], foretold, "o-", color="#e8590c", markersize=4, label="forecast")
    axes.axvline(t[-MONTHS] - 0.5, color="#1f2430", linewidth=0.6)
    axes.set(xlabel="month", ylabel="passengers")
    axes.legend(frameon=False)
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/examples/forecast.png"))
