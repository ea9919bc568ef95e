"""Long sums of products, slice by slice: what they are rewritten to, and what they yield."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from nests import axis, call, index, load, store

import deepglass as dg
from deepglass.backends.native import ir, threads
from deepglass.backends.native.slices import EXACT, FLOWING, SLICE, in_slices, slice_of, sliced
from deepglass.graph.tensor import Buffer
from deepglass.graph.types import float32

TERMS = 4 * SLICE + 7


def test_a_slice_after_another_and_a_shorter_one() -> None:
    i, j, k = axis("i", 3), axis("j", 5), axis("k", TERMS)
    a, b, c, t = (ir.Buffer(name, float32, 1, n) for n, name in enumerate("abct"))
    total = ir.Acc("s", float32)
    nest = ir.Nest(
        (i, j),
        (store(t, (i, 5), (j, 1), value=total),
         store(c, (j, 3), (i, 1), value=call("mul", total, load(c, (j, 3), (i, 1))))),
        (k,),
        (ir.Accum("s", "add", call("mul", load(a, (k, 3), (i, 1)), load(b, (k, 5), (j, 1)))),),
    )  # fmt: skip
    cut = partial(in_slices, size=SLICE, outside=0)
    pages = [str(n).replace("  #", "") for n in sliced(nest, cut, t, index((i, 5), (j, 1)))]
    assert pages == [
        "for i<3, j<5:\n  t[5*i + j] = 0",
        "for part<4, i<3, j<5:\n  over k<256:\n"
        "    s add= (a[768*part + 3*k + i] * b[1280*part + 5*k + j])\n  t[5*i + j] add= s",
        "for i<3, j<5:\n  over k<7:\n"
        "    s add= (a[3*k + i + 3072] * b[5*k + j + 5120])\n  t[5*i + j] add= s",
        "for i<3, j<5:\n  c[3*j + i] = (t[5*i + j] * c[3*j + i])",
    ]


@pytest.mark.parametrize(
    ("rows", "strides", "terms"),
    [
        (8, ((1, 4096), (1, 4096)), EXACT),  # both factors lie along the sum: one is read once
        (8, ((1, 4096), (64, 1)), FLOWING),
        (64, ((1, 4096), (1, 4096)), SLICE),
        (64, ((1, 4096), (64, 1)), SLICE),
    ],
)
def test_few_rows_let_a_large_factor_flow(rows: int, strides, terms: int) -> None:
    i, j, k = axis("i", rows), axis("j", 64), axis("k", 4096)
    a, b = (ir.Buffer(name, float32, 1, n) for n, name in enumerate("ab"))
    (left, row), (right, column) = strides
    term = call("mul", load(a, (k, left), (i, row)), load(b, (k, right), (j, column)))
    assert slice_of((i, j), (k,), 0, term) == terms


def test_few_long_rows_round_no_more_than_numpys() -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal((n, 9216)).astype(np.float32) for n in (8, 67))
    exact = x.astype(float) @ w.T
    error = dg.compile(lambda x, w: x @ w.T)(x, w).numpy() - exact
    # 3e-7 on eight lanes; the whole sum, one product after another, lost 6e-7
    assert np.square(error).mean() ** 0.5 <= 4.5e-7 * np.square(exact).mean() ** 0.5


@pytest.mark.parametrize("terms", [TERMS, 8 * SLICE])
def test_a_gradient_summed_over_many_rows_and_its_update(terms: int) -> None:
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((terms, n)).astype(np.float32) for n in (67, 19))
    start = rng.standard_normal((67, 19)).astype(np.float32)
    weight, copy = Buffer(start), Buffer(start)

    @dg.compile(backend="native")
    def step(x, g):
        gradient = x.T @ g
        weight.rebind((weight - 0.1 * gradient).node)
        copy.rebind(gradient.node)
        return gradient

    exact = x.astype(float).T @ g
    gradient = step(x, g).numpy()
    assert np.abs(gradient - exact).max() < 1e-3
    np.testing.assert_array_equal(copy.numpy(), gradient)
    np.testing.assert_allclose(weight.numpy(), start - 0.1 * exact, atol=1e-4)


def test_sums_of_sums_lose_less() -> None:
    x = np.full((40 * SLICE, 9), 0.1, np.float32)
    total = dg.compile(lambda x: x.T @ x, backend="native")(x).numpy()
    exact = len(x) * float(np.float32(0.1)) ** 2
    assert np.abs(total / exact - 1).max() < 2e-6
    assert abs(np.cumsum(x[:, 0] * x[:, 0], dtype=np.float32)[-1] / exact - 1) > 1e-5


def test_threads_do_not_change_a_bit() -> None:
    x = np.random.default_rng(0).standard_normal((TERMS, 130)).astype(np.float32)
    step = dg.compile(lambda x: dg.relu(x.T @ x), backend="native")
    before, found = threads.threads(), []
    try:
        for count in (1, 2, 3):
            threads.set_threads(count)
            found.append(step(x).numpy())
    finally:
        threads.set_threads(before)
    assert all(np.array_equal(f, found[0]) for f in found)
