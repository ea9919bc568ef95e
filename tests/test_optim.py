"""Optimizers by hand; ten steps against PyTorch are in test_oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import optim
from deepglass.errors import DomainError
from deepglass.testing import assert_close


def parameter(*values: float) -> dg.Parameter:
    return dg.Parameter(np.array(values))


def step(optimizer: Any, *gradients: Any) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = None if g is None else dg.tensor(np.array(g, "f8"))
    optimizer.step()


def test_sgd_by_hand() -> None:
    w = parameter(1.0, 2.0)
    optimizer = optim.SGD([w], lr=0.5)
    step(optimizer, [2.0, -4.0])
    assert w.tolist() == [0.0, 4.0]
    assert w.requires_grad
    assert w.is_leaf


def test_momentum_by_hand() -> None:
    w = parameter(0.0)
    optimizer = optim.SGD([w], lr=1.0, momentum=0.5)
    path = []
    for gradient in (8.0, 0.0, 0.0, 4.0):  # velocities 8, 4, 2, 5
        step(optimizer, [gradient])
        path.append(w.item())
    assert path == [-8.0, -12.0, -14.0, -19.0]


def test_the_first_step_of_adam_is_the_learning_rate() -> None:
    w = parameter(1.0, 1.0, 1.0)
    step(optim.Adam([w], lr=0.25, eps=1e-30), [1e-6, -1e6, 0.0])
    assert_close("w", w, np.array([0.75, 1.25, 1.0]))


def test_adam_by_hand() -> None:
    w = parameter(0.0)
    optimizer = optim.Adam([w], lr=0.1, betas=(0.5, 0.75), eps=0.0)
    m = v = x = 0.0
    for t, g in enumerate((1.0, -3.0, 2.0), start=1):
        m, v = 0.5 * m + 0.5 * g, 0.75 * v + 0.25 * g * g
        x -= 0.1 * (m / (1 - 0.5**t)) / (v / (1 - 0.75**t)) ** 0.5
        step(optimizer, [g])
        assert_close("w", w, np.array([x]))
    assert optimizer.steps.item() == 3


def test_groups_have_settings_of_their_own() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.25)
    step(optimizer, [1.0], [1.0])
    assert (a.tolist(), b.tolist()) == ([0.5], [0.75])
    assert [name for name, _ in optimizer.named_state()] == ["lr[0]", "lr[1]"]


def test_a_group_may_name_a_single_tensor() -> None:
    a = parameter(1.0, 2.0)
    optimizer = optim.SGD([{"params": a}], lr=0.5)
    step(optimizer, [1.0, 1.0])
    assert a.tolist() == [0.5, 1.5]


def test_a_group_with_momentum_beside_one_without() -> None:
    a, b = parameter(0.0), parameter(0.0)
    optimizer = optim.SGD([{"params": [a], "momentum": 0.5}, {"params": [b]}], lr=1.0)
    for _ in range(2):
        step(optimizer, [1.0], [1.0])
    assert (a.item(), b.item()) == (-2.5, -2.0)


def test_momentum_is_chosen_when_the_optimizer_is_made() -> None:
    optimizer = optim.SGD([parameter(0.0)], lr=1.0)
    optimizer.param_groups[0]["momentum"] = 0.5
    with pytest.raises(DomainError, match=r"got momentum 0.5 later. Make a new SGD"):
        step(optimizer, [1.0])


def test_parameters_without_a_gradient_stay() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = optim.Adam([a, b], lr=0.5)
    step(optimizer, [1.0], None)
    assert b.tolist() == [1.0]
    assert a.tolist() != [1.0]


def test_each_parameter_keeps_its_type() -> None:
    a, b = dg.Parameter(np.ones(2, "f4")), dg.Parameter(np.ones(2, "f8"))
    optimizer = optim.Adam([a, b], lr=0.1)
    ((a * 2).sum().double() + b.sum()).backward()
    optimizer.step()
    assert (a.dtype, b.dtype) == (dg.float32, dg.float64)


def test_zero_grad_forgets() -> None:
    w = parameter(1.0)
    optimizer = optim.SGD([w], lr=0.1)
    w.grad = dg.ones(1, dtype="float64")
    optimizer.zero_grad()
    assert w.grad is None


def test_a_group_is_a_mapping_whose_rate_is_a_tensor() -> None:
    (group,) = optim.SGD([parameter(1.0)], lr=0.5, momentum=0.9).param_groups
    assert "lr" in group
    assert dict(group)["lr"] == group["lr"] == group.get("lr") == 0.5
    assert sorted(group) == ["lr", "momentum", "params"]
    for change in (
        lambda: group.update(lr=0.25),
        lambda: group.__setitem__("lr", 0.25),
        lambda: group.update({"lr": 0.25}),
    ):
        group["lr"] = 1.0
        change()
        assert group["lr"] == group.rate.item() == 0.25
    group["lr"] *= 2
    assert group["lr"] == 0.5
    with pytest.raises(TypeError, match="changed, not removed"):
        del group["lr"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD(parameter(1.0)), TypeError, r"got one tensor. Write \[w\]"),
        (lambda: optim.SGD([parameter(1.0) * 2]), DomainError, "given, not computed"),
        (lambda: optim.SGD([], lr=0.1), DomainError, "at least one parameter is needed"),
        (lambda: optim.SGD([parameter(1.0)] * 0, lr=0.1), DomainError, "got none"),
        (lambda: optim.SGD([parameter(1.0)], lr=-1), DomainError, "a number >= 0; got -1"),
        (lambda: optim.SGD([parameter(1.0)], lr=float("nan")), DomainError, "got nan"),
        (lambda: optim.SGD([parameter(1.0)], momentum=-1), DomainError, "momentum is not negative"),
        (lambda: optim.SGD([np.ones(2)]), TypeError, "parameters are tensors; got ndarray"),
        (lambda: optim.Adam([parameter(1.0)], betas=(0.9, 1.0)), DomainError, r"less than 1; got"),
    ],
)
def test_misuse_says_what_to_do(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_parameter_belongs_to_one_group() -> None:
    w = parameter(1.0)
    with pytest.raises(DomainError, match="one is there twice"):
        optim.SGD([{"params": [w]}, {"params": [w]}], lr=0.1)


def test_an_optimizer_of_ones_own_says_one_line() -> None:
    class SignDescent(optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def update(self, p: Any, g: Any, group: Any, lr: Any) -> None:
            p.rebind((p - lr * (g / (g * g) ** 0.5)).node)

    w = parameter(1.0, 1.0)
    step(SignDescent([w], lr=0.25), [3.0, -0.1])
    assert_close("w", w, np.array([0.75, 1.25]))
