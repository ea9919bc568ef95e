"""The first artificial neuron (McCulloch and Pitts, 1943) computes logic, but never XOR.

Run it: python examples/first_age/neuron.py
"""

from itertools import product
from pathlib import Path

import numpy as np

from deepglass.models import McCullochPitts
from deepglass.train.plots import blank_figure, draw

AND = McCullochPitts([1, 1], threshold=2)
OR = McCullochPitts([1, 1], threshold=1)
NOT = McCullochPitts([-1], threshold=0)
XOR = (0, 1, 1, 0)


def main(picture: Path | None = None) -> dict[str, object]:
    """Print the truth tables and look for XOR among all neurons on a grid."""
    for name, neuron in (("AND", AND), ("OR", OR), ("NOT", NOT)):
        print(f"{name:3}  {neuron.truth_table()}")

    weights, thresholds = np.arange(-2, 3), np.arange(-2.5, 3, 0.5)
    found = {
        McCullochPitts([a, b], threshold).truth_table()
        for a, b, threshold in product(weights, weights, thresholds)
    }
    missing = set(product((0, 1), repeat=4)) - found
    print(f"one neuron computes {len(found)} of the 16 functions of two inputs")
    print(f"it never computes   {sorted(missing)}: XOR and its opposite")

    three = tuple(
        AND.truth_table()[2 * either + not_both]
        for either, both in zip(OR.truth_table(), AND.truth_table(), strict=True)
        for not_both in [NOT.truth_table()[both]]
    )
    print(f"four neurons in two layers do: (a OR b) AND NOT (a AND b) = {three}")
    if picture is not None:
        show(picture)
    return {"found": found, "missing": missing, "network": three}


def show(picture: Path) -> None:
    """Draw AND and OR with the line where the neuron starts to fire, and XOR without one."""
    figure = blank_figure(9, 3.2)
    panels = (("AND", AND, 2), ("OR", OR, 1), ("XOR: no line will do", None, 0))
    for axes, (name, neuron, threshold) in zip(figure.subplots(1, 3), panels, strict=True):
        table = neuron.truth_table() if neuron is not None else XOR
        if neuron is not None:
            line = threshold - 0.25 - np.array([-0.5, 1.5])  # beside the points, not through
            axes.fill_between([-0.5, 1.5], line, 3, color="#2f6fde", alpha=0.12, linewidth=0)
            axes.plot([-0.5, 1.5], line, color="#2f6fde")
        for (a, b), fires in zip(product((0, 1), repeat=2), table, strict=True):
            face = "#2f6fde" if fires else "white"
            axes.plot(a, b, "o", markersize=15, markerfacecolor=face, markeredgecolor="#1f2430")
        axes.set(title=name, xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), aspect="equal", xlabel="a")
        axes.set(xticks=[0, 1], yticks=[0, 1], ylabel="b")
    draw(figure, picture)


if __name__ == "__main__":
    main(Path("runs/first_age/neuron.png"))
