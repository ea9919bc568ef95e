"""Accuracy against the amount of data: a network beside two classical methods.

Every method gains from more data, and each further percent costs more of them.

Run it: python examples/amount.py
"""

from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import deepglass as dg
from deepglass.data import DataLoader, Subset, TensorDataset, load_digits, random_split
from deepglass.models import MLP
from deepglass.train import Trainer, accuracy
from deepglass.train.plots import blank_figure, draw

AMOUNTS = (30, 100, 300, 1000, 1400)
STEPS = 1500


def main(
    amounts: tuple[int, ...] = AMOUNTS, steps: int = STEPS, picture: Path | None = None
) -> dict[str, list[float]]:
    """Train each method on so many digits, and return accuracies on the same 397 others."""
    digits = load_digits()
    pool, test = random_split(digits, [1400, 397], dg.Generator(0), stratify=digits.tensors[1])
    images, truth = test.batch(np.arange(len(test)))
    flat = images.reshape(len(images), -1)
    found: dict[str, list[float]] = {"network": [], "random forest": [], "logistic regression": []}
    for amount in amounts:
        part = Subset(pool, np.arange(amount))
        x, y = part.batch(np.arange(amount))
        found["network"].append(network(x, y, images, truth, steps))
        classical = {
            "random forest": RandomForestClassifier(random_state=0),
            "logistic regression": LogisticRegression(max_iter=2000),
        }
        for name, method in classical.items():
            method.fit(x.reshape(amount, -1), y)
            found[name].append(float(method.score(flat, truth)))
        shown = ", ".join(f"{name} {100 * values[-1]:.1f} %" for name, values in found.items())
        print(f"{amount:5} digits: {shown}")
    if picture is not None:
        show(picture, amounts, found)
    return found


def network(
    x: np.ndarray, y: np.ndarray, images: np.ndarray, truth: np.ndarray, steps: int
) -> float:
    """Return the accuracy of a network trained for so many steps."""
    dg.manual_seed(0)
    model = MLP([64, 256, 10], dropout=0.3)
    optimizer = dg.optim.AdamW(model.parameters(), lr=2e-3)
    batch = min(32, len(x))
    loader = DataLoader(TensorDataset(x, y), batch, shuffle=True, drop_last=True)
    schedule = dg.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    trainer = Trainer(
        model, dg.nn.CrossEntropyLoss(), optimizer, schedule=schedule, schedule_every="step"
    )
    trainer.fit(loader, epochs=-(-steps // len(loader)))
    return accuracy(trainer.predict(images), truth)


def show(picture: Path, amounts: tuple[int, ...], found: dict[str, list[float]]) -> None:
    """Draw accuracy against the number of digits, on a logarithmic axis."""
    figure = blank_figure(6.5, 4)
    axes = figure.subplots()
    for (name, values), color in zip(found.items(), ("#e8590c", "#2f6fde", "#1f2430"), strict=True):
        axes.plot(amounts, [100 * v for v in values], "o-", color=color, label=name)
    axes.set(xscale="log", xlabel="digits to learn from", ylabel="accuracy, %")
    axes.set_xticks(amounts, [f"{n:,}" for n in amounts])
    axes.grid(color="#d9dde5", linewidth=0.6)
    axes.legend(frameon=False, loc="lower right")
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/examples/amount.png"))
