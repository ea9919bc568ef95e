"""Networks that know what they do not know: distributions over weights instead of weights.

See: both ways agree with the data where there are some; away from them their curves fan out.

Sources: Blundell, Cornebise, Kavukcuoglu and Wierstra (2015), "Weight uncertainty in neural
networks", sections 3 and 5.2 (the curve is theirs); Gal and Ghahramani (2016), "Dropout as a
Bayesian approximation: representing model uncertainty in deep learning".

Run it: python examples/history/bayes.py
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.nn.functional import softplus
from deepglass.train.plots import blank_figure, draw

WIDTH = 64
NOISE = 0.1  # standard deviation that is expected of the data around the curve
PRIOR = 1.0  # standard deviation of weights before there are data
DROPOUT = 0.2
CENTRE, SCALE = 0.25, 0.15  # mean and standard deviation of x in the data
LINE = np.linspace(-0.4, 1.2, 161, dtype=np.float32)[:, None]
INSIDE = (LINE[:, 0] >= 0) & (LINE[:, 0] <= 0.5)
OUTSIDE = LINE[:, 0] > 0.9


def data(count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Return points of a curve between 0 and 0.5."""
    rng = np.random.default_rng(0)
    x, e = rng.uniform(0, 0.5, count), rng.normal(0, 0.02, count)
    y = x + 0.3 * np.sin(2 * np.pi * (x + e)) + 0.3 * np.sin(4 * np.pi * (x + e)) + e
    return x.astype(np.float32)[:, None], y.astype(np.float32)[:, None]


def scaled(x: dg.Tensor) -> dg.Tensor:
    """Return inputs with mean 0 and standard deviation 1 among the data."""
    return (x - CENTRE) / SCALE


class BayesLinear(dg.nn.Module):
    """A linear layer whose weights are drawn anew for each batch.

    w = mean + softplus(rho) noise; the first column of w is the bias.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        start = np.random.default_rng(inputs).normal(0, inputs**-0.5, (outputs, 1 + inputs))
        start[:, 0] = 0
        self.mean = dg.Parameter(start.astype(np.float32))
        self.rho = dg.Parameter(np.full(start.shape, -4, np.float32))

    def forward(self, x: dg.Tensor) -> dg.Tensor:
        w = self.mean + softplus(self.rho) * dg.randn(*self.mean.shape)
        return x @ w[:, 1:].T + w[:, 0]

    def divergence(self) -> dg.Tensor:
        """Return how far the weights are from what was believed before, in nats."""
        spread = softplus(self.rho)
        ratio = (spread * spread + self.mean * self.mean) / (2 * PRIOR**2)
        return (ratio - dg.log(spread / PRIOR) - 0.5).sum()


def main(steps: int = 8000, picture: Path | None = None) -> dict[str, tuple[float, float]]:
    """Return the spread of the answers inside and outside of the data, by method."""
    fans = {"Bayes by backprop": by_backprop(steps), "dropout": by_dropout(steps)}
    found = {}
    for name, curves in fans.items():
        spread = curves.std(axis=0)
        found[name] = float(spread[INSIDE].mean()), float(spread[OUTSIDE].mean())
        print(f"{name}: spread {found[name][0]:.3f} among the data, {found[name][1]:.3f} outside")
    if picture is not None:
        show(picture, fans)
    return found


def by_backprop(steps: int) -> np.ndarray:
    """Learn a distribution of weights, and return the curves of 200 draws."""
    dg.manual_seed(0)
    model = dg.nn.Sequential(
        BayesLinear(1, WIDTH), dg.nn.ReLU(), BayesLinear(WIDTH, WIDTH), dg.nn.ReLU(),
        BayesLinear(WIDTH, 1),
    )  # fmt: skip
    layers = [layer for layer in model if isinstance(layer, BayesLinear)]

    def loss(x: dg.Tensor, y: dg.Tensor) -> dg.Tensor:
        misfit = ((model(scaled(x)) - y) ** 2).sum() / (2 * NOISE**2)
        return (misfit + sum(layer.divergence() for layer in layers)) / len(x)

    learn(model, loss, steps)
    return drawn(model)


def by_dropout(steps: int) -> np.ndarray:
    """Learn with dropout, leave it on afterwards, and return the curves of 200 draws."""
    dg.manual_seed(0)
    model = dg.nn.Sequential(
        dg.nn.Linear(1, WIDTH), dg.nn.ReLU(), dg.nn.Dropout(DROPOUT), dg.nn.Linear(WIDTH, WIDTH),
        dg.nn.ReLU(), dg.nn.Dropout(DROPOUT), dg.nn.Linear(WIDTH, 1),
    )  # fmt: skip
    learn(model, lambda x, y: ((model(scaled(x)) - y) ** 2).mean(), steps)
    return drawn(model)


def learn(
    model: dg.nn.Module, loss: Callable[[dg.Tensor, dg.Tensor], dg.Tensor], steps: int
) -> None:
    """Train on all points at once."""
    x, y = data()
    optimizer = dg.optim.Adam(model.parameters(), lr=3e-3)
    schedule = dg.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    @dg.compile
    def step(x: dg.Tensor, y: dg.Tensor) -> dg.Tensor:
        value = loss(x, y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    for _ in range(steps):
        step(x, y)
        schedule.step()


def drawn(model: dg.nn.Module, count: int = 200) -> np.ndarray:
    """Return so many answers along the line; each draws weights or silent neurons anew."""
    answers = dg.compile(lambda x: model(scaled(x)))
    with dg.no_grad():
        return np.array([answers(LINE).numpy()[:, 0] for _ in range(count)])


def show(picture: Path, fans: dict[str, np.ndarray]) -> None:
    """Draw the data and the fans of both methods."""
    figure = blank_figure(9, 3.8)
    x, y = data()
    for axes, (name, curves) in zip(figure.subplots(1, 2, sharey=True), fans.items(), strict=True):
        mean, spread = curves.mean(axis=0), curves.std(axis=0)
        for width in (1, 2):
            low, high = mean - width * spread, mean + width * spread
            axes.fill_between(LINE[:, 0], low, high, color="#2f6fde", alpha=0.18, linewidth=0)
        axes.plot(LINE, mean, color="#2f6fde")
        axes.plot(x, y, "o", color="#e8590c", markersize=3)
        axes.set(title=name, xlabel="x", ylim=(-2, 2.5))
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/history/bayes.png"))
