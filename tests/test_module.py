"""What every module can do: names, state dicts, modes, containers, the summary."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.errors import DataError, DeepglassWarning, DomainError, DTypeError, ShapeError
from deepglass.testing import assert_close

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((5, 3)).astype(np.float32)
IMAGES = RNG.standard_normal((2, 3, 5, 7)).astype(np.float32)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.classifier = nn.Linear(2, 3, bias=False)
        self.scale = dg.Parameter([1.0])
        self.not_state = dg.tensor([1.0])

    def forward(self, x: Any) -> dg.Tensor:
        return self.classifier(self.features(x).mean((2, 3))) * self.scale


def test_names_are_pytorchs() -> None:
    model = Net()
    assert sorted(model.state_dict()) == [
        "classifier.weight", "features.0.bias", "features.0.weight", "features.1.bias",
        "features.1.num_batches_tracked", "features.1.running_mean", "features.1.running_var",
        "features.1.weight", "scale",
    ]  # fmt: skip
    assert [n for n, _ in model.named_buffers()] == [
        "features.1.running_mean", "features.1.running_var", "features.1.num_batches_tracked",
    ]  # fmt: skip
    assert len(list(model.parameters())) == 6
    assert [n for n, _ in model.named_modules()] == [
        "", "features", "features.0", "features.1", "classifier",
    ]  # fmt: skip
    assert [n for n, _ in model.named_children()] == ["features", "classifier"]
    assert [n for n, _ in model.named_parameters("net", recurse=False)] == ["net.scale"]
    assert [n for n, _ in model.features.named_buffers("f")][:1] == ["f.1.running_mean"]
    assert [n for n, _ in model.named_modules("net")][:2] == ["net", "net.features"]
    assert list(model.parameters(recurse=False)) == [model.scale]
    assert list(model.buffers(recurse=False)) == []


def test_state_dicts_are_copies() -> None:
    model = Net()
    state = model.state_dict()
    state["scale"][:] = 7
    assert model.scale.tolist() == [1.0]
    model.load_state_dict(state)
    state["scale"][:] = 8
    assert model.scale.tolist() == [7.0]


def test_loading_what_does_not_fit_says_all_and_changes_nothing() -> None:
    model = Net()
    state = {k: v + 1 for k, v in model.state_dict().items()}
    cases: list[tuple[Any, str]] = [
        ({**state, "extra": np.zeros(1)}, "unexpected extra. Pass strict=False"),
        ({k: v for k, v in state.items() if k != "scale"}, "missing scale. Pass strict=False"),
        ({**state, "scale": np.zeros(2)}, r"scale is \(1,\) here and \(2,\) there"),
        (
            {"scale": np.zeros(2), "other": 1, **{k: state[k] for k in list(state)[2:]}},
            r"missing features.0.weight; unexpected other; scale is .* Build the module",
        ),
        ({f"module.{k}": v for k, v in state.items()}, r"k.removeprefix\('module.'\)"),
    ]
    before = model.state_dict()
    for wrong, message in cases:
        with pytest.raises(DataError, match=message):
            model.load_state_dict(wrong)
        assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    with pytest.raises(DataError, match="scale is"):
        model.load_state_dict({"scale": np.zeros(2)}, strict=False)
    with pytest.raises(TypeError, match="a mapping from names to arrays or tensors; got str"):
        model.load_state_dict("model.safetensors")  # type: ignore[arg-type]


def test_loading_what_fits_tells_the_rest() -> None:
    model = Net()
    report = model.load_state_dict({"scale": [5.0], "extra": np.zeros(1)}, strict=False)
    assert model.scale.tolist() == [5.0]
    assert report.unexpected_keys == ["extra"]
    assert len(report.missing_keys) == len(model.state_dict()) - 1
    assert model.load_state_dict(model.state_dict()) == ([], [])


def test_loading_converts_and_keeps_types() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.ones((1, 2)), "bias": dg.tensor([1])})
    assert layer.weight.dtype is layer.bias.dtype is dg.float32
    assert layer.weight.requires_grad


def test_modes_reach_every_layer() -> None:
    model = Net()
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert model.train() is model
    assert all(m.training for m in model.modules())


def test_freezing_and_forgetting() -> None:
    model = Net().requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())
    model.classifier.requires_grad_(True)
    model(dg.ones(2, 1, 5, 5)).sum().backward()
    assert model.classifier.weight.grad is not None
    assert model.scale.grad is None
    model.zero_grad()
    assert model.classifier.weight.grad is None


def test_conversion_of_a_whole_model() -> None:
    model = Net()
    before = model.state_dict()
    model.scale.grad = dg.ones(1)
    model.double()
    assert {p.dtype for p in model.parameters()} == {dg.float64}
    assert model.features[1].num_batches_tracked.dtype is dg.int64
    assert model.scale.grad is None
    assert model.scale.requires_grad
    assert model(dg.ones(2, 1, 5, 5, dtype="float64")).dtype is dg.float64
    model.float().load_state_dict(before)
    assert {b.dtype for b in model.buffers()} == {dg.float32, dg.int64}


def test_a_copy_of_a_model_is_a_model_of_its_own() -> None:
    model = Net()
    x = dg.tensor(IMAGES[:, :1, :, :5])
    model(x).exp().sum().backward()
    twin = copy.deepcopy(model)
    assert_close("output", twin(x), model(x))
    assert twin.scale is not model.scale
    assert twin.scale.requires_grad
    assert twin.scale.grad is None or twin.scale.grad is not model.scale.grad
    before = model.scale.grad.numpy()
    twin.zero_grad()
    twin(x).exp().sum().backward()
    assert_close("gradient", twin.scale.grad, before)
    assert np.array_equal(model.scale.grad.numpy(), before)
    optimizer = dg.optim.SGD(twin.parameters(), lr=1.0)
    optimizer.step()
    assert model.scale.tolist() == [1.0]
    assert twin.scale.tolist() != [1.0]


def test_tied_weights_have_all_their_names_in_a_state_dict() -> None:
    """As in PyTorch, so that state dicts move over by name."""
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    assert sorted(model.state_dict()) == ["0.weight", "1.weight"]
    assert [n for n, _ in model.named_parameters()] == ["0.weight"]
    model.load_state_dict({"0.weight": np.ones((3, 3)), "1.weight": np.ones((3, 3))})
    assert model[1].weight is model[0].weight
    layer = nn.Linear(2, 2, bias=False)
    assert sorted(nn.Sequential(layer, layer).state_dict()) == ["0.weight", "1.weight"]


def test_a_deleted_layer_is_gone() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    step = dg.compile(lambda x: model(x))
    with dg.backend("reference"):
        step(ROWS)
        delattr(model, "1")
        assert_close("output", step(ROWS), model(dg.tensor(ROWS)))


def test_layers_in_a_plain_list_are_worth_a_warning() -> None:
    model = nn.Module()
    with pytest.warns(
        DeepglassWarning, match=r"Module.layers: layers in a plain list.*ModuleList"
    ) as caught:
        model.layers = [nn.Linear(2, 2)]
    assert caught[0].filename == __file__
    with pytest.warns(DeepglassWarning, match=r"layers in a plain dict.*ModuleDict"):
        model.heads = {"left": nn.Linear(2, 2)}


def test_a_module_is_made_before_its_parts() -> None:
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.scale = 2.0
            self.layer = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match=r"Hasty.layer: .* Write super\(\).__init__\(\) first"):
        Hasty()


def test_apply_visits_children_first() -> None:
    visited: list[str] = []
    model = Net()
    assert model.apply(lambda m: visited.append(type(m).__name__)) is model
    assert visited == ["Conv2d", "BatchNorm2d", "Sequential", "Linear", "Net"]


def test_a_shared_layer_counts_once() -> None:
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert len(list(model.parameters())) == 2
    assert len(list(model.modules())) == 3
    assert len(model) == 3


def test_repr_shows_the_structure() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (features): Sequential(\n"
        "    (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))\n"
        "    (1): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, "
        "track_running_stats=True)\n"
        "  )\n"
        "  (classifier): Linear(2, 3, bias=False)\n"
        ")"
    )
    layers = [nn.LayerNorm(3), nn.Dropout(0.2), nn.Flatten(), nn.MaxPool2d(2), nn.ReLU()]
    assert [repr(layer) for layer in layers] == [
        "LayerNorm((3,), eps=1e-05)", "Dropout(p=0.2)", "Flatten(start_dim=1, end_dim=-1)",
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)", "ReLU()",
    ]  # fmt: skip


def test_parts_are_found_by_their_paths() -> None:
    model = Net()
    assert model.get_submodule("") is model
    assert model.get_submodule("features.1") is model.features[1]
    assert model.get_parameter("features.0.weight") is model.features[0].weight
    assert model.get_parameter("scale") is model.scale
    assert model.get_buffer("features.1.running_mean") is model.features[1].running_mean
    with pytest.raises(AttributeError, match=r"got 'features.7', .* It has 0, 1\."):
        model.get_submodule("features.7")
    with pytest.raises(AttributeError, match=r"Net has no Parameter 'not_state'. It has scale"):
        model.get_parameter("not_state")
    with pytest.raises(AttributeError, match=r"Conv2d has no Buffer 'weight'. It has none"):
        model.get_buffer("features.0.weight")


def test_registering_is_assigning() -> None:
    model = nn.Module()
    model.register_parameter("weight", nn.Parameter([1.0]))
    model.register_parameter("bias", None)
    model.register_buffer("seen", dg.tensor([2]))
    model.register_buffer("scratch", np.zeros(3), persistent=False)
    model.add_module("inner", nn.Linear(2, 2, bias=False))
    model.add_module("nothing", None)
    assert sorted(model.state_dict()) == ["inner.weight", "seen", "weight"]
    assert sorted(n for n, _ in model.named_buffers()) == ["scratch", "seen"]
    twin = copy.deepcopy(model)
    assert sorted(twin.state_dict()) == sorted(model.state_dict())
    for name in ("", "a.b", "forward"):
        with pytest.raises(DomainError, match="register_buffer: a name has no dots"):
            model.register_buffer(name, np.zeros(1))
    with pytest.raises(TypeError, match="add_module: a Module or None; got function"):
        model.add_module("act", dg.relu)  # type: ignore[arg-type]


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", np.zeros((), np.float32))

    def forward(self, x: Any) -> dg.Tensor:
        self.calls = self.calls + 1
        return x * self.calls


def test_a_buffer_that_is_assigned_stays_a_buffer(backend: str) -> None:
    """PyTorch's way to move a buffer, which a compiled step has to see as state."""
    model = Counting()
    calls = model.calls
    assert model(dg.tensor(2.0)).item() == 2.0
    step = dg.compile(lambda x: model(x))
    assert [step(np.float32(2)).item() for _ in range(3)] == [4.0, 6.0, 8.0]
    assert model.calls is calls
    assert calls.item() == 4.0
    assert len(step.programs) == 1


