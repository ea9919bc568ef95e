"""Models: what their own age proved about them, and what scikit-learn and NumPy compute."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model

import deepglass as dg
from deepglass.errors import DataError, DomainError, ShapeError
from deepglass.models import (
    DESIGNS,
    MLP,
    McCullochPitts,
    Perceptron,
    Sizes,
    build,
    config_of,
    mistake_bound,
)
from deepglass.models.vision import VISION
from deepglass.nn import init

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([0, 1, 1, 0])


class TestNeuron:
    @pytest.mark.parametrize(
        ("weights", "threshold", "table"),
        [
            ([1, 1], 2, (0, 0, 0, 1)),
            ([1, 1], 1, (0, 1, 1, 1)),
            ([-1], 0, (1, 0)),
            ([1, 1, 1], 2, (0, 0, 0, 1, 0, 1, 1, 1)),
            ([1, -2], 1, (0, 0, 1, 0)),
        ],
    )
    def test_truth_tables(
        self, weights: list[float], threshold: float, table: tuple[int, ...]
    ) -> None:
        assert McCullochPitts(weights, threshold).truth_table() == table

    # Muroga (1971), "Threshold Logic and Its Applications": 14 of 16, and 104 of 256
    @pytest.mark.parametrize(("inputs", "functions"), [(2, 14), (3, 104)])
    def test_as_many_functions_as_there_are_threshold_functions(
        self, inputs: int, functions: int
    ) -> None:
        weights = product(range(-2, 3), repeat=inputs)
        found = {McCullochPitts(w, t - 0.5).truth_table() for w in weights for t in range(-4, 6)}
        assert len(found) == functions
        if inputs == 2:
            assert set(product((0, 1), repeat=4)) - found == {(0, 1, 1, 0), (1, 0, 0, 1)}

    def test_needs_an_input(self) -> None:
        with pytest.raises(DomainError, match="at least one input"):
            McCullochPitts([], 1)


class TestPerceptron:
    def test_learns_what_scikit_learn_learns(self) -> None:
        """From the same start, in the same order, the weights agree after every epoch."""
        rng = np.random.default_rng(4)
        x = rng.normal(size=(60, 5)).astype(np.float32)
        y = (x @ rng.normal(size=5) + rng.normal(size=60) > 0).astype(np.int64)
        y[0] = 0  # scikit-learn counts an activation of 0, the first, as a mistake either way
        ours = Perceptron(5)
        for epochs in range(1, 6):
            theirs = linear_model.Perceptron(shuffle=False, tol=None, max_iter=epochs).fit(x, y)
            ours.fit(x, y, epochs=1)
            np.testing.assert_allclose(ours.weight.numpy(), theirs.coef_, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(ours.bias.numpy(), theirs.intercept_)

    def test_mistakes_stay_within_the_bound(self) -> None:
        """For 30 random sets of points that a line separates, narrowly or widely."""
        for seed in range(30):
            rng = np.random.default_rng(seed)
            line, offset = rng.normal(size=3), rng.normal() / 4
            x = rng.uniform(-1, 1, (40, 3)).astype(np.float32)
            side = x @ line + offset
            x, side = x[np.abs(side) > 0.1], side[np.abs(side) > 0.1]
            y = (side > 0).astype(np.int64)
            mistakes = Perceptron(3).fit(x, y)
            assert mistakes[-1] == 0
            assert 0 < sum(mistakes) <= mistake_bound(x, y, line, offset)

    def test_bound_by_hand(self) -> None:
        """R² = 3² + 4² + 1 = 26; the plane (0, 2), 0 is 1 from (0, 1) and 4 from (3, -4)."""
        points, classes = [[0.0, 1.0], [3.0, -4.0]], [1, 0]
        assert mistake_bound(points, classes, [0.0, 2.0], 0.0) == pytest.approx(26)

    def test_bound_needs_a_plane_that_separates(self) -> None:
        with pytest.raises(DomainError, match="wrong side by 1"):
            mistake_bound([[1.0], [-1.0]], [0, 1], [1.0], 0.0)

    def test_xor_stays_at_three_of_four(self) -> None:
        """Whatever the order of the examples: three are right at times, four never."""
        best = 0.0
        for seed in range(10):
            neuron, rng = Perceptron(2), np.random.default_rng(seed)
            for i in rng.integers(0, 4, 60):
                neuron.learn(CORNERS[i], int(XOR[i]))
                best = max(best, float((neuron(dg.tensor(CORNERS)).numpy() == XOR).mean()))
        assert best == 0.75

    def test_gives_up_after_the_epochs_it_was_given(self) -> None:
        mistakes = Perceptron(2).fit(CORNERS, XOR, epochs=13)
        assert len(mistakes) == 13
        assert all(mistakes)

    def test_examples_that_do_not_fit(self) -> None:
        with pytest.raises(DomainError, match="classes are 0 and 1"):
            Perceptron(2).fit(CORNERS, [-1, 1, 1, -1])
        with pytest.raises(ShapeError, match=r"got \(4, 2\) and \(3,\)"):
            Perceptron(2).fit(CORNERS, [0, 1, 1])


class TestMLP:
    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
    def test_computes_what_numpy_computes(self, activation: str, backend: str) -> None:
        functions = {
            "relu": lambda v: np.maximum(v, 0),
            "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
            "tanh": np.tanh,
        }
        model = MLP([6, 5, 3, 2], activation)
        x = np.random.default_rng(0).normal(size=(7, 2, 3)).astype(np.float32)
        state = model.state_dict()
        value = x.reshape(7, 6).astype(np.float64)
        for layer in (0, 2, 4):
            weight, bias = state[f"layers.{layer}.weight"], state[f"layers.{layer}.bias"]
            value = value @ weight.astype(np.float64).T + bias
            value = functions[activation](value) if layer < 4 else value
        got = dg.compile(lambda v: model(v))(x)
        np.testing.assert_allclose(got.numpy(), value, rtol=1e-4, atol=1e-5)

    def test_counts_its_weights(self) -> None:
        sizes = [64, 256, 256, 10]
        by_hand = 64 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10
        assert sum(p.numel() for p in MLP(sizes).parameters()) == by_hand

    def test_dropout_follows_every_hidden_layer(self) -> None:
        names = [type(layer).__name__ for layer in MLP([4, 3, 2], dropout=0.5).layers]
        assert names == ["Linear", "ReLU", "Dropout", "Linear"]

    @pytest.mark.parametrize("sizes", [[4], [], [4, 0, 2], [4, 2.5], "42", [True, 2]])
    def test_sizes_that_make_no_network(self, sizes: Any) -> None:
        with pytest.raises(DomainError, match="MLP: sizes"):
            MLP(sizes)

    def test_an_unknown_activation(self) -> None:
        with pytest.raises(DomainError, match="relu, sigmoid, tanh; got 'step'"):
            MLP([2, 1], "step")


SIZES = {
    "images": Sizes("images", (3, 32, 32), 7),
    "points": Sizes("points", (2,), 3),
    "series": Sizes("series", (11, 2), 5),
    "table": Sizes("table", (13,), 1),
    "text": Sizes("text", (9,), 17),
}
INPUTS = {
    "images": np.zeros((2, 3, 32, 32), np.float32), "points": np.zeros((2, 2), np.float32),
    "series": np.zeros((2, 11, 2), np.float32), "table": np.zeros((2, 13), np.float32),
    "text": np.zeros((2, 9), np.int64),
}  # fmt: skip
OUTPUTS = {
    "images": (2, 7),
    "points": (2, 3),
    "series": (2, 5),
    "table": (2, 1),
    "text": (2, 17, 9),
}


class TestDesigns:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [(n, kind) for n, d in DESIGNS.items() for kind in d.kinds if n not in VISION],
    )
    def test_fits_the_data_and_comes_back_from_its_configuration(
        self, name: str, kind: str
    ) -> None:
        model = DESIGNS[name].make(SIZES[kind])
        assert model(dg.tensor(INPUTS[kind])).shape == OUTPUTS[kind]
        numbers = sum(p.numel() for p in model.parameters())
        again = build(config_of(model), numbers)
        assert config_of(again) == config_of(model)
        again.load_state_dict(model.state_dict())
        with pytest.raises(DataError, match="beyond by"):
            build(config_of(model), numbers // 2)

    @pytest.mark.parametrize("name", VISION)
    def test_networks_for_images_fit_classes_and_channels(self, name: str) -> None:
        side = 64 if name == "alexnet" else 32
        with init.unfilled():
            model = VISION[name].make(Sizes("images", (1, side, side), 7))
        layers = model.summary((2, 1, side, side)).layers
        assert layers[-1].output_shapes == ((2, 7),)
        numbers = sum(p.numel() for p in model.parameters())
        assert config_of(build(config_of(model), numbers)) == config_of(model)

    @pytest.mark.parametrize(
        ("side", "options", "stem"),
        [(63, {}, "small"), (64, {}, "photo"), (63, {"stem": "photo"}, "photo")],
    )
    def test_the_stem_is_chosen_by_the_size(
        self, side: int, options: dict[str, str], stem: str
    ) -> None:
        with init.unfilled():
            model = VISION["resnet18"].make(Sizes("images", (3, 90, side), 7), **options)
        assert config_of(model)["arguments"]["stem"] == stem

    def test_lenet_has_the_weights_of_its_text(self) -> None:
        model = DESIGNS["lenet5"].make(Sizes("images", (1, 28, 28), 10))
        assert sum(p.numel() for p in model.parameters()) == 61_706

    def test_images_that_do_not_fit(self) -> None:
        with pytest.raises(DomainError, match="28 x 28 or 32 x 32 pixels; got 28 x 32"):
            DESIGNS["lenet5"].make(Sizes("images", (1, 28, 32), 10))
        with pytest.raises(DomainError, match="28 x 28 or 32 x 32 pixels; got 8 x 8"):
            DESIGNS["lenet5"].make(Sizes("images", (1, 8, 8), 10))
        for name, least in (("alexnet", 63), ("vgg11", 32), ("googlenet", 15)):
            few = rf"{name}: .* at least {least} x {least} pixels; got 99 x {least - 1}\. Set a"
            with pytest.raises(DomainError, match=few):
                DESIGNS[name].make(Sizes("images", (3, 99, least - 1), 10))
        with pytest.raises(DomainError, match="Use fewer widths"):
            DESIGNS["convnet"].make(Sizes("images", (1, 7, 28), 10))
        with pytest.raises(DomainError, match="at least one"):
            DESIGNS["convnet"].make(Sizes("images", (1, 7, 28), 10), widths=())

    @pytest.mark.parametrize("name", ["mlp", "linear", "gru"])
    def test_forecasts_move_with_the_level_of_the_series(self, name: str) -> None:
        model = DESIGNS[name].make(SIZES["series"])
        x = np.random.default_rng(0).normal(size=(2, 11, 2)).astype(np.float32)
        low, high = (model(dg.tensor(x + level)).numpy() for level in (0, 8))
        np.testing.assert_allclose(high, low + 8, atol=1e-4)


class TestRegistry:
    def test_a_configuration_makes_the_same_form_again(self) -> None:
        model = MLP([5, 4, 3], "tanh", dropout=0.25)
        again = build(config_of(model))
        assert repr(again) == repr(model)
        assert config_of(again) == config_of(model)

    def test_a_model_of_ones_own_is_not_registered(self) -> None:
        class Own(MLP):
            pass

        with pytest.raises(DataError, match="registered models"):
            config_of(Own([2, 1]))

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"model": "os.system", "arguments": {}},
            {"model": ["MLP"], "arguments": {}},
            {"model": "MLP", "arguments": [2, 1]},
            {"model": "MLP", "arguments": {}},
            {"model": "MLP", "arguments": {"sizes": [2, -1]}},
            {"model": "MLP", "arguments": {"sizes": [2, "1"]}},
            {"model": "MLP", "arguments": {"sizes": [2, 1], "activation": ["relu"]}},
            {"model": "MLP", "arguments": {"sizes": [2, 3, 1], "dropout": "much"}},
            {"model": "MLP", "arguments": {"sizes": [2, 3, 1], "dropout": 7}},
            {"model": "MLP", "arguments": {"sizes": [2, 1], "generator": "x"}},
            {"model": "MLP", "arguments": {"sizes": [2, 1], "__class__": 1}},
        ],
    )
    def test_configurations_it_refuses(self, config: dict[str, object]) -> None:
        with pytest.raises(DataError, match="model file: "):
            build(config)

    def test_a_giant_is_refused_before_it_takes_memory(self) -> None:
        with pytest.raises(DataError, match=r"\(1000000000, 1000000000\) goes beyond"):
            build({"model": "MLP", "arguments": {"sizes": [10**9, 10**9]}}, numbers=3)
        with pytest.raises(DataError, match="goes beyond by"):
            build({"model": "ResNetCIFAR", "arguments": {"depth": 6 * 10**9 + 2}}, numbers=10**6)
