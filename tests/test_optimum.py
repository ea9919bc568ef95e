"""minimize and maximize: known minima, SciPy's, the textbook's descent, trained networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize

import deepglass as dg
from deepglass import nn, optim
from deepglass.errors import DomainError, GradientError
from deepglass.optim import maximize, minimize


def bowl(a: Any, b: Any) -> Any:
    return a**2 + b**2


def rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@pytest.mark.parametrize("start", [(3.0, -4.0), (0.0, 0.0), (1e6, 1e-6), (-1e-3, 5e3)])
def test_the_bowl(start: Any) -> None:
    found = minimize(bowl, start)
    assert found.converged
    np.testing.assert_allclose(found.x, (0, 0), atol=1e-7 * max(1, np.abs(start).max()))
    assert found.values[0] == bowl(*start)
    assert found.values[-1] == found.value
    assert found.path[0].tolist() == list(start)
    assert found.path.shape == (found.steps + 1, 2)


@pytest.mark.parametrize("start", [(-1.2, 1.0), (2.0, 2.0), (0.0, 0.0), (-3.0, 5.0)])
def test_the_valley_of_rosenbrock(start: Any) -> None:
    found = minimize(rosenbrock, start)
    assert found.converged
    assert found.steps < 60
    np.testing.assert_allclose(found.x, (1, 1), atol=1e-5)


def test_ten_variables_in_an_array() -> None:
    found = minimize(lambda x: rosenbrock(x[:-1], x[1:]).sum(), np.zeros(10))
    assert found.converged
    np.testing.assert_allclose(found.x, np.ones(10), atol=1e-6)


def test_a_minimum_on_the_bounds() -> None:
    found = minimize(rosenbrock, (-1.2, 1.0), bounds=[(-2, 0.5), (None, None)])
    np.testing.assert_allclose(found.x, (0.5, 0.25), atol=1e-7)
    assert found.x[0] == 0.5
    assert minimize(lambda x: (x - 5) ** 2, 0.0, (0, 3)).x == 3.0
    assert minimize(lambda x: (x - 5) ** 2, 9.0, (None, 3)).x == 3.0  # the start is put inside


@pytest.mark.parametrize("seed", range(5))
def test_quadratics_in_a_box_have_scipys_minimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root, b = rng.normal(size=(5, 5)), rng.normal(size=5) * 3
    a = root @ root.T + 0.1 * np.eye(5)
    low, high = -rng.uniform(0, 1, 5), rng.uniform(0, 1, 5)
    bounds = list(zip(low.tolist(), high.tolist(), strict=True))
    matrix, vector = dg.tensor(a), dg.tensor(b)
    found = minimize(lambda x: (x @ matrix * x).sum() / 2 - (vector * x).sum(), np.zeros(5), bounds)
    expected = optimize.minimize(
        lambda x: x @ a @ x / 2 - b @ x, np.zeros(5), jac=lambda x: a @ x - b, bounds=bounds,
        options={"ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    assert found.converged
    np.testing.assert_allclose(found.x, expected.x, atol=1e-6)
    assert ((found.x == low) | (found.x == high)).any()


def test_units_do_not_matter_within_bounds() -> None:
    """One variable in millions beside one in thousandths."""
    found = minimize(
        lambda a, b: (a / 1e6 - 3) ** 2 + (1e3 * b - 2) ** 2 + a * b * 1e-3,
        (0.0, 0.0), bounds=[(0, 1e7), (0, 1e-2)],
    )  # fmt: skip
    a, b = found.x[0] / 1e6, found.x[1] * 1e3  # where both slopes are 0
    assert found.converged
    assert found.steps < 20
    np.testing.assert_allclose([2 * (a - 3) + b, 2 * (b - 2) + a], 0, atol=1e-6)


# The textbook's descent -----------------------------------------------------------------


@pytest.mark.parametrize("lr", [0.1, 0.45, 0.5, 0.9])
def test_a_rate_gives_the_textbooks_path(lr: float) -> None:
    found = minimize(bowl, (3.0, -4.0), lr=lr, max_steps=20)
    factors = (1 - 2 * lr) ** np.arange(found.steps + 1)
    np.testing.assert_allclose(found.path, np.outer(factors, (3, -4)), rtol=1e-9, atol=1e-12)
    assert found.converged is (lr in (0.45, 0.5))


def test_too_large_a_rate_diverges_and_says_so() -> None:
    found = minimize(bowl, (3.0, -4.0), lr=1.1)
    assert not found.converged
    assert found.steps == 10
    assert "diverges: the value rose from 25 to 958 with lr=1.1; take a smaller" in found.message
    assert (found.x, found.value) == ((3.0, -4.0), 25.0)  # the best there was
    assert "diverges" in repr(found)
    uphill = maximize(lambda x: -(x**2), 3.0, lr=1.1)
    assert "diverges: the value fell from -9 to -345" in uphill.message
    swinging = minimize(bowl, (3.0, -4.0), lr=1.0)
    assert "does not settle: the value went from 25 to 25" in swinging.message


def test_too_few_steps_say_so() -> None:
    found = minimize(bowl, (3.0, -4.0), lr=1e-3, max_steps=7)
    assert not found.converged
    assert found.steps == 7
    assert "after 7 steps; pass a larger max_steps or lr" in found.message
    assert "pass a larger max_steps" in minimize(rosenbrock, (-1.2, 1.0), max_steps=3).message
    assert minimize(bowl, (3.0, -4.0), max_steps=0).x == (3.0, -4.0)


def test_functions_without_a_minimum_say_so() -> None:
    for function, start in ((lambda x: x, 1.0), (lambda x: -x.exp(), 1.0), (lambda x: x**3, -1.0)):
        found = minimize(function, start)
        assert not found.converged
        assert "the value falls without end" in found.message
        assert "pass bounds" in found.message
    assert "the value rises without end" in maximize(lambda x: x, 1.0).message


def test_kinks_and_wrong_gradients() -> None:
    assert minimize(lambda x: abs(x), 1.3).value < 1e-6
    wrong = minimize(lambda x: (x * 2).detach() ** 2 - x, 1.0)  # uphill all the way
    assert not wrong.converged
    assert "its gradient is not its own" in wrong.message


def test_several_starts_find_the_deeper_valley() -> None:
    def two(x: Any) -> Any:
        return (x**2 - 1) ** 2 + 0.3 * x

    assert minimize(two, 1.0).x > 0.9
    found = minimize(two, 1.0, bounds=(-2, 2), starts=6, generator=dg.Generator(1))
    np.testing.assert_allclose(found.x, -1.0355787, atol=1e-6)
    again = minimize(two, 1.0, bounds=(-2, 2), starts=6, generator=dg.Generator(1))
    assert again.path.tolist() == found.path.tolist()


# The forms of inputs --------------------------------------------------------------------


def test_results_have_the_form_of_the_inputs() -> None:
    def hill(x: Any) -> Any:
        return -((x - 2) ** 2).sum()

    for start, kind in (
        (0.0, float), (0, float), ([0.0, 1.0], np.ndarray), (np.zeros((2, 3)), np.ndarray),
        (dg.zeros(3), dg.Tensor), ({"a": 0.0, "b": 1.0}, dict),
    ):  # fmt: skip
        found = maximize(hill, start)
        assert type(found.x) is kind
        values = list(found.x.values()) if kind is dict else np.asarray(found.x)
        assert np.shape(values) == np.shape(list(start.values()) if kind is dict else start)
        np.testing.assert_allclose(values, np.full(np.shape(values), 2.0), atol=1e-3)
    mixed = maximize(lambda a, b: -((a - 1) ** 2) - ((b - 2) ** 2).sum(), (0.0, [0.0, 0.0]))
    assert isinstance(mixed.x[0], float)
    np.testing.assert_allclose(mixed.x[1], [2, 2], atol=1e-6)


def test_columns_are_bounded_or_held_by_name_or_position() -> None:
    def hill(x: Any) -> Any:
        return -((x - 5) ** 2).sum()

    row = maximize(hill, {"price": 1.0, "effort": 2.0}, bounds={"price": (0, 3)})
    assert row.x == {"price": 3.0, "effort": 2.0}
    table = maximize(hill, np.ones((3, 2)), bounds={1: (None, 4)})
    assert table.x.tolist() == [[1, 4]] * 3
    table = maximize(hill, np.ones((3, 2)), bounds=[(0, 2), None])
    np.testing.assert_allclose(table.x, [[2, 5]] * 3, atol=1e-6)
    arguments = maximize(lambda a, b: hill(a) + hill(b), ([1.0, 1.0], 1.0), bounds={0: (0, 2)})
    assert arguments.x[0].tolist() == [2, 2]
    assert arguments.x[1] == 1.0


# Trained networks -----------------------------------------------------------------------


def profit(price: np.ndarray, marketing: np.ndarray) -> np.ndarray:
    sold = 40 * np.exp(-(((price - 4) / 6) ** 2)) * (1 + marketing / 10)
    return (price - 3) * sold / 100 - marketing / 5


@pytest.fixture(scope="module")
def trained() -> Any:
    """A network that has learned the profit from examples."""
    dg.manual_seed(0)
    rng = np.random.default_rng(0)
    x = np.stack([rng.uniform(3, 15, 600), rng.uniform(0, 10, 600)], 1).astype("f4")
    y = profit(*x.T)[:, None].astype("f4")
    model = nn.Sequential(
        nn.Linear(2, 24), nn.Tanh(), nn.Dropout(0.01), nn.Linear(24, 24), nn.Tanh(),
        nn.Linear(24, 1),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    @dg.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(800):
        step(x, y)
    optimizer.zero_grad()
    return model


def test_the_best_price_by_the_gradient_on_the_inputs(trained: Any) -> None:
    before = trained.state_dict()
    found = maximize(
        trained, inputs={"price": 12.0, "marketing": 6.0}, bounds={"price": (3, 15)}, starts=3
    )
    grid = np.linspace(3, 15, 2001, dtype="f4")
    rows = np.stack([grid, np.full_like(grid, 6)], 1)
    trained.eval()
    predicted = trained(dg.tensor(rows)).numpy().reshape(-1)
    assert found.converged
    assert found.x["marketing"] == 6.0
    assert abs(found.x["price"] - grid[predicted.argmax()]) < 0.02
    assert found.value >= predicted.max() - 1e-4
    true = grid[profit(grid, np.full_like(grid, 6)).argmax()]
    assert abs(found.x["price"] - true) < 0.5  # what the network has learned is about right
    assert trained(dg.tensor(np.float32([list(found.x.values())]))).item() == found.value
    assert all(np.array_equal(before[k], v) for k, v in trained.state_dict().items())
    assert all(p.grad is None for p in trained.parameters())


def test_a_network_is_searched_in_evaluation_mode_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1))
    model[1].eval()
    weight = model[0].weight
    weight.grad = dg.ones(3, 2)
    found = (
        maximize(model, [0.5, 0.5], bounds=(-1, 1))
        if False
        else maximize(model, {"a": 0.5, "b": 0.5}, bounds={"a": (-1, 1), "b": (-1, 1)})
    )
    assert [m.training for m in model] == [True, False, True, True]
    assert model.training
    assert weight.grad.tolist() == [[1, 1]] * 3
    assert model[1].running_mean.tolist() == [0, 0, 0]
    model.eval()
    corners = [model(dg.tensor([[a, b]])).item() for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
    assert found.value == max(corners)  # it is linear


def test_an_exception_leaves_the_mode_as_it_was() -> None:
    class Odd(nn.Module):
        def forward(self, x: Any) -> Any:
            raise RuntimeError("odd")

    model = Odd()
    with pytest.raises(RuntimeError, match="odd"):
        minimize(model, 1.0)
    assert model.training


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: minimize(bowl, (1.0, 1.0), lr=0.0), DomainError, "lr is positive, .*got lr 0.0"),
        (lambda: minimize(bowl, (1.0, 1.0), starts=0), DomainError, "starts 0, max_steps 1000"),
        (lambda: minimize(bowl, ()), DomainError, r"at least one number is searched for; got \(\)"),
        (lambda: minimize(bowl, (1.0, 1.0), starts=2), DomainError, "drawn between two bounds"),
        (lambda: minimize(bowl, (1.0, 1.0), [(0, None)] * 2, starts=2), DomainError, "Bound the"),
        (lambda: minimize(bowl, (1.0, 1.0), [(0, 1)]), DomainError, r"columns \[0, 1\]; got"),
        (lambda: minimize(bowl, (1.0, 1.0), {2: (0, 1)}), DomainError, r"got \{2: \(0, 1\)\}. B"),
        (lambda: minimize(bowl, (1.0, 1.0), {0: 1}), DomainError, "such as {0: "),
        (lambda: minimize(bowl, (1.0, 1.0), (1, 0)), DomainError, r"got \(1, 0\). Swap them"),
        (lambda: maximize(bowl, {"a": 1.0}, {"b": (0, 1)}), DomainError, r"columns \['a'\]; got"),
        (lambda: minimize(lambda x: dg.log(x), -1.0), DomainError, "got nan at -1.0. Start else"),
        (lambda: minimize(lambda x: x, [1.0, 2.0]), GradientError, "returns one number; got"),
        (lambda: minimize(lambda x: x.item(), 1.0), GradientError, "returns one number; got float"),
        (lambda: minimize(lambda x: dg.tensor(x.numpy()), 1.0), GradientError, "without a history"),
        (lambda: minimize(dg.compile(bowl), (1.0, 1.0)), GradientError, "pass it uncompiled"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
