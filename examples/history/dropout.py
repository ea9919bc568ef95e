"""Neurons that are silent at random keep a large network from learning few samples by heart.

See: with 200 digits to learn from, the loss on new digits rises again without dropout and goes on
falling with it.

Sources: Hinton et al. (2012), "Improving neural networks by preventing co-adaptation of feature
detectors"; Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from
overfitting".

Run it: python examples/history/dropout.py
"""

from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, load_digits, random_split
from deepglass.models import MLP
from deepglass.nn import Dropout, Sequential
from deepglass.train import Trainer, accuracy
from deepglass.train.plots import blank_figure, draw

PIXELS = 0.2  # share of pixels that are silent where half of the neurons are
SHARES = {0.0: "#e8590c", 0.5: "#2f6fde"}


def main(
    samples: int = 200, epochs: int = 400, seeds: int = 5, picture: Path | None = None
) -> dict[float, dict[str, np.ndarray]]:
    """Return the mean loss and accuracy on new digits after each epoch, by share of silence."""
    found = {}
    for share in SHARES:
        runs = [curves(share, samples, epochs, seed) for seed in range(seeds)]
        found[share] = {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}
        last = {name: values[-1] for name, values in found[share].items()}
        print(
            f"dropout {share:g}: {100 * last['accuracy']:.1f} % of new digits are right, the loss "
            f"is {last['loss']:.3f}, at its least {min(found[share]['loss']):.3f}"
        )
    if picture is not None:
        show(picture, found)
    return found


def curves(share: float, samples: int, epochs: int, seed: int) -> dict[str, list[float]]:
    """Train once, and return the measures after each epoch."""
    dg.manual_seed(seed)
    digits = load_digits()
    few, rest = random_split(digits, [samples, len(digits) - samples], stratify=digits.tensors[1])
    model = Sequential(Dropout(PIXELS if share else 0), MLP([64, 256, 256, 10], dropout=share))
    optimizer = dg.optim.Adam(model.parameters(), lr=1e-3)
    trainer = Trainer(model, dg.nn.CrossEntropyLoss(), optimizer, [accuracy])
    history = trainer.fit(DataLoader(few, 50, shuffle=True), DataLoader(rest, 500), epochs)
    return {
        "loss": [epoch.validation["loss"] for epoch in history],
        "accuracy": [epoch.validation["accuracy"] for epoch in history],
    }


def show(picture: Path, found: dict[float, dict[str, np.ndarray]]) -> None:
    """Draw loss and accuracy on new digits against epochs."""
    figure = blank_figure(9, 3.8)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for share, color in SHARES.items():
            values = found[share][name]
            axes.plot(range(1, len(values) + 1), values, color=color, label=f"dropout {share:g}")
        axes.set(
            xlabel="epoch",
            ylabel=f"{name} on new digits",
            yscale="log" if name == "loss" else "linear",
        )
        axes.grid(color="#d9dde5", linewidth=0.6)
        axes.legend(frameon=False)
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/history/dropout.png"))
