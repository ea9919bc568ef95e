"""Recurrent layers and cells, against the equations written out in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.errors import DomainError, ShapeError
from deepglass.testing import assert_close, check_module

KINDS = ["RNN", "LSTM", "GRU"]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def one_step(
    kind: str, x: np.ndarray, h: np.ndarray, c: np.ndarray, weights: dict[str, Any], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """h and c after one step, for one sample, as the texts write it."""
    zero = np.zeros(len(weights[f"weight_ih{name}"]))
    a = weights[f"weight_ih{name}"] @ x + weights.get(f"bias_ih{name}", zero)
    b = weights[f"weight_hh{name}"] @ h + weights.get(f"bias_hh{name}", zero)
    if kind == "RNN":
        return np.tanh(a + b), c
    if kind == "LSTM":
        i, f, g, o = np.split(a + b, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c
    (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3), np.split(b, 3)
    z = _sigmoid(a_z + b_z)
    return (1 - z) * np.tanh(a_n + _sigmoid(a_r + b_r) * b_n) + z * h, c


def by_hand(
    kind: str, x: np.ndarray, h0: np.ndarray, c0: np.ndarray, layer: nn.Module
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs (steps, batch, ...), last h and last c."""
    weights = {k: v.astype("float64") for k, v in layer.state_dict().items()}
    h, c = np.array(h0), np.array(c0)
    k = 0
    for number in range(layer.num_layers):
        sides = []
        for suffix in ("", "_reverse")[: 1 + layer.bidirectional]:
            side = np.empty((*x.shape[:2], layer.hidden_size))
            for n in range(x.shape[1]):
                for t in range(len(x))[:: -1 if suffix else 1]:
                    h[k, n], c[k, n] = one_step(
                        kind, x[t, n], h[k, n], c[k, n], weights, f"_l{number}{suffix}"
                    )
                    side[t, n] = h[k, n]
            sides.append(side)
            k += 1
        x = np.concatenate(sides, 2)
    return x, h, c


def run(layer: Any, x: Any, states: Any = None) -> Any:
    """Output, h and c of a layer, in one form for all kinds."""
    y, after = layer(x, states)
    return y, *(after if isinstance(after, tuple) else (after, after * 0))


