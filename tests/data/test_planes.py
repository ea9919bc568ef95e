"""Toy planes against scikit-learn's and against their geometry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sklearn.datasets

import deepglass as dg
from deepglass.data import (
    TensorDataset,
    make_blobs,
    make_checkerboard,
    make_circles,
    make_moons,
    make_spirals,
    make_xor,
)
from deepglass.errors import DataError

PLANES = [make_moons, make_circles, make_blobs, make_spirals, make_xor, make_checkerboard]


@pytest.mark.parametrize("samples", [8, 31])
def test_moons_and_circles_are_those_of_scikit_learn(samples: int) -> None:
    for ours, theirs in (
        (make_moons(samples, 0), sklearn.datasets.make_moons(samples, shuffle=False)),
        (
            make_circles(samples, 0, 0.3),
            sklearn.datasets.make_circles(samples, shuffle=False, factor=0.3),
        ),
    ):
        np.testing.assert_allclose(ours.tensors[0], theirs[0], atol=1e-6)
        assert np.array_equal(ours.tensors[1], theirs[1])


@pytest.mark.parametrize("make", PLANES)
def test_a_seed_decides_every_bit(make: Callable[..., TensorDataset]) -> None:
    def points(seed: int) -> np.ndarray:
        return make(50, noise=0.1, generator=dg.Generator(seed)).tensors[0]

    assert np.array_equal(points(3), points(3))
    assert not np.array_equal(points(3), points(4))


@pytest.mark.parametrize("make", PLANES)
def test_form(make: Callable[..., TensorDataset]) -> None:
    points, labels = make(31).tensors
    assert (points.shape, points.dtype) == ((31, 2), np.float32)
    assert (labels.shape, labels.dtype) == ((31,), np.int64)
    assert labels.min() == 0


def test_noise_is_normal_with_that_deviation() -> None:
    clean, noisy = make_moons(20000, 0), make_moons(20000, 0.3)
    shift = (noisy.tensors[0] - clean.tensors[0]) / 0.3
    assert abs(shift.mean()) < 0.02
    assert abs(shift.std() - 1) < 0.02
    assert abs((shift**4).mean() - 3) < 0.1  # the kurtosis of a normal distribution
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.02


def test_blobs_stand_on_a_circle() -> None:
    points, labels = make_blobs(4000, noise=0.5, classes=4).tensors
    centres = np.stack([points[labels == n].mean(axis=0) for n in range(4)])
    np.testing.assert_allclose(centres, [[4, 0], [0, 4], [-4, 0], [0, -4]], atol=0.1)
    assert np.bincount(make_blobs(11).tensors[1]).tolist() == [4, 4, 3]


def test_spirals_turn() -> None:
    points, labels = make_spirals(100, 0, turns=2, classes=2).tensors
    radius = np.hypot(*points.T)
    np.testing.assert_allclose(radius[labels == 0], (np.arange(50) + 0.5) / 50, atol=1e-6)
    angle = np.unwrap(np.arctan2(points[:50, 1], points[:50, 0]))
    np.testing.assert_allclose((angle[-1] - angle[0]) / (2 * np.pi), 2 * 49 / 50, atol=1e-5)
    np.testing.assert_allclose(points[:50], -points[50:], atol=1e-6)  # the arms face each other


def test_xor_and_checkerboard() -> None:
    points, labels = make_xor(500).tensors
    assert np.array_equal(labels, (points[:, 0] * points[:, 1] < 0).astype(int))
    assert 150 < labels.sum() < 350
    points, labels = make_checkerboard(500, cells=3).tensors
    assert np.abs(points).max() <= 1
    middle = (np.abs(points) < 1 / 3).all(axis=1)
    assert middle.any()
    assert (labels[middle] == 0).all()


def test_what_cannot_be_made() -> None:
    with pytest.raises(DataError, match="a sample for each; got 3 and 2"):
        make_blobs(2)
    with pytest.raises(DataError, match="0 or more; got -1"):
        make_moons(noise=-1)
