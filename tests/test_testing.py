"""The checks themselves: each one fails on what it is there to find."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.errors import ShapeError
from deepglass.graph.kinds import Composite
from deepglass.graph.op import REGISTRY, Misuse, Op
from deepglass.graph.types import TensorType, promote
from deepglass.testing import (
    TOLERANCES,
    Tolerance,
    assert_close,
    check_gradient,
    check_module,
    check_op,
    samples_of,
)


def broken(name: str, **changes: Any) -> Op:
    """A record with something else in it; the registry keeps the good one."""
    good = REGISTRY.pop(name)
    try:
        return replace(good, **changes)
    finally:
        REGISTRY[name] = good


# assert_close ---------------------------------------------------------------------------


def test_equal_arrays_are_close_whatever_they_hold() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])
    assert_close("odd", odd, odd.copy())
    assert_close("empty", np.zeros((0, 3)), np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("got", "expected", "message"),
    [
        ([1.0, 2.0], [1.0, 2.5], r"worst at \[1\]: got 2, expected 2.5, 0.5 apart"),
        ([np.nan], [1.0], r"worst at \[0\]: got nan, expected 1"),
        ([1.0], [np.nan], r"got 1, expected nan"),
        ([np.inf], [-np.inf], r"got inf, expected -inf"),
        ([np.inf], [1e300], r"got inf"),
        ([1], [2], r"got 1, expected 2, 1 apart where 0 is allowed"),
        ([True], [False], r"worst at \[0\]"),
        ([1.0], [[1.0]], r"are the same; got float64\[1\], expected float64\[1, 1\]"),
        ([1.0], [1], r"got float64\[1\], expected int64\[1\]"),
    ],
)  # fmt: skip
def test_different_arrays_are_told_apart(got: Any, expected: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_close("x", np.array(got), np.array(expected))


def test_the_worst_element_is_the_one_named() -> None:
    expected = np.zeros((2, 3))
    got = expected.copy()
    got[0, 1], got[1, 2] = 0.5, -2.0
    with pytest.raises(AssertionError, match=r"worst at \[1, 2\]: got -2.*\(2 of 6 elements"):
        assert_close("x", got, expected)


def test_tolerance_is_relative_to_the_element_and_to_the_largest() -> None:
    tolerance = Tolerance(relative=0.1, absolute=0.01)
    expected = np.array([100.0, 1.0])
    assert_close("x", np.array([109.0, 2.0]), expected, tolerance)
    with pytest.raises(AssertionError, match=r"worst at \[1\]"):
        assert_close("x", np.array([109.0, 2.2]), expected, tolerance)
    with pytest.raises(AssertionError, match=r"worst at \[0\]"):
        assert_close("x", np.array([112.0, 2.0]), expected, tolerance)


def test_float32_is_given_more_room_than_float64() -> None:
    third = np.array([1 / 3])
    assert_close("float32", third.astype("f4") * np.float32(1 + 3e-6), third.astype("f4"))
    with pytest.raises(AssertionError):
        assert_close("float64", third * (1 + 3e-6), third)
    assert set(TOLERANCES) == {"float16", "bfloat16", "float32", "float64"}


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_halves_may_be_a_unit_in_the_last_place_apart(half: str) -> None:
    ones = dg.ones(2, dtype=half)
    unit = 2.0 ** (-10 if half == "float16" else -7)
    assert_close(half, ones + unit, ones)
    with pytest.raises(AssertionError, match=r"worst at \[0\]: got 1\.0"):
        assert_close(half, ones + 2 * unit, ones)


# check_op -------------------------------------------------------------------------------


def test_samples_are_the_same_at_every_call() -> None:
    first, second = samples_of(REGISTRY["conv"]), samples_of(REGISTRY["conv"])
    for a, b in zip(first, second, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.args, b.args, strict=True))
    assert not np.array_equal(first[0].args[0], samples_of(REGISTRY["exp"])[6].args[0])


def _wrong_misuse() -> Misuse:
    return Misuse((np.ones(2), np.ones(2)), {}, ShapeError, "no such rule")


FAULTS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "no samples": ("exp", "types", {"samples": None}, "a record has samples"),
    "a shape rule that forgets keepdim": (
        "sum", "types",
        {"infer": lambda x, dim, keepdim: REGISTRY["sum"].infer(x, dim=dim, keepdim=False)},
        r"sum, sample 1 \(float64\[7\], dim=\(0,\), keepdim=True\): infer and reference agree",
    ),
    "a reference of another type": (
        "exp", "types", {"reference": lambda x: np.exp(x).astype("f4")}, "computes float32",
    ),
    "a float32 made of halves": (
        "exp", "types", {"infer": lambda x: TensorType(x.shape, promote(x.dtype, dg.float32))},
        r"exp, sample 0 \(float16\[\]\): halves make halves",
    ),
    "a wrong sign": (
        "tanh", "gradients", {"gradient": (lambda g, y, x: -g * (1 - y * y),)},
        r"tanh, sample 0 \(float64\[\]\), gradient: the gradient is the slope",
    ),
    "gradients of two inputs exchanged": (
        "div", "gradients", {"gradient": REGISTRY["div"].gradient[::-1]}, "div, sample",
    ),
    "right first and wrong second order": (
        "sigmoid", "gradients",
        {"gradient": (lambda g, y, x: g * (y * (1 - y)).detach(),)}, "second order",
    ),
    "a gradient that forgets its cotangent": (
        "exp", "gradients", {"gradient": (lambda g, y, x: y,)}, "exp, sample",
    ),
    "a wrong expansion": (
        "softmax", "expansion",
        {"kernel": Composite(lambda x, dim: dg.log_softmax(x, dim))},
        "softmax, sample 0.*expansion",
    ),
    "an expansion with another gradient": (
        "softmax", "expansion",
        {"kernel": Composite(lambda x, dim: dg.softmax(x.detach(), dim) + 0.0 * x)},
        "gradient 0 against its expansion",
    ),
    "an expansion with another second derivative": (
        "softmax", "expansion",
        {"gradient": (
            lambda g, y, x, dim: y * (g - dg.sum(g * y, dim, keepdim=True)).detach(),
        )},
        "second derivative 0 against its expansion",
    ),
    "an expansion computed by a program": (
        "relu", "values", {"kernel": Composite(lambda x: dg.maximum(x, 1))}, "relu, sample",
    ),
    "a misuse that is accepted": (
        "add", "misuses", {"misuses": (_wrong_misuse(),)}, "raises ShapeError; got tensor",
    ),
    "a misuse with other words": (
        "matmul", "misuses",
        {"misuses": (Misuse((np.ones(3), np.ones(3)), {}, ShapeError, "no such rule"),)},
        "the message contains 'no such rule'",
    ),
    "a misuse with another error": (
        "matmul", "misuses",
        {"misuses": (Misuse((np.ones(3), np.ones(3)), {}, KeyError, "two axes"),)},
        "raises KeyError; got ShapeError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_check_op_finds(fault: str) -> None:
    name, found_by, changes, message = FAULTS[fault]
    check_op(name, properties=[found_by])
    with pytest.raises(AssertionError, match=message):
        check_op(broken(name, **changes), properties=[found_by])


def test_a_gradient_that_compiles_to_something_else_is_found() -> None:
    def twice_when_traced(g: dg.Tensor, y: dg.Tensor, x: dg.Tensor) -> dg.Tensor:
        return g * y * (2.0 if x.node.trace is not None else 1.0)

    record = broken("exp", gradient=(twice_when_traced,))
    check_op(record, properties=["gradients"])
    with pytest.raises(AssertionError, match=r"exp, sample 0.*gradient 0 on reference"):
        check_op(record, properties=["compiled gradients"])


# check_gradient -------------------------------------------------------------------------


def test_check_gradient_of_nested_arguments() -> None:
    def function(layers: list[dict[str, dg.Tensor]], index: dg.Tensor) -> dg.Tensor:
        return (layers[0]["w"] @ layers[1]["w"]).tanh().gather(1, index)

    w = np.linspace(-1, 1, 6).reshape(2, 3)
    check_gradient(function, [{"w": w}, {"w": w.T}], np.array([[1], [0]]), second_order=True)


def test_check_gradient_of_a_float32_tensor_works_in_float64() -> None:
    seen = []
    check_gradient(lambda x: seen.append(x.dtype) or x.exp(), dg.tensor([1.0, 2.0]))
    assert set(seen) == {dg.float64}


def test_check_gradient_finds_a_wrong_second_order() -> None:
    def function(x: dg.Tensor) -> dg.Tensor:
        return x * x.detach() + (x * x - (x * x).detach()) * 0.5  # gradient 2x, then 0 + 1

    check_gradient(function, 3.0)
    with pytest.raises(AssertionError, match="function, second order"):
        check_gradient(function, 3.0, second_order=True)


def test_check_gradient_steps_over_a_kink_nearby() -> None:
    check_gradient(lambda x: dg.relu(x), np.array([5e-5, 1.0]))
    check_gradient(lambda x: dg.relu(x), np.array([-5e-5, 1.0]))


def test_check_gradient_says_what_it_needs() -> None:
    with pytest.raises(TypeError, match="at least one argument holds floats"):
        check_gradient(lambda n: n, 3)
    with pytest.raises(TypeError, match="returns a tensor; got float"):
        check_gradient(lambda x: 1.0, 3.0)


# check_module ---------------------------------------------------------------------------


X = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


class WrongGradient(nn.Linear):
    def forward(self, x: Any) -> dg.Tensor:
        return nn.functional.linear(x, self.weight, (self.bias * 2).detach() - self.bias)


class LosesModes(nn.Linear):
    def train(self, mode: bool = True) -> LosesModes:
        return self


class NoState(nn.Linear):
    def load_state_dict(self, state_dict: Any, strict: bool = True) -> None:
        return None


class AcceptsAnything(nn.Linear):
    def load_state_dict(self, state_dict: Any, strict: bool = True) -> None:
        super().load_state_dict(state_dict, strict=False)


class Anonymous(nn.Linear):
    def __repr__(self) -> str:
        return "layer"


class DiffersWhenCompiled(nn.Linear):
    def forward(self, x: Any) -> dg.Tensor:
        return super().forward(x) * (2.0 if x.node.trace is not None else 1.0)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (WrongGradient, "WrongGradient, training, gradient"),
        (LosesModes, r"train\(False\) reaches every layer"),
        (NoState, "state_dict 'weight' after loading"),
        (AcceptsAnything, "load_state_dict raises DataError"),
        (Anonymous, "repr names the class"),
        (DiffersWhenCompiled, "training, output compiled on reference"),
    ],
)
def test_check_module_finds(layer: type[nn.Module], message: str) -> None:
    check_module(nn.Linear(3, 2), X)
    with pytest.raises(AssertionError, match=message):
        check_module(layer(3, 2), X)


def test_check_module_leaves_the_module_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5), nn.Linear(2, 1)).eval()
    model[0].bias.requires_grad = False
    model[2].weight.grad = dg.ones(1, 2)
    gradient = model[2].weight.grad
    before, counter = model.state_dict(), dg.manual_seed(3).counter.numpy()
    check_module(model, X)
    after = model.state_dict()
    assert all(np.array_equal(before[k], after[k]) for k in before)
    assert all(v.dtype == np.float32 for v in after.values())
    assert [m.training for m in model.modules()] == [False] * 4
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True]
    assert model[2].weight.grad is gradient
    assert model[0].weight.grad is None
    from deepglass.ops import default_generator

    assert default_generator.counter.item() == counter
