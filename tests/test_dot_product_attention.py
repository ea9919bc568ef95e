"""Scaled dot-product attention: by hand, masked, dropped, for many heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DeepglassError, DomainError, DTypeError, ShapeError
from deepglass.nn import functional as F
from deepglass.testing import assert_close


def arrays(*shapes: tuple[int, ...], dtype: str = "float64") -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-2, 2, s).astype(dtype) for s in shapes]


def one_by_one(q: Any, k: Any, v: Any, allowed: Any) -> np.ndarray:
    """Each query of one head by itself, as the formula reads."""
    rows = []
    for i, query in enumerate(q):
        keys = np.flatnonzero(allowed[i])
        weights = np.exp([query @ k[j] / np.sqrt(q.shape[1]) for j in keys])
        rows.append(sum((w * v[j] for w, j in zip(weights, keys, strict=True)), 0 * v[0]))
        rows[-1] = rows[-1] / (weights.sum() or 1)
    return np.array(rows)


Q, K, V = arrays((2, 3, 5, 7), (2, 3, 4, 7), (2, 3, 4, 6))
MASK = np.random.default_rng(1).integers(0, 2, (2, 1, 5, 4)).astype(bool)
MASK[1, 0, 2] = False


@pytest.mark.parametrize("mask", [None, MASK[0, 0], MASK, np.where(MASK, 0.0, -np.inf)[:, :1]])
def test_each_query_by_itself(mask: Any, backend: str) -> None:
    allowed = np.ones((2, 3, 5, 4), bool) if mask is None else np.ones((2, 3, 5, 4)) * (mask == 0)
    if mask is not None and mask.dtype == bool:
        allowed = np.broadcast_to(mask, (2, 3, 5, 4))
    expected = [
        [one_by_one(Q[n, h], K[n, h], V[n, h], allowed[n, h]) for h in range(3)] for n in range(2)
    ]
    got = dg.compile(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask))(Q, K, V)
    assert_close(f"{mask}", got, np.array(expected))


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (5, 3), (3, 5), (70, 70)])
def test_a_causal_query_looks_at_the_keys_before(queries: int, keys: int, backend: str) -> None:
    q, k, v = arrays((queries, 7), (keys, 7), (keys, 2))
    expected = one_by_one(q, k, v, np.tri(queries, keys))
    attend = dg.compile(lambda *x: F.scaled_dot_product_attention(*x, is_causal=True))
    assert_close("causal", attend(q, k, v), expected)


def test_heads_of_the_query_share_a_key_and_a_value(backend: str) -> None:
    q, k, v = arrays((2, 6, 5, 7), (2, 3, 4, 7), (2, 3, 4, 6))
    attend = dg.compile(lambda *x: F.scaled_dot_product_attention(*x, scale=0.3, enable_gqa=True))
    expected = F.scaled_dot_product_attention(q, k.repeat(2, 1), v.repeat(2, 1), scale=0.3)
    assert_close("shared", attend(q, k, v), expected)


def test_one_key_and_value_for_all(backend: str) -> None:
    attend = dg.compile(F.scaled_dot_product_attention)
    expected = F.scaled_dot_product_attention(Q, *(np.stack([x[:1, 0]] * 2) for x in (K, V)))
    assert_close("broadcast", attend(Q, K[:1, :1], V[0, 0]), expected)


def test_weights_are_dropped_and_the_others_grow(backend: str) -> None:
    q, k = np.zeros((2, 3, 50, 1)), np.zeros((2, 3, 4, 1))  # every weight is 1/4
    attend = dg.compile(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=0.25))
    weights = attend(q, k, np.broadcast_to(np.eye(4), (2, 3, 4, 4))).numpy()
    assert set(weights.ravel().round(6).tolist()) == {0.0, round(1 / 3, 6)}
    assert 0.2 < (weights == 0).mean() < 0.3


def test_gradients_see_the_weights_that_were_dropped(backend: str) -> None:
    def total(v: Any) -> Any:
        return F.scaled_dot_product_attention(Q, K, v, dropout_p=0.5).sum()

    value, gradient = dg.compile(dg.value_and_grad(total))(dg.tensor(V))
    assert_close("linear in the values", (gradient * V).sum(), value)


def test_large_scores_and_a_query_without_keys(backend: str) -> None:
    q, k, v = np.full((1, 2, 1), 1e4), np.array([[[1.0], [2.0]]]), np.array([[[3.0], [4.0]]])
    mask = np.array([[True, True], [False, False]])

    def loss(q: Any, k: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, mask).sum()

    value, gradients = dg.compile(dg.value_and_grad(loss, (0, 1)))(dg.tensor(q), dg.tensor(k))
    assert value.item() == 4.0
    assert all(np.isfinite(g.numpy()).all() for g in gradients)


def test_halves_are_computed_in_float32(backend: str) -> None:
    q, k, v = (x.astype(np.float16) for x in (Q, K, V))
    got = dg.compile(F.scaled_dot_product_attention)(q, k, v)
    expected = F.scaled_dot_product_attention(*(x.astype(np.float32) for x in (q, k, v)))
    assert_close("halves", got, expected.numpy().astype(np.float16))


ONES = np.ones((2, 3, 5))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda f: f(ONES, np.ones((3, 3, 5)), ONES), ShapeError, r"got \(2, 3, 5\), \(3, 3, 5\)"),
        (lambda f: f(ONES, ONES, ONES[:, :2]), ShapeError, "Reshape them, or pass enable_gqa"),
        (lambda f: f(ONES[0, 0], ONES, ONES), ShapeError, r"query is \(\.\.\., queries"),
        (lambda f: f(*[ONES.astype(int)] * 3), DTypeError, "Write x.float"),
        (lambda f: f(ONES, ONES, ONES.astype("f4")), DTypeError, "floats of one type"),
        (lambda f: f(*[ONES] * 3, np.ones((3, 3)), is_causal=True), DomainError, "one mask"),
        (lambda f: f(*[ONES] * 3, np.ones((2, 3))), ShapeError, r"\(2, 3, 3\); got \(2, 3\)"),
        (lambda f: f(*[ONES] * 3, np.ones((3, 3), int)), DTypeError, "Write mask.bool"),
        (lambda f: f(*[ONES] * 3, None, 1.5), DomainError, "from 0 to 1; got 1.5"),
        (
            lambda f: f(ONES, ONES[1:].repeat(3, 0), ONES, enable_gqa=True),
            ShapeError,
            "multiple of those",
        ),
    ],
)
def test_misuses(call: Any, error: type[DeepglassError], match: str) -> None:
    with pytest.raises(error, match=match):
        call(F.scaled_dot_product_attention)
