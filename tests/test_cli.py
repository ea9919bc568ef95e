"""The command line, typed as users type it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deepglass
from deepglass import __version__
from deepglass.cli.app import run
from deepglass.cli.screen import spark
from deepglass.config import load_config

QUICK = ["--epochs", "3", "--set", "train.backend=reference"]


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


class Shell:
    """Runs commands in this process, in a folder of their own."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]
    ):
        self.folder, self.patch, self.captured = folder, patch, captured

    def __call__(self, *arguments: str) -> Done:
        self.patch.setattr(sys, "argv", ["deepglass", *arguments])
        self.captured.readouterr()
        shown = warnings.showwarning
        try:
            code = run()
        finally:
            warnings.showwarning = shown
        found = self.captured.readouterr()
        assert "Traceback" not in found.err
        return Done(code, found.out, found.err)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return Shell(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the digits."""
    from deepglass.runs import Run

    given = {
        "data": {"source": "digits"},
        "model": {"name": "mlp", "hidden": [32]},
        "train": {"epochs": 6, "backend": "reference"},
    }
    made = Run.create(given, tmp_path_factory.mktemp("runs") / "digits-mlp-1")
    made.fit()
    return made.folder.path


@pytest.fixture
def runs(shell: Shell, digits: Path) -> Path:
    """A folder runs/ with that run in it."""
    shutil.copytree(digits, shell.folder / "runs" / "digits-mlp-1")
    return shell.folder / "runs"


def started(
    *arguments: str, folder: Path | None = None, **environment: str
) -> subprocess.Popen[str]:
    inherited = {**os.environ, "COLUMNS": "100", "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        inherited.pop(name, None)
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def write_houses(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    path = folder / "maisons à vendre.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["surface", "ville", "prix"])
        for i in range(60):
            surface = float(rng.uniform(30, 200))
            writer.writerow([f"{surface:.1f}", ["Orléans", "北京"][i % 2], f"{900 * surface:.0f}"])
    return path


class TestTrain:
    def test_digits_are_what_it_begins_with(self, shell: Shell) -> None:
        done = shell("train", *QUICK)
        assert done.code == 0, done.err
        assert "\x1b" not in done.out
        lines = done.out.splitlines()
        assert lines[1] == "task: classification, as images come in classes"
        assert lines[2] == "model: mlp, as images of 8 pixels are small"
        epochs = [line for line in lines if line.startswith("epoch")]
        values = r"loss [\d.]+  accuracy [\d.]+ %"
        shape = rf"epoch +\d/3  {values}  \|  validation {values}  [\d,]+ samples/s"
        assert len(epochs) == 3
        assert all(re.fullmatch(shape, line) for line in epochs)
        assert lines[-1].split() == ["run", "runs/digits-mlp-1/"]
        made = {path.name for path in (shell.folder / "runs" / "digits-mlp-1").iterdir()}
        assert {"config.toml", "record.safetensors", "report.html"} <= made

    def test_a_table_with_a_name_in_any_language(self, shell: Shell) -> None:
        path = write_houses(shell.folder)
        done = shell("train", str(path), "--target", "prix", *QUICK, "-o", "essai été")
        assert done.code == 0, done.err
        assert "task: regression, as its values are numbers" in done.out
        config = load_config(shell.folder / "essai été" / "config.toml")
        assert config.data.source == str(path)
        assert config.train.epochs == 3

    def test_a_configuration_gives_the_same_as_options(self, shell: Shell) -> None:
        words = ["moons", "--set", "model.hidden=[4]", "--seed", "3", "--lr", "0.02", *QUICK]
        shown = shell("train", *words, "--show")
        assert shown.code == 0
        (shell.folder / "moons.toml").write_text(shown.out)
        assert not (shell.folder / "runs").exists()
        assert shell("train", *words).code == 0
        assert shell("train", "moons.toml").code == 0
        first, second = (shell.folder / "runs" / f"moons-mlp-{n}" for n in (1, 2))
        assert (first / "config.toml").read_text() == (second / "config.toml").read_text()
        kept = ("last.safetensors", "best.safetensors")
        from deepglass.train import load_checkpoint

        for name in kept:
            ours, theirs = (
                load_checkpoint(f / "checkpoints" / name)[0]["model"] for f in (first, second)
            )
            assert all(np.array_equal(ours[k], theirs[k]) for k in theirs)

    def test_a_folder_that_is_taken_is_left_alone(self, shell: Shell, runs: Path) -> None:
        folder = runs / "digits-mlp-1"
        before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        done = shell("train", *QUICK, "--out", str(folder))
        assert done.code == 1
        assert "is taken. Name another" in done.err
        assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before

    def test_a_failed_run_leaves_no_folder(self, shell: Shell) -> None:
        done = shell("train", "moons", *QUICK, "--set", "optimizer.name=sgd", "--lr", "1e38")
        assert done.code == 1
        assert "Lower the learning rate" in done.err
        assert list((shell.folder / "runs").iterdir()) == []

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["nowhere.csv"], 1, "there is none of this name"),
            (["mnits"], 1, "Did you mean mnist?"),
            (["moons", "--model", "mpl"], 1, "Did you mean mlp?"),
            (["moons", "--set", "train.epocs=3"], 1, "Did you mean epochs?"),
            (["moons", "--set", "epochs=3"], 1, "SECTION.KEY=VALUE"),
            (["moons", "--epochs", "0"], 2, "Invalid value for '--epochs'"),
            (["moons", "--epochs", "many"], 2, "Invalid value for '--epochs'"),
            (["moons", "--target", "a", "--forecast", "b"], 2, "give one"),
            (["moons", "--speed"], 2, "No such option"),
            (["moons", "--set", "optimizer.lr=-1"], 1, "lr is a number >= 0"),
            (
                ["digits", "--model", "resnet18", "--set", "model.weights=none.safetensors"],
                1,
                "none.safetensors: a safetensors file; there is no such file. Check the name.",
            ),
        ],
    )
    def test_bad_usage(self, shell: Shell, words: list[str], code: int, message: str) -> None:
        done = shell("train", *words)
        assert done.code == code
        assert message in re.sub(r"[\s│]+", " ", done.err)
        assert not list((shell.folder).glob("runs/*"))

    def test_a_file_with_a_mistake_names_the_line(self, shell: Shell) -> None:
        (shell.folder / "a.toml").write_text('[data]\nsource = "moons"\n[train]\nepochs = 1.5\n')
        done = shell("train", "a.toml")
        assert done.code == 1
        assert "a.toml, line 4: [train] epochs is" in done.err

    def test_a_folder_that_cannot_be_written(self, shell: Shell) -> None:
        def refuse(path: Path, *_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        with shell.patch.context() as patch:
            patch.setattr(Path, "mkdir", refuse)
            done = shell("train", "moons", *QUICK)
        assert done.code == 1
        assert "runs: Permission denied." in done.err
        Path("notes").write_text("a file")
        assert shell("train", "moons", *QUICK, "-o", "notes/run").code == 1
        assert Path("notes").read_text() == "a file"


class TestStopping:
    def test_ctrl_c_stops_cleanly_and_resume_goes_on(self, tmp_path: Path) -> None:
        words = ["moons", "--epochs", "200", "--set", "data.samples=100", *QUICK[2:], "-o", "run"]
        with started("-m", "deepglass", "train", *words, folder=tmp_path) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("epoch"):
                    break
            process.send_signal(signal.SIGINT)
            rest, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Go on with: deepglass resume run" in rest
        assert err == ""
        with started("-m", "deepglass", "resume", "run", folder=tmp_path) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "epoch 200/200" in out
        rows = (tmp_path / "run/metrics.csv").read_text().splitlines()
        epochs = [row.split(",")[0] for row in rows]
        assert epochs == ["epoch", *map(str, range(1, 201))]

    def test_a_run_at_its_end(self, shell: Shell, runs: Path) -> None:
        done = shell("resume", "digits-mlp-1")
        assert done.code == 1
        assert "it did all 6" in done.err


class TestPredict:
    def test_pictures_of_any_size_and_brightness(self, shell: Shell, runs: Path) -> None:
        from deepglass.data import load_digits

        ink = np.kron(load_digits().tensors[0][0, 0], np.ones((20, 20)))
        Image.fromarray((255 * (1 - ink)).astype(np.uint8)).save("paper.png")
        Image.fromarray((255 * ink).astype(np.uint8)).convert("RGB").save("board.jpg", quality=90)
        done = shell("predict", "digits-mlp-1", "paper.png", "board.jpg")
        assert done.code == 0, done.err
        assert [re.match(r"(\w+)\.\w+: 0 [\d.]+ %, ", s) is not None for s in
                done.out.splitlines()] == [True, True]  # fmt: skip
        found = json.loads(shell("predict", "digits-mlp-1", "paper.png", "--json").out)
        assert next(iter(found[0]["classes"])) == "0"
        assert len(found[0]["classes"]) == 3

    def test_files_that_cannot_be_read_do_not_stop_the_others(
        self, shell: Shell, runs: Path
    ) -> None:
        Path("text.png").write_text("no picture")
        Image.new("L", (30, 30), 200).save("empty.png")
        Image.fromarray(np.eye(30, dtype=np.uint8) * 255).save("line.png")
        done = shell("predict", "digits-mlp-1", "text.png", "none.png", "empty.png", "line.png")
        assert done.code == 1
        assert len(done.out.splitlines()) == 1
        assert all(name in done.err for name in ("text.png", "none.png", "empty.png"))
        assert "Is the picture empty?" in done.err

    def test_rows_in_and_out(self, shell: Shell) -> None:
        path = write_houses(shell.folder)
        assert shell("train", str(path), "--target", "prix", *QUICK, "-o", "r").code == 0
        (shell.folder / "new.csv").write_text("surface,ville\n50,Orléans\n150,北京\n")
        done = shell("predict", "r", "new.csv")
        assert done.code == 0, done.err
        rows = list(csv.reader(done.out.splitlines()))
        assert rows[0] == ["surface", "ville", "predicted prix"]
        assert [row[:2] for row in rows[1:]] == [["50", "Orléans"], ["150", "北京"]]
        assert 0 < float(rows[1][2]) < 200_000
        written = shell("predict", "r", "new.csv", "-o", "out.csv")
        assert (written.code, written.out) == (0, "written: out.csv\n")
        assert (shell.folder / "out.csv").read_text(encoding="utf-8") == done.out
        again = shell("predict", "r", "new.csv", "-o", "out.csv")
        assert again.code == 1
        assert "Name another, or delete it" in again.err
        twice = shell("predict", "r", "new.csv", "new.csv")
        assert twice.out.splitlines() == [*done.out.splitlines(), *done.out.splitlines()[1:]]
        known = list(csv.reader(shell("predict", "r", str(path)).out.splitlines()))
        assert known[0] == ["surface", "ville", "prix", "predicted prix"]
        (shell.folder / "bad.csv").write_text("ville\nOrléans\n")
        bad = shell("predict", "r", "bad.csv")
        assert bad.code == 1
        assert "a column 'surface'" in bad.err

    def test_text_goes_on(self, shell: Shell) -> None:
        Path("book.txt").write_text("la la la. " * 100)
        words = ["--set", "data.length=8", "--set", "model.hidden=8"]
        assert shell("train", "book.txt", *words, *QUICK, "-o", "r").code == 0
        done = shell("generate", "r", "--prompt", "la", "--length", "20")
        assert done.code == 0, done.err
        assert done.out.startswith("la")
        assert len(done.out.rstrip("\n")) == 22
        again = shell("generate", "r", "--prompt", "la", "--length", "20", "--top-k", "1", "--json")
        assert json.loads(again.out)["prompt"] == "la"
        assert len(json.loads(again.out)["text"]) == 20
        bare = shell("generate", "r", "--length", "20")  # the text has no line break
        assert (bare.code, bare.err) == (0, "")
        assert bare.out.startswith(" ")
        assert len(bare.out.rstrip("\n")) == 21
        unknown = shell("generate", "r", "--prompt", "Q")
        assert unknown.code == 1
        assert "characters of the training text; got 'Q'" in unknown.err
        refused = shell("predict", "r")
        assert refused.code == 2
        assert "deepglass generate r" in refused.err

    def test_runs_that_are_none(self, shell: Shell) -> None:
        done = shell("predict", "nowhere", "x.png")
        assert done.code == 1
        assert "there is no such folder" in done.err
        assert "deepglass train" in done.err


class TestReport:
    def test_a_page_is_written(self, shell: Shell, runs: Path) -> None:
        done = shell("report", "digits-mlp-1")
        assert done.code == 0, done.err
        assert done.out.split() == ["written:", "runs/digits-mlp-1/report.html"]
        page = (runs / "digits-mlp-1" / "report.html").read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")

    def test_a_weight_is_explained(self, shell: Shell, runs: Path) -> None:
        done = shell(
            "explain", "digits-mlp-1", "--weight", "layers.0.weight[3,17]", "--sample", "5"
        )
        assert done.code == 0, done.err
        assert done.out.startswith("layers.0.weight[3, 17] = ")
        for words in ("forward: output [3] of layers.0 for sample 5", "the sum over samples of"):
            assert words in done.out
        found = json.loads(
            shell(
                "explain", "digits-mlp-1", "--weight", "layers.0.weight[3,17]", "--sample", "5",
                "--json",
            ).out
        )  # fmt: skip
        assert f"new value {found['new']:.6g}" in done.out
        total = sum(term["value"] * term["input"] for term in found["terms"])
        assert total == pytest.approx(found["output"])
        assert sum(found["by_sample"]) == pytest.approx(found["gradient"])
        assert found["step"][-1]["value"] == pytest.approx(found["new"], rel=1e-6)

    def test_the_last_layer_and_a_bias(self, shell: Shell, runs: Path) -> None:
        done = shell("explain", "digits-mlp-1", "--weight", "layers.3.bias[7]")
        assert done.code == 0, done.err
        assert "= (probability " in done.out

    def test_what_is_seen_in_an_image(self, shell: Shell, runs: Path) -> None:
        drawn = np.full((40, 40), 255, np.uint8)
        drawn[5:35, 18:22] = 0
        Image.fromarray(drawn).save(shell.folder / "one.png")
        for method in ("saliency", "occlusion"):
            words = ["explain", "digits-mlp-1", "--image", "one.png", "--method", method]
            done = shell(*words, "--class", "1")
            assert done.code == 0, done.err
            assert re.fullmatch(rf"one.png: 1 [\d.]+ %\nwritten: {method}.png\n", done.out)
            with Image.open(shell.folder / f"{method}.png") as shown:
                assert shown.size == (2 * 336 + 1, 336)
                grey, warm = (np.asarray(shown.convert("RGB"))[:, n : n + 336] for n in (0, 337))
            assert np.ptp(grey.astype(int), axis=2).max() == 0
            assert np.ptp(warm.astype(int), axis=2).max() > 100
            assert "this one is there" in shell(*words).err
        done = shell("explain", "digits-mlp-1", "--method", "kernels", "-o", "first.png")
        assert done.out == "written: first.png\n"
        with Image.open(shell.folder / "first.png") as shown:
            assert shown.size == (6 * 57 - 1, 6 * 57 - 1)  # 32 neurons

    @pytest.mark.parametrize(
        ("words", "message", "code"),
        [
            ([], "either --weight or --method", 2),
            (["--method", "kernels", "--weight", "a[0]"], "either --weight or --method", 2),
            (["--method", "gradcm"], "got gradcm. Did you mean gradcam?", 1),
            (["--method", "saliency"], "looks at an image; name one: --image FILE", 1),
            (["--method", "saliency", "--image", "none.png"], "there is no such file", 1),
            (["--method", "maps", "--image", "one.png"], "for networks with convolutions", 1),
            (["--method", "gradcam", "--image", "one.png"], "Use saliency for networks", 1),
            (["--method", "saliency", "--image", "one.png", "--class", "ten"], "got ten.", 1),
        ],
    )
    def test_what_cannot_be_shown(
        self, shell: Shell, runs: Path, words: list[str], message: str, code: int
    ) -> None:
        drawn = np.full((40, 40), 255, np.uint8)
        drawn[5:35, 18:22] = 0
        Image.fromarray(drawn).save(shell.folder / "one.png")
        done = shell("explain", "digits-mlp-1", *words)
        assert done.code == code
        assert message in " ".join(done.err.split())

    @pytest.mark.parametrize(
        ("weight", "words"),
        [
            ("fc.weight[0,0]", "the network has the weights layers.0.weight (32, 64)"),
            ("layers.0.weight[0]", "layers.0.weight has the axes (32, 64)"),
            ("layers.0.weight", "such as fc1.weight[3,17]"),
        ],
    )
    def test_what_is_not_there(self, shell: Shell, runs: Path, weight: str, words: str) -> None:
        done = shell("explain", "digits-mlp-1", "--weight", weight)
        assert done.code == 1
        assert words in done.err


class TestRuns:
    def test_lists_compares_and_deletes(self, shell: Shell, runs: Path) -> None:
        shutil.copytree(runs / "digits-mlp-1", runs / "digits-mlp-2")
        path = runs / "digits-mlp-2" / "config.toml"
        path.write_text(path.read_text().replace("lr = 0.002", "lr = 0.5"))
        listed = shell("runs")
        assert listed.code == 0, listed.err
        lines = listed.out.splitlines()
        assert lines[0].split() == [
            "run", "data", "model", "epochs", "loss", "best", "curve", "time",
        ]  # fmt: skip
        assert re.match(r"digits-mlp-1 +digits +mlp +6/6 ", lines[1])
        assert "█" in lines[1]
        assert [run["run"] for run in json.loads(shell("runs", "--json").out)] == [
            "digits-mlp-1", "digits-mlp-2",
        ]  # fmt: skip
        compared = shell("runs", "compare", "digits-mlp-1", "runs/digits-mlp-2")
        assert re.search(r"optimizer\.lr +0\.002 +0\.5", compared.out)
        assert "optimizer.name" not in compared.out
        assert shell("runs", "delete", "digits-mlp-2", "--yes").code == 0
        assert not path.parent.exists()
        assert (runs / "digits-mlp-1").exists()

    def test_asks_before_it_deletes(self, runs: Path, shell: Shell) -> None:
        shell.patch.setattr("sys.stdin", io.StringIO("n\n"))
        assert shell("runs", "delete", "digits-mlp-1").code == 1
        assert (runs / "digits-mlp-1").exists()

    def test_a_damaged_run_does_not_hide_the_others(self, runs: Path, shell: Shell) -> None:
        (runs / "broken").mkdir()
        (runs / "broken" / "config.toml").write_text("[data]\n")
        done = shell("runs")
        assert "digits-mlp-1" in done.out
        assert "broken" in done.err

    def test_without_runs(self, shell: Shell) -> None:
        assert shell("runs").out == "no runs here. Make one: deepglass train\n"
        assert shell("runs", "compare", "a").code == 2

    def test_evaluate(self, runs: Path, shell: Shell) -> None:
        found = json.loads(shell("evaluate", "digits-mlp-1", "--json").out)
        assert found["part"] == "validation"
        assert found["samples"] == 359
        lines = (runs / "digits-mlp-1/metrics.csv").read_text().splitlines()
        row = list(csv.DictReader(lines))[-1]
        assert found["accuracy"] == pytest.approx(float(row["val_accuracy"]), rel=1e-4)
        assert "accuracy" in shell("evaluate", "digits-mlp-1", "--part", "train").out
        missing = shell("evaluate", "digits-mlp-1", "--part", "test")
        assert missing.code == 1
        assert "6:2:2" in missing.err

    def test_curves_in_a_line(self) -> None:
        assert spark([]) == ""
        assert spark([1.0]) == "▁"
        assert spark([3, 3, 3]) == "▁▁▁"
        assert len(spark(list(range(1000)))) == 20


class TestWhatThereIs:
    def test_models(self, shell: Shell) -> None:
        done = shell("models")
        assert re.search(r"lenet5 .* 61,706 ", done.out)
        found = {m["name"]: m for m in json.loads(shell("models", "--json").out)}
        assert found["mlp"]["options"] == {"hidden": [128], "activation": "relu", "dropout": 0.0}
        assert re.search(r"classifier.0 +Linear .* 102,760,448\n", shell("models", "vgg16").out)
        assert re.search(r"total +809,856 ", shell("models", "gpt").out)
        assert "Did you mean lenet5?" in shell("models", "lenet").err

    def test_data(self, shell: Shell) -> None:
        path = write_houses(shell.folder)
        assert "california-housing" in shell("data").out
        shown = shell("data", "show", str(path))
        assert shown.code == 0, shown.err
        assert re.search(r"surface +a number", shown.out)
        assert re.search(r"ville +2 categories .*Orléans, 北京", shown.out)
        assert "10 classes" in shell("data", "show", "digits").out

    def test_info_names_what_a_report_needs(self, shell: Shell) -> None:
        done = shell("info")
        assert done.code == 0, done.err
        for name in (__version__, np.__version__, "processor", "backend", "threads", "llvmlite"):
            assert name in done.out

    def test_help_shows_commands_and_examples(self, shell: Shell) -> None:
        listed = shell("--help").out
        commands = ("train", "resume", "evaluate", "predict", "runs", "models", "data", "info")
        assert all(name in listed for name in commands)
        for command in ("train", "resume", "evaluate", "predict", "runs", "models", "data"):
            text = shell(command, "--help").out
            assert f"deepglass {command}" in text, command
        for command in ("train", "predict", "generate", "explain"):  # each example has a line
            lines = shell(command, "--help").out.splitlines()
            examples = [line for line in lines if line.strip().startswith(f"deepglass {command}")]
            assert len(examples) > 2, command
            assert all(line.count("deepglass") == 1 for line in examples), command

    def test_completion_knows_runs_models_and_data(self, shell: Shell, runs: Path) -> None:
        from deepglass.cli.arguments import complete_data, complete_models, complete_runs

        assert complete_runs("dig") == ["digits-mlp-1"]
        assert complete_models("le") == ["lenet5"]
        assert complete_data("mo") == ["moons"]
        assert "--install-completion" in shell("--help").out


class TestTerminal:
    @pytest.mark.parametrize("colour", [True, False])
    def test_in_a_terminal_there_is_a_bar(self, colour: bool, tmp_path: Path) -> None:
        pty = pytest.importorskip("pty")
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        if not colour:
            environment["NO_COLOR"] = "1"
        command = [sys.executable, "-m", "deepglass", "train", "moons", *QUICK]
        process = subprocess.Popen(
            command, stdout=theirs, stderr=theirs, env=environment, cwd=tmp_path
        )
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:  # Linux reports the end of a terminal as an error
            pass
        os.close(ours)
        assert process.wait(60) == 0
        raw = b"".join(parts).decode()
        coloured = re.search(r"\x1b\[[\d;]*3[1-7]", raw)
        assert (coloured is not None) == colour
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)
        assert "━" in text
        assert re.search(r"loss [\d.]+  accuracy [\d.]+ % +[\d,]+ samples/s", text)
        assert "╭" in text
        assert re.search(r"best epoch +│ loss", text)

    def test_the_module_and_the_command_are_the_same(self) -> None:
        with started("-m", "deepglass", "models") as process:
            out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert "lenet5" in out

    @pytest.mark.parametrize("package", ["typer", "rich", "pydantic"])
    def test_without_the_extras_it_says_how_to_get_them(self, package: str) -> None:
        code = (
            f"import sys; sys.modules[{package!r}] = None; sys.argv = ['deepglass', 'info']\n"
            "from deepglass.cli import main; sys.exit(main())"
        )
        with started("-c", code) as process:
            _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert 'pip install "deepglass[cli]"' in err
        assert package in err
        assert "Traceback" not in err


def test_the_version_is_that_of_the_package() -> None:
    assert deepglass.__version__ == __version__
