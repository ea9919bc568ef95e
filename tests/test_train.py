"""Training: the loop against one written by hand, measures, files and pictures."""

from __future__ import annotations

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from sklearn import metrics

import deepglass as dg
from deepglass.data import DataLoader, TensorDataset
from deepglass.errors import DataError, DomainError
from deepglass.models import MLP
from deepglass.train import (
    Callback,
    Epoch,
    Progress,
    Trainer,
    accuracy,
    confusion_matrix,
    cosine,
    load,
    save,
)
from deepglass.train.digits import DigitsRun, Settings
from deepglass.train.plots import confusion_picture, learning_curves
from deepglass.train.saving import write_atomically


def line_data() -> TensorDataset:
    x = np.array([[-1.0], [0.0], [0.5], [2.0], [3.0]], np.float32)
    return TensorDataset(x, 3 * x - 1)


def line_trainer(lr: float = 0.1, **settings: Any) -> Trainer:
    model = dg.nn.Linear(1, 1)
    optimizer = dg.optim.SGD(model.parameters(), lr=lr)
    return Trainer(model, dg.nn.MSELoss(), optimizer, **settings)


class Notes(Callback):
    """Writes down what it hears."""

    def __init__(self, optimizer: dg.optim.Optimizer | None = None) -> None:
        self.heard: list[str] = []
        self.rates: list[float] = []
        self.samples: list[int] = []
        self.optimizer = optimizer

    def on_start(self, progress: Progress) -> None:
        self.heard.append(f"start {progress.epochs}x{progress.steps}")

    def on_step(self, progress: Progress) -> None:
        self.heard.append(f"step {progress.epoch}.{progress.step}")
        self.samples.append(progress.samples)
        if self.optimizer is not None:
            self.rates.append(self.optimizer.param_groups[0]["lr"])

    def on_epoch(self, progress: Progress, epoch: Epoch) -> None:
        self.heard.append(f"epoch {epoch.number}")


class TestTrainer:
    def test_does_what_gradient_descent_by_hand_does(self, backend: str) -> None:
        """w and b after 3 epochs of 3 batches, against the formulas in float64."""
        trainer = line_trainer(0.05)
        state = trainer.model.state_dict()
        w, b = state["weight"].item(), state["bias"].item()
        x, y = (a[:, 0].astype(np.float64) for a in line_data().tensors)
        means = []
        for _ in range(3):
            total = 0.0
            for part in (slice(0, 2), slice(2, 4), slice(4, 5)):
                error = w * x[part] + b - y[part]
                total += (error**2).sum()
                w, b = w - 0.05 * 2 * (error * x[part]).mean(), b - 0.05 * 2 * error.mean()
            means.append(total / 5)
        history = trainer.fit(DataLoader(line_data(), batch_size=2), epochs=3)
        state = trainer.model.state_dict()
        np.testing.assert_allclose([state["weight"].item(), state["bias"].item()], [w, b], 1e-5)
        np.testing.assert_allclose([e.train["loss"] for e in history], means, rtol=1e-5)

    def test_watchers_hear_everything_in_order(self) -> None:
        notes = Notes()
        line_trainer().fit(DataLoader(line_data(), batch_size=3), epochs=2, callbacks=[notes])
        assert notes.heard == [
            "start 2x2", "step 1.1", "step 1.2", "epoch 1", "step 2.1", "step 2.2", "epoch 2",
        ]  # fmt: skip
        assert notes.samples == [3, 5, 3, 5]

    def test_the_schedule_sets_the_rate_of_each_epoch(self) -> None:
        trainer = line_trainer(0.1, schedule=cosine)
        notes = Notes(trainer.optimizer)
        trainer.fit(DataLoader(line_data(), batch_size=5), epochs=4, callbacks=[notes])
        expected = [0.1 * (1 + math.cos(math.pi * i / 4)) / 2 for i in range(4)]
        np.testing.assert_allclose(notes.rates, expected)
        assert trainer.optimizer.param_groups[0]["lr"] == 0.1

    def test_tests_without_dropout_and_goes_on_with_it(self) -> None:
        model = MLP([4, 64, 2], dropout=0.5)
        x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
        labels = (x[:, 0] > 0).astype(np.int64)
        loader = DataLoader(TensorDataset(x, labels), batch_size=10)
        optimizer = dg.optim.SGD(model.parameters(), lr=0.0)
        trainer = Trainer(model, dg.nn.functional.cross_entropy, optimizer, {"accuracy": accuracy})
        tested = trainer.evaluate(loader)
        assert tested == trainer.evaluate(loader)
        assert model.training
        outputs = trainer.predict(x).astype(np.float64)
        logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
        assert tested["loss"] == pytest.approx(-logs[np.arange(32), labels].mean(), rel=1e-5)
        right = (outputs.argmax(axis=1) == labels).mean()
        assert tested["accuracy"] == pytest.approx(right, rel=1e-6)
        trained = trainer.fit(loader)[-1].train["loss"]
        assert abs(trained - tested["loss"]) > 1e-3, "dropout did not work in training"

    def test_programs_are_made_before_the_first_step_only(self) -> None:
        trainer = line_trainer()
        loader = DataLoader(line_data(), batch_size=2, shuffle=True)
        trainer.fit(loader, DataLoader(line_data(), batch_size=4), epochs=3)
        assert len(trainer._step.programs) == 2
        assert len(trainer._test.programs) == 2
        assert trainer.compile_seconds > 0

    def test_a_loss_that_is_no_number_stops_with_the_place(self) -> None:
        with pytest.raises(DomainError, match=r"in step \d of epoch \d+\. Lower the learning rate"):
            line_trainer(1e20).fit(DataLoader(line_data(), batch_size=5), epochs=40)

    def test_needs_an_epoch(self) -> None:
        with pytest.raises(DomainError, match="at least 1; got 0"):
            line_trainer().fit(DataLoader(line_data()), epochs=0)


