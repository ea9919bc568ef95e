"""Axes that were joined, kept apart: the pass, and what it brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.graph.graph import Graph
from deepglass.nn import functional as F
from deepglass.ops import iota
from deepglass.ops.after import after
from deepglass.passes.expand import expand
from deepglass.passes.joins import sink_joins
from deepglass.passes.simplify import simplify

X = (17, 19, 6)  # sequences, places, features
Function = Callable[[dg.Tensor], Any]


def joined(x: dg.Tensor) -> dg.Tensor:
    return x.reshape(17 * 19, 6)


SUNK: dict[str, Function] = {
    "elementwise": lambda x: (joined(x) * 2).exp(),
    "two of them": lambda x: joined(x) + joined(x.exp()),
    "with a row": lambda x: joined(x) * dg.ones(6) + dg.ones(1, 6),
    "with a number per place": lambda x: joined(x) * dg.Tensor(np.ones((323, 1), np.float32)),
    "with a given array": lambda x: joined(x) - dg.Tensor(np.ones((323, 6), np.float32)),
    "with places of features": lambda x: dg.where(iota((323, 6), 1) < 3, joined(x), 0.0),
    "with positions": lambda x: joined(x) + iota((323, 6), None).float(),
    "with a sum": lambda x: joined(x) * (iota((323, 6), 1) < 4).float().sum(1, True),
    "seen otherwise": lambda x: (joined(x).reshape(323, 2, 3) * 2).amax(2),
    "sum": lambda x: joined(x).sum(1, keepdim=True) + joined(x).sum((1,), keepdim=True),
    "product": lambda x: joined(x) @ dg.ones(6, 5),
    "products of many": lambda x: joined(x).reshape(323, 2, 3) @ joined(x).reshape(323, 3, 2),
    "transpose": lambda x: joined(x).reshape(323, 2, 3).transpose(1, 2) * 2,
    "slice": lambda x: joined(x)[:, 1:5:2] * 2,
    "pad": lambda x: dg.pad(joined(x), (1, 2)) * 2,
    "broadcast": lambda x: joined(x)[:, :1].broadcast_to(323, 7) * 2,
    "after": lambda x: after(joined(x), joined(x.exp())) * 2,
}  # fmt: skip

STAYING: dict[str, Function] = {
    "sums over the rows of a product": lambda x: joined(x).T @ joined(x),
    "another axis first": lambda x: joined(x).T.exp(),
    "rows cut out": lambda x: joined(x)[:300].exp(),
    "rows padded": lambda x: dg.pad(joined(x), (0, 0, 1, 0)).exp(),
    "joined in two ways": lambda x: joined(x) + x.permute(1, 0, 2).reshape(323, 6),
    "place numbers": lambda x: joined(x) * iota((323, 6), 0).float(),
    "few rows": lambda x: x[:3].reshape(3 * 19, 6).exp(),
    "few places": lambda x: x[:, :15].reshape(17 * 15, 6) @ dg.ones(6, 5),
}


def values(graph: Graph) -> list[np.ndarray]:
    x = np.random.default_rng(0).standard_normal(X).astype(np.float32)
    return graph.compute({graph.inputs[0].id: x})


def recorded(function: Function) -> Graph:
    compiled = dg.compile(function, backend="reference")
    return simplify(expand(compiled.program(np.ones(X, np.float32)).graph))


def ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes() if n.inputs]


@pytest.mark.parametrize("name", SUNK)
def test_what_is_computed_from_joined_axes_is_computed_with_them_apart(name: str) -> None:
    before = recorded(SUNK[name])
    after = sink_joins(before)
    after.verify()
    last = after.results[0]
    assert last.op.name == "reshape"
    assert last.inputs[0].type.shape[:2] == X[:2]
    assert all(
        n.type.shape[:1] != (323,) for n in simplify(after).nodes() if n.id != last.id and n.inputs
    )
    (got,), (expected,) = values(after), values(before)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("name", STAYING)
def test_what_needs_the_joined_axis_is_left_alone(name: str) -> None:
    before = recorded(STAYING[name])
    after = sink_joins(before)
    assert ops(simplify(after)) == ops(before)
    (got,), (expected,) = values(after), values(before)
    assert got.tobytes() == expected.tobytes()


def test_joins_and_their_opposites_vanish() -> None:
    after = sink_joins(recorded(lambda x: joined(x).exp().reshape(X).tanh()))
    assert ops(after) == ["exp", "tanh"]


def test_a_checkpoint_keeps_what_it_computes_again() -> None:
    weight = dg.Parameter(np.full(6, 0.5, np.float32))

    def function(x: dg.Tensor) -> dg.Tensor:
        return dg.checkpoint(dg.exp, joined(x) * weight) * 2

    x = np.random.default_rng(0).standard_normal(X).astype(np.float32)
    got = dg.compile(function)(x).numpy()
    np.testing.assert_allclose(got, 2 * np.exp(x.reshape(323, 6) / 2), rtol=1e-5)


def test_a_sum_over_the_joined_axis_whose_result_looks_like_a_join() -> None:
    graph = sink_joins(recorded(lambda x: (joined(x)[:, :1] * dg.ones(323, 323)).sum(0).exp()))
    graph.verify()
    x = np.random.default_rng(0).standard_normal(X).astype(np.float32)
    expected = np.full(323, np.exp(x[:, :, 0].sum()))
    np.testing.assert_allclose(values(graph)[0], expected, rtol=1e-4)


def test_a_sum_over_the_joined_axis_is_one_over_both() -> None:
    graph = sink_joins(recorded(lambda x: joined(x).sum(0)))
    assert ops(graph) == ["sum"]
    assert graph.results[0].params["dim"] == (0, 1)
    x = np.random.default_rng(0).standard_normal(X).astype(np.float32)
    np.testing.assert_allclose(values(graph)[0], x.sum((0, 1)), rtol=1e-5, atol=1e-5)


class Block(nn.Module):
    """A transformer's block of two heads, and classes for every place."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.query_key_value = nn.LayerNorm(64), nn.Linear(64, 192)
        self.mlp = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 64))
        self.classes = nn.Linear(64, 5)

    def forward(self, x: dg.Tensor) -> dg.Tensor:
        batch, places, width = x.shape
        heads = self.query_key_value(self.before(x)).reshape(batch, places, 3, 2, width // 2)
        y = F.scaled_dot_product_attention(*heads.permute(2, 0, 3, 1, 4), is_causal=True)
        x = x + y.permute(0, 2, 1, 3).reshape(x.shape)
        return self.classes(x + self.mlp(x)).reshape(-1, 5)


def test_a_sequence_goes_through_forward_and_backward_without_a_barrier() -> None:
    dg.manual_seed(0)
    model = Block()
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1)

    def step(x: dg.Tensor, classes: dg.Tensor) -> dg.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), classes)
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    x = dg.Tensor(rng.standard_normal((17, 19, 64)).astype(np.float32))
    classes = dg.Tensor(rng.integers(0, 5, 17 * 19))
    compiled, start = dg.compile(step, backend="native"), model.state_dict()
    losses = [compiled(x, classes).item() for _ in range(3)]
    first, *others = compiled.source().split("--- barrier\n")
    assert len(others) <= 2  # the sums over the batch, then what adds up their parts
    assert "erf(" in first
    assert "exp(" in first
    assert not any("erf(" in level or "exp(" in level for level in others)
    model.load_state_dict(start)
    np.testing.assert_allclose(losses, [step(x, classes).item() for _ in range(3)], rtol=1e-5)
