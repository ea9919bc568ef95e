"""The Trainer against loops written by hand, and stopped runs against runs that were not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.data import DataLoader, Dataset, Subset, TensorDataset
from deepglass.errors import DataError, DomainError, TraceError
from deepglass.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau
from deepglass.train import (
    Callback,
    Checkpoints,
    CSVLog,
    EarlyStopping,
    TapLog,
    Trainer,
    accuracy,
    load_checkpoint,
    mae,
)

F = dg.nn.functional
CLASSES = 3


def points(count: int = 53, seed: int = 0) -> TensorDataset:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, 6)).astype(np.uint8)
    return TensorDataset(x, (x[:, 0].astype(np.int64) + x[:, 1]) % CLASSES)


class Streamed(Dataset):
    """The same samples, one by one."""

    def __init__(self, whole: TensorDataset) -> None:
        self.whole = whole

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: int) -> Any:
        return self.whole[index]


def prepare(x: dg.Tensor) -> dg.Tensor:
    return x.to("float32") / 255


def network() -> dg.nn.Module:
    return dg.nn.Sequential(
        dg.nn.Linear(6, 16), dg.nn.BatchNorm1d(16), dg.nn.ReLU(), dg.nn.Dropout(0.2),
        dg.nn.Linear(16, CLASSES),
    )  # fmt: skip


def make(seed: int = 3, **settings: Any) -> Trainer:
    dg.manual_seed(seed)
    model = network()
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = settings.pop("schedule", None)
    if schedule is not None:
        settings["schedule"] = schedule(optimizer)
    return Trainer(model, F.cross_entropy, optimizer, [accuracy], prepare=prepare, **settings)


def loader(dataset: Dataset | None = None, **settings: Any) -> DataLoader:
    return DataLoader(dataset or points(), 8, shuffle=True, **settings)


def digest(state: Any) -> str:
    """SHA-256 of everything in a state, seconds aside."""
    sha = hashlib.sha256()

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key in sorted(value):
                if key not in ("seconds", "rate"):
                    walk(value[key], f"{place}.{key}")
        elif isinstance(value, (list, tuple)):
            for k, part in enumerate(value):
                walk(part, f"{place}.{k}")
        elif isinstance(value, np.ndarray):
            sha.update(f"{place} {value.dtype} {value.shape}".encode() + value.tobytes())
        else:
            sha.update(f"{place} {value!r}".encode())

    walk(state, "")
    return sha.hexdigest()


# Against a loop written by hand ---------------------------------------------------------


@pytest.mark.parametrize("data", ["in memory", "a part of it", "streamed"])
def test_does_what_a_loop_by_hand_does_to_the_last_bit(data: str, backend: str) -> None:
    def dataset() -> Dataset:
        whole = points()
        if data == "a part of it":
            return Subset(whole, np.arange(0, 53, 2))
        return Streamed(whole) if data == "streamed" else whole

    trainer = make()
    history = trainer.fit(loader(dataset()), epochs=3)

    dg.manual_seed(3)
    model = network()
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @dg.compile
    def step(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(prepare(x)), target)
        loss.backward()
        optimizer.step()
        return loss

    means = []
    batches = loader(dataset())
    for _ in range(3):
        losses = [(len(x), step(x, target).item()) for x, target in batches]
        means.append(sum(n * v for n, v in losses) / sum(n for n, _ in losses))
    for name, value in model.state_dict().items():
        assert np.array_equal(value, trainer.model.state_dict()[name]), name
    np.testing.assert_allclose([e.train["loss"] for e in history], means, rtol=1e-12)


def test_gradient_descent_on_a_line() -> None:
    """w and b after 3 epochs of 3 batches, against the formulas in float64."""
    x = np.array([[-1.0], [0.0], [0.5], [2.0], [3.0]], np.float32)
    y = 3 * x - 1
    model = dg.nn.Linear(1, 1)
    w, b = (float(p) for p in model.parameters())
    optimizer = dg.optim.SGD(model.parameters(), lr=0.05)
    history = Trainer(model, dg.nn.MSELoss(), optimizer, [mae]).fit(
        DataLoader(TensorDataset(x, y), 2), epochs=3
    )
    losses, errors = [], []
    for _ in range(3):
        total, size = 0.0, 0.0
        for part in (slice(0, 2), slice(2, 4), slice(4, 5)):
            error = (w * x[part] + b - y[part]).astype(np.float64)
            total, size = total + (error**2).sum(), size + np.abs(error).sum()
            w, b = w - 0.1 * (error * x[part]).mean(), b - 0.1 * error.mean()
        losses.append(total / 5)
        errors.append(size / 5)
    np.testing.assert_allclose([float(p) for p in model.parameters()], [w, b], rtol=1e-5)
    np.testing.assert_allclose([e.train["loss"] for e in history], losses, rtol=1e-5)
    np.testing.assert_allclose([e.train["mae"] for e in history], errors, rtol=1e-5)


def test_accumulated_batches_make_the_update_of_one_large_batch(backend: str) -> None:
    """Without layers that look at the whole batch; 5 batches of 4 samples in rows of 3."""

    def trained(batch: int, accumulate: int) -> list[np.ndarray]:
        dg.manual_seed(0)
        model = dg.nn.Sequential(dg.nn.Linear(6, 5), dg.nn.Tanh(), dg.nn.Linear(5, CLASSES))
        optimizer = dg.optim.Adam(model.double().parameters(), lr=0.01)
        trainer = Trainer(
            model, F.cross_entropy, optimizer, [accuracy],
            prepare=lambda x: x.to("float64") / 255, accumulate=accumulate,
        )  # fmt: skip
        history = trainer.fit(DataLoader(points(20), batch), epochs=2)
        assert history[-1].steps == 2
        return [*model.state_dict().values(), np.array(list(history[-1].train.values()))]

    for got, expected in zip(trained(4, 3), trained(12, 1), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_clipping(backend: str) -> None:
    start = [p.numpy() for p in make().model.parameters()]
    trainer = make(clip_norm=1e-3)
    trainer.fit(DataLoader(points(8), 8))
    pairs = zip(trainer.model.parameters(), start, strict=True)
    moved = sum(np.square(p.numpy().astype(np.float64) - q).sum() for p, q in pairs)
    assert moved**0.5 == pytest.approx(0.1 * 1e-3, rel=1e-2)


@pytest.mark.parametrize("every", ["epoch", "step"])
def test_schedules_set_the_rate_of_each_step(every: str) -> None:
    count = 2 if every == "epoch" else 14
    trainer = make(schedule=lambda o: CosineAnnealingLR(o, count), schedule_every=every)
    trainer.fit(loader(), epochs=2)
    dg.manual_seed(3)
    model = network()
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = CosineAnnealingLR(optimizer, count)
    batches = loader()
    for _ in range(2):
        for x, target in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(prepare(x)), target).backward()
            optimizer.step()
            if every == "step":
                schedule.step()
        if every == "epoch":
            schedule.step()
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_a_plateau_schedule_watches_the_validation() -> None:
    trainer = make(schedule=lambda o: ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=1e9))
    trainer.fit(loader(), loader(points(20, 1)), epochs=3)
    assert [e.learning_rate for e in trainer.history] == [0.1, 0.05, 0.025]


# Measuring ------------------------------------------------------------------------------


def test_evaluates_without_dropout_and_trains_on_with_it(backend: str) -> None:
    trainer = make()
    test = DataLoader(points(21, 1), 8)
    found = trainer.evaluate(test)
    assert found == trainer.evaluate(test)
    assert trainer.model.training
    x, labels = points(21, 1).tensors
    outputs = trainer.predict(x).astype(np.float64)
    logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    assert found["loss"] == pytest.approx(-logs[np.arange(21), labels].mean(), rel=1e-5)
    assert found["accuracy"] == (outputs.argmax(1) == labels).mean()


def test_few_programs_are_made_and_before_the_first_step() -> None:
    trainer = make()
    train, test = loader(), loader(points(20, 1))
    trainer.fit(train, test, epochs=3)
    programs = [feed.step.programs for feed in trainer._feeds.values()]
    assert sorted(map(len, programs)) == [2, 2]
    assert trainer.compile_seconds > 0


def test_many_steps_are_one_call_that_ends_where_a_callback_is_due() -> None:
    class Notes(Callback):
        every = 5

        def __init__(self) -> None:
            self.heard: list[Any] = []

        def on_start(self, trainer: Trainer, progress: Any) -> None:
            self.heard.append((progress.epochs, progress.steps))

        def on_steps(self, trainer: Trainer, progress: Any) -> None:
            self.heard.append((progress.epoch, progress.step, progress.samples))

        def on_epoch(self, trainer: Trainer, progress: Any, epoch: Any) -> None:
            self.heard.append(epoch.number)

        def on_stop(self, trainer: Trainer, progress: Any) -> None:
            self.heard.append("stop")

    notes = Notes()
    make().fit(DataLoader(points(55), 4), epochs=2, callbacks=[notes])
    assert notes.heard == [
        (2, 14), (1, 5, 20), (1, 10, 40), 1, (2, 5, 20), (2, 10, 40), 2, "stop",
    ]  # fmt: skip


# What goes wrong ------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_with_the_place() -> None:
    trainer = make()
    trainer.optimizer.param_groups[0]["lr"] = 1e30
    with pytest.raises(DomainError, match=r"in step \d+ of epoch \d+\. Lower the learning rate"):
        trainer.fit(loader(), epochs=40)


def test_labels_are_tried_before_the_first_step() -> None:
    x, labels = (np.array(a) for a in points().tensors)
    labels[37] = CLASSES
    trainer = make()
    before = trainer.weights()
    with pytest.raises(DomainError, match="It is sample 37 of the training data"):
        trainer.fit(loader(TensorDataset(x, labels)))
    assert all(np.array_equal(v, before[k]) for k, v in trainer.weights().items())


def test_misuse() -> None:
    with pytest.raises(DomainError, match="at least 1; got 0"):
        make().fit(loader(), epochs=0)
    with pytest.raises(DomainError, match="accumulate is at least 1"):
        make(accumulate=0)
    with pytest.raises(DomainError, match="'epoch' or 'step'; got 'batch'"):
        make(schedule_every="batch")
    with pytest.raises(DomainError, match="one of the measures of an epoch, loss, accuracy"):
        make().fit(loader(), callbacks=[EarlyStopping("f1")])


# Stopping and going on ------------------------------------------------------------------


def test_early_stopping_puts_the_best_weights_back() -> None:
    class Seen(Callback):
        def __init__(self) -> None:
            self.weights: list[Any] = []

        def on_epoch(self, trainer: Trainer, progress: Any, epoch: Any) -> None:
            self.weights.append(trainer.weights())

    seen = Seen()
    trainer = make()
    trainer.optimizer.param_groups[0]["lr"] = 2.0
    stopping = EarlyStopping("accuracy", patience=3, better="higher")
    history = trainer.fit(loader(), loader(points(60, 1)), 200, [stopping, seen])
    best = int(np.argmax([e.validation["accuracy"] for e in history]))
    assert len(history) == best + 4 < 200
    assert "accuracy has not improved for 3 epochs" in trainer.stopped
    for name, value in seen.weights[best].items():
        assert np.array_equal(trainer.weights()[name], value)


class StopAt(Callback):
    """Ends training after so many steps in all."""

    every = 1

    def __init__(self, step: int) -> None:
        self.step = step

    def on_steps(self, trainer: Trainer, progress: Any) -> None:
        if (progress.epoch - 1) * progress.steps + progress.step == self.step:
            trainer.stop("enough")


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "schedule": {"schedule": lambda o: OneCycleLR(o, 0.2, 21), "schedule_every": "step"},
    "clipped": {"clip_norm": 0.5},
    "accumulated": {"accumulate": 3},
}


def resumed(case: str, steps: int, streamed: bool, folder: Path) -> None:
    """Stop after some steps, go on in a new trainer, compare with a run that never stopped."""
    settings = CASES[case]

    def data() -> tuple[DataLoader, DataLoader]:
        return loader(Streamed(points()) if streamed else points()), loader(points(20, 1))

    def callbacks() -> list[Callback]:
        return [Checkpoints(folder), EarlyStopping(patience=90)]

    whole = make(**settings)
    whole.fit(*data(), 3, callbacks())
    stopped = make(**settings)
    stopped.fit(*data(), 3, [*callbacks(), StopAt(steps)])
    if stopped.stopped:
        state, _ = load_checkpoint(folder / "last.safetensors")
        stopped = make(seed=99, **settings)
        train, validation = data()
        stopped.load_state_dict(state)
        stopped.fit(train, validation, callbacks=callbacks())
    assert digest(stopped.state_dict()) == digest(whole.state_dict())
    assert len(whole.history) == 3


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [1, 3, 7, 11, 14])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    case: str, steps: int, tmp_path: Path
) -> None:
    """Weights, optimizer, schedule, random state, loader, metrics: equal SHA-256."""
    with dg.backend("native" if steps == 7 else "reference"):
        resumed(case, steps, streamed=steps == 14, folder=tmp_path)


def test_the_digest_sees_every_difference() -> None:
    trainer = make()
    trainer.fit(loader())
    state = trainer.state_dict()
    assert digest(state) == digest(trainer.state_dict())
    for path in (
        ("model", "0.weight"), ("random", "default", "counter"), ("run", "step"),
    ):  # fmt: skip
        changed = json.loads(json.dumps(state, default=lambda a: a.tolist()))
        same = digest(changed)
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = [1]
        assert digest(changed) != same


def test_a_state_of_another_trainer_is_refused() -> None:
    state = make().state_dict()
    with pytest.raises(DataError, match="made the same way"):
        make(schedule=lambda o: CosineAnnealingLR(o, 2)).load_state_dict(state)
    trainer = make()
    trainer.fit(loader(), callbacks=[EarlyStopping()])
    other = make()
    other.load_state_dict(trainer.state_dict())
    with pytest.raises(DataError, match="as many callbacks with a state as it had, 1; got 0"):
        other.fit(loader(), epochs=1)


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from test_trainer import *

class Slow(Callback):
    every = 1
    def on_steps(self, trainer, progress):
        print("step", flush=True)
        time.sleep(0.02)

try:
    make().fit(loader(), epochs=1000, callbacks=[Checkpoints({folder!r}), Slow()])
except KeyboardInterrupt:
    print("stopped")
    sys.exit(130)
"""