class TestMetrics:
    def test_agree_with_scikit_learn(self) -> None:
        rng = np.random.default_rng(5)
        labels, outputs = rng.integers(0, 7, 90), rng.normal(size=(90, 7)).astype(np.float32)
        answers = outputs.argmax(axis=1)
        ours = accuracy(dg.tensor(outputs), dg.tensor(labels)).item()
        assert ours == pytest.approx(metrics.accuracy_score(labels, answers))
        matrix = metrics.confusion_matrix(labels, answers, labels=range(7))
        assert np.array_equal(confusion_matrix(answers, labels, 7), matrix)

    def test_classes_never_seen_have_rows_of_zeros(self) -> None:
        assert confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]

    def test_numbers_that_are_no_classes(self) -> None:
        with pytest.raises(DataError, match="between 0 and 2; got 0 to 3"):
            confusion_matrix([0, 3], [0, 1], 3)
        with pytest.raises(DataError, match="one answer per label"):
            confusion_matrix([0, 1, 2], [0, 1], 3)


class TestFiles:
    def model(self) -> MLP:
        return MLP([6, 5, 3], "tanh", dropout=0.1)

    def test_a_network_comes_back_bit_for_bit(self, tmp_path: Path) -> None:
        model, path = self.model(), tmp_path / "net.safetensors"
        save(model, path, {"input": "six numbers"})
        again, about = load(path)
        assert about == {"input": "six numbers"}
        assert not again.training
        assert repr(again) == repr(model)
        for name, value in model.state_dict().items():
            assert again.state_dict()[name].tobytes() == value.tobytes()

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
    def test_it_comes_back_in_the_type_it_was_saved_in(self, tmp_path: Path, dtype: str) -> None:
        model, path = self.model().to(dtype), tmp_path / "net.safetensors"
        save(model, path)
        again, _ = load(path)
        for name, value in model.state_dict().items():
            found = again.state_dict()[name]
            assert found.dtype == value.dtype
            assert found.dtype.name == dtype
            assert found.tobytes() == value.tobytes()

    def test_types_deepglass_does_not_have(self, tmp_path: Path) -> None:
        import ml_dtypes
        from safetensors.numpy import save_file

        path = tmp_path / "other.safetensors"
        save_file({"x": np.zeros(3, ml_dtypes.float8_e4m3fn)}, path)
        with pytest.raises(DataError, match=r"other\.safetensors: weights of a type.*F8_E4M3"):
            load(path)

    def test_others_can_read_it(self, tmp_path: Path) -> None:
        model, path = self.model(), tmp_path / "net.safetensors"
        save(model, path)
        with safe_open(path, framework="numpy") as file:
            assert set(file.keys()) == set(model.state_dict())
            config = json.loads(file.metadata()["deepglass"])
        assert config["model"] == "MLP"
        assert config["arguments"]["sizes"] == [6, 5, 3]

    def test_a_part_of_a_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "net.safetensors"
        save(self.model(), path)
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match=r"net\.safetensors"):
                load(path)

    def test_flipped_bytes_load_or_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "net.safetensors"
        save(self.model(), path)
        whole, rng = path.read_bytes(), np.random.default_rng(0)
        header = 8 + int.from_bytes(whole[:8], "little")
        refused = 0
        for _ in range(300):
            damaged = bytearray(whole)
            for place in rng.integers(0, header, 2):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(bytes(damaged))
            try:
                load(path)
            except DataError:
                refused += 1
        assert refused > 250

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ({}, "another safetensors file"),
            ({"deepglass": "{"}, "damaged"),
            ({"deepglass": "[]"}, "damaged"),
            ({"deepglass": '{"about": {}}'}, "model file: it names one of MLP"),
        ],
    )
    def test_files_of_other_makers(
        self, tmp_path: Path, header: dict[str, str], message: str
    ) -> None:
        from safetensors.numpy import save_file

        path = tmp_path / "other.safetensors"
        save_file({"x": np.zeros(3, np.float32)}, path, metadata=header)
        with pytest.raises(DataError, match=message):
            load(path)

    def test_weights_of_another_form(self, tmp_path: Path) -> None:
        from safetensors.numpy import save_file

        path = tmp_path / "net.safetensors"
        config = {"model": "MLP", "arguments": {"sizes": [2, 1]}, "about": {}}
        metadata = {"deepglass": json.dumps(config)}
        save_file({"layers.0.weight": np.zeros(3, np.float32)}, path, metadata=metadata)
        with pytest.raises(DataError, match=r"weights that fit the model; .*layers\.0\.bias"):
            load(path)

    def test_a_failed_write_leaves_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "file"
        for failing in ("fsync", "replace"):
            write_atomically(path, b"old")
            with monkeypatch.context() as patch:

                def fail(*_: object) -> None:
                    raise OSError(28, "No space left on device")

                patch.setattr(os, failing, fail)
                with pytest.raises(OSError, match="No space left"):
                    write_atomically(path, b"new")
            assert path.read_bytes() == b"old"
            assert [p.name for p in tmp_path.iterdir()] == ["file"]
        write_atomically(path, b"new")
        assert path.read_bytes() == b"new"

    def test_a_missing_folder_is_an_error_of_the_system(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            save(self.model(), tmp_path / "nowhere" / "net.safetensors")


class TestPictures:
    def history(self, count: int) -> list[Epoch]:
        values = [{"loss": 1 / n, "accuracy": 1 - 0.5 / n} for n in range(1, count + 1)]
        return [Epoch(n, v, v, 0.1, 100.0) for n, v in enumerate(values, 1)]

    @pytest.mark.parametrize("count", [1, 20])
    def test_learning_curves(self, count: int) -> None:
        image = Image.open(io.BytesIO(learning_curves(self.history(count), "Curves")))
        assert image.format == "PNG"
        assert image.width > 1.5 * image.height

    def test_curves_follow_the_history(self) -> None:
        assert learning_curves(self.history(5)) != learning_curves(self.history(6))

    def test_mistakes_stand_out(self) -> None:
        """Orange, the colour of mistakes, appears with the first one."""

        def orange(matrix: list[list[int]]) -> int:
            png = confusion_picture(np.array(matrix), ["0", "1"])
            pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
            return int((pixels[..., 0] - pixels[..., 2] > 40).sum())

        assert orange([[9, 0], [0, 9]]) == 0
        assert orange([[9, 0], [1, 8]]) > 1000


class TestDigitsRun:
    def weights(self, seed: int) -> bytes:
        run = DigitsRun(Settings(epochs=1, hidden=(16,), seed=seed))
        run.fit()
        return b"".join(v.tobytes() for v in run.model.state_dict().values())

    def test_a_seed_decides_every_bit(self) -> None:
        assert self.weights(1) == self.weights(1)
        assert self.weights(1) != self.weights(2)

    def test_learns_and_never_saw_the_test_digits(self) -> None:
        run = DigitsRun(Settings(epochs=6, hidden=(64,)))
        assert not set(run.train.indices) & set(run.test.indices)
        history = run.fit()
        answers, labels = run.answers(run.test)
        assert history[-1].test["accuracy"] == pytest.approx((answers == labels).mean())
        assert (answers == labels).mean() > 0.9
