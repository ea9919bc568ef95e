"""Products of bfloat16: which numbers are rounded, and that a network still learns with it."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from conftest import BACKENDS
from sklearn.datasets import load_digits

import deepglass as dg
from deepglass import nn
from deepglass.data import DataLoader, TensorDataset
from deepglass.errors import DomainError
from deepglass.nn import functional
from deepglass.train import Trainer

rng = np.random.default_rng(0)


def rounded(x: np.ndarray) -> np.ndarray:
    return x.astype(ml_dtypes.bfloat16).astype(np.float64)


@pytest.mark.parametrize("backend", BACKENDS)
def test_products_round_what_they_are_made_of_and_nothing_else(backend: str) -> None:
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((5, 70), (3, 70)))
    found = dg.compile(lambda x, w: (x @ w.T, x + 1), backend=backend, precision="bf16")(x, w)
    np.testing.assert_allclose(found[0].numpy(), rounded(x) @ rounded(w).T, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found[1].numpy(), x + np.float32(1))
    exact = x.astype(np.float64) @ w.T.astype(np.float64)
    assert np.abs(found[0].numpy() - exact).max() > 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_products_too(backend: str) -> None:
    x, w, g = (rng.standard_normal(s).astype(np.float32) for s in ((5, 7), (3, 7), (5, 3)))
    gradient = dg.grad(lambda w, x, g: (functional.linear(x, w) * g).sum())
    found = dg.compile(gradient, backend=backend, precision="bf16")(w, x, g)
    np.testing.assert_allclose(found.numpy(), rounded(g).T @ rounded(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_float64_is_left_alone(backend: str) -> None:
    x = rng.standard_normal((4, 6))
    found = dg.compile(lambda x: x @ x.T, backend=backend, precision="bf16")(x)
    np.testing.assert_allclose(found.numpy(), x @ x.T, rtol=1e-14)


def test_recurrent_layers_round_in_every_step() -> None:
    dg.manual_seed(0)
    layer = nn.RNN(3, 5, batch_first=True)
    x = rng.standard_normal((2, 4, 3)).astype(np.float32)
    found, _ = dg.compile(layer, precision="bf16")(x)
    w, r, b, c = (p.numpy() for p in layer.parameters())
    h = np.zeros((2, 5))
    for t in range(4):
        before = rounded(h.astype(np.float32))
        h = np.tanh(rounded(x[:, t]) @ rounded(w).T + b + before @ rounded(r).T + c)
    np.testing.assert_allclose(found.numpy()[:, -1], h, atol=2e-3)  # h may round the other way


def test_a_network_learns_as_well() -> None:
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target
    errors = {}
    for precision in ("float32", "bf16"):
        dg.manual_seed(1)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        optimizer = dg.optim.Adam(model.parameters(), lr=0.01)
        trainer = Trainer(model, functional.cross_entropy, optimizer, precision=precision)
        history = trainer.fit(DataLoader(TensorDataset(x, y), 64, shuffle=True), epochs=10)
        errors[precision] = history[-1].train["loss"]
    assert errors["bf16"] != errors["float32"]
    assert errors["bf16"] == pytest.approx(errors["float32"], abs=0.02)


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(DomainError, match=r"'float32' or 'bf16'; got 'fp8'"):
        dg.compile(lambda x: x, precision="fp8")
