"""Networks that go on from published weights: what is frozen, and how fast the rest moves."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepglass import models
from deepglass.config import validated
from deepglass.errors import DataError
from deepglass.models import DESIGNS, MLP, Sizes
from deepglass.runs import Run
from deepglass.runs.groups import freeze
from deepglass.tensorfile import write_tensors
from deepglass.train import save_checkpoint


def changes(folder: Path, **train: Any) -> dict[str, np.ndarray]:
    """By how much one step of descent with rate 0.5 moves each weight."""
    config = {
        "data": {"source": "moons", "samples": 50},
        "model": {"name": "mlp", "hidden": [5, 3]},
        "optimizer": {"name": "sgd", "lr": 0.5},
        "schedule": {"name": "constant"},
        "train": {"epochs": 1, "batch_size": 50, "backend": "reference", **train},
    }
    run = Run.create(config, folder)
    before = run.assembled.trainer.model.state_dict()
    run.fit()
    after = run.assembled.trainer.model.state_dict()
    return {name: after[name] - before[name] for name in before}


class TestRuns:
    def test_frozen_layers_stay_and_others_move_at_their_rates(self, tmp_path: Path) -> None:
        usual = changes(tmp_path / "a")
        found = changes(
            tmp_path / "b", freeze=["layers.0"], rates={"layers": 0.5, "layers.4.weight": 3.0}
        )
        factors = {
            "layers.0.weight": 0, "layers.0.bias": 0, "layers.2.weight": 0.5,
            "layers.2.bias": 0.5, "layers.4.weight": 3, "layers.4.bias": 0.5,
        }  # fmt: skip
        assert found.keys() == factors.keys()
        for name, factor in factors.items():
            assert np.abs(usual[name]).max() > 1e-4
            np.testing.assert_allclose(found[name], factor * usual[name], rtol=1e-4, atol=1e-7)

    @pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
    def test_schedules_keep_the_factors(self, tmp_path: Path, schedule: str) -> None:
        config = {
            "data": {"source": "moons", "samples": 50},
            "optimizer": {"name": "sgd", "lr": 0.5, "momentum": 0.9},
            "schedule": {"name": schedule},
            "train": {"epochs": 3, "backend": "reference", "rates": {"layers.4": 4.0}},
        }
        run = Run.create(config, tmp_path)
        slow, fast = run.assembled.trainer.optimizer.param_groups
        for _ in range(4):
            assert fast["lr"] == pytest.approx(4 * slow["lr"])
            run.assembled.trainer.schedule.step()


class TestGroups:
    def test_weights_by_factor_and_decay(self, tmp_path: Path) -> None:
        config = {
            "data": {"source": "moons", "samples": 50},
            "model": {"name": "mlp", "hidden": [5, 3]},
            "optimizer": {"name": "adamw", "lr": 0.5, "weight_decay": 0.125},
            "train": {"freeze": ["layers.2"], "rates": {"layers.0": 0.1}, "decay": "matrices"},
        }
        trainer = Run.create(config, tmp_path).assembled.trainer
        first, last = trainer.model.layers[0], trainer.model.layers[4]
        found = [
            ([id(p) for p in group["params"]], group["lr"], group["weight_decay"])
            for group in trainer.optimizer.param_groups
        ]
        assert found == [
            ([id(first.weight)], 0.05, 0.125),
            ([id(first.bias)], 0.05, 0.0),
            ([id(last.weight)], 0.5, 0.125),
            ([id(last.bias)], 0.5, 0.0),
        ]

    def test_names_that_are_none(self) -> None:
        model = MLP([2, 3, 4])
        with pytest.raises(DataError, match=r"freeze: .* got 'layers.1'. Did you mean 'layers.\d'"):
            freeze(model, ["layers.1"])
        with pytest.raises(DataError, match="Leave out the last layer"):
            freeze(model, ["layers"])

    @pytest.mark.parametrize("rates", [{"xyz": 2.0}, {"fc": 0.0}, {"fc": -1.0}, ["fc"]])
    def test_rates_that_are_none(self, rates: Any, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"\[train\] rates"):
            changes(tmp_path, rates=rates)


class TestWeights:
    @pytest.fixture
    def published(self, tmp_path: Path) -> Path:
        path = tmp_path / "r20.safetensors"
        write_tensors(path, models.resnet18(num_classes=4).state_dict(), {})
        return path

    def test_all_but_the_head_come_from_the_file(self, published: Path) -> None:
        model = DESIGNS["resnet18"].make(Sizes("images", (3, 32, 32), 7), weights=str(published))
        state = model.state_dict()
        source = models.resnet18(num_classes=4, weights=published).state_dict()
        assert all((state[k] == source[k]).all() for k in state if not k.startswith("fc."))
        assert state["fc.weight"].shape == (7, 512)
        assert 0.9 * 512**-0.5 < np.abs(state["fc.weight"]).max() <= 512**-0.5

    def test_a_run_goes_on_from_the_checkpoint_of_another(self, tmp_path: Path) -> None:
        path, state = tmp_path / "best.safetensors", models.resnet20(num_classes=4).state_dict()
        save_checkpoint(path, {"model": state, "optimizer": {"momentum": [np.ones(3)]}})
        found = models.resnet20(num_classes=4, weights=path).state_dict()
        assert found.keys() == state.keys()
        assert all((found[name] == state[name]).all() for name in state)

    def test_images_of_other_channels(self, published: Path) -> None:
        grey = Sizes("images", (1, 64, 64), 7)
        with pytest.raises(DataError, match=r"conv1.weight is \(64, 1, 7, 7\) here and \(64, 3, 7"):
            DESIGNS["resnet18"].make(grey, weights=str(published))


def test_the_page_says_what_a_configuration_may_hold() -> None:
    page = Path(__file__).parents[1] / "docs" / "networks.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    sections = tomllib.loads(example)
    sections["data"]["kind"] = "images"
    config = validated(sections)
    assert (config.train.freeze, config.train.rates) == (("conv1", "bn1", "layer1"), {"fc": 10})
    assert config.model.options["weights"] == "resnet18.safetensors"
