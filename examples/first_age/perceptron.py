"""Rosenblatt's perceptron (1958) learns any line there is, and never XOR.

Run it: python examples/first_age/perceptron.py
"""

from pathlib import Path

import numpy as np

from deepglass import tensor
from deepglass.models import Perceptron, mistake_bound
from deepglass.train.plots import blank_figure, draw

LINE = (np.array([0.8, -0.6]), 0.1)  # weights and bias of the line that separates the clouds
GAP = 0.08  # the distance every point keeps from it


def main(picture: Path | None = None) -> dict[str, float]:
    """Learn two clouds of points, then try XOR, and count the mistakes."""
    x, y = clouds()
    neuron = Perceptron(2)
    mistakes = neuron.fit(x, y)
    bound = mistake_bound(x, y, *LINE)
    print(f"two clouds: {sum(mistakes)} mistakes in {len(mistakes)} epochs, then none;")
    print(f"            Novikoff's bound allows {bound:.0f}")

    corners, xor = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), [0, 1, 1, 0]
    stubborn, best = Perceptron(2), 0.0
    for _ in range(100):
        for corner, target in zip(corners, xor, strict=True):
            stubborn.learn(corner, target)
            best = max(best, float((stubborn(tensor(corners)).numpy() == xor).mean()))
    print(f"XOR:        never more than {100 * best:.0f} % right in 100 epochs")
    if picture is not None:
        show(picture, neuron, x, y)
    return {"mistakes": sum(mistakes), "last": mistakes[-1], "bound": bound, "xor": best}


def clouds(count: int = 200, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return points of the square on both sides of `LINE`, none closer to it than `GAP`."""
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    sides = points @ LINE[0] + LINE[1]
    far = np.abs(sides) > GAP
    return points[far], (sides[far] > 0).astype(np.int64)


def show(picture: Path, neuron: Perceptron, x: np.ndarray, y: np.ndarray) -> None:
    """Draw the clouds and the line the perceptron found."""
    figure = blank_figure(5, 4.6)
    axes = figure.subplots()
    (a, b), c = neuron.weight.numpy()[0], float(neuron.bias.item())
    ends = np.array([-1.1, 1.1])
    for label, color in ((0, "#e8590c"), (1, "#2f6fde")):
        axes.plot(*x[y == label].T, "o", color=color, markersize=4.5, label=f"class {label}")
    axes.plot(ends, -(a * ends + c) / b, color="#1f2430", label="found by the perceptron")
    axes.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    figure.legend(loc="outside upper center", frameon=False, ncols=3)
    draw(figure, picture)


if __name__ == "__main__":
    main(Path("runs/first_age/perceptron.png"))
