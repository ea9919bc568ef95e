"""Runs: what is chosen for data, what a folder holds, and answers from it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import deepglass as dg
from deepglass.config import load_config
from deepglass.data import BytePairEncoder, load_digits, read_table
from deepglass.errors import DataError, DomainError
from deepglass.models import DESIGNS, MLP
from deepglass.runs import Run, RunFolder, all_runs, kind_of, plan
from deepglass.runs.assemble import Assembled
from deepglass.runs.predictor import Predictor
from deepglass.runs.scale import Scale
from deepglass.train import Callback, Epoch, Progress, Trainer, load_checkpoint

QUICK = {"epochs": 2, "backend": "reference"}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A table whose price follows from two of its columns."""
    rng = np.random.default_rng(1)
    area, age = rng.uniform(40, 200, 90), rng.integers(0, 80, 90)
    price = 3000 * area - 1000 * age + 50_000
    path = tmp_path / "Häuser 1.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "area", "age", "rooms", "town", "price"])
        for i in range(90):
            town = ["Aachen", "Köln", ""][i % 3]
            writer.writerow([i, f"{area[i]:.1f}", age[i], i % 12, town, f"{price[i]:.0f}"])
    return path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A trend with a season."""
    path = tmp_path / "air.csv"
    t = np.arange(120)
    values = 100 + 2 * t + 20 * np.sin(t * 2 * np.pi / 12)
    lines = [f"{2000 + i // 12}-{i % 12 + 1:02d},{v:.2f}" for i, v in enumerate(values)]
    path.write_text("month,passengers\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of two colours in a folder each, and a file that is none."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name, channel in (("red", 0), ("blue", 2)):
        (folder / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 60, (18, 24, 3)).astype(np.uint8)
            pixels[..., channel] += 180
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    (folder / "notes.txt").write_text("hello")
    return folder


def quick(source: Path | str, **data: Any) -> dict[str, dict[str, Any]]:
    return {"data": {"source": str(source), **data}, "train": dict(QUICK)}


class TestChoosing:
    def test_a_number_is_regression(self, rows: Path) -> None:
        planned = plan(quick(rows, target="price"))
        config = planned.config
        assert (config.loss.name, config.train.metrics) == ("mse", ("r2", "rmse"))
        assert config.model.name == "mlp"
        assert planned.material.task == "regression"
        assert planned.material.sizes.inputs == (6,)
        text = "\n".join(planned.reasons)
        assert "regression, as its values are numbers" in text
        assert "'id', it numbers the rows" in text

    def test_words_are_classes(self, rows: Path) -> None:
        planned = plan(quick(rows, target="town"))
        assert planned.config.loss.name == "cross_entropy"
        assert planned.material.classes == ("Aachen", "Köln")
        assert "left out: 30 rows without 'town'" in planned.material.notes

    def test_a_task_may_be_said(self, rows: Path) -> None:
        assert plan(quick(rows, target="rooms")).material.task == "regression"
        planned = plan(quick(rows, target="rooms", task="classification"))
        assert planned.material.sizes.outputs == 12

    def test_a_column_has_to_be_named(self, rows: Path) -> None:
        with pytest.raises(
            DataError, match=r"id, area, age, rooms, town, price. Name one: --target p"
        ):
            plan(quick(rows))

    def test_a_series_is_a_forecast(self, series: Path) -> None:
        planned = plan(quick(series, target="passengers", horizon=6))
        assert planned.material.task == "forecast"
        assert planned.material.sizes.outputs == 6
        assert planned.config.train.metrics == ("rmse", "mae")

    @pytest.mark.parametrize(("count", "told"), [(1, "1 file"), (2, "2 files")])
    def test_what_was_left_out_is_counted(self, photos: Path, count: int, told: str) -> None:
        for i in range(count):
            (photos / "red" / f"{i}.png").write_bytes(b"no image")
        notes = plan(quick(photos, damaged="skip", size=5)).material.notes
        assert notes[0] == f"{20 - count} images of 3x5x5, 2 classes"
        assert f"left out: {told} that cannot be read" in notes

    def test_folders_are_images(self, photos: Path) -> None:
        planned = plan(quick(photos, size=16))
        assert planned.config.model.name == "convnet"
        assert planned.material.classes == ("blue", "red")
        assert planned.material.sizes.inputs == (3, 16, 16)
        assert "passed over: 1 file other than images" in planned.material.notes

    @pytest.mark.parametrize(
        ("size", "name"), [(9, "mlp"), (13, "convnet"), (28, "lenet5"), (32, "lenet5")]
    )
    def test_the_size_of_images_decides(self, photos: Path, size: int, name: str) -> None:
        planned = plan(quick(photos, size=size))
        assert planned.config.model.name == name
        DESIGNS[name].make(planned.material.sizes, **planned.config.model.options)

    def test_photographs_are_changed_at_random_unless_said_otherwise(self, photos: Path) -> None:
        planned = plan(quick(photos, size=16))
        assert [change.name for change in planned.config.data.augment] == [
            "resized_crop",
            "horizontal_flip",
        ]
        why = "changed by resized_crop and horizontal_flip, as photographs show things large"
        assert why in "\n".join(planned.reasons)
        assert plan(quick(photos, size=16, augment=[])).config.data.augment == ()
        assert plan(quick("digits")).config.data.augment == ()

    def test_cifar_is_shifted_and_mirrored(self, tmp_path: Path, monkeypatch: Any) -> None:
        record = bytes([3]) + bytes(3 * 32 * 32)
        (tmp_path / "cifar10").mkdir()
        for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
            (tmp_path / "cifar10" / f"{name}.bin").write_bytes(4 * record)
        monkeypatch.setenv("DEEPGLASS_DATA", str(tmp_path))
        first, second = plan(quick("cifar10")).config.data.augment
        assert (first.name, first.options) == ("crop", {"padding": 4})
        assert second.name == "horizontal_flip"

    def test_text_is_continued(self, tmp_path: Path) -> None:
        path = tmp_path / "book.txt"
        path.write_text("once upon a time " * 200)
        planned = plan(quick(path, length=8))
        assert (planned.config.model.name, planned.material.task) == ("gru", "text")
        assert planned.material.sizes.outputs == len(set("once upon a time "))

    def test_a_transformer_has_a_recipe_of_its_own(self, tmp_path: Path) -> None:
        path = tmp_path / "book.txt"
        path.write_text("once upon a time " * 200)
        planned = plan({"data": {"source": str(path)}, "model": {"name": "gpt"}})
        config = planned.config
        assert (config.data.length, config.model.options["width"]) == (128, 64)
        assert config.optimizer.name == "adamw"
        groups = Assembled(config, planned.material).trainer.optimizer.param_groups
        assert [g["weight_decay"] for g in groups] == [0.1, 0.0]
        assert {p.ndim for p in groups[0]["params"]} == {2}
        assert {p.ndim for p in groups[1]["params"]} == {1}

    def test_lines_of_a_list_are_shuffled(self, tmp_path: Path) -> None:
        path = tmp_path / "names.txt"
        path.write_text("\n".join("ada" if k < 150 else "bob" for k in range(200)))
        planned = plan(quick(path, length=8))
        assert "a list of 200 lines, shuffled" in planned.reasons[0]
        encoder: Any = planned.material.encoder
        ordered = plan(quick(path, length=8, lines=False)).material
        for material, found in ((planned.material, True), (ordered, False)):
            tokens, _ = material.parts["train"].batch(np.arange(20))
            assert ("bob" in encoder.decode(tokens.ravel())) is found

    def test_what_is_said_wins(self) -> None:
        said = {
            "data": {"source": "moons", "samples": 60},
            "model": {"name": "mlp", "hidden": [3]},
            "optimizer": {"name": "sgd"},
            "train": {"epochs": 7},
        }
        config = plan(said).config
        assert config.model.options == {"hidden": (3,), "activation": "tanh", "dropout": 0.0}
        assert config.optimizer.options["momentum"] == 0
        assert config.train.epochs == 7
        assert plan({**said, "model": {"name": "linear"}}).config.model.options == {}

    def test_a_complete_configuration_stays_as_it_is(self, rows: Path) -> None:
        config = plan(quick(rows, target="price")).config
        assert plan(config.to_dict()).config == config

    @pytest.mark.parametrize(
        ("section", "value", "message"),
        [
            ("model", {"name": "convnet"}, "reads points, one of linear, mlp; got convnet"),
            ("loss", {"name": "mse"}, "a loss for classification, one of cross_entropy; got mse"),
            ("train", {"metrics": ["r2"]}, "measures of classification, .*; got r2"),
            ("train", {"watch": "f1"}, "one of the measures, loss, accuracy; got f1"),
        ],
    )
    def test_what_does_not_fit(self, section: str, value: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            plan({"data": {"source": "moons"}, section: value})

    def test_sources_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Did you mean moons"):
            kind_of("mons", {})
        with pytest.raises(DataError, match="it holds no folders"):
            kind_of(str(tmp_path), {})
        with pytest.raises(DataError, match=r"\[data\] source names a data set"):
            plan({})


class TestScale:
    @pytest.mark.parametrize("kind", [np.uint8, np.float32])
    def test_brings_pixels_to_mean_0_and_deviation_1(self, kind: type) -> None:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (5, 3, 7, 2)).astype(np.uint8)
        pixels = images if kind is np.uint8 else (images / np.float32(255)).astype(kind)
        scaled = Scale.fit(pixels)(dg.tensor(pixels)).numpy()
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(scaled.mean(axis=(0, 2, 3)), 0, atol=1e-3)
        np.testing.assert_allclose(scaled.std(axis=(0, 2, 3)), 1, atol=1e-3)

    def test_channels_that_are_all_alike(self) -> None:
        images = np.full((4, 1, 3, 2), 255, np.uint8)
        assert (
            Scale.fit(images)(dg.tensor(images)).numpy().tolist() == np.zeros((4, 1, 3, 2)).tolist()
        )

    def test_states_that_are_none(self) -> None:
        scale = Scale(255.0, (0.1,), (0.2,))
        assert Scale.from_dict(json.loads(json.dumps(scale.to_dict()))) == scale
        with pytest.raises(DataError, match="a state made by to_dict"):
            Scale.from_dict({"mean": [0]})


class TestRun:
    def test_leaves_what_the_contract_says(self, rows: Path, tmp_path: Path) -> None:
        run = Run.create(quick(rows, target="price"), tmp_path / "run")
        history = run.fit()
        assert {p.name for p in run.folder.path.iterdir()} == {
            "config.toml", "data.json", "metrics.csv", "checkpoints", "record.safetensors",
        }  # fmt: skip
        assert load_config(run.folder.path / "config.toml") == run.config
        table = run.folder.rows()
        assert [row["epoch"] for row in table] == [1, 2]
        assert table[1]["val_r2"] == pytest.approx(history[1].validation["r2"], rel=1e-4)
        record = load_file(run.folder.path / "record.safetensors")
        validation = run.material.parts["validation"]
        assert len(record["inputs"]) == len(record["targets"]) == len(validation) == 18
        for name in ("last", "best"):
            state, about = load_checkpoint(run.folder.checkpoints / f"{name}.safetensors")
            assert about["model"] == "MLP"
            assert set(state["model"]) == set(run.assembled.trainer.model.state_dict())

    def test_the_measures_are_in_the_units_of_the_table(self, rows: Path, tmp_path: Path) -> None:
        run = Run.create(quick(rows, target="price"), tmp_path / "run")
        run.fit()
        found = run.evaluate()
        predictor = Predictor(run.folder)
        table = read_table(rows)
        answers = np.array(predictor.answer(table)["price"])
        truth = table.numbers("price")
        places = load_file(run.folder.path / "record.safetensors")["indices"]
        error = np.sqrt(((answers - truth)[places] ** 2).mean())
        assert found["rmse"] == pytest.approx(error, rel=1e-4)
        assert error > 1000

    def test_the_seed_decides_every_bit(self, tmp_path: Path) -> None:
        weights = []
        for seed, name in ((1, "a"), (1, "b"), (2, "c")):
            given = {"data": {"source": "moons", "samples": 50}, "train": {**QUICK, "seed": seed}}
            run = Run.create(given, tmp_path / name)
            run.fit()
            weights.append(run.assembled.trainer.model.state_dict())
        first, same, other = (b"".join(w.tobytes() for w in state.values()) for state in weights)
        assert first == same
        assert first != other

    def test_goes_on_as_if_it_had_not_stopped(self, tmp_path: Path) -> None:
        given = quick("moons", samples=100)
        given["train"].update(epochs=4, patience=3)
        given["model"] = {"name": "mlp", "hidden": [5], "dropout": 0.3}
        whole = Run.create(given, tmp_path / "whole")
        whole.fit()
        stopped = Run.create(given, tmp_path / "stopped")
        with pytest.raises(KeyboardInterrupt):
            stopped.fit([Interrupt(2)])
        assert len(stopped.folder.rows()) == 2
        again = Run.open(tmp_path / "stopped")
        again.fit()
        for name in ("last", "best"):
            ours, theirs = (
                load_checkpoint(r.folder.checkpoints / f"{name}.safetensors")[0]
                for r in (again, whole)
            )
            for key, value in theirs["model"].items():
                np.testing.assert_array_equal(ours["model"][key], value)
        drop = ("seconds",)
        assert [{k: v for k, v in row.items() if k not in drop} for row in again.folder.rows()] == [
            {k: v for k, v in row.items() if k not in drop} for row in whole.folder.rows()
        ]
        with pytest.raises(DataError, match="a run that has epochs left; it did all 4"):
            Run.open(tmp_path / "stopped").fit()

    def test_balanced_classes_weigh_by_their_number(self, rows: Path, tmp_path: Path) -> None:
        text = rows.read_text(encoding="utf-8").replace("Köln", "Aachen", 20)
        rows.write_text(text, encoding="utf-8")
        given = {**quick(rows, target="town"), "loss": {"name": "cross_entropy", "balanced": True}}
        run = Run.create(given, tmp_path / "run")
        counts = run.material.class_counts()
        weight = run.assembled.trainer.steps.loss.weight.numpy()
        np.testing.assert_allclose(weight * counts, np.full(2, counts.sum() / 2), rtol=1e-6)

    def test_data_that_changed_are_noticed(self, rows: Path, tmp_path: Path) -> None:
        Run.create(quick(rows, target="price"), tmp_path / "run")
        rows.write_text(rows.read_text(encoding="utf-8").replace("Köln", "Bonn"), encoding="utf-8")
        with pytest.raises(DataError, match="they have changed since"):
            Run.open(tmp_path / "run").material  # noqa: B018

    def test_a_loss_that_is_no_number_leaves_no_folder(self, rows: Path, tmp_path: Path) -> None:
        given = {**quick(rows, target="price"), "optimizer": {"name": "sgd", "lr": 1e30}}
        run = Run.create(given, tmp_path / "run")
        with pytest.raises(DomainError, match="Lower the learning rate"):
            run.fit()
        assert not run.folder.path.exists()

    def test_a_model_that_cannot_be_made_leaves_no_folder(self, tmp_path: Path) -> None:
        given = {"data": {"source": "digits"}, "model": {"name": "lenet5"}}
        with pytest.raises(DomainError, match="28 or 32"):
            Run.create(given, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_folders_are_numbered_and_listed(self, tmp_path: Path) -> None:
        from deepglass.runs.folder import new_folder

        config = plan({"data": {"source": "moons"}}).config
        names = [new_folder(config, tmp_path).name for _ in range(3)]
        assert names == ["moons-mlp-1", "moons-mlp-2", "moons-mlp-3"]
        assert all_runs(tmp_path) == []

    def test_a_third_part_is_for_the_test(self, tmp_path: Path) -> None:
        run = Run.create(quick("moons", samples=100, split="6:2:2"), tmp_path / "run")
        run.fit()
        assert {n: len(p) for n, p in run.material.parts.items()} == {
            "train": 60, "validation": 20, "test": 20,
        }  # fmt: skip
        assert set(run.evaluate("test")) == {"loss", "accuracy"}
        with pytest.raises(DataError, match="one of the parts train, validation, test"):
            run.evaluate("testing")


class Interrupt(Callback):
    """Presses Ctrl-C after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch(self, trainer: Trainer, progress: Progress, epoch: Epoch) -> None:
        if epoch.number == self.epochs:
            import signal

            signal.raise_signal(signal.SIGINT)