@pytest.fixture
def long_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(Path(dg.__file__).parents[1])}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        process.kill()


def test_interrupting_writes_a_checkpoint(long_run: subprocess.Popen[str], tmp_path: Path) -> None:
    assert long_run.stdout is not None
    for _ in range(10):
        assert long_run.stdout.readline() == "step\n"
    long_run.send_signal(signal.SIGINT)
    assert long_run.stdout.read().endswith("stopped\n")
    assert long_run.wait() == 130
    state, _ = load_checkpoint(tmp_path / "last.safetensors")
    assert state["run"]["step"] + 7 * len(state["history"]) >= 10


def test_taps_are_written_and_change_nothing(tmp_path: Path) -> None:
    plain = make()
    plain.fit(loader(), epochs=2)
    path = tmp_path / "taps.jsonl"
    trainer = make()
    log = TapLog(path, dg.taps.statistics(trainer.model, "4.weight*", "2.output", every=3))
    train = loader()
    trainer.fit(train, epochs=1, callbacks=[log])
    trainer.fit(train, epochs=1, callbacks=[log])
    assert digest(trainer.weights()) == digest(plain.weights())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 3), (1, 6), (2, 3), (2, 6)]
    names = ["2.output", "4.weight", "4.weight.grad", "4.weight.update"]
    assert list(lines[-1]["taps"]) == names
    found = lines[-1]["taps"]["4.weight.update"]
    assert set(found) == {"mean", "std", "zeros", "min", "max", "norm"}
    assert 0 < found["norm"] < 1
    assert trainer.taps["4.weight.update"].norm == found["norm"]
    with pytest.raises(TraceError, match="fit was not called"):
        _ = make().taps


