"""Optimizers by hand; ten steps against PyTorch are in test_oracles."""

from __future__ import annotations

import copy
import inspect
import warnings
from typing import Any

import numpy as np
import oracle_cases as cases
import pytest

import deepglass as dg
from deepglass import nn, optim
from deepglass.errors import DataError, DeepglassWarning, DomainError, GradientError
from deepglass.testing import Tolerance, assert_close


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


def test_dampening_spares_the_first_step() -> None:
    w = parameter(0.0)
    optimizer = optim.SGD([w], lr=1.0, momentum=0.5, dampening=0.75)
    path = []
    for gradient in (8.0, 8.0, 0.0):  # velocities 8, 4 + 2, 3
        step(optimizer, [gradient])
        path.append(w.item())
    assert path == [-8.0, -14.0, -17.0]


def test_nesterov_looks_ahead() -> None:
    w = parameter(0.0)
    optimizer = optim.SGD([w], lr=1.0, momentum=0.5, nesterov=True)
    path = []
    for gradient in (8.0, 0.0):  # velocities 8, 4; steps 8 + 4, 0 + 2
        step(optimizer, [gradient])
        path.append(w.item())
    assert path == [-12.0, -14.0]


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_alone(decoupled: bool) -> None:
    """Through the gradient Adam divides it away; decoupled it is a share of the weight."""
    w = parameter(10.0, -2.0)
    optimizer = optim.Adam([w], 0.1, weight_decay=0.5, decoupled_weight_decay=decoupled, eps=0.0)
    step(optimizer, [1.0, 1.0] if decoupled else [0.0, 0.0])
    expected = [9.5 - 0.1, -1.9 - 0.1] if decoupled else [9.9, -1.9]
    assert_close("w", w, np.array(expected))


def test_maximize_goes_uphill() -> None:
    for make in (optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam, optim.AdamW, optim.NAdam):
        w = parameter(1.0)
        step(make([w], lr=0.1, maximize=True, weight_decay=0.0), [2.0])
        assert w.item() > 1.0


def test_a_centered_variance_is_never_negative() -> None:
    w = dg.Parameter(np.float32([1.0]))
    optimizer = optim.RMSprop([w], lr=0.1, alpha=0.5, centered=True, eps=1e-3)
    for _ in range(200):  # a constant gradient: its square and the square of its mean agree
        w.grad = dg.tensor([0.1])
        optimizer.step()
        assert np.isfinite(w.item())


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
    assert optimizer.state[w]["step"].item() == 3


def test_groups_have_settings_of_their_own() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.25)
    step(optimizer, [1.0], [1.0])
    assert (a.tolist(), b.tolist()) == ([0.5], [0.75])
    names = ["lr[0]", "momentum[0]", "lr[1]", "momentum[1]"]
    assert [name for name, _ in optimizer.named_state()] == names


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


def test_momentum_may_begin_and_end_later(backend: str) -> None:
    w, compiled = parameter(0.0), parameter(0.0)
    optimizers = [optim.SGD([p], lr=1.0) for p in (w, compiled)]
    update = dg.compile(optimizers[1].step)
    for momentum, velocity in ((0.0, 1.0), (0.5, 1.0), (0.5, 1.5), (0.0, 1.0), (0.5, 1.0)):
        before = w.item()
        for optimizer, p, act in zip(
            optimizers, (w, compiled), (optimizers[0].step, update), strict=True
        ):
            optimizer.param_groups[0]["momentum"] = momentum
            p.grad = dg.ones(1, dtype="float64")
            act()
        assert w.item() == before - velocity
        assert compiled.item() == w.item()


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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "NAdam"])
def test_halves_are_computed_with_as_float32_and_rounded_once(
    name: str, dtype: str, backend: str
) -> None:
    settings = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    start, gradient = dg.tensor([1.0, 300.0, -2e-3]), dg.tensor([0.3, 1000.0, 1e-4])
    half = dg.Parameter(start.to(dtype))
    full = dg.Parameter(half.to("float32"))
    for p in (half, full):
        optimizer = getattr(optim, name)([p], lr=0.1, weight_decay=0.01, **settings)
        p.grad = gradient.to(dtype).to(p.dtype)
        dg.compile(optimizer.step)()
    assert half.dtype.name == dtype
    assert np.isfinite(half.to("float32").numpy()).all()
    assert_close("p", half.to("float64"), full.to(dtype).to("float64"))


def test_zero_grad_forgets() -> None:
    w = parameter(1.0)
    optimizer = optim.SGD([w], lr=0.1)
    w.grad = dg.ones(1, dtype="float64")
    optimizer.zero_grad()
    assert w.grad is None


