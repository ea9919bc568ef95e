"""Metrics against scikit-learn's, over batches of any size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

import deepglass as dg
from deepglass.errors import DataError, DomainError, ShapeError
from deepglass.train import metrics as m

RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 5, 90)
OUTPUTS = (RNG.normal(size=(90, 7)) + 2 * np.eye(7)[LABELS]).astype(np.float32)
ANSWERS = OUTPUTS.argmax(1)
TRUTH = RNG.integers(0, 2, 90)
SCORES = np.round(RNG.normal(size=90) + TRUTH, 1).astype(np.float32)  # with ties
PRICES, GUESSES = RNG.normal(3, 2, 90), RNG.normal(3, 2, 90)


def in_batches(metric: m.Metric, output: Any, target: Any) -> float:
    """The measure as a training run finds it: compiled, batch by batch, the last one short."""
    observe = dg.compile(metric.observe)
    seen = [observe(output[k : k + 40], target[k : k + 40]) for k in range(0, len(output), 40)]
    return metric.result(
        *[np.concatenate([x.numpy() for x in parts]) for parts in zip(*seen, strict=True)]
    )


EXPECTED = {
    "accuracy": (m.accuracy, OUTPUTS, LABELS, sk.accuracy_score(LABELS, ANSWERS)),
    "top 1": (m.top_k(1), OUTPUTS, LABELS, sk.accuracy_score(LABELS, ANSWERS)),
    "top 3": (
        m.top_k(3), OUTPUTS, LABELS,
        sk.top_k_accuracy_score(LABELS, OUTPUTS, k=3, labels=range(7)),
    ),
    "auc": (m.auc, SCORES, TRUTH, sk.roc_auc_score(TRUTH, SCORES)),
    "auc of two columns": (
        m.auc, np.stack([-SCORES, SCORES], 1), TRUTH, sk.roc_auc_score(TRUTH, SCORES),
    ),
    "mae": (m.mae, GUESSES, PRICES, sk.mean_absolute_error(PRICES, GUESSES)),
    "rmse": (m.rmse, GUESSES, PRICES, sk.root_mean_squared_error(PRICES, GUESSES)),
    "r2": (m.r2, GUESSES, PRICES, sk.r2_score(PRICES, GUESSES)),
    "r2 of a column": (m.r2, GUESSES[:, None], PRICES[:, None], sk.r2_score(PRICES, GUESSES)),
}  # fmt: skip
for average in ("macro", "micro", "weighted"):
    for make, score in (
        (m.precision, sk.precision_score), (m.recall, sk.recall_score), (m.f1, sk.f1_score),
    ):  # fmt: skip
        EXPECTED[f"{make.__name__} {average}"] = (
            make(average), OUTPUTS, LABELS,
            score(LABELS, ANSWERS, average=average, zero_division=0),
        )  # fmt: skip
for make, score in (
    (m.precision, sk.precision_score), (m.recall, sk.recall_score), (m.f1, sk.f1_score),
):  # fmt: skip
    EXPECTED[f"{make.__name__} binary"] = (
        make("binary"), SCORES[:, None], TRUTH, score(TRUTH, SCORES > 0),
    )  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_agrees_with_scikit_learn(name: str) -> None:
    metric, output, target, expected = EXPECTED[name]
    assert metric(output, target) == pytest.approx(expected, rel=1e-6)
    assert in_batches(metric, output, target) == pytest.approx(expected, rel=1e-6)


def test_confusion_matrix() -> None:
    expected = sk.confusion_matrix(LABELS, ANSWERS, labels=range(7))
    assert np.array_equal(m.confusion_matrix(ANSWERS, LABELS, 7), expected)
    with pytest.raises(DataError, match="between 0 and 1; got 0 to 2"):
        m.confusion_matrix([0, 2], [0, 1], 2)
    with pytest.raises(DataError, match="one answer per sample"):
        m.confusion_matrix([0, 1], [0], 2)


def test_accuracy_of_every_position() -> None:
    """Outputs (batch, classes, positions), as of a text."""
    output = RNG.normal(size=(4, 7, 3)).astype(np.float32)
    target = RNG.integers(0, 7, (4, 3))
    assert m.accuracy(output, target) == pytest.approx((output.argmax(1) == target).mean())


def test_what_has_no_value_is_nan() -> None:
    assert math.isnan(m.auc(SCORES, np.zeros(90, int)))
    assert math.isnan(m.r2(np.ones(3), np.ones(3)))


def test_misuse() -> None:
    with pytest.raises(DomainError, match="macro, micro, weighted or binary; got 'mean'"):
        m.f1("mean")
    with pytest.raises(DomainError, match="k is at least 1"):
        m.top_k(0)
    with pytest.raises(ShapeError, match="two classes"):
        m.auc(OUTPUTS, LABELS)
    with pytest.raises(ShapeError, match="one output per target"):
        m.mae(np.ones(3), np.ones(2))
    with pytest.raises(ShapeError, match="batch, classes"):
        m.top_k(2)(np.ones(3), np.ones(3, int))
