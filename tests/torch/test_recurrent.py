"""Recurrent layers beside PyTorch's: outputs, gradients and training, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import deepglass as dg

TOLERANCE = 1e-10  # of the largest value

CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "rnn": ("RNN", {}, (7, 2, 3)),
    "rnn relu, two layers": ("RNN", {"nonlinearity": "relu", "num_layers": 2}, (7, 2, 3)),
    "lstm": ("LSTM", {}, (7, 2, 3)),
    "lstm without bias, both directions, batch first": (
        "LSTM", {"bias": False, "bidirectional": True, "batch_first": True}, (2, 7, 3),
    ),
    "lstm of one sequence": ("LSTM", {"num_layers": 2}, (7, 3)),
    "lstm of one step": ("LSTM", {}, (1, 2, 3)),
    "gru": ("GRU", {}, (7, 2, 3)),
    "gru, three layers, both directions": (
        "GRU", {"num_layers": 3, "bidirectional": True}, (5, 2, 3),
    ),
    "gru without bias, one sequence": ("GRU", {"bias": False}, (7, 3)),
}  # fmt: skip


def assert_same(what: str, ours: Any, theirs: Any) -> None:
    a, b = np.asarray(ours), theirs.detach().numpy()
    assert a.shape == b.shape, what
    assert np.abs(a - b).max() <= TOLERANCE * max(1.0, np.abs(b).max()), what


def _pair(name: str) -> tuple[Any, Any, np.ndarray]:
    """The layer here and there, with the same weights, and an input."""
    kind, settings, shape = CASES[name]
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(3, 5, **settings).double()
    ours = getattr(dg.nn, kind)(3, 5, **settings).double()
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    return ours, theirs, np.random.default_rng(0).standard_normal(shape)


def _flat(result: Any) -> list[Any]:
    output, states = result
    return [output, *(states if isinstance(states, tuple) else (states,))]


def _states(theirs: Any, x: np.ndarray) -> Any:
    count = theirs.num_layers * (1 + theirs.bidirectional)
    batch = () if x.ndim == 2 else (x.shape[0 if theirs.batch_first else 1],)
    rng = np.random.default_rng(1)
    h, c = (rng.standard_normal((count, *batch, theirs.hidden_size)) for _ in range(2))
    return (h, c) if isinstance(theirs, torch.nn.LSTM) else h


def _torched(states: Any) -> Any:
    return tuple(map(torch.tensor, states)) if isinstance(states, tuple) else torch.tensor(states)


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients(name: str) -> None:
    ours, theirs, x = _pair(name)
    states = _states(theirs, x)
    there = torch.tensor(x, requires_grad=True)
    answers = _flat(theirs(there, _torched(states)))
    rng = np.random.default_rng(2)
    weights = [rng.standard_normal(a.shape) for a in answers]
    sum((a * torch.tensor(w)).sum() for a, w in zip(answers, weights, strict=True)).backward()

    here = dg.tensor(x, requires_grad=True)
    found = _flat(ours(here, states))
    for k, (got, wanted) in enumerate(zip(found, answers, strict=True)):
        assert_same(f"result {k}", got, wanted)
    loss: Any = sum((a * w).sum() for a, w in zip(found, weights, strict=True))
    loss.backward()
    assert_same("gradient of the input", here.grad, there.grad)
    expected = dict(theirs.named_parameters())
    for key, parameter in ours.named_parameters():
        assert_same(f"gradient of {key}", parameter.grad, expected[key].grad)


def _eager(step: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: step(dg.tensor(x))


MODES: dict[str, Callable[..., Any]] = {
    "eager": _eager,
    "reference": lambda step: dg.compile(step, backend="reference"),
    "native": lambda step: dg.compile(step, backend="native"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["rnn relu, two layers", "lstm", "lstm of one step",
                                  "gru, three layers, both directions"])  # fmt: skip
def test_ten_steps_of_training(name: str, mode: str) -> None:
    ours, theirs, x = _pair(name)
    there = torch.optim.SGD(theirs.parameters(), lr=0.5, momentum=0.9)
    here = dg.optim.SGD(ours.parameters(), lr=0.5, momentum=0.9)

    def step(x: Any) -> Any:
        here.zero_grad()
        output = ours(x)[0]
        loss = ((output - 0.5) * (output - 0.5)).mean()
        loss.backward()
        here.step()
        return loss

    run = MODES[mode](step)
    for _ in range(10):
        there.zero_grad()
        loss = ((theirs(torch.tensor(x))[0] - 0.5) ** 2).mean()
        loss.backward()
        there.step()
        assert_same("loss", run(x), loss)
    for key, value in theirs.state_dict().items():
        assert_same(key, ours.state_dict()[key], value)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(kind: str, bias: bool) -> None:
    theirs = getattr(torch.nn, kind)(3, 5, bias=bias).double()
    ours = getattr(dg.nn, kind)(3, 5, bias=bias).double()
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    x, h, c = (rng.standard_normal((2, n)) for n in (3, 5, 5))
    states = (h, c) if kind == "LSTMCell" else h
    for given in (None, states):
        there = torch.tensor(x, requires_grad=True)
        here = dg.tensor(x, requires_grad=True)
        a, b = ours(here, given), theirs(there, None if given is None else _torched(given))
        if kind == "LSTMCell":
            assert_same("c", a[1], b[1])
            a, b = a[0] + a[1], b[0] + b[1]
        assert_same("h", a, b)
        a.sum().backward()
        b.sum().backward()
        assert_same("gradient of the input", here.grad, there.grad)
    for key, parameter in theirs.named_parameters():
        assert_same(f"gradient of {key}", dict(ours.named_parameters())[key].grad, parameter.grad)
