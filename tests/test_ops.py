"""Every op against its record; the tests are generated from the registry."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from conftest import BACKENDS

import deepglass.ops
from deepglass.graph.kinds import Composite, Leaf
from deepglass.graph.op import REGISTRY, Op
from deepglass.graph.tensor import apply
from deepglass.testing import PROPERTIES, assert_close, check_op, samples_of

# A pullback is that of a recorded function, a parameter that samples cannot give.
OPS = [op for op in REGISTRY.values() if not isinstance(op.kernel, Leaf) and op.pullback is None]
COMPILED = ("values", "compiled gradients")  # the properties in which backends differ

# What has no gradient: whole numbers, truth values and random bits come out of it.
WITHOUT_GRADIENT = {
    "argmax", "argsort", "bitwise_and", "bitwise_or", "bitwise_xor", "eq", "ge", "gt", "iota",
    "le", "lt", "ne", "one_hot", "position", "shift_right", "threefry", "window_argmax",
}  # fmt: skip


def _checks() -> list[object]:
    checks = []
    for op in OPS:
        for name in PROPERTIES:
            if name == "expansion" and not isinstance(op.kernel, Composite):
                continue
            if "gradients" in name and op.name in WITHOUT_GRADIENT:
                continue
            if name == "misuses" and not op.misuses:
                continue
            for backend in BACKENDS if name in COMPILED else BACKENDS[:1]:
                on = f"-{backend}" if name in COMPILED else ""
                label = f"{op.name}-{name.replace(' ', '-')}{on}"
                checks.append(pytest.param(op, name, backend, id=label))
    return checks


@pytest.mark.parametrize(("op", "name", "backend"), _checks())
def test_op(op: Op, name: str, backend: str) -> None:
    check_op(op, backend, [name])


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_record_is_complete(op: Op) -> None:
    samples = samples_of(op)
    assert samples
    assert op.doc.strip().endswith(".") or ">>>" in op.doc
    assert bool(op.gradient) is (op.name not in WITHOUT_GRADIENT)
    if op.gradient:
        assert all(len(op.gradient) >= len(s.args) for s in samples)
        assert any(s.smooth for s in samples)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_some_sample_has_axes_of_different_lengths(op: Op) -> None:
    """A mixed-up axis passes on square shapes."""
    shapes = [a.shape for s in samples_of(op) for a in s.args]
    shapes += [s.params["shape"] for s in samples_of(op) if not s.args]
    assert any(len(shape) >= 1 and len(set(shape)) == len(shape) for shape in shapes)
    ranks = {len(shape) for shape in shapes}
    if max(ranks) >= 2:
        assert any(len(shape) >= 2 and len(set(shape)) == len(shape) for shape in shapes)


@pytest.mark.parametrize("op", [op for op in OPS if ">>>" in op.doc], ids=lambda op: op.name)
def test_the_examples_of_a_record_run(op: Op) -> None:
    names = {**vars(deepglass.ops), "Tensor": deepglass.Tensor}
    test = doctest.DocTestParser().get_doctest(op.doc, names, op.name, None, None)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize(verbose=False) == (0, len(test.examples))
    assert test.examples


# Beyond the samples ---------------------------------------------------------------------

ODD = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30, 80.0, -80.0, 1e30, -1e30, 0.5]
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name",
    [
        "exp",
        "expm1",
        "log",
        "log1p",
        "sqrt",
        "rsqrt",
        "tanh",
        "sigmoid",
        "sin",
        "cos",
        "erf",
        "neg",
        "abs",
        "sign",
        "relu",
        "softmax",
        "log_softmax",
    ],
)
def test_odd_numbers(name: str, dtype: str, backend: str) -> None:
    """Zeros of both signs, infinities, NaN, the very small and the very large."""
    op, x = REGISTRY[name], ODD.astype(dtype)
    params = {"dim": 1} if "softmax" in name else {}
    if params:
        x = np.stack([x, np.roll(x, 1), np.where(np.isfinite(x), x, 0.0)]).astype(dtype)
    with np.errstate(all="ignore"):
        expected = op.reference(x, **params)
    got = deepglass.compile(lambda x: apply(op, x, **params))(x).numpy()
    assert_close(name, got, expected)
    if name in ("neg", "sqrt", "tanh"):
        zeros = (x == 0) & np.isfinite(x)
        assert np.array_equal(np.signbit(got[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "minimum"])
def test_odd_pairs(name: str, backend: str) -> None:
    op = REGISTRY[name]
    x, y = (a.astype(np.float32) for a in np.meshgrid(ODD, ODD))
    with np.errstate(all="ignore"):
        expected = op.reference(x, y)
    assert_close(name, deepglass.compile(lambda x, y: apply(op, x, y))(x, y), expected)


@pytest.mark.parametrize("where", ["first", "middle", "last", "two"])
def test_nan_wins_every_maximum(where: str, backend: str) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (3, 40)).astype(np.float32)
    at = {"first": [0], "middle": [17], "last": [39], "two": [35, 20]}[where]
    x[1, at] = np.nan
    both = deepglass.compile(lambda x: (x.amax(1), x.argmax(1), x.amax(0)))
    amax, argmax, columns = (t.numpy() for t in both(x))
    assert np.array_equal(amax, x.max(1), equal_nan=True)
    assert argmax.tolist() == x.argmax(1).tolist()
    assert argmax[1] == min(at)
    assert np.array_equal(columns, x.max(0), equal_nan=True)


@pytest.mark.parametrize("name", ["nanmax", "nanmin"])
@pytest.mark.parametrize("where", [[0], [17], [39], [35, 20]], ids=str)
def test_nan_is_passed_over(name: str, where: list[int], backend: str) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (3, 40)).astype(np.float32)
    x[1, where], x[2] = np.nan, np.nan
    for dim in (1, 0):
        find = deepglass.compile(
            lambda x, dim=dim: apply(REGISTRY[name], x, dim=(dim,), keepdim=False)
        )
        expected = getattr(np, name)(x[:2], dim)
        nothing = [-np.inf if name == "nanmax" else np.inf] if dim else []
        assert np.array_equal(find(x).numpy(), [*expected, *nothing])


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8", "bool"])
def test_whole_numbers_and_truth_values(dtype: str, backend: str) -> None:
    """What computes with floats in the samples computes with these, too."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (2, 7, 33)).astype(dtype)
    index = rng.integers(0, 7, (2, 33))

    def moved(x: Any, y: Any) -> list[Any]:
        return [
            x.T, x.reshape(3, 77), deepglass.cat([x, y], 1), x[1:, ::3], x[2], x.gather(0, index),
            deepglass.pad(x, (1, 2)), deepglass.where(x == y, x, y), x == y, x != y, x < y, x >= y,
            x.sum(), x.sum(0), x.sum(1), x.amax(1), x.argmax(0), deepglass.maximum(x, y),
            x.to("float32"), x.to("int64"), x.to("bool"), x.to("uint8"), x.mean(1),
        ]  # fmt: skip

    expected = [
        x.T, x.reshape(3, 77), np.concatenate([x, y], 1), x[1:, ::3], x[2],
        np.take_along_axis(x, index, 0), np.pad(x, ((0, 0), (1, 2))), np.where(x == y, x, y),
        x == y, x != y, x < y, x >= y, x.sum(dtype="i8"), x.sum(0, dtype="i8"),
        x.sum(1, dtype="i8"), x.max(1), x.argmax(0), np.maximum(x, y), x.astype("f4"),
        x.astype("i8"), x.astype("?"), x.astype("u1"), x.astype("f4").mean(1),
    ]  # fmt: skip
    for k, got in enumerate(deepglass.compile(moved)(x, y)):
        assert_close(f"result {k}", got, expected[k])
    if dtype != "bool":
        arithmetic = deepglass.compile(lambda x, y: (x + y, x - y, x * y, x * 2 + 1, x / 2))
        found = [x + y, x - y, x * y, x * 2 + 1, x.astype("f4") / 2]
        for k, got in enumerate(arithmetic(x, y)):
            assert_close(f"arithmetic {k}", got, found[k])


def test_floats_become_whole_numbers_towards_zero(backend: str) -> None:
    x = np.array([1.9, -1.9, 0.0, 250.7, -0.5], np.float32)
    cast = deepglass.compile(lambda x: [x.to(t) for t in ("int32", "int64", "bool", "float64")])
    for got, dtype in zip(cast(x), ("int32", "int64", "bool", "float64"), strict=True):
        assert_close(dtype, got, x.astype(dtype))
