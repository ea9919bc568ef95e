"""Tensors made from numbers and shapes, beside NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DomainError, DTypeError, ShapeError, TraceError
from deepglass.nn import functional

MADE: dict[str, tuple[Callable[[], Any], Any]] = {
    "zeros": (lambda: dg.zeros(2, 3), np.zeros((2, 3), "f4")),
    "ones": (lambda: dg.ones((2, 3), dtype=dg.int32), np.ones((2, 3), "i4")),
    "empty": (lambda: dg.empty(2, 0), np.zeros((2, 0), "f4")),
    "full": (lambda: dg.full((2, 3), 7.5), np.full((2, 3), 7.5, "f4")),
    "full of integers": (lambda: dg.full(3, 7), np.full(3, 7)),
    "full, no axes": (lambda: dg.full((), True), np.array(True)),
    "zeros_like": (lambda: dg.zeros_like(dg.arange(3)), np.zeros(3, "i8")),
    "ones_like": (lambda: dg.ones_like(dg.arange(3), dtype="float64"), np.ones(3)),
    "full_like": (lambda: dg.full_like(dg.ones(2, 3), 4), np.full((2, 3), 4, "f4")),
    "empty_like": (lambda: dg.empty_like(np.ones(3)), np.zeros(3)),
    "eye": (lambda: dg.eye(3), np.eye(3, dtype="f4")),
    "eye, wide": (lambda: dg.eye(2, 5, dtype="int64"), np.eye(2, 5, dtype="i8")),
    "eye, high": (lambda: dg.eye(5, 2, dtype=bool), np.eye(5, 2, dtype="?")),
    "arange": (lambda: dg.arange(5), np.arange(5)),
    "arange, nothing": (lambda: dg.arange(0), np.arange(0)),
    "arange from": (lambda: dg.arange(2, 7), np.arange(2, 7)),
    "arange in steps": (lambda: dg.arange(2, 12, 3), np.arange(2, 12, 3)),
    "arange in exact steps": (lambda: dg.arange(2, 11, 3), np.arange(2, 11, 3)),
    "arange down": (lambda: dg.arange(5, -4, -2), np.arange(5, -4, -2)),
    "arange of floats": (lambda: dg.arange(1.5), np.arange(1.5, dtype="f4")),
    "arange in halves": (lambda: dg.arange(1, 2.6, 0.5), np.arange(1, 2.6, 0.5, dtype="f4")),
    "arange, converted": (lambda: dg.arange(3, dtype="float64"), np.arange(3.0)),
    "arange, float64": (
        lambda: dg.arange(0, 1, 0.1, dtype="float64"), np.arange(0, 1, 0.1),
    ),
    "linspace": (lambda: dg.linspace(-1, 2, 7, dtype="float64"), np.linspace(-1, 2, 7)),
    "linspace, float32": (lambda: dg.linspace(0, 1, 11), np.linspace(0, 1, 11, dtype="f4")),
    "linspace, one": (lambda: dg.linspace(3, 5, 1), np.array([3], "f4")),
    "linspace, none": (lambda: dg.linspace(3, 5, 0), np.zeros(0, "f4")),
    "logspace": (lambda: dg.logspace(-3, 2, 6, dtype="float64"), np.logspace(-3, 2, 6)),
    "logspace, base 2": (
        lambda: dg.logspace(0, 4, 5, 2, dtype="float64"), np.array([1.0, 2, 4, 8, 16]),
    ),
    "one_hot": (
        lambda: functional.one_hot(dg.tensor([[2], [0]])), np.array([[[0, 0, 1]], [[1, 0, 0]]]),
    ),
    "one_hot of nothing": (
        lambda: functional.one_hot(dg.zeros(0, dtype="int64"), 3), np.zeros((0, 3), "i8"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_values_and_types(name: str) -> None:
    make, expected = MADE[name]
    got = make().numpy()
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert np.allclose(got, expected, rtol=1e-15 if got.dtype == float else 1e-7, atol=0)


@pytest.mark.parametrize("name", [n for n in MADE if n != "one_hot"])
def test_the_same_inside_a_compiled_function(name: str, backend: str) -> None:
    make, _ = MADE[name]
    eager, compiled = make().numpy(), dg.compile(make)().numpy()
    assert compiled.dtype == eager.dtype
    assert compiled.shape == eager.shape
    assert np.allclose(compiled, eager, rtol=1e-15 if eager.dtype == float else 1e-7, atol=0)


@pytest.mark.parametrize(
    "make",
    [
        dg.zeros, dg.ones, dg.empty, dg.eye,
        lambda n, **k: dg.full(n, 1.0, **k), lambda n, **k: dg.arange(0.0, n, **k),
        lambda n, **k: dg.linspace(0, 1, n, **k), lambda n, **k: dg.ones_like(dg.zeros(n), **k),
    ],
)  # fmt: skip
def test_made_to_be_trained(make: Callable[..., Any]) -> None:
    x = make(3, requires_grad=True)
    assert x.is_leaf
    (x * x).sum().backward()
    assert np.array_equal(x.grad.numpy(), 2 * x.numpy())
    assert not make(3).requires_grad


def test_both_ends_of_a_line_are_exact() -> None:
    for start, end in ((0.1, 0.7), (-1e30, 3.3), (1 / 3, 2 / 3)):
        line = dg.linspace(start, end, 13, dtype="float64").tolist()
        assert (line[0], line[-1]) == (start, end)


def test_what_is_a_tensor_already_stays_it() -> None:
    x = dg.ones(2)
    assert dg.as_tensor(x) is x
    assert dg.as_tensor(x, dtype="float32") is x
    assert dg.as_tensor(x, dtype="int64").tolist() == [1, 1]
    assert dg.as_tensor([1, 2], dtype="float64").dtype is dg.float64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dg.zeros(2, -1), ShapeError, r"zeros: lengths are not negative; got \(2, -1\)"),
        (lambda: dg.ones(-1), ShapeError, r"ones: lengths are not negative; got \(-1,\)"),
        (lambda: dg.full((-2,), 1), ShapeError, r"full: lengths are not negative; got \(-2,\)"),
        (lambda: dg.eye(2, -3), ShapeError, r"eye: lengths are not negative; got \(2, -3\)"),
        (lambda: dg.eye(2, dtype="f2x"), DTypeError, "dtype: one of"),
        (lambda: dg.arange(1, 5, 0), DomainError, "arange: .*got start 1, end 5, step 0"),
        (lambda: dg.arange(1, 5, -1), DomainError, "arange: .*got start 1, end 5, step -1"),
        (lambda: dg.arange(-2.5), DomainError, "arange: .*got start 0, end -2.5, step 1"),
        (lambda: dg.linspace(0, 1, -1), DomainError, "linspace: steps are counted from 0; got -1"),
        (lambda: dg.linspace(0, 1, 2, dtype="text"), DTypeError, "dtype: one of"),
        (lambda: dg.logspace(0, 1, 2, base=-2), DomainError, "logspace: .*positive; got -2"),
        (lambda: dg.logspace(0, 1, -2), DomainError, "linspace: steps are counted from 0; got -2"),
        (lambda: functional.one_hot(dg.tensor([1, 3]), 3), DomainError, "between 0 and 2; got 1"),
        (lambda: functional.one_hot([-1, 3]), DomainError, "between 0 and 3; got -1 to 3"),
        (lambda: functional.one_hot([1.5]), DTypeError, r"labels are integers; got float32\[1\]"),
    ],
)  # fmt: skip
def test_misuses(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_classes_are_counted_outside_of_compiled_functions_only() -> None:
    labels = np.array([1, 2])
    with pytest.raises(TraceError, match=r"one_hot: .*got -1 for int64\[2\]. Write one_hot\(x, n"):
        dg.compile(functional.one_hot)(labels)
    rows = dg.compile(lambda x: functional.one_hot(x, 3))
    assert rows(labels).tolist() == [[0, 1, 0], [0, 0, 1]]
    with pytest.raises(DomainError, match="labels lie between 0 and 2; got 1 to 3"):
        rows(np.array([1, 3]))


def test_a_constant_that_is_one_number_takes_no_memory() -> None:
    step = dg.compile(lambda x: x * dg.ones(2, 3) + dg.tensor([[0.5, 0.5, 0.5], [0.5, 0.5, 1.0]]))
    program = step.program(np.ones((2, 3), np.float32))
    sizes = [n.type.shape for n in program.optimized.nodes() if n.op.name == "constant"]
    assert sizes == [(2, 3)]
    assert step(np.ones((2, 3), np.float32)).tolist() == [[1.5, 1.5, 1.5], [1.5, 1.5, 2.0]]
    signs = dg.compile(lambda: dg.tensor([0.0, -0.0]))().numpy()
    assert np.signbit(signs).tolist() == [False, True]