def test_a_parameter_is_not_replaced_by_accident() -> None:
    layer = nn.Linear(2, 1)
    weight = layer.weight
    with pytest.raises(TypeError, match=r"Linear.weight: .* module.weight.copy_"):
        layer.weight = dg.ones(1, 2)
    assert layer.weight is weight
    layer.weight = nn.Parameter([[1.0, 2.0]])
    assert layer.weight.tolist() == [[1.0, 2.0]]
    layer.weight = None
    assert [n for n, _ in layer.named_parameters()] == ["bias"]


def test_only_floats_are_converted_to() -> None:
    with pytest.raises(DTypeError, match=r"Linear.to: parameters are floats; got int64"):
        nn.Linear(2, 2).to("int64")
    assert nn.Linear(2, 2).to(dg.float64).weight.dtype is dg.float64


# Containers -----------------------------------------------------------------------------


def test_sequential_is_a_list_of_layers() -> None:
    first, second, third = nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)
    model = nn.Sequential(first, second)
    assert len(model) == 2
    assert list(model) == [first, second]
    assert model[0] is first
    assert model[-1] is second
    assert model.append(third) is model
    assert list(model[1:]) == [second, third]
    assert sorted(model[1:].state_dict()) == ["2.bias", "2.weight"]  # PyTorch keeps names
    del model[1]
    assert list(model) == [first, third]
    assert sorted(model.state_dict()) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    model.insert(0, second)
    assert list(model) == [second, first, third]
    model[0] = nn.ReLU()
    x = dg.tensor(ROWS)
    assert_close("output", model(x), third(first(x.relu())))
    with pytest.raises(IndexError, match="an index lies between -3 and 2; got 3"):
        model[3]


