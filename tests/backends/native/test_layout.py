"""Orders in memory: where elements lie, who lies in which order, and what windows find outside."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.backends.native.ir import Axis, Index, Program
from deepglass.backends.native.layout import in_pieces, ordered, row_major, significant
from deepglass.nn import functional


def loops(function, *arrays) -> Program:
    return dg.compile(function, backend="native").program(*arrays).executable.loops


def nests(program: Program):
    return [n for level in program.levels for phase in level for n in phase.nests]


def extents(nest) -> list[int]:
    return [a.extent for a in nest.axes]


def places(layout, shape: tuple[int, ...]) -> dict[tuple[int, ...], int]:
    """Where each element lies, found from the index alone."""
    found = {}
    for point in product(*map(range, shape)):
        index = layout.position([Index(constant=i) for i in point])
        assert not index.terms
        assert not index.loaded
        found[point] = index.constant
    return found


def test_channels_lie_last() -> None:
    shape = (2, 32, 3, 5)
    layout = ordered(shape, (0, 2, 3, 1, 1), ((0, 0),) * 4, lanes=8)
    expected = np.arange(2 * 3 * 5 * 32).reshape(2, 3, 5, 32).transpose(0, 3, 1, 2)
    for point, place in places(layout, shape).items():
        assert place == expected[point]
    assert [a.extent for a in layout.axes()] == [2, 3, 5, 2, 16]


def test_panels_stand_one_after_another() -> None:
    shape = (32, 3, 5)
    layout = ordered(shape, (0, 2, 1, 0), ((0, 0),) * 3, lanes=8)
    expected = np.arange(2 * 5 * 3 * 16).reshape(2, 5, 3, 16)
    for (o, c, k), place in places(layout, shape).items():
        assert place == expected[o // 16, k, c, o % 16]


def test_a_border_lies_around() -> None:
    shape = (2, 3, 5)
    layout = ordered(shape, (0, 2, 1), ((0, 0), (0, 0), (1, 2)), lanes=8)
    expected = np.arange(2 * 8 * 3).reshape(2, 8, 3)
    assert layout.size == expected.size
    for (n, c, w), place in places(layout, shape).items():
        assert place == expected[n, w + 1, c]
    assert layout.position([Index(), Index(), Index(constant=-1)]) == Index()


@pytest.mark.parametrize("channels", [16, 24, 40, 48, 7])
def test_loops_visit_every_place_once_and_in_order(channels: int) -> None:
    shape = (2, channels, 3)
    layout = ordered(shape, (0, 2, 1, 1), ((0, 0),) * 3, lanes=8)
    axes, position = layout.axes(), layout.position(layout.at())
    visited = [
        position.constant + sum(c * point[axes.index(a)] for a, c in position.terms)
        for point in product(*(range(a.extent) for a in axes))
    ]
    assert visited == list(range(layout.size))


def test_an_order_that_memory_does_not_show_is_row_by_row() -> None:
    assert ordered((5, 32), (0, 1, 1), ((0, 0),) * 2, lanes=8) == row_major((5, 32))
    assert significant((3, 1, 5, 7), (0, 2, 3, 1, 1)) == (0, 1, 2)


def test_tiles_are_found_without_division() -> None:
    tiles, inside = Axis("t", 4), Axis("i", 16)
    layout = ordered((64, 3), (0, 1, 0), ((0, 0),) * 2, lanes=8)
    place = layout.position([Index(((tiles, 16), (inside, 1))), Index()])
    assert dict(place.terms) == {tiles: 48, inside: 1}


@pytest.mark.parametrize(
    ("lengths", "points", "expected", "outside"),
    [
        ((8, 56, 56), 448, [8, 7, 8, 56], 2),
        ((8, 14, 14), 400, [4, 2, 14, 14], 1),
        ((8, 7, 7), 48, [8, 7, 7], 1),
        ((2, 3, 5), 1000, [2, 3, 5], 0),
        ((6, 7), 1, [6, 7], 2),
    ],
)
def test_pieces_of_a_sum(lengths, points, expected, outside) -> None:
    layout, found = in_pieces(lengths, points)
    assert [a.extent for a in layout.axes("k")] == expected
    assert found == outside


def network(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5),
    )  # fmt: skip


def test_between_convolutions_channels_stay_last() -> None:
    model = network(32)
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    program = loops(step, np.ones((6, 3, 10, 9), "float32"), np.zeros(6, "int64"))
    images = [n for n in nests(program) if {6, 10, 9} <= set(extents(n)) and len(n.axes) >= 4]
    assert len(images) >= 6
    for nest in images:
        assert extents(nest)[:3] == [6, 10, 9], nest.label
    for nest in nests(program):
        for accum in nest.accums:
            assert "if" not in str(nest).split("over")[1].split("=")[1], accum.name


def test_the_gradient_of_a_flattened_image_is_turned_once() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 4 * 3, 7),
    )  # fmt: skip

    def slopes(x, v):
        model.zero_grad()
        loss = (model(x) * v).sum()
        loss.backward()
        return [p.grad for p in model.parameters()]

    x = np.random.default_rng(0).standard_normal((6, 3, 10, 9)).astype(np.float32)
    v = np.random.default_rng(1).standard_normal((6, 7)).astype(np.float32)
    program = nests(loops(slopes, x, v))
    (gradient,) = [n for n in program if extents(n) == [6, 192] and n.over]
    name = f"{gradient.stores[0].buffer}["
    readers = [n for n in program if n is not gradient and name in str(n)]
    assert [n.label.split()[0] for n in readers] == ["alias"]
    found, expected = (dg.compile(slopes, backend=b)(x, v) for b in ("native", "reference"))
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other.numpy()).max() + 1e-3
        np.testing.assert_allclose(one.numpy() / scale, other.numpy() / scale, atol=1e-5)


def test_depthwise_convolutions_have_channels_in_lanes() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 24, 7, 5)).astype(np.float32)
    w = rng.standard_normal((24, 1, 3, 3)).astype(np.float32)

    def blurred(x, w):
        return functional.conv2d(functional.relu(x), w, padding=1, groups=24) * 2.0

    program = loops(blurred, x, w)
    (nest,) = [n for n in nests(program) if n.accums]
    assert extents(nest)[:3] == [2, 7, 5]
    padded = np.pad(np.maximum(x, 0).astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    expected = 2 * np.einsum("nchwuv,cuv->nchw", windows, w[:, 0])
    found = dg.compile(blurred, backend="native")(x, w).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_windows_find_zeros_outside() -> None:
    weight = dg.tensor(np.ones((16, 16, 3, 3), "float32"))
    program = loops(
        lambda x: functional.conv2d(functional.relu(x), weight, padding=1) * 2.0,
        np.ones((2, 16, 5, 7), "float32"),
    )
    borders = [n for n in nests(program) if n.label.startswith("border")]
    assert [len(n.stores) for n in borders] == [2, 2]
    cleared = sum(int(np.prod(extents(n))) * len(n.stores) for n in borders)
    assert cleared == 2 * 16 * (7 * 9 - 5 * 7)


@pytest.mark.parametrize("size", [(2, 1), (1, 2), (1, 1), (4, 1)])
def test_windows_hang_over_an_axis_of_length_1(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 32, *size)).astype(np.float32)
    w = rng.standard_normal((48, 32, 3, 3)).astype(np.float32)

    def slopes(x, w):
        return dg.grad(lambda x, w: dg.conv2d(x, w, padding=1).square().sum(), (0, 1))(x, w)

    found, expected = (dg.compile(slopes, backend=b)(x, w) for b in ("native", "reference"))
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other.numpy()).max()
        np.testing.assert_allclose(one.numpy() / scale, other.numpy() / scale, atol=1e-5)


def test_one_copy_of_the_weights_serves_all_who_want_their_order() -> None:
    weight = dg.tensor(np.ones((16, 16, 3, 3), "float32"))

    def twice(x):
        return functional.conv2d(functional.conv2d(x, weight, padding=1), weight, padding=1)

    program = loops(twice, np.ones((2, 16, 5, 7), "float32"))
    copies = [n for n in nests(program) if n.label == "alias" and 3 in extents(n)]
    assert len(copies) == 1


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 2, 1), (1, 2, 0), (2, 3, 1), (5, 3, 2)]
)
def test_elements_under_the_same_taps_make_a_section(kernel, stride, padding) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 16, 7, 10)).astype(np.float32)
    w = rng.standard_normal((8, 16, kernel, kernel)).astype(np.float32)

    def slope(x, w):
        def total(x):
            return dg.sum(functional.conv2d(x, w, stride=stride, padding=padding) ** 2)

        return dg.grad(total)(x)

    found = dg.compile(slope, backend="native")(x, w).numpy()
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (2, 3))
    windows = windows[:, :, ::stride, ::stride]
    y = np.einsum("nchwuv,ocuv->nohw", windows, w)
    spread = np.zeros_like(padded)
    for u, v in product(range(kernel), range(kernel)):
        rows = slice(u, u + (y.shape[2] - 1) * stride + 1, stride)
        columns = slice(v, v + (y.shape[3] - 1) * stride + 1, stride)
        spread[:, :, rows, columns] += np.einsum("nohw,oc->nchw", 2 * y, w[:, :, u, v])
    expected = spread[:, :, padding : padding + 7, padding : padding + 10]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    program = loops(slope, x, w)
    parts = [n for n in nests(program) if "conv_transpose" in n.label and n.label[:6] != "border"]
    assert len(parts) == stride**2
    points = sum(int(np.prod(extents(n))) for n in parts)
    assert points == x.size
    products = sum(int(np.prod([a.extent for a in (*n.axes, *n.over)])) for n in parts if n.accums)
    assert products <= 1.6 * y.size * 16 * kernel**2


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("inputs", "channels"), [(5, 4), (5, 7), (5, 16), (5, 24), (5, 40), (1, 80)]
)
def test_long_sums_are_taken_in_pieces(batch: int, inputs: int, channels: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, inputs, 90, 130)).astype(np.float32)
    g = rng.standard_normal((batch, channels, 90, 130)).astype(np.float32)
    w = np.zeros((channels, inputs, 3, 3), np.float32)

    def slope(x, w, g):
        return dg.grad(lambda w: dg.sum(functional.conv2d(x, w, padding=1) * g))(w)

    with dg.exact():
        found = dg.compile(slope, backend="native")(x, w, g).numpy()
        adding = [n for n in nests(loops(slope, x, w, g)) if n.stores[0].combine == "add"]
    assert len(adding) == 1
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (90, 130), (2, 3))
    expected = np.einsum("ncuvhw,nohw->ocuv", windows, g.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
