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
from deepglass.graph.kinds import Leaf
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
    ops = [op for op in REGISTRY.values() if not isinstance(op.kernel, Leaf)]
    return [op for op in ops if op.name not in NOT_IN_TORCH and op.pullback is None]


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

IMAGES, SIGNALS, ROWS = (2, 3, 5, 7), (2, 3, 7), (5, 3)

LAYERS: dict[str, tuple[Spec, tuple[int, ...]]] = {
    "linear": (("Linear", (3, 2), {}), ROWS),
    "linear without bias": (("Linear", (7, 2), {"bias": False}), IMAGES),
    "conv2d": (("Conv2d", (3, 2, 3), {}), IMAGES),
    "conv2d stride 2, padding 1": (("Conv2d", (3, 5, 3), {"stride": 2, "padding": 1}), IMAGES),
    "conv2d of two directions": (
        ("Conv2d", (3, 2, (2, 5)), {"stride": (1, 3), "padding": (0, 2), "bias": False}), IMAGES,
    ),
    "conv2d in groups, dilated": (
        ("Conv2d", (3, 6, (3, 2)), {"padding": "same", "dilation": (1, 2), "groups": 3}), IMAGES,
    ),
    "conv1d": (("Conv1d", (3, 2, 3), {"stride": 2, "padding": 1}), SIGNALS),
    "conv transpose 1d": (("ConvTranspose1d", (3, 2, 3, 2, 1, 1), {}), SIGNALS),
    "conv transpose 2d": (
        ("ConvTranspose2d", (3, 6, (2, 3), (2, 1)), {"groups": 3, "dilation": 2}), IMAGES,
    ),
    "batch norm": (("BatchNorm2d", (3,), {}), IMAGES),
    "batch norm, other numbers": (
        ("BatchNorm2d", (3,), {"eps": 0.1, "momentum": 0.3, "affine": False}), IMAGES,
    ),
    "batch norm, average": (
        ("BatchNorm2d", (3,), {"momentum": None}), IMAGES,
    ),
    "batch norm, no memory": (
        ("BatchNorm2d", (3,), {"track_running_stats": False}), IMAGES,
    ),
    "batch norm of rows": (("BatchNorm1d", (3,), {}), ROWS),
    "batch norm of series": (("BatchNorm1d", (3,), {"momentum": None}), (2, 3, 5)),
    "layer norm": (("LayerNorm", (3,), {}), ROWS),
    "rms norm": (("RMSNorm", (3,), {}), ROWS),
    "rms norm of images": (
        ("RMSNorm", ((5, 7),), {"eps": 0.1, "elementwise_affine": False}), IMAGES,
    ),
    "group norm": (("GroupNorm", (2, 6), {}), (3, 6, 5, 2)),
    "group norm of one": (("GroupNorm", (1, 3), {"eps": 0.1, "affine": False}), IMAGES),
    "local response norm": (("LocalResponseNorm", (2, 0.5, 0.6, 0.7), {}), IMAGES),
    "local response norm of all": (("LocalResponseNorm", (5,), {"alpha": 0.5}), IMAGES),
    "embedding": (("Embedding", (5, 3), {}), (2, 7)),
    "embedding with padding": (("Embedding", (5, 3), {"padding_idx": -1}), (2, 7)),
    "layer norm of images": (("LayerNorm", ((5, 7),), {"eps": 0.1, "bias": False}), IMAGES),
    "max pool": (("MaxPool2d", (2,), {}), IMAGES),
    "max pool with overlap": (
        ("MaxPool2d", ((3, 2),), {"stride": (2, 1), "padding": (1, 0)}), IMAGES,
    ),
    "max pool 1d": (("MaxPool1d", (3, 2, 1), {"ceil_mode": True}), SIGNALS),
    "max pool, dilated": (("MaxPool2d", (2, 1, 1, (1, 3)), {}), IMAGES),
    "average pool": (("AvgPool2d", (2,), {}), IMAGES),
    "average pool with overlap": (
        ("AvgPool2d", ((3, 2), (2, 1), (1, 0), True, False), {}), IMAGES,
    ),
    "average pool 1d": (("AvgPool1d", (3, 2, 1), {"ceil_mode": True}), SIGNALS),
    "global average pool": (("AdaptiveAvgPool2d", (1,), {}), IMAGES),
    "adaptive average pool": (("AdaptiveAvgPool2d", ((2, None),), {}), IMAGES),
    "adaptive average pool 1d": (("AdaptiveAvgPool1d", (3,), {}), SIGNALS),
    "global max pool": (("AdaptiveMaxPool2d", (1,), {}), IMAGES),
    "adaptive max pool": (("AdaptiveMaxPool2d", ((3, 2),), {}), IMAGES),
    "adaptive max pool 1d": (("AdaptiveMaxPool1d", (4,), {}), SIGNALS),
    "upsample": (("Upsample", (), {"scale_factor": 2}), IMAGES),
    "upsample, bilinear": (("Upsample", ((7, 4), None, "bilinear"), {}), IMAGES),
    "upsample, corners": (
        ("Upsample", (None, (1.5, 2.0), "bilinear"), {"align_corners": True}), IMAGES,
    ),
    "flatten": (("Flatten", (), {}), IMAGES),
    "unflatten": (("Unflatten", (1, (3, 1)), {}), ROWS),
    "identity": (("Identity", (), {}), ROWS),
    "dropout of series, evaluation": (("Dropout1d", (0.5,), {}), (2, 3, 5)),
    "dropout of images, evaluation": (("Dropout2d", (0.5,), {}), IMAGES),
    "relu": (("ReLU", (), {}), ROWS),
    "relu6": (("ReLU6", (), {}), ROWS),
    "leaky relu": (("LeakyReLU", (0.2,), {}), ROWS),
    "prelu": (("PReLU", (), {}), ROWS),
    "prelu by channel": (("PReLU", (3, 0.1), {}), IMAGES),
    "elu": (("ELU", (), {"alpha": 0.7}), ROWS),
    "selu": (("SELU", (), {}), ROWS),
    "celu": (("CELU", (0.7,), {}), ROWS),
    "gelu": (("GELU", (), {}), ROWS),
    "gelu, tanh": (("GELU", ("tanh",), {}), ROWS),
    "silu": (("SiLU", (), {}), ROWS),
    "mish": (("Mish", (), {}), ROWS),
    "softplus": (("Softplus", (), {}), ROWS),
    "softplus, sharp": (("Softplus", (5.0, 4.0), {}), ROWS),
    "softsign": (("Softsign", (), {}), ROWS),
    "tanh": (("Tanh", (), {}), ROWS),
    "hard tanh": (("Hardtanh", (-0.5, 1.5), {}), ROWS),
    "sigmoid": (("Sigmoid", (), {}), ROWS),
    "log sigmoid": (("LogSigmoid", (), {}), ROWS),
    "hard sigmoid": (("Hardsigmoid", (), {}), ROWS),
    "hard swish": (("Hardswish", (), {}), ROWS),
    "softmax": (("Softmax", (1,), {}), ROWS),
    "softmax of channels": (("Softmax", (), {"dim": 1}), IMAGES),
    "log softmax": (("LogSoftmax", (-1,), {}), ROWS),
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
    "rnn": (("RNN", (3, 2), {"num_layers": 2, "nonlinearity": "relu"}), (7, 5, 3)),
    "lstm": (("LSTM", (3, 2), {"bidirectional": True}), (7, 5, 3)),
    "gru": (("GRU", (3, 2), {"batch_first": True}), (5, 7, 3)),
    "transformer layer": (
        ("TransformerEncoderLayer", (6, 2, 5), {"dropout": 0.0}), (7, 5, 6),
    ),
    "transformer layer, norms first": (
        ("TransformerEncoderLayer", (6, 3, 7, 0.0, "gelu"), {
            "batch_first": True, "norm_first": True, "layer_norm_eps": 0.1, "bias": False,
        }),
        (5, 7, 6),
    ),
    "rnn cell": (("RNNCell", (3, 2), {}), ROWS),
    "lstm cell": (("LSTMCell", (3, 2), {"bias": False}), ROWS),
    "gru cell": (("GRUCell", (3, 2), {}), ROWS),
}  # fmt: skip

