"""Two convolutions of 3 x 3 see as much as one of 5 x 5, with fewer weights and one bend more.

See: both blocks see 5 x 5 pixels; the two small kernels take 18/25 of the weights and
multiply-adds, and are right about new digits as often.

Source: Simonyan and Zisserman (2014), "Very deep convolutional networks for large-scale image
recognition", section 2.3.

Run it: python examples/history/stacked.py
"""

from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.autograd import grad
from deepglass.data import DataLoader, load_digits, random_split
from deepglass.nn import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from deepglass.train import Trainer, accuracy
from deepglass.train.plots import blank_figure, draw

WIDTH = 16
BLOCKS = {
    "one 5 x 5": lambda: [Conv2d(WIDTH, WIDTH, 5, padding=2), ReLU()],
    "two 3 x 3": lambda: [
        layer for _ in range(2) for layer in (Conv2d(WIDTH, WIDTH, 3, padding=1), ReLU())
    ],
}


def main(
    samples: int = 300, epochs: int = 60, seeds: int = 5, picture: Path | None = None
) -> dict[str, dict[str, object]]:
    """Return what each block sees, holds and achieves."""
    found: dict[str, dict[str, object]] = {}
    for name in BLOCKS:
        dg.manual_seed(0)
        block = Sequential(*BLOCKS[name]())
        summary = block.summary(dg.zeros(1, WIDTH, 8, 8))
        shares = [learned(name, samples, epochs, seed) for seed in range(seeds)]
        found[name] = {
            "field": field(block),
            "weights": summary.parameters,
            "multiply_adds": summary.multiply_adds,
            "accuracy": shares,
        }
        print(
            f"{name}: sees {field(block)} x {field(block)} pixels with {summary.parameters:,} "
            f"weights and {summary.multiply_adds:,} multiply-adds; {100 * np.mean(shares):.2f} % "
            f"of new digits are right (standard deviation {100 * np.std(shares):.2f})"
        )
    if picture is not None:
        show(picture, found)
    return found


def field(block: Sequential) -> int:
    """Return how many pixels in a row change the output in the middle."""
    x = dg.rand(1, WIDTH, 21, 21).requires_grad_()
    (slopes,) = grad(block(x)[:, :, 10, 10].sum(), [x])
    return int((slopes.numpy() != 0).any(axis=(0, 1, 2)).sum())


def learned(name: str, samples: int, epochs: int, seed: int) -> float:
    """Return the accuracy on new digits of a network with two such blocks."""
    dg.manual_seed(seed)
    digits = load_digits()
    few, rest = random_split(digits, [samples, len(digits) - samples], stratify=digits.tensors[1])
    model = Sequential(
        Conv2d(1, WIDTH, 3, padding=1), ReLU(), *BLOCKS[name](), MaxPool2d(2), *BLOCKS[name](),
        AdaptiveAvgPool2d(1), Flatten(), Linear(WIDTH, 10),
    )  # fmt: skip
    optimizer = dg.optim.Adam(model.parameters(), lr=3e-3)
    schedule = dg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(model, dg.nn.CrossEntropyLoss(), optimizer, schedule=schedule)
    trainer.fit(DataLoader(few, 20, shuffle=True), epochs=epochs)
    images, labels = rest.batch(np.arange(len(rest)))
    return accuracy(trainer.predict(images), labels)


def show(picture: Path, found: dict[str, dict[str, object]]) -> None:
    """Draw weights and accuracy of both."""
    figure = blank_figure(8, 3.2)
    left, right = figure.subplots(1, 2)
    colors = ("#e8590c", "#2f6fde")
    left.barh(list(found), [v["weights"] for v in found.values()], color=colors)
    left.set(xlabel="weights of a block")
    for place, (values, color) in enumerate(zip(found.values(), colors, strict=True)):
        shares = 100 * np.array(values["accuracy"])
        right.plot(shares, np.full(len(shares), place), "o", color=color, alpha=0.5)
        right.plot(shares.mean(), place, "|", color=color, markersize=24, markeredgewidth=3)
    right.set(xlabel="accuracy on new digits, %", yticks=[], ylim=(-0.5, 1.5))
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/history/stacked.png"))
