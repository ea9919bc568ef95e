"""Activations computed again for the gradient: the same numbers, with less memory."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.backends.native.lower import lower
from deepglass.graph.kinds import Contraction
from deepglass.graph.tensor import Tensor
from deepglass.nn import functional as F
from deepglass.testing import assert_close, check_gradient

Block = Callable[..., Any]


def plain(function: Block, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).uniform(-1, 1, shape)


def network(keep: Block, x: Any, w: Any, v: Any) -> Tensor:
    """Two blocks, one that captures its weights and one that is given them."""
    h = keep(lambda x: dg.tanh(x @ w).exp() * x.sum(), x)
    y = keep(lambda h, *, v: dg.tanh(h @ v) * h[:, :1], h, v=v)
    return (y * y).sum()


ARGUMENTS = [_values(2, 3), _values(3, 5), _values(5, 7)]


# The same numbers -----------------------------------------------------------------------


def test_gradients_are_slopes() -> None:
    check_gradient(lambda *a: network(dg.checkpoint, *a), *ARGUMENTS, second_order=True)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_gradients_are_those_without(wanted: tuple[int, ...], backend: str) -> None:
    tensors = list(map(dg.tensor, ARGUMENTS))
    usual = dg.value_and_grad(lambda *a: network(plain, *a), wanted)(*tensors)
    function = dg.value_and_grad(lambda *a: network(dg.checkpoint, *a), wanted)
    for run in (function, dg.compile(function)):
        value, gradients = run(*tensors)
        assert_close("value", value, usual[0])
        for got, expected in zip(gradients, usual[1], strict=True):
            assert_close("gradient", got, expected)


def test_second_derivatives_are_those_without(backend: str) -> None:
    def curvature(keep: Block) -> Callable[..., Any]:
        def slope(*args: Any) -> Tensor:
            gradients = dg.grad(lambda *a: network(keep, *a), (0, 1, 2))(*args)
            return sum((g * g).sum() for g in gradients)  # type: ignore[return-value]

        return dg.grad(slope, (0, 1, 2))

    tensors = list(map(dg.tensor, ARGUMENTS))
    usual = curvature(plain)(*tensors)
    for run in (curvature(dg.checkpoint), dg.compile(curvature(dg.checkpoint))):
        for got, expected in zip(run(*tensors), usual, strict=True):
            assert_close("second derivative", got, expected)


def _trained(keep: Block, compiled: bool) -> tuple[list[float], dict[str, np.ndarray]]:
    """Steps of a network with everything that could go wrong twice."""
    dg.manual_seed(1)
    blocks = [
        nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Tanh(), nn.Dropout(0.3))
        for _ in range(3)
    ]
    net = nn.Sequential(*blocks).double()
    optimizer = dg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        h = x
        for block in blocks:
            h = keep(block, h)
        loss = (h * h).mean() + dg.rand(1, dtype="float64").sum()
        loss.backward()
        optimizer.step()
        return loss

    run = dg.compile(step) if compiled else step
    x = dg.tensor(_values(3, 2, 5, 7))
    return [run(x).item() for _ in range(3)], net.state_dict()


def test_masks_are_the_same_and_buffers_move_once(backend: str) -> None:
    losses, state = _trained(plain, compiled=False)
    for compiled in (False, True):
        again, other = _trained(dg.checkpoint, compiled)
        np.testing.assert_allclose(again, losses, rtol=1e-9)
        for key, value in state.items():
            np.testing.assert_allclose(other[key], value, rtol=1e-7, atol=1e-9, err_msg=key)


def test_checkpoints_in_checkpoints_and_in_scans(backend: str) -> None:
    x, w = _values(4, 2, 3), _values(3, 3)

    def function(keep: Block, x: Any, w: Any) -> Tensor:
        def step(h: Tensor, x_t: Tensor) -> Tensor:
            return keep(lambda h, x_t: keep(lambda a: dg.tanh(a @ w), h + x_t) * x_t, h, x_t)

        return keep(lambda x: dg.scan(step, dg.zeros(2, 3, dtype="float64"), x), x).sum()

    tensors = dg.tensor(x), dg.tensor(w)
    usual = dg.grad(lambda *a: function(plain, *a), (0, 1))(*tensors)
    gradient = dg.grad(lambda *a: function(dg.checkpoint, *a), (0, 1))
    for run in (gradient, dg.compile(gradient)):
        for got, expected in zip(run(*tensors), usual, strict=True):
            assert_close("gradient", got, expected)


def test_results_may_be_nested_and_of_any_kind(backend: str) -> None:
    def block(x: Tensor) -> dict[str, Any]:
        return {"y": x * x, "rest": (x.detach() * 2, x.argmax(), "name", x)}

    def function(x: Any) -> tuple[Tensor, Tensor]:
        found = dg.checkpoint(block, x)
        assert found["rest"][2] == "name"
        with dg.no_grad():
            assert dg.checkpoint(block, x)["y"].shape == (3,)
        loss = found["y"].sum() + found["rest"][0].sum() + found["rest"][3].sum()
        return dg.grad(lambda x: dg.checkpoint(block, x)["y"].sum())(x), loss

    x = np.array([1.0, 3.0, 2.0])
    for run in (function, dg.compile(function)):
        gradient, loss = run(dg.tensor(x))
        assert gradient.tolist() == [2, 6, 4]
        assert loss.item() == 14 + 12 + 6


def test_what_is_detached_stays_so(backend: str) -> None:
    function = dg.grad(lambda x: dg.checkpoint(lambda x: x.detach() * x * x, x))
    for run in (function, dg.compile(function)):
        assert run(dg.tensor(3.0)).item() == 18


# Less memory ----------------------------------------------------------------------------


def test_what_was_computed_on_the_way_is_freed() -> None:
    """Eagerly: right after the call, while the result and its gradient are still to come."""
    inner: list[weakref.ref[Any]] = []

    def block(x: Tensor) -> Tensor:
        a = x.exp()
        b = dg.tanh(a)
        inner.extend(weakref.ref(t.node) for t in (a, b))
        return b * b

    x = dg.tensor(_values(5), requires_grad=True)
    kept = plain(block, x)
    gc.collect()
    assert all(r() is not None for r in inner)
    inner.clear()
    y = dg.checkpoint(block, x)
    gc.collect()
    assert [r() for r in inner] == [None, None]
    y.sum().backward()
    forgotten, x.grad = x.grad, None
    kept.sum().backward()
    assert_close("gradient", forgotten, x.grad)


def _peak(keep: Block) -> int:
    """Bytes at the highest point of a gradient through 8 blocks of 6 activations."""
    x = dg.tensor(_values(100, 100), requires_grad=True)

    def block(x: Tensor) -> Tensor:
        for _ in range(3):
            x = dg.tanh(x * 1.5)
        return x

    tracemalloc.start()
    h = x
    for _ in range(8):
        h = keep(block, h)
    h.sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_the_eager_peak_is_lower() -> None:
    one = 100 * 100 * 8
    assert _peak(plain) > 8 * 6 * one
    assert _peak(dg.checkpoint) < 25 * one  # 8 results, one block again, its gradients


def _program(keep: Block, kind: str) -> Any:
    if kind == "dense":
        layers = [
            nn.Sequential(*[part for _ in range(3) for part in (nn.Linear(32, 32), nn.Tanh())])
            for _ in range(8)
        ]
        x = np.ones((256, 32), np.float32)
    else:
        layers = [
            nn.Sequential(*[
                part for _ in range(2)
                for part in (nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
            ])
            for _ in range(6)
        ]  # fmt: skip
        x = np.ones((8, 4, 12, 12), np.float32)
    optimizer = dg.optim.SGD(nn.Sequential(*layers).parameters(), lr=0.1)

    @dg.compile(backend="reference")
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        for layer in layers:
            x = keep(layer, x)
        loss = (x * x).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step.program(x)


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_the_arena_of_a_compiled_step_is_smaller(kind: str) -> None:
    usual, less = _program(plain, kind), _program(dg.checkpoint, kind)
    assert lower(less.optimized).arena < 0.5 * lower(usual.optimized).arena
    products = [
        sum(isinstance(n.op.kernel, Contraction) for n in p.optimized.nodes())
        for p in (usual, less)
    ]
    assert products[1] > products[0]  # computed again, and not found equal to the first time
    assert " after " in str(less)
    assert "checkpoint(" in str(less)


def test_random_masks_are_not_stored_for_it() -> None:
    x = np.ones((64, 100), np.float32)

    @dg.compile(backend="native")
    def function(x: Any) -> Any:
        generator = dg.Generator(3)

        def block(x: Tensor) -> Tensor:
            return dg.tanh(F.dropout(x * x, 0.5, generator=generator))

        return dg.grad(lambda x: dg.checkpoint(block, x).sum())(x)

    stored = {
        store.buffer
        for level in function.program(x).executable.loops.levels
        for phase in level for nest in phase.nests for store in nest.stores
    }  # fmt: skip
    assert stored
    assert not any(buffer.dtype in (dg.uint32, dg.bool) for buffer in stored)