WEIGHTS = np.array([0.5, 2.0, 0.25])

# Class, kinds of input and target (see `_NUMBERS`), shape of the input.
LOSSES: dict[str, tuple[Spec, str, str, tuple[int, ...]]] = {
    "mse": (("MSELoss", (), {}), "real", "real", (5, 3, 2)),
    "mse, sum": (("MSELoss", (), {"reduction": "sum"}), "real", "real", (5, 3)),
    "mse, none": (("MSELoss", (), {"reduction": "none"}), "real", "real", (5, 3)),
    "l1": (("L1Loss", (), {}), "half", "half", (5, 3)),
    "l1, none": (("L1Loss", (), {"reduction": "none"}), "half", "half", (5, 3)),
    "smooth l1": (("SmoothL1Loss", (), {}), "half", "half", (5, 3)),
    "smooth l1, beta": (
        ("SmoothL1Loss", (), {"beta": 0.5, "reduction": "sum"}), "half", "half", (5, 3),
    ),
    "smooth l1, beta 0": (("SmoothL1Loss", (), {"beta": 0.0}), "half", "half", (5, 3)),
    "huber": (("HuberLoss", (), {"delta": 1.5}), "half", "half", (5, 3)),
    "huber, none": (("HuberLoss", (), {"reduction": "none"}), "half", "half", (5, 3)),
    "cross entropy": (("CrossEntropyLoss", (), {}), "real", "label", (5, 3)),
    "cross entropy, sum": (
        ("CrossEntropyLoss", (), {"reduction": "sum"}), "real", "label", (5, 3),
    ),
    "cross entropy, none": (
        ("CrossEntropyLoss", (), {"reduction": "none"}), "real", "label", (5, 3),
    ),
    "cross entropy of images": (("CrossEntropyLoss", (), {}), "real", "label", (2, 3, 5, 7)),
    "cross entropy of one": (("CrossEntropyLoss", (), {}), "real", "label", (3,)),
    "cross entropy, large": (("CrossEntropyLoss", (), {}), "large", "label", (5, 3)),
    "cross entropy, gaps": (
        ("CrossEntropyLoss", (), {"ignore_index": -100}), "real", "label or none", (7, 3),
    ),
    "cross entropy, ignore 1": (
        ("CrossEntropyLoss", (), {"ignore_index": 1}), "real", "label", (7, 3),
    ),
    "cross entropy, weights": (
        ("CrossEntropyLoss", (WEIGHTS,), {"ignore_index": -100}), "real", "label or none", (7, 3),
    ),
    "cross entropy, smoothed": (
        ("CrossEntropyLoss", (), {"ignore_index": -100, "label_smoothing": 0.2}),
        "real", "label or none", (7, 3, 2),
    ),
    "cross entropy, all": (
        ("CrossEntropyLoss", (WEIGHTS,), {"label_smoothing": 0.2, "ignore_index": 2}),
        "real", "label", (7, 3, 2),
    ),
    "cross entropy, all, none": (
        ("CrossEntropyLoss", (WEIGHTS,), {
            "ignore_index": -100, "label_smoothing": 0.2, "reduction": "none",
        }),
        "real", "label or none", (7, 3),
    ),
    "cross entropy, probabilities": (
        ("CrossEntropyLoss", (), {}), "real", "probability", (5, 3, 2),
    ),
    "cross entropy, probabilities, all": (
        ("CrossEntropyLoss", (WEIGHTS,), {"label_smoothing": 0.2}), "real", "probability", (5, 3),
    ),
    "nll": (("NLLLoss", (), {"ignore_index": -100}), "real", "label or none", (7, 3)),
    "nll, weights": (
        ("NLLLoss", (WEIGHTS,), {"ignore_index": -100}), "real", "label or none", (7, 3, 2),
    ),
    "nll, sum": (
        ("NLLLoss", (WEIGHTS,), {"reduction": "sum", "ignore_index": 1}), "real", "label", (5, 3),
    ),
    "nll, none": (("NLLLoss", (WEIGHTS,), {"reduction": "none"}), "real", "label", (5, 3)),
    "kl": (("KLDivLoss", (), {"reduction": "batchmean"}), "real", "probability", (5, 3)),
    "kl, sum": (
        ("KLDivLoss", (), {"log_target": True, "reduction": "sum"}), "real", "real", (5, 3),
    ),
    "kl, none": (("KLDivLoss", (), {"reduction": "none"}), "real", "answer", (5, 3)),
    "bce": (("BCELoss", (), {}), "probability", "answer", (5, 3)),
    "bce, weights": (
        ("BCELoss", (WEIGHTS,), {"reduction": "sum"}), "probability", "probability", (5, 3),
    ),
    "bce, certain": (("BCELoss", (), {"reduction": "none"}), "answer", "answer", (5, 3)),
    "bce of logits": (("BCEWithLogitsLoss", (), {}), "real", "probability", (5, 3)),
    "bce of logits, large": (
        ("BCEWithLogitsLoss", (), {"reduction": "none"}), "large", "answer", (5, 3),
    ),
    "bce of logits, weights": (
        ("BCEWithLogitsLoss", (WEIGHTS,), {"pos_weight": WEIGHTS * 3, "reduction": "sum"}),
        "real", "answer", (5, 3),
    ),
    "hinge of pairs": (("HingeEmbeddingLoss", (), {}), "half", "sign", (5, 3)),
    "hinge of pairs, margin": (
        ("HingeEmbeddingLoss", (2.0,), {"reduction": "none"}), "half", "sign", (5, 3),
    ),
    "multi margin": (("MultiMarginLoss", (), {}), "real", "label", (5, 3)),
    "multi margin, squares": (
        ("MultiMarginLoss", (2, 0.5), {"weight": WEIGHTS, "reduction": "none"}),
        "real", "label", (5, 3),
    ),
    "multi margin of one": (("MultiMarginLoss", (), {}), "real", "label", (3,)),
}  # fmt: skip

