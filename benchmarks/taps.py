"""What taps cost: a training step without them, with them, and with them read, in turn.

    python benchmarks/taps.py [NAME ...] [--rounds 9] [--threads 2] [--seconds 0.3]

`dg.taps.health` looks at what each layer returns, and at each parameter, its gradient and its
update, in every call. All steps start from the same weights and see the same batch, in one
process; each round times a burst of each. The figures are medians over rounds, and the range of
the rounds' ratios. The last weights of all steps are compared bit by bit.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import RATE, Step, microseconds, training_step

import deepglass as dg
from deepglass import models
from deepglass.nn import Module


@dataclass(frozen=True)
class Case:
    """A network, and the shape of a batch for it."""

    network: Callable[[], Module]
    input_shape: tuple[int, ...]


CASES = {
    "lenet5": Case(models.lenet5, (64, 1, 28, 28)),
    "resnet20": Case(models.resnet20, (128, 3, 32, 32)),
    "resnet18-small": Case(lambda: models.resnet18(num_classes=10, stem="small"), (64, 3, 32, 32)),
    "mlp": Case(lambda: models.MLP([784, 128, 10]), (64, 784)),
}


def trained(case: Case, tapped: bool) -> tuple[Module, Any]:
    """Return a network and its compiled step."""
    dg.manual_seed(0)
    model = case.network()
    optimizer = dg.optim.SGD(model.parameters(), lr=RATE)
    return model, training_step(model, optimizer, taps=dg.taps.health(model) if tapped else None)


def compare(name: str, case: Case, rounds: int, seconds: float) -> None:
    """Print times, what taps add, and whether the step noticed."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.input_shape).astype(np.float32)
    y = rng.integers(0, 10, case.input_shape[0])
    (plain, step), (watched, looked) = trained(case, False), trained(case, True)
    for _ in range(3):
        step(x, y), looked(x, y)
    found = len(looked.taps)
    pairs = zip(plain.state_dict().values(), watched.state_dict().values(), strict=True)
    same = all(np.array_equal(a, b) for a, b in pairs)

    def read() -> Any:
        looked(x, y)
        return looked.taps

    steps: list[Step] = [lambda: step(x, y), lambda: looked(x, y), read]
    turns = [[microseconds(s, seconds) for s in steps] for _ in range(rounds)]
    alone, tapped, asked = (statistics.median(side) for side in zip(*turns, strict=True))
    costs = sorted(turn[1] / turn[0] - 1 for turn in turns)
    print(
        f"{name}, batch {case.input_shape[0]}, {found} taps\n"
        f"  without {alone:10.1f} us   tapped {tapped:10.1f} us   {tapped / alone - 1:+.1%}"
        f"   ({costs[0]:+.1%} to {costs[-1]:+.1%}; of pairs {statistics.median(costs):+.1%})\n"
        f"  and read each time {asked:10.1f} us   {asked / alone - 1:+.1%}\n"
        f"  weights after 3 steps are {'the same, bit by bit' if same else 'DIFFERENT'}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all unless given")
    parser.add_argument("--rounds", type=int, default=9, help="bursts per step")
    parser.add_argument("--seconds", type=float, default=0.3, help="of a burst, about")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    dg.set_threads(options.threads)
    for name in options.names or CASES:
        compare(name, CASES[name], options.rounds, options.seconds)


if __name__ == "__main__":
    main()
