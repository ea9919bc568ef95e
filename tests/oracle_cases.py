"""What is compared with PyTorch, and deepglass' answers.

An answer is a dict from names to arrays. PyTorch's are in ``oracles/*.npz``, written by
``scripts/make_oracles.py``; the cases themselves are made from fixed random streams, and a
checksum in each file tells whether they are still those it was made for.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import deepglass as dg
from deepglass.graph.kinds import Leaf, Scan
from deepglass.graph.op import REGISTRY, Op, Sample
from deepglass.graph.tensor import apply
from deepglass.testing import samples_of

Answer = dict[str, np.ndarray]

LIMIT = 1e-7  # greatest difference, relative to the largest value of an array

# PyTorch has no such op; the random bits have published answers of their own (test_random).
NOT_IN_TORCH = {"threefry"}


def disagreements(got: Answer, expected: Answer) -> list[str]:
    """One line for each array in which two answers differ."""
    lines = [f"{name}: missing" for name in expected.keys() ^ got.keys()]
    for name in expected.keys() & got.keys():
        a, b = got[name], expected[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            lines.append(f"{name}: {a.dtype}{a.shape} instead of {b.dtype}{b.shape}")
        elif (difference := relative_difference(a, b)) > LIMIT:
            lines.append(f"{name}: differs by {difference:.3g} of the largest value")
    return sorted(lines)


def relative_difference(a: np.ndarray, b: np.ndarray) -> float:
    """The greatest difference between two arrays, relative to the largest value; 0 or inf for
    whole numbers and truth values."""
    if a.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else np.inf
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    largest = np.abs(np.where(np.isfinite(b), b, 0.0)).max(initial=0.0)
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)) / (float(largest) or 1.0)


def checksum(*values: Any) -> np.ndarray:
    """A number that changes with the bytes of the arrays and the text of everything else."""
    total = 0
    for value in values:
        data = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        total = zlib.crc32(data, total)
    return np.array(total, np.uint32)


def stream(*names: Any) -> np.random.Generator:
    """Random numbers of a case's own."""
    return np.random.default_rng(zlib.crc32(" ".join(map(str, names)).encode()))


# Ops ------------------------------------------------------------------------------------


def compared_ops() -> list[Op]:
    ops = [op for op in REGISTRY.values() if not isinstance(op.kernel, (Leaf, Scan))]
    return [op for op in ops if op.name not in NOT_IN_TORCH]


def samples_with_seed(op: Op, seed: int) -> list[Sample]:
    """The samples of a record from another random stream; its own for seed 0."""
    if not seed:
        return samples_of(op)
    assert op.samples is not None
    return list(op.samples(stream(op.name, seed)))


def cotangent(op: Op, number: int, shape: tuple[int, ...]) -> np.ndarray:
    return stream(op.name, number, "cotangent").uniform(-1, 1, shape)


def differentiated(op: Op, sample: Sample) -> list[int]:
    """The inputs whose gradients are compared: floats, where all numbers are finite."""
    floats = [k for k, a in enumerate(sample.args) if a.dtype.kind == "f"]
    finite = all(np.isfinite(sample.args[k]).all() for k in floats)
    return (
        [k for k in floats if op.gradient[k : k + 1] != (None,)] if op.gradient and finite else []
    )


def sample_checksum(op: Op, seed: int = 0) -> np.ndarray:
    return checksum(*[part for s in samples_with_seed(op, seed) for part in (*s.args, s.params)])


def op_answer(op: Op, seed: int = 0) -> Answer:
    """Values and gradients of all samples of an op, in float64."""
    answer: Answer = {}
    for number, sample in enumerate(samples_with_seed(op, seed)):
        active = differentiated(op, sample)
        inputs = [dg.tensor(a, requires_grad=k in active) for k, a in enumerate(sample.args)]
        y = apply(op, *inputs, **sample.params)
        answer[f"{number} value"] = y.numpy()
        if active and y.requires_grad:
            y.backward(gradient=cotangent(op, number, y.shape))
            for k in active:
                gradient = inputs[k].grad
                assert gradient is not None
                answer[f"{number} gradient {k}"] = gradient.numpy()
    return answer


# Layers and losses ----------------------------------------------------------------------

# Class name, arguments, keywords: the same in deepglass.nn and in torch.nn.
Spec = tuple[str, tuple[Any, ...], dict[str, Any]]

