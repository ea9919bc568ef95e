"""Ops of a user's own: NumPy inside, ops for the gradient, and everything else as usual."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import testing
from deepglass.errors import DTypeError, GradientError, ShapeError
from deepglass.graph.op import REGISTRY, Misuse
from deepglass.graph.tensor import Tensor
from deepglass.testing import assert_close, check_op

X = np.linspace(-2, 2, 6).reshape(2, 3)


@dg.op(
    gradient=lambda g, y, x, *, slope: g * dg.where(x > 0, 1.0, slope),
    samples=[(X,), (X + 0.1, {"slope": 0.5}), (np.ones((0, 3)),), (np.array(2.0),)],
)
def leaky(x: np.ndarray, *, slope: float = 0.1) -> np.ndarray:
    """x above zero, slope x below."""
    return np.where(x > 0, x, slope * x).astype(x.dtype)


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(((x[:, None] - y[None]) ** 2).sum(2))


distances = dg.op(
    _distances,
    infer=lambda x, y: dg.TensorType((x.shape[0], y.shape[0]), x.dtype),
    gradient=(
        lambda g, r, x, y: 2 * (x * g.sum(1, keepdim=True) - g @ y),
        lambda g, r, x, y: 2 * (y * g.T.sum(1, keepdim=True) - g.T @ x),
    ),
    samples=lambda rng: [(rng.standard_normal((2, 5)), rng.standard_normal((3, 5)))],
    misuses=(Misuse((np.ones(3), np.ones(3)), {}, IndexError, "out of bounds"),),
)


@pytest.mark.parametrize("op", [leaky, distances], ids=lambda op: op.name)
def test_it_is_checked_like_any_op(op: Any, backend: str) -> None:
    check_op(op, backend)


def test_a_wrong_gradient_is_found() -> None:
    wrong = dg.op(gradient=lambda g, y, x: g * 2 * x * 1.01, samples=[(X,)])(lambda x: x * x)
    with pytest.raises(AssertionError, match=r"<lambda>, sample 0 .*, gradient: the gradient is"):
        check_op(wrong)
    check_op(dg.op(gradient=lambda g, y, x: g * 2 * x, samples=[(X,)])(lambda x: x * x))


def test_it_trains_in_a_compiled_step(backend: str) -> None:
    def losses(activation: Any) -> list[float]:
        dg.manual_seed(3)
        layers = dg.nn.Linear(3, 8), dg.nn.Linear(8, 1)
        optimizer = dg.optim.SGD([p for layer in layers for p in layer.parameters()], lr=0.1)

        @dg.compile
        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            error = layers[1](activation(layers[0](x))) - x.sum(1, keepdim=True)
            loss = (error * error).mean()
            loss.backward()
            optimizer.step()
            return loss

        return [step(X.astype(np.float32)).item() for _ in range(5)]

    usual = losses(lambda x: dg.where(x > 0, x, 0.1 * x))
    own = losses(leaky)
    np.testing.assert_allclose(own, usual, rtol=1e-5)
    assert own[-1] < own[0]


def test_derivatives_of_every_order(backend: str) -> None:
    @dg.op(gradient=lambda g, y, x: g * y)
    def growth(x: np.ndarray) -> np.ndarray:
        return np.exp(x)

    third = dg.grad(dg.grad(dg.grad(growth)))
    x = dg.tensor(0.7, dtype="float64")
    assert_close("eager", third(x), np.exp(0.7))
    assert_close("compiled", dg.compile(third)(x), np.exp(0.7))


def test_it_is_a_host_call_that_the_program_shows() -> None:
    program = dg.compile(lambda x: leaky(x * 2, slope=0.25), backend="native").program(X)
    assert f"host {__name__}.leaky(" in str(program)
    assert "slope=0.25" in str(program)
    assert f"{__name__}.leaky(v" in str(program.executable.loops)


def test_without_gradient_nothing_flows(backend: str) -> None:
    @dg.op
    def steps(x: np.ndarray) -> np.ndarray:
        """The number below."""
        return np.floor(x)

    assert steps([1.5, -0.5]).tolist() == [1, -1]
    assert steps.__doc__ == "The number below."
    x = dg.tensor(X, requires_grad=True)
    (steps(x) * x).sum().backward()
    assert_close("gradient", x.grad, np.floor(X))
    assert dg.grad(lambda x: (steps(x) * x).sum())(dg.tensor(X)).tolist() == np.floor(X).tolist()
    with pytest.raises(GradientError, match="nothing here requires a gradient"):
        steps(dg.tensor(X)).sum().backward()


def test_numbers_take_the_type_beside_them() -> None:
    @dg.op
    def total(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        assert x.dtype == y.dtype
        return x + y

    assert total(X, 1).dtype is dg.float64
    assert total(np.float32([1]), 0.5).tolist() == [1.5]
    assert total(1, 2).item() == 3


def test_a_new_definition_takes_the_place_of_the_old(backend: str) -> None:
    """As when the cell of a notebook is run again."""
    source = "@dg.op\ndef times(x):\n    return x * {}\n"
    space: dict[str, Any] = {"dg": dg, "__name__": "notebook"}
    exec(source.format(2), space)
    function = dg.compile(eval("lambda x: times(x) + times(x)", space))
    assert function(np.float64(1)).item() == 4
    exec(source.format(3), space)
    assert function(np.float64(1)).item() == 6
    assert "notebook.times" not in REGISTRY


def test_what_its_functions_read_is_noticed(backend: str) -> None:
    """Of the gradient at the next recording; of the reference at the next run."""
    space: dict[str, Any] = {"dg": dg, "__name__": "notebook", "factor": 2.0}
    exec(
        "@dg.op(gradient=lambda g, y, x: g * factor)\ndef times(x):\n    return x * factor\n"
        "def both(x):\n    return dg.value_and_grad(times)(x)\n",
        space,
    )
    function = dg.compile(space["both"])
    assert [t.item() for t in function(np.float64(1))] == [2, 2]
    space["factor"] = 5.0
    assert [t.item() for t in function(np.float64(1))] == [5, 5]


def test_misuse(backend: str) -> None:
    with pytest.raises(DTypeError, match=r"leaky: a parameter is a number, .*; got slope=ndarray"):
        leaky(X, slope=np.ones(3))
    with pytest.raises(DTypeError, match="Make arrays and tensors arguments before"):
        leaky(X, slope=(1.0, dg.tensor(1.0)))
    with pytest.raises(TypeError, match="too many positional arguments"):
        leaky(X, 0.5)
    with pytest.raises(ShapeError, match="the reference computes the shape that infer tells"):
        dg.op(lambda a: a.sum())(X)
    with pytest.raises(AssertionError, match="a record has samples; got none"):
        check_op(dg.op(lambda x: x))


def test_validate_sees_the_values(backend: str) -> None:
    def positive(x: np.ndarray) -> None:
        if (x <= 0).any():
            raise ValueError(f"root: numbers above zero; got {x.min()}. Take abs first.")

    root = dg.op(validate=positive)(lambda x: np.sqrt(x))
    for function in (root, dg.compile(lambda x: root(x * 1))):
        with pytest.raises(ValueError, match=r"numbers above zero; got -1.0"):
            function(dg.tensor(-1.0))


def test_the_guide_runs(backend: str) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "adding-an-op.md").read_text(encoding="utf-8")
    _, _, section = guide.partition("## An op of your own")
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    space: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, "adding-an-op.md", "exec"), space)
    assert space["found"].tolist() == [[1.0, 2.0, 3.0], [-1.0, 0.0, 5.0]]
    assert testing.samples_of(space["sorted_rows"])
