"""Deeper plain networks train worse; shortcuts let depth help.

See: the training loss of a plain network of 56 layers stays above that of one of 20, on data
both could know by heart, so it is no overfitting. The same layers with shortcuts train better.

Source: He, Zhang, Ren and Sun (2015), "Deep residual learning for image recognition", figures 1
and 6. There the images are CIFAR's; here they are digits of 8 x 8, so that it takes minutes.

Run it: python examples/history/depth.py
"""

from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, load_digits, random_split
from deepglass.models import ResNetCIFAR
from deepglass.train import Trainer, accuracy
from deepglass.train.plots import blank_figure, draw

DEPTHS = (20, 56)
COLOURS = {"plain": "#e8590c", "residual": "#2f6fde"}

Curves = dict[tuple[str, int], list[float]]


def main(
    depths: tuple[int, ...] = DEPTHS, epochs: int = 15, samples: int = 1000,
    picture: Path | None = None,
) -> Curves:  # fmt: skip
    """Return the training loss after each epoch, by form and depth."""
    digits = load_digits()
    rest = len(digits) - samples
    train, test = random_split(digits, [samples, rest], dg.Generator(0), stratify=digits.tensors[1])
    images, labels = test.batch(np.arange(rest))
    found: Curves = {}
    for form in COLOURS:
        for depth in depths:
            dg.manual_seed(0)
            model = ResNetCIFAR(depth, residual=form == "residual", channels=1)
            optimizer = dg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
            schedule = dg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
            trainer = Trainer(model, dg.nn.CrossEntropyLoss(), optimizer, schedule=schedule)
            history = trainer.fit(DataLoader(train, 50, shuffle=True), epochs=epochs)
            found[form, depth] = [epoch.train["loss"] for epoch in history]
            share = accuracy(trainer.predict(images), labels)
            print(
                f"{form:8} {depth} layers: training loss {found[form, depth][-1]:.4f}, "
                f"{100 * share:.1f} % of new digits are right"
            )
    if picture is not None:
        show(picture, found)
    return found


def show(picture: Path, found: Curves) -> None:
    """Draw the training losses; thin lines are the less deep networks."""
    figure = blank_figure(6.5, 4)
    axes = figure.subplots()
    deepest = max(depth for _, depth in found)
    for (form, depth), losses in found.items():
        axes.plot(
            range(1, len(losses) + 1), losses, color=COLOURS[form], label=f"{form}, {depth} layers",
            linewidth=2.4 if depth == deepest else 1, linestyle="-" if depth == deepest else "--",
        )  # fmt: skip
    axes.set(yscale="log", xlabel="epoch", ylabel="loss in training")
    axes.grid(color="#d9dde5", linewidth=0.6)
    axes.legend(frameon=False)
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/history/depth.png"))
