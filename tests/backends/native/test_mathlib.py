"""The transcendental functions: accuracy in ulp, the ends of their ranges, lanes that agree."""

from __future__ import annotations

import numpy as np
import pytest
from nests import Memory, axis, call, load, program, run, store

from deepglass.backends.native import ir
from deepglass.backends.native.cpu import forced_cpu, host
from deepglass.backends.native.executable import Executable
from deepglass.graph.types import DType, float32, float64

FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sqrt", "rsqrt")
# the largest errors `mathlib` states, in units in the last place
ULP = {
    "exp": 1.03, "expm1": 1.98, "log": 0.88, "log1p": 1.45, "tanh": 1.49, "sigmoid": 1.99,
    "sqrt": 0.5, "rsqrt": 1.48,
}  # fmt: skip
COUNT = 200_000


def evaluate(op: str, values: np.ndarray, dtype: DType, kind: str = "") -> np.ndarray:
    """Run ``op`` over an array in compiled code."""
    memory, i = Memory(), axis("i", len(values))
    x, y = memory.buffer(len(values), dtype, values), memory.buffer(len(values), dtype)
    nest = ir.Nest((i,), (store(y, (i, 1), value=call(op, load(x, (i, 1)))),))
    compiled = Executable(program(nest), forced_cpu(kind) if kind else host())
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
    return getattr(np, op)(x)


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
    reach = {"tanh": 22}.get(op, 87 if single else 708)
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
    for op in ("expm1", "log1p", "tanh"):
        got = evaluate(op, np.array([0.0, -0.0], dtype.numpy), dtype)
        assert list(np.signbit(got)) == [False, True]


@pytest.mark.parametrize("kind", ["avx2", "sse"])
@pytest.mark.parametrize("op", FUNCTIONS)
def test_bits_do_not_depend_on_lanes_or_processor(op: str, kind: str) -> None:
    x = np.abs(arguments(op, float32)[:1003])
    expected = evaluate(op, x, float32)
    alone = np.concatenate([evaluate(op, x[i : i + 1], float32) for i in range(0, 1003, 250)])
    np.testing.assert_array_equal(alone, expected[::250])
    if kind == "sse" and op != "sqrt":
        return  # a fused multiply-add is a call of libm there, as exact but slow
    np.testing.assert_array_equal(evaluate(op, x, float32, kind), expected)
