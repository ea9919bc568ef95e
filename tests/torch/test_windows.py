"""Convolution and pooling beside PyTorch, with arguments drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracle_cases as cases
import pytest
import torch
from torch.nn import functional as theirs

import deepglass as dg
from deepglass import nn
from deepglass.errors import ShapeError
from deepglass.nn import functional as ours

DRAWS = 40


def compare(name: str, arrays: list[np.ndarray], *args: Any, **keywords: Any) -> None:
    """Values and gradients of a function of both libraries; or both of them refuse."""
    xs = [dg.tensor(a, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    what = f"{name} of {[a.shape for a in arrays]} with {args}, {keywords}"
    try:
        expected = getattr(theirs, name)(*ts, *args, **keywords)
    except (RuntimeError, ValueError):
        with pytest.raises(ShapeError):
            getattr(ours, name)(*xs, *args, **keywords)
        return
    got = getattr(ours, name)(*xs, *args, **keywords)
    cotangent = np.random.default_rng(1).uniform(-1, 1, tuple(expected.shape))
    assert got.shape == tuple(expected.shape), what
    got.backward(gradient=cotangent)
    expected.backward(torch.tensor(cotangent))
    answers = [(got, expected.detach()), *((x.grad, t.grad) for x, t in zip(xs, ts, strict=True))]
    for mine, other in answers:
        assert cases.relative_difference(mine.numpy(), other.numpy()) < 1e-12, what


def some(rng: np.random.Generator, axes: int, low: int, high: int) -> Any:
    """One number for all axes, or one for each."""
    values = [int(n) for n in rng.integers(low, high + 1, axes)]
    return values[0] if rng.random() < 0.3 else tuple(values)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("axes", [1, 2])
def test_convolutions(axes: int) -> None:
    rng = np.random.default_rng(axes)
    for _ in range(DRAWS):
        groups = int(rng.integers(1, 4))
        channels, out = groups * rng.integers(1, 3, 2)
        lengths = tuple(int(n) for n in rng.integers(3, 9, axes))
        kernel = tuple(int(n) for n in rng.integers(1, 5, axes))
        batch = () if rng.random() < 0.2 else (2,)
        x = rng.uniform(-1, 1, (*batch, channels, *lengths))
        w = rng.uniform(-1, 1, (out, channels // groups, *kernel))
        stride, dilation = some(rng, axes, 1, 3), some(rng, axes, 1, 2)
        padding = some(rng, axes, 0, 2)
        if rng.random() < 0.2:
            stride, padding = 1, "same"
        arguments = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        bias = [rng.uniform(-1, 1, out)] if rng.random() < 0.5 else []
        compare(f"conv{axes}d", [x, w, *bias], **arguments)


@pytest.mark.parametrize("axes", [1, 2])
def test_transposed_convolutions(axes: int) -> None:
    rng = np.random.default_rng(axes)
    for _ in range(DRAWS):
        groups = int(rng.integers(1, 4))
        channels, out = groups * rng.integers(1, 3, 2)
        lengths = tuple(int(n) for n in rng.integers(1, 6, axes))
        kernel = tuple(int(n) for n in rng.integers(1, 5, axes))
        batch = () if rng.random() < 0.2 else (2,)
        x = rng.uniform(-1, 1, (*batch, channels, *lengths))
        w = rng.uniform(-1, 1, (channels, out // groups, *kernel))
        bias = [rng.uniform(-1, 1, out)] if rng.random() < 0.5 else []
        compare(
            f"conv_transpose{axes}d",
            [x, w, *bias],
            stride=some(rng, axes, 1, 3),
            padding=some(rng, axes, 0, 2),
            output_padding=some(rng, axes, 0, 1),
            groups=groups,
            dilation=some(rng, axes, 1, 2),
        )


def pooled(rng: np.random.Generator, axes: int) -> np.ndarray:
    """Images with ties."""
    batch = () if rng.random() < 0.2 else (2,)
    return rng.integers(-3, 4, (*batch, 3, *rng.integers(3, 9, axes))) / 2


@pytest.mark.parametrize("axes", [1, 2])
def test_max_pooling(axes: int) -> None:
    rng = np.random.default_rng(axes)
    for _ in range(DRAWS):
        x = pooled(rng, axes)
        arguments = {
            "kernel_size": some(rng, axes, 1, 4),
            "stride": None if rng.random() < 0.3 else some(rng, axes, 1, 3),
            "padding": some(rng, axes, 0, axes),  # max_pool1d looks at the kernel undilated
            "dilation": some(rng, axes, 1, 2),
            "ceil_mode": bool(rng.random() < 0.5),
        }
        name = f"max_pool{axes}d"
        compare(name, [x], **arguments)
        try:
            _, places = getattr(theirs, name)(torch.tensor(x), **arguments, return_indices=True)
        except RuntimeError:
            continue
        _, found = getattr(ours, name)(dg.tensor(x), **arguments, return_indices=True)
        assert np.array_equal(found.numpy(), places.numpy())


@pytest.mark.parametrize("axes", [1, 2])
def test_average_pooling(axes: int) -> None:
    rng = np.random.default_rng(axes)
    for _ in range(DRAWS):
        arguments = {
            "kernel_size": some(rng, axes, 1, 4),
            "stride": None if rng.random() < 0.3 else some(rng, axes, 1, 3),
            "padding": some(rng, axes, 0, 2),
            "ceil_mode": bool(rng.random() < 0.5),
            "count_include_pad": bool(rng.random() < 0.5),
        }
        if axes == 2 and rng.random() < 0.2:
            arguments["divisor_override"] = int(rng.integers(1, 5))
        compare(f"avg_pool{axes}d", [pooled(rng, axes)], **arguments)


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("axes", [1, 2])
def test_adaptive_pooling(axes: int, kind: str) -> None:
    rng = np.random.default_rng(axes)
    for _ in range(DRAWS):
        x = pooled(rng, axes)
        size = some(rng, axes, 1, 9)
        if axes == 2 and rng.random() < 0.2:
            size = (None, 2)
        compare(f"adaptive_{kind}_pool{axes}d", [x], size)
        if kind == "max":
            name = f"adaptive_max_pool{axes}d"
            _, places = getattr(theirs, name)(torch.tensor(x), size, return_indices=True)
            _, found = getattr(ours, name)(dg.tensor(x), size, return_indices=True)
            assert np.array_equal(found.numpy(), places.numpy())


def test_unfolding() -> None:
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        settings = {
            "kernel_size": some(rng, 2, 1, 4),
            "dilation": some(rng, 2, 1, 2),
            "padding": some(rng, 2, 0, 2),
            "stride": some(rng, 2, 1, 3),
        }
        x = pooled(rng, 2)
        compare("unfold", [x], **settings)
        try:
            columns = theirs.unfold(torch.tensor(x), **settings)
        except RuntimeError:
            continue
        compare("fold", [rng.uniform(-1, 1, columns.shape)], x.shape[-2:], **settings)


@pytest.mark.parametrize("mode", ["nearest", "linear", "bilinear", "area"])
def test_interpolation(mode: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        # PyTorch's "nearest" of a signal that keeps its length has another gradient than its own
        axes = {"linear": 1, "area": int(rng.integers(1, 3))}.get(mode, 2)
        x = rng.uniform(-1, 1, (2, 3, *rng.integers(1, 9, axes)))
        if rng.random() < 0.5:
            arguments = {"size": some(rng, axes, 1, 12)}
        else:
            factors = [float(f) for f in rng.uniform(0.3, 3, axes)]
            arguments = {"scale_factor": factors[0] if rng.random() < 0.5 else factors}
        if "linear" in mode:
            arguments["align_corners"] = bool(rng.random() < 0.5)
        compare("interpolate", [x], mode=mode, **arguments)


def test_the_nearest_element_is_the_same() -> None:
    """Where a product of floats falls on a border between two elements, too."""
    for n in range(1, 40):
        x = np.arange(n, dtype="f4")[None, None, None]
        for m in (*range(1, 60, 3), 97, 128, 200, 333):
            expected = theirs.interpolate(torch.tensor(x), (1, m))
            assert np.array_equal(ours.interpolate(x, (1, m)).numpy(), expected.numpy())
        for f in (0.3, 0.7, 1.1, 1.5, 2.3, 3.0):
            if int(n * f):
                expected = theirs.interpolate(torch.tensor(x), None, (1.0, f))
                assert np.array_equal(ours.interpolate(x, None, (1.0, f)).numpy(), expected.numpy())


LAYERS: list[Callable[[Any], Any]] = [
    lambda nn: nn.Conv1d(4, 6, 3),
    lambda nn: nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False),
    lambda nn: nn.Conv2d(4, 6, (3, 2)),
    lambda nn: nn.Conv2d(4, 6, 3, 1, "same", (1, 2), 2, bias=False, padding_mode="zeros"),
    lambda nn: nn.ConvTranspose1d(4, 6, 3),
    lambda nn: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, False, 2),
    lambda nn: nn.ConvTranspose2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 0)),
    lambda nn: nn.MaxPool1d(2),
    lambda nn: nn.MaxPool2d((3, 2), 2, 1, 2, False, True),
    lambda nn: nn.AvgPool1d(3, 2, 1, True, False),
    lambda nn: nn.AvgPool2d((3, 2), 2, 1, True, False, 3),
    lambda nn: nn.AdaptiveAvgPool1d(3),
    lambda nn: nn.AdaptiveAvgPool2d((None, 2)),
    lambda nn: nn.AdaptiveMaxPool1d(3),
    lambda nn: nn.AdaptiveMaxPool2d(2, False),
    lambda nn: nn.Upsample((5, 7)),
    lambda nn: nn.Upsample(None, 2, "bilinear", True),
    lambda nn: nn.Upsample(scale_factor=(2, 1.5), mode="bilinear"),
]


@pytest.mark.parametrize("make", LAYERS, ids=lambda make: repr(make(torch.nn)))
def test_a_layer_is_built_and_shown_as_pytorchs(make: Callable[[Any], Any]) -> None:
    mine, other = make(nn), make(torch.nn)
    assert repr(mine) == repr(other)
    shapes = {k: v.shape for k, v in mine.state_dict().items()}
    assert shapes == {k: tuple(v.shape) for k, v in other.state_dict().items()}
    for key, value in mine.state_dict().items():
        bound = other.state_dict()[key].abs().max().item()
        assert 0.5 * bound < np.abs(value).max() < 2 * bound
