"""Layers, losses and what every module can do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.errors import DomainError, DTypeError, ShapeError
from deepglass.nn import functional as F
from deepglass.testing import assert_close, check_gradient, check_module

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((5, 3)).astype(np.float32)
IMAGES = RNG.standard_normal((2, 3, 5, 7)).astype(np.float32)
SIGNALS = RNG.standard_normal((2, 3, 7)).astype(np.float32)

LAYERS: dict[str, tuple[Any, np.ndarray]] = {
    "Linear": (lambda: nn.Linear(3, 2), ROWS),
    "Linear without bias": (lambda: nn.Linear(3, 2, bias=False), ROWS),
    "Linear of sequences": (lambda: nn.Linear(7, 2), IMAGES),
    "Conv2d": (lambda: nn.Conv2d(3, 2, 3), IMAGES),
    "Conv2d with stride and padding": (
        lambda: nn.Conv2d(3, 2, (3, 2), stride=(2, 3), padding=(1, 0)), IMAGES,
    ),
    "Conv2d without bias": (lambda: nn.Conv2d(3, 5, 1, bias=False), IMAGES),
    "Conv2d in groups": (
        lambda: nn.Conv2d(3, 6, 2, padding="same", dilation=2, groups=3), IMAGES,
    ),
    "Conv1d": (lambda: nn.Conv1d(3, 2, 3, stride=2, padding=1), SIGNALS),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 2, 3, 2, 1, 1), SIGNALS),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(3, 6, (2, 3), (2, 1), (0, 1), groups=3, dilation=2), IMAGES,
    ),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, 2, 1, ceil_mode=True), SIGNALS),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, 2, 1, ceil_mode=True), SIGNALS),
    "AvgPool2d": (lambda: nn.AvgPool2d((3, 2), 2, (1, 0), count_include_pad=False), IMAGES),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), SIGNALS),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((1, 2)), IMAGES),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(1), SIGNALS),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((None, 3)), IMAGES),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), SIGNALS),
    "Upsample, bilinear": (lambda: nn.Upsample((8, 3), mode="bilinear"), IMAGES),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGES),
    "MaxPool2d with overlap": (lambda: nn.MaxPool2d((3, 2), stride=1, padding=1), IMAGES),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), IMAGES),
    "BatchNorm2d without weights": (lambda: nn.BatchNorm2d(3, affine=False), IMAGES),
    "BatchNorm2d without memory": (
        lambda: nn.BatchNorm2d(3, track_running_stats=False), IMAGES,
    ),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), ROWS),
    "BatchNorm1d of series": (lambda: nn.BatchNorm1d(3, momentum=None), IMAGES[..., 0]),
    "LayerNorm": (lambda: nn.LayerNorm(3), ROWS),
    "RMSNorm": (lambda: nn.RMSNorm((5, 7)), IMAGES),
    "RMSNorm without weight": (lambda: nn.RMSNorm(3, 0.1, elementwise_affine=False), ROWS),
    "GroupNorm": (lambda: nn.GroupNorm(2, 6), np.concatenate([IMAGES, IMAGES**2], 1)),
    "GroupNorm of one": (lambda: nn.GroupNorm(1, 3, affine=False), IMAGES),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2, 0.5, 0.6, 0.7), IMAGES),
    "LocalResponseNorm of all": (lambda: nn.LocalResponseNorm(5), IMAGES),
    "Embedding": (lambda: nn.Embedding(5, 3), np.array([[1, 4, 1], [0, 2, 1]])),
    "Dropout1d": (lambda: nn.Dropout1d(0.3), IMAGES[..., 0]),
    "Dropout2d": (lambda: nn.Dropout2d(0.3), IMAGES),
    "Unflatten": (lambda: nn.Unflatten(1, (3, -1)), ROWS),
    "Identity": (lambda: nn.Identity(54, unused=True), ROWS),
    "LayerNorm of images": (lambda: nn.LayerNorm((5, 7), bias=False), IMAGES),
    "Dropout": (lambda: nn.Dropout(0.3), ROWS),
    "Dropout with its own numbers": (lambda: nn.Dropout(0.3, generator=dg.Generator(1)), ROWS),
    "Flatten": (nn.Flatten, IMAGES),
    "Heaviside": (nn.Heaviside, ROWS),
    "ReLU": (nn.ReLU, ROWS),
    "ReLU6": (nn.ReLU6, ROWS * 5),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), ROWS),
    "PReLU": (nn.PReLU, ROWS),
    "PReLU by channel": (lambda: nn.PReLU(3, 0.1), IMAGES),
    "ELU": (lambda: nn.ELU(0.7), ROWS),
    "SELU": (nn.SELU, ROWS),
    "CELU": (lambda: nn.CELU(0.7), ROWS),
    "GELU": (nn.GELU, ROWS),
    "GELU by tanh": (lambda: nn.GELU("tanh"), ROWS),
    "SiLU": (nn.SiLU, ROWS),
    "Mish": (nn.Mish, ROWS),
    "Softplus": (lambda: nn.Softplus(2.0, 3.0), ROWS + 3),
    "Softsign": (nn.Softsign, ROWS),
    "Tanh": (nn.Tanh, ROWS),
    "Hardtanh": (lambda: nn.Hardtanh(-0.5, 1.5), ROWS),
    "Sigmoid": (nn.Sigmoid, ROWS),
    "LogSigmoid": (nn.LogSigmoid, ROWS * 30),
    "Hardsigmoid": (nn.Hardsigmoid, ROWS * 3),
    "Hardswish": (nn.Hardswish, ROWS * 3),
    "Softmax": (lambda: nn.Softmax(1), ROWS),
    "LogSoftmax": (nn.LogSoftmax, IMAGES),
    "Sequential": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 5), nn.LayerNorm(5), nn.Tanh(),
        ),
        IMAGES,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str, backend: str) -> None:
    make, x = LAYERS[name]
    check_module(make(), x, backend=backend)


# Values by hand -------------------------------------------------------------------------


def test_linear_by_hand() -> None:
    layer = nn.Linear(3, 2)
    layer.load_state_dict({"weight": [[1, 2, 3], [0, -1, 1]], "bias": [10, 20]})
    assert layer(dg.tensor([1.0, 1.0, 2.0])).tolist() == [19.0, 21.0]
    assert layer(dg.tensor([[[1.0, 0.0, 0.0]]])).tolist() == [[[11.0, 20.0]]]


def test_activations_by_hand() -> None:
    """At their kinks and ends, and where a formula written down plainly would overflow."""
    x = dg.tensor([-1000.0, -3.0, 0.0, 3.0, 1000.0], requires_grad=True)
    cases: list[tuple[nn.Module, list[float], list[float]]] = [
        (nn.ReLU6(), [0, 0, 0, 3, 6], [0, 0, 0, 1, 0]),
        (nn.LeakyReLU(0.5), [-500, -1.5, 0, 3, 1000], [0.5, 0.5, 0.5, 1, 1]),
        (nn.Hardtanh(-3.0, 3.0), [-3, -3, 0, 3, 3], [0, 0, 1, 0, 0]),
        (nn.Hardsigmoid(), [0, 0, 0.5, 1, 1], [0, 0, 1 / 6, 0, 0]),
        (nn.Hardswish(), [0, 0, 0, 3, 1000], [0, 0, 0.5, 1, 1]),
        (nn.ELU(2.0), [-2, 2 * math.expm1(-3), 0, 3, 1000], [0, 2 * math.exp(-3), 2, 1, 1]),
        (nn.Softsign(), [-1000 / 1001, -0.75, 0, 0.75, 1000 / 1001],
         [1 / 1001**2, 1 / 16, 1, 1 / 16, 1 / 1001**2]),
        (nn.LogSigmoid(), [-1000, -3 - math.log1p(math.exp(-3)), -math.log(2),
                           -math.log1p(math.exp(-3)), 0],
         [1, 1 / (1 + math.exp(-3)), 0.5, 1 / (1 + math.exp(3)), 0]),
        (nn.SiLU(), [0, -3 / (1 + math.exp(3)), 0, 3 / (1 + math.exp(-3)), 1000], []),
        (nn.Softplus(), [0, math.log1p(math.exp(-3)), math.log(2), 3 + math.log1p(math.exp(-3)),
                         1000], [0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-3)), 1]),
    ]  # fmt: skip
    for layer, values, slopes in cases:
        x.grad = None
        y = layer(x)
        assert_close(f"{layer}", y, np.float32(values))
        y.sum().backward()
        if slopes:
            assert_close(f"{layer}, slopes", x.grad, np.float32(slopes))


def test_a_neuron_that_steps_learns_nothing() -> None:
    x = dg.tensor([-1.0, -0.0, 0.0, 2.0])
    assert nn.Heaviside()(x).tolist() == [0.0, 1.0, 1.0, 1.0]
    assert nn.Heaviside(0.5)(x).tolist() == [0.0, 0.5, 0.5, 1.0]
    layer = nn.Linear(3, 1)
    (nn.Heaviside()(layer(dg.tensor(ROWS))) + layer.bias * 2).sum().backward()
    assert layer.weight.grad is None or not layer.weight.grad.numpy().any()
    assert layer.bias.grad.tolist() == [10.0]


def test_in_place_is_understood_and_changes_nothing() -> None:
    x = dg.tensor(ROWS)
    for layer in (nn.ReLU(inplace=True), nn.ELU(1.0, True), nn.Hardtanh(inplace=True)):
        layer(x)
        assert np.array_equal(x.numpy(), ROWS)


def test_batch_norm_by_hand() -> None:
    layer = nn.BatchNorm2d(1, eps=0.0, momentum=0.5)
    x = dg.tensor([[[[1.0, 3.0]]], [[[5.0, 7.0]]]])  # mean 4, variance 5, unbiased 20/3
    y = layer(x)
    assert_close("y", y, np.float32([[[[-3, -1]]], [[[1, 3]]]]) / np.float32(math.sqrt(5)))
    assert layer.running_mean.tolist() == [2.0]
    assert_close("running_var", layer.running_var, np.float32([0.5 + 0.5 * 20 / 3]))
    layer.eval()
    layer.load_state_dict({**layer.state_dict(), "running_mean": [1.0], "running_var": [4.0]})
    assert layer(x).tolist() == [[[[0.0, 1.0]]], [[[2.0, 3.0]]]]
    assert layer.num_batches_tracked.item() == 1


def test_batch_norm_of_large_numbers_keeps_its_digits() -> None:
    """Variances from differences of squares would be lost in rounding here."""
    x = ROWS.reshape(5, 3, 1, 1)
    plain, shifted = (F.batch_norm(dg.tensor(x + s), None, None) for s in (0, 4096))
    assert np.abs(plain.numpy() - shifted.numpy()).max() < 2e-3


def test_batch_norm_that_averages_all_batches() -> None:
    """momentum=None: the running values are the plain mean of those of the batches."""
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = RNG.standard_normal((3, 4, 2)).astype(np.float32)
    step = dg.compile(lambda x: layer(x))
    for k, batch in enumerate(batches):
        (step if k else layer)(dg.tensor(batch))
    assert_close("mean", layer.running_mean, batches.mean(1).mean(0))
    assert_close("variance", layer.running_var, batches.var(1, ddof=1).mean(0))
    assert layer.num_batches_tracked.item() == 3


def test_batch_norm_without_memory_uses_every_batch() -> None:
    layer = nn.BatchNorm1d(2, affine=False, track_running_stats=False).eval()
    assert not layer.state_dict()
    assert_close("y", layer(dg.tensor([[1.0, 0.0], [3.0, 4.0]])).mean(0), np.zeros(2, "f4"))
    with pytest.raises(ShapeError, match="a batch has more than one value per channel"):
        layer(dg.tensor([[1.0, 0.0]]))


def test_group_norms_by_hand() -> None:
    x = np.float32([[[1.0, 3.0], [5.0, 7.0], [0.0, 0.0], [0.0, 8.0]]])
    layer = nn.GroupNorm(2, 4, eps=0.0)
    layer.load_state_dict({"weight": [1, 1, 1, 10], "bias": [0, 0, 5, 0]})
    first, second = np.float32([[-3, -1], [1, 3]]) / np.sqrt(np.float32(5)), np.sqrt(1 / 3)
    y = layer(dg.tensor(x)).numpy()[0]
    assert_close("first group", y[:2], first)
    assert_close("second", y[2:], np.float32([[5 - second] * 2, [-10 * second, 30 * second]]))
    rms = F.rms_norm(dg.tensor([[3.0, 4.0]], dtype="float64"), 2, dg.tensor([1.0, 10.0]))
    assert_close("rms", rms, np.float64([[3, 40]]) / np.sqrt(12.5 + np.finfo("f8").eps))


def test_local_response_norm_by_hand() -> None:
    """Each channel and one on either side; beyond the ends there is nothing."""
    x = dg.tensor([[[1.0], [2.0], [3.0]]])
    y = F.local_response_norm(x, 3, alpha=3.0, beta=1.0, k=1.0)
    assert_close("y", y, np.float32([[[1 / 6], [2 / 15], [3 / 14]]]))


def test_layer_norm_by_hand() -> None:
    layer = nn.LayerNorm(2, eps=0.0)
    layer.load_state_dict({"weight": [1, 10], "bias": [0, 5]})
    assert layer(dg.tensor([[3.0, 1.0], [0.0, 4.0]])).tolist() == [[1.0, -5.0], [-1.0, 15.0]]


def test_dropout_keeps_the_mean() -> None:
    x = dg.ones(100_000)
    y = nn.Dropout(0.2)(x).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.8)}
    dropped = (y == 0).mean()
    assert abs(dropped - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 100_000)
    assert nn.Dropout(0.2).eval()(x) is x
    assert F.dropout(x, 0.0) is x
    assert not F.dropout(x, 1.0).numpy().any()


def test_whole_channels_are_dropped() -> None:
    x = dg.ones(50, 40, 3, 2)
    kept = nn.Dropout2d(0.5)(x).numpy().reshape(50, 40, 6)
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert np.array_equal(kept, np.broadcast_to(kept[:, :, :1], kept.shape))
    assert abs((kept[:, :, 0] == 0).mean() - 0.5) < 4 * math.sqrt(0.25 / 2000)
    series = nn.Dropout1d(0.5)(dg.ones(50, 40, 7)).numpy()
    assert np.array_equal(series, np.broadcast_to(series[:, :, :1], series.shape))
    assert nn.Dropout2d().eval()(x) is x


def test_embedding_by_hand(backend: str) -> None:
    layer = nn.Embedding(4, 2, padding_idx=1)
    assert not layer.weight.numpy()[1].any()
    layer.load_state_dict({"weight": [[0, 1], [2, 3], [4, 5], [6, 7]]})
    y = layer(dg.tensor([[3, 1], [3, 3]]))
    assert y.tolist() == [[[6, 7], [2, 3]], [[6, 7], [6, 7]]]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [0, 0], [0, 0], [3, 3]]
    step = dg.compile(lambda x: dg.grad(lambda w: F.embedding(x, w, 1).sum())(layer.weight))
    assert step(np.array([3, 1, 0, 3, 3])).tolist() == [[1, 1], [0, 0], [0, 0], [3, 3]]
    assert F.embedding(np.array(2, np.uint8), layer.weight).tolist() == [4, 5]


def test_an_embedding_starts_standard_normal() -> None:
    values = nn.Embedding(200, 50).weight.numpy()
    assert abs(values.mean()) < 4 / 100
    assert abs(values.std() - 1) < 4 / math.sqrt(2 * 10_000)


def test_one_seed_one_mask() -> None:
    x = dg.ones(100)
    masks = [nn.Dropout(0.5, generator=dg.Generator(s))(x).tolist() for s in (1, 2, 1)]
    assert masks[0] == masks[2] != masks[1]


def test_gradients_of_functions_no_layer_has() -> None:
    check_gradient(lambda x: F.batch_norm(x, None, None), IMAGES[..., :2], second_order=True)
    check_gradient(lambda x: F.pad(x, (1, 2, 0, 1), value=3.0).exp(), ROWS, second_order=True)


# Misuse ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Linear(0, 2), DomainError, "both sizes are at least 1; got 0 and 2"),
        (lambda: nn.Conv2d(3, 0, 3), DomainError, "both channel counts are at least 1"),
        (
            lambda: nn.Conv2d(3, 2, (1, 2, 3)),
            ShapeError,
            "Conv2d: kernel_size is one whole number >= 1, or 2",
        ),
        (
            lambda: nn.Conv2d(3, 2, 3, stride=0)(IMAGES),
            ShapeError,
            "Conv2d: stride is one whole number >= 1",
        ),
        (lambda: nn.Conv2d(3, 2, 3, groups=3), DomainError, "divide both channel counts"),
        (lambda: nn.Conv1d(3, 2, 3, padding_mode="reflect"), DomainError, "Pad the input before"),
        (lambda: nn.Conv2d(2, 2, 3)(IMAGES), ShapeError, r"got images \(2, 3, 5, 7\)"),
        (lambda: nn.Linear(2, 2)(dg.tensor(ROWS)), ShapeError, r"got \(5, 3\) and \(2, 2\)"),
        (lambda: nn.BatchNorm2d(2)(dg.tensor(IMAGES)), ShapeError, r"\(batch, 2, height, width\)"),
        (lambda: nn.BatchNorm2d(3)(dg.ones(1, 3, 1, 1)), ShapeError, r"or model.eval\(\)"),
        (lambda: nn.LayerNorm(2)(dg.tensor(ROWS)), ShapeError, r"ends with \(2,\); got \(5, 3\)"),
        (lambda: nn.Dropout(1.5), DomainError, "p is a probability from 0 to 1; got 1.5"),
        (lambda: F.dropout(ROWS, -0.1), DomainError, "p is a probability"),
        (lambda: nn.MaxPool2d(9)(dg.tensor(IMAGES)), ShapeError, "fits into the padded input"),
        (lambda: nn.MaxPool2d(2)(dg.tensor(ROWS)), ShapeError, r"x\[:, None\]"),
        (
            lambda: F.max_pool2d(dg.ones(1, 1, 2, 2, dtype="int64"), 2),
            DTypeError,
            "holds floats; got int64",
        ),
        (lambda: nn.BatchNorm1d(3)(dg.tensor(IMAGES)), ShapeError, r"\(batch, 3, length\); got"),
        (
            lambda: nn.BatchNorm2d(3)(dg.ones(2, 3, 5, 7, dtype="uint8")),
            DTypeError,
            r"BatchNorm2d: .* got uint8\[2, 3, 5, 7\]. Write x.float\(\)",
        ),
        (lambda: nn.GroupNorm(2, 3), DomainError, "3 channels and 2 groups"),
        (lambda: F.group_norm(ROWS, 2), ShapeError, r"got \(5, 3\) and 2 groups"),
        (lambda: nn.RMSNorm(2)(dg.tensor(ROWS)), ShapeError, r"rms_norm: the input ends with"),
        (lambda: F.local_response_norm(ROWS, 0), DomainError, "got size 0"),
        (lambda: F.local_response_norm(ROWS[0], 2), ShapeError, r"\(batch, channels, ...\)"),
        (lambda: nn.Embedding(0, 2), DomainError, "both sizes are at least 1; got 0 and 2"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), DomainError, "a row of 3; got 3"),
        (lambda: nn.Embedding(3, 2)(dg.tensor([3])), DomainError, "between 0 and 2; got 3 to 3"),
        (lambda: nn.Embedding(3, 2)(dg.tensor([1.0])), DTypeError, r"Write x.to\(dg.int64\)"),
        (lambda: F.embedding(np.array([1]), ROWS[0]), ShapeError, r"\(rows, features\); got"),
        (lambda: F.embedding(np.array([1]), ROWS, 5), DomainError, "table of 5; got 5"),
        (lambda: nn.Dropout2d(0.5)(dg.tensor(ROWS)), ShapeError, r"height, width\); got \(5, 3\)"),
        (lambda: nn.Dropout()(dg.arange(3)), DTypeError, "dropout: the input holds floats"),
        (lambda: nn.Hardtanh(2.0, 1.0)(dg.tensor(ROWS)), DomainError, "min_val is at most max_"),
        (lambda: nn.GELU("sigmoid"), DomainError, "'none' or 'tanh'; got 'sigmoid'"),
        (lambda: F.gelu(ROWS, "erf"), DomainError, "gelu: approximate is"),
        (lambda: nn.PReLU(0), DomainError, "at least one slope; got 0"),
        (lambda: nn.PReLU(2)(dg.tensor(ROWS)), ShapeError, "one for each of the 3 channels"),
        (lambda: nn.CELU(0.0)(dg.tensor(ROWS)), DomainError, "Use relu instead"),
        (lambda: nn.Softplus(0.0)(dg.tensor(ROWS)), DomainError, "beta is not 0"),
        (lambda: F.silu(np.array([1])), DTypeError, r"silu: .* int64\[1\]. Write x.float\(\)"),
        (lambda: nn.Sequential(nn.Linear(2, 2), dg.relu), TypeError, r"Write nn.ReLU\(\)"),
        (lambda: nn.Linear(3, 2)(dg.ones(5, 3).to("int64")), DTypeError, r"Write x.float\(\)"),
    ],
)
def test_misuse_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
