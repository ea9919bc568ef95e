"""Sorting beside NumPy's, with ties and NaN, eagerly and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DomainError, ShapeError
from deepglass.testing import check_gradient


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_sorted_values_and_their_places(dtype: str, dim: int, backend: str) -> None:
    x = np.random.default_rng(0).integers(0, 5, (3, 7, 2)).astype(dtype)
    for run in (dg.sort, dg.compile(dg.sort)):
        values, indices = run(dg.tensor(x), dim)
        assert np.array_equal(values.numpy(), np.sort(x, dim))
        assert np.array_equal(indices.numpy(), np.argsort(x, dim, kind="stable"))
        assert values.dtype is dg.tensor(x).dtype
        down, places = run(dg.tensor(x), dim, True)
        assert np.array_equal(down.numpy(), np.flip(np.sort(x, dim), dim))
        assert np.array_equal(np.take_along_axis(x, places.numpy(), dim), down.numpy())
        same = np.diff(down.numpy().astype(float), axis=dim) == 0
        assert (np.diff(places.numpy(), axis=dim)[same] > 0).all(), "equal ones keep their order"


def test_nan_counts_as_the_largest() -> None:
    x = dg.tensor([2.0, float("nan"), float("inf"), -1.0])
    assert x.argsort().tolist() == [3, 0, 2, 1]
    assert x.argsort(descending=True).tolist() == [1, 2, 0, 3]
    assert x.topk(2).indices.tolist() == [1, 2]


def test_the_largest_and_the_smallest(backend: str) -> None:
    x = np.random.default_rng(0).permutation(42).reshape(2, 7, 3).astype(float)
    top = dg.compile(lambda x: (dg.topk(x, 3, 1), dg.topk(x, 2, -1, largest=False)))
    for (values, places), (least, lows) in ((x_ := dg.tensor(x)).topk(3, 1),
                                            x_.topk(2, largest=False)), top(x):  # fmt: skip
        assert np.array_equal(values.numpy(), -np.sort(-x, 1)[:, :3])
        assert np.array_equal(np.take_along_axis(x, places.numpy(), 1), values.numpy())
        assert np.array_equal(least.numpy(), np.sort(x, -1)[..., :2])
        assert np.array_equal(np.take_along_axis(x, lows.numpy(), -1), least.numpy())
    assert dg.tensor(x).topk(0).values.shape == (2, 7, 0)


def test_gradients_go_where_the_elements_stood(backend: str) -> None:
    x = np.random.default_rng(0).permutation(30).reshape(5, 6) / 10
    check_gradient(lambda x: dg.sort(x, 0).values, x, second_order=True)
    check_gradient(lambda x: dg.topk(x * x, 2).values, x)

    def slope(x: Any) -> Any:
        return dg.grad(lambda x: (x.sort(descending=True).values * np.arange(6)).sum())(x)

    expected = np.empty((5, 6))
    np.put_along_axis(expected, np.argsort(-x, -1), np.broadcast_to(np.arange(6.0), (5, 6)), -1)
    for run in (slope, dg.compile(slope)):
        assert np.array_equal(run(dg.tensor(x)).numpy(), expected)


def test_a_single_number_is_sorted() -> None:
    values, indices = dg.sort(dg.tensor(3.0))
    assert (values.tolist(), indices.tolist()) == (3.0, 0)
    assert dg.sort(dg.zeros(0)).indices.shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x.sort(2), ShapeError, "argsort: dim counts axes from -2 to 1 here; got 2"),
        (lambda x: x.argsort(-3), ShapeError, "argsort: dim counts axes from -2 to 1 here; got -3"),
        (lambda x: x.topk(4), DomainError, r"topk: .*axis 1; got k 4 for float32\[2, 3\]"),
        (lambda x: x.topk(-1, 0), DomainError, "topk: .*axis 0; got k -1"),
        (lambda x: x.topk(1, 2), ShapeError, "topk: dim counts axes from -2 to 1 here; got 2"),
    ],
)
def test_misuses(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(dg.ones(2, 3))
