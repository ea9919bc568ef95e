"""Convolution and pooling: values by hand, arguments, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DomainError, DTypeError, ShapeError
from deepglass.nn import functional as F
from deepglass.ops.window import Window, fold_windows, sliding, view_windows
from deepglass.testing import assert_close

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((2, 3, 5, 7)).astype(np.float32)
SIGNALS = RNG.standard_normal((2, 3, 7)).astype(np.float32)


# Windows --------------------------------------------------------------------------------


def test_windows_in_numpy() -> None:
    """[1 2 3 4 5] under windows of two taps, two apart, that step by three from one before."""
    window = (Window(5, 2, 2, stride=3, before=1, dilation=2),)
    view = view_windows(np.arange(1.0, 6.0), window, value=-1)
    assert view.tolist() == [[-1.0, 3.0], [2.0, 5.0]]  # taps, then places
    assert fold_windows(view, window).tolist() == [0.0, 2.0, 3.0, 0.0, 5.0]


def test_a_view_of_whole_windows_copies_nothing() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert np.shares_memory(view_windows(x, (Window(4, 2, 2, stride=2),)), x)


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "padding", "ceil_mode", "count"),
    [(7, 3, 2, 0, False, 3), (7, 2, 2, 0, False, 3), (7, 2, 2, 0, True, 4), (6, 2, 2, 0, True, 3),
     (5, 3, 4, 1, True, 2), (3, 2, 4, 1, True, 1), (1, 2, 2, 0, True, 1)],
)  # fmt: skip
def test_how_many_windows_there_are(
    length: int, kernel: int, stride: int, padding: int, ceil_mode: bool, count: int
) -> None:
    """With ceil_mode none starts in the padding at the end."""
    around = [(padding, padding)]
    (window,) = sliding("test", (length,), (kernel,), (stride,), (1,), around, ceil_mode)
    assert window.count == count


# Convolution ----------------------------------------------------------------------------


def test_conv2d_by_hand() -> None:
    """A kernel that subtracts the pixel on the left shows vertical edges."""
    image = dg.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 2.0]]]])
    kernel = dg.tensor([[[[-1.0, 1.0]]]])
    assert F.conv2d(image, kernel).tolist() == [[[[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]]]
    padded = F.conv2d(image, kernel, padding=(0, 1))
    assert padded.tolist() == [[[[0.0, 0.0, 1.0, 0.0, -1.0], [0.0, 0.0, 0.0, 2.0, -2.0]]]]
    strided = F.conv2d(image, kernel, dg.tensor([100.0]), stride=(1, 2), padding=(0, 1))
    assert strided.tolist() == [[[[100.0, 101.0, 99.0], [100.0, 100.0, 98.0]]]]


def test_conv1d_by_hand() -> None:
    signal = dg.tensor([[[1.0, 2.0, 4.0, 8.0]]])
    difference = dg.tensor([[[-1.0, 1.0]]])
    assert F.conv1d(signal, difference).tolist() == [[[1.0, 2.0, 4.0]]]
    assert F.conv1d(signal, difference, dilation=2).tolist() == [[[3.0, 6.0]]]
    assert F.conv1d(signal, difference, padding="same").tolist() == [[[1.0, 2.0, 4.0, -8.0]]]
    assert F.conv1d(signal, difference, padding="valid", stride=2).tolist() == [[[1.0, 4.0]]]


def test_groups_see_their_own_channels() -> None:
    signal = dg.tensor([[[1.0, 2.0], [10.0, 20.0]]])
    weight = dg.tensor([[[1.0]], [[3.0]], [[1.0]], [[5.0]]])
    expected = [[[1.0, 2.0], [3.0, 6.0], [10.0, 20.0], [50.0, 100.0]]]
    assert F.conv1d(signal, weight, groups=2).tolist() == expected


def test_conv_transpose_by_hand() -> None:
    signal, kernel = dg.tensor([[[1.0, 2.0]]]), dg.tensor([[[1.0, 10.0, 100.0]]])
    assert F.conv_transpose1d(signal, kernel).tolist() == [[[1.0, 12.0, 120.0, 200.0]]]
    assert F.conv_transpose1d(signal, kernel, padding=1).tolist() == [[[12.0, 120.0]]]
    strided = F.conv_transpose1d(signal, kernel, stride=3, output_padding=1)
    assert strided.tolist() == [[[1.0, 10.0, 100.0, 2.0, 20.0, 200.0, 0.0]]]
    dilated = F.conv_transpose1d(signal, kernel, dg.tensor([0.5]), dilation=2)
    assert dilated.tolist() == [[[1.5, 2.5, 10.5, 20.5, 100.5, 200.5]]]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_transposed_convolution_is_the_gradient_of_a_convolution(stride: int) -> None:
    w = dg.tensor(RNG.standard_normal((4, 3, 2, 3)))
    x = dg.tensor(IMAGES.astype("f8"), requires_grad=True)
    y = F.conv2d(x, w, stride=stride, padding=1)
    g = RNG.standard_normal(y.shape)
    y.backward(gradient=g)
    rest = [(n + 2 - k) % stride for n, k in zip((5, 7), (2, 3), strict=True)]
    spread = F.conv_transpose2d(g, w, stride=stride, padding=1, output_padding=rest)
    assert_close("gradient", x.grad, spread.numpy())


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.conv2d(x, np.ones((4, 3, 2, 2), "f4"), np.ones(4, "f4")),
        lambda x: F.conv_transpose2d(x, np.ones((3, 4, 2, 2), "f4"), np.ones(4, "f4")),
        lambda x: F.max_pool2d(x, 2, padding=1),
        lambda x: F.avg_pool2d(x, 2, padding=1),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: F.adaptive_max_pool2d(x, 2),
        lambda x: F.unfold(x, 3),
        lambda x: F.fold(F.unfold(x, 3), (5, 7), 3),
    ],
)
def test_one_image_without_a_batch(call: Any) -> None:
    one, several = call(IMAGES[0]), call(IMAGES)
    assert one.shape == several.shape[1:]
    assert_close("image", one, several[0].numpy())


def test_a_batch_of_none() -> None:
    w = dg.Parameter(np.ones((4, 3, 2, 2), "f4"))
    y = F.max_pool2d(F.conv2d(IMAGES[:0], w), 2)
    assert y.shape == (0, 4, 2, 3)
    y.sum().backward()
    assert w.grad is not None
    assert not w.grad.numpy().any()


# Pooling --------------------------------------------------------------------------------


def test_max_pool2d_by_hand() -> None:
    image = dg.tensor([[[[1.0, 5.0, 2.0], [-3.0, 4.0, 8.0], [0.0, -1.0, 7.0]]]])
    assert F.max_pool2d(image, 2).tolist() == [[[[5.0]]]]
    assert F.max_pool2d(image, 2, 1).tolist() == [[[[5.0, 8.0], [4.0, 8.0]]]]
    assert F.max_pool2d(-image, 2, 2, 1).tolist() == [[[[-1.0, -2.0], [3.0, 1.0]]]]
    assert F.max_pool2d(image, 2, ceil_mode=True).tolist() == [[[[5.0, 8.0], [0.0, 7.0]]]]
    assert F.max_pool2d(image, 2, dilation=2).tolist() == [[[[7.0]]]]


def test_indices_of_the_largest() -> None:
    """The first of equal pixels, counted row by row through the image, not the window."""
    image = dg.tensor([[[1.0, 5.0, 2.0, 9.0], [5.0, 4.0, 9.0, 8.0]]])
    values, indices = F.max_pool2d(image, 2, return_indices=True)
    assert values.tolist() == [[[5.0, 9.0]]]
    assert indices.tolist() == [[[1, 3]]]
    padded = F.max_pool1d(dg.tensor([[3.0, 1.0, 2.0]]), 2, padding=1, return_indices=True)
    assert padded.indices.tolist() == [[0, 2]]
    assert padded.indices.dtype is dg.int64


def test_nan_wins_max_pooling(backend: str) -> None:
    x = np.array([[1.0, np.nan, 7.0, 2.0, 3.0, np.nan]], np.float32)
    pool = dg.compile(lambda x: F.max_pool1d(x, 2))
    expected = np.array([[np.nan, 7.0, np.nan]], np.float32)
    assert_close("eager", F.max_pool1d(x, 2), expected)
    assert_close("compiled", pool(x), expected)


def test_max_pool2d_of_a_window_of_minus_infinity(backend: str) -> None:
    """No pixel of the border, nor of the other side of the image, takes its place."""
    image = np.full((1, 1, 4, 4), -np.inf, np.float32)
    image[0, 0, 3, 3] = 5.0
    pool = dg.compile(lambda x: F.max_pool2d(x, 2, 2, 1))
    expected = np.full((1, 1, 3, 3), -np.inf, np.float32)
    expected[0, 0, 2, 2] = 5.0
    assert_close("eager", F.max_pool2d(dg.tensor(image), 2, 2, 1), expected)
    assert_close("compiled", pool(image), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [3, 5, 8, 9, 17])
def test_the_last_vector_of_a_map_may_have_one_lane(width: int, dtype: str, backend: str) -> None:
    """Machine code once read half a vector that a mask leaves out."""
    x = RNG.standard_normal((3, 8, 4, width)).astype(dtype)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    largest = windows.max((-2, -1))
    taken = [
        (padded[:, :, i : i + 4, j : j + width] == largest) for i in range(3) for j in range(3)
    ]
    slope = np.zeros_like(padded)
    for tap, chosen in enumerate(taken):
        slope[:, :, tap // 3 : tap // 3 + 4, tap % 3 : tap % 3 + width] += 2 * largest * chosen
    step = dg.compile(
        lambda x: dg.value_and_grad(lambda x: F.max_pool2d(x, 3, 1, 1).square().sum())(x)
    )
    value, gradient = step(x)
    assert_close("gradient", gradient.numpy(), slope[:, :, 1:-1, 1:-1])
    assert value.item() == pytest.approx(float((largest.astype(float) ** 2).sum()), rel=1e-5)


def test_avg_pooling_by_hand() -> None:
    image = dg.tensor([[[1.0, 5.0, 3.0], [2.0, 4.0, 7.0]]])
    assert F.avg_pool2d(image, 2).tolist() == [[[3.0]]]
    assert F.avg_pool2d(image, 2, 1).tolist() == [[[3.0, 4.75]]]
    assert F.avg_pool2d(image, 2, 2, ceil_mode=True).tolist() == [[[3.0, 5.0]]]
    assert F.avg_pool2d(image, 2, divisor_override=1).tolist() == [[[12.0]]]
    signal = dg.tensor([[4.0, 8.0, 2.0]])
    assert F.avg_pool1d(signal, 2, 2, 1).tolist() == [[2.0, 5.0]]
    assert F.avg_pool1d(signal, 2, 2, 1, count_include_pad=False).tolist() == [[4.0, 5.0]]


def test_adaptive_pooling_by_hand() -> None:
    """Three parts of five elements are 0 to 1, 1 to 3 and 3 to 4."""
    signal = dg.tensor([[1.0, 3.0, 5.0, 6.0, 2.0]])
    assert_close("mean", F.adaptive_avg_pool1d(signal, 3), np.float32([[2, 14 / 3, 4]]))
    values, indices = F.adaptive_max_pool1d(signal, 3, return_indices=True)
    assert values.tolist() == [[3.0, 6.0, 6.0]]
    assert indices.tolist() == [[1, 3, 3]]
    image = dg.tensor([[[1.0, 5.0], [2.0, 4.0]]])
    assert F.adaptive_avg_pool2d(image, 1).tolist() == [[[3.0]]]
    assert F.adaptive_avg_pool2d(image, (None, 1)).tolist() == [[[3.0], [3.0]]]
    assert F.adaptive_max_pool2d(image, (1, None)).tolist() == [[[2.0, 5.0]]]


def test_the_gradient_of_a_maximum_in_two_parts_is_added() -> None:
    x = dg.tensor([[1.0, 9.0, 2.0]], requires_grad=True)
    F.adaptive_max_pool1d(x, 2).sum().backward()
    assert x.grad.tolist() == [[0.0, 2.0, 0.0]]


def test_infinity_stays_in_its_own_part(backend: str) -> None:
    """No weight of zero makes NaN of it next door."""
    x = np.array([[[1.0, 2.0, 3.0, 4.0, np.inf]]], np.float32)
    mean = dg.compile(lambda x: F.adaptive_avg_pool1d(x, 3))
    assert_close("mean", mean(x), np.float32([[[1.5, 3, np.inf]]]))
    line = dg.compile(lambda x: F.interpolate(x, 9, mode="linear", align_corners=True))
    assert_close("line", line(x)[0, 0, :7], np.float32([1, 1.5, 2, 2.5, 3, 3.5, 4]))


def test_unfold_and_fold_by_hand() -> None:
    image = dg.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    columns = F.unfold(image, 2)
    assert columns.tolist() == [[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]
    assert F.fold(columns, (2, 3), 2).tolist() == [[[1.0, 4.0, 3.0], [4.0, 10.0, 6.0]]]


# Interpolation --------------------------------------------------------------------------


def test_interpolate_by_hand() -> None:
    image = dg.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    twice = F.interpolate(image, scale_factor=(1, 2))
    assert twice.tolist() == [[[[1.0, 1.0, 3.0, 3.0], [5.0, 5.0, 7.0, 7.0]]]]
    assert F.interpolate(image, 1, mode="bilinear").tolist() == [[[[4.0]]]]
    corners = F.interpolate(image, 3, mode="bilinear", align_corners=True)
    assert corners.tolist() == [[[[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [5.0, 6.0, 7.0]]]]
    signal = dg.tensor([[[0.0, 4.0]]])
    assert F.interpolate(signal, 4, mode="linear").tolist() == [[[0.0, 1.0, 3.0, 4.0]]]
    assert F.interpolate(signal, 1, mode="area").tolist() == [[[2.0]]]


# What is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.conv2d(IMAGES, np.ones((4, 2, 3, 3), "f4")),
            ShapeError,
            r"conv2d: weights are \(out_channels, in_channels / groups, kernel height, kernel "
            r"width\) .* got images \(2, 3, 5, 7\), weights \(4, 2, 3, 3\) and groups 1",
        ),
        (
            lambda: F.conv_transpose1d(SIGNALS, np.ones((2, 4, 3), "f4")),
            ShapeError,
            r"conv_transpose1d: weights are \(in_channels, out_channels / groups, kernel length\)",
        ),
        (lambda: F.conv2d(IMAGES[0, 0], np.ones((4, 3, 3, 3), "f4")), ShapeError, r"x\[:, None\]"),
        (lambda: F.conv1d(SIGNALS, np.ones((4, 3), "f4")), ShapeError, "kernel length"),
        (
            lambda: F.conv1d(SIGNALS, np.ones((4, 3, 3), "f4"), groups=2),
            ShapeError,
            "divide the channels; got 2 groups for 3",
        ),
        (
            lambda: F.conv1d(SIGNALS, np.ones((4, 3, 5), "f4"), dilation=2),
            ShapeError,
            r"fits into the padded input; got a window of \(5,\) with dilation \(2,\) for \(7,\)",
        ),
        (
            lambda: F.conv1d(SIGNALS, np.ones((4, 3, 3), "f4"), np.ones(3, "f4")),
            ShapeError,
            r"the bias is \(out_channels,\); got \(3,\) for 4",
        ),
        (
            lambda: F.conv1d(SIGNALS, np.ones((4, 3, 3), "f4"), padding="same", stride=2),
            ShapeError,
            "Give the padding as numbers",
        ),
        (
            lambda: F.conv1d(SIGNALS, np.ones((4, 3, 3), "f4"), padding="some"),
            ShapeError,
            '"same" or "valid"; got \'some\'',
        ),
        (
            lambda: F.conv1d(SIGNALS, np.ones((4, 3, 3), "f4"), padding=-1),
            ShapeError,
            "conv1d: padding is one whole number >= 0; got -1",
        ),
        (
            lambda: F.conv1d(SIGNALS.astype("i8"), np.ones((4, 3, 3), "i8")),
            DTypeError,
            "conv1d: the input holds floats; got int64",
        ),
        (
            lambda: F.conv_transpose1d(SIGNALS, np.ones((3, 4, 2), "f4"), padding=4),
            ShapeError,
            "Take a smaller padding",
        ),
        (
            lambda: F.conv_transpose1d(SIGNALS, np.ones((3, 4, 2), "f4"), 2, 2, output_padding=2),
            ShapeError,
            r"less than the stride or the dilation; got \(2,\) with stride \(2,\)",
        ),
        (lambda: F.max_pool2d(IMAGES, (2, 2, 2)), ShapeError, "kernel_size is one whole number"),
        (lambda: F.max_pool2d(IMAGES, 2, stride=0), ShapeError, "stride is one whole number >= 1"),
        (lambda: F.max_pool2d(IMAGES, 2, padding=2), ShapeError, "at most half the window"),
        (lambda: F.max_pool1d(SIGNALS, 8), ShapeError, "fits into the padded input"),
        (lambda: F.max_pool1d(IMAGES, 2), ShapeError, r"\(batch, channels, length\)"),
        (lambda: F.max_pool1d(SIGNALS.astype("i8"), 2), DTypeError, "holds floats; got int64"),
        (lambda: F.avg_pool1d(SIGNALS, 3, padding=2), ShapeError, "at most half the window"),
        (lambda: F.avg_pool2d(IMAGES, 2, divisor_override=0), DomainError, "is not 0; got 0"),
        (lambda: F.avg_pool1d(SIGNALS.astype("i8"), 2), DTypeError, "holds floats; got int64"),
        (
            lambda: F.adaptive_avg_pool2d(IMAGES, (1, 2, 3)),
            ShapeError,
            "adaptive_avg_pool2d: output_size is one whole number >= 0, or 2 of them",
        ),
        (
            lambda: F.adaptive_avg_pool1d(SIGNALS[:, :, :0], 2),
            ShapeError,
            r"got \(0,\) to become \(2,\)",
        ),
        (lambda: F.adaptive_max_pool2d(IMAGES, (2, 0)), ShapeError, "Choose a larger size"),
        (lambda: F.adaptive_max_pool1d(IMAGES, 2), ShapeError, r"\(batch, channels, length\)"),
        (lambda: F.unfold(IMAGES[0, 0], 2), ShapeError, r"unfold: the input is .* got \(5, 7\)"),
        (lambda: F.unfold(IMAGES, 9), ShapeError, "fits into the padded input"),
        (
            lambda: F.fold(np.ones((2, 12, 5), "f4"), 4, 2),
            ShapeError,
            r"\(batch, channels \* 4, 9\) for images of \(4, 4\) .* got \(2, 12, 5\)",
        ),
        (lambda: F.fold(np.ones((2, 13, 9), "f4"), 4, 2), ShapeError, "Check the output_size"),
        (lambda: F.interpolate(IMAGES[0, 0], 2), ShapeError, r"x\[None\]"),
        (
            lambda: F.interpolate(IMAGES, 2, mode="linear"),
            DomainError,
            'one of "nearest", "bilinear", "area"; got \'linear\'',
        ),
        (lambda: F.interpolate(IMAGES), DomainError, "either size or scale_factor"),
        (lambda: F.interpolate(IMAGES, 2, align_corners=True), DomainError, "linear modes"),
        (lambda: F.interpolate(IMAGES, scale_factor=0.1), ShapeError, "Choose a larger size"),
        (lambda: F.interpolate(IMAGES, scale_factor=(2, -1)), DomainError, "positive number"),
    ],
)
def test_misuse_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