def test_zero_grad_may_leave_zeros() -> None:
    w, other = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([w, other], lr=1.0, momentum=0.5)
    step(optimizer, [1.0], None)
    optimizer.zero_grad(set_to_none=False)
    assert (w.grad.tolist(), other.grad) == ([0.0], None)
    optimizer.step()
    assert w.tolist() == [-0.5]
    model = nn.Linear(2, 1, bias=False)
    model.zero_grad(set_to_none=False)
    assert model.weight.grad is None
    model(dg.ones(3, 2)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model.weight.grad.tolist() == [[0.0, 0.0]]


def test_a_group_is_a_mapping_whose_rate_is_a_tensor() -> None:
    (group,) = optim.SGD([parameter(1.0)], lr=0.5, momentum=0.9).param_groups
    assert "lr" in group
    assert dict(group)["lr"] == group["lr"] == group.get("lr") == 0.5
    assert list(group) == [
        "lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize", "params",
    ]  # fmt: skip
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


W = parameter(1.0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD(parameter(1.0)), TypeError, r"got one tensor. Write \[w\]"),
        (lambda: optim.SGD([parameter(1.0) * 2]), DomainError, "given, not computed"),
        (lambda: optim.SGD([], lr=0.1), DomainError, "at least one parameter is needed"),
        (lambda: optim.SGD([{"lr": 0.1}]), DomainError, "a group has at least one parameter; got"),
        (lambda: optim.SGD([np.ones(2)]), TypeError, "parameters are tensors; got ndarray"),
        (lambda: optim.SGD([W], lr=-1), DomainError, "SGD: lr is a number >= 0; got -1. Usual"),
        (lambda: optim.SGD([W], lr=float("nan")), DomainError, "got nan"),
        (lambda: optim.SGD([W], lr=float("inf")), DomainError, "got inf"),
        (lambda: optim.SGD([W], lr="fast"), DomainError, "a number >= 0; got fast"),
        (lambda: optim.SGD([W], momentum=-1), DomainError, "SGD: momentum is a number >= 0"),
        (lambda: optim.SGD([W], dampening=2), DomainError, "dampening is a number from 0 to 1"),
        (lambda: optim.SGD([W], nesterov=True), DomainError, "needs a momentum and no dampening"),
        (lambda: optim.SGD([W], momentum=0.9, dampening=0.1, nesterov=True), DomainError,
         "got momentum 0.9, dampening 0.1. Pass momentum=0.9, dampening=0"),
        (lambda: optim.SGD([W], maximize=2), DomainError, "maximize is True or False; got 2"),
        (lambda: optim.SGD([{"params": [W], "rate": 1}]), DomainError, "settings are lr, momentum"),
        (lambda: optim.SGD([{"params": [W], "weightdecay": 1}]), DomainError,
         "got 'weightdecay'. Did you mean 'weight_decay'"),
        (lambda: optim.Adam([W], betas=(0.9, 1.0)), DomainError, r"from 0 to below 1; got \(0.9"),
        (lambda: optim.Adam([W], betas=(0.9,)), DomainError, "betas is 2 numbers from 0 to below"),
        (lambda: optim.Adam([W], betas=0.9), DomainError, "2 numbers from 0 to below 1; got 0.9"),
        (lambda: optim.Adam([W], eps=-1e-8), DomainError, "Adam: eps is a number >= 0"),
        (lambda: optim.AdamW([W], weight_decay=-1), DomainError, "AdamW: weight_decay is"),
        (lambda: optim.Adagrad([W], initial_accumulator_value=-1), DomainError, "Adagrad: initial"),
        (lambda: optim.RMSprop([W], alpha=1.0), DomainError, "alpha is a number from 0 to below 1"),
        (lambda: optim.NAdam([W], momentum_decay=-1), DomainError, "NAdam: momentum_decay is a"),
        (lambda: optim.Optimizer([W], {"lr": 0.1}).step(), NotImplementedError, "define it"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_do(make: Any, error: type[Exception], message: str) -> None:
    W.grad = dg.ones(1, dtype="float64")
    with pytest.raises(error, match=message):
        make()


def test_a_setting_is_checked_whenever_it_is_set() -> None:
    optimizer = optim.SGD([parameter(1.0)], lr=0.1, momentum=0.9)
    (group,) = optimizer.param_groups
    for name, value, message in (
        ("lr", -1, "lr is a number >= 0"),
        ("momentum", "much", "momentum is a number"),
        ("learning_rate", 0.1, "got 'learning_rate'"),
    ):
        with pytest.raises(DomainError, match=message):
            group[name] = value
    with pytest.raises(TypeError, match="Use add_param_group"):
        group["params"] = []
    assert (group["lr"], group["momentum"]) == (0.1, 0.9)


def test_a_parameter_belongs_to_one_group() -> None:
    w = parameter(1.0)
    with pytest.raises(DomainError, match="one is there twice"):
        optim.SGD([{"params": [w]}, {"params": [w]}], lr=0.1)
    optimizer = optim.SGD([w], lr=0.1)
    with pytest.raises(DomainError, match="one is there twice"):
        optimizer.add_param_group({"params": [w]})
    assert len(optimizer.param_groups) == 1


def test_a_group_may_join_later(backend: str) -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([a], lr=0.5, momentum=0.5)

    @dg.compile
    def update() -> None:
        optimizer.zero_grad()
        (a.sum() + 2 * b.sum()).backward()
        optimizer.step()

    update()
    assert (a.item(), b.item()) == (0.5, 1.0)
    optimizer.add_param_group({"params": b, "lr": 0.25, "momentum": 0})
    update()
    assert (a.item(), b.item()) == (-0.25, 0.5)
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.25]


def test_an_optimizer_of_ones_own_says_one_line() -> None:
    class SignDescent(optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def update(self, p: Any, g: Any, lr: Any, group: Any, state: Any) -> None:
            return lr * (g / (g * g) ** 0.5)

    w = parameter(1.0, 1.0)
    step(SignDescent([w], lr=0.25), [3.0, -0.1])
    assert_close("w", w, np.array([0.75, 1.25]))


# Saving ---------------------------------------------------------------------------------

RESUMED = [
    "sgd", "sgd, pauses", "sgd, nesterov", "sgd, weight decay", "adagrad, other numbers",
    "rmsprop, all", "adam, amsgrad", "adamw, all", "nadam, decoupled",
]  # fmt: skip


@pytest.mark.parametrize("name", RESUMED)
def test_a_saved_optimizer_goes_on_as_if_nothing_had_happened(name: str) -> None:
    """To the last bit but for the rounding of a compiled step, which going uphill enlarges."""

    def start(values: Any) -> tuple[Any, Any, Any]:
        parameters = list(map(dg.Parameter, values))
        optimizer = cases.make_optimizer(optim, name, parameters)

        def step() -> None:
            optimizer.zero_grad()
            cases.problem(*parameters).backward()
            optimizer.step()

        return parameters, optimizer, step

    parameters, optimizer, step = start(cases.start())
    for _ in range(3):
        step()
    optimizer.param_groups[0]["lr"] = 0.02
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    others, second, further = start([p.numpy() for p in parameters])
    second.load_state_dict(saved)
    compiled = dg.compile(further)
    for act in (further, compiled, compiled):
        step()
        act()
        for p, q in zip(parameters, others, strict=True):
            assert_close(name, q, p, Tolerance(relative=1e-9, absolute=1e-9))
    assert second.param_groups[0]["lr"] == 0.02
    for k, state in kept["state"].items():  # saved values are values, not windows
        for role, value in state.items():
            assert np.array_equal(saved["state"][k][role], value)


def test_a_state_dict_is_plain() -> None:
    a, b = parameter(1.0, 2.0), parameter(3.0)
    optimizer = optim.Adam([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.25)
    step(optimizer, [1.0, 1.0], None)
    saved = optimizer.state_dict()
    assert saved["param_groups"][1] == {
        "lr": 0.25, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False,
        "maximize": False, "decoupled_weight_decay": False, "params": [1],
    }  # fmt: skip
    assert saved["param_groups"][0]["params"] == [0]
    assert list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert [saved["state"][k]["step"].item() for k in (0, 1)] == [1, 0]
    assert all(type(v) is np.ndarray for s in saved["state"].values() for v in s.values())
    assert optim.SGD([a]).state_dict()["state"] == {}


def test_loading_brings_the_settings_and_what_they_ask_for() -> None:
    a = optim.SGD([parameter(1.0)], lr=1.0, momentum=0.5)
    step(a, [1.0])
    b = optim.SGD([parameter(1.0)], lr=0.25)
    b.load_state_dict(a.state_dict())
    assert (b.param_groups[0]["momentum"], b.param_groups[0]["lr"]) == (0.5, 1.0)
    step(b, [1.0])
    assert b.param_groups[0]["params"][0].item() == -0.5


def test_a_compiled_step_takes_over_what_was_loaded(backend: str) -> None:
    w = parameter(0.0)
    optimizer = optim.SGD([w], lr=1.0, momentum=0.5)

    @dg.compile
    def update() -> None:
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()

    update()
    saved, at = optimizer.state_dict(), w.numpy()
    update()
    first = w.item()
    update()
    optimizer.load_state_dict(saved)
    with dg.no_grad():
        w.copy_(at)
    update()
    assert w.item() == first
    assert sum(map(len, update.programs.values())) == 1


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    def adam(*sizes: int, **settings: Any) -> Any:
        return optim.Adam([{"params": [parameter(*[1.0] * n)]} for n in sizes], **settings)

    own = adam(2, 3)
    before = own.state_dict()
    for other, message in (
        (adam(2), r"groups of \[1\] parameters for \[1, 1\]"),
        (
            optim.SGD([{"params": [parameter(1.0)]} for _ in range(2)]),
            "only one of them has: amsgr",
        ),
        (adam(2, 4, lr=0.5), r"'exp_avg': \(4,\).* for parameter 1, which needs"),
    ):
        with pytest.raises(DataError, match=message):
            own.load_state_dict(other.state_dict())
    wrong = adam(2, 3).state_dict()
    wrong["param_groups"][1]["lr"] = -1.0
    with pytest.raises(DomainError, match="lr is a number >= 0; got -1"):
        own.load_state_dict(wrong)
    wrong = adam(2, 3, lr=0.5).state_dict()
    del wrong["state"][1]["step"]
    with pytest.raises(DataError, match=r"Nothing was changed\. Make the optimizer as the saved"):
        own.load_state_dict(wrong)
    for sequence in ({}, {"state": {}}, []):
        with pytest.raises(DataError, match="no dict with 'state' and 'param_groups'"):
            own.load_state_dict(sequence)
    after = own.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert all(
        np.array_equal(after["state"][k][name], value)
        for k, state in before["state"].items()
        for name, value in state.items()
    )


def test_copies_train_on_their_own() -> None:
    w = parameter(0.0)
    optimizer = optim.SGD([w], lr=1.0, momentum=0.5)
    step(optimizer, [1.0])
    v, twin = copy.deepcopy((w, optimizer))
    step(twin, [1.0])
    assert (w.item(), v.item()) == (-1.0, -2.5)
    twin.param_groups[0]["lr"] = 0.0
    assert optimizer.param_groups[0]["lr"] == 1.0


# Gradients that nobody clears -----------------------------------------------------------


def test_gradients_never_cleared_warn_once_at_the_line() -> None:
    w = parameter(1.0, 2.0)
    optimizer = optim.SGD([w], lr=0.01)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for k in range(6):
            (w * w).sum().backward()
            optimizer.step(); line = inspect.currentframe().f_lineno  # fmt: skip  # noqa: E702
            assert len(found) == (k >= 3)
    (warning,) = found
    assert warning.category is DeepglassWarning
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert "Call optimizer.zero_grad() before loss.backward()" in str(warning.message)


@pytest.mark.parametrize("way", ["zero_grad", "zeros", "none", "zero_", "assigned", "model"])
def test_cleared_gradients_do_not_warn(way: str) -> None:
    """Several calls of backward between two steps are meant to add up."""
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(6):
        for _ in range(3):
            model(dg.ones(3, 2)).sum().backward()
        optimizer.step()
        if way == "zero_grad":
            optimizer.zero_grad()
        elif way == "zeros":
            optimizer.zero_grad(set_to_none=False)
        elif way == "model":
            model.zero_grad()
        for p in model.parameters():
            if way == "none":
                p.grad = None
            elif way == "zero_":
                p.grad.zero_()
            elif way == "assigned":
                p.grad = dg.zeros(*p.shape)


def test_stepping_again_along_the_same_gradient_does_not_warn() -> None:
    w = parameter(1.0)
    optimizer = optim.SGD([w], lr=0.01)
    for _ in range(2):
        (w * w).sum().backward()
    for _ in range(6):
        optimizer.step()


def test_clearing_now_and_then_does_not_warn() -> None:
    """Gradients of two steps in a row may be meant, for instance in a search for the rate."""
    w = parameter(1.0)
    optimizer = optim.SGD([w], lr=0.01)
    for k in range(12):
        (w * w).sum().backward()
        optimizer.step()
        if k % 3 == 2:
            optimizer.zero_grad()


def test_compiled_gradients_that_are_not_cleared_raise() -> None:
    w = parameter(1.0)
    optimizer = optim.SGD([w], lr=0.01)

    @dg.compile
    def step() -> None:
        (w * w).sum().backward()
        optimizer.step()

    step()
    with pytest.raises(GradientError, match="zero_grad"):
        step()