@pytest.mark.parametrize("every", [[3, 3], [8]])
def test_taps_that_cannot_be(every: list[int], tmp_path: Path) -> None:
    trainer = make()
    logs = [TapLog(tmp_path / "t", dg.taps.health(trainer.model, every=n)) for n in every]
    with pytest.raises(
        DomainError, match=rf"in the steps of an epoch, 7; got taps every \[{every[0]}"
    ):
        trainer.fit(loader(), epochs=1, callbacks=logs)


def test_a_table_of_epochs(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    trainer = make()
    trainer.fit(loader(), loader(points(20, 1)), 2, [CSVLog(path)])
    trainer.fit(loader(), loader(points(20, 1)), 1, [CSVLog(path)])
    lines = path.read_text().splitlines()
    assert lines[0].split(",") == [
        "epoch", "steps", "seconds", "learning_rate", "train_loss", "train_accuracy", "val_loss",
        "val_accuracy",
    ]  # fmt: skip
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
    assert float(lines[3].split(",")[4]) == pytest.approx(trainer.history[2].train["loss"], 1e-5)


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[1] / "docs" / "trainer.md"
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, "trainer.md", "exec"), space)
    assert space["history"][-1].validation["accuracy"] > 0.95
    assert len(space["state"]["history"]) == len(space["history"])
