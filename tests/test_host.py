"""Ops that Python computes, between the loops of a compiled program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native.interpret import interpret
from deepglass.backends.native.lower import lower
from deepglass.errors import ShapeError
from deepglass.graph.kinds import Host
from deepglass.graph.op import Op
from deepglass.graph.tensor import Buffer, Tensor, apply
from deepglass.graph.types import TensorType, int64


def _ranks(x: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(x, axis=None, kind="stable")).reshape(x.shape)


RANKS = Op(
    name="test_host.ranks",
    infer=lambda x: TensorType(x.shape, int64),
    reference=_ranks,
    kernel=Host(),
)


def _careful(x: np.ndarray, limit: np.ndarray) -> np.ndarray:
    if (x > limit).any():
        raise ValueError(f"careful: at most {limit}; got {x.max()}.")
    return x * 2


CAREFUL = Op(name="test_host.careful", infer=lambda x, limit: x, reference=_careful, kernel=Host())


def ranks(x: Tensor) -> Tensor:
    return apply(RANKS, x)


def careful(x: Tensor, limit: Any = 10.0) -> Tensor:
    return apply(CAREFUL, x, dg.tensor(limit, x.dtype) if isinstance(limit, float) else limit)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3), (0, 3), (2, 1, 5), (33,)])
def test_a_host_call_stands_between_loops(shape: tuple[int, ...], backend: str) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = dg.compile(lambda x: ranks(dg.exp(x) * -1.0) * 2 + 1)(x)
    np.testing.assert_array_equal(found, 2 * _ranks(-x) + 1)
    assert found.dtype is dg.int64


def test_every_kind_of_input_reaches_the_host(backend: str) -> None:
    """An argument, state, constants, numbers, views, broadcasts and computed values."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 2, 3))
    state, fixed = Buffer(rng.standard_normal((2, 3))), rng.standard_normal((2, 3))

    def inputs(x: Tensor) -> list[Tensor]:
        return [
            x, state, dg.tensor(fixed), x.reshape(3, 2), x.T, x.reshape(6).reshape(2, 3)[1],
            dg.tensor([7.0, 8.0]).broadcast_to(3, 2), dg.tensor(4.0), x.sum(1), x * state, x[:, :0],
        ]  # fmt: skip

    expected = [_ranks(t.numpy()) for t in inputs(dg.tensor(x))]
    compiled = dg.compile(lambda x: [ranks(t) for t in inputs(x)])
    for got, wanted in zip(compiled(x), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    state.copy_(dg.tensor(y))
    np.testing.assert_array_equal(compiled(x)[1], _ranks(y))


def test_host_calls_follow_one_another(backend: str) -> None:
    x = np.random.default_rng(0).standard_normal((5, 7))

    def chain(x: Tensor) -> tuple[Tensor, Tensor]:
        first = careful(x)
        second = careful(first + 1)
        return careful(second), ranks(first) + ranks(x)

    found, sums = dg.compile(chain)(x)
    np.testing.assert_allclose(found, (x * 2 + 1) * 4)
    np.testing.assert_array_equal(sums, 2 * _ranks(x))


def test_the_loops_say_where_the_host_is_called() -> None:
    def program(function: Any) -> Any:
        return dg.compile(function, backend="native").program(np.ones((2, 3)))

    with_host = program(lambda x: careful(dg.exp(x)) + 1)
    assert "host v" in str(with_host.executable.loops)
    assert "test_host.careful(v" in str(with_host.executable.loops)
    assert "= host test_host.careful(" in str(with_host)
    assert len(with_host.executable.code) == 2
    without = program(lambda x: dg.exp(x) + 1)
    assert "host" not in str(without.executable.loops)
    assert len(without.executable.code) == 1


def test_the_interpreter_calls_the_host_too() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3))
    graph = dg.compile(lambda x: ranks(dg.exp(x)) * 2).program(x).optimized
    lowered = lower(graph)
    memory = {b: np.zeros(b.size, b.dtype.numpy) for b in lowered.program.buffers}
    named = {b.name: a for b, a in memory.items()}
    named["x"][:] = x.reshape(-1)
    interpret(lowered.program, memory)
    np.testing.assert_array_equal(named["output0"].reshape(2, 3), 2 * _ranks(x))