@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "bidirectional": True, "bias": False}])
@pytest.mark.parametrize("kind", KINDS)
def test_layers_compute_their_equations(kind: str, settings: Any, backend: str) -> None:
    rng = np.random.default_rng(0)
    layer = getattr(nn, kind)(3, 5, **settings).double()
    count = layer.num_layers * (1 + layer.bidirectional)
    x, h0, c0 = (rng.standard_normal(s) for s in ((7, 2, 3), (count, 2, 5), (count, 2, 5)))
    c0 = c0 if kind == "LSTM" else c0 * 0
    states = (h0, c0) if kind == "LSTM" else h0
    expected = by_hand(kind, x, h0, c0, layer)
    zeros = by_hand(kind, x, h0 * 0, c0 * 0, layer)
    for function in (run, dg.compile(run)):
        for name, got, wanted in zip("yhc", function(layer, x, states), expected, strict=True):
            assert_close(name, got, wanted)
    for name, got, wanted in zip("yhc", run(layer, x), zeros, strict=True):
        assert_close(f"{name} from zeros", got, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_steps_of_layers(kind: str) -> None:
    rng = np.random.default_rng(0)
    cell = getattr(nn, f"{kind}Cell")(3, 5).double()
    x, h, c = (rng.standard_normal((2, n)) for n in (3, 5, 5))
    states = (h, c) if kind == "LSTM" else h
    weights = cell.state_dict()
    for n in range(2):
        expected = one_step(kind, x[n], h[n], c[n], weights, "")
        both = cell(x, states)
        alone = cell(x[n], (h[n], c[n]) if kind == "LSTM" else h[n])
        for got, single, wanted in zip(
            both if kind == "LSTM" else (both,),
            alone if kind == "LSTM" else (alone,),
            expected, strict=False,
        ):  # fmt: skip
            assert_close("of a batch", got[n], wanted)
            assert_close("of one sample", single, wanted)
    fresh = cell(x)
    zeros = cell(x, (h * 0, c * 0) if kind == "LSTM" else h * 0)
    assert_close("from zeros", *(s[0] if kind == "LSTM" else s for s in (fresh, zeros)))


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_and_unbatched_are_other_views(kind: str) -> None:
    x = np.random.default_rng(0).standard_normal((7, 2, 3))
    usual = getattr(nn, kind)(3, 5, num_layers=2).double()
    first = getattr(nn, kind)(3, 5, num_layers=2, batch_first=True).double()
    first.load_state_dict(usual.state_dict())
    y, h, c = run(usual, x)
    turned = run(first, x.swapaxes(0, 1))
    assert_close("output", turned[0], y.numpy().swapaxes(0, 1))
    for got, wanted in zip(turned[1:], (h, c), strict=True):
        assert_close("states", got, wanted)
    for layer in (usual, first):
        single = run(layer, x[:, 1])
        assert_close("output", single[0], y[:, 1])
        assert_close("h", single[1], h[:, 1])
        again, *_ = run(layer, x[:, 1], (h[:, 1], c[:, 1]) if kind == "LSTM" else h[:, 1])
        assert again.shape == (7, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_modules_keep_their_promises(kind: str) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory = getattr(nn, kind)(3, 2, bidirectional=True)

        def forward(self, x: Any) -> Any:
            return self.memory(x)[0]

    x = np.random.default_rng(0).standard_normal((3, 2, 3))
    check_module(Last(), x.astype(np.float32), backend="native")


def test_weights_have_the_names_and_the_size_of_pytorch() -> None:
    layer = nn.LSTM(3, 5, num_layers=2, bidirectional=True)
    shapes = {name: p.shape for name, p in layer.named_parameters()}
    assert list(shapes)[:8] == [
        f"{kind}_l0{side}" for side in ("", "_reverse")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]  # fmt: skip
    assert len(shapes) == 16
    assert shapes["weight_ih_l0"] == (20, 3)
    assert shapes["weight_ih_l1_reverse"] == (20, 10)
    assert shapes["weight_hh_l1"] == (20, 5)
    for parameter in layer.parameters():
        bound = 1 / np.sqrt(5)
        assert np.abs(parameter.numpy()).max() <= bound
        assert np.abs(parameter.numpy()).max() > 0.8 * bound


def test_dropout_is_between_layers_and_in_training_only() -> None:
    x = np.ones((3, 2, 4), np.float32)
    two = nn.RNN(4, 50, num_layers=2, dropout=0.5)
    one = nn.RNN(4, 50, dropout=0.5)
    assert not np.array_equal(two(x)[0], two(x)[0])
    assert np.array_equal(one(x)[0], one(x)[0])
    two.eval()
    assert np.array_equal(two(x)[0], two(x)[0])
    assert (nn.RNN(4, 50, num_layers=2, dropout=1.0)(x)[0].numpy() != 0).any()


def _program(kind: str, steps: int) -> Any:
    layer = getattr(nn, kind)(3, 5, num_layers=2)
    optimizer = dg.optim.SGD(layer.parameters(), lr=0.1)

    @dg.compile(backend="native")
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = layer(x)[0].mean()
        loss.backward()
        optimizer.step()
        return loss

    return step.program(np.ones((steps, 2, 3), np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_the_program_does_not_grow_with_the_sequence(kind: str) -> None:
    short, long = _program(kind, 512), _program(kind, 4096)
    assert len(short.graph.nodes()) == len(long.graph.nodes())
    assert len(str(short).splitlines()) == len(str(long).splitlines())
    nests = [
        sum(len(phase.nests) for level in p.executable.loops.levels for phase in level)
        for p in (short, long)
    ]
    assert nests[0] == nests[1]


def test_a_network_learns_to_remember() -> None:
    """The first number of a sequence, asked for at its end."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (4, 64, 1)).astype(np.float32)
    memory, head = nn.LSTM(1, 8), nn.Linear(8, 1)
    optimizer = dg.optim.Adam([*memory.parameters(), *head.parameters()], lr=0.03)

    @dg.compile(backend="native")
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        error = head(memory(x)[0][-1]) - x[0]
        loss = (error * error).mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(x).item() for _ in range(100)]
    assert losses[0] > 0.2
    assert losses[-1] < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_a_gradient_is_differentiated(kind: str, backend: str) -> None:
    """As where it is penalized: second derivatives, of weights too."""
    layer = getattr(nn, kind)(2, 3).double()
    x = np.random.default_rng(0).standard_normal((4, 2, 2))

    def step(x: Any) -> Any:
        layer.zero_grad()
        slope = dg.grad(lambda x: layer(x)[0].sum())(x)
        size = (slope * slope).sum()
        size.backward()
        return size

    size = step(dg.tensor(x))
    expected = {name: p.grad for name, p in layer.named_parameters()}
    assert_close("size", dg.compile(step, keep_grads=True)(x), size)
    for name, parameter in layer.named_parameters():
        assert_close(name, parameter.grad, expected[name])


def test_the_summary_counts_every_step() -> None:
    summary = nn.LSTM(3, 5).summary((7, 2, 3))
    assert summary.multiply_adds == 7 * 2 * (20 * 3 + 20 * 5)
    assert summary.parameters == 20 * 3 + 20 * 5 + 40


@pytest.mark.parametrize("kind", KINDS)
def test_misuse(kind: str) -> None:
    make, cell = getattr(nn, kind), getattr(nn, f"{kind}Cell")
    layer = make(3, 5)
    with pytest.raises(ShapeError, match=rf"{kind}: the input is \(steps, batch, 3\).*got float32"):
        layer(np.ones((7, 2, 4), np.float32))
    with pytest.raises(ShapeError, match="at least one step and sample"):
        layer(np.ones((0, 2, 3), np.float32))
    h = np.ones((2, 2, 5), np.float32)
    with pytest.raises(ShapeError, match=r"\(1, 2, 5\): layers times directions, batch"):
        layer(np.ones((7, 2, 3), np.float32), (h, h) if kind == "LSTM" else h)
    with pytest.raises(DomainError, match="at least 1; got 0 and 5"):
        make(0, 5)
    with pytest.raises(DomainError, match="at least one layer; got 0"):
        make(3, 5, num_layers=0)
    with pytest.raises(DomainError, match=r"probability from 0 to 1; got 1.5"):
        make(3, 5, dropout=1.5)
    with pytest.raises(ShapeError, match=rf"{kind}Cell: the input is \(batch, 3\) or \(3,\)"):
        cell(3, 5)(np.ones((7, 2, 3), np.float32))
    state = np.ones((4, 5), np.float32)
    with pytest.raises(ShapeError, match="one row per sample; got 4 rows for 2 samples"):
        cell(3, 5)(np.ones((2, 3), np.float32), (state, state) if kind == "LSTM" else state)


def test_nonlinearities_are_named() -> None:
    x = np.full((1, 1, 1), 5.0, np.float32)
    for make in (nn.RNN, nn.RNNCell):
        with pytest.raises(DomainError, match="one of tanh, relu; got 'sigmoid'"):
            make(1, 1, nonlinearity="sigmoid")
    for kind in ("tanh", "relu"):
        layer = nn.RNN(1, 1, nonlinearity=kind)
        layer.load_state_dict({k: np.ones_like(v) for k, v in layer.state_dict().items()})
        cell = nn.RNNCell(1, 1, nonlinearity=kind)
        cell.load_state_dict({k: np.ones_like(v) for k, v in cell.state_dict().items()})
        expected = np.tanh(7.0) if kind == "tanh" else 7.0
        assert layer(x)[0].item() == cell(x[0]).item() == pytest.approx(expected)
    assert "nonlinearity='relu'" in repr(nn.RNNCell(1, 1, nonlinearity="relu"))
    assert repr(nn.LSTM(3, 5, num_layers=2)) == "LSTM(3, 5, num_layers=2)"
