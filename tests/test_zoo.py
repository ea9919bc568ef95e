"""The classic networks of vision: sizes as published, start values, weights from files."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import models, nn
from deepglass.errors import DataError, DomainError
from deepglass.models.resnet import BasicBlock
from deepglass.nn import init
from deepglass.tensorfile import write_tensors

# torchvision's counts; for CIFAR, those of table 6 in He et al. (2015) in full
PARAMETERS = {
    "lenet5": 61_706,
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "googlenet": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "resnet1202": 19_421_274,
    "plain20": 269_722,
    "plain32": 464_154,
    "plain44": 658_586,
    "plain56": 853_018,
    "plain110": 1_727_962,
}


def network(name: str, **options: Any) -> nn.Module:
    """The network without numbers."""
    with init.unfilled():
        made: nn.Module = getattr(models, name)(**options)
    return made


@pytest.mark.parametrize("name", PARAMETERS)
def test_as_many_weights_as_published(name: str) -> None:
    assert sum(p.numel() for p in network(name).parameters()) == PARAMETERS[name]


# torchvision's documentation: 1.81 G and 4.09 G
@pytest.mark.parametrize(
    ("name", "size", "multiply_adds"),
    [
        ("resnet18", 224, 1_814_073_344),
        ("resnet50", 224, 4_089_184_256),
        ("resnet20", 32, 40_551_040),
    ],
)
def test_as_many_multiply_adds_as_published(name: str, size: int, multiply_adds: int) -> None:
    assert network(name).summary((1, 3, size, size)).multiply_adds == multiply_adds


def sees(model: nn.Module, *shape: int) -> dict[str, tuple[int, ...]]:
    """What the last call of each layer sees."""
    return {layer.name: layer.receptive_fields[-1] for layer in model.summary(shape).layers}


class TestReceptiveFields:
    def test_of_small_windows_one_after_another(self) -> None:
        """Two of 3 x 3 see 5 x 5, three see 7 x 7: Simonyan and Zisserman (2015), section 2.3."""
        row = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)])
        assert list(sees(row, 1, 1, 9, 8).values()) == [(3, 3), (5, 5), (7, 7)]

    def test_by_hand(self) -> None:
        """Steps widen what follows, dilation the window; each axis by itself."""
        row = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(1, 2, (3, 1), stride=(2, 1)),
            nn.MaxPool2d((1, 2)),
            nn.Conv2d(2, 3, 3, dilation=(1, 2), padding=4),
            nn.ConvTranspose2d(3, 3, 3),
            nn.AdaptiveAvgPool2d(1),
        )
        found = list(sees(row, 1, 1, 15, 8).values())
        after = (3 + 2 * 2, 2 + 2 * 2 * 2)
        wide = (after[0] + 2 * 2, after[1] + 2 * 2)
        assert found == [(), (3, 1), (3, 2), after, wide, (wide[0] + 14 * 2, wide[1] + 9 * 2)]

    def test_of_branches_is_the_largest(self) -> None:
        block = BasicBlock(3, 3)
        assert sees(block, 1, 3, 8, 8)["bn2"] == (5, 5)
        assert sees(nn.Sequential(block, nn.Conv2d(3, 3, 1)), 1, 3, 8, 8)["1"] == (5, 5)

    @pytest.mark.parametrize(
        ("name", "layer", "pixels"),
        # Araujo, Norris and Sim (2019), table 1, of the last maps; ResNet-50 with the stride in
        # its 3 x 3 sees less than their 483
        [
            ("alexnet", "features.12", 195),
            ("vgg16", "features.30", 212),
            ("resnet50", "layer4.2.relu", 427),
        ],
    )
    def test_of_whole_networks(self, name: str, layer: str, pixels: int) -> None:
        assert sees(network(name), 1, 3, 224, 224)[layer] == (pixels, pixels)

    def test_each_call_of_a_layer_sees_for_itself(self) -> None:
        summary = BasicBlock(3, 3).summary((1, 3, 8, 8))
        rows = {layer.name: layer.receptive_fields for layer in summary.layers}
        assert rows == {
            "conv1": ((3, 3),),
            "bn1": ((3, 3),),
            "relu": ((3, 3), (5, 5)),
            "conv2": ((5, 5),),
            "bn2": ((5, 5),),
        }
        assert re.search(r"relu +ReLU +\(1, 3, 8, 8\) +3 x 3, 5 x 5 +0 +0\n", str(summary))

    def test_many_calls_of_a_layer_are_told_by_the_first_and_the_last(self) -> None:
        relu, conv = nn.ReLU(), nn.Conv1d(2, 2, 3, padding=1)
        summary = nn.Sequential(relu, conv, conv, conv, relu, relu).summary((1, 2, 7))
        assert [layer.receptive_fields for layer in summary.layers] == [
            ((), (7,)),
            ((3,), (5,), (7,)),
        ]
        first, second = str(summary).splitlines()[2:4]
        assert re.search(r"ReLU +\(1, 2, 7\) +-, 7 ", first)
        assert re.search(r"Conv1d +\(1, 2, 7\) +3, \.\.\., 7 ", second)

    def test_without_windows_there_is_no_column(self) -> None:
        with_windows, without = nn.Conv1d(2, 3, 5), nn.Linear(2, 3)
        assert "sees" in str(with_windows.summary((1, 2, 7)))
        assert "sees" not in str(without.summary((1, 2)))
        assert sees(with_windows, 1, 2, 7) == {"": (5,)}


def test_the_first_dense_layer_of_vgg() -> None:
    layers = {layer.name: layer for layer in network("vgg16").summary((1, 3, 224, 224)).layers}
    assert layers["classifier.0"].multiply_adds == 102_760_448
    assert layers["classifier.0"].parameters == 102_760_448 + 4096


@pytest.mark.parametrize(
    ("name", "options", "weights"),
    [
        ("lenet5", {"connections": "1998"}, 156 + 1516 + 48_120 + 10_164 + 850),
        ("alexnet", {"towers": 2}, 60_965_224),
        ("googlenet", {"aux_logits": False}, 6_624_904),
        ("resnet18", {"stem": "small", "num_classes": 10}, 11_173_962),
    ],
)
def test_other_forms(name: str, options: dict[str, Any], weights: int) -> None:
    assert sum(p.numel() for p in network(name, **options).parameters()) == weights


def test_every_network_comes_back_from_its_configuration() -> None:
    """By name and arguments, in whatever form, without moving gigabytes."""
    few = {name: {"num_classes": 3} for name in PARAMETERS if name != "lenet5"}
    others = {
        "lenet5": {"connections": "1998"},
        "alexnet": {"towers": 2, "dropout": 0.25},
        "googlenet": {"dropout_aux": 0.25, "transform_input": True},
        "resnet50": {"zero_init_residual": True, "channels": 5},
    }
    for name, options in [*few.items(), *others.items()]:
        model = network(name, **options)
        config = json.loads(json.dumps(models.config_of(model)))
        again = models.build(config, sum(p.numel() for p in model.parameters()))
        assert repr(again) == repr(model)
        assert models.config_of(again) == models.config_of(model)


class TestStart:
    """Weights before training are of the distributions that torchvision draws from."""

    @pytest.mark.parametrize("make", [models.resnet18, models.resnet20])
    def test_rectified(self, make: Callable[..., nn.Module]) -> None:
        for layer in make(num_classes=700, generator=dg.Generator(3)).modules():
            if isinstance(layer, nn.Conv2d):
                weight = layer.weight.numpy()
                expected = (2 / (weight.shape[0] * weight[0, 0].size)) ** 0.5
                assert weight.std() == pytest.approx(expected, rel=6 / weight.size**0.5)
            elif isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5
                assert 0.99 * bound < np.abs(layer.weight.numpy()).max() <= bound
                assert 0.9 * bound < np.abs(layer.bias.numpy()).max() <= bound

    def test_blocks_that_begin_as_their_shortcut(self) -> None:
        model = models.ResNet("bottleneck", [1, 1, 1, 1], 3, zero_init_residual=True)
        zeros = [k for k, p in model.named_parameters() if not p.numpy().any()]
        scales = [f"layer{k}.0.bn3.weight" for k in (1, 2, 3, 4)]
        assert [k for k in zeros if k.endswith("weight")] == scales

    def test_two_towers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules[models.AlexNet.__module__], "DENSE", 30)
        model = models.alexnet(towers=2, num_classes=500)
        layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        assert [float(m.bias.numpy().min()) for m in layers] == [0, 1, 0, 1, 1, 1, 1, 0]
        assert [float(m.bias.numpy().max()) for m in layers] == [0, 1, 0, 1, 1, 1, 1, 0]
        for layer in layers:
            assert layer.weight.numpy().std() == pytest.approx(0.01, rel=0.1)

    def test_vgg(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules[models.VGG.__module__], "DENSE", 30)
        monkeypatch.setattr(sys.modules[models.VGG.__module__], "WIDTHS", (8, 9, 10, 11, 12))
        model = models.vgg11()
        for name, parameter in model.named_parameters():
            values = parameter.numpy()
            if name.endswith("bias"):
                assert not values.any()
            elif name.startswith("features"):
                expected = (2 / (values.shape[0] * 9)) ** 0.5
                assert values.std() == pytest.approx(expected, rel=0.2)
            else:
                assert values.std() == pytest.approx(0.01, rel=0.1)

    def test_googlenet(self) -> None:
        model = models.googlenet(aux_logits=False, num_classes=300)
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                assert layer.weight.numpy().std() == pytest.approx(0.01, rel=0.1)
        assert 0.9 / 32 < np.abs(model.fc.bias.numpy()).max() <= 1 / 32

    def test_sparse_connections(self) -> None:
        """As those of a layer that reads so many maps: 3 of 5 x 5 for the first, 6 for the last."""
        layer = models.LeNet5(connections="1998").features[3]
        sizes = np.abs(layer.weight.numpy()).max((1, 2, 3))
        assert 0.8 < sizes[:3].max() * 75**0.5 <= 1
        assert 0.8 < sizes[-6:].max() * 150**0.5 <= 1
        assert (np.abs(layer.bias.numpy()) <= 75**-0.5).all()

    def test_a_seed_repeats_them(self) -> None:
        one, two = (models.resnet20(generator=dg.Generator(5)).state_dict() for _ in range(2))
        assert all((one[k] == two[k]).all() for k in one)


class TestForms:
    def test_no_connection_is_no_number(self) -> None:
        """The kernels of a full convolution have zeros where table 1 has no cross."""
        layer = models.LeNet5(connections="1998").features[3]
        crosses = np.array([[str(k) in maps for k in range(6)] for maps in (
            "012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145",
            "0125", "0134", "1245", "0235", "012345",
        )])  # fmt: skip
        assert (layer.kernels().numpy().any((2, 3)) == crosses).all()

    def test_heads_speak_in_training(self) -> None:
        model = network("googlenet", num_classes=5)
        x = dg.zeros(2, 3, 32, 32)
        assert isinstance(model.train()(x), models.GoogLeNetOutputs)
        assert [y.shape for y in model(x)] == [(2, 5)] * 3
        assert model.eval()(x).shape == (2, 5)
        assert network("googlenet", num_classes=5, aux_logits=False).train()(x).shape == (2, 5)

    def test_pixels_from_one_normalisation_to_another(self) -> None:
        """Of a photo p, (p - mean) / std becomes (p - 0.5) / 0.5."""
        model = models.googlenet(aux_logits=False, num_classes=5).eval()
        photo = np.random.default_rng(0).uniform(size=(2, 3, 16, 16))
        mean, std = (
            np.reshape(v, (3, 1, 1)) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        )
        halves = model(dg.tensor(np.float32(2 * photo - 1))).numpy()
        model.transform_input = True
        usual = model(dg.tensor(np.float32((photo - mean) / std))).numpy()
        np.testing.assert_allclose(usual, halves, rtol=1e-4)

    def test_small_images_keep_their_size_in_the_stem(self) -> None:
        summary = network("resnet18", stem="small", num_classes=10).summary((5, 3, 32, 32))
        shapes = {layer.name: layer.output_shapes for layer in summary.layers}
        assert shapes["maxpool"] == ((5, 64, 32, 32),)
        assert shapes["layer4.1.conv2"] == ((5, 512, 4, 4),)
        assert summary.parameters == 11_173_962

    def test_plain_and_residual_differ_by_what_is_added(self) -> None:
        """With the second convolution of each block at 0 the residual form is its shortcuts:
        thinned pixels, and zeros in the new maps."""
        model = models.ResNetCIFAR(8, 3).eval()
        for name, parameter in model.named_parameters():
            if "conv2" in name:
                init.zeros_(parameter)
        x = dg.tensor(np.random.default_rng(0).normal(size=(2, 3, 8, 12)).astype(np.float32))
        stem = model.relu(model.bn1(model.conv1(x))).numpy()
        averages = stem[:, :, ::4, ::4].mean((2, 3))
        expected = averages @ model.fc.weight.numpy()[:, :16].T + model.fc.bias.numpy()
        np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-5, atol=1e-6)
        plain = models.ResNetCIFAR(8, 3, residual=False).eval()
        plain.load_state_dict(model.state_dict())
        expected = np.broadcast_to(model.fc.bias.numpy(), (2, 3))
        np.testing.assert_allclose(plain(x).numpy(), expected, rtol=1e-6)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: models.ResNet("wide", [2, 2, 2, 2]), "block is one of basic, bottleneck"),
            (lambda: models.ResNet("basic", [2, 2, 2]), r"four stages; .* \[2, 2, 2\]"),
            (lambda: models.ResNet("basic", [2, 2, 0, 2]), r"four stages; .* \[2, 2, 0, 2\]"),
            (lambda: models.resnet18(stem="large"), "stem one of photo, small, .*'large'"),
            (lambda: models.ResNetCIFAR(18), r"6n \+ 2 .* got 18. Usual: 20"),
            (lambda: models.ResNetCIFAR(2), "got 2"),
            (lambda: models.VGG(12), "one of 11, 13, 16, 19; got 12"),
            (lambda: models.alexnet(towers=3), "got towers 3. Choose"),
            (lambda: models.lenet5(connections="none"), "one of full, 1998; .* 'none'"),
        ],
    )
    def test_forms_there_are_not(self, make: Callable[[], nn.Module], message: str) -> None:
        with pytest.raises(DomainError, match=message):
            make()


class TestPublishedWeights:
    def test_come_from_a_file(self, tmp_path: Path) -> None:
        """Without the counters of batches, as older files are."""
        source = models.resnet20(num_classes=7)
        state = source.state_dict()
        old = {k: v + 1 for k, v in state.items() if "num_batches" not in k}
        write_tensors(tmp_path / "r20.safetensors", old, {})
        again = models.resnet20(num_classes=7, weights=tmp_path / "r20.safetensors").state_dict()
        assert list(again) == list(state)
        assert all((again[k] == old.get(k, 0)).all() for k in again)

    def test_of_heads_that_are_not_wanted(self, tmp_path: Path) -> None:
        path = tmp_path / "g.safetensors"
        state = network("googlenet", num_classes=3).state_dict()
        write_tensors(path, state, {})
        again = models.googlenet(weights=path, aux_logits=False, num_classes=3)
        assert list(again.state_dict()) == [k for k in state if not k.startswith("aux")]

    def test_that_do_not_fit(self, tmp_path: Path) -> None:
        path = tmp_path / "r20.safetensors"
        state = models.resnet20().state_dict()
        write_tensors(path, state, {})
        with pytest.raises(DataError, match=r"r20.safetensors: .* fc.weight is \(7, 64\) here and"):
            models.resnet20(weights=path, num_classes=7)
        with pytest.raises(
            DataError, match=r"missing layer2\.0\.downsample.* and \d+ more; unexpected layer\d\.2"
        ):
            models.resnet18(weights=path)
        del state["bn1.bias"]
        write_tensors(path, state, {})
        with pytest.raises(DataError, match=r"missing bn1\.bias"):
            models.resnet20(weights=path)
        path.write_bytes(b"PK\x03\x04 and the rest of a zip archive")
        with pytest.raises(DataError, match=r"made of pickles.*Convert it in PyTorch"):
            models.resnet20(weights=path)
        path.write_bytes(b"no weights")
        with pytest.raises(DataError, match="a safetensors file; this is damaged"):
            models.resnet20(weights=path)

    def test_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path, begins = tmp_path / "r20.safetensors", r"r20\.safetensors: a safetensors file; "
        with pytest.raises(DataError, match=begins + r"there is no such file\. Check the name\."):
            models.resnet20(weights=path)
        path.mkdir()
        with pytest.raises(DataError, match=begins + r"this is a folder\. Name a file in it\."):
            models.resnet20(weights=path)
        path.rmdir()

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(DataError, match=begins + r"reading it is not permitted\. Change its"):
            models.resnet20(weights=path)


class TestUnfilled:
    def test_takes_no_memory_and_no_random_numbers(self) -> None:
        generator = dg.Generator(3)
        with init.unfilled():
            layer = nn.Linear(10**9, 10**9, generator=generator)
        assert layer.weight.shape == (10**9, 10**9)
        assert generator.get_state()["counter"] == 0

    def test_is_filled_afterwards(self) -> None:
        with init.unfilled():
            layer = nn.Linear(3, 2)
        init.normal_(layer.weight, generator=dg.Generator(3))
        layer.load_state_dict({"bias": [5.0, 7.0]}, strict=False)
        assert layer.weight.requires_grad
        y = layer(dg.tensor([[1.0, 2.0, 4.0]]))
        y.sum().backward()
        np.testing.assert_allclose(layer.weight.grad.numpy(), [[1, 2, 4]] * 2)
        expected = layer.weight.numpy() @ np.float32([1, 2, 4]) + [5, 7]
        np.testing.assert_allclose(y.numpy()[0], expected, rtol=1e-6)

    def test_blocks_within_blocks(self) -> None:
        with init.unfilled():
            with init.unfilled():
                nn.Linear(2, 3)
            inner = nn.Linear(2, 3)
        assert not inner.weight.numpy().any()
        assert nn.Linear(2, 3).weight.numpy().any()

    def test_embeddings_with_a_row_of_padding_wait_too(self) -> None:
        with init.unfilled():
            assert not nn.Embedding(5, 3, padding_idx=1).weight.numpy().any()

    def test_room_for_so_many(self) -> None:
        with init.unfilled(9):
            nn.Linear(2, 3)
        with (
            pytest.raises(DataError, match=r"one of shape \(3,\) goes beyond by 1"),
            init.unfilled(8),
        ):
            nn.Linear(2, 3)


def test_large_weights_are_drawn_in_pieces_that_make_one_draw() -> None:
    size = 3 * init.PIECE + 5
    with dg.backend("reference"):  # machine code of another size may round in another way
        weight = init.normal_(dg.zeros(size), generator=dg.Generator(7)).numpy()
        whole = dg.randn(size, generator=dg.Generator(7)).numpy()
    np.testing.assert_array_equal(weight, whole)
    native = init.normal_(dg.zeros(size), generator=dg.Generator(7)).numpy()
    np.testing.assert_allclose(native, whole, rtol=1e-6, atol=1e-6)


def test_compiled_steps_do_what_eager_ones_do(backend: str) -> None:
    """Shortcuts, batch normalisation and momentum, in three steps."""
    x = dg.tensor(np.random.default_rng(0).normal(size=(3, 3, 10, 9)).astype(np.float32))
    losses: list[list[float]] = []
    for compiled in (False, True):
        model = models.ResNetCIFAR(8, 5, generator=dg.Generator(1))
        optimizer = dg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), dg.tensor([0, 4, 2]))
            loss.backward()
            optimizer.step()
            return loss

        run = dg.compile(step, backend=backend) if compiled else step
        losses.append([run(x).item() for _ in range(3)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[0][2] < losses[0][0]


def test_the_examples_of_the_page_run() -> None:
    page = (Path(__file__).parents[1] / "docs" / "networks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    exec("\n".join(blocks), names := {})
    assert names["giant"].depth == 16
    assert [group["lr"] for group in names["optimizer"].param_groups] == [0.001, 0.01]
