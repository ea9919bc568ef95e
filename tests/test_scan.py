"""Steps repeated over rows: as a plain loop, recorded once, and differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DTypeError, ShapeError, TraceError
from deepglass.graph.kinds import Contraction, Scan
from deepglass.graph.tensor import Buffer, Tensor
from deepglass.testing import assert_close, check_gradient


def _values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).uniform(-1, 1, shape)


def rnn(h0: Any, x: Any, w: Any, u: Any, b: Any, reverse: bool = False) -> Tensor:
    """A recurrent layer; what of it does not depend on the carry is inside too."""
    return dg.scan(lambda h, x_t: dg.tanh(x_t @ u + h @ w.exp().T * 0.3 + b), h0, x, reverse)


def arguments(length: int = 5) -> list[np.ndarray]:
    return [_values(2, 3), _values(length, 2, 7), _values(3, 3), _values(7, 3), _values(3)]


# Values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0, 3)])
def test_carries_are_those_of_a_loop(
    shape: tuple[int, ...], length: int, reverse: bool, backend: str
) -> None:
    init, x, y = _values(*shape), _values(length, *shape), _values(length, seed=1)
    expected, carry = np.empty(x.shape), init
    for t in range(length)[:: -1 if reverse else 1]:
        carry = np.cos(0) * np.tanh(carry * y[t]) + x[t]
        expected[t] = carry

    def function(init: Any, x: Any, y: Any) -> Tensor:
        return dg.scan(lambda c, x_t, y_t: dg.tanh(c * y_t) + x_t, init, (x, y), reverse)

    assert_close("eager", function(*map(dg.tensor, (init, x, y))), expected)
    assert_close("compiled", dg.compile(function)(init, x, y), expected)


def test_whole_numbers_count(backend: str) -> None:
    function: Callable[..., Tensor] = lambda x: dg.scan(  # noqa: E731 - one function, two ways
        lambda n, x_t: n + (x_t > 0).to("int64"), 10, x
    )
    x = np.array([1.0, -1.0, 2.0])
    assert function(dg.tensor(x)).tolist() == dg.compile(function)(x).tolist() == [11, 11, 12]


@pytest.mark.parametrize("kind", ["row", "carry", "captured", "constant", "detached"])
def test_a_step_may_compute_nothing(kind: str, backend: str) -> None:
    captured = dg.tensor(5.0)
    step = {
        "row": lambda c, x: x,
        "carry": lambda c, x: c,
        "captured": lambda c, x: captured,
        "constant": lambda c, x: dg.tensor(2.0),
        "detached": lambda c, x: c.detach() + x.detach(),
    }[kind]
    x = np.array([1.0, 2.0, 3.0], np.float32)
    both = dg.value_and_grad(lambda x: dg.scan(step, 1.0, x).sum())
    eager, compiled = both(dg.tensor(x)), dg.compile(both)(x)
    assert eager[0].item() == compiled[0].item()
    assert eager[1].tolist() == compiled[1].tolist() == ([1, 1, 1] if kind == "row" else [0, 0, 0])


def test_no_rows_have_no_carries(backend: str) -> None:
    for function in (rnn, dg.compile(rnn)):
        empty = function(*map(dg.tensor, arguments(0)))
        assert empty.shape == (0, 2, 3)
        assert empty.dtype is dg.float64


def test_a_scan_in_a_scan(backend: str) -> None:
    """The sums of all beginnings of all beginnings."""
    x = _values(4, 3)

    def function(x: Any) -> Tensor:
        def outer(total: Tensor, row: Tensor) -> Tensor:
            return dg.scan(lambda inner, x_t: inner + x_t, total[-1], row)

        return dg.scan(outer, dg.tensor(np.zeros(3)), x)

    expected, total = [], 0.0
    for row in x:
        expected.append(total + row.cumsum())
        total = expected[-1][-1]
    assert_close("eager", function(dg.tensor(x)), np.stack(expected))
    assert_close("compiled", dg.compile(function)(x), np.stack(expected))
    gradient = dg.grad(lambda x: (function(x) * function(x)).sum())
    assert_close("gradient", dg.compile(gradient)(x), gradient(dg.tensor(x)))


# Gradients ------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 5])
def test_gradients_are_slopes(length: int, reverse: bool) -> None:
    check_gradient(lambda *a: rnn(*a, reverse=reverse), *arguments(length), second_order=True)


def loss(*args: Any, reverse: bool = False) -> Tensor:
    y = rnn(*args, reverse=reverse)
    return (y * y * dg.tensor(_values(2, 3, seed=4))).sum()


WANTED = [(0,), (1,), (2,), (3, 4), (0, 1, 2, 3, 4)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_compiled_gradients_are_those_of_the_loop(
    wanted: tuple[int, ...], reverse: bool, backend: str
) -> None:
    function = dg.value_and_grad(lambda *a: loss(*a, reverse=reverse), wanted)
    for length in (1, 5):
        tensors = list(map(dg.tensor, arguments(length)))
        eager, compiled = function(*tensors), dg.compile(function)(*tensors)
        assert_close("value", compiled[0], eager[0])
        for k, got, expected in zip(wanted, compiled[1], eager[1], strict=True):
            assert_close(f"gradient {k}", got, expected)


@pytest.mark.parametrize("reverse", [False, True])
def test_compiled_second_derivatives_are_those_of_the_loop(reverse: bool, backend: str) -> None:
    everything = range(5)

    def curvature(*args: Any) -> Any:
        def slope(*args: Any) -> Tensor:
            gradients = dg.grad(lambda *a: loss(*a, reverse=reverse), everything)(*args)
            parts = [(g * dg.tensor(_values(*g.shape, seed=5))).sum() for g in gradients]
            return sum(parts[1:], parts[0])

        return dg.grad(slope, everything)(*args)

    tensors = list(map(dg.tensor, arguments(3)))
    for k, (got, expected) in enumerate(
        zip(dg.compile(curvature)(*tensors), curvature(*tensors), strict=True)
    ):
        assert_close(f"second derivative {k}", got, expected)


def test_backward_reaches_parameters_and_arguments(backend: str) -> None:
    values = arguments()
    w = dg.nn.Parameter(values[2], dtype="float64")

    def step(h0: Any, x: Any, u: Any, b: Any) -> Tensor:
        w.grad = None
        value = loss(h0, x, w, u, b)
        value.backward()
        return value

    rest = [dg.tensor(a) for k, a in enumerate(values) if k != 2]
    step(*rest)
    expected = w.grad
    dg.compile(step, keep_grads=True)(*rest)
    assert_close("gradient of w", w.grad, expected)


def test_what_is_detached_in_a_step_stays_so(backend: str) -> None:
    x = _values(4)

    def function(x: Any) -> Tensor:
        def step(c: Tensor, x_t: Tensor) -> Tensor:
            with dg.no_grad():
                size = c * c + x_t
            return c * 0.5 + x_t * size + c.detach() * x_t

        return dg.scan(step, dg.tensor(0.3, dtype="float64"), x).sum()

    assert_close("gradient", dg.compile(dg.grad(function))(x), dg.grad(function)(dg.tensor(x)))


def test_training_inside_of_a_step_is_differentiated(backend: str) -> None:
    """Ten steps of gradient descent as a function of the rate and of the start."""
    target = dg.tensor(_values(3))

    def trained(start: Any, rates: Any) -> Tensor:
        def descend(w: Tensor, rate: Tensor) -> Tensor:
            slope = dg.grad(lambda w: ((w * w - target) * (w * w - target)).sum())(w)
            return w - rate * slope

        return dg.scan(descend, start, rates)[-1].sum()

    start, rates = _values(3, seed=2), np.linspace(0.05, 0.1, 10)
    check_gradient(trained, start, rates)
    both = dg.grad(trained, (0, 1))
    for got, expected in zip(
        dg.compile(both)(start, rates), both(dg.tensor(start), dg.tensor(rates)), strict=True
    ):
        assert_close("gradient", got, expected)


def test_a_step_may_hold_anything(backend: str) -> None:
    """Composites, products in a chain, a host call, a scan and a convolution."""
    x, w = _values(3, 2, 4), _values(4, 4)

    @dg.op(gradient=lambda g, y, x: g * dg.cos(x))
    def sine(x: np.ndarray) -> np.ndarray:
        return np.sin(x)

    def function(x: Any, w: Any) -> Tensor:
        def step(c: Tensor, x_t: Tensor) -> Tensor:
            h = dg.softmax(dg.relu(c @ w) @ w + x_t, 1)
            h = dg.scan(lambda a, b: sine(a + b @ w[:2, :2]), h[:, :2], h.reshape(2, 2, 2))[-1]
            image = dg.conv2d(c.reshape(1, 1, 2, 4), w.reshape(1, 1, 4, 4), padding=(1, 2))
            return dg.cat([h, image.reshape(-1)[:4].reshape(2, 2)], 1)

        return (dg.scan(step, dg.zeros(2, 4, dtype="float64"), x) * x).sum()

    both = dg.value_and_grad(function, (0, 1))
    eager, compiled = both(dg.tensor(x), dg.tensor(w)), dg.compile(both)(x, w)
    assert_close("value", compiled[0], eager[0])
    for got, expected in zip(compiled[1], eager[1], strict=True):
        assert_close("gradient", got, expected)


def test_types_may_be_mixed(backend: str) -> None:
    """A float32 row, a float64 carry, whole numbers that pick a row of a table."""
    x, table, index = _values(4, 3).astype(np.float32), _values(5, 3), np.array([4, 0, 2, 0])

    def function(x: Any, table: Any, index: Any) -> Tensor:
        def step(c: Tensor, x_t: Tensor, i: Tensor) -> Tensor:
            row = dg.gather(table, 0, i.reshape(1, 1).broadcast_to(1, 3)).reshape(3)
            return (c * row + x_t).sigmoid()

        return dg.scan(step, dg.tensor(np.zeros(3)), (x, index)).sum()

    both = dg.value_and_grad(function, (0, 1))
    value, gradients = dg.compile(both)(x, table, index)
    expected, wanted = both(dg.tensor(x), dg.tensor(table), dg.tensor(index))
    assert_close("value", value, expected)
    assert gradients[0].dtype is dg.float32
    for got, gradient in zip(gradients, wanted, strict=True):
        assert_close("gradient", got, gradient)


# The program ----------------------------------------------------------------------------


def _sizes(length: int) -> tuple[int, int, int]:
    """Nodes, lines of the page, and lines of the loops of a training step."""
    function = dg.compile(dg.value_and_grad(loss, range(5)), backend="native")
    program = function.program(*map(dg.tensor, arguments(length)))
    loops = str(program.executable.loops).splitlines()
    return len(program.graph.nodes()), len(str(program).splitlines()), len(loops)


def test_the_program_does_not_grow_with_the_number_of_rows() -> None:
    assert _sizes(300) == _sizes(4)


def test_what_does_not_depend_on_the_carry_is_computed_once_before() -> None:
    program = dg.compile(rnn).program(*map(dg.tensor, arguments()))
    (scan,) = [n for n in program.graph.nodes() if isinstance(n.op.kernel, Scan)]
    assert [n.op.name for n in scan.inputs].count("exp") == 1
    inside = [n.op.name for n in scan.params["region"].graph.nodes()]
    assert "exp" not in inside
    assert "transpose" in inside  # a movement costs nothing where it is used
    assert "tanh" in str(program).split("<lambda>#")[-1]


def test_products_are_computed_once_and_the_carries_with_them() -> None:
    function = dg.compile(dg.value_and_grad(loss, range(5)), backend="reference")
    program = function.program(*map(dg.tensor, arguments()))
    recorded, kept = (
        [n for n in graph.nodes() if isinstance(n.op.kernel, Scan)]
        for graph in (program.graph, program.optimized)
    )
    assert len(recorded) == 4
    assert len(kept) == 3  # the steps with their products, the way back, the sums
    products = [
        sum(isinstance(n.op.kernel, Contraction) for n in s.params["region"].graph.nodes())
        for s in kept
    ]
    assert sorted(products) == [2, 2, 2]  # two forwards, two for carry and rows, two for weights
    cheap = dg.grad(lambda x: dg.scan(lambda c, x_t: dg.tanh(c + x_t), 0.0, x)[-1])
    optimized = dg.compile(cheap, backend="reference").program(np.ones(4, np.float32)).optimized
    assert sum(isinstance(n.op.kernel, Scan) for n in optimized.nodes()) == 2


@pytest.mark.parametrize("last", [-1, slice(None)], ids=["last", "all"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)], ids=str)
def test_carries_of_any_shape_are_part_of_more(
    shape: tuple[int, ...], last: Any, backend: str
) -> None:
    """Beside products of the same rows, of other shapes, and of none."""
    x, w = _values(4, *shape), _values(3, 3)

    def function(x: Any, w: Any, products: int) -> Tensor:
        def step(c: Tensor, x_t: Tensor) -> Tensor:
            for _ in range(products):
                c = c * (dg.tanh(c.sum() * w) @ w).mean() + (c if c.ndim < 2 else dg.tanh(c @ w))
            return dg.tanh(c + x_t)

        return dg.scan(step, dg.zeros(shape, dtype="float64"), x)[last].sum()

    for products in (0, 1, 2):
        both = dg.value_and_grad(lambda x, w, k=products: function(x, w, k), (0, 1))
        value, gradients = dg.compile(both)(x, w)
        expected, wanted = both(dg.tensor(x), dg.tensor(w))
        assert_close("value", value, expected)
        for got, gradient in zip(gradients, wanted, strict=True):
            assert_close("gradient", got, gradient)


def test_rows_no_step_reads_are_left_out() -> None:
    program = dg.compile(lambda x, y: dg.scan(lambda c, x_t, y_t: c + x_t, 0.0, (x, y))).program(
        np.zeros(3, np.float32), np.zeros(3, np.float32)
    )
    (scan,) = [n for n in program.graph.nodes() if isinstance(n.op.kernel, Scan)]
    assert [n.name for n in scan.inputs[1:]] == ["x"]


# Misuse ---------------------------------------------------------------------------------


def _modes(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [lambda x: function(dg.tensor(x)), dg.compile(function)]


def test_a_step_changes_no_state(backend: str) -> None:
    count, weight = Buffer(0.0), dg.nn.Parameter([1.0])

    def counts(c: Tensor, x: Tensor) -> Tensor:
        count.copy_(count + 1)
        return c + x

    def draws(c: Tensor, x: Tensor) -> Tensor:
        return c + x * dg.rand(1)[0]

    def learns(c: Tensor, x: Tensor) -> Tensor:
        (weight * x.detach()).sum().backward()
        return c + x

    x = np.ones(3, np.float32)
    for step in (counts, draws, learns):
        for run in _modes(lambda x, step=step: dg.scan(step, 0.0, x)):
            with pytest.raises(TraceError, match="a step computes its carry and changes nothing"):
                run(x)
    assert count.item() == 0
    assert weight.grad is None
    dg.compile(lambda: count.copy_(count + 1))()
    for run in _modes(lambda x: dg.scan(counts, 0.0, x)):  # state a program has updated
        with pytest.raises(TraceError, match="changes nothing else"):
            run(x)


def test_a_step_changes_no_tensor_from_before(backend: str) -> None:
    def outside(x: Tensor) -> Tensor:
        total = x.sum()

        def step(c: Tensor, x_t: Tensor) -> Tensor:
            nonlocal total
            total += x_t
            return c + x_t

        return dg.scan(step, 0.0, x)

    def inside(x: Tensor) -> Tensor:
        def step(c: Tensor, x_t: Tensor) -> Tensor:
            c += x_t
            twice = c * 2
            twice[0] = x_t
            return c + twice[0]

        return dg.scan(step, dg.tensor([0.0]), x)

    x = np.array([1.0, 2.0], np.float32)
    for run in _modes(outside):
        with pytest.raises(TraceError, match="Change it afterwards; draw random numbers before"):
            run(x)
    for run in _modes(inside):
        assert run(x).tolist() == [[2.0], [6.0]]


def test_what_leaves_a_step_otherwise_is_refused(backend: str) -> None:
    def function(x: Tensor) -> Tensor:
        kept = []

        def step(c: Tensor, x_t: Tensor) -> Tensor:
            kept.append(c * 2)
            return c + x_t

        return dg.scan(step, 0.0, x)[-1] + kept[-1]

    with pytest.raises(TraceError, match="what a step computes leaves it as its carry"):
        dg.compile(function)(np.ones(3, np.float32))


def test_the_carry_keeps_its_type(backend: str) -> None:
    x = np.ones((3, 2), np.float32)
    for run in _modes(lambda x: dg.scan(lambda c, x_t: c + x_t, 0.0, x)):
        with pytest.raises(ShapeError, match=r"got float32\[2\] for float32\[\]. Give init"):
            run(x)
    for run in _modes(lambda x: dg.scan(lambda c, x_t: c + x_t.sum(), 0, x)):
        with pytest.raises(DTypeError, match=r"Convert init with .to\(deepglass.float32\)"):
            run(x)
    for run in _modes(lambda x: dg.scan(lambda c, x_t: None, 0.0, x)):
        with pytest.raises(ShapeError, match="returns a carry of the shape it was given; got None"):
            run(x)


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((), (3,)), ()], ids=str)
def test_rows_have_one_first_axis(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ShapeError, match="xs have a common first axis"):
        dg.scan(lambda c, *x: c, 0.0, [np.zeros(s) for s in shapes])