# Halves hold ties and points on kinks.
_NUMBERS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "real": lambda rng, shape: rng.uniform(-3, 3, shape),
    "half": lambda rng, shape: rng.integers(-4, 5, shape) / 2,
    "large": lambda rng, shape: rng.uniform(-1e4, 1e4, shape),
    "probability": lambda rng, shape: rng.uniform(0.01, 0.99, shape),
    "answer": lambda rng, shape: rng.integers(0, 2, shape).astype(float),
    "sign": lambda rng, shape: rng.integers(0, 2, shape) * 2.0 - 1,
}


def build(namespace: Any, spec: Spec, wrap: Callable[[np.ndarray], Any] = dg.tensor) -> Any:
    """The layer ``spec`` describes, from ``deepglass.nn`` or ``torch.nn``; ``wrap`` makes a
    tensor of an array."""
    name, args, keywords = spec
    if name == "Sequential":
        args = tuple(build(namespace, part) for part in args)
    args = tuple(wrap(a) if isinstance(a, np.ndarray) else a for a in args)
    keywords = {k: wrap(v) if isinstance(v, np.ndarray) else v for k, v in keywords.items()}
    return getattr(namespace, name)(*args, **keywords)


def layer_inputs(name: str) -> list[np.ndarray]:
    """Two batches; pixels are multiples of 1/2 for pooling, so that windows hold ties."""
    rng = stream("layer", name)
    (kind, args, _), shape = LAYERS[name]
    if kind == "Embedding":
        return [rng.integers(0, args[0], shape) for _ in range(2)]
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
    _, kind, target, shape = LOSSES[name]
    x = _NUMBERS[kind](rng, shape)
    if not target.startswith("label"):
        return x, _NUMBERS[target](rng, shape)
    dim = min(1, len(shape) - 1)
    labels = rng.integers(0, shape[dim], shape[:dim] + shape[dim + 1 :])
    if "none" in target:
        labels[1::3] = -100
    return x, labels


