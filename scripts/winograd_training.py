"""Whether Winograd's algorithm changes what a network learns: ResNet-20 with it and without.

    python scripts/winograd_training.py FILE [--epochs 20] [--seeds 2]

FILE has records of CIFAR-10 in the binary format: the first 3,200 are learned from, the next 800
measured. For each seed the same weights see the same images, cropped and mirrored alike, in three
ways: within `dg.exact()`, with the algorithm where the rule chooses it, and with it from weights
whose last bits differ. The third shows how far any rounding leads: training is chaotic, so the
difference that the algorithm makes is to be compared with that one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import nullcontext
from time import perf_counter
from typing import Any

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, Subset, TensorDataset, TransformDataset, read_cifar
from deepglass.data.transforms import Compose, RandomCrop, RandomHorizontalFlip
from deepglass.models import resnet20
from deepglass.nn import Module
from deepglass.nn.functional import cross_entropy
from deepglass.optim import SGD
from deepglass.optim.lr_scheduler import OneCycleLR
from deepglass.passes.winograd import fewer_products
from deepglass.train import Trainer, accuracy

TRAIN, VALIDATION, BATCH, RATE = 3200, 800, 128, 0.1
WAYS = ("exact", "winograd", "winograd, other last bits")
LAST = 5  # epochs whose mean is shown


def prepared(pixels: Any) -> Any:
    """Pixels from -2 to 2."""
    return pixels.to("float32") / 64 - 2


def network(seed: int) -> Module:
    dg.manual_seed(seed)
    return resnet20()


def nudge(model: Module) -> None:
    """Change the last bit of every weight, up or down."""
    rng = np.random.default_rng(0)
    changed = {
        name: np.nextafter(w, np.where(rng.random(w.shape) < 0.5, -np.inf, np.inf), dtype=w.dtype)
        if np.issubdtype(w.dtype, np.floating)
        else w
        for name, w in model.state_dict().items()
    }
    model.load_state_dict(changed)


def trained(way: str, seed: int, data: TensorDataset, epochs: int) -> np.ndarray:
    """Return the means of training loss, validation loss and accuracy over the last epochs."""
    model = network(seed)
    if way == WAYS[2]:
        nudge(model)
    changes = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip()])
    seen = TransformDataset(Subset(data, range(TRAIN)), changes)
    train = DataLoader(seen, BATCH, shuffle=True, prefetch_factor=2)
    validation = DataLoader(Subset(data, range(TRAIN, TRAIN + VALIDATION)), 400)
    optimizer = SGD(model.parameters(), lr=RATE, momentum=0.9, weight_decay=1e-4)
    schedule = OneCycleLR(optimizer, max_lr=RATE, total_steps=epochs * len(train))
    trainer = Trainer(
        model,
        cross_entropy,
        optimizer,
        [accuracy],
        schedule=schedule,
        schedule_every="step",
        prepare=prepared,
    )
    start = perf_counter()
    with dg.exact() if way == WAYS[0] else nullcontext():
        history = trainer.fit(train, validation, epochs)
    rows = [(e.train["loss"], e.validation["loss"], e.validation["accuracy"]) for e in history]
    found = np.mean(rows[-LAST:], axis=0)
    print(
        f"seed {seed}, {way:<25} loss {found[0]:.4f}, validation {found[1]:.4f}, "
        f"accuracy {found[2]:.2%}; {perf_counter() - start:.0f} s",
        flush=True,
    )
    return found


def layers() -> None:
    """Print how many convolutions of a step are computed in which way."""
    model = network(0)

    def slope(x: Any, y: Any) -> Any:
        loss = cross_entropy(model(x), y)
        loss.backward()
        return loss, [p.grad for p in model.parameters()]

    batch = np.zeros((BATCH, 3, 32, 32), np.float32), np.zeros(BATCH, np.int64)
    graph = dg.compile(slope, backend="reference").program(*batch).graph
    names = Counter(n.op.name for n in fewer_products(graph).nodes() if "conv" in n.op.name)
    print("convolutions of a step:", ", ".join(f"{n} {name}" for name, n in sorted(names.items())))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", help="records in CIFAR-10's binary format, 4,000 at least")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    layers()
    data = read_cifar(options.file)
    found = np.array(
        [
            [trained(way, seed, data, options.epochs) for way in WAYS]
            for seed in range(options.seeds)
        ]
    )
    for k, way in enumerate(WAYS):
        loss, validation, share = found[:, k].mean(0)
        print(f"{way:<25} loss {loss:.4f}, validation {validation:.4f}, accuracy {share:.2%}")
    for other in (WAYS[0], WAYS[2]):
        loss, validation, share = np.abs(found[:, 1] - found[:, WAYS.index(other)]).mean(0)
        print(
            f"winograd and {other} differ, mean: loss {loss:.4f}, "
            f"validation {validation:.4f}, accuracy {share:.2%}"
        )


if __name__ == "__main__":
    main()