def test_sequential_by_names() -> None:
    named = nn.Sequential({"fc": nn.Linear(3, 2), "act": nn.Tanh()})
    assert sorted(named.state_dict()) == ["fc.bias", "fc.weight"]
    assert isinstance(named.act, nn.Tanh)
    with pytest.raises(DomainError, match="add_module: a name has no dots"):
        nn.Sequential({"a.b": nn.Tanh()})


def test_a_list_of_layers_is_trained_and_saved() -> None:
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
            self.scales = nn.ParameterList([np.ones(3, np.float32), [2.0]])
            self.heads = nn.ModuleDict({"left": nn.Linear(3, 1)})

        def forward(self, x: Any) -> Any:
            for layer, scale in zip(self.layers, self.scales, strict=True):
                x = layer(x) * scale
            return self.heads["left"](x)

    model = Tower()
    assert sorted(model.state_dict()) == [
        "heads.left.bias", "heads.left.weight", "layers.0.bias", "layers.0.weight",
        "layers.1.bias", "layers.1.weight", "scales.0", "scales.1",
    ]  # fmt: skip
    assert model(dg.tensor(ROWS)).shape == (5, 1)
    assert len(model.layers[:1]) == 1
    assert "(scales): ParameterList(float32[3], float32[1])" in repr(model)
    model.heads["right"] = nn.Tanh()
    assert list(model.heads) == list(model.heads.keys()) == ["left", "right"]
    assert len(model.heads) == 2
    assert isinstance(model.heads.pop("right"), nn.Tanh)
    assert "right" not in model.heads
    with pytest.raises(KeyError):
        del model.heads["right"]
    for misuse, message in (
        (lambda: model.layers(ROWS), "a list of layers is not called"),
        (lambda: model.heads(ROWS), "a dict of layers is not called"),
    ):
        with pytest.raises(NotImplementedError, match=message):
            misuse()
    for call in (
        lambda: model.layers.append(dg.relu),
        lambda: nn.ModuleDict({"relu": dg.relu}),  # type: ignore[dict-item]
        lambda: nn.Sequential(dg.relu),
    ):
        with pytest.raises(TypeError, match=r"Write nn.ReLU\(\)"):
            call()