def modes(name: str) -> Iterator[bool]:
    """Training, then evaluation; only the latter where training is random."""
    if "evaluation" not in name:
        yield True
    yield False


def first(result: Any) -> Any:
    """What a layer computes; recurrent layers return their states beside it."""
    return result[0] if isinstance(result, tuple) else result


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
            t = dg.tensor(x, requires_grad=x.dtype.kind == "f")
            y = first(model(t))
            y.backward(gradient=stream(name, "cotangent").uniform(-1, 1, y.shape))
            answer[f"{mode} {batch} output"] = y.numpy()
            for key, p in [("input", t), *model.named_parameters()][not t.requires_grad :]:
                answer[f"{mode} {batch} gradient {key}"] = p.grad.numpy()
        for key, b in model.named_buffers():
            answer[f"{mode} {key}"] = b.numpy()
    return answer


def loss_answer(name: str) -> Answer:
    x, target = loss_inputs(name)
    t = dg.tensor(x, requires_grad=True)
    loss = build(dg.nn, LOSSES[name][0])(t, dg.tensor(target))
    loss.backward(gradient=stream(name, "cotangent").uniform(-1, 1, loss.shape))
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
    "sgd, dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}, None, None),
    "sgd, dampening of 1": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 1}, None, None),
    "sgd, nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}, None, None),
    "sgd, weight decay": (
        "SGD", {"lr": 0.05, "weight_decay": 0.3},
        [{"momentum": 0.5}, {"weight_decay": 0.01, "momentum": 0.9, "nesterov": True}], None,
    ),
    "sgd, maximize": (
        "SGD", {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.3, "maximize": True}, None, None,
    ),
    "adagrad": ("Adagrad", {}, None, None),
    "adagrad, other numbers": (
        "Adagrad",
        {"lr": 0.3, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5,
         "eps": 1e-2},
        None, None,
    ),
    "adagrad, maximize": ("Adagrad", {"lr": 0.1, "maximize": True}, None, None),
    "adagrad, groups": ("Adagrad", {"lr": 0.1}, [{"lr_decay": 0.5}, {"lr": 0.2}], RATES),
    "rmsprop": ("RMSprop", {}, None, None),
    "rmsprop, momentum": ("RMSprop", {"lr": 0.02, "momentum": 0.7}, None, None),
    "rmsprop, centered": ("RMSprop", {"lr": 0.02, "centered": True, "eps": 1e-3}, None, None),
    "rmsprop, all": (
        "RMSprop",
        {"lr": 0.01, "alpha": 0.8, "eps": 1e-2, "weight_decay": 0.1, "momentum": 0.5,
         "centered": True, "maximize": True},
        None, RATES,
    ),
    "rmsprop, groups": (
        "RMSprop", {"lr": 0.01}, [{"momentum": 0.5}, {"centered": True, "alpha": 0.9}], None,
    ),
    "adam": ("Adam", {"lr": 0.1}, None, None),
    "adam, other numbers": (
        "Adam", {"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-2}, None, None,
    ),
    "adam, changing rate": ("Adam", {"lr": 0.1}, None, RATES),
    "adam, groups": ("Adam", {"lr": 0.1}, [{"betas": (0.5, 0.9)}, {"lr": 0.01}], None),
    "adam, no memory": ("Adam", {"lr": 0.1, "betas": (0.0, 0.0)}, None, None),
    "adam, weight decay": ("Adam", {"lr": 0.1, "weight_decay": 0.2}, None, None),
    "adam, amsgrad": ("Adam", {"lr": 0.2, "betas": (0.5, 0.6), "amsgrad": True}, None, None),
    "adam, maximize": ("Adam", {"lr": 0.1, "weight_decay": 0.2, "maximize": True}, None, None),
    "adam, decoupled": (
        "Adam", {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True}, None, None,
    ),
    "adamw": ("AdamW", {"lr": 0.1}, None, None),
    "adamw, all": (
        "AdamW", {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True, "maximize": True},
        [{}, {"weight_decay": 0}], RATES,
    ),
    "nadam": ("NAdam", {}, None, None),
    "nadam, other numbers": (
        "NAdam",
        {"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-2, "weight_decay": 0.1, "momentum_decay": 0.5},
        None, None,
    ),
    "nadam, decoupled": (
        "NAdam",
        {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True},
        [{"momentum_decay": 0}, {}], RATES,
    ),
    "sgd, pauses": (
        "SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}, None, None,
    ),
    "adagrad, pauses": ("Adagrad", {"lr": 0.3, "lr_decay": 0.2}, None, None),
    "rmsprop, pauses": ("RMSprop", {"lr": 0.02, "momentum": 0.7, "centered": True}, None, None),
    "adam, pauses": ("Adam", {"lr": 0.1, "amsgrad": True}, None, None),
    "adamw, pauses": ("AdamW", {"lr": 0.1, "weight_decay": 0.5}, None, None),
    "nadam, pauses": ("NAdam", {"lr": 0.05, "momentum_decay": 0.5}, None, None),
}  # fmt: skip

# Steps at which the second parameter has no gradient, in the cases with pauses: it stays, and
# so does what is remembered of it.
PAUSES = (0, 3, 4)


def start() -> tuple[np.ndarray, np.ndarray]:
    rng = stream("optimizer")
    return rng.uniform(-1, 1, (3, 2)), rng.uniform(-1, 1, 5)


def problem(a: Any, b: Any) -> Any:
    """A loss with a valley that bends, in what both frameworks understand."""
    return ((a * a).sum() - 1) ** 2 + ((b[:2] * a[0]).sum() + b[2:].sum().tanh()) ** 2


def train(name: str, optimizer: Any, parameters: Any, step: Callable[[bool], Any]) -> Answer:
    """Ten steps of either framework, ``step(paused)``; the parameters after each."""
    answer: Answer = {}
    rates = OPTIMIZERS[name][3]
    for k in range(STEPS):
        if rates is not None:
            for group in optimizer.param_groups:
                group["lr"] = rates[k]
        step("pauses" in name and k in PAUSES)
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

    def step(paused: bool) -> None:
        optimizer.zero_grad()
        problem(a, b).backward()
        if paused:
            b.grad = None
        optimizer.step()

    return train(name, optimizer, (a, b), wrap(step))


# Schedules ------------------------------------------------------------------------------

SCHEDULE_STEPS = 50


def _decay(count: int) -> float:
    return 1 / (1 + count) ** 0.5


# Makes a schedule out of ``lr_scheduler``, deepglass' or PyTorch's, for an optimizer.
SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "lambda": lambda s, o: s.LambdaLR(o, _decay),
    "lambda for each group": lambda s, o: s.LambdaLR(o, [_decay, lambda k: 0.9**k]),
    "step": lambda s, o: s.StepLR(o, 7, gamma=0.5),
    "step, as it is": lambda s, o: s.StepLR(o, 1),
    "multi-step": lambda s, o: s.MultiStepLR(o, [3, 8, 8, 30]),
    "constant": lambda s, o: s.ConstantLR(o),
    "constant, other numbers": lambda s, o: s.ConstantLR(o, 0.7, 12),
    "linear": lambda s, o: s.LinearLR(o),
    "linear, other numbers": lambda s, o: s.LinearLR(o, 0.9, 0.1, 17),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.93),
    "polynomial": lambda s, o: s.PolynomialLR(o),
    "polynomial, other numbers": lambda s, o: s.PolynomialLR(o, 33, 2.5),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 49),
    "cosine, there and back": lambda s, o: s.CosineAnnealingLR(o, 12, eta_min=0.01),
    "warm restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "warm restarts, longer": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, eta_min=0.01),
    "warm restarts, by three": lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, 3),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.5, 50),
    "one cycle, other numbers": lambda s, o: s.OneCycleLR(
        o, [0.5, 2.0], epochs=6, steps_per_epoch=10, pct_start=0.25, anneal_strategy="linear",
        base_momentum=[0.5, 0.6], max_momentum=0.9, div_factor=10, final_div_factor=100,
    ),
    "one cycle, three phases": lambda s, o: s.OneCycleLR(o, 0.5, 51, three_phase=True),
    "one cycle, rates only": lambda s, o: s.OneCycleLR(o, 0.5, 50, cycle_momentum=False),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, patience=2),
    "plateau, other numbers": lambda s, o: s.ReduceLROnPlateau(
        o, "max", 0.5, 1, 0.3, "abs", cooldown=2, min_lr=[0.01, 0.02], eps=1e-3,
    ),
    "plateau, greatest share": lambda s, o: s.ReduceLROnPlateau(o, "max", 0.7, 0, 0.02),
    "plateau, least difference": lambda s, o: s.ReduceLROnPlateau(
        o, "min", 0.9, 3, 0.05, "abs", cooldown=1,
    ),
    "warm-up, then cosine": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.01, total_iters=10), s.CosineAnnealingLR(o, 40)], [10],
    ),
    "three in a row": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 6), s.ExponentialLR(o, 0.9), s.StepLR(o, 5)], [6, 27],
    ),
    "restarts after a constant": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.5, 5), s.CosineAnnealingWarmRestarts(o, 5, 2)], [5],
    ),
    "chain": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)]),
    "chain of three": lambda s, o: s.ChainedScheduler(
        [s.LinearLR(o, 0.2, total_iters=9), s.StepLR(o, 11, 0.5), s.CosineAnnealingLR(o, 60)], o,
    ),
}  # fmt: skip