IMAGES, ROWS = (2, 3, 5, 7), (5, 3)

LAYERS: dict[str, tuple[Spec, tuple[int, ...]]] = {
    "linear": (("Linear", (3, 2), {}), ROWS),
    "linear without bias": (("Linear", (7, 2), {"bias": False}), IMAGES),
    "conv2d": (("Conv2d", (3, 2, 3), {}), IMAGES),
    "conv2d stride 2, padding 1": (("Conv2d", (3, 5, 3), {"stride": 2, "padding": 1}), IMAGES),
    "conv2d of two directions": (
        ("Conv2d", (3, 2, (2, 5)), {"stride": (1, 3), "padding": (0, 2), "bias": False}), IMAGES,
    ),
    "batch norm": (("BatchNorm2d", (3,), {}), IMAGES),
    "batch norm, other numbers": (
        ("BatchNorm2d", (3,), {"eps": 0.1, "momentum": 0.3, "affine": False}), IMAGES,
    ),
    "layer norm": (("LayerNorm", (3,), {}), ROWS),
    "layer norm of images": (("LayerNorm", ((5, 7),), {"eps": 0.1, "bias": False}), IMAGES),
    "max pool": (("MaxPool2d", (2,), {}), IMAGES),
    "max pool with overlap": (
        ("MaxPool2d", ((3, 2),), {"stride": (2, 1), "padding": (1, 0)}), IMAGES,
    ),
    "flatten": (("Flatten", (), {}), IMAGES),
    "relu": (("ReLU", (), {}), ROWS),
    "tanh": (("Tanh", (), {}), ROWS),
    "sigmoid": (("Sigmoid", (), {}), ROWS),
    "dropout, evaluation": (("Dropout", (0.5,), {}), ROWS),
    "network": (
        ("Sequential", (
            ("Conv2d", (3, 5, 3), {"padding": 1, "bias": False}), ("BatchNorm2d", (5,), {}),
            ("ReLU", (), {}), ("MaxPool2d", (2,), {}), ("Conv2d", (5, 3, 2), {}),
            ("Tanh", (), {}), ("Flatten", (), {}), ("LayerNorm", (6,), {}),
            ("Linear", (6, 2), {}),
        ), {}),
        IMAGES,
    ),
}  # fmt: skip

LOSSES: dict[str, tuple[Spec, tuple[int, ...]]] = {
    "cross entropy": (("CrossEntropyLoss", (), {}), (5, 3)),
    "mean squared error": (("MSELoss", (), {}), (5, 3, 2)),
}


def build(namespace: Any, spec: Spec) -> Any:
    """The layer ``spec`` describes, from ``deepglass.nn`` or ``torch.nn``."""
    name, args, keywords = spec
    if name == "Sequential":
        args = tuple(build(namespace, part) for part in args)
    return getattr(namespace, name)(*args, **keywords)


def layer_inputs(name: str) -> list[np.ndarray]:
    """Two batches; pixels are multiples of 1/2 for pooling, so that windows hold ties."""
    rng = stream("layer", name)
    shape = LAYERS[name][1]
    if "pool" in name:
        return [rng.integers(-2, 3, shape) / 2 for _ in range(2)]
    return [rng.uniform(-2, 2, shape) for _ in range(2)]


def layer_state(name: str) -> dict[str, np.ndarray]:
    """Weights and buffers for a layer, positive where they are variances."""
    rng = stream("state", name)
    state = {}
    for key, value in sorted(build(dg.nn, LAYERS[name][0]).state_dict().items()):
        low = 0.5 if "var" in key else -0.5
        state[key] = rng.uniform(low, low + 1, value.shape) if value.dtype.kind == "f" else value
    return state


