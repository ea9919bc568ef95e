"""Taps: what they find is what one computes by hand, and the step does not notice them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn, taps
from deepglass.errors import DomainError, TraceError
from deepglass.models.lenet import LeNet5
from deepglass.nn import functional


class Network(nn.Module):
    """Two convolutions, one activation that is called twice, and a layer with a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(3, 5, 2, stride=2)
        self.fc = nn.Linear(5 * 2 * 3, 7)

    def forward(self, x: Any) -> Any:
        x = self.relu(self.norm(self.conv1(x)))
        x = self.relu(self.conv2(x))
        return self.fc(x.flatten(1))


X = np.random.default_rng(3).standard_normal((5, 2, 7, 9)).astype(np.float32)
Y = np.array([0, 3, 6, 1, 3])


def trained(make: Any, looked: Any = None, **kwargs: Any) -> tuple[Any, Any]:
    """A network and its compiled step."""
    dg.manual_seed(1)
    model = Network()
    optimizer = make(model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    chosen = None if looked is None else looked(model)
    return model, dg.compile(step, taps=chosen, **kwargs)


def sgd(parameters: Any) -> Any:
    return dg.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)


def by_hand(model: Any) -> dict[str, np.ndarray]:
    """The same step, eagerly and with the gradients of intermediate results asked for."""
    model = dg.compile(model).function  # the plain module
    x = dg.tensor(X)
    a = model.conv1(x)
    b = model.norm(a)
    c = model.relu(b)
    d = model.conv2(c)
    e = model.relu(d)
    f = model.fc(e.flatten(1))
    loss = functional.cross_entropy(f, Y)
    outputs = {
        "conv1.output": a, "norm.output": b, "relu.output": c, "conv2.output": d,
        "relu#2.output": e, "fc.output": f, "output": f,
    }  # fmt: skip
    gradients = dg.autograd.grad(loss, list(outputs.values())[:-1])
    found = {name: t.numpy() for name, t in outputs.items()}
    names = [f"{name}.grad" for name in outputs][:-1]
    found |= {name: g.numpy() for name, g in zip(names, gradients, strict=True)}
    found["output.grad"] = found["fc.output.grad"]
    parameters = dict(model.named_parameters())
    own = dg.autograd.grad(loss, list(parameters.values()))
    return found | {f"{n}.grad": g.numpy() for n, g in zip(parameters, own, strict=True)}


def check(found: Any, x: np.ndarray, tolerance: float = 1e-5) -> None:
    x = x.astype(np.float64)
    close = {"rtol": tolerance, "atol": tolerance * np.abs(x).max() + 1e-7}
    np.testing.assert_allclose(found.mean, x.mean(), **close)
    np.testing.assert_allclose(found.std, x.std(), **close)
    np.testing.assert_allclose(found.min, x.min(), **close)
    np.testing.assert_allclose(found.max, x.max(), **close)
    np.testing.assert_allclose(found.norm, np.linalg.norm(x), rtol=tolerance, atol=1e-7)


@pytest.mark.parametrize("make", [sgd, dg.optim.AdamW], ids=["SGD", "AdamW"])
def test_statistics_are_those_computed_by_hand(make: Any, backend: str) -> None:
    model, step = trained(make, lambda m: taps.statistics(m, "*"))
    expected = by_hand(model)
    model.norm.running_mean.zero_()
    model.norm.running_var.fill_(1.0)
    model.norm.num_batches_tracked.zero_()
    before = model.state_dict()
    step(X, Y)
    after = model.state_dict()
    for name, _ in model.named_parameters():
        expected[name] = after[name]
        expected[f"{name}.update"] = after[name] - before[name]
    found = step.taps
    assert set(found) == set(expected)
    for name, x in expected.items():
        check(found[name], x, 2e-3 if name.endswith((".update", ".grad")) else 2e-5)
    for name in ("relu.output", "relu#2.output", "relu.output.grad", "fc.output", "fc.bias"):
        assert found[name].zeros == pytest.approx((expected[name] == 0).mean(), abs=1e-12)


