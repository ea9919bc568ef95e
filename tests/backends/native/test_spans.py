"""Loops over taps that leave out the zeros around images."""

from __future__ import annotations

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native.ir import Axis, Span
from deepglass.backends.native.spans import average


def nests(function, *arrays):
    program = dg.compile(function, backend="native").program(*arrays).executable.loops
    return [nest for level in program.levels for phase in level for nest in phase.nests]


def test_as_many_terms_as_there_are_under_the_windows() -> None:
    forward = Span(Axis("i", 7), Axis("k", 3), step=1, pace=1, first=-1, length=7)
    assert average(forward, 1) == pytest.approx((2 + 5 * 3 + 2) / 7)
    assert average(forward, 7) == 3
    strided = Span(Axis("i", 4), Axis("k", 5), step=2, pace=1, first=-2, length=7)
    assert average(strided, 1) == pytest.approx((3 + 5 + 5 + 3) / 4)
    backward = Span(Axis("i", 14), Axis("k", 5), step=1, pace=-1, first=0, length=10)
    assert average(backward, 1) == pytest.approx(50 / 14)
    assert average(backward, 2) == pytest.approx((2 + 4 + 5 + 5 + 5 + 4 + 2) / 7)


def test_a_place_without_any_term_visits_one() -> None:
    far = Span(Axis("i", 9), Axis("k", 2), step=1, pace=1, first=-4, length=2)
    assert average(far, 1) == pytest.approx((1 + 1 + 1 + 1 + 2 + 1 + 1 + 1 + 1) / 9)


@pytest.mark.parametrize("channels", [(3, 5), (16, 24)])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [((4, 6), 3, 1, 1), ((5, 4), 5, 1, 2), ((3, 2), 5, 1, 4), ((6, 5), 3, 2, 2), ((4, 7), 2, 1, 3)],
)
def test_what_is_left_out_are_zeros(channels, size, kernel, stride, padding) -> None:
    rng = np.random.default_rng(0)
    c, o = channels
    x = rng.standard_normal((32, c, *size)).astype(np.float32)
    w = rng.standard_normal((o, c, kernel, kernel)).astype(np.float32)

    def both(x, w):
        def total(x, w):
            return dg.conv2d(x, w, stride=stride, padding=padding).square().sum()

        return dg.conv2d(x, w, stride=stride, padding=padding), *dg.grad(total, (0, 1))(x, w)

    with dg.exact():  # no windows of 3 x 3 become products at points
        assert any(n.spans for n in nests(both, x, w))
        found, expected = (dg.compile(both, backend=b)(x, w) for b in ("native", "reference"))
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other.numpy()).max()
        np.testing.assert_allclose(one.numpy() / scale, other.numpy() / scale, atol=1e-5)


def test_large_maps_visit_all_taps() -> None:
    x, w = np.ones((2, 16, 40, 40), np.float32), np.ones((16, 16, 3, 3), np.float32)
    assert not any(n.spans for n in nests(lambda x, w: dg.conv2d(x, w, padding=1), x, w))
