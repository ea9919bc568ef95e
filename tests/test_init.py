"""Initial weights: their distributions, and that a seed repeats them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import deepglass as dg
from deepglass import nn
from deepglass.errors import DomainError, ShapeError
from deepglass.nn import init

# A weight (out 40, in 30, 5 by 2): fan_in 300, fan_out 400.
SHAPE = (40, 30, 5, 2)


def _uniform(std: float) -> Any:
    return stats.uniform(-math.sqrt(3) * std, 2 * math.sqrt(3) * std)


DISTRIBUTIONS: dict[str, tuple[Callable[[dg.Tensor], dg.Tensor], Any]] = {
    "uniform": (init.uniform_, stats.uniform(0, 1)),
    "uniform of an interval": (lambda w: init.uniform_(w, -2.0, 3.0), stats.uniform(-2, 5)),
    "normal": (lambda w: init.normal_(w, 1.0, 0.5), stats.norm(1, 0.5)),
    "truncated normal": (
        lambda w: init.trunc_normal_(w, 1.0, 2.0, -1.0, 2.0), stats.truncnorm(-1, 0.5, 1, 2),
    ),
    "truncated normal, a tail": (
        lambda w: init.trunc_normal_(w, a=7.0, b=9.0), stats.truncnorm(7, 9),
    ),
    "truncated normal, the other tail": (
        lambda w: init.trunc_normal_(w, a=-9.0, b=-7.0), stats.truncnorm(-9, -7),
    ),
    "xavier uniform": (lambda w: init.xavier_uniform_(w, 2.0), _uniform(2 * math.sqrt(2 / 700))),
    "xavier normal": (init.xavier_normal_, stats.norm(0, math.sqrt(2 / 700))),
    "kaiming uniform": (init.kaiming_uniform_, _uniform(math.sqrt(2 / 300))),
    "kaiming uniform, slope": (
        lambda w: init.kaiming_uniform_(w, 1.0, "fan_out"), _uniform(math.sqrt(1 / 400)),
    ),
    "kaiming normal": (
        lambda w: init.kaiming_normal_(w, nonlinearity="relu"), stats.norm(0, math.sqrt(2 / 300)),
    ),
    "kaiming normal, tanh": (
        lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh"),
        stats.norm(0, 5 / 3 / 20),
    ),
    "lecun uniform": (init.lecun_uniform_, _uniform(math.sqrt(1 / 300))),
    "lecun normal": (init.lecun_normal_, stats.norm(0, math.sqrt(1 / 300))),
}  # fmt: skip


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name: str) -> None:
    """Kolmogorov and Smirnov's test: the seed is fixed, so it passes or fails every time."""
    fill, expected = DISTRIBUTIONS[name]
    weight = nn.Parameter(np.zeros(SHAPE, np.float32))
    assert fill(weight) is weight
    assert weight.requires_grad
    assert weight.is_leaf
    values = weight.numpy().ravel()
    assert stats.kstest(values, expected.cdf).pvalue > 1e-3
    assert abs(values.std() / expected.std() - 1) < 0.03


def test_truncated_numbers_stay_inside() -> None:
    values = init.trunc_normal_(dg.zeros(10_000), 0.0, 5.0, -0.5, 0.25).numpy()
    assert values.min() >= -0.5
    assert values.max() <= 0.25


def test_the_same_for_all() -> None:
    w = dg.ones(2, 3)
    assert init.zeros_(w).tolist() == [[0.0] * 3] * 2
    assert init.ones_(w).tolist() == [[1.0] * 3] * 2
    assert init.constant_(w, 2.5).tolist() == [[2.5] * 3] * 2
    assert init.eye_(w).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (5, 5), (3, 2, 5, 7), (20, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    """Rows, or columns if they are fewer, have products gain² with themselves and 0 else."""
    matrix = init.orthogonal_(dg.zeros(*shape, dtype="float64"), gain=2.0).numpy()
    matrix = matrix.reshape(shape[0], -1)
    if shape[0] > matrix.shape[1]:
        matrix = matrix.T
    assert np.abs(matrix @ matrix.T - 4 * np.eye(len(matrix))).max() < 1e-12


def test_orthogonal_matrices_are_uniform() -> None:
    """QR alone would always make the first row of a matrix of two rows point to one side."""
    draws = [init.orthogonal_(dg.zeros(2, 2)).numpy() for _ in range(200)]
    for element in np.stack(draws).reshape(200, 4).T:
        assert abs((element > 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(200)


def test_fans_and_gains() -> None:
    assert init.fans(dg.zeros(7, 3, 5, 2)) == (30, 70)
    assert init.fans(dg.zeros(7, 3)) == (3, 7)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == init.calculate_gain("leaky_relu", 0.0) == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))


@pytest.mark.parametrize(
    ("layer", "fan_in"), [(nn.Linear(400, 100), 400), (nn.Conv2d(16, 100, 5), 400)]
)
def test_initial_weights_are_pytorchs(layer: Any, fan_in: int) -> None:
    """Weight and bias uniform within 1 / sqrt(fan_in)."""
    bound = 1 / math.sqrt(fan_in)
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    for values in (weight, bias):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.95 * bound
    assert abs(weight.std() - bound / math.sqrt(3)) < 0.01 * bound
    assert abs(weight.mean()) < 0.01 * bound


def test_one_seed_one_network() -> None:
    weights = [dg.manual_seed(s) and nn.Linear(3, 2).weight.tolist() for s in (1, 2, 1)]
    assert weights[0] == weights[2] != weights[1]
    own = [nn.Linear(3, 2, generator=dg.Generator(4)).weight.tolist() for _ in range(2)]
    assert own[0] == own[1]


RANDOM = [
    init.uniform_, init.normal_, init.trunc_normal_, init.xavier_uniform_, init.xavier_normal_,
    init.kaiming_uniform_, init.kaiming_normal_, init.lecun_uniform_, init.lecun_normal_,
    init.orthogonal_,
]  # fmt: skip


@pytest.mark.parametrize("fill", RANDOM, ids=lambda f: f.__name__)
def test_own_generators(fill: Any) -> None:
    draws = [fill(dg.zeros(3, 2), generator=dg.Generator(s)).tolist() for s in (1, 2, 1)]
    assert draws[0] == draws[2] != draws[1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.xavier_uniform_(dg.zeros(3)), ShapeError, r"\(out, in, ...\); got \(3,\)"),
        (lambda: init.orthogonal_(dg.zeros(3)), ShapeError, "Use uniform_ or zeros_ for a bias"),
        (lambda: init.eye_(dg.zeros(2, 3, 5)), ShapeError, r"two axes; got \(2, 3, 5\)"),
        (
            lambda: init.kaiming_normal_(dg.zeros(2, 2), mode="fan"),
            DomainError,
            "mode is 'fan_in' or 'fan_out'; got 'fan'",
        ),
        (lambda: init.calculate_gain("swish"), DomainError, "one of linear, .*; got 'swish'"),
        (lambda: init.trunc_normal_(dg.zeros(2), a=2.0, b=1.0), DomainError, "a=2.0, b=1.0"),
        (lambda: init.trunc_normal_(dg.zeros(2), a=90.0, b=99.0), DomainError, "for mean 0.0"),
    ],
)
def test_misuse_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