def read_all(path: Path) -> None:
    """Whatever can be read from the folder of a run."""
    folder = RunFolder(path)
    folder.config()
    folder.rows()
    Predictor(folder)


class TestPredictor:
    def test_digits_are_read_from_pictures(self, tmp_path: Path) -> None:
        given = quick("digits")
        given["train"].update(epochs=6)
        given["model"] = {"name": "mlp", "hidden": [32]}
        run = Run.create(given, tmp_path / "run")
        run.fit()
        predictor = Predictor(run.folder)
        images, labels = load_digits().tensors
        chances = predictor.probabilities(images[:200])
        np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
        assert (chances.argmax(axis=1) == labels[:200]).mean() > 0.8
        ink = (255 * (1 - images[0, 0])).astype(np.uint8)
        Image.fromarray(ink).resize((200, 200)).save(tmp_path / "zero.png")
        picture = predictor.picture(tmp_path / "zero.png")
        assert picture.shape == (1, 8, 8)
        assert predictor.probabilities(picture[None]).argmax() == 0

    def test_changed_images_are_learned_from_and_a_stop_changes_nothing(
        self, photos: Path, tmp_path: Path
    ) -> None:
        given = quick(photos, size=16, augment=["crop", "erasing"])
        given["model"] = {"name": "convnet", "widths": [2]}
        run = Run.create(given, tmp_path / "run")
        changed, plain = (
            {x.tobytes() for x in source.dataset.batch(np.arange(16))[0]}
            for source in (run.assembled.learned, run.assembled.loaders["train"])
        )
        assert not changed & plain
        run.fit()
        assert run.evaluate("train") == pytest.approx(run.evaluate("train"), rel=1e-6)

        stopped = Run.create(given, tmp_path / "stopped")
        with pytest.raises(KeyboardInterrupt):
            stopped.fit([Interrupt(1)])
        again = Run.open(tmp_path / "stopped")
        again.fit()
        weights = [r.assembled.trainer.model.state_dict() for r in (run, again)]
        assert all(np.array_equal(weights[0][k], weights[1][k]) for k in weights[0])

    def test_photos_are_told_apart(self, photos: Path, tmp_path: Path) -> None:
        given = quick(photos, size=16)
        given["train"].update(epochs=40)
        given["model"] = {"name": "convnet", "widths": [4]}
        given["optimizer"] = {"name": "adam", "lr": 0.03}
        run = Run.create(given, tmp_path / "run")
        run.fit()
        predictor = Predictor(run.folder)
        for name in ("red", "blue"):
            chances = predictor.probabilities(predictor.picture(photos / name / "3.png")[None])
            assert predictor.classes[int(chances.argmax())] == name

    def test_a_series_goes_on(self, series: Path, tmp_path: Path) -> None:
        given = quick(series, target="passengers", horizon=6)
        given["train"].update(epochs=150)
        given["model"] = {"name": "linear"}
        given["optimizer"] = {"name": "adam", "lr": 0.02}
        run = Run.create(given, tmp_path / "run")
        run.fit()
        answer = Predictor(run.folder).answer(read_table(series))
        t = np.arange(120, 126)
        truth = 100 + 2 * t + 20 * np.sin(t * 2 * np.pi / 12)
        assert answer["step"] == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(answer["passengers"], truth, rtol=0.03)

    def test_text_goes_on(self, tmp_path: Path) -> None:
        path = tmp_path / "book.txt"
        path.write_text("abc" * 300)
        given = quick(path, length=6)
        given["train"].update(epochs=8)
        given["model"] = {"name": "gru", "hidden": 12, "width": 4}
        given["optimizer"] = {"name": "adam", "lr": 0.03}
        run = Run.create(given, tmp_path / "run")
        run.fit()
        predictor = Predictor(run.folder)
        assert list(predictor.generate("ab", 7, temperature=0)) == list("cabcabc")
        assert len(list(predictor.generate("ab", 7, temperature=5.0))) == 7
        assert predictor.beginning() == "a"  # there is no line break to begin after
        assert list(predictor.generate(length=5, temperature=0)) == list("bcabc")
        with pytest.raises(DataError, match=r"3 characters of the training text; got '\\n'"):
            predictor.generate("\n")

    def test_characters_of_several_tokens_come_whole(self) -> None:
        predictor = Predictor.__new__(Predictor)
        predictor.encoder = BytePairEncoder.fit("né…", 256)
        tokens = predictor.encoder.encode("né…é").tolist()
        assert len(tokens) == 8
        assert list(predictor._decoded(iter(tokens))) == ["n", "é", "…", "é"]
        assert list(predictor._decoded(iter(tokens[:2]))) == ["n", "\ufffd"]

    def test_only_runs_on_text_write(self, tmp_path: Path) -> None:
        run = Run.create(quick("moons", samples=40), tmp_path / "run")
        run.fit()
        with pytest.raises(DataError, match=r"a run on text; this one is on points.*predict"):
            Predictor(run.folder).generate()

    def test_damaged_folders_say_what_is_wrong(self, tmp_path: Path) -> None:
        run = Run.create(quick("moons", samples=40), tmp_path / "run")
        with pytest.raises(DataError, match="deepglass resume"):
            Predictor(run.folder)
        run.fit()
        for name, content, message in (
            ("config.toml", "data = 3", "keys stand in one of the sections"),
            ("data.json", "{", "it cannot be read"),
            ("data.json", "[]", "another JSON file"),
            ("data.json", "{}", "another kind: 'kind'"),
            ("metrics.csv", "epoch,loss\n1,x\n", "a row of numbers per epoch"),
            ("checkpoints/best.safetensors", "no", "damaged"),
        ):
            copy = tmp_path / "copy"
            shutil.copytree(run.folder.path, copy)
            (copy / name).write_text(content)
            with pytest.raises(DataError, match=message):
                read_all(copy)
            shutil.rmtree(copy)

    def test_a_folder_that_is_no_run(self, tmp_path: Path) -> None:
        for path, message in ((tmp_path, "holds no config.toml"), (tmp_path / "x", "no such")):
            with pytest.raises(DataError, match=message):
                RunFolder(path)


def test_a_checkpoint_names_a_registered_model(tmp_path: Path) -> None:
    run = Run.create(quick("moons", samples=40), tmp_path / "run")
    run.fit()
    assert isinstance(Predictor(run.folder).model, MLP)