# State ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [(20.0, 1e4), (1e4, 20.0)], ids=["first", "second"])
def test_a_host_call_that_raises_leaves_all_state_as_it_was(
    limits: tuple[float, float], backend: str
) -> None:
    """Also state whose new value the call reads, and state changed before the call."""
    a, b, c = (Buffer(np.full(3, k)) for k in (1.0, 2.0, 3.0))

    @dg.compile
    def step(x: Tensor) -> Tensor:
        a.rebind((a + x).node)
        b.rebind((b * 2.0 + a).node)
        y = careful(b + x, limits[0])
        c.rebind(careful(y + c, limits[1]).node)
        return y

    with pytest.raises(ValueError, match=r"careful: at most 20.0; got (105|213)") as caught:
        step(np.full(3, 50.0))
    assert "test_host.careful float64[3], recorded at test_host.py:" in str(caught.value.__notes__)
    assert [t.tolist()[0] for t in (a, b, c)] == [1, 2, 3]
    assert step(np.full(3, -1.0)).tolist() == [6, 6, 6]
    assert [t.tolist()[0] for t in (a, b, c)] == [0, 4, 18]


def test_each_stops_at_the_row_that_raises(backend: str) -> None:
    total = Buffer(0.0)

    @dg.compile
    def add(x: Tensor) -> Tensor:
        total.rebind((total + careful(x)).node)
        return total

    np.testing.assert_array_equal(add.each(np.float32([1, 2, 3])), [2, 6, 12])
    with pytest.raises(ValueError, match="careful"):
        add.each(np.float32([1, 50, 3]))
    assert total.item() == 14


def test_the_result_of_the_host_may_be_the_new_state(backend: str) -> None:
    start = np.random.default_rng(0).standard_normal(5)
    state = Buffer(start)

    @dg.compile
    def step() -> Tensor:
        old = state * 1.0
        state.rebind(careful(state).node)
        return old

    for k in range(3):
        np.testing.assert_allclose(step(), start * 2.0**k)
    np.testing.assert_allclose(state, start * 8)


def test_what_the_host_is_given_cannot_be_written(backend: str) -> None:
    def scribble(x: np.ndarray) -> np.ndarray:
        x[...] = 0
        return x

    op = Op(name="test_host.scribble", infer=lambda x: x, reference=scribble, kernel=Host())
    state = Buffer(np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        dg.compile(lambda: apply(op, state))()
    with pytest.raises(ValueError, match="read-only"):
        apply(op, state)
    assert state.tolist() == [1, 1, 1]


def test_a_reference_computes_the_shape_that_infer_tells(backend: str) -> None:
    op = Op(name="test_host.wrong", infer=lambda x: x, reference=lambda x: x.sum(), kernel=Host())
    told = r"computed \(\), infer told float64\[3\]"
    with pytest.raises(ShapeError, match=told):
        apply(op, dg.tensor(np.ones(3)))
    with pytest.raises(ShapeError, match=told):
        dg.compile(lambda x: apply(op, x))(np.ones(3))


def test_two_ops_of_one_name_are_two_ops(backend: str) -> None:
    """A record replaced by a new one of the same name does not take its results."""

    def made(factor: float) -> Op:
        return Op(
            name="test_host.times", infer=lambda x: x, reference=lambda x: x * factor, kernel=Host()
        )

    two, three = made(2.0), made(3.0)
    both = dg.compile(lambda x: (apply(two, x), apply(three, x)))
    assert [t.item() for t in both(np.array(1.0))] == [2, 3]
