"""The command line, started as users start it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepglass import __version__, tensor
from deepglass.cli.predict import read_gray
from deepglass.train import load
from deepglass.train.digits import DigitsRun, Settings

SHORT = ["--epochs", "4", "--hidden", "32", "--seed", "3"]
FILES = {
    "network.safetensors", "learning_curves.png", "confusion_matrix.png", "run.json", "digit.png",
}  # fmt: skip


def python(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def deepglass(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return python("-m", "deepglass", *arguments, folder=folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a short run, and what was printed."""
    folder = tmp_path_factory.mktemp("work")
    done = deepglass("train", *SHORT, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "digits-1", done.stdout


class TestTrain:
    def test_without_a_terminal_prints_plain_lines(self, trained: tuple[Path, str]) -> None:
        _, printed = trained
        assert "\x1b" not in printed
        lines = printed.splitlines()
        assert re.fullmatch(r"test accuracy \d\d\.\d\d %", lines[-1])
        epochs = [line for line in lines if line.startswith("epoch")]
        assert len(epochs) == 4
        values = r"loss \d\.\d{4}  accuracy +\d+\.\d\d %  test +\d+\.\d\d %"
        shape = rf"epoch +\d/4  {values}  [\d,]+ samples/s"
        assert all(re.fullmatch(shape, line) for line in epochs)

    def test_leaves_files_that_open(self, trained: tuple[Path, str]) -> None:
        folder, _ = trained
        assert {path.name for path in folder.iterdir()} == FILES
        for name in ("learning_curves.png", "confusion_matrix.png", "digit.png"):
            with Image.open(folder / name) as image:
                image.load()
                assert image.format == "PNG"

    def test_the_accuracy_it_prints_is_that_of_the_network_it_saves(
        self, trained: tuple[Path, str]
    ) -> None:
        folder, printed = trained
        model, _ = load(folder / "network.safetensors")
        test = DigitsRun(Settings(seed=3)).test
        images, labels = test.batch(np.arange(len(test)))
        right = (model(tensor(images)).numpy().argmax(axis=1) == labels).mean()
        assert printed.splitlines()[-1] == f"test accuracy {100 * right:.2f} %"
        record = json.loads((folder / "run.json").read_text())
        assert record["test"] == {"samples": 359, "accuracy": right}
        assert record["settings"]["hidden"] == [32]
        assert record["deepglass"] == __version__
        assert len(record["history"]) == 4

    def test_the_next_run_gets_the_next_folder(self, trained: tuple[Path, str]) -> None:
        folder, _ = trained
        done = deepglass("train", "--epochs", "1", "--hidden", "8", folder=folder.parent.parent)
        assert done.returncode == 0, done.stderr
        assert {path.name for path in folder.parent.iterdir()} == {"digits-1", "digits-2"}

    def test_a_folder_that_is_taken_is_left_alone(self, trained: tuple[Path, str]) -> None:
        folder, _ = trained
        before = {path: path.read_bytes() for path in folder.iterdir()}
        done = deepglass("train", *SHORT, "--out", str(folder))
        assert done.returncode == 1
        assert "is taken. Name another" in done.stderr
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_failed_run_leaves_no_folder(self, tmp_path: Path) -> None:
        out = tmp_path / "run"
        done = deepglass("train", *SHORT, "--lr", "1e30", "--out", str(out))
        assert done.returncode == 1
        assert "Lower the learning rate" in done.stderr
        assert "Traceback" not in done.stderr
        assert not out.exists()

    @pytest.mark.parametrize("hidden", ["0", "12,x", "-3"])
    def test_hidden_layers_that_are_none(self, hidden: str) -> None:
        done = deepglass("train", f"--hidden={hidden}")
        assert done.returncode == 2
        assert "whole numbers of neurons" in done.stderr

    def test_in_a_terminal_there_is_a_bar(self, tmp_path: Path) -> None:
        pty = pytest.importorskip("pty")
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        command = [sys.executable, "-m", "deepglass", "train", *SHORT, "--out", str(tmp_path / "r")]
        process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:  # Linux reports the end of a terminal as an error
            pass
        os.close(ours)
        assert process.wait(60) == 0
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(parts).decode())
        assert "━" in text
        # a short run may be over before its time left was ever drawn; the end is always
        assert re.search(
            r"loss \d\.\d{4}  accuracy +\d+\.\d\d % +[\d,]+ samples/s +(\d+ s left|\d+\.\d s)", text
        )
        assert "╭" in text
        assert re.search(r"test accuracy +│ \d\d\.\d\d %, \d+ of 359 wrong", text)


