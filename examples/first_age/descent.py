"""Down and up the bowl J(a, b) = a² + b²: what the learning rate does.

Each step multiplies the point by 1 - 2 lr (up: 1 + 2 lr), so a rate below 0.5 comes straight
down, one between 0.5 and 1 jumps across the bottom, and one above 1 flies out of the bowl.

Run it: python examples/first_age/descent.py
"""

from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.train.plots import blank_figure, draw

START = (-4.0, 3.0)
RATES = (0.02, 0.3, 1.03)
STEPS = 20


def height(point: dg.Tensor) -> dg.Tensor:
    """J(a, b) = a² + b², the height of the bowl at a point (a, b)."""
    return (point * point).sum()


def walk(lr: float, direction: int) -> np.ndarray:
    """Return the path of points from `START`, downhill for -1 and uphill for +1."""
    slope = dg.grad(height)
    point = dg.tensor(START)
    path = [point.numpy()]
    for _ in range(STEPS):
        point = point + direction * lr * slope(point)
        path.append(point.numpy())
    return np.array(path)


def main(picture: Path | None = None) -> dict[tuple[str, float], np.ndarray]:
    """Walk with three learning rates, down and up."""
    paths = {}
    for way, direction in (("descent", -1), ("ascent", +1)):
        for lr in RATES:
            path = paths[way, lr] = walk(lr, direction)
            print(f"{way:8} lr {lr:<5} J: 25 -> {(path[-1] ** 2).sum():.3g}")
    if picture is not None:
        show(picture, paths)
    return paths


def show(picture: Path, paths: dict[tuple[str, float], np.ndarray]) -> None:
    """Draw the six paths over the contours of the bowl."""
    figure = blank_figure(10, 6.8)
    line = np.linspace(-10, 10, 101)
    bowl = line[:, None] ** 2 + line[None, :] ** 2
    for axes, ((way, lr), path) in zip(figure.subplots(2, 3).flat, paths.items(), strict=True):
        axes.contour(line, line, bowl, levels=np.arange(1, 12) ** 2, cmap="Blues_r", linewidths=0.7)
        axes.plot(*path.T, "o-", color="#e8590c", markersize=4, linewidth=1.2)
        axes.plot(*path[0], "o", color="#1f2430", markersize=7)
        axes.set(
            title=f"{way}, lr {lr}: J = {(path[-1] ** 2).sum():.3g}", xlim=(-10, 10), ylim=(-10, 10)
        )
        axes.set(aspect="equal", xlabel="a", ylabel="b")
    draw(figure, picture)


if __name__ == "__main__":
    main(Path("runs/first_age/descent.png"))
