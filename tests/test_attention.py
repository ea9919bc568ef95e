"""Attention, the transformer's layers, positions: what they promise, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.errors import DomainError, DTypeError, ShapeError
from deepglass.testing import check_module

RNG = np.random.default_rng(0)


class Itself(nn.Module):
    """Attention of a sequence to itself, which sees nothing of what comes later."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, dropout=0.25, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, need_weights=False, is_causal=True)[0]


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_modules(backend: str) -> None:
    x = RNG.normal(size=(3, 5, 6)).astype(np.float32)
    check_module(Itself(), x, backend=backend)
    check_module(
        nn.TransformerEncoderLayer(6, 3, 7, 0.1, "gelu", norm_first=True), x, backend=backend
    )


def test_a_mean_of_values_by_hand() -> None:
    """Scores 0 and log 3 of one head: a quarter of the first value, three of the second."""
    layer = nn.MultiheadAttention(1, 1, bias=False)
    with dg.no_grad():
        layer.in_proj_weight.copy_([[1.0], [1.0], [10.0]])
        layer.out_proj.weight.copy_([[2.0]])
    query, key = dg.tensor([[1.0]]), dg.tensor([[0.0], [np.log(3)]])
    y, weights = layer(query, key, dg.tensor([[1.0], [2.0]]))
    assert weights.numpy() == pytest.approx(np.array([[0.25, 0.75]]))
    assert y.numpy() == pytest.approx(np.array([[2 * 10 * 1.75]]))


def test_what_is_hidden_is_not_read() -> None:
    layer = nn.MultiheadAttention(6, 3, batch_first=True)
    x = dg.tensor(RNG.normal(size=(2, 5, 6)))
    changed = dg.cat([x[:, :3], x[:, 3:] * 7], 1)
    later = np.triu(np.ones((5, 5), bool), 1)
    padded = np.arange(5) >= np.array([[3], [3]])
    for hidden in ({"is_causal": True}, {"attn_mask": later}, {"key_padding_mask": padded}):
        before, after = (layer.double()(t, t, t, **hidden)[0][:, :3] for t in (x, changed))
        assert np.array_equal(before.numpy(), after.numpy())
    expected, weights = layer(x, x, x, is_causal=True)
    for hidden in ({"is_causal": True}, {"attn_mask": later}):
        y, none = layer(x, x, x, need_weights=False, **hidden)
        assert none is None
        assert y.numpy() == pytest.approx(expected.numpy())
    assert not weights.numpy()[:, later].any()
    assert weights.numpy().sum(-1) == pytest.approx(np.ones((2, 5)))


def test_one_place_and_none() -> None:
    layer = nn.MultiheadAttention(6, 2)
    one = dg.tensor(np.ones((1, 3, 6), np.float32))
    assert layer(one, one, one)[1].tolist() == [[[1.0]]] * 3
    empty = dg.tensor(np.ones((5, 0, 6), np.float32))
    y, weights = layer(empty, empty, empty)
    assert (y.shape, weights.shape) == ((5, 0, 6), (0, 5, 5))


def call(**given: Any) -> Any:
    x = dg.tensor(np.ones((5, 2, 6), np.float32))
    inputs = {"query": x, "key": x, "value": x} | given
    return nn.MultiheadAttention(6, 2)(**inputs)


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (lambda: nn.MultiheadAttention(6, 4), DomainError, "divides embed_dim.*got 4 and 6.*Make"),
        (lambda: nn.MultiheadAttention(6, 0), DomainError, "at least 1; got 0 and 6"),
        (lambda: nn.MultiheadAttention(6, 2, 1.5), DomainError, "from 0 to 1; got 1.5"),
        (lambda: call(key=np.ones((5, 2, 7))), ShapeError, r"end with 6, 6, 6.*\(2, 5, 7\)"),
        (lambda: call(value=np.ones((4, 2, 6))), ShapeError, r"one value per key.*\(2, 4, 6\)"),
        (
            lambda: call(attn_mask=np.ones((5, 4), bool)),
            ShapeError,
            r"attn_mask is \(5, 5\) or \(4, 5, 5\).*got \(5, 4\)",
        ),
        (
            lambda: call(key_padding_mask=np.ones((5, 2), bool)),
            ShapeError,
            r"key_padding_mask is \(2, 5\).*got \(5, 2\)",
        ),
        (lambda: call(attn_mask=np.ones((5, 5), int)), DTypeError, "booleans.*int64.*mask != 0"),
        (lambda: nn.TransformerEncoderLayer(6, 2, activation="tanh"), DomainError, "relu, gelu"),
        (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 7), 0),
            DomainError,
            "at least one layer; got 0",
        ),
        (lambda: nn.SinusoidalPositions(0, 2), DomainError, "at least 1; got 0 and 2"),
        (
            lambda: nn.LearnedPositions(3, 2)(np.ones((4, 2))),
            ShapeError,
            r"at most 3 places, 2\); got \(4, 2\)",
        ),
    ],
)
def test_mistakes(what: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        what()


def test_positions() -> None:
    x = np.zeros((2, 3, 5), np.float32)
    waves = nn.SinusoidalPositions(7, 5)
    expected = [
        [np.sin(t), np.cos(t), np.sin(t / 10**1.6), np.cos(t / 10**1.6), np.sin(t / 10**3.2)]
        for t in range(3)
    ]
    assert waves(x).numpy()[1] == pytest.approx(np.array(expected), abs=1e-6)
    assert waves.state_dict() == {}
    learned = nn.LearnedPositions(3, 5)
    assert np.array_equal(learned(x).numpy()[0], learned.weight.numpy())
    check_module(learned, x[:, :2])
