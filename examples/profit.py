"""Profit from price and marketing: learn it from a table, then find the best price.

A linear model first, which comes to where least squares does; then a small network, which also
sees that too high a price sells nothing; then the gradient on the *inputs*: which price brings
the greatest profit?

Run it: python examples/profit.py [table.csv] [target]
"""

import sys
from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, Table, TableEncoder, TensorDataset, read_table
from deepglass.models import MLP
from deepglass.train import Trainer, r2
from deepglass.train.plots import blank_figure, draw

TABLE = Path(__file__).parent / "profit.csv"  # 60 weeks of a shop that was made up
MARKETING = 4.0  # thousand dollars a week, for which the best price is asked


def main(
    table: Path = TABLE, target: str = "profit", picture: Path | None = None, epochs: int = 400
) -> dict[str, float]:
    """Learn the target of a table; where it has a price, find the best one."""
    dg.manual_seed(0)
    rows = read_table(table)
    encoder = TableEncoder.fit(rows, target)
    x, y = encoder.transform(rows), encoder.targets(rows)
    found = {"least squares": least_squares(x, y)}
    found["linear model"] = learn(MLP([x.shape[1], 1]), x, y, epochs)[1]
    print(f"R2 of least squares {found['least squares']:.4f}")
    print(f"R2 of the linear model {found['linear model']:.4f}")
    if "price" in encoder.features:
        network, found["network"] = learn(MLP([x.shape[1], 16, 1], "tanh"), x, y, epochs)
        print(f"R2 of a network with 16 hidden neurons {found['network']:.4f}")
        profit = Profit(network, encoder)
        start, bounds = {"price": 8.0, "marketing": MARKETING}, {"price": (2.0, 14.0)}
        best = dg.optim.maximize(profit, start, bounds)
        found["price"], found["profit"] = best.x["price"], best.value
        print(
            f"with marketing of {MARKETING:g}, the best price is {found['price']:.2f}: "
            f"a profit of {found['profit']:.1f} thousand dollars a week"
        )
        if picture is not None:
            show(picture, rows, profit, found)
    return found


class Profit(dg.nn.Module):
    """The profit in thousand dollars, by price and marketing as they stand in the table."""

    def __init__(self, network: dg.nn.Module, encoder: TableEncoder) -> None:
        super().__init__()
        self.network = network
        inputs, self.target = encoder.inputs, encoder.target
        self.mean, self.std = (
            np.float32([getattr(column, name) for column in inputs]) for name in ("mean", "std")
        )

    def forward(self, x: dg.Tensor) -> dg.Tensor:
        standard = self.network((x - self.mean) / self.std)
        return standard[:, 0] * self.target.std + self.target.mean


def least_squares(x: np.ndarray, y: np.ndarray) -> float:
    """Return the R2 of the best linear function."""
    columns = np.c_[x, np.ones(len(x))].astype(np.float64)
    weights = np.linalg.lstsq(columns, y, rcond=None)[0]
    return r2(columns @ weights, y)


def learn(model: MLP, x: np.ndarray, y: np.ndarray, epochs: int) -> tuple[MLP, float]:
    """Train on all rows, and return the network with its R2 on them."""
    optimizer = dg.optim.Adam(model.parameters(), lr=0.03)
    schedule = dg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(model, dg.nn.MSELoss(), optimizer, [r2], schedule=schedule)
    loader = DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True)
    trainer.fit(loader, epochs=epochs)
    return model, trainer.evaluate(loader)["r2"]


def show(picture: Path, rows: Table, profit: Profit, found: dict[str, float]) -> None:
    """Draw the weeks, and what the network expects of each price."""
    figure = blank_figure(7, 4)
    axes = figure.subplots()
    prices = np.linspace(2, 14, 100, dtype=np.float32)
    inputs = np.c_[prices, np.full(100, MARKETING, np.float32)]
    expected = profit(dg.tensor(inputs)).numpy()
    shade = rows.numbers("marketing")
    dots = axes.scatter(rows.numbers("price"), rows.numbers("profit"), c=shade, cmap="Blues",
                        edgecolors="#2f6fde")  # fmt: skip
    axes.plot(prices, expected, color="#e8590c", label=f"network, marketing {MARKETING:g}")
    axes.axvline(found["price"], color="#e8590c", linestyle=":")
    axes.set(xlabel="price, dollars", ylabel="profit, thousand dollars a week")
    axes.legend(frameon=False)
    figure.colorbar(dots, label="marketing, thousand dollars a week")
    draw(figure, picture)


if __name__ == "__main__":
    arguments = [Path(sys.argv[1]), *sys.argv[2:3]] if len(sys.argv) > 1 else []
    main(*arguments, picture=Path("runs/examples/profit.png"))
