"""Networks drawn from all layers, beside PyTorch: outputs, losses and gradients in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import oracle_cases as cases
import pytest
import torch

import deepglass as dg

NETWORKS = 200
COMPILED = 12  # of them; the compiler takes most of a second for each

Shape = tuple[int, ...]
Rng = np.random.Generator
Spec = cases.Spec


def _elementwise(rng: Rng, shape: Shape) -> Spec:
    choices: list[Spec] = [
        ("ReLU", (), {}), ("ReLU6", (), {}), ("LeakyReLU", (0.2,), {}), ("PReLU", (), {}),
        ("PReLU", (shape[1],), {}), ("ELU", (0.7,), {}), ("SELU", (), {}), ("CELU", (0.7,), {}),
        ("GELU", (), {}), ("GELU", ("tanh",), {}), ("SiLU", (), {}), ("Mish", (), {}),
        ("Softplus", (2.0,), {}), ("Softsign", (), {}), ("Tanh", (), {}),
        ("Hardtanh", (-0.5, 1.5), {}), ("Sigmoid", (), {}), ("LogSigmoid", (), {}),
        ("Hardsigmoid", (), {}), ("Hardswish", (), {}), ("Softmax", (1,), {}),
        ("LogSoftmax", (1,), {}), ("Identity", (), {}), ("Dropout", (0.0,), {}),
    ]  # fmt: skip
    return choices[rng.integers(len(choices))]


def _normalizing(rng: Rng, shape: Shape) -> Spec:
    channels = shape[1]
    choices: list[Spec] = [
        ("LayerNorm", (shape[1:],), {}), ("RMSNorm", (shape[-1],), {"eps": 0.1}),
        ("GroupNorm", (1, channels), {}),
        ("BatchNorm1d", (channels,), {}) if len(shape) < 4
        else ("BatchNorm2d", (channels,), {"momentum": None}),
    ]  # fmt: skip
    if len(shape) > 2:
        choices += [("GroupNorm", (channels, channels), {}), ("LocalResponseNorm", (3, 0.5), {})]
    return choices[rng.integers(len(choices))]


def _moving(rng: Rng, shape: Shape) -> Spec:
    """Layers that change the shape."""
    if len(shape) == 2:
        return ("Linear", (shape[1], int(rng.integers(2, 8))), {"bias": bool(rng.integers(2))})
    axes = len(shape) - 2
    channels, out, least = shape[1], int(rng.integers(2, 6)), min(shape[2:])
    kernel, stride = int(rng.integers(1, min(least, 3) + 1)), int(rng.integers(1, 3))
    choices: list[Spec] = [
        (f"Conv{axes}d", (channels, out, kernel, stride), {"padding": kernel // 2}),
        (f"Conv{axes}d", (channels, 2 * channels, kernel), {"groups": channels}),
        (f"ConvTranspose{axes}d", (channels, out, kernel, stride), {}),
        (f"MaxPool{axes}d", (kernel, stride), {}),
        (f"Dropout{axes}d", (0.0,), {}),
        ("Flatten", (), {}),
    ]
    return choices[rng.integers(len(choices))]


@cache
def drawn(number: int) -> tuple[Spec, Shape]:
    """The specification of a network and the shape of its input."""
    rng = cases.stream("network", number)
    start: Shape = tuple(int(n) for n in rng.integers(3, 8, rng.integers(2, 5)))
    shape, parts = start, []
    for _ in range(rng.integers(3, 9)):
        kind = (_moving, _moving, _elementwise, _normalizing)[rng.integers(4)]
        spec = kind(rng, shape)
        parts.append(spec)
        with torch.no_grad():
            shape = tuple(cases.build(torch.nn, spec)(torch.zeros(shape)).shape)
    return ("Sequential", tuple(parts), {}), start


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "MSELoss": lambda y, t: t,
    "SmoothL1Loss": lambda y, t: t,
    "BCEWithLogitsLoss": lambda y, t: 1 / (1 + np.exp(-t)),
    "CrossEntropyLoss": lambda y, t: np.argmax(t, 1),
}


def _state(spec: Spec, number: int) -> dict[str, np.ndarray]:
    rng = cases.stream("state of network", number)
    found = cases.build(torch.nn, spec).state_dict()
    return {
        k: rng.uniform(0.5, 1.5, v.shape) if "var" in k or ("weight" in k and v.ndim == 1)
        else rng.uniform(-0.5, 0.5, v.shape) if v.is_floating_point() else v.numpy()
        for k, v in found.items()
    }  # fmt: skip


def _answers(
    namespace: Any, tensor: Any, number: int, wrap: Callable[..., Any] = lambda f: f
) -> cases.Answer:
    """The output, the loss and the buffers of a network after one step, and all gradients in one
    array: those in front of a normalization are 0 but for rounding."""
    spec, shape = drawn(number)
    rng = cases.stream("batch", number)
    model = cases.build(namespace, spec).double()
    model.load_state_dict({k: tensor(v) for k, v in _state(spec, number).items()})
    name = list(LOSSES)[number % len(LOSSES)]
    x = tensor(rng.uniform(-2, 2, shape))
    targets: list[Any] = []

    def step(x: Any) -> Any:
        y = model(x)
        if not targets:
            t = cases.stream("target", number).uniform(-2, 2, tuple(y.shape))
            targets.append(tensor(LOSSES[name](y, t)))
        loss = getattr(namespace, name)()(y, targets[0])
        loss.backward()
        return y, loss

    x = dg.Parameter(x) if isinstance(x, dg.Tensor) else torch.nn.Parameter(x)
    y, loss = wrap(lambda: step(x))()
    answer = {"output": y, "loss": loss, **dict(model.named_buffers())}
    gradients = [x.grad, *[p.grad for p in model.parameters()]]
    flat = np.concatenate([g.numpy().ravel() for g in gradients])
    return {"gradients": flat, **{k: np.array(v.detach().numpy()) for k, v in answer.items()}}


pytestmark = pytest.mark.filterwarnings("ignore::deepglass.errors.DeepglassWarning")


@cache
def _theirs(number: int) -> cases.Answer:
    return _answers(torch.nn, torch.tensor, number)


@pytest.mark.parametrize("number", range(NETWORKS))
def test_network(number: int) -> None:
    ours = _answers(dg.nn, dg.tensor, number)
    assert not cases.disagreements(ours, _theirs(number)), drawn(number)


@pytest.mark.parametrize("number", range(COMPILED))
def test_compiled_network(number: int) -> None:
    def compiled(step: Any) -> Any:
        return dg.compile(step, backend="native", keep_grads=True)

    ours = _answers(dg.nn, dg.tensor, number, compiled)
    assert not cases.disagreements(ours, _theirs(number)), drawn(number)


def test_the_networks_hold_all_layers() -> None:
    used = {part[0] for n in range(NETWORKS) for part in drawn(n)[0][1]}
    known = {spec[0] for spec, _ in cases.LAYERS.values()}
    assert known - used <= NOT_IN_A_ROW


# They take or return something else than one tensor of floats, or are made of others.
NOT_IN_A_ROW = {"Embedding", "Sequential", "Unflatten"}