def test_values_are_the_arrays(backend: str) -> None:
    model, step = trained(sgd, lambda m: taps.values(m, "*output", "conv?.bias*"))
    expected = by_hand(model)
    before = model.state_dict()
    step(X, Y)
    found = step.taps
    assert not {"fc.weight", "fc.output.grad"} & set(found)
    for name in ("conv1.output", "relu.output", "relu#2.output", "output", "conv2.bias.grad"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["conv1.bias"], model.conv1.bias.numpy())
    change = model.conv1.bias.numpy() - before["conv1.bias"]
    np.testing.assert_allclose(found["conv1.bias.update"], change, rtol=1e-3, atol=1e-7)


def test_histogram_counts_what_lies_where(backend: str) -> None:
    edges = np.array([-0.5, -0.25, 0, 0.25, 0.5])

    def looked(m: Any) -> Any:
        return taps.histograms(m, "weight", bins=4, range=(-0.5, 0.5))

    model = nn.Linear(4, 3)
    values = np.float32(
        [[-9, -0.5, -0.3, -0.25], [-0.1, 0.0, 0.25, 0.5], [0.4999, 0.6, np.nan, np.inf]]
    )
    model.load_state_dict({"weight": values, "bias": np.zeros(3)})
    step = dg.compile(model, taps=looked(model))
    step(np.ones((1, 4), np.float32))
    found = step.taps["weight"]
    np.testing.assert_array_equal(found.edges, edges)
    counts, _ = np.histogram(values[np.isfinite(values)], edges)
    assert found.counts.tolist() == counts.tolist() == [2, 2, 1, 3]
    assert (found.below, found.above) == (1, 2)


@pytest.mark.parametrize("make", [sgd, dg.optim.AdamW], ids=["SGD", "AdamW"])
def test_the_step_does_not_notice(make: Any) -> None:
    plain, step = trained(make)
    tapped, same = trained(make, lambda m: taps.statistics(m, "*") + taps.values(m, "*"))
    losses = [(step(X, Y).item(), same(X, Y).item()) for _ in range(5)]
    assert all(a == b for a, b in losses)
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(value, tapped.state_dict()[name], err_msg=name)