# Summary --------------------------------------------------------------------------------


class LeNet(nn.Module):
    """LeNet-5 with tanh and full connections (LeCun et al., 1998, figure 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.MaxPool2d(2),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(400, 120)
        self.out = nn.Linear(120, 10)

    def forward(self, x: Any) -> Any:
        x = self.dropout(self.features(x).flatten(1))
        return self.out(self.fc(x).tanh())


def test_summary_of_lenet_by_hand() -> None:
    summary = LeNet().summary((2, 1, 28, 28))
    found = {s.name: (s.type, s.output_shapes, s.parameters, s.multiply_adds)
             for s in summary.layers}  # fmt: skip
    assert found == {
        "features.0": ("Conv2d", ((2, 6, 28, 28),), 6 * 25 + 6, 2 * 6 * 28 * 28 * 25),
        "features.1": ("Tanh", ((2, 6, 28, 28),), 0, 0),
        "features.2": ("MaxPool2d", ((2, 6, 14, 14),), 0, 0),
        "features.3": ("Conv2d", ((2, 16, 10, 10),), 16 * 150 + 16, 2 * 16 * 100 * 150),
        "features.4": ("BatchNorm2d", ((2, 16, 10, 10),), 32, 0),
        "features.5": ("MaxPool2d", ((2, 16, 5, 5),), 0, 0),
        "dropout": ("Dropout", ((2, 400),), 0, 0),
        "fc": ("Linear", ((2, 120),), 48_120, 2 * 48_000),
        "out": ("Linear", ((2, 10),), 1_210, 2 * 1_200),
    }
    assert summary.parameters == summary.trainable == 156 + 2416 + 32 + 48_120 + 1_210
    assert summary.multiply_adds == 235_200 + 480_000 + 96_000 + 2_400
    assert summary.frozen == 0


def test_summary_as_text() -> None:
    model = nn.Sequential(nn.Linear(3, 1000), nn.ReLU(), nn.Linear(1000, 2, bias=False))
    model[2].requires_grad_(False)
    assert str(model.summary(ROWS)).splitlines() == [
        "layer   type     output shape   parameters   multiply-adds",
        "----------------------------------------------------------",
        "0       Linear   (5, 1000)           4,000          15,000",
        "1       ReLU     (5, 1000)               0               0",
        "2       Linear   (5, 2)              2,000          10,000",
        "----------------------------------------------------------",
        "total                                6,000          25,000",
        "trainable 4,000, frozen 2,000",
    ]


def test_summary_changes_nothing() -> None:
    model = LeNet()
    model.features[4].eval()
    before, modes = model.state_dict(), [m.training for m in model.modules()]
    random = dg.ops.default_generator.counter.item()
    model.summary(dg.zeros(2, 1, 28, 28))
    assert [m.training for m in model.modules()] == modes
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert dg.ops.default_generator.counter.item() == random
    with pytest.raises(ShapeError, match="got images"):
        model.summary((2, 3, 28, 28))
    assert [m.training for m in model.modules()] == modes


def test_summary_of_layers_that_are_shared_or_compute_themselves() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3, bias=False)
            self.unused = nn.Tanh()
            self.weight = nn.Parameter(np.ones((3, 2), np.float64))

        def forward(self, x: Any, scale: float) -> Any:
            return self.inner(self.inner(x * scale)) @ self.weight, x

    rows = {s.name: s for s in Twice().double().summary((5, 3), 2.0).layers}
    assert rows["inner"].multiply_adds == 2 * 5 * 9
    assert rows["inner"].parameters == 9
    assert rows[""].multiply_adds == 5 * 6
    assert rows[""].parameters == 6
    assert rows[""].output_shapes == ((5, 2), (5, 3))
    assert rows["unused"].output_shapes == ()


def test_summary_counts_every_step_of_a_scan() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            def step(h: dg.Tensor, row: dg.Tensor) -> dg.Tensor:
                return self.cell(dg.cat([h, row], 1)).tanh()

            return dg.scan(step, dg.zeros(x.shape[1], 3), x)

    (row,) = Recurrent().summary((7, 4, 2)).layers
    assert row.name == "cell"
    assert row.multiply_adds == 7 * 4 * 5 * 3


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Module: a module computes in forward"):
        nn.Module()(1)
