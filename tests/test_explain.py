"""Every number behind a weight, against hand calculation, the engine and SciPy's differences."""

from __future__ import annotations

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DataError, DomainError
from deepglass.explain import Explainer, parse_weight, update_lines
from deepglass.models import GPT
from deepglass.nn import (
    GRU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    CrossEntropyLoss,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2d,
    Module,
    MSELoss,
    ReLU,
    Sequential,
    Tanh,
)
from deepglass.optim import SGD, Adagrad, Adam, AdamW, NAdam, RMSprop

OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.1),
    "momentum": lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "dampening": lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.3, maximize=True),
    "adam": lambda p: Adam(p, lr=0.01, weight_decay=0.1),
    "amsgrad": lambda p: Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: AdamW(p, lr=0.01, weight_decay=0.1),
    "nadam": lambda p: NAdam(p, lr=0.01),
    "rmsprop": lambda p: RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "adagrad": lambda p: Adagrad(p, lr=0.01, lr_decay=0.1),
}


def convolutional() -> Module:
    return Sequential(
        Conv2d(2, 3, 3, stride=2, padding=1),
        BatchNorm2d(3),
        ReLU(),
        MaxPool2d(2),
        Conv2d(3, 5, 2),
        Tanh(),
        AvgPool2d(2, stride=1),
        Flatten(),
        Linear(10, 7),
        LayerNorm(7),
        ReLU(),
        Linear(7, 3),
    )


def explainer(make=OPTIMIZERS["adam"], steps: int = 2, clip_norm: float | None = None) -> Explainer:
    """A small convolutional network after some steps, with batch statistics of its own."""
    dg.manual_seed(3)
    rng = np.random.default_rng(5)
    x = dg.Tensor(rng.normal(size=(5, 2, 12, 16)))
    y = dg.Tensor(rng.integers(0, 3, 5))
    model = convolutional().double()
    optimizer = make(model.parameters())
    loss = CrossEntropyLoss()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model.train()(x), y).backward()
        optimizer.step()
    return Explainer(model, loss, optimizer, x, y, clip_norm)


WEIGHTS = ["0.weight[2,1,0,2]", "0.bias[1]", "1.weight[1]", "1.bias[2]", "4.weight[3,2,1,0]",
           "8.weight[6,9]", "9.weight[4]", "9.bias[2]", "11.weight[2,5]", "11.bias[0]"]  # fmt: skip


@pytest.mark.parametrize("weight", WEIGHTS)
def test_sum_gradient_and_paths_agree_with_the_engine(weight: str) -> None:
    own = explainer()
    for sample in (0, 4):
        found = own.explain(*parse_weight(weight), sample=sample)
        total = sum(value * factor for *_, value, factor in found.terms())
        assert total == pytest.approx(found.output, rel=1e-10, abs=1e-12)
        engine = own.gradients[found.name][found.index]
        assert found.gradient == pytest.approx(engine, rel=1e-9, abs=1e-15)
        if found.paths is not None:
            assert found.paths.products.sum() == pytest.approx(found.delta, rel=1e-9, abs=1e-15)
        assert found.lines[-1].value == pytest.approx(found.new, rel=1e-7)


def test_gradient_is_the_slope_of_the_loss() -> None:
    """A truth that no rule of ours takes part in: differences of the loss."""
    own = explainer()
    parameter = own.model.get_parameter("4.weight")
    values = parameter.numpy().copy()

    def loss(shift: float) -> float:
        moved = values.copy()
        moved[3, 2, 1, 0] += shift
        with dg.no_grad():
            parameter.copy_(moved)
            return CrossEntropyLoss()(own.model(own.inputs), own.targets).item()

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    loss(0.0)
    assert own.explain("4.weight", (3, 2, 1, 0)).gradient == pytest.approx(slope, rel=1e-5)


def test_by_hand() -> None:
    """y = 2 relu(x - 1), two samples, mean squared error."""
    model = Sequential(Linear(1, 1), ReLU(), Linear(1, 1, bias=False))
    model.load_state_dict({"0.weight": [[1.0]], "0.bias": [-1.0], "2.weight": [[2.0]]})
    x, y = dg.Tensor([[3.0], [0.5]]), dg.Tensor([[1.0], [5.0]])
    own = Explainer(model, MSELoss(), SGD(model.parameters(), lr=0.5), x, y)
    found = own.explain("0.weight", (0, 0), sample=0)
    # loss = ((2 (3 - 1) - 1)^2 + (0 - 5)^2) / 2; by y1: 4 - 1 = 3; by z1: 3 * 2 = 6; by w: 6 * 3
    assert found.output == 2.0
    assert found.delta == 6.0
    assert found.paths is not None
    assert found.paths.slopes.tolist() == [2.0]
    assert found.paths.deltas.tolist() == [3.0]
    assert found.by_sample.tolist() == [18.0, 0.0]  # the second sample does not pass the ReLU
    assert found.new == 1.0 - 0.5 * 18.0
    last = own.explain("2.weight", (0, 0), sample=1)
    assert last.paths is None
    assert last.delta == -5.0


