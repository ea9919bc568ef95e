"""Recipes: roots that are computed alike share one, whatever memory they read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native import cookbook

A, B = np.random.default_rng(0).standard_normal((2, 3, 5))


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """The ops of the roots whose recipe was worked out."""
    found: list[str] = []
    make = cookbook.make

    def noted(root: Any, *rest: Any) -> Any:
        found.append(root.op.name)
        return make(root, *rest)

    monkeypatch.setattr(cookbook, "make", noted)
    return found


def check(function: Any, expected: Any) -> None:
    """Compile and run a function of A and B."""
    results = dg.compile(function, backend="native")(A, B)
    for found, value in zip(results, expected, strict=True):
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-12)


def test_the_same_of_other_values_is_worked_out_once(made) -> None:
    expected = ((np.tanh(A) * 2).sum(1), (np.tanh(B) * 2).sum(1))
    check(lambda a, b: ((dg.tanh(a) * 2).sum(1), (dg.tanh(b) * 2).sum(1)), expected)
    assert made.count("sum") == 1


@pytest.mark.parametrize(
    ("other", "value"),
    [
        (lambda a, b: (dg.tanh(b) * 3).sum(1), (np.tanh(B) * 3).sum(1)),
        (lambda a, b: (dg.tanh(b) * 2).sum(0), (np.tanh(B) * 2).sum(0)),
        (lambda a, b: (dg.tanh(b) * b).sum(1), (np.tanh(B) * B).sum(1)),
        (lambda a, b: (dg.tanh(b) * a).sum(1), (np.tanh(B) * A).sum(1)),
    ],
)
def test_anything_else_is_not(made, other, value) -> None:
    check(lambda a, b: ((dg.tanh(a) * 2).sum(1), other(a, b)), ((np.tanh(A) * 2).sum(1), value))
    assert made.count("sum") == 2


def test_what_the_same_loops_computed_is_not_loaded() -> None:
    """A result that another result of the same loops is made of, under a condition too."""

    def step(a: Any, b: Any) -> Any:
        total = a @ b.mT
        return total, dg.tanh(total) + 1, dg.where(total > 0, total, 0.0)

    total = A @ B.T
    check(step, (total, np.tanh(total) + 1, np.where(total > 0, total, 0)))
