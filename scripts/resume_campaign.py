"""Training runs that stop at some step and go on, against runs that never stopped.

    python scripts/resume_campaign.py [--count 20]

Compiled, with dropout, batch norm, momentum, clipping and a schedule that moves in each step;
a quarter each plain, with accumulated batches, with two worker processes, and with both. What
is compared is the SHA-256 of weights, optimizer, schedule, random state, position of the
loaders, metrics and history.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, TensorDataset
from deepglass.optim.lr_scheduler import OneCycleLR
from deepglass.train import (
    Callback,
    Checkpoints,
    Trainer,
    accuracy,
    load_checkpoint,
    save_checkpoint,
)

EPOCHS, SAMPLES, BATCH = 3, 200, 16
KINDS = [(accumulate, workers) for accumulate in (1, 3) for workers in (0, 2)]


class StopAfter(Callback):
    """Ends training after so many steps in all."""

    every = 1

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_steps(self, trainer: Trainer, progress: Any) -> None:
        if (progress.epoch - 1) * progress.steps + progress.step == self.steps:
            trainer.stop("enough")


def steps_of(accumulate: int) -> int:
    return EPOCHS * -(-SAMPLES // (BATCH * accumulate))


def make(seed: int, accumulate: int, workers: int) -> tuple[Trainer, DataLoader, DataLoader]:
    """Return a trainer and its data, all of which depend on the seed."""
    dg.manual_seed(seed)
    model = dg.nn.Sequential(
        dg.nn.Linear(20, 32), dg.nn.BatchNorm1d(32), dg.nn.ReLU(), dg.nn.Dropout(0.3),
        dg.nn.Linear(32, 5),
    )  # fmt: skip
    optimizer = dg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    trainer = Trainer(
        model, dg.nn.functional.cross_entropy, optimizer, [accuracy],
        schedule=OneCycleLR(optimizer, 0.1, steps_of(accumulate)), schedule_every="step",
        clip_norm=1.0, accumulate=accumulate, backend="native",
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((SAMPLES, 20)).astype(np.float32)
    data = TensorDataset(x, x[:, :5].argmax(axis=1))
    train = DataLoader(data, BATCH, shuffle=True, num_workers=workers)
    return trainer, train, DataLoader(data, 64)


def digest(trainer: Trainer, folder: Path) -> str:
    """SHA-256 of a checkpoint of the trainer, without the seconds it took."""
    state = trainer.state_dict()
    for timed in (state["run"], *state["history"]):
        timed.pop("seconds")
        timed.pop("rate", None)
    save_checkpoint(folder / "digest", state)
    return hashlib.sha256((folder / "digest").read_bytes()).hexdigest()


def whole(kind: tuple[int, int], folder: Path) -> str:
    trainer, *data = make(1, *kind)
    trainer.fit(*data, EPOCHS, [Checkpoints(folder)])
    return digest(trainer, folder)


def stopped(kind: tuple[int, int], after: int, folder: Path) -> str:
    """Stop a run, and let a trainer that began with other numbers do what is left."""
    trainer, *data = make(1, *kind)
    trainer.fit(*data, EPOCHS, [Checkpoints(folder), StopAfter(after)])
    state, _ = load_checkpoint(folder / "last.safetensors")
    trainer, *data = make(2, *kind)
    trainer.load_state_dict(state)
    trainer.fit(*data, callbacks=[Checkpoints(folder)])
    return digest(trainer, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20, help="of stopped runs")
    count = parser.parse_args().count
    rng = random.Random(0)
    equal = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = {kind: whole(kind, folder) for kind in KINDS}
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            after = rng.randrange(1, steps_of(kind[0]))
            same = stopped(kind, after, folder) == truth[kind]
            equal += same
            print(
                f"accumulate {kind[0]}, workers {kind[1]}, stopped after step {after} of "
                f"{steps_of(kind[0])}: {'equal' if same else 'DIFFERENT'}",
                flush=True,
            )
    print(f"{equal} of {count} equal")
    sys.exit(equal != count)


if __name__ == "__main__":
    main()
