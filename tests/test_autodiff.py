"""Gradients: backward, grad, value_and_grad, of any order and any nesting."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.autodiff import numerical_gradient
from deepglass.errors import DTypeError, GradientError, ShapeError
from deepglass.graph.op import REGISTRY
from deepglass.graph.tensor import apply
from deepglass.testing import assert_close, check_gradient

# backward -------------------------------------------------------------------------------


def test_backward_by_hand() -> None:
    x = dg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    w = dg.Parameter([[1.0], [0.0], [-1.0]])
    b = dg.Parameter([0.5])
    loss = ((x @ w + b) ** 2).sum()  # rows give -1.5 twice
    loss.backward()
    assert loss.item() == 4.5
    assert w.grad is not None
    assert w.grad.tolist() == [[-15.0], [-21.0], [-27.0]]  # 2 · -1.5 · (1 + 4), ...
    assert b.grad is not None
    assert b.grad.tolist() == [-6.0]
    assert x.grad is None


def test_gradients_add_up_until_forgotten() -> None:
    w = dg.Parameter([1.0, 2.0])
    for expected in ([2.0, 4.0], [4.0, 8.0]):
        (w * w).sum().backward()
        assert w.grad is not None
        assert w.grad.tolist() == expected
    w.grad = None
    (w * 3).sum().backward()
    assert w.grad.tolist() == [3.0, 3.0]


def test_backward_twice_through_one_history() -> None:
    w = dg.Parameter([3.0])
    loss = (w * w).sum()
    loss.backward()
    loss.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [12.0]


def test_a_value_used_many_times_gets_all_its_gradients() -> None:
    w = dg.Parameter([2.0])
    y = w * w
    z = y * y + y * w + y
    z.sum().backward()  # w⁴ + w³ + w²
    assert w.grad is not None
    assert w.grad.tolist() == [4 * 8 + 3 * 4 + 2 * 2]


def test_a_deep_history_needs_no_recursion() -> None:
    w = dg.Parameter([1.0])
    y = w * 1
    for _ in range(3000):
        y = y + w
    y.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [3001.0]


def test_a_given_cotangent() -> None:
    w = dg.Parameter([1.0, 2.0, 3.0])
    (w * w).backward(gradient=[1.0, 0.0, -1.0])
    assert w.grad is not None
    assert w.grad.tolist() == [2.0, 0.0, -6.0]
    with pytest.raises(ShapeError):
        (w * w).backward(gradient=[1.0, 2.0])


def test_create_graph_allows_a_second_backward() -> None:
    w = dg.Parameter([2.0, 3.0])
    (w * w * w).sum().backward(create_graph=True)
    first = w.grad
    assert first is not None
    assert first.requires_grad
    w.grad = None
    first.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [12.0, 18.0]


def test_without_create_graph_gradients_have_no_history() -> None:
    w = dg.Parameter([2.0])
    (w * w).sum().backward()
    assert w.grad is not None
    assert not w.grad.requires_grad


def test_detach_stops_a_gradient() -> None:
    w = dg.Parameter([3.0])
    (w.detach() * w).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [3.0]
    assert not w.detach().requires_grad


def test_frozen_parameters_get_none() -> None:
    w, frozen = dg.Parameter([1.0]), dg.Parameter([1.0], requires_grad=False)
    (w * frozen).sum().backward()
    assert frozen.grad is None
    frozen.requires_grad = True
    (w * frozen).sum().backward()
    assert frozen.grad is not None


def test_no_grad_records_nothing() -> None:
    w = dg.Parameter([1.0])
    with dg.no_grad():
        y = w * 2
    assert not y.requires_grad
    assert y.is_leaf
    assert (w * 2).requires_grad


def test_no_grad_ends_with_an_exception() -> None:
    w = dg.Parameter([1.0])
    with pytest.raises(KeyError), dg.no_grad():
        raise KeyError
    assert (w * 2).requires_grad


def test_no_grad_holds_in_its_own_thread() -> None:
    w = dg.Parameter([1.0])
    seen: dict[str, bool] = {}
    inside, checked = threading.Event(), threading.Event()

    def without() -> None:
        with dg.no_grad():
            inside.set()
            checked.wait(5)
            seen["without"] = (w * 2).requires_grad

    def recording() -> None:
        inside.wait(5)
        seen["recording"] = (w * 2).requires_grad
        checked.set()

    threads = [threading.Thread(target=t) for t in (without, recording)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == {"without": False, "recording": True}


def test_whole_numbers_and_truth_values_stop_gradients() -> None:
    w = dg.Parameter([[1.0, 5.0], [7.0, 2.0]])
    assert not w.argmax(1).requires_grad
    assert not (w > 1).requires_grad
    assert not w.to("int64").requires_grad


def test_gradients_take_the_type_of_their_tensor() -> None:
    w = dg.Parameter([1.0, 2.0])
    (w.double() * np.array([0.1, 0.2])).sum().backward()
    assert w.grad is not None
    assert w.grad.dtype is dg.float32
    assert_close("gradient", w.grad, np.array([0.1, 0.2], np.float32))


def test_broadcast_gradients_have_the_shape_of_their_tensor() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1, 5)), rng.standard_normal((3, 1))
    check_gradient(lambda a, b: a * b + b, x, y, second_order=True)
    a = dg.tensor(np.ones((2, 1, 5)), requires_grad=True)
    b = dg.tensor(np.ones((3, 1)), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert np.array_equal(a.grad.numpy(), np.full((2, 1, 5), 3.0))
    assert np.array_equal(b.grad.numpy(), np.full((3, 1), 10.0))


# Conventions at kinks and ties ----------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "x", "gradient"),
    [
        (dg.relu, [0.0, -1.0, 2.0], [0, 0, 1]),
        (lambda x: dg.maximum(x, 1.0), [1.0, 0.0, 2.0], [0.5, 0, 1]),
        (dg.max, [1.0, 3.0, 3.0], [0, 0.5, 0.5]),
        (lambda x: x.max(0).values, [1.0, 3.0, 3.0], [0, 1, 0]),
        (
            lambda x: dg.max_pool2d(x.reshape(1, 1, 2, 3), (2, 3)),
            [1.0, 4.0, 2.0, 4.0, 0.0, 4.0],
            [0, 1, 0, 0, 0, 0],
        ),
        (dg.sqrt, [0.0, 4.0], [np.inf, 0.25]),
        (lambda x: dg.where(x > 1, x * 2, x * 3), [1.0, 2.0], [3, 2]),
    ],
    ids=["relu", "maximum", "max", "max along", "max_pool2d", "sqrt", "where"],
)
def test_gradient_where_there_is_no_slope(function: Any, x: list[float], gradient: Any) -> None:
    t = dg.tensor(x, requires_grad=True)
    function(t).sum().backward()
    assert t.grad is not None
    assert t.grad.tolist() == gradient


# grad, value_and_grad -------------------------------------------------------------------


def test_value_and_grad_of_one_argument() -> None:
    value, gradient = dg.value_and_grad(lambda x: (x * x * x).sum())(dg.tensor([1.0, 2.0]))
    assert value.item() == 9.0
    assert gradient.tolist() == [3.0, 12.0]
    assert not value.requires_grad
    assert not gradient.requires_grad


def test_argnums_choose_the_arguments() -> None:
    def function(x: Any, y: Any, scale: float = 1.0) -> dg.Tensor:
        return (x * x * y).sum() * scale

    x, y = dg.tensor([1.0, 2.0]), dg.tensor([3.0, 5.0])
    assert dg.grad(function)(x, y).tolist() == [6.0, 20.0]
    assert dg.grad(function, 1)(x, y).tolist() == [1.0, 4.0]
    both = dg.grad(function, (1, 0))(x, y, scale=2.0)
    assert [g.tolist() for g in both] == [[2.0, 8.0], [12.0, 40.0]]
    assert isinstance(dg.grad(function, [0])(x, y), tuple)


def test_gradients_have_the_structure_of_the_argument() -> None:
    parameters = {"layers": [(dg.tensor(2.0), dg.tensor([3.0])), (dg.tensor(5.0), None)][:1],
                  "scale": dg.tensor(7.0)}  # fmt: skip

    def function(p: Any) -> dg.Tensor:
        ((w, b),) = p["layers"]
        return (w * b * p["scale"]).sum()

    gradients = dg.grad(function)(parameters)
    assert list(gradients) == ["layers", "scale"]
    assert isinstance(gradients["layers"], list)
    assert isinstance(gradients["layers"][0], tuple)
    assert gradients["layers"][0][0].item() == 21.0
    assert gradients["layers"][0][1].tolist() == [14.0]
    assert gradients["scale"].item() == 6.0


def test_an_argument_that_is_not_used_has_gradient_zero() -> None:
    gradient = dg.grad(lambda x, y: (x * x).sum(), 1)(dg.ones(2), dg.ones(3, dtype="float64"))
    assert gradient.tolist() == [0.0, 0.0, 0.0]
    assert gradient.dtype is dg.float64


def test_numbers_and_arrays_are_arguments_too() -> None:
    assert dg.grad(lambda x: x * x)(3.0).item() == 6.0
    assert dg.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]


def test_higher_orders() -> None:
    def cube(x: dg.Tensor) -> dg.Tensor:
        return x * x * x * x

    x, derivative = dg.tensor(2.0), cube
    for expected in (32.0, 48.0, 48.0, 24.0, 0.0):
        derivative = dg.grad(derivative)
        assert derivative(x).item() == expected


def test_the_hessian_of_a_function_of_several_variables() -> None:
    def function(x: dg.Tensor) -> dg.Tensor:
        return x[0] * x[0] * x[1] + x[1].exp() * x[2]

    x = dg.tensor([1.0, 2.0, 3.0], dtype="float64")
    rows = [dg.grad(lambda v, i=i: dg.grad(function)(v)[i])(x).numpy() for i in range(3)]
    e = np.exp(2.0)
    assert_close("Hessian", np.stack(rows), np.array([[4, 2, 0], [2, 3 * e, e], [0, e, 0.0]]))


def test_nested_differentiation_keeps_its_levels_apart() -> None:
    """d/dx (x · d/dy (x + y)) is 1, not 2: the classical perturbation confusion.

    Source: Siskind and Pearlmutter (2005), "Perturbation confusion and referential
    transparency", section 2.
    """
    inner = lambda x: dg.grad(lambda y: x + y)(dg.tensor(1.0))  # noqa: E731
    assert dg.grad(lambda x: x * inner(x))(dg.tensor(1.0)).item() == 1.0


def test_an_inner_gradient_with_the_outer_variable_around_it() -> None:
    """d/dx d/dy (x² y³) at (2, 3) = 2 x · 3 y² = 108."""
    mixed = dg.grad(lambda x: dg.grad(lambda y: x * x * y * y * y)(dg.tensor(3.0)))
    assert mixed(dg.tensor(2.0)).item() == 108.0


def test_grad_inside_a_loss_reaches_parameters() -> None:
    """A gradient penalty: |d/dx w x²|² = (2 w x)², whose slope in w is 8 w x²."""
    w = dg.Parameter(3.0)
    x = dg.tensor(2.0, requires_grad=True)
    slope = dg.grad(lambda v: w * v * v)(x)
    (slope * slope).backward()
    assert w.grad is not None
    assert w.grad.item() == 8 * 3 * 4


def test_a_gradient_can_be_differentiated_for_a_captured_parameter() -> None:
    w = dg.Parameter(3.0)
    slope = dg.grad(lambda v: w * v * v)(dg.tensor(2.0))
    (slope * slope).backward()
    assert w.grad is not None
    assert w.grad.item() == 8 * 3 * 4
    with dg.no_grad():
        assert not dg.grad(lambda v: w * v * v)(dg.tensor(2.0)).requires_grad


def test_grad_works_under_no_grad() -> None:
    with dg.no_grad():
        assert dg.grad(lambda x: x * x)(dg.tensor(3.0)).item() == 6.0


def test_grad_leaves_the_gradients_of_tensors_alone() -> None:
    w = dg.Parameter([1.0, 2.0])
    gradient = dg.grad(lambda v: (v * w).sum())(w)
    assert gradient.tolist() == [1.0, 2.0]  # w inside the function is a constant
    assert w.grad is None


# Errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dg.ones(2).sum().backward(), "nothing here requires a gradient"),
        (lambda: dg.Parameter([1.0, 2.0]).exp().backward(), r"got float32\[2\]. Take .sum\(\)"),
        (lambda: dg.grad(lambda x: x)(dg.ones(2)), r"returns one number; got float32\[2\]"),
        (lambda: dg.grad(lambda x: 3.0)(dg.ones(2)), "returns one number; got float"),
        (lambda: dg.grad(lambda x: x.sum())(dg.arange(2)), r"only floats.*got int64\[2\]"),
        (lambda: dg.grad(lambda x: x.sum(), 1)(dg.ones(2)), "argnums name positional .* got 1"),
        (lambda: dg.grad(lambda x: x.sum(), -1)(dg.ones(2)), "argnums name positional"),
        (lambda: setattr(dg.ones(2), "grad", dg.ones(3)), "a gradient has the type of its tensor"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call: Any, message: str) -> None:
    with pytest.raises(GradientError, match=message):
        call()


def test_a_rule_that_returns_another_shape_is_named() -> None:
    good = REGISTRY.pop("exp")
    try:
        record = replace(good, gradient=(lambda g, y, x: (g * y).sum(),))
    finally:
        REGISTRY["exp"] = good
    x = dg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ShapeError, match=r"gradient: it has the type of its value"):
        apply(record, x * 1).sum().backward()


def test_integers_cannot_require_a_gradient() -> None:
    with pytest.raises(DTypeError, match="only floats have gradients"):
        dg.tensor([1, 2], requires_grad=True)


# The numerical check itself -------------------------------------------------------------


def test_numerical_gradient_is_as_exact_as_it_says() -> None:
    x, d = np.array([0.3, -1.2]), np.array([1.0, 0.5])
    got = numerical_gradient(lambda t: (t * t).tanh().sum(), [x], [d])
    exact = float((d * 2 * x / np.cosh(x * x) ** 2).sum())
    assert abs(got - exact) < 1e-10


def test_labels_of_a_small_type_do_not_run_over() -> None:
    logits = dg.tensor(np.zeros((2, 300)), requires_grad=True)
    dg.nn.functional.cross_entropy(logits, dg.tensor([0, 200], dtype="uint8")).backward()
    assert logits.grad is not None
    expected = np.full((2, 300), 1 / 600)
    expected[[0, 1], [0, 200]] -= 0.5
    np.testing.assert_allclose(logits.grad.numpy(), expected, atol=1e-15)