def test_cross_entropy_is_probability_minus_truth() -> None:
    own = explainer()
    found = own.explain("11.weight", (2, 5), sample=1)
    assert found.probabilities is not None
    truth = int(own.targets.numpy()[1])
    assert found.target == truth
    expected = (found.probabilities[2] - (truth == 2)) / 5
    assert found.delta == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 3])
def test_lines_end_at_the_engines_new_value(name: str, steps: int) -> None:
    own = explainer(OPTIMIZERS[name], steps)
    for weight in ("8.weight[6,9]", "0.weight[2,1,0,2]", "11.bias[0]"):
        found = own.explain(*parse_weight(weight))
        moved = found.new - found.weight
        assert moved != 0
        assert found.lines[-1].value - found.weight == pytest.approx(moved, rel=1e-6)


def test_clipped_gradients() -> None:
    own = explainer(OPTIMIZERS["sgd"], clip_norm=0.01)
    norm = sum(float((g**2).sum()) for g in own.gradients.values()) ** 0.5
    assert own.clipping == pytest.approx(0.01 / norm, rel=1e-3)
    found = own.explain("8.weight", (6, 9))
    assert found.new == pytest.approx(found.weight - 0.1 * found.gradient * own.clipping, rel=1e-9)


def test_network_and_optimizer_stay_as_they_are() -> None:
    own = explainer()
    before = own.model.state_dict(), own.optimizer.state_dict()["state"]
    names = [type(m).__name__ for m in own.model.modules()]
    own.explain("0.weight", (0, 0, 0, 0))
    after = own.model.state_dict(), own.optimizer.state_dict()["state"]
    assert names == [type(m).__name__ for m in own.model.modules()]
    for name, value in before[0].items():
        np.testing.assert_array_equal(after[0][name], value)
    for number, state in before[1].items():
        for name, value in state.items():
            np.testing.assert_array_equal(after[1][number][name], value)


def test_a_dead_input_is_explained_too() -> None:
    model = Linear(3, 2)
    sgd = SGD(model.parameters(), lr=1.0)
    own = Explainer(model, MSELoss(), sgd, dg.zeros(2, 3), dg.ones(2, 2))
    found = own.explain("weight", (1, 2))
    assert found.position == (1,)
    assert found.gradient == 0.0
    assert ("weight", (1, 2), found.weight, 0.0) in found.terms()


@pytest.mark.parametrize(
    ("weight", "sample", "words"),
    [
        ("fc.weight[0,0]", 0, ["fc.weight", "0.weight (3, 2, 3, 3)", "11.bias (3,)"]),
        ("11.weight[3,0]", 0, ["(3, 7)", "[3, 0]"]),
        ("11.weight[3]", 0, ["(3, 7)", "[3]"]),
        ("11.bias[0]", 5, ["0 to 4", "5"]),
    ],
)
def test_what_is_not_there_is_said(weight: str, sample: int, words: list[str]) -> None:
    with pytest.raises(DomainError) as error:
        explainer().explain(*parse_weight(weight), sample=sample)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize("text", ["weight", "weight[]", "weight[1.5]", "a b[1]", "w[-1]"])
def test_a_weight_is_written_as_name_and_index(text: str) -> None:
    with pytest.raises(DataError, match=r"fc1.weight\[3,17\]"):
        parse_weight(text)


def test_layers_that_are_no_sums_are_refused() -> None:
    class Last(Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = GRU(2, 3, batch_first=True)

        def forward(self, x: dg.Tensor) -> dg.Tensor:
            return self.cells(x)[0][:, -1]

    model = Last()
    own = Explainer(
        model, MSELoss(), SGD(model.parameters(), lr=0.1), dg.ones(5, 7, 2), dg.zeros(5, 3)
    )
    with pytest.raises(DomainError, match="cells"):
        own.explain("cells.weight_ih_l0", (0, 0))


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(DomainError, match="SGD, Adam, AdamW, NAdam, RMSprop, Adagrad; got Lion"):
        update_lines("Lion", {"lr": 0.1}, {}, 1.0, 1.0)


def test_a_transformer() -> None:
    """Layers stand beside one another, and the table of words is read twice."""
    dg.manual_seed(0)
    model = GPT(7, layers=1, heads=2, width=4, context=5)
    rng = np.random.default_rng(0)
    tokens, following = (dg.tensor(rng.integers(0, 7, (3, 5))) for _ in range(2))
    own = Explainer(model, CrossEntropyLoss(), SGD(model.parameters(), 0.1), tokens, following)
    for name in ("wpe.weight", "h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight"):
        found = own.explain(name, (1, 2), sample=2)
        assert found.gradient == pytest.approx(own.gradients[name][1, 2], rel=1e-4, abs=1e-9)
    with pytest.raises(DomainError, match=r"its layer alone reads.*wte.weight.*Choose one"):
        own.explain("wte.weight", (1, 2))
