"""Networks drawn at random from all layers, losses and optimizers, for both frameworks.

A network is a list of layer descriptions as in ``oracle_cases``. Shapes are followed by
running PyTorch's layers while drawing, so a network always fits together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from oracle_cases import Spec, build

Rng = np.random.Generator

ACTIVATIONS: tuple[Spec, ...] = (
    ("ReLU", (), {}), ("ReLU6", (), {}), ("LeakyReLU", (0.1,), {}), ("PReLU", (), {}),
    ("ELU", (), {}), ("SELU", (), {}), ("CELU", (), {}), ("GELU", (), {}),
    ("GELU", (), {"approximate": "tanh"}), ("SiLU", (), {}), ("Mish", (), {}),
    ("Sigmoid", (), {}), ("Hardsigmoid", (), {}), ("LogSigmoid", (), {}), ("Tanh", (), {}),
    ("Hardtanh", (), {}), ("Hardswish", (), {}), ("Softplus", (), {}), ("Softsign", (), {}),
    ("Identity", (), {}), ("Dropout", (0.0,), {}),
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A network, a batch for it, a loss and an optimizer."""

    layers: list[Spec]
    x: np.ndarray
    target: np.ndarray
    loss: Spec
    optimizer: tuple[str, dict[str, Any]]

    def model(self, namespace: Any) -> list[Any]:
        return [build(namespace, spec) for spec in self.layers]


def run(model: list[Any], x: Any) -> Any:
    """The network's output; of a recurrent layer, its sequence."""
    for layer in model:
        x = layer(x)
        x = x[0] if isinstance(x, tuple) else x
    return x


