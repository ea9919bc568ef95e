"""Whole programs on the native backend: against the reference, and against themselves."""

from __future__ import annotations

import numpy as np
import pytest
from random_programs import RandomProgram, disagreement

import deepglass as dg
from deepglass import nn
from deepglass.backends.native import threads
from deepglass.nn import functional

NETWORKS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), (784,)),
    "conv": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(16 * 14 * 14, 10),
        ),
        (1, 28, 28),
    ),
    "dropout": (
        lambda: nn.Sequential(
            nn.Linear(30, 50), nn.Sigmoid(), nn.Dropout(0.3), nn.LayerNorm(50), nn.Linear(50, 10)
        ),
        (30,),
    ),
}  # fmt: skip


def losses(name: str, backend: str, batch: int, optimizer: str = "SGD", steps: int = 3):
    """Return the first losses and the weights after them."""
    dg.manual_seed(7)
    make, shape = NETWORKS[name]
    model = make()
    rng = np.random.default_rng(3)
    x = rng.standard_normal((batch, *shape)).astype(np.float32)
    y = rng.integers(0, 10, batch)
    update = getattr(dg.optim, optimizer)(model.parameters(), lr=0.01)

    @dg.compile(backend=backend)
    def step(x, y):
        update.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        update.step()
        return loss

    values = np.array([step(x, y).item() for _ in range(steps)])
    return values, model.state_dict()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("batch", [64, 37])
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_steps_agree_with_the_reference(name, batch, optimizer):
    native, weights = losses(name, "native", batch, optimizer)
    reference, expected = losses(name, "reference", batch, optimizer)
    np.testing.assert_allclose(native, reference, rtol=1e-5)
    for key, value in expected.items():
        if (name, optimizer) == ("conv", "Adam") and key in ("0.bias", "1.running_mean"):
            continue  # batch norm cancels the bias: its gradient is rounding, scaled up by Adam
        np.testing.assert_allclose(weights[key], value, rtol=1e-3, atol=2e-4, err_msg=key)


@pytest.mark.parametrize("name", NETWORKS)
def test_bits_do_not_depend_on_the_number_of_threads(name):
    before = threads.threads()
    found = []
    try:
        for count in (1, 2, 2):
            threads.set_threads(count)
            found.append(losses(name, "native", 64, steps=5))
    finally:
        threads.set_threads(before)
    for values, weights in found[1:]:
        np.testing.assert_array_equal(values, found[0][0])
        for key, value in found[0][1].items():
            assert weights[key].tobytes() == value.tobytes(), key


def test_rows_of_a_table_beside_a_product():
    """What is read under a condition is read by vectors of several widths in one loop."""
    rng = np.random.default_rng(0)
    table, weights = (nn.Parameter(rng.normal(size=(n, 32)).astype("f4")) for n in (5, 32))
    rows, x = rng.integers(0, 5, 12), rng.normal(size=(12, 32)).astype("f4")
    found = dg.compile(lambda i, h: dg.index_select(table, 0, i) + h @ weights.T)(rows, x)
    expected = table.numpy()[rows] + x @ weights.numpy().T
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", range(0, 500, 10))
def test_random_programs_agree_with_the_reference(first):
    for seed in range(first, first + 10):
        program = RandomProgram(seed)
        assert disagreement(program, "float64") < 1e-10, f"seed {seed}: {program.used}"


@pytest.mark.parametrize(("half", "unit"), [("float16", 2.0**-10), ("bfloat16", 2.0**-7)])
def test_random_programs_in_halves_round_where_the_reference_does(half, unit):
    for seed in range(8):
        program = RandomProgram(seed)
        assert disagreement(program, half) <= unit, f"seed {seed}: {program.used}"


def test_random_programs_use_every_choice():
    from random_programs import CHOICES

    used: set[str] = set()
    for seed in range(12):
        program = RandomProgram(seed)
        program.run("float64", calls=1)
        used |= set(program.used)
    assert used >= set(CHOICES)