def loss_inputs(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = stream("loss", name)
    shape = LOSSES[name][1]
    x = rng.uniform(-3, 3, shape)
    return x, rng.integers(0, shape[1], shape[:1]) if "cross" in name else rng.uniform(-3, 3, shape)


def modes(name: str) -> Iterator[bool]:
    """Training, then evaluation; only the latter where training is random."""
    if "evaluation" not in name:
        yield True
    yield False


def layer_answer(name: str) -> Answer:
    """Outputs, gradients and buffers in training and evaluation, in float64."""
    model = build(dg.nn, LAYERS[name][0]).double()
    model.load_state_dict(layer_state(name))
    answer: Answer = {}
    for training in modes(name):
        model.train(training)
        mode = "training" if training else "evaluation"
        for batch, x in enumerate(layer_inputs(name)):
            model.zero_grad()
            t = dg.tensor(x, requires_grad=True)
            y = model(t)
            y.backward(gradient=stream(name, "cotangent").uniform(-1, 1, y.shape))
            answer[f"{mode} {batch} output"] = y.numpy()
            for key, p in [("input", t), *model.named_parameters()]:
                answer[f"{mode} {batch} gradient {key}"] = p.grad.numpy()
        for key, b in model.named_buffers():
            answer[f"{mode} {key}"] = b.numpy()
    return answer


def loss_answer(name: str) -> Answer:
    x, target = loss_inputs(name)
    t = dg.tensor(x, requires_grad=True)
    loss = build(dg.nn, LOSSES[name][0])(t, dg.tensor(target))
    loss.backward()
    assert t.grad is not None
    return {"value": loss.numpy(), "gradient": t.grad.numpy()}


# Optimizers -----------------------------------------------------------------------------

STEPS = 10
RATES = [0.1, 0.1, 0.05, 0.05, 0.2, 0.2, 0.01, 0.0, 0.1, 0.3]

# Class name, settings of the two groups (None: one group), a rate for each step (None: kept).
OPTIMIZERS: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]] | None, list[float] | None]]
OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.05}, None, None),
    "sgd, momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}, None, None),
    "sgd, changing rate": ("SGD", {"lr": 0.1, "momentum": 0.5}, None, RATES),
    "sgd, groups": (
        "SGD", {"lr": 0.02, "momentum": 0.8}, [{}, {"lr": 0.1, "momentum": 0.3}], None,
    ),
    "adam": ("Adam", {"lr": 0.1}, None, None),
    "adam, other numbers": (
        "Adam", {"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-2}, None, None,
    ),
    "adam, changing rate": ("Adam", {"lr": 0.1}, None, RATES),
    "adam, groups": ("Adam", {"lr": 0.1}, [{"betas": (0.5, 0.9)}, {"lr": 0.01}], None),
}  # fmt: skip


def start() -> tuple[np.ndarray, np.ndarray]:
    rng = stream("optimizer")
    return rng.uniform(-1, 1, (3, 2)), rng.uniform(-1, 1, 5)


def problem(a: Any, b: Any) -> Any:
    """A loss with a valley that bends, in what both frameworks understand."""
    return ((a * a).sum() - 1) ** 2 + ((b[:2] * a[0]).sum() + b[2:].sum().tanh()) ** 2


def train(optimizer: Any, parameters: Any, step: Callable[[], Any], rates: Any) -> Answer:
    """Ten steps of either framework; the parameters after each."""
    answer: Answer = {}
    for k in range(STEPS):
        if rates is not None:
            for group in optimizer.param_groups:
                group["lr"] = rates[k]
        step()
        for name, p in zip("ab", parameters, strict=True):
            answer[f"{k} {name}"] = np.array(p.detach().numpy())
    return answer


def make_optimizer(namespace: Any, name: str, parameters: Any) -> Any:
    kind, settings, groups, _ = OPTIMIZERS[name]
    if groups is not None:
        parameters = [{"params": [p], **own} for p, own in zip(parameters, groups, strict=True)]
    return getattr(namespace, kind)(parameters, **settings)


def optimizer_answer(name: str, wrap: Callable[..., Any] = lambda step: step) -> Answer:
    """Ten steps in float64; ``wrap`` may compile the step."""
    a, b = map(dg.Parameter, start())
    optimizer = make_optimizer(dg.optim, name, [a, b])

    def step() -> None:
        optimizer.zero_grad()
        problem(a, b).backward()
        optimizer.step()

    return train(optimizer, (a, b), wrap(step), OPTIMIZERS[name][3])


def case_checksum(name: str, table: dict[str, Any]) -> np.ndarray:
    """A number that changes with a layer's, loss' or optimizer's case."""
    if table is LAYERS:
        return checksum(table[name], *layer_inputs(name), *layer_state(name).values())
    if table is LOSSES:
        return checksum(table[name], *loss_inputs(name))
    return checksum(table[name], *start())
