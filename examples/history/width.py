"""One hidden layer approximates any continuous function, the better the wider it is.

See: the error over an interval falls as neurons are added; with one neuron there is one bend,
with 64 the curve is met.

Sources: Cybenko (1989), "Approximation by superpositions of a sigmoidal function"; Hornik,
Stinchcombe and White (1989), "Multilayer feedforward networks are universal approximators";
Barron (1993), "Universal approximation bounds", for the rate.

Run it: python examples/history/width.py
"""

from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, TensorDataset
from deepglass.models import MLP
from deepglass.train import Trainer
from deepglass.train.plots import blank_figure, draw

WIDTHS = (1, 2, 4, 8, 16, 32, 64)
SHOWN = (1, 4, 64)


def truth(x: np.ndarray) -> np.ndarray:
    """A function with bends of many sizes."""
    return np.sin(3 * x) + 0.5 * np.sin(7 * x + 1) + 0.3 * np.abs(x)


def main(
    widths: tuple[int, ...] = WIDTHS, epochs: int = 1000, starts: int = 3,
    picture: Path | None = None,
) -> dict[int, float]:  # fmt: skip
    """Return the root mean square error by the number of hidden neurons, of the best start."""
    x = np.linspace(-2, 2, 256, dtype=np.float32)[:, None]
    errors, curves = {}, {}
    for width in widths:
        tries = [fitted(x, width, epochs, seed) for seed in range(starts)]
        error, curves[width] = min(tries, key=lambda found: found[0])
        errors[width] = error
        print(f"{width:3} hidden neurons: error {error:.4f}")
    if picture is not None:
        show(picture, x, errors, curves)
    return errors


def fitted(x: np.ndarray, width: int, epochs: int, seed: int) -> tuple[float, np.ndarray]:
    """Train once, and return the error and what the network says."""
    dg.manual_seed(seed)
    model = MLP([1, width, 1], "tanh")
    first = model.get_submodule("layers.0")
    dg.nn.init.uniform_(first.weight, -3, 3)  # bends all over the interval to begin with
    dg.nn.init.uniform_(first.bias, -6, 6)
    optimizer = dg.optim.Adam(model.parameters(), lr=0.01)
    schedule = dg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(model, dg.nn.MSELoss(), optimizer, schedule=schedule)
    trainer.fit(DataLoader(TensorDataset(x, truth(x)), 32, shuffle=True), epochs=epochs)
    said = trainer.predict(x)
    return float(np.sqrt(np.mean((said - truth(x)) ** 2))), said[:, 0]


def show(
    picture: Path, x: np.ndarray, errors: dict[int, float], curves: dict[int, np.ndarray]
) -> None:
    """Draw the error against the width, and some of the curves beside the truth."""
    figure = blank_figure(9, 3.8)
    left, right = figure.subplots(1, 2)
    left.plot(list(errors), list(errors.values()), "o-", color="#2f6fde")
    left.set(xscale="log", yscale="log", xlabel="hidden neurons", ylabel="error, root mean square")
    left.set_xticks(list(errors), [str(n) for n in errors])
    left.grid(color="#d9dde5", linewidth=0.6)
    right.plot(x, truth(x), color="#1f2430", linewidth=4, alpha=0.25, label="truth")
    for width, color in zip(SHOWN, ("#c9cdd6", "#e8590c", "#2f6fde"), strict=True):
        if width in curves:
            right.plot(x, curves[width], color=color, label=f"{width} neurons")
    right.set(xlabel="x")
    right.legend(frameon=False)
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/history/width.png"))