def test_lenet_does_not_notice() -> None:
    """Large enough that rows, schedules and shared loops could all be chosen otherwise."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 1, 28, 28)).astype(np.float32), np.arange(64) % 10
    weights = []
    for looked in (False, True):
        dg.manual_seed(1)
        model = LeNet5()
        optimizer = sgd(model.parameters())

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()

        compiled = dg.compile(step, taps=taps.health(model) if looked else None)
        for _ in range(3):
            compiled(x, y)
        weights.append(model.state_dict())
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name], err_msg=name)


def test_every_nth_call(backend: str) -> None:
    model, step = trained(sgd, lambda m: taps.values(m, "fc.bias", every=3))
    with pytest.raises(TraceError, match=r"every 3 calls, and 0 calls were made"):
        _ = step.taps
    biases = []
    for _ in range(7):
        step(X, Y)
        biases.append(model.fc.bias.numpy())
    np.testing.assert_array_equal(step.taps["fc.bias"], biases[5])


def test_many_steps_in_one_call() -> None:
    plain, one = trained(sgd)
    model, step = trained(sgd, lambda m: taps.values(m, "fc.bias", "fc.output", every=4))
    rows = (np.stack([X + k for k in range(6)]), np.stack([Y] * 6))
    expected = one.each(*rows)
    np.testing.assert_array_equal(step.each(*rows).numpy(), expected.numpy())
    np.testing.assert_array_equal(step.taps["fc.bias"], model.fc.bias.numpy())
    np.testing.assert_array_equal(plain.fc.bias.numpy(), model.fc.bias.numpy())
    before = step.taps["fc.bias"]
    step(X, Y)
    np.testing.assert_array_equal(step.taps["fc.bias"], before)
    step(X, Y)
    assert (step.taps["fc.bias"] != before).all()


def test_a_mean_far_from_zero_loses_no_spread() -> None:
    """Squares of the values themselves would leave nothing of a spread of 1 around 10,000."""
    rng = np.random.default_rng(0)
    model = nn.Linear(1000, 3)
    values = (10_000 + rng.standard_normal((3, 1000))).astype(np.float32)
    model.load_state_dict({"weight": values, "bias": np.zeros(3)})
    step = dg.compile(model, taps=taps.statistics(model, "weight"))
    step(np.ones((2, 1000), np.float32))
    assert step.taps["weight"].std == pytest.approx(values.astype(np.float64).std(), rel=1e-3)


@pytest.mark.parametrize("at", [(0, 0), (0, 40), (2, 99)], ids=["first", "inside", "last"])
def test_nan_shows_and_infinity_is_the_largest(at: tuple[int, int], backend: str) -> None:
    """Where an element is no number, and where it is infinite, the others being compared with the
    first one of their row."""
    model = nn.Linear(100, 3)
    values = np.random.default_rng(0).standard_normal((3, 100)).astype(np.float32)
    values[1, 7:17] = 0
    step = dg.compile(model, taps=taps.statistics(model, "weight"))
    for odd in (np.nan, np.inf):
        values[at] = odd
        model.load_state_dict({"weight": values, "bias": np.zeros(3)})
        step(np.ones((2, 100), np.float32))
        found = step.taps["weight"]
        assert found.zeros == pytest.approx(10 / 300)
        if np.isnan(odd):
            assert np.isnan([found.mean, found.std, found.min, found.max, found.norm]).all()
        else:
            assert (found.min, found.max) == (values.min(), np.inf)
            assert not np.isfinite([found.mean, found.std, found.norm]).any()


def test_a_layer_that_only_changes_the_shape_is_looked_at_once() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(126, 3))
    step = dg.compile(model, taps=taps.statistics(model, "?.output"))
    step(X)
    assert step.taps["1.output"] == step.taps["0.output"] != step.taps["2.output"]
    sums = [k for k in step.report(runs=1).kernels if "nanmax" in k.label]
    assert len(sums) == 2


def test_layers_inside_a_scan_are_left_out() -> None:
    cell, head = nn.Linear(3, 3), nn.Linear(3, 2)
    both = nn.ModuleList([cell, head])

    def run(x: Any) -> Any:
        return head(dg.scan(lambda h, row: cell(h + row).tanh(), dg.zeros(3), x)[-1])

    step = dg.compile(run, taps=taps.values(both, "*.output"))
    expected = step(X[0, 0, :, :3])
    assert list(step.taps) == ["1.output"]
    np.testing.assert_array_equal(step.taps["1.output"], expected.numpy())


def test_health_names_layers_and_parameters() -> None:
    _, step = trained(sgd, taps.health)
    step(X, Y)
    names = set(step.taps)
    assert {
        "conv1.output",
        "relu.output",
        "fc.weight",
        "fc.weight.grad",
        "norm.bias.update",
    } <= names
    assert not [n for n in names if n == "output" or n.endswith("output.grad")]


def test_empty_and_single_numbers(backend: str) -> None:
    model = nn.Linear(2, 1)
    step = dg.compile(lambda x: model(x).sum(), taps=taps.statistics(model, "*"))
    step(np.zeros((0, 2), np.float32))
    assert set(step.taps) == {"weight", "bias"}
    step(np.float32([[1, 2]]))
    found = step.taps["output"]
    assert (found.min, found.max, found.std) == (found.mean, found.mean, 0)


MISUSES = {
    "a pattern without a match": (lambda m: taps.statistics(m, "conv9*"), "'conv9\\*', there are"),
    "no pattern": (lambda m: taps.values(m), "at least one name or pattern; got none"),
    "never": (lambda m: taps.health(m, every=0), "every is at least 1 call; got 0"),
    "two rhythms": (lambda m: taps.health(m) + taps.values(m, "*", every=2), "every 1 and 2"),
    "no bins": (lambda m: taps.histograms(m, "*", bins=0), "got 0 bins in"),
    "no width": (
        lambda m: taps.histograms(m, "*", range=(1, 1)),
        r"low < high; got 64 bins in \(1",
    ),
}


@pytest.mark.parametrize("misuse", MISUSES, ids=list(MISUSES))
def test_misuses_say_what_to_do(misuse: str) -> None:
    looked, message = MISUSES[misuse]

    def call() -> None:
        _, step = trained(sgd, looked)
        step(X, Y)

    with pytest.raises(DomainError, match=message):
        call()


def test_asking_where_there_are_none() -> None:
    _, step = trained(sgd)
    step(X, Y)
    with pytest.raises(TraceError, match=r"Pass taps=dg\.taps\.health"):
        _ = step.taps
