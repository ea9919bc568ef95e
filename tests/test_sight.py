"""What a network sees in an image, beside hand calculation and differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DomainError, ShapeError
from deepglass.explain import feature_maps, grad_cam, kernels, occlusion, overlay, saliency, tiles
from deepglass.models import ResNetCIFAR
from deepglass.nn import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, Module, ReLU, Sequential

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(3, 2, 5, 7))


def network() -> Module:
    dg.manual_seed(1)
    return Sequential(
        Conv2d(2, 4, 3), BatchNorm2d(4), ReLU(), Flatten(), Dropout(0.5), Linear(60, 6)
    ).double()


def scores(model: Module, images: np.ndarray) -> np.ndarray:
    model.eval()
    found = model(dg.Tensor(images)).numpy()
    model.train()
    return found


class TestPixelsThatDecide:
    def test_saliency_is_the_largest_slope_over_channels(self) -> None:
        model, classes, h = network(), [5, 0, 3], 1e-6
        slopes = np.zeros(IMAGES.shape)
        for place in np.ndindex(IMAGES.shape[1:]):
            step = np.zeros(IMAGES.shape)
            step[:, *place] = h
            change = scores(model, IMAGES + step) - scores(model, IMAGES - step)
            slopes[:, *place] = change[np.arange(3), classes] / (2 * h)
        found = saliency(model, IMAGES, classes)
        np.testing.assert_allclose(found, np.abs(slopes).max(axis=1), rtol=1e-6, atol=1e-8)

    def test_cam_weighs_maps_by_their_mean_slopes(self) -> None:
        model = network()
        layer = model.get_submodule("0")
        weight = layer.weight.numpy()
        windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (3, 3), axis=(2, 3))
        maps = np.einsum("ncyxhw,ochw->noyx", windows, weight)
        maps = np.maximum(maps + layer.bias.numpy()[:, None, None], 0) / np.sqrt(1 + 1e-5)
        head = model.get_submodule("5").weight.numpy()
        answers = scores(model, IMAGES).argmax(axis=1)
        slopes = head.reshape(6, 4, 3, 5)[answers].mean(axis=(2, 3))
        cam = np.maximum((slopes[..., None, None] * maps).sum(axis=1), 0)
        found = grad_cam(model, IMAGES)
        assert found.shape == (3, 5, 7)
        down, across = widened(3, 5), widened(5, 7)
        expected = np.einsum("yr,nrc,xc->nyx", down, cam, across)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found, grad_cam(model, IMAGES, answers, "2"))
        assert not np.allclose(found, grad_cam(model, IMAGES, layer="0"))

    def test_occlusion_by_hand(self) -> None:
        def chances(images: np.ndarray) -> np.ndarray:
            found = np.exp(scores(model, images))
            return found / found.sum(axis=1, keepdims=True)

        model, classes = network(), np.array([1, 1, 2])
        rows = np.arange(3), classes
        drops, counts = np.zeros((3, 5, 7)), np.zeros((5, 7))
        for top in (0, 2, 3):  # squares of 2 pixels every 2, and one at the end
            for left in (0, 2, 4, 5):
                hidden = IMAGES.copy()
                hidden[:, :, top : top + 2, left : left + 2] = 0.5
                drop = chances(IMAGES)[rows] - chances(hidden)[rows]
                drops[:, top : top + 2, left : left + 2] += drop[:, None, None]
                counts[top : top + 2, left : left + 2] += 1
        found = occlusion(model, IMAGES, classes, size=2, stride=2, value=0.5)
        np.testing.assert_allclose(found, drops / counts, rtol=1e-5, atol=1e-7)
        assert occlusion(model, IMAGES[:1]).shape == (1, 5, 7)

    def test_the_network_stays_as_it_was(self) -> None:
        model = network()
        model.get_submodule("1").eval()
        before = {k: v.copy() for k, v in model.state_dict().items()}
        modes = [m.training for m in model.modules()]
        for ask in (saliency, grad_cam, occlusion, feature_maps):
            ask(model, IMAGES)
        assert modes == [m.training for m in model.modules()]
        assert next(type(m) for m in model.children()) is Conv2d
        assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
        assert all(p.grad is None for p in model.parameters())

    def test_weights_may_be_frozen(self) -> None:
        model = network()
        expected = saliency(model, IMAGES)
        for p in model.parameters():
            p.requires_grad_(False)
        np.testing.assert_array_equal(saliency(model, IMAGES), expected)


def widened(before: int, after: int) -> np.ndarray:
    """Linear interpolation between pixel centres, as a matrix."""
    places = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(before)))


class TestKernelsAndMaps:
    def test_kernels_are_the_first_weights(self) -> None:
        model = network()
        assert np.array_equal(kernels(model), model.get_submodule("0").weight.numpy())
        flat = Sequential(Flatten(), Linear(70, 3))
        expected = flat.get_submodule("1").weight.numpy().reshape(3, 2, 5, 7)
        assert np.array_equal(kernels(flat, (2, 5, 7)), expected)

    def test_maps_are_what_convolutions_make(self) -> None:
        model = network()
        (path,) = found = feature_maps(model, IMAGES)
        assert path == "0"
        expected = model.get_submodule("0")(dg.Tensor(IMAGES)).numpy()
        np.testing.assert_allclose(found["0"], expected, rtol=1e-12)


class TestTiles:
    def test_each_tile_has_its_own_range_and_white_between(self) -> None:
        values = np.array([[[[0.0, 2.0]], [[5.0, 4.0]]], [[[7.0, 7.0]], [[-1.0, 0.0]]]])
        found = tiles(values, columns=3)  # two maps of two channels: four tiles
        assert found.shape == (1, 3, 8)
        assert found[0, 0].tolist() == [0, 255, 255, 255, 0, 255, 0, 0]
        assert found[0, 1].tolist() == [255] * 8
        assert found[0, 2].tolist() == [0, 255, *[255] * 6]

    def test_colours_and_enlarging(self) -> None:
        values = np.arange(12.0).reshape(1, 3, 2, 2)
        found = tiles(values, side=5)
        assert found.shape == (3, 6, 6)
        assert (found[:, ::3, ::3] == np.rint(255 * values[0] / 11)).all()
        assert (found[:, :3, :3] == found[:, :1, :1]).all()

    def test_heat_is_brightest_where_it_is_hottest(self) -> None:
        image = np.full((3, 1, 3), 100, np.uint8)
        found = overlay(image, np.array([[-2.0, 0.5, 1.0]]))
        assert found.shape == (3, 1, 3)
        assert found[:, 0, 0].tolist() == [75, 75, 76]  # a quarter of (0, 0, 4)
        assert (
            found[:, 0, 1].tolist() == np.rint(0.45 * 100 + 0.55 * np.array([188, 55, 84])).tolist()
        )
        assert (
            found[:, 0, 2].tolist()
            == np.rint(0.15 * 100 + 0.85 * np.array([252, 255, 164])).tolist()
        )
        same = overlay(image[:1] / np.float32(255), np.zeros((1, 3)))
        assert same[:, 0, 0].tolist() == [75, 75, 76]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: grad_cam(m, IMAGES, layer="7"),
            "feature maps, here 0, 1, 2, 3; got '7'. Use saliency",
        ),
        (lambda m: saliency(m, IMAGES, [0, 1]), r"one class from 0 to 5 .* 3 images; got \[0, 1\]"),
        (lambda m: grad_cam(m, IMAGES, [0, 1, 6]), r"from 0 to 5 .* got \[0, 1, 6\]"),
        (lambda m: occlusion(m, IMAGES, [0, 1, -1]), r"occlusion: one class .* -1\]"),
        (lambda m: occlusion(m, IMAGES, size=6), "size is between 1 and 5 pixels"),
        (lambda m: occlusion(m, IMAGES, stride=-1), "stride at least 1; got 1 and -1"),
        (lambda m: kernels(m.get_submodule("5")), "got Linear of 60 inputs and images of"),
        (lambda m: kernels(m.get_submodule("2")), "got none and images"),
    ],
)
def test_misuses(call: Any, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        call(network())


def test_images_as_the_network_reads_them() -> None:
    with pytest.raises(ShapeError, match=r"floats of \(count.*got uint8\[2, 5, 7\]"):
        saliency(network(), np.zeros((2, 5, 7), np.uint8))
    with pytest.raises(DomainError, match="here none; got 'no layer'"):
        grad_cam(Sequential(Flatten(), Linear(70, 3)).double(), IMAGES)


def test_the_maps_before_the_mean_are_taken_of_a_residual_network() -> None:
    dg.manual_seed(2)
    model = ResNetCIFAR(8, 5, channels=2).double()
    images = RNG.normal(size=(2, 2, 12, 8))
    found = grad_cam(model, images, [4, 1])
    np.testing.assert_array_equal(found, grad_cam(model, images, [4, 1], "layer3"))
    model.eval()
    x = dg.Tensor(images)
    last = model.layer3(model.layer2(model.layer1(model.relu(model.bn1(model.conv1(x)))))).numpy()
    slopes = model.fc.weight.numpy()[[4, 1]][..., None, None] / (3 * 2)  # each pixel of a mean
    cam = np.maximum((slopes * last).sum(axis=1), 0)
    expected = np.einsum("yr,nrc,xc->nyx", widened(3, 12), cam, widened(2, 8))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
