"""What networks of deepglass reach on known data; each figure by one command.

    python scripts/accuracy.py mnist         # accuracy on the 10,000 test images, 3 seeds
    python scripts/accuracy.py housing       # R2 on a fifth of California's block groups, 3 splits
    python scripts/accuracy.py shakespeare   # nats per character of the last tenth of the plays
    python scripts/accuracy.py advertising   # R2 of a linear model on all 200 rows

The data come from the folder DEEPGLASS_DATA, or are downloaded; the advertising table is
$DEEPGLASS_DATA/advertising/Advertising.csv.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

import deepglass as dg
from deepglass.data import (
    DataLoader,
    Subset,
    TableEncoder,
    TensorDataset,
    encode_table,
    load,
    read_table,
)
from deepglass.models import MLP
from deepglass.nn import L1Loss, MSELoss
from deepglass.nn.functional import cross_entropy
from deepglass.optim import Adam
from deepglass.optim.lr_scheduler import OneCycleLR
from deepglass.runs import Run
from deepglass.train import Callback, Epoch, Metric, Progress, Trainer, accuracy, r2


def trained(
    model: MLP,
    loss: Any,
    metric: Metric,
    parts: tuple[TensorDataset | Subset, TensorDataset | Subset],
    epochs: int,
    batch_size: int = 128,
    **settings: Any,
) -> float:
    """Train with Adam and one cycle of the rate, up to 0.01 and down to 0; return the metric on
    the second part."""
    train = DataLoader(parts[0], batch_size, shuffle=True, drop_last=True)
    optimizer = Adam(model.parameters())
    schedule = OneCycleLR(optimizer, max_lr=0.01, total_steps=epochs * len(train))
    trainer = Trainer(
        model, loss, optimizer, [metric], schedule=schedule, schedule_every="step", **settings
    )
    history = trainer.fit(train, DataLoader(parts[1], 1000), epochs)
    return history[-1].validation[metric.name]


def mnist(seed: int) -> float:
    """784-128-10, 5 epochs."""
    dg.manual_seed(seed)
    images = [load("mnist", train=part).tensors for part in (True, False)]
    train, test = (TensorDataset(x.reshape(len(x), 784), labels) for x, labels in images)
    return trained(
        MLP([784, 128, 10]),
        lambda output, target: cross_entropy(output, target, label_smoothing=0.1),
        accuracy,
        (train, test),
        5,
        prepare=lambda x: x.to("float32") / 255,
    )


def housing(seed: int) -> float:
    """14-128-128-1, 30 epochs; logarithms of skewed columns, the target in US dollars."""
    dg.manual_seed(seed)
    table = load("california-housing")
    encoder, (train, test) = encode_table(table, "median_house_value", "8:2", log=True)
    return trained(MLP([len(encoder.features), 128, 128, 1]), L1Loss(), r2, (train, test), 30)


def advertising(seed: int) -> float:
    """One neuron without activation, 300 epochs in batches of 40."""
    dg.manual_seed(seed)
    folder = Path(os.environ.get("DEEPGLASS_DATA", "."))
    table = read_table(folder / "advertising" / "Advertising.csv")
    encoder = TableEncoder.fit(table, "Sales")
    rows = TensorDataset(encoder.transform(table), encoder.targets(table))
    return trained(MLP([len(encoder.features), 1]), MSELoss(), r2, (rows, rows), 300, 40)


def shakespeare(seed: int) -> float:
    """GPT of 4 layers, 4 heads, width 128 and context 128, as `deepglass train` trains it."""
    with TemporaryDirectory() as folder:
        run = Run.create(
            {
                "data": {"source": "tiny-shakespeare"},
                "model": {"name": "gpt"},
                "train": {"seed": seed},
            },
            Path(folder, "run"),
        )
        run.fit([EachEpoch()])
        return run.evaluate()["loss"]


class EachEpoch(Callback):
    """Prints the validation loss and the seconds since training began."""

    def __init__(self) -> None:
        self.start = perf_counter()

    def on_epoch(self, trainer: Trainer, progress: Progress, epoch: Epoch) -> None:
        seconds = perf_counter() - self.start
        print(f"epoch {epoch.number}: {epoch.validation['loss']:.4f}, {seconds:.0f} s", flush=True)


FIGURES = {
    "mnist": (mnist, 3),
    "housing": (housing, 3),
    "shakespeare": (shakespeare, 1),
    "advertising": (advertising, 1),
}


def main(name: str) -> None:
    figure, count = FIGURES[name]
    found = []
    for seed in range(count):
        found.append(figure(seed))
        print(f"{name}, seed {seed}: {found[-1]:.4f}", flush=True)
    print(f"{name}: mean {np.mean(found):.4f} of {count}, {min(found):.4f} to {max(found):.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
