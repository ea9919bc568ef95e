"""Convolutions with fewer multiplications: where they are chosen, and how exact they are."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.graph.graph import Graph
from deepglass.graph.op import REGISTRY
from deepglass.graph.tensor import apply
from deepglass.ops.window import Window
from deepglass.passes import optimize
from deepglass.passes.winograd import fewer_products

ERROR = 4e-6  # of the largest value, as `dg.exact` and docs/performance.md tell


def recorded(function: Any, *shapes: tuple[int, ...], dtype: str = "float32") -> Graph:
    """The graph of a function of arrays of these shapes, as it was recorded."""
    arrays = [dg.ones(*s, dtype=dtype) for s in shapes]
    graph: Graph = dg.compile(function, backend="reference").program(*arrays).graph
    return graph


def chosen(graph: Graph) -> list[str]:
    """The names of the convolutions after the pass."""
    return [n.op.name for n in fewer_products(graph).nodes() if "conv" in n.op.name]


def test_a_convolution_and_both_its_gradients_are_rewritten() -> None:
    def both(x: Any, w: Any) -> Any:
        return dg.value_and_grad(lambda x, w: dg.conv2d(x, w, padding=1).sum(), (0, 1))(x, w)

    graph = recorded(both, (8, 16, 12, 20), (24, 16, 3, 3))
    assert sorted(chosen(graph)) == [
        "winograd_conv",
        "winograd_conv_transpose",
        "winograd_conv_weight_gradient",
    ]


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((8, 16, 13, 21), (24, 16, 3, 3), {"stride": 2}),
        ((8, 16, 13, 21), (24, 16, 3, 3), {"dilation": 2}),
        ((8, 32, 13, 21), (24, 16, 3, 3), {"groups": 2}),
        ((8, 16, 13, 21), (24, 16, 3, 3), {"padding": 3}),
        ((8, 16, 13, 21), (24, 16, 5, 5), {}),
        ((8, 16, 13, 21), (24, 16, 3, 1), {}),
        ((8, 3, 13, 21), (24, 3, 3, 3), {}),  # few channels: there is little to multiply
        ((1, 64, 4, 4), (64, 64, 3, 3), {}),  # few tiles: the kernels cost more than they save
        ((8, 64, 3, 3), (64, 64, 3, 3), {}),  # one result of the tile's 16
        ((2, 512, 6, 6), (512, 512, 3, 3), {}),  # two tiles for many kernels
    ],
)
def test_what_stays_as_it_is(x: Any, w: Any, options: Any) -> None:
    graph = recorded(lambda x, w: dg.conv2d(x, w, **options), x, w)
    assert chosen(graph) == ["conv"]


@pytest.mark.parametrize(
    ("x", "w"), [((8, 512, 6, 6), (512, 512, 3, 3)), ((32, 8, 34, 34), (8, 8, 3, 3))]
)
def test_few_tiles_or_few_channels_are_worth_it(x: Any, w: Any) -> None:
    assert chosen(recorded(dg.conv2d, x, w)) == ["winograd_conv"]


def test_kernels_that_are_state_are_brought_to_the_points_beforehand() -> None:
    """So they pay for fewer tiles, unless the program changes them."""
    w = dg.nn.Parameter(np.ones((256, 256, 3, 3), np.float32), requires_grad=False)

    def answer(x: Any) -> Any:
        return dg.conv2d(x, w, padding=1)

    def step(x: Any) -> Any:
        y = answer(x)
        w.copy_(w * 2)
        return y

    assert chosen(recorded(answer, (1, 256, 7, 7))) == ["winograd_conv"]
    assert chosen(recorded(step, (1, 256, 7, 7))) == ["conv"]
    assert chosen(recorded(answer, (1, 256, 4, 4))) == ["conv"]


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_types_are_computed_directly(dtype: str) -> None:
    shapes = (8, 16, 12, 20), (24, 16, 3, 3)
    assert chosen(recorded(lambda x, w: dg.conv2d(x, w), *shapes, dtype=dtype)) == ["conv"]


def test_the_pass_leaves_primitive_ops_only() -> None:
    graph = recorded(lambda x, w: dg.conv2d(x, w, padding=1), (8, 16, 12, 20), (24, 16, 3, 3))
    names = [n.op.name for n in optimize(graph, fewer=True).nodes()]
    assert names.count("weighted_sums") == 6  # two axes of tiles, kernels and results
    assert names.count("contract") == 1
    assert "conv" not in names
    assert "contract" not in [n.op.name for n in optimize(graph).nodes()]


def test_exact_programs_are_programs_of_their_own() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 16, 8, 12)).astype(np.float32)
    w = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
    conv = dg.compile(lambda x, w: dg.conv2d(x, w, padding=1), backend="native")
    fast = conv(x, w).numpy()
    with dg.exact():
        exact = conv(x, w).numpy()
        names = [n.op.name for n in conv.program(x, w).optimized.nodes()]
    assert "contract" not in names
    assert "contract" in [n.op.name for n in conv.program(x, w).optimized.nodes()]
    assert (fast != exact).any()
    assert np.array_equal(conv(x, w).numpy(), fast)


@pytest.mark.parametrize(
    ("batch", "channels", "out", "height", "width"),
    [
        (7, 16, 24, 8, 8),
        (3, 33, 16, 12, 20),  # channels that fill no vector
        (5, 64, 40, 14, 7),  # lengths that fill no tile
        (17, 48, 64, 4, 4),
        (2, 128, 128, 10, 11),
    ],
)
def test_the_error_is_the_one_that_is_told(
    batch: int, channels: int, out: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(channels)
    windows = {"windows": tuple(Window(n, 3, n, before=1) for n in (height, width))}
    shapes = {
        "x": (batch, 1, channels, height, width),
        "w": (1, out, channels, 3, 3),
        "g": (batch, 1, out, height, width),
    }
    arrays = {k: rng.standard_normal(s).astype(np.float32) for k, s in shapes.items()}
    for name, inputs in (("conv", "xw"), ("conv_transpose", "gw"), ("conv_weight_gradient", "xg")):
        op, given = REGISTRY[f"winograd_{name}"], [arrays[k] for k in inputs]
        program = dg.compile(partial(apply, op, **windows), backend="native")
        found = program(*given).numpy()
        truth = op.reference(*[a.astype(np.float64) for a in given], **windows)
        assert np.abs(found - truth).max() < ERROR * np.abs(truth).max()
