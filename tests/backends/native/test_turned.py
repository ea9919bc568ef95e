"""Maps that read along one axis and write along another: squares turned in registers."""

from __future__ import annotations

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native.cpu import host
from deepglass.backends.native.schedule import schedule


def turned(function, *arrays) -> list[str]:
    program = dg.compile(function, backend="native").program(*arrays).executable.loops
    found = [
        schedule(nest, phase, host()).schedule
        for level in program.levels
        for phase in level
        for nest in phase.nests
    ]
    return [str(s.turned) for s in found if s is not None and s.turned is not None]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((40, 50), (1, 0)),
        ((5, 35, 64, 3), (0, 2, 3, 1)),
        ((67, 1, 13, 3), (1, 2, 3, 0)),
        ((3, 9, 6), (2, 1, 0)),
        ((0, 40, 50), (0, 2, 1)),
    ],
)
def test_every_element_arrives(shape, order, dtype) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, shape).astype(dtype)
    found = dg.compile(lambda x: dg.permute(x, *order), backend="native")(x).numpy()
    assert (found == x.transpose(order)).all()


def test_what_is_computed_on_the_way_is_turned_too() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 45, 70)).astype(np.float32)

    def both(x, y):
        return dg.where(x.T > 0, (x * 2 + y).T, y.T)

    assert turned(both, x, y)
    found = dg.compile(both, backend="native")(x, y).numpy()
    np.testing.assert_allclose(found, np.where(x.T > 0, (x * 2 + y).T, y.T), rtol=1e-6)


def test_copies_in_order_and_short_axes_are_not_turned() -> None:
    x = np.ones((64, 64, 3), np.float32)
    assert turned(lambda x: dg.permute(x, 1, 0, 2), np.ones((64, 64, 64), np.float32)) == []
    assert turned(lambda x: dg.permute(x, 0, 2, 1), x.transpose(0, 2, 1).copy()) == []
    assert turned(lambda x: dg.permute(x, 1, 0), np.ones((64, 64), np.float32)) != []
