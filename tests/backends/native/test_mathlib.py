"""The transcendental functions: accuracy in ulp, the ends of their ranges, lanes that agree."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from nests import Memory, axis, call, load, program, run, store

from deepglass.backends.native import ir
from deepglass.backends.native.cpu import Cpu, forced_cpu, host
from deepglass.backends.native.executable import Executable
from deepglass.backends.native.listing import text_of
from deepglass.graph.types import DType, float32, float64, int32, int64, uint8

FUNCTIONS = (
    "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sqrt", "rsqrt", "sin", "cos", "erf",
)  # fmt: skip
# the largest errors `mathlib` states, in units in the last place
ULP = {
    "exp": 1.03, "expm1": 1.98, "log": 0.88, "log1p": 1.45, "tanh": 1.49, "sigmoid": 1.85,
    "sqrt": 0.5, "rsqrt": 1.5, "sin": 1.57, "cos": 1.57, "erf": 1.17,
}  # fmt: skip
POWER_ULP = {"float32": 0.51, "float64": 1.52}
COUNT = 200_000


def processor(kind: str) -> Cpu:
    """A processor by kind; "wide" has the vectors of AVX-512, in code that runs without it."""
    return replace(forced_cpu("avx2"), vector_bytes=64) if kind == "wide" else forced_cpu(kind)


def evaluate(op: str, values: np.ndarray, dtype: DType, kind: str = "") -> np.ndarray:
    """Run ``op`` over an array, or over the rows of one, in compiled code."""
    rows = np.atleast_2d(values)
    memory, i = Memory(), axis("i", rows.shape[1])
    inputs = [load(memory.buffer(rows.shape[1], dtype, row), (i, 1)) for row in rows]
    y = memory.buffer(rows.shape[1], dtype)
    nest = ir.Nest((i,), (store(y, (i, 1), value=call(op, *inputs)),))
    compiled = Executable(program(nest), processor(kind) if kind else host())
    return run(compiled, memory).inner(y)


def truth(op: str, x: np.ndarray) -> np.ndarray:
    """The function in a wider type than that of ``x``."""
    x = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
    match op:
        case "sigmoid":
            e = np.exp(-np.abs(x))
            return np.where(x < 0, e, 1) / (1 + e)
        case "rsqrt":
            return 1 / np.sqrt(x)
        case "erf":
            return _erf(x)
    return getattr(np, op)(x)


def _erf(x: np.ndarray) -> np.ndarray:
    """2 / sqrt(pi) e^(-x^2) times the sum of 2^n x^(2n + 1) / (1 3 5 ... (2n + 1)), all of one
    sign (Abramowitz and Stegun, 7.1.6)."""
    inside = np.clip(x, -6.5, 6.5)
    term = total = inside * 2 / np.sqrt(np.arccos(-np.ones((), x.dtype)))
    for n in range(1, 150):
        term = term * (2 * inside * inside) / (2 * n + 1)
        total = total + term
    return total * np.exp(-inside * inside)


def arguments(op: str, dtype: DType) -> np.ndarray:
    """Numbers of all sizes the function distinguishes, subnormal ones included."""
    rng = np.random.default_rng(0)
    single = dtype is float32
    if op == "log1p":
        size = np.exp2(rng.uniform(-40, 127 if single else 1023, COUNT // 2))
        near_zero = rng.uniform(-1, 1, COUNT // 2) * np.exp2(rng.uniform(-30, 0, COUNT // 2))
        return np.concatenate([size, near_zero]).astype(dtype.numpy)
    if op in ("log", "sqrt", "rsqrt"):
        low, high = (-149, 128) if single else (-1074, 1024)
        near_one = 1 + rng.uniform(-0.5, 0.5, COUNT // 2)
        whole = np.ldexp(rng.uniform(0.5, 1, COUNT // 2), rng.integers(low, high + 1, COUNT // 2))
        return np.concatenate([near_one, whole]).astype(dtype.numpy)
    if op in ("sin", "cos"):
        quarters = rng.integers(-1000, 1000, COUNT // 4) * (np.pi / 2)  # results close to 0
        turns = np.exp2(rng.uniform(0, 15 if single else 40, COUNT // 4))
        beyond = np.exp2(rng.uniform(10, 100, COUNT // 4))
        return np.concatenate([quarters, turns, beyond, rng.uniform(-4, 4, COUNT // 4)]).astype(
            dtype.numpy
        )
    reach = {"erf": 6, "tanh": 22}.get(op, 87 if single else 708)
    wide = rng.uniform(-reach, reach, COUNT // 2)
    small = rng.choice([-1.0, 1.0], COUNT // 2) * np.exp2(rng.uniform(-40, 2, COUNT // 2))
    return np.concatenate([wide, small]).astype(dtype.numpy)


def ulp_error(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    rounded = np.abs(exact).astype(got.dtype)
    return np.abs(got.astype(exact.dtype) - exact) / np.spacing(rounded).astype(exact.dtype)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("op", FUNCTIONS)
def test_error_is_as_stated(op: str, dtype: DType) -> None:
    x = arguments(op, dtype)
    with np.errstate(all="ignore"):
        exact = truth(op, x)
    got = evaluate(op, x, dtype)
    finite = np.isfinite(exact.astype(dtype.numpy))
    assert ulp_error(got[finite], exact[finite]).max() <= ULP[op]


@pytest.mark.parametrize("op", FUNCTIONS)
def test_error_over_all_numbers_is_as_stated(op: str) -> None:
    """Every 8191st number of float32, from the largest to the smallest of either sign."""
    x = np.arange(0, 2**32, 8191, dtype=np.uint64).astype(np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        exact = truth(op, x)
        rounded = exact.astype(np.float32)
    got = evaluate(op, x, float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    assert ulp_error(got[finite], exact[finite]).max() <= ULP[op]


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_roots_round_each_step_correctly(dtype: DType) -> None:
    """As NumPy does with the processor's own division and root: to the last bit."""
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-80, 80, COUNT)).astype(dtype.numpy)
    np.testing.assert_array_equal(evaluate("sqrt", x, dtype), np.sqrt(x))
    np.testing.assert_array_equal(evaluate("rsqrt", x, dtype), 1 / np.sqrt(x))


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("op", FUNCTIONS)
def test_ends_of_the_range(op: str, dtype: DType) -> None:
    info = np.finfo(dtype.numpy)
    x = np.array(
        [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, info.max, -info.max, info.tiny,
         -info.tiny, info.smallest_subnormal, -info.smallest_subnormal, 1e4, -1e4],
        dtype.numpy,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        exact = truth(op, x).astype(dtype.numpy)
    np.testing.assert_allclose(evaluate(op, x, dtype), exact, rtol=4 * info.eps, atol=0)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_exp_and_sigmoid_underflow_gradually(dtype: DType) -> None:
    low, high = (-103.5, -87.5) if dtype is float32 else (-745.0, -708.5)
    x = np.linspace(low, high, 999).astype(dtype.numpy)
    step = np.finfo(dtype.numpy).smallest_subnormal
    for op in ("exp", "sigmoid"):
        exact = truth(op, x)
        error = np.abs(evaluate(op, x, dtype).astype(exact.dtype) - exact)
        assert np.all(error <= 1.01 * step)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_odd_functions_keep_the_sign_of_zero(dtype: DType) -> None:
    for op in ("expm1", "log1p", "tanh", "sin", "erf"):
        got = evaluate(op, np.array([0.0, -0.0], dtype.numpy), dtype)
        assert list(np.signbit(got)) == [False, True]


@pytest.mark.parametrize("kind", ["avx2", "wide", "sse"])
@pytest.mark.parametrize("op", FUNCTIONS)
def test_bits_do_not_depend_on_lanes_or_processor(op: str, kind: str) -> None:
    x = np.abs(arguments(op, float32)[:1003])
    expected = evaluate(op, x, float32)
    alone = np.concatenate([evaluate(op, x[i : i + 1], float32) for i in range(0, 1003, 250)])
    np.testing.assert_array_equal(alone, expected[::250])
    if kind == "sse" and op != "sqrt":
        return  # a fused multiply-add is a call of libm there, as exact but slow
    np.testing.assert_array_equal(evaluate(op, x, float32, kind), expected)


# Powers ---------------------------------------------------------------------------------


def powers(dtype: DType) -> np.ndarray:
    """Bases and exponents whose powers fill the range of the type; some bases close to 1."""
    rng = np.random.default_rng(0)
    reach = 87 if dtype is float32 else 708
    logs = rng.uniform(-1, 1, COUNT) * np.exp2(rng.uniform(-20, np.log2(reach), COUNT))
    x = np.exp(logs).astype(dtype.numpy)
    exponent = rng.uniform(-reach, reach, COUNT) / np.where(x == 1, 1, np.log(x.astype(float)))
    return np.stack([x, exponent.astype(dtype.numpy)])


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_error_of_powers_is_as_stated(dtype: DType) -> None:
    x, y = powers(dtype)
    wide = np.float64 if dtype is float32 else np.longdouble
    exact = np.power(x.astype(wide), y.astype(wide))
    got = evaluate("pow", np.stack([x, y]), dtype)
    assert ulp_error(got, exact).max() <= POWER_ULP[dtype.name]


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_powers_of_odd_numbers(dtype: DType) -> None:
    """Zeros of both signs, infinities, NaN; whole, odd and broken exponents; the ends."""
    info = np.finfo(dtype.numpy)
    some = [0, 1, 2, 3, 0.5, 1.5, 7, np.inf, 1e30, 2.0**24 + 1, 2.0**53, info.max, info.tiny,
            info.smallest_subnormal]  # fmt: skip
    values = np.array([*some, *np.negative(some), np.nan], dtype.numpy)
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    got = evaluate("pow", np.stack([x, y]), dtype)
    np.testing.assert_array_equal(got, evaluate("pow", np.stack([x, y]), dtype, "wide"))
    np.testing.assert_allclose(got, expected, rtol=4 * info.eps, atol=0)
    real = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(expected[real]))


