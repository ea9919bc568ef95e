"""Backpropagation (Rumelhart, Hinton and Williams, 1986) solves XOR with one hidden layer.

Run it: python examples/first_age/xor.py
"""

from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

import deepglass as dg
from deepglass.models import MLP
from deepglass.train.plots import blank_figure, draw

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TARGETS = np.array([[0], [1], [1], [0]], np.float32)
STEPS = 500
COLOURS = LinearSegmentedColormap.from_list("", ["#e8590c", "white", "#2f6fde"])


def main(picture: Path | None = None, seed: int = 0) -> dict[str, object]:
    """Train four hidden neurons on the four examples."""
    dg.manual_seed(seed)
    model = MLP([2, 4, 1], activation="tanh")
    optimizer = dg.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)

    @dg.compile
    def step(x: dg.Tensor, target: dg.Tensor) -> dg.Tensor:
        loss = dg.nn.functional.mse_loss(dg.sigmoid(model(x)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    losses = [float(step(INPUTS, TARGETS)) for _ in range(STEPS)]
    outputs = dg.sigmoid(model(dg.tensor(INPUTS))).numpy()[:, 0]
    for pair, output in zip(INPUTS, outputs, strict=True):
        print(f"{pair[0]:.0f} XOR {pair[1]:.0f}  ->  {output:.3f}")
    print(f"mean squared error {losses[0]:.3f} -> {losses[-1]:.5f} in {STEPS} steps")
    if picture is not None:
        show(picture, model, losses)
    return {"answers": (outputs > 0.5).astype(int).tolist(), "losses": losses}


def show(picture: Path, model: MLP, losses: list[float]) -> None:
    """Draw the fall of the loss, and the output over the whole plane."""
    figure = blank_figure(9, 3.8)
    left, right = figure.subplots(1, 2)
    left.plot(losses, color="#2f6fde")
    left.set(xlabel="step", ylabel="mean squared error", yscale="log")
    left.grid(color="#d9dde5", linewidth=0.6)

    line = np.linspace(-0.5, 1.5, 121, dtype=np.float32)
    plane = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    output = dg.sigmoid(model(dg.tensor(plane))).numpy().reshape(121, 121)
    shade = right.contourf(line, line, output, levels=np.linspace(0, 1, 21), cmap=COLOURS)
    for (a, b), target in zip(INPUTS, TARGETS[:, 0], strict=True):
        face = "#2f6fde" if target else "#e8590c"
        right.plot(a, b, "o", markersize=13, markerfacecolor=face, markeredgecolor="white")
    right.set(title="output of the network", xlabel="a", ylabel="b", aspect="equal")
    right.set(xticks=[0, 1], yticks=[0, 1])
    figure.colorbar(shade, ax=right, ticks=[0, 0.5, 1])
    draw(figure, picture)


if __name__ == "__main__":
    main(Path("runs/first_age/xor.png"))
