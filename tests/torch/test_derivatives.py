"""Derivatives beside those of torch.func and torch.autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import deepglass as dg

# torch.func warns of what torch itself uses when it is loaded
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")

RNG = np.random.default_rng(0)
X, W, V, D = (RNG.standard_normal(s) for s in ((2, 3), (3, 5), (2, 3), (3, 5)))


def ours(x: Any, w: Any) -> Any:
    return dg.softmax(dg.tanh(x @ w) * x.sum(), 1)


def theirs(x: Any, w: Any) -> Any:
    return torch.softmax(torch.tanh(x @ w) * x.sum(), 1)


def assert_same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), b.detach().numpy(), rtol=1e-10, atol=1e-12)


HERE = [dg.tensor(a) for a in (X, W)]
THERE = [torch.tensor(a) for a in (X, W)]


def test_products_with_the_jacobian() -> None:
    a = dg.jvp(ours, tuple(HERE), (dg.tensor(V), dg.tensor(D)))
    b = torch.func.jvp(theirs, tuple(THERE), (torch.tensor(V), torch.tensor(D)))
    for got, wanted in zip(a, b, strict=True):
        assert_same(got, wanted)
    (value, product), (answer, their) = dg.vjp(ours, *HERE), torch.func.vjp(theirs, *THERE)
    assert_same(value, answer)
    u = RNG.standard_normal((2, 5))
    for got, wanted in zip(product(u), their(torch.tensor(u)), strict=True):
        assert_same(got, wanted)


def test_jacobians_and_hessians() -> None:
    for got, wanted in zip(
        dg.jacrev(ours, (0, 1))(*HERE), torch.func.jacrev(theirs, (0, 1))(*THERE), strict=True
    ):
        assert_same(got, wanted)
    a = dg.hessian(lambda *z: ours(*z)[0, 1], (0, 1))(*HERE)
    b = torch.func.hessian(lambda *z: theirs(*z)[0, 1], (0, 1))(*THERE)
    for row, wanted_row in zip(a, b, strict=True):
        for got, wanted in zip(row, wanted_row, strict=True):
            assert_same(got, wanted)


def test_hessian_vector_products() -> None:
    a = dg.hvp(lambda *z: ours(*z)[1].prod(), tuple(HERE), (V, D))
    b = torch.autograd.functional.hvp(
        lambda *z: theirs(*z)[1].prod(), tuple(THERE), (torch.tensor(V), torch.tensor(D))
    )
    assert_same(a[0], b[0])
    for got, wanted in zip(a[1], b[1], strict=True):
        assert_same(got, wanted)


def test_gradients_of_tensors_that_are_there() -> None:
    x, w = (dg.tensor(a, requires_grad=True) for a in (X, W))
    p, q = (torch.tensor(a, requires_grad=True) for a in (X, W))
    u = RNG.standard_normal((2, 5))
    a = dg.autograd.grad(ours(x, w), (x, w), grad_outputs=u, create_graph=True)
    b = torch.autograd.grad(theirs(p, q), (p, q), grad_outputs=torch.tensor(u), create_graph=True)
    for got, wanted in zip(a, b, strict=True):
        assert_same(got, wanted)
    assert_same(dg.autograd.grad(a[0].sum(), w)[0], torch.autograd.grad(b[0].sum(), q)[0])