@pytest.mark.parametrize("dtype", [int32, int64, uint8], ids=str)
def test_powers_of_whole_numbers_wrap_around(dtype: DType) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0 if dtype is uint8 else -9, 10, 1003).astype(dtype.numpy)
    y = rng.integers(0, 40, 1003).astype(dtype.numpy)
    got = evaluate("pow", np.stack([x, y]), dtype)
    np.testing.assert_array_equal(got, np.power(x, y))
    if dtype is not uint8:
        assert not evaluate("pow", np.stack([x, -1 - y]), dtype).any()


@pytest.mark.parametrize("kind", ["avx512", "avx2", "sse"])
def test_long_rules_are_functions_of_the_module(kind: str) -> None:
    """One definition for each width, however often it is called."""
    memory, i = Memory(), axis("i", 100)
    x, y = memory.buffer(100), memory.buffer(100)
    value = call("sin", call("sin", call("cos", load(x, (i, 1)))))
    nest = ir.Nest((i,), (store(y, (i, 1), value=value),))
    text, _ = text_of(program(nest), "llvm", forced_cpu(kind))
    defined = re.findall(r"define internal .* @((?:sin|cos)_\w+)\(", text)
    assert sorted(set(defined)) == sorted(defined)
    assert {name.partition("_")[0] for name in defined} == {"sin", "cos"}
