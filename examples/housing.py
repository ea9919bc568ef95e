"""The value of houses in California, by block group: R2 above 0.8 on rows never seen.

The same as: deepglass train california-housing --set data.log=true --epochs 60

Run it: python examples/housing.py
"""

import tempfile
from pathlib import Path

import numpy as np

from deepglass.runs import Run
from deepglass.train.plots import blank_figure, draw

SOURCE, TARGET = "california-housing", "median_house_value"


def main(
    source: str = SOURCE,
    target: str = TARGET,
    splits: int = 3,
    epochs: int = 60,
    picture: Path | None = None,
) -> list[float]:
    """Train once for each of several splits 8:2, and return R2 on each validation part."""
    found = []
    for seed in range(splits):
        config = {
            "data": {"source": source, "target": target, "log": True},
            "train": {"epochs": epochs, "seed": seed},
        }
        with tempfile.TemporaryDirectory() as folder:
            run = Run.create(config, Path(folder) / "run")
            history = run.fit()
        found.append(history[-1].validation["r2"])
        print(f"split {seed}: R2 {found[-1]:.4f}, rmse {history[-1].validation['rmse']:,.0f}")
    print(f"mean R2 of {splits} splits {np.mean(found):.4f}")
    if picture is not None:
        show(picture, run, target)
    return found


def show(picture: Path, run: Run, target: str) -> None:
    """Draw the prediction for each row of the last validation part against the truth."""
    part = run.material.parts["validation"]
    inputs, targets = part.batch(np.arange(len(part)))
    encoder = run.material.encoder
    predicted = encoder.inverse(run.assembled.trainer.predict(inputs))
    truth = encoder.inverse(targets)
    figure = blank_figure(5, 5)
    axes = figure.subplots()
    axes.plot(truth, predicted, ".", color="#2f6fde", alpha=0.25, markersize=3)
    axes.plot([0, max(truth)], [0, max(truth)], color="#e8590c")
    axes.set(xlabel=f"true {target}", ylabel=f"predicted {target}", aspect="equal")
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/examples/housing.png"))
