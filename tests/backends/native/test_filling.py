"""Images in the vector lanes, where channels do not fill them."""

from __future__ import annotations

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.backends.native.cpu import host
from deepglass.backends.native.ir import Index
from deepglass.backends.native.layout import in_pieces, ordered
from deepglass.nn import functional

LANES = host().vector_bytes // 4


def loops(function, *arrays):
    return dg.compile(function, backend="native").program(*arrays).executable.loops


def phases(program):
    return [phase for level in program.levels for phase in level]


def nests(program):
    return [nest for phase in phases(program) for nest in phase.nests]


def network(channels: int, norm: bool = True) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, channels, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels, 7, 3, bias=False), nn.BatchNorm2d(7) if norm else nn.Identity(),
        nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(7 * 2 * 3, 11),
    )  # fmt: skip


def slopes_of(model: nn.Module):
    def slopes(x, y):
        model.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        return [loss, *[p.grad for p in model.parameters()]]

    return slopes


def batch(images: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, 1, 12, 17)).astype(np.float32)
    return x, rng.integers(0, 11, images)


def test_tiles_of_images_stand_first_and_a_vector_of_them_last() -> None:
    layout = ordered((16, 3, 5), (0, 1, 2, 0), ((0, 0),) * 3, lanes=8, vectors=1)
    assert [a.extent for a in layout.axes()] == [2, 3, 5, 8]
    assert layout.rows is not None
    assert (layout.rows.extent, layout.tile) == (16, 8)
    expected = np.arange(2 * 3 * 5 * 8).reshape(2, 3, 5, 8)
    for n in (0, 7, 8, 13):
        found = layout.position([Index(constant=n), Index(constant=2), Index(constant=1)])
        assert found.constant == expected[n // 8, 2, 1, n % 8]


def test_pieces_of_a_sum_over_tiles() -> None:
    layout, outside = in_pieces((32, 5, 7), 560, tile=8)
    assert [a.extent for a in layout.axes("k")] == [2, 2, 5, 7, 8]
    assert len({a.name for a in layout.axes("k")}) == 5
    assert outside == 1


@pytest.mark.parametrize("images", [2 * LANES, 3 * LANES, 2 * LANES + 1])
def test_values_are_those_of_the_reference(images: int) -> None:
    slopes, given = slopes_of(network(6)), batch(images)
    found, expected = (dg.compile(slopes, backend=b)(*given) for b in ("native", "reference"))
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other.numpy()).max() + 1e-3
        np.testing.assert_allclose(one.numpy() / scale, other.numpy() / scale, atol=2e-5)


def test_few_channels_leave_the_lanes_to_images() -> None:
    program = loops(slopes_of(network(6, norm=False)), *batch(4 * LANES))
    products = [n for n in nests(program) if n.label.startswith("conv") and n.accums]
    assert len(products) == 5
    for nest in products:
        lanes = [*nest.axes, *nest.over][-1] if nest.over[-1].extent == LANES else nest.axes[-1]
        assert (lanes.name[1:], lanes.extent) == ("0", LANES), nest.label
    # forwards and backwards are one pass over the images, flattened or not
    (first,) = [p for p in phases(program) if p.rows is not None and p.rows.extent == 4 * LANES]
    assert {first.tile_of(nest) for nest in first.nests} == {1, LANES}
    assert first.chunk_size % LANES == 0
    assert len([n for n in first.nests if n.label.startswith("conv")]) >= 4


@pytest.mark.parametrize(
    ("channels", "kernel", "images"),
    [(80, 5, 4 * LANES), (16, 3, 4 * LANES), (6, 3, LANES + 1), (6, 3, LANES), (6, 3, 1)],
)
def test_channels_stay_last_where_they_are_many_or_winograd_s_or_images_few(
    channels: int, kernel: int, images: int
) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, channels, 3), nn.ReLU(), nn.Conv2d(channels, channels, kernel)
    )
    x = np.ones((images, 1, 12, 17), np.float32)
    program = loops(lambda x: model(x).sum(), x)
    over_images = [p for p in phases(program) if p.rows is not None and p.rows.extent == images]
    assert over_images or images < LANES
    assert {p.tile_of(nest) for p in over_images for nest in p.nests} <= {1}


def test_same_bits_with_any_number_of_threads() -> None:
    slopes, given = dg.compile(slopes_of(network(6)), backend="native"), batch(4 * LANES)
    before = dg.get_threads()
    try:
        dg.set_threads(1)
        alone = [t.numpy() for t in slopes(*given)]
        dg.set_threads(2)
        shared = [t.numpy() for t in slopes(*given)]
    finally:
        dg.set_threads(before)
    for one, other in zip(alone, shared, strict=True):
        assert (one == other).all()
