"""Training steps beside JAX's jit: one process, interleaved, all processors on both sides.

    python benchmarks/beside_jax.py [--rounds 7]

Needs jax. XOR is also trained many steps in one call on both sides: `Compiled.each` here,
`lax.fori_loop` there. Both start from the same weights and see the same batch; the losses after
three steps are printed beside each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from harness import RATE, in_turn, print_losses, training_step

import deepglass as dg
from deepglass import nn
from deepglass.models import lenet5

MANY = 1000  # steps of a call that makes many

Weights = list[Any]


@dataclass(frozen=True)
class Case:
    """A network for both sides: layers here, a function of its weights there."""

    name: str
    network: Callable[[], nn.Module]
    forward: Callable[[Weights, Any], Any]
    input_shape: tuple[int, ...]
    classes: int
    adam: bool = False


def dense(weights: Weights, x: Any, activation: Callable[[Any], Any] = jax.nn.relu) -> Any:
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = activation(x @ w.T + b)
    return x @ weights[-2].T + weights[-1]


def lenet(weights: Weights, x: Any) -> Any:
    for w, b, padding in ((*weights[0:2], "SAME"), (*weights[2:4], "VALID")):
        x = jax.lax.conv(x, w, (1, 1), padding) + b[:, None, None]
        x = jax.lax.reduce_window(
            jax.nn.relu(x), -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
        )
    return dense(weights[4:], x.reshape(len(x), -1))


def layers(*sizes: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    parts: list[nn.Module] = []
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), activation()]
    return nn.Sequential(*parts[:-1])


CASES = (
    Case(
        "XOR 2-8-2, batch 4",
        lambda: layers(2, 8, 2, activation=nn.Tanh),
        partial(dense, activation=jnp.tanh),
        (4, 2),
        2,
    ),
    Case("MLP 784-128-10, batch 64", lambda: layers(784, 128, 10), dense, (64, 784), 10),
    Case("MLP 784-128-10, batch 512", lambda: layers(784, 128, 10), dense, (512, 784), 10),
    Case(
        "MLP 784-1024-1024-10, batch 256, Adam",
        lambda: layers(784, 1024, 1024, 10),
        dense,
        (256, 784),
        10,
        adam=True,
    ),
    Case(
        "LeNet-5, batch 64",
        lambda: lenet5(activation="relu", pooling="max"),
        lenet,
        (64, 1, 28, 28),
        10,
    ),
)


def jax_update(case: Case) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """A step of JAX: state and batch to the next state and the loss."""

    def loss(weights: Weights, x: Any, y: Any) -> Any:
        scores = jax.nn.log_softmax(case.forward(weights, x))
        return -jnp.mean(jnp.take_along_axis(scores, y[:, None], 1))

    def update(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        weights, first, second, count = state
        value, slopes = jax.value_and_grad(loss)(weights, x, y)
        if not case.adam:
            weights = [w - RATE * g for w, g in zip(weights, slopes, strict=True)]
            return (weights, first, second, count), value
        count = count + 1
        first = [0.9 * m + 0.1 * g for m, g in zip(first, slopes, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, slopes, strict=True)]
        a, b = 1 - 0.9**count, 1 - 0.999**count
        weights = [
            w - RATE * (m / a) / (jnp.sqrt(v / b) + 1e-8)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
        return (weights, first, second, count), value

    return update


def compare(case: Case, rounds: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.input_shape).astype(np.float32)
    y = rng.integers(0, case.classes, case.input_shape[0])
    dg.manual_seed(0)
    model = case.network()
    weights = [jnp.array(p.numpy()) for p in model.parameters()]
    make = dg.optim.Adam if case.adam else dg.optim.SGD
    step = training_step(model, make(model.parameters(), lr=RATE))
    first, second = ([jnp.zeros_like(w) for w in weights] for _ in range(2))
    state = [(weights, first, second, jnp.zeros(()))]
    update = jax_update(case)
    jitted = jax.jit(update, donate_argnums=0)
    there = jnp.array(x), jnp.array(y)

    def theirs() -> float:
        state[0], loss = jitted(state[0], *there)
        return float(loss)

    losses = [(step(x, y).item(), theirs()) for _ in range(3)]
    in_turn(case.name, lambda: step(x, y).item(), "JAX", theirs, rounds)
    print_losses(losses)
    if case.input_shape[0] > 4:
        return

    @jax.jit
    def loop(state: Any, x: Any, y: Any) -> Any:
        return jax.lax.fori_loop(0, MANY, lambda _, s: update(s, x, y)[0], state)

    many = np.broadcast_to(x, (MANY, *x.shape)), np.broadcast_to(y, (MANY, *y.shape))

    def looped() -> float:
        return float(loop(state[0], *there)[0][0][0, 0])

    name = f"{case.name}, {MANY} steps in one call"
    looped()  # compiled
    in_turn(name, lambda: float(step.each(*many).numpy()[-1]), "JAX", looped, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="bursts per side and network")
    options = parser.parse_args()
    print(f"jax {jax.__version__}")
    for case in CASES:
        compare(case, options.rounds)


if __name__ == "__main__":
    main()
