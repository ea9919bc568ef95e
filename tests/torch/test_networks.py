"""200 random networks: outputs, gradients and ten steps as PyTorch's, in float64."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import pytest
import torch
from oracle_cases import Answer, build, disagreements

import deepglass as dg

COUNT = 200
STEPS = 10
COMPILED = 10  # of them; the compiler takes most of a second for each

# What is no layer of a row, or is reached by tests of its own.
ELSEWHERE = {
    "Buffer", "GRUCell", "Heaviside", "HingeLoss", "LSTMCell", "LearnedPositions", "Module",
    "ModuleDict", "ModuleList", "MultiheadAttention", "Optimizer", "Optimum", "Parameter",
    "ParameterList", "RNNCell", "Sequential", "SinusoidalPositions", "Step", "TransformerDecoder",
    "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer", "Unflatten",
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings(
    "ignore::deepglass.errors.DeepglassWarning", "ignore::UserWarning:torch"
)


@pytest.mark.parametrize("seed", range(COUNT))
def test_network(seed: int) -> None:
    torch.manual_seed(seed)
    drawn = networks.draw(seed)
    theirs = drawn.model(torch.nn)
    for layer in theirs:
        layer.double()
    states = [{k: v.clone() for k, v in layer.state_dict().items()} for layer in theirs]
    expected = answer(drawn, theirs, torch.nn, torch.optim, torch.tensor)
    for compiled in (False, True) if seed < COMPILED else (False,):
        ours = drawn.model(dg.nn)
        for layer, state in zip(ours, states, strict=True):
            layer.double().load_state_dict(state)
        got = answer(drawn, ours, dg.nn, dg.optim, dg.tensor, compiled)
        assert not disagreements(got, expected), f"{drawn.layers} {drawn.loss} {drawn.optimizer}"


def answer(
    drawn: networks.Drawn,
    model: list[Any],
    nn: Any,
    optim: Any,
    tensor: Any,
    compiled: bool = False,
) -> Answer:
    """The first output and gradients, the loss of each step, and what the weights become.

    All gradients are one array: those of a bias in front of a normalization are rounding.
    """
    loss = build(nn, drawn.loss)
    parameters = [p for layer in model for p in layer.parameters()]
    kind, settings = drawn.optimizer
    optimizer = getattr(optim, kind)(parameters, **settings)
    x, target = tensor(drawn.x), tensor(drawn.target)
    output = networks.run(model, x)
    loss(output, target).backward()
    gradients = [p.grad.detach().numpy().ravel() for p in parameters if p.grad is not None]
    found: Answer = {
        "output": output.detach().numpy().copy(),
        "gradients": np.concatenate(gradients),
    }

    def step(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        value = loss(networks.run(model, x), target)
        value.backward()
        optimizer.step()
        return value

    run = dg.compile(step) if compiled else step
    losses = [run(x, target).detach().numpy() for _ in range(STEPS)]
    found["losses"] = np.array(losses)
    found["parameters"] = np.concatenate([p.detach().numpy().ravel() for p in parameters])
    return found


def test_every_layer_loss_and_optimizer_is_drawn() -> None:
    drawn = {kind for seed in range(COUNT) for kind in networks.kinds(networks.draw(seed))}
    here = {name for name in (*dg.nn.__all__, *dg.optim.__all__) if name[0].isupper()}
    assert here - drawn - ELSEWHERE == set()


def test_the_comparison_sees_a_difference() -> None:
    drawn = networks.draw(0)
    model = drawn.model(torch.nn)
    for layer in model:
        layer.double()
    found = answer(drawn, model, torch.nn, torch.optim, torch.tensor)
    wrong = {k: np.array(v) * (1 + 1e-6 * (k == "losses")) for k, v in found.items()}
    assert disagreements(wrong, found) != []
