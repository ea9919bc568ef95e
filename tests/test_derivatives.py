"""Products with Jacobians and Hessians, these in full, and checks of a user's own function."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import GradientError, ShapeError
from deepglass.graph.tensor import Tensor
from deepglass.testing import assert_close

RNG = np.random.default_rng(0)
A, X, V = RNG.standard_normal((2, 3)), RNG.standard_normal(3), RNG.standard_normal(3)
U, M = RNG.standard_normal(2), RNG.standard_normal((3, 3))


def curve(x: Any) -> Tensor:
    """y = A x³, whose Jacobian is A diag(3 x²)."""
    return (dg.tensor(A) @ (x * x * x).reshape(3, 1)).reshape(2)


def bowl(x: Any) -> Tensor:
    """y = xᵀ M x + Σ x⁴, whose Hessian is M + Mᵀ + diag(12 x²)."""
    return (x.reshape(1, 3) @ dg.tensor(M) @ x.reshape(3, 1)).sum() + (x * x * x * x).sum()


JACOBIAN = A * 3 * X**2
HESSIAN = M + M.T + np.diag(12 * X**2)
SLOPE = (M + M.T) @ X + 4 * X**3


def _ways(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [lambda *a: function(*map(dg.tensor, a)), dg.compile(function)]


def test_vjp_multiplies_from_the_left(backend: str) -> None:
    def function(x: Any, u: Any) -> Any:
        value, product = dg.vjp(curve, x)
        return value, product(u)

    for run in _ways(function):
        value, product = run(X, U)
        assert_close("value", value, A @ X**3)
        assert_close("product", product, U @ JACOBIAN)
        assert not product.requires_grad


def test_jvp_multiplies_from_the_right(backend: str) -> None:
    for run in _ways(lambda x, v: dg.jvp(curve, (x,), (v,))):
        value, change = run(X, V)
        assert_close("value", value, A @ X**3)
        assert_close("change", change, JACOBIAN @ V)
        assert not change.requires_grad


def test_hvp_multiplies_the_hessian(backend: str) -> None:
    for run in _ways(lambda x, v: dg.hvp(bowl, x, v)):
        value, product = run(X, V)
        assert_close("value", value, X @ M @ X + (X**4).sum())
        assert_close("product", product, HESSIAN @ V)


def test_jacobians_and_hessians_in_full(backend: str) -> None:
    for run in _ways(dg.jacrev(curve)):
        assert_close("Jacobian", run(X), JACOBIAN)
    for run in _ways(dg.jacrev(bowl)):
        assert_close("of one number", run(X), SLOPE)
    for run in _ways(dg.hessian(bowl)):
        assert_close("Hessian", run(X), HESSIAN)


def test_of_several_arguments(backend: str) -> None:
    def function(x: Any, y: Any) -> Tensor:
        return (x.reshape(2, 1) * y).sin()

    x, y = U, A
    inner = np.cos(x[:, None] * y)
    of_x = np.zeros((2, 3, 2))
    of_y = np.zeros((2, 3, 2, 3))
    for i in range(2):
        of_x[i, :, i] = inner[i] * y[i]
        for j in range(3):
            of_y[i, j, i, j] = inner[i, j] * x[i]
    for run in _ways(dg.jacrev(function, (0, 1))):
        found = run(x, y)
        assert_close("of x", found[0], of_x)
        assert_close("of y", found[1], of_y)
    direction = RNG.standard_normal((2, 3))
    for run in _ways(lambda x, y, u, d: dg.jvp(function, (x, y), (u, d))):
        expected = (of_x * U).sum(-1) + (of_y * direction).sum((-1, -2))
        assert_close("jvp", run(x, y, U, direction)[1], expected)
    for run in _ways(lambda x, y, d: dg.vjp(function, x, y)[1](d)):
        found = run(x, y, direction)
        assert_close("vjp of x", found[0], np.tensordot(direction, of_x, 2))
        assert_close("vjp of y", found[1], np.tensordot(direction, of_y, 2))

    def product(x: Any, y: Any) -> Tensor:
        return (x * y * y).sum()

    for run in _ways(dg.hessian(product, (0, 1))):
        (xx, xy), (yx, yy) = run(X, V)
        assert_close("xx", xx, np.zeros((3, 3)))
        assert_close("xy", xy, np.diag(2 * V))
        assert_close("yx", yx, np.diag(2 * V))
        assert_close("yy", yy, np.diag(2 * X))
    for run in _ways(lambda x, y, v, w: dg.hvp(product, (x, y), (v, w))[1]):
        of_first, of_second = run(X, V, U.sum() * V, X)
        assert_close("first", of_first, 2 * V * X)
        assert_close("second", of_second, 2 * V * U.sum() * V + 2 * X * X)


def test_products_are_differentiated_again(backend: str) -> None:
    def first(x: Any) -> Tensor:
        return (dg.jvp(curve, (x,), (dg.tensor(V),))[1] * dg.tensor(U)).sum()

    def second(x: Any) -> Tensor:
        return (dg.hvp(bowl, x, dg.tensor(V))[1] * dg.tensor(V)).sum()

    def third(x: Any) -> Tensor:
        return dg.jacrev(bowl)(x).sum()

    for function, expected in (
        (first, 6 * X * V * (U @ A)), (second, 24 * X * V**2), (third, HESSIAN.sum(0)),
    ):  # fmt: skip
        for run in _ways(dg.grad(function)):
            assert_close("gradient", run(X), expected)


def test_what_requires_a_gradient_keeps_its_history(backend: str) -> None:
    w = dg.tensor(2.0, dtype="float64", requires_grad=True)
    _, change = dg.jvp(lambda x: w * x * x, (dg.tensor(X),), (dg.tensor(V),))
    change.sum().backward()
    assert_close("gradient of w", w.grad, np.asarray(2 * X @ V))


def test_the_program_does_not_grow_with_the_rows() -> None:
    def program(n: int) -> Any:
        return dg.compile(dg.jacrev(lambda x: dg.tanh(x * 2)), backend="native").program(np.ones(n))

    assert len(str(program(40)).splitlines()) == len(str(program(4)).splitlines())


def test_what_does_not_depend_is_zero(backend: str) -> None:
    for run in _ways(dg.jacrev(lambda x, y: y * 2, (0, 1))):
        of_x, of_y = run(X, U)
        assert_close("of x", of_x, np.zeros((2, 3)))
        assert_close("of y", of_y, 2 * np.eye(2))
    assert dg.jacrev(lambda x: x[:0])(dg.tensor(X)).shape == (0, 3)
    assert dg.jvp(lambda x, y: y * 1, (X, U), (V, U * 0))[1].tolist() == [0, 0]


def test_results_in_a_structure() -> None:
    found = dg.jacrev(lambda x: {"a": x * x, "b": [x.sum()]})(dg.tensor(X))
    assert_close("a", found["a"], np.diag(2 * X))
    assert_close("b", found["b"][0], np.ones(3))


def test_misuse() -> None:
    x = dg.tensor(X)
    with pytest.raises(GradientError, match=r"vjp: the function returns one tensor of floats; got"):
        dg.vjp(lambda x: (x, x), x)
    with pytest.raises(
        GradientError, match=r"jvp: the function returns one tensor .*got int64\[\]"
    ):
        dg.jvp(lambda x: x.argmax(), (x,), (x,))
    with pytest.raises(ShapeError, match=r"jvp: the tangents have the types of the primals; got"):
        dg.jvp(curve, (x,), (dg.tensor(U),))
    with pytest.raises(
        ShapeError, match=r"vjp: the cotangent has the type of the value; got \['fl"
    ):
        dg.vjp(curve, x)[1](x)
    with pytest.raises(ShapeError, match=r"hvp: v has the types of the inputs; got \['float64\[2"):
        dg.hvp(bowl, x, U)
    with pytest.raises(GradientError, match=r"hvp: the function returns one number; got float64"):
        dg.hvp(curve, x, x)
    with pytest.raises(GradientError, match=r"argnums name positional arguments; got 1 for 1"):
        dg.jacrev(curve, 1)(x)
    with pytest.raises(GradientError, match="only floats have gradients"):
        dg.jacrev(curve)(dg.tensor([1, 2, 3]))


# torch.autograd.grad --------------------------------------------------------------------


def test_autograd_grad_of_tensors_that_are_there(backend: str) -> None:
    def function(x: Any) -> Any:
        x = x * 1.0
        h = x * x
        y = (h * x).sum()
        (slope,) = dg.autograd.grad(y, x, create_graph=True)
        both = dg.autograd.grad(y, (x, h))
        (curvature,) = dg.autograd.grad(slope.sum(), [x])
        return slope, *both, curvature

    x = dg.tensor(X, requires_grad=True)
    for run in (function, dg.compile(function)):
        slope, again, of_h, curvature = run(x)
        assert_close("slope", slope, 3 * X**2)
        assert_close("again", again, 3 * X**2)
        assert_close("of h", of_h, X)
        assert_close("curvature", curvature, 6 * X)
    assert x.grad is None


def test_autograd_grad_of_several_outputs() -> None:
    x = dg.tensor(X, requires_grad=True)
    y = dg.tensor(U, requires_grad=True)
    (g,) = dg.autograd.grad([x * x, x.sum()], x, grad_outputs=[V, 3.0])
    assert_close("gradient", g, 2 * X * V + 3)
    assert dg.autograd.grad(x.sum(), (x, y), allow_unused=True)[1] is None
    with pytest.raises(GradientError, match=r"not on input 1, float64\[2\]. Leave it out"):
        dg.autograd.grad(x.sum(), (x, y))
    with pytest.raises(GradientError, match="a single number is differentiated"):
        dg.autograd.grad(x * 2, x)
    with pytest.raises(GradientError, match="inputs require gradients"):
        dg.autograd.grad(x.sum(), dg.tensor(X))
    with pytest.raises(GradientError, match="outputs are computed from what requires"):
        dg.autograd.grad(dg.tensor(X).sum(), x)


# gradcheck ------------------------------------------------------------------------------


def test_gradcheck_agrees_and_names_what_is_wrong() -> None:
    assert dg.gradcheck(lambda x, w: dg.tanh(x @ w), (A, M), second_order=True) is True
    assert dg.gradcheck(dg.exp, X) is True

    def wrong(x: Tensor, w: Tensor) -> Tensor:
        fault = np.zeros((3, 3))
        fault[1, 2] = 0.01
        return x @ w + (w.detach() * fault).sum() * 1.0

    expected = r"Worst at input 1, element \[1, 2\]: gradient -?[\d.]+, slope -?[\d.]+\."
    with pytest.raises(AssertionError, match=expected):
        dg.gradcheck(wrong, (A, M))


def test_gradcheck_finds_what_is_wrong_in_the_second_order_only() -> None:
    def cubic(x: Tensor) -> Tensor:
        return square(x) * x

    @dg.op(gradient=lambda g, y, x: g * 2 * x.detach())
    def square(x: np.ndarray) -> np.ndarray:
        return x * x

    assert dg.gradcheck(cubic, X)
    with pytest.raises(AssertionError, match=r"cubic, second order: .* Worst at input 0"):
        dg.gradcheck(cubic, X, second_order=True)


def test_the_guide_does_what_it_says() -> None:
    guide = (Path(__file__).parent.parent / "docs" / "derivatives.md").read_text(encoding="utf-8")
    space: dict[str, Any] = {"__name__": "guide"}
    exec("\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL)), space)
    np.testing.assert_allclose(space["x"], [1, 1], atol=1e-6)
    assert "Worst at input 0, element [1]: gradient" in space["message"]
    assert space["means"].tolist() == [1.0, 1.5, 2.75]
    assert space["arena"][True] < 0.6 * space["arena"][False]
