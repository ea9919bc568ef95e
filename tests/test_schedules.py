"""Schedules by hand; 50 steps of each beside PyTorch are in tests/torch."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import oracle_cases as cases
import pytest

import deepglass as dg
from deepglass import optim
from deepglass.errors import DataError, DomainError, TraceError
from deepglass.optim import lr_scheduler as s


def optimizer(*rates: float, **settings: Any) -> Any:
    groups = [{"params": [dg.Parameter([0.0])], "lr": lr} for lr in rates or (8.0,)]
    return optim.SGD(groups, **settings)


def rates(schedule: Any, steps: int) -> list[float]:
    """The rate of the first group before each of ``steps`` steps."""
    found = []
    for _ in range(steps):
        found.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: s.LambdaLR(o, lambda k: 1 / (k + 1)), [8, 4, 8 / 3, 2]),
        (lambda o: s.StepLR(o, 2, 0.5), [8, 8, 4, 4, 2]),
        (lambda o: s.MultiStepLR(o, [1, 3, 3], 0.5), [8, 4, 4, 1, 1]),
        (lambda o: s.ConstantLR(o, 0.25, 2), [2, 2, 8, 8]),
        (lambda o: s.LinearLR(o, 0.25, total_iters=3), [2, 4, 6, 8, 8]),
        (lambda o: s.LinearLR(o, 1.0, 0.0, 4), [8, 6, 4, 2, 0, 0]),
        (lambda o: s.ExponentialLR(o, 0.5), [8, 4, 2, 1]),
        (lambda o: s.PolynomialLR(o, 4, 2), [8, 4.5, 2, 0.5, 0, 0]),
        (lambda o: s.CosineAnnealingLR(o, 2, eta_min=4), [8, 6, 4, 6, 8]),
        (lambda o: s.CosineAnnealingWarmRestarts(o, 2, 2), [8, 4, 8, 4 + 4 * 0.5**0.5, 4]),
        (lambda o: s.OneCycleLR(o, 8.0, 5, pct_start=0.4, anneal_strategy="linear", div_factor=8,
                                final_div_factor=2), [1, 8, 5.5, 3, 0.5]),
        (lambda o: s.SequentialLR(o, [s.ConstantLR(o, 0.5, 9), s.StepLR(o, 2, 0.5)], [2]),
         [4, 4, 8, 8, 4]),
        (lambda o: s.ChainedScheduler([s.ConstantLR(o, 0.5, 2), s.StepLR(o, 1, 0.5)]),
         [4, 2, 2, 1]),
        (lambda o: s.SequentialLR(
            o, [s.ChainedScheduler([s.ConstantLR(o, 0.5, 1), s.ExponentialLR(o, 0.5)]),
                s.StepLR(o, 1, 0.5)], [2]), [4, 4, 8, 4]),
    ],
)  # fmt: skip
def test_rates_by_hand(make: Any, expected: list[float]) -> None:
    np.testing.assert_allclose(rates(make(optimizer()), len(expected)), expected, rtol=1e-14)


def test_rates_do_not_drift() -> None:
    """Each is computed anew from the count: rounding errors of 5,000 steps do not add up."""
    schedule = s.ExponentialLR(optimizer(0.1), 0.999)
    rates(schedule, 5000)
    assert schedule.get_last_lr() == [0.1 * 0.999**5000]
    schedule = s.CosineAnnealingLR(optimizer(0.1), 1000)
    rates(schedule, 5000)
    assert abs(schedule.get_last_lr()[0]) < 1e-15


def test_every_group_keeps_its_proportion() -> None:
    schedule = s.ExponentialLR(optimizer(8.0, 1.0), 0.5)
    schedule.step()
    assert schedule.get_last_lr() == schedule.get_lr() == [4.0, 0.5]
    assert schedule.base_lrs == [8.0, 1.0]


def test_a_plateau_lowers_the_rate() -> None:
    o = optimizer(8.0, 1.0)
    schedule = s.ReduceLROnPlateau(o, factor=0.5, patience=1, min_lr=0.3)
    losses = [5.0, 4.0, 4.0, 3.9999, 4.1, 4.0, 4.0, math.nan]
    found = []
    for loss in losses:
        schedule.step(dg.tensor(loss))
        found.append(schedule.get_last_lr())
    assert [a for a, _ in found] == [8, 8, 8, 4, 4, 2, 2, 1]
    assert [b for _, b in found] == [1, 1, 1, 0.5, 0.5, 0.3, 0.3, 0.3]
    o.param_groups[0]["lr"] = 6.0  # a rate set by hand is the one that is lowered
    schedule.step(9.0)
    schedule.step(9.0)
    assert schedule.get_last_lr() == [3.0, 0.3]


def test_compiled_steps_read_the_new_rate_and_need_no_new_program(backend: str) -> None:
    w = dg.Parameter(np.float64([0.0]))
    o = optim.Adam([w], lr=1.0, betas=(0.5, 0.0), eps=0.0)
    schedule = s.OneCycleLR(o, 8.0, 4, anneal_strategy="linear", pct_start=0.5, div_factor=8)

    @dg.compile
    def step() -> None:
        o.zero_grad()
        (w * 3.0).sum().backward()
        o.step()

    taken, mean = [], 0.0
    for t in range(1, 5):
        lr, beta = o.param_groups[0]["lr"], o.param_groups[0]["betas"][0]
        taken.append((lr, beta))
        before = w.item()
        step()
        mean = beta * mean + (1 - beta) * 3.0
        np.testing.assert_allclose(before - w.item(), lr * mean / (1 - beta**t) / 3.0, rtol=1e-11)
        schedule.step()
    assert [lr for lr, _ in taken][:2] == [1.0, 8.0]
    assert [round(beta, 3) for _, beta in taken] == [0.95, 0.85, 0.9, 0.95]
    assert sum(map(len, step.programs.values())) == 1


def test_one_cycle_gives_plain_descent_a_momentum() -> None:
    """PyTorch does the same; SGD without one begins to remember when the schedule is made."""
    w = dg.Parameter([0.0])
    o = optim.SGD([w], lr=1.0)
    s.OneCycleLR(o, 1.0, 10)
    assert o.param_groups[0]["momentum"] == 0.95
    assert list(o.state[w]) == ["momentum_buffer"]


def test_a_second_schedule_starts_from_the_rate_before_the_first() -> None:
    o = optimizer(8.0)
    rates(s.ExponentialLR(o, 0.5), 3)
    assert o.param_groups[0]["lr"] == 1.0
    assert s.ConstantLR(o, 0.5, 5).base_lrs == [8.0]
    o.param_groups[0]["lr"] = 2.0  # unless a rate was chosen since
    assert s.ConstantLR(o, 0.5, 5).base_lrs == [2.0]


def test_warm_restarts_may_go_to_a_fraction_of_an_epoch() -> None:
    o = optimizer(8.0)
    schedule = s.CosineAnnealingWarmRestarts(o, 2)
    for epoch, lr in ((0.5, 4 + 4 * 0.5**0.5), (1.0, 4.0), (2.5, 4 + 4 * 0.5**0.5)):
        schedule.step(epoch)
        np.testing.assert_allclose(schedule.get_last_lr(), [lr], rtol=1e-14)


def test_training_may_go_on_from_a_count() -> None:
    o = optimizer(8.0)
    schedule = s.ExponentialLR(o, 0.5, last_epoch=1)
    assert (schedule.last_epoch, o.param_groups[0]["lr"]) == (2, 2.0)


@pytest.mark.parametrize("name", cases.SCHEDULES)
def test_a_saved_schedule_goes_on_as_if_nothing_had_happened(name: str) -> None:
    def act(schedule: Any, step: int) -> list[Any]:
        schedule.step(*([math.sin(step)] if "plateau" in name else []))
        return [[g["lr"], g["momentum"]] for g in schedule.optimizer.param_groups]

    def make() -> Any:
        return cases.SCHEDULES[name](s, optimizer(0.1, 0.3, momentum=0.9))

    first = make()
    for k in range(9):
        act(first, k)
    state = json.loads(json.dumps(first.state_dict()))
    second = make()
    second.load_state_dict(state)
    assert second.get_last_lr() == first.get_last_lr()
    for k in range(9, 25):
        assert act(second, k) == act(first, k)


def test_a_schedule_of_ones_own_says_its_rate() -> None:
    class Halves(s.LRScheduler):
        def rate(self, base_lr: float, step: float, group: int) -> float:
            return base_lr * 0.5**step

    o = optimizer(8.0)
    assert rates(s.SequentialLR(o, [Halves(o), Halves(o)], [2]), 4) == [8, 4, 8, 4]


PLATEAU = s.ReduceLROnPlateau


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: s.StepLR([], 3), TypeError, "StepLR: the first argument is an optimizer; got"),
        (lambda o: s.StepLR(o, 3, last_epoch=-2), DomainError, "last_epoch is -1 or more; got -2"),
        (lambda o: s.StepLR(o, 0), DomainError, "step_size is at least 1; got 0. Usual"),
        (lambda o: s.LambdaLR(o, [abs, abs]), DomainError, "got 2 for 1 groups. Pass a single"),
        (lambda o: s.ConstantLR(o, 1.5), DomainError, "factor is from 0 to 1; got 1.5"),
        (lambda o: s.LinearLR(o, 0.0), DomainError, r"above 0 and at most 1.*; got 0.0, 1.0, 5"),
        (lambda o: s.LinearLR(o, total_iters=0), DomainError, "total_iters positive; got"),
        (lambda o: s.ExponentialLR(o, -1), DomainError, "gamma is positive; got -1"),
        (lambda o: s.PolynomialLR(o, 0), DomainError, "are positive; got 0, 1.0. Pass the number"),
        (lambda o: s.CosineAnnealingLR(o, 0), DomainError, "T_max is positive; got 0"),
        (lambda o: s.CosineAnnealingWarmRestarts(o, 0), DomainError, "at least 1; got 0, 1"),
        (lambda o: s.OneCycleLR(o, 1.0), DomainError, "are positive; got 0, None, None"),
        (lambda o: s.OneCycleLR(o, 1.0, 9, pct_start=2), DomainError, "from 0 to 1, .*; got 2"),
        (lambda o: s.OneCycleLR(o, 1.0, 9, anneal_strategy="exp"), DomainError, "got 0.3, 'exp'"),
        (lambda o: s.OneCycleLR(o, [1.0, 2.0], 9), DomainError, "max_lr is a number, or one for"),
        (lambda o: s.OneCycleLR(optim.Adagrad([dg.Parameter([0.0])]), 1.0, 9), DomainError,
         "got Adagrad. Pass cycle_momentum=False"),
        (lambda o: rates(s.OneCycleLR(o, 1.0, 3), 5), DomainError, "has 3 steps; got step 4. Pass"),
        (lambda o: PLATEAU(o, factor=1.0), DomainError, "factor is below 1; got 1.0"),
        (lambda o: PLATEAU(o, mode="best"), DomainError, "got 'best', 'rel'. For a loss"),
        (lambda o: PLATEAU(o, min_lr=[1, 2]), DomainError, "got 2 for 1 groups"),
        (lambda o: PLATEAU(o).step(), TypeError, "metrics"),
        (lambda o: s.SequentialLR(o, [], []), DomainError, "at least one schedule, and all of one"),
        (lambda o: s.SequentialLR(o, [s.StepLR(optimizer(), 1)], []), DomainError,
         "Make them with the optimizer that this one gets"),
        (lambda o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]), DomainError, r"got \[3\] for 1 sched"),
        (lambda o: s.SequentialLR(o, [s.StepLR(o, 1)] * 3, [3, 2]), DomainError, "ascend"),
        (lambda o: s.ChainedScheduler([PLATEAU(o)]), DomainError, "Step that one by itself"),
        (lambda o: s.ChainedScheduler([s.OneCycleLR(o, 1.0, 9)]), DomainError, "cycle_momentum=F"),
        (lambda o: s.ChainedScheduler([]), DomainError, "ChainedScheduler: at least one schedule"),
        (lambda o: s.LRScheduler(o), NotImplementedError, "define it"),
        (lambda o: s.StepLR(o, 1).load_state_dict({"last_epoch": 1}), DataError, "got {'last_epoc"),
        (lambda o: s.StepLR(o, 1).load_state_dict({"last_epoch": 1, "base_lrs": []}), DataError,
         r"StepLR for 1 groups has last_epoch, base_lrs; got .*Pass what its state_dict"),
        (lambda o: dg.compile(s.StepLR(o, 1).step)(), TraceError, "Call scheduler.step.. after it"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_do(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(optimizer())


def test_a_group_that_joins_needs_a_new_schedule() -> None:
    o = optimizer(8.0)
    schedule = s.StepLR(o, 1)
    o.add_param_group({"params": [dg.Parameter([0.0])]})
    with pytest.raises(DomainError, match=r"for 1 groups of parameters; got 2\. Make"):
        schedule.step()