def schedule_answer(name: str, namespace: Any, parameters: Any) -> Answer:
    """Rates and momenta of two groups over 50 steps, of SGD and of Adam."""
    answer: Answer = {}
    losses = stream("schedule", name).uniform(0.9, 1, SCHEDULE_STEPS) ** np.arange(SCHEDULE_STEPS)
    for kind, share, settings in (
        ("SGD", "momentum", {"momentum": 0.9}), ("Adam", "betas", {"betas": (0.9, 0.99)}),
    ):  # fmt: skip
        groups = [{"params": [parameters[0]]}, {"params": [parameters[1]], "lr": 0.3}]
        optimizer = getattr(namespace, kind)(groups, lr=0.1, **settings)
        schedule = SCHEDULES[name](namespace.lr_scheduler, optimizer)
        rates, last, shares = [], [], []
        for loss in losses:
            rates.append([g["lr"] for g in optimizer.param_groups])
            last.append(schedule.get_last_lr())
            shares.append([np.ravel(g[share])[0] for g in optimizer.param_groups])
            optimizer.step()
            schedule.step(*([loss] if "plateau" in name else []))
        answer |= {f"{kind} rates": np.array(rates), f"{kind} last": np.array(last)}
        answer[f"{kind} {share}"] = np.array(shares)
    return answer


def case_checksum(name: str, table: dict[str, Any]) -> np.ndarray:
    """A number that changes with a layer's, loss' or optimizer's case."""
    if table is LAYERS:
        return checksum(table[name], *layer_inputs(name), *layer_state(name).values())
    if table is LOSSES:
        return checksum(table[name], *loss_inputs(name))
    return checksum(table[name], *start())
