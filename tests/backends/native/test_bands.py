"""Triangles, band by band: what is left out, and that nobody misses it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native import threads
from deepglass.ops.attention import scaled_dot_product_attention

N = 70  # places: two bands of 32, and one of 6


def loops(function: Any, *arrays: np.ndarray) -> list[Any]:
    program = dg.compile(function, backend="native").program(*arrays).executable.loops
    return [n for level in program.levels for phase in level for n in phase.nests]


def points(nests: list[Any], label: str) -> int:
    """How often the innermost statement of the nests with a label runs."""
    chosen = [n for n in nests if n.label == label]
    return sum(prod(a.extent for a in (*n.axes, *n.over)) for n in chosen)


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in shapes]


def test_attention_runs_over_the_bands_alone() -> None:
    """Every place sees the keys of its own band and of those before: 32, 64 and 70."""
    q, k, v = arrays((3, N, 5), (3, N, 5), (3, N, 7))
    nests = loops(lambda *x: scaled_dot_product_attention(*x, is_causal=True), q, k, v)
    seen = 32 * (32 + 64) + 6 * 70
    assert points(nests, "matmul + where") == 3 * seen * 5
    assert points(nests, "amax") == 3 * seen
    assert points(nests, "where") == 3 * seen
    assert points(nests, "sum") == 3 * seen
    assert points(nests, "matmul + div") == 3 * seen * 7


def test_no_band_where_all_is_seen() -> None:
    q, k, v = arrays((3, N, 5), (3, N, 5), (3, N, 7))
    nests = loops(scaled_dot_product_attention, q, k, v)
    assert points(nests, "matmul + div") == 3 * N * N * 7


def exponentials(x: Any) -> Any:
    return dg.exp(x) if isinstance(x, dg.Tensor) else np.exp(x)


# of f, which keeps a triangle, x and v: the result, and how many of its loops are cut
USES = {
    "a sum of rows": (lambda f, x, v: f(x).sum(-1), 1),
    "a sum of columns": (lambda f, x, v: f(x).sum(1), 1),
    "a product": (lambda f, x, v: f(exponentials(x)) @ v, 2),
    "a product, turned": (lambda f, x, v: f(exponentials(x)).swapaxes(1, 2) @ v, 2),
    "of a product": (lambda f, x, v: f(x @ x) @ v, 2),
    "both ways": (lambda f, x, v: f(exponentials(x)) @ (f(exponentials(x)).swapaxes(1, 2) @ v), 3),
    "times numbers": (lambda f, x, v: (f(exponentials(x)) * x) @ v, 2),
    "a sum of all": (lambda f, x, v: f(x).sum((1, 2)), 0),
    "plus a number": (lambda f, x, v: (f(exponentials(x)) + 1) @ v, 0),
    "beside a sum of all": (
        lambda f, x, v: f(exponentials(x)) @ (v * f(exponentials(x)).sum()),
        1,
    ),
    "as a vector": (lambda f, x, v: f(exponentials(x)).reshape(2, N * N).sum(1), 0),
    "by itself": (lambda f, x, v: f(exponentials(x)), 0),
}


@pytest.mark.parametrize(
    ("use", "keep", "diagonal", "cuts"),
    [
        *((use, keep, 0, True) for use in USES for keep in ("tril", "triu")),
        ("a product", "tril", -3, True),
        ("a product", "tril", 1, False),
        ("a product", "triu", 1, True),
    ],
)
def test_what_is_left_out_is_not_missed(use: str, keep: str, diagonal: int, cuts: bool) -> None:
    function, cut = USES[use]
    x, v = arrays((2, N, N), (2, N, 7))

    def ours(x: Any, v: Any) -> Any:
        return function(lambda y: getattr(dg, keep)(y, diagonal), x, v)

    expected = function(lambda y: getattr(np, keep)(y, diagonal), x, v)
    np.testing.assert_allclose(dg.compile(ours, backend="native")(x, v), expected, atol=1e-10)
    bands = [n for n in loops(ours, x, v) if 6 in (a.extent for a in (*n.axes, *n.over))]
    assert len(bands) == (cut if cuts else 0)


def test_a_result_is_computed_as_a_whole() -> None:
    x, v = arrays((2, N, N), (2, N, 7))

    def ours(x: Any, v: Any) -> Any:
        weights = dg.tril(dg.exp(x))
        return weights, weights @ v

    weights, y = dg.compile(ours, backend="native")(x, v)
    np.testing.assert_allclose(weights, np.tril(np.exp(x)))
    np.testing.assert_allclose(y, np.tril(np.exp(x)) @ v, atol=1e-10)
    assert [n.axes[1].extent for n in loops(ours, x, v)] == [N, 32, 32, 6]


def test_later_keys_that_are_no_numbers_do_not_reach_earlier_bands() -> None:
    q, k, v = arrays((3, N, 5), (3, N, 5), (3, N, 7))
    v[:, 64:] = np.nan
    y = dg.compile(lambda *x: scaled_dot_product_attention(*x, is_causal=True))(q, k, v).numpy()
    assert np.isfinite(y[:, :64]).all()
    assert np.isnan(y[:, 64:]).all()


def test_the_same_bits_on_one_thread_and_on_two() -> None:
    def loss(q: Any, k: Any, v: Any) -> Any:
        return (scaled_dot_product_attention(q, k, v, is_causal=True) * q).sum()

    step = dg.compile(dg.value_and_grad(loss, (0, 1, 2)), backend="native")
    inputs = [x.astype(np.float32) for x in arrays(*[(24, N, 8)] * 3)]
    results = []
    before = threads.threads()
    try:
        for count in (1, 2):
            threads.set_threads(count)
            value, gradients = step(*inputs)
            results.append([x.numpy().tobytes() for x in (value, *gradients)])
    finally:
        threads.set_threads(before)
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("keep", "columns"), [("tril", [64, 128, 192, 256, 320, 384, 400]),
                          ("triu", [400, 336, 272, 208, 144, 80, 16])],
)  # fmt: skip
def test_a_long_sum_over_rows_gathers_band_by_band(keep: str, columns: list[int]) -> None:
    """A product that reads a triangle along its columns adds one band of rows after another."""
    x, v = arrays((2, 400, 400), (2, 400, 7))

    def ours(x: Any, v: Any) -> Any:
        return getattr(dg, keep)(x * x).mT @ v

    expected = getattr(np, keep)(x * x).swapaxes(1, 2) @ v
    np.testing.assert_allclose(dg.compile(ours, backend="native")(x, v), expected, atol=1e-9)
    adding = [n for n in loops(ours, x, v) if n.stores[0].combine == "add"]
    assert [n.over[0].extent for n in adding] == [64] * 6 + [16]
    assert [n.axes[1].extent for n in adding] == columns


@pytest.mark.parametrize("limit", [np.inf, -np.inf, np.nan, 0.5])
def test_conditions_on_numbers_are_no_triangles(limit: float) -> None:
    (x,) = arrays((N, N))
    found = dg.compile(lambda x: dg.where(dg.lt(x, limit), x, 0.0).sum(1), backend="native")(x)
    np.testing.assert_allclose(found.numpy(), np.where(x < limit, x, 0).sum(1), rtol=1e-4)