class TestPredict:
    def test_reads_the_sample_digit_as_the_run_did(self, trained: tuple[Path, str]) -> None:
        folder, _ = trained
        run = DigitsRun(Settings(seed=3))
        model, _ = load(folder / "network.safetensors")
        images, labels = run.test.batch(np.arange(len(run.test)))
        answers = model(tensor(images)).numpy().argmax(axis=1)
        first_right = int(labels[np.flatnonzero(answers == labels)[0]])
        done = deepglass("predict", str(folder), str(folder / "digit.png"))
        assert done.returncode == 0, done.stderr
        assert re.match(rf".*digit\.png: {first_right} \d+\.\d\d %, ", done.stdout)

    def test_any_file_size_and_brightness_gives_the_same_answer(
        self, trained: tuple[Path, str], tmp_path: Path
    ) -> None:
        folder, _ = trained
        gray = Image.open(folder / "digit.png")
        light_on_dark = Image.eval(gray, lambda v: 255 - v)
        light_on_dark.convert("RGB").resize((431, 431)).save(tmp_path / "photo.jpg", quality=90)
        transparent = Image.new("RGBA", gray.size, (10, 20, 90, 0))
        transparent.putalpha(light_on_dark)
        transparent.save(tmp_path / "ink.png")
        Image.fromarray(np.asarray(gray).astype(np.uint16) * 257).save(tmp_path / "deep.png")
        paths = [
            folder / "digit.png",
            *(tmp_path / n for n in ("photo.jpg", "ink.png", "deep.png")),
        ]
        done = deepglass("predict", str(folder / "network.safetensors"), *map(str, paths))
        assert done.returncode == 0, done.stderr
        answers = [re.search(r": (\d) (\d+)", line) for line in done.stdout.splitlines()]
        assert len({a.group(1) for a in answers if a}) == 1
        assert len(answers) == 4
        assert (
            max(int(a.group(2)) for a in answers if a) - min(int(a.group(2)) for a in answers if a)
            < 25
        )

    def test_pictures_that_cannot_be_read_do_not_stop_the_others(
        self, trained: tuple[Path, str], tmp_path: Path
    ) -> None:
        folder, _ = trained
        (tmp_path / "text.png").write_text("not a picture")
        Image.new("L", (30, 30), 200).save(tmp_path / "empty.png")
        names = ("text.png", "missing.png", "empty.png")
        paths = [str(tmp_path / name) for name in names] + [str(folder / "digit.png")]
        done = deepglass("predict", str(folder), *paths)
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == 1
        assert all(name in done.stderr for name in names)
        assert "Is the picture empty?" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("run", "message"), [("nowhere", "there is no nowhere"), (".", "network")]
    )
    def test_a_run_that_is_none(self, run: str, message: str, tmp_path: Path) -> None:
        done = deepglass("predict", run, "x.png", folder=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
        assert "deepglass train" in done.stderr

    def test_a_photograph_is_turned_as_the_camera_was_held(self, tmp_path: Path) -> None:
        image = Image.new("L", (20, 10), 255)
        image.putpixel((0, 0), 0)
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned by a quarter
        image.save(tmp_path / "photo.png", exif=exif)
        gray = read_gray(tmp_path / "photo.png")
        assert gray.shape == (20, 10)
        assert gray[0, 9] == 0


class TestFrontDoor:
    def test_info_names_what_a_report_needs(self) -> None:
        done = deepglass("info")
        assert done.returncode == 0, done.stderr
        for name in (__version__, np.__version__, "processor", "backend", "threads", "llvmlite"):
            assert name in done.stdout

    def test_help_lists_the_commands(self) -> None:
        done = deepglass("--help")
        assert done.returncode == 0
        assert all(name in done.stdout for name in ("train", "predict", "info"))

    @pytest.mark.parametrize("package", ["typer", "rich", "PIL"])
    def test_without_the_extras_it_says_how_to_get_them(self, package: str) -> None:
        code = (
            f"import sys; sys.modules[{package!r}] = None; sys.argv = ['deepglass', 'info']\n"
            "from deepglass.cli import main; sys.exit(main())"
        )
        done = python("-c", code)
        assert done.returncode == 1
        assert 'pip install "deepglass[cli]"' in done.stderr
        assert package in done.stderr
        assert "Traceback" not in done.stderr
