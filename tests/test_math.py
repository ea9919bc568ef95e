"""Functions that are made of records: their values, gradients and errors, and what the records
promise beyond their samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import deepglass as dg
from deepglass.errors import DomainError, DTypeError, ShapeError
from deepglass.testing import assert_close, check_gradient

SHAPES = ((), (1,), (7,), (2, 3), (3, 1, 5), (0, 3), (2, 3, 5, 7))


def values(shape: tuple[int, ...], low: float = -3, high: float = 3) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(low, high, shape)


# Elementwise ----------------------------------------------------------------------------

UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Any], float]] = {
    "erf": (dg.erf, scipy.special.erf, -3),
    "expm1": (dg.expm1, np.expm1, -3),
    "log1p": (dg.log1p, np.log1p, -0.99),
    "log2": (dg.log2, np.log2, 0.1),
    "log10": (dg.log10, np.log10, 0.1),
    "square": (dg.square, np.square, -3),
    "reciprocal": (dg.reciprocal, np.reciprocal, 0.1),
    "cube": (lambda x: x**3, lambda x: x**3, -3),
    "inverse square": (lambda x: x**-2, lambda x: x**-2, 0.1),
    "power 2.5": (lambda x: x**2.5, lambda x: x**2.5, 0.1),
    "power 12": (lambda x: x**12, lambda x: x**12, -3),
    "root": (lambda x: x**0.5, np.sqrt, 0),
    "inverse root": (lambda x: x**-0.5, lambda x: 1 / np.sqrt(x), 0.1),
    "2 to the power": (lambda x: 2**x, np.exp2, -3),
    "clip": (lambda x: x.clip(-1, 2), lambda x: np.clip(x, -1, 2), -3),
    "clip below": (lambda x: x.clamp(min=0.5), lambda x: np.clip(x, 0.5, None), -3),
    "clip above": (lambda x: x.clamp(max=0.5), lambda x: np.clip(x, None, 0.5), -3),
    "bounds that cross": (lambda x: x.clamp(2, -1), lambda x: np.clip(x, 2, -1), -3),
    "two decimals": (lambda x: dg.round(x, 2), lambda x: np.round(x, 2), -3),
    "tens": (lambda x: dg.round(x * 100, -1), lambda x: np.round(x * 100, -1), -3),
    "heaviside": (lambda x: dg.heaviside(x, 0.5), lambda x: np.heaviside(x, 0.5), -3),
}


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, backend: str) -> None:
    ours, truth, low = UNARY[name]
    arrays = [values(shape, low) for shape in SHAPES]
    found = dg.compile(lambda xs: [*map(ours, xs)])(arrays)
    for x, got in zip(arrays, found, strict=True):
        assert_close(f"{name} of {x.shape}", got, np.asarray(truth(x)))


@pytest.mark.parametrize("name", [n for n in UNARY if n not in ("two decimals", "tens")])
def test_gradients_of_unary(name: str) -> None:
    ours, _, low = UNARY[name]
    check_gradient(ours, np.array([[0.3, 1.3, 2.6], [1.9, 0.7, 0.11]]) * (-1 if low == -3 else 1))


def test_steps_have_no_slope() -> None:
    x = dg.tensor([-1.3, 0.0, 2.5], requires_grad=True)
    for step in (dg.floor, dg.ceil, dg.trunc, dg.round, dg.sign, lambda x: x // 2):
        x.grad = None
        step(x).sum().backward()
        assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_clip_between_tensors(backend: str) -> None:
    x, low, high = values((2, 3)), np.array([[-1.0], [0.0]]), np.array([0.5, 1.0, 2.0])
    found = dg.compile(lambda x, a, b: dg.clamp(x, a, b))(x, low, high)
    assert_close("clamp", found, np.clip(x, low, high))


def test_gradient_of_clip_counts_the_bounds_as_inside() -> None:
    x = dg.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], requires_grad=True)
    low, high = dg.tensor(-1.0, requires_grad=True), dg.tensor(1.0, requires_grad=True)
    x.clamp(low, high).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    assert (low.grad.item(), high.grad.item()) == (1, 1)


def test_clip_needs_a_bound() -> None:
    with pytest.raises(TypeError, match=r"clamp: min or max is needed; got None for both"):
        dg.ones(2).clamp()


def test_rounding_leaves_whole_numbers() -> None:
    x = dg.tensor([3, -2])
    for step in (dg.floor, dg.ceil, dg.trunc, dg.round):
        assert step(x).dtype is dg.int64
        assert step(x).tolist() == [3, -2]


def test_types_of_powers() -> None:
    x = dg.tensor([2, 3], dtype="int32")
    assert (x**2).dtype is dg.int32
    assert (x**0.5).dtype is dg.float32
    assert dg.pow(x, dg.tensor([2.0, 3.0])).tolist() == [4.0, 27.0]
    assert (dg.ones(2, dtype="float64") ** x).dtype is dg.float64


@pytest.mark.parametrize("n", [1, 2, 3, 7, 63])
def test_whole_powers_are_exact(n: int, backend: str) -> None:
    x = np.array([-1, 1, 0, 2 if n < 63 else 1])
    assert_close("power", dg.compile(lambda x: x**n)(x), x**n)


# Truth ----------------------------------------------------------------------------------


def test_logic(backend: str) -> None:
    x, y = np.array([0.0, 2.0, -1.0, np.nan, 0.0]), np.array([0, 1, 0, 0, 3])
    found = dg.compile(
        lambda x, y: [
            dg.logical_and(x, y), dg.logical_or(x, y), dg.logical_xor(x, y), dg.logical_not(x),
            x.logical_and(y), dg.logical_not(y),
        ]
    )(x, y)  # fmt: skip
    expected = [
        np.logical_and(x, y), np.logical_or(x, y), np.logical_xor(x, y), np.logical_not(x),
        np.logical_and(x, y), np.logical_not(y),
    ]  # fmt: skip
    for k, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        assert_close(f"result {k}", got, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_kinds_of_numbers(dtype: str, backend: str) -> None:
    with np.errstate(invalid="ignore"):
        x = np.array([0.0, 1.0, np.inf, -np.inf, np.nan]).astype(dtype)
    found = dg.compile(lambda x: [dg.isnan(x), dg.isinf(x), dg.isfinite(x)])(x)
    for got, wanted in zip(found, (np.isnan(x), np.isinf(x), np.isfinite(x)), strict=True):
        assert_close(dtype, got, wanted)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", "bool"])
def test_bits(dtype: str, backend: str) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 2 if dtype == "bool" else 100, (3, 5)).astype(dtype) for _ in range(2))
    found = dg.compile(lambda x, y: [x & y, x | y, x ^ y, ~x])(x, y)
    for got, wanted in zip(found, (x & y, x | y, x ^ y, ~x), strict=True):
        assert_close(dtype, got, wanted)


# Reductions -----------------------------------------------------------------------------

Reduction = Callable[..., Any]

REDUCTIONS: dict[str, tuple[Reduction, Reduction]] = {
    "amin": (dg.amin, np.min),
    "argmin": (dg.argmin, np.argmin),
    "argmax": (dg.argmax, np.argmax),
    "prod": (dg.prod, np.prod),
    "any": (lambda x, *dim: dg.any(x > 2, *dim), lambda x, *dim: np.any(x > 2, *dim)),
    "all": (lambda x, *dim: dg.all(x > -2, *dim), lambda x, *dim: np.all(x > -2, *dim)),
    "var": (dg.var, lambda x, *dim: np.var(x, *dim, ddof=1)),
    "std of all": (
        lambda x, *dim: dg.std(x, *dim, correction=0), lambda x, *dim: np.std(x, *dim),
    ),
    "logsumexp": (lambda x, dim=None: dg.logsumexp(x, dim), scipy.special.logsumexp),
    "norm": (lambda x, dim=None: dg.norm(x, dim=dim), lambda x, dim=None: _norm(x, 2, dim)),
    "norm 1": (lambda x, dim=None: dg.norm(x, 1, dim), lambda x, dim=None: _norm(x, 1, dim)),
    "norm 0": (
        lambda x, dim=None: dg.norm(dg.round(x), 0, dim),
        lambda x, dim=None: _norm(np.round(x), 0, dim),
    ),
    "norm inf": (
        lambda x, dim=None: dg.norm(x, float("inf"), dim),
        lambda x, dim=None: _norm(x, np.inf, dim),
    ),
    "norm -inf": (
        lambda x, dim=None: dg.norm(x, float("-inf"), dim),
        lambda x, dim=None: _norm(x, -np.inf, dim),
    ),
    "norm 3.5": (
        lambda x, dim=None: dg.norm(x, 3.5, dim), lambda x, dim=None: _norm(x, 3.5, dim),
    ),
}  # fmt: skip


def _norm(x: np.ndarray, p: float, dim: int | None) -> np.ndarray:
    return np.linalg.norm(x.ravel() if dim is None else x, p, dim)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, backend: str) -> None:
    """Along each axis, and over all."""
    ours, truth = REDUCTIONS[name]
    for shape in ((7,), (3, 40), (2, 3, 5)):
        x = values(shape)
        found = dg.compile(lambda x: [ours(x), *[ours(x, d) for d in range(x.ndim)]])(x)
        for dim, got in zip([None, *range(len(shape))], found, strict=True):
            wanted = np.asarray(truth(x) if dim is None else truth(x, dim))
            assert_close(f"{shape} along {dim}", got, wanted)


@pytest.mark.parametrize("name", [n for n in REDUCTIONS if n not in (
    "argmin", "argmax", "any", "all", "norm 0")])  # fmt: skip
def test_gradients_of_reductions(name: str) -> None:
    ours, _ = REDUCTIONS[name]
    x = values((2, 3, 5))
    check_gradient(lambda x: ours(x), x)
    check_gradient(lambda x: ours(x, 1), x)


@pytest.mark.parametrize("function", [dg.amin, dg.any, dg.all, dg.var, dg.std, dg.logsumexp,
                                      lambda x, dim, keep: dg.norm(x, 2, dim, keep)])  # fmt: skip
def test_several_axes_and_kept_ones(function: Callable[..., Any], backend: str) -> None:
    x = values((2, 3, 5, 7))
    for dim, moved in (((0, 2), (2, 0, 1, 3)), ((-1, 1), (3, 1, 0, 2))):
        flat = x.transpose(*moved).reshape(-1, *(x.shape[d] for d in moved[2:]))
        several, one, kept = dg.compile(
            lambda x, flat, dim=dim: [
                function(x, dim, False) if function not in (dg.var, dg.std) else function(x, dim),
                function(flat, 0, False) if function not in (dg.var, dg.std) else function(flat, 0),
                function(x, dim, keepdim=True)
                if function in (dg.var, dg.std)
                else function(x, dim, True),
            ]
        )(x, flat)
        assert_close("several axes", several.numpy(), one.numpy())
        left = tuple(1 if d in (dim[0] % 4, dim[1] % 4) else n for d, n in enumerate(x.shape))
        assert_close("kept axes", kept.numpy(), several.numpy().reshape(left))


def test_over_no_elements() -> None:
    x = dg.zeros((0, 3))
    assert dg.prod(x, 0).tolist() == [1, 1, 1]
    assert dg.prod(x).item() == 1
    assert dg.any(x, 0).tolist() == [False] * 3
    assert dg.all(x).item() is True
    assert dg.logsumexp(x, 0).tolist() == [-np.inf] * 3
    assert dg.norm(x).item() == 0
    assert np.isnan(dg.var(x, 0).numpy()).all()
    assert dg.cumsum(x, 0).shape == (0, 3)
    assert dg.prod(x, 1).shape == dg.amin(x, 1).shape == dg.any(x, 1).shape == (0,)
    for name, call in {
        "amin": lambda: dg.amin(x, 0), "argmin": lambda: dg.argmin(x),
        "norm": lambda: dg.norm(x, float("inf")),
    }.items():  # fmt: skip
        with pytest.raises(ShapeError, match=f"{name}: at least one element is needed; got"):
            call()


def test_min_along_an_axis(backend: str) -> None:
    x = np.array([[3.0, 1.0, 1.0], [np.nan, 0.0, 5.0]])
    found = dg.compile(lambda x: [*dg.min(x, 1), *x.min(0, keepdim=True), dg.min(x)])(x)
    expected = [
        np.array([1.0, np.nan]), np.array([1, 0]), np.array([[np.nan, 0.0, 1.0]]),
        np.array([[1, 1, 0]]), np.array(np.nan),
    ]  # fmt: skip
    for k, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        assert_close(f"result {k}", got, wanted)


def test_gradients_of_ties() -> None:
    """Equal minima share the gradient; along an axis the first one has it."""
    x = dg.tensor([2.0, 1.0, 1.0], requires_grad=True)
    shared, first = dg.grad(lambda x: x.min())(x), dg.grad(lambda x: x.min(0).values)(x)
    assert (shared.tolist(), first.tolist()) == ([0, 0.5, 0.5], [0, 1, 0])
    assert dg.grad(lambda x: x.minimum(1.0).sum())(x).tolist() == [0, 0.5, 0.5]
    assert dg.grad(lambda x: (x - 1).abs().sum())(x).tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "bool"])
def test_extremes_of_whole_numbers(dtype: str, backend: str) -> None:
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = np.array([[low, high, low], [high, high, low]]).astype(dtype)
    found = dg.compile(lambda x: [x.amin(1), x.argmin(1), x.amin(), x.min(0).values])(x)
    for got, wanted in zip(found, (x.min(1), x.argmin(1), x.min(), x.min(0)), strict=True):
        assert_close(dtype, got, np.asarray(wanted))


def test_element_type_of_sums(backend: str) -> None:
    x = np.array([[200, 100], [50, 7]], np.uint8)
    found = dg.compile(
        lambda x: [
            x.sum(), x.sum(0, dtype="float64"), x.mean(dtype="float64"), x.prod(1),
            x.cumsum(0), x.cumprod(1), x.prod(dtype="float32"), x.cumsum(1, dtype="int32"),
        ]
    )(x)  # fmt: skip
    expected = [
        np.array(357), x.sum(0, dtype="f8"), np.array(89.25), np.array([20000, 350]),
        np.array([[200, 100], [250, 107]]), np.array([[200, 20000], [50, 350]]),
        np.array(7e6, "f4"), np.array([[200, 300], [50, 57]], "i4"),
    ]  # fmt: skip
    for k, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        assert_close(f"result {k}", got, wanted)


def test_variance_of_large_numbers(backend: str) -> None:
    """A difference of squares would leave nothing of it."""
    x = (1e4 + np.array([[0.25, 0.5, 1.0], [2.0, 2.5, 3.5]])).astype(np.float32)
    found = dg.compile(lambda x: [x.var(1), x.std((0, 1)), x.var(0)])(x)
    wide = x.astype(np.float64)
    expected = [wide.var(1, ddof=1), wide.std(ddof=1), wide.var(0, ddof=1)]
    for got, wanted in zip(found, expected, strict=True):
        assert_close("variance", got, np.asarray(wanted, np.float32))


def test_deviation_of_equal_numbers() -> None:
    x = dg.tensor([2.0, 2.0, 2.0])
    assert dg.grad(lambda x: x.std())(x).tolist() == [0, 0, 0]
    assert np.isnan(dg.tensor([2.0]).std().item())


def test_sum_of_exponentials_far_out(backend: str) -> None:
    x = np.array([[1e4, 1e4 - 1], [-1e4, -1e4], [-np.inf, 3.0], [-np.inf, -np.inf]])
    both = dg.compile(lambda x: [x.logsumexp(1), x[:, 0].logaddexp(x[:, 1])])(x)
    expected = np.array([1e4 + np.log1p(np.exp(-1)), -1e4 + np.log(2), 3.0, -np.inf])
    for got in both:
        assert_close("logsumexp", got, expected)
    slope = dg.grad(lambda x: x.logsumexp(1).sum())(dg.tensor(x)).numpy()
    assert np.isfinite(slope).all()
    assert slope[3].tolist() == [0, 0]


def test_norm_refuses_words() -> None:
    with pytest.raises(DomainError, match=r"norm: p is a number or 'fro'; got 'nuc'. Use p=2"):
        dg.norm(dg.ones((2, 3)), "nuc")
    with pytest.raises(ShapeError, match=r"norm: dim counts axes from -2 to 1 here; got 2"):
        dg.norm(dg.ones((2, 3)), dim=2)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, float("inf"), float("-inf")])
def test_norm_of_nothing_has_no_slope(p: float) -> None:
    assert dg.grad(lambda x: x.norm(p))(dg.zeros(3)).tolist() == [0, 0, 0]


# Running --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 8, 9, 64, 65, 130, 600])
def test_running_sums_and_products(n: int, backend: str) -> None:
    """Less than a block, whole blocks, blocks of blocks."""
    x = values((3, n, 2), 0.5, 1.5)
    found = dg.compile(lambda x: [x.cumsum(1), x.cumprod(1), x.prod(1), x.cumsum(-1)])(x)
    expected = [x.cumsum(1), x.cumprod(1), x.prod(1), x.cumsum(2)]
    for k, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        assert_close(f"result {k}", got, wanted)


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3)])
@pytest.mark.parametrize("function", [dg.prod, lambda x: dg.cumprod(x, 0)], ids=["prod", "cumprod"])
def test_gradients_of_products_with_zeros(
    function: Callable[..., Any], zeros: tuple[int, ...]
) -> None:
    """Nothing is divided by, so that zeros do no harm, to second order too."""
    x = values((5,), 0.5, 1.5)
    x[list(zeros)] = 0
    check_gradient(function, x)


def test_running_sums_need_an_axis() -> None:
    with pytest.raises(ShapeError, match=r"cumsum: dim counts axes from -2 to 1 here; got 2"):
        dg.cumsum(dg.ones((2, 3)), 2)
    with pytest.raises(DTypeError, match="var: the element type is one of float; got int64"):
        dg.graph.tensor.apply(dg.ops.statistics.VAR, dg.tensor([1]), dim=(0,), correction=1,
                              keepdim=False)  # fmt: skip