def draw(seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    begin = (_images, _sequences, _rows, _tokens)[seed % 4]
    x, layers = begin(rng)
    layers.append(("Flatten", (), {}))
    for _ in range(rng.integers(1, 3)):
        layers += _dense(rng, _shape_after(layers, x)[1])
    loss, target = _loss(rng, layers, x)
    return Drawn(layers, x, target, loss, _optimizer(rng))


def _shape_after(layers: list[Spec], x: np.ndarray) -> tuple[int, ...]:
    with torch.no_grad():
        model = [build(torch.nn, spec).double() for spec in layers]
        return tuple(run(model, torch.tensor(x)).shape)


def _pick(rng: Rng, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def _activation(rng: Rng) -> Spec:
    return ACTIVATIONS[rng.integers(len(ACTIVATIONS))]


def _images(rng: Rng) -> tuple[np.ndarray, list[Spec]]:
    channels = int(rng.integers(1, 5))
    x = rng.uniform(-1, 1, (4, channels, int(rng.integers(9, 13)), int(rng.integers(8, 12))))
    return x, _grow(rng, x, _image_layer, channels)


def _sequences(rng: Rng) -> tuple[np.ndarray, list[Spec]]:
    channels = int(rng.integers(1, 5))
    x = rng.uniform(-1, 1, (4, channels, int(rng.integers(14, 23))))
    return x, _grow(rng, x, _sequence_layer, channels)


def _grow(rng: Rng, x: np.ndarray, layer: Any, channels: int) -> list[Spec]:
    layers: list[Spec] = []
    for _ in range(rng.integers(2, 6)):
        for _attempt in range(20):
            spec, after = layer(rng, channels)
            try:
                shape = _shape_after([*layers, spec], x)
            except RuntimeError:
                continue  # the window does not fit
            if min(shape) >= 1 and max(shape[2:]) <= 30:
                layers += [spec, _activation(rng)]
                channels = after
                break
    return layers


def _image_layer(rng: Rng, channels: int) -> tuple[Spec, int]:
    kernel, stride = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    groups = _divisor(rng, channels)
    out = groups * int(rng.integers(1, 4))
    window = {"kernel_size": kernel, "stride": stride, "padding": kernel // 2}
    common = {**window, "groups": groups, "dilation": _pick(rng, 1, 1, 2)}
    return _pick(
        rng,
        (("Conv2d", (channels, out), {**common, "bias": bool(rng.integers(2))}), out),
        (("Conv2d", (channels, out, (kernel, 2)), {"padding": "same"}), out),
        (("ConvTranspose2d", (channels, out), {**common, "output_padding": stride - 1}), out),
        (("MaxPool2d", (), {**window, "ceil_mode": bool(rng.integers(2))}), channels),
        (("AvgPool2d", (), {**window, "count_include_pad": bool(rng.integers(2))}), channels),
        (("AdaptiveAvgPool2d", ((3, 4),), {}), channels),
        (("AdaptiveMaxPool2d", ((4, 3),), {}), channels),
        (("BatchNorm2d", (channels,), {}), channels),
        (("GroupNorm", (groups, channels), {}), channels),
        (("Dropout2d", (0.0,), {}), channels),
        (("LocalResponseNorm", (3,), {"alpha": 0.1}), channels),
        (("Upsample", (None, 2, _pick(rng, "nearest", "bilinear")), {}), channels),
    )  # fmt: skip


def _sequence_layer(rng: Rng, channels: int) -> tuple[Spec, int]:
    kernel, stride = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    groups = _divisor(rng, channels)
    out = groups * int(rng.integers(1, 4))
    window = {"kernel_size": kernel, "stride": stride, "padding": kernel // 2}
    return _pick(
        rng,
        (("Conv1d", (channels, out), {**window, "groups": groups, "dilation": 2}), out),
        (("ConvTranspose1d", (channels, out), {**window, "groups": groups}), out),
        (("MaxPool1d", (), window), channels),
        (("AvgPool1d", (), window), channels),
        (("AdaptiveAvgPool1d", (5,), {}), channels),
        (("Dropout1d", (0.0,), {}), channels),
        (("AdaptiveMaxPool1d", (5,), {}), channels),
        (("BatchNorm1d", (channels,), {"momentum": 0.3}), channels),
        (("GroupNorm", (groups, channels), {"affine": False}), channels),
    )


def _divisor(rng: Rng, n: int) -> int:
    return int(_pick(rng, *[d for d in range(1, n + 1) if n % d == 0]))


def _rows(rng: Rng) -> tuple[np.ndarray, list[Spec]]:
    features = int(rng.integers(2, 8))
    x = rng.uniform(-1, 1, (5, features))
    layers: list[Spec] = []
    for _ in range(rng.integers(1, 4)):
        layers += _dense(rng, _shape_after(layers, x)[1])
    return x, layers


def _dense(rng: Rng, features: int) -> list[Spec]:
    out = int(rng.integers(2, 9))
    norm = _pick(
        rng,
        ("BatchNorm1d", (out,), {}),
        ("LayerNorm", (out,), {}),
        ("RMSNorm", (out,), {"eps": 0.01}),
        ("Identity", (), {}),
    )
    return [("Linear", (features, out), {}), norm, _activation(rng)]


def _tokens(rng: Rng) -> tuple[np.ndarray, list[Spec]]:
    words, width, hidden = (int(n) for n in rng.integers(3, 8, 3))
    x = rng.integers(0, words, (3, int(rng.integers(2, 7))))
    options = {"batch_first": True, "num_layers": int(rng.integers(1, 3))}
    options["bidirectional"] = bool(rng.integers(2))
    kind = _pick(rng, "RNN", "LSTM", "GRU")
    layers: list[Spec] = [
        ("Embedding", (words, width), {}),
        (kind, (width, hidden), options),
        ("LayerNorm", (hidden * (1 + options["bidirectional"]),), {}),
        _activation(rng),
    ]
    return x, layers


def _loss(rng: Rng, layers: list[Spec], x: np.ndarray) -> tuple[Spec, np.ndarray]:
    """A loss, its target, and what it needs as the last layer."""
    rows, width = _shape_after(layers, x)
    classes = rng.integers(0, width, rows)
    numbers = rng.uniform(-1, 1, (rows, width))
    shares = rng.dirichlet(np.ones(width), rows)
    kind, last, target, options = _pick(
        rng,
        ("CrossEntropyLoss", None, classes, {"label_smoothing": 0.1}),
        ("CrossEntropyLoss", None, shares, {"reduction": "sum"}),
        ("NLLLoss", ("LogSoftmax", (1,), {}), classes, {}),
        ("KLDivLoss", ("LogSoftmax", (), {"dim": 1}), shares, {"reduction": "batchmean"}),
        ("MSELoss", ("Softmax", (1,), {}), shares, {}),
        ("MSELoss", None, numbers, {"reduction": "sum"}),
        ("L1Loss", None, numbers, {}),
        ("SmoothL1Loss", None, numbers, {"beta": 0.5}),
        ("HuberLoss", None, numbers, {"delta": 0.7}),
        ("BCELoss", ("Sigmoid", (), {}), shares, {}),
        ("BCEWithLogitsLoss", None, shares, {}),
        ("MultiMarginLoss", None, classes, {}),
        ("HingeEmbeddingLoss", None, np.where(numbers > 0, 1.0, -1.0), {}),
    )
    if last is not None:
        layers.append(last)
    return (kind, (), options), target


def _optimizer(rng: Rng) -> tuple[str, dict[str, Any]]:
    return _pick(
        rng,
        ("SGD", {"lr": 0.01}),
        ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.01, "momentum": 0.8, "dampening": 0.3}),
        ("Adagrad", {"lr": 0.01, "lr_decay": 0.1, "eps": 1e-4}),
        ("RMSprop", {"lr": 0.003, "centered": True, "momentum": 0.5, "eps": 1e-2}),
        ("Adam", {"lr": 0.003, "weight_decay": 0.1, "eps": 1e-4}),
        ("Adam", {"lr": 0.003, "amsgrad": True, "eps": 1e-4}),
        ("AdamW", {"lr": 0.003, "eps": 1e-4}),
        ("NAdam", {"lr": 0.003, "eps": 1e-4}),
    )


def kinds(drawn: Drawn) -> Iterator[str]:
    """The classes a drawn network is made of."""
    yield from (name for name, _, _ in drawn.layers)
    yield drawn.loss[0]
    yield drawn.optimizer[0]
