"""Configurations: what may stand in them, what is said when it may not, and that they come back."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import deepglass as dg
from deepglass.config import (
    LOSSES,
    METRICS,
    OPTIMIZERS,
    SCHEDULES,
    Config,
    load_config,
    read_toml,
    save_config,
    to_toml,
    validated,
)
from deepglass.errors import DataError
from deepglass.models import DESIGNS

POINTS = {"kind": "points", "source": "moons"}
FULL: dict[str, dict[str, Any]] = {
    "data": {
        "kind": "table", "source": 'Häuser "neu"\\2024\n.csv', "target": "Preis €",
        "log": ["Fläche", "b"], "split": "6:2:2",
    },
    "model": {"name": "mlp", "hidden": [7, 5], "dropout": 0.1},
    "loss": {"name": "huber", "delta": 1e-5},
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
    "schedule": {"name": "cosine", "warmup": 2.0},
    "train": {"epochs": 3, "metrics": ["r2", "mae"], "seed": 2**60},
}  # fmt: skip


class TestFile:
    def test_comes_back_exactly(self, tmp_path: Path) -> None:
        config = validated(FULL)
        save_config(config, tmp_path / "a.toml", "what was chosen\nand why")
        again = load_config(tmp_path / "a.toml")
        assert again == config
        save_config(again, tmp_path / "b.toml", "what was chosen\nand why")
        assert (tmp_path / "a.toml").read_bytes() == (tmp_path / "b.toml").read_bytes()
        assert again.data.source == FULL["data"]["source"]
        assert again.optimizer.options["nesterov"] is True

    @pytest.mark.parametrize(
        ("section", "name"),
        [
            *[("model", n) for n in DESIGNS],
            *[("loss", n) for n in LOSSES],
            *[("optimizer", n) for n in OPTIMIZERS],
            *[("schedule", n) for n in SCHEDULES],
        ],
    )
    def test_every_name_comes_back_with_its_defaults(
        self, section: str, name: str, tmp_path: Path
    ) -> None:
        config = validated({"data": POINTS, section: {"name": name}})
        save_config(config, tmp_path / "c.toml")
        assert load_config(tmp_path / "c.toml") == config
        assert getattr(config, section).name == name

    def test_is_readable(self) -> None:
        lines = to_toml(validated(FULL), "chosen so").splitlines()
        assert lines[0] == "# chosen so"
        assert "hidden = [7, 5]" in lines
        assert lines.index("[data]") < lines.index("[model]") < lines.index("[train]")

    def test_options_are_those_of_the_thing_itself(self) -> None:
        adam = validated({"data": POINTS, "optimizer": {"name": "adam"}}).optimizer
        assert adam.options["betas"] == (0.9, 0.999)
        assert adam.options["lr"] == 1e-3
        assert "params" not in adam.options
        assert "maximize" not in adam.options


MISTAKES = {
    'epochs = "5"': ("line 9", '[train] epochs is a valid integer; got "5"'),
    "epochs = 0": ("line 9", "[train] epochs is greater than 0; got 0"),
    "epochs = true": ("line 9", "epochs is a valid integer; got true"),
    "epocs = 5": ("line 9", "[train] has the keys epochs, ", "got epocs. Did you mean epochs?"),
    'metrics = ["acc"]': ("line 9", "'acc' is none of them"),
    'backend = "cuda"': ("line 9", "'native' or 'reference'", 'got "cuda"'),
}


def test_names_alone_in_a_list_have_the_usual_options(tmp_path: Path) -> None:
    listed = ["horizontal_flip", {"name": "resized_crop", "scale": [0.5, 1.0]}]
    config = validated({"data": {"kind": "images", "source": "a", "augment": listed}})
    flip, crop = config.data.augment
    assert (flip.name, flip.options) == ("horizontal_flip", {"p": 0.5})
    assert crop.options == {"scale": (0.5, 1.0), "ratio": (0.75, 4 / 3)}
    save_config(config, tmp_path / "run.toml")
    assert load_config(tmp_path / "run.toml") == config
    with pytest.raises(DataError, match=r'\[data\] augment is a valid array; got "crop"'):
        validated({"data": {"kind": "images", "source": "a", "augment": "crop"}})


class TestMistakes:
    @pytest.mark.parametrize("line", MISTAKES)
    def test_file_line_key_value_and_what_is_allowed(self, line: str, tmp_path: Path) -> None:
        path = tmp_path / "run.toml"
        path.write_text(
            '# a comment\n[data]\nkind = "points"\nsource = "moons"\n\n[model]\nname = "mlp"\n'
            f"[train]\n{line}\n"
        )
        with pytest.raises(DataError) as error:
            load_config(path)
        for part in (str(path), *MISTAKES[line]):
            assert part in str(error.value)

    def test_every_mistake_is_named_at_once(self, tmp_path: Path) -> None:
        path = tmp_path / "run.toml"
        path.write_text(
            '[data]\nkind = "table"\nsource = "a.csv"\ntraget = "x"\n[modle]\n'
            '[optimizer]\nname = "adma"\nlr = 1\n[model]\nname = "mlp"\nhidden = [3, "x"]\n'
        )
        with pytest.raises(DataError) as error:
            load_config(path)
        lines = str(error.value).splitlines()
        assert len(lines) == 4
        text = "\n".join(lines)
        for part in (
            "line 4: [data] has the keys", "Did you mean target?",
            "line 5: the sections are data, ", "Did you mean model?",
            "line 7: [optimizer] name is one of sgd, adam", "Did you mean adam?",
            'line 11: [model] hidden[1] is a valid integer; got "x"',
        ):  # fmt: skip
            assert part in text

    def test_things_in_a_list(self, tmp_path: Path) -> None:
        path = tmp_path / "run.toml"
        path.write_text(
            '[data]\nkind = "images"\nsource = "cifar10"\n[[data.augment]]\nname = "crop"\n'
            'pading = 2\n[[data.augment]]\nname = "erasin"\n[[data.augment]]\n'
            'name = "resized_crop"\nscale = [0.5, "x"]\n'
        )
        with pytest.raises(DataError) as error:
            load_config(path)
        assert [line.removeprefix(f"{path}, ") for line in str(error.value).splitlines()] == [
            "line 4: [data] augment[0] has the keys name, padding; got pading. Did you mean "
            "padding?",
            "line 7: [data] augment[1].name is one of crop, horizontal_flip, resized_crop, "
            'rotation, erasing, color_jitter; got "erasin". Did you mean erasing?',
            'line 9: [data] augment[2].scale[1] is a valid number; got "x".',
        ]

    def test_options_of_another_thing(self) -> None:
        with pytest.raises(DataError, match=r"\[model\] has the keys name, activation, pooling"):
            validated({"data": POINTS, "model": {"name": "lenet5", "hidden": [3]}})

    @pytest.mark.parametrize("split", ["8-2", "8:0", "1:2:3:4", "", "a:b"])
    def test_splits_that_are_none(self, split: str) -> None:
        with pytest.raises(DataError, match=r"\[data\] split is .*8:2"):
            validated({"data": {**POINTS, "split": split}})

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("a = [", "a TOML file; "),
            ("epochs = 5\n[data]\n", "line 1: keys stand in one of the sections [data], "),
            ("", "is needed"),
        ],
    )
    def test_files_that_are_none(self, content: str, message: str, tmp_path: Path) -> None:
        path = tmp_path / "x.toml"
        path.write_text(content + "\n")
        with pytest.raises(DataError) as error:
            load_config(path)
        assert message in str(error.value)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there is no such file"):
            read_toml(tmp_path / "x.toml")


class TestRegistries:
    @pytest.mark.parametrize("name", SCHEDULES)
    def test_schedules_begin_at_or_below_the_rate_and_run_to_the_end(self, name: str) -> None:
        optimizer = dg.optim.SGD([dg.Parameter([1.0])], lr=0.1, momentum=0.9)
        chosen = validated({"data": POINTS, "schedule": {"name": name}}).schedule
        schedule = SCHEDULES[name].make(optimizer, 20, 5, **chosen.options)
        rates = []
        for _ in range(20):
            rates.append(optimizer.param_groups[0]["lr"])
            if schedule is not None and name != "plateau":
                schedule.step()
        assert max(rates) == pytest.approx(0.1)
        falls = {"cosine": 0.0006, "one_cycle": 4e-7, "step": 0.1, "exponential": 0.1 * 0.95**3.8}
        assert rates[-1] == pytest.approx(falls.get(name, 0.1), rel=0.1)

    def test_a_cosine_rises_first_if_it_is_told_to(self) -> None:
        optimizer = dg.optim.SGD([dg.Parameter([1.0])], lr=0.1)
        schedule = SCHEDULES["cosine"].make(optimizer, 20, 5, warmup=1.0)
        rates = []
        for _ in range(20):
            rates.append(optimizer.param_groups[0]["lr"])
            schedule.step()
        assert rates[0] < rates[2] < rates[4] < rates[5]
        assert rates[5] == pytest.approx(0.1)
        assert rates[-1] < 0.002

    def test_every_loss_and_metric_is_for_some_task(self) -> None:
        for listed in LOSSES.values():
            assert listed.tasks
        assert all(tasks for _, tasks in METRICS.values())


def test_reading_a_configuration_runs_nothing_from_it(tmp_path: Path) -> None:
    """No pickle, no import and no code, whatever the file names: watched by an audit hook."""
    path = tmp_path / "run.toml"
    save_config(validated(FULL), path)
    code = f"""
import sys
import tomllib
from deepglass.config import load_config, to_toml
to_toml(load_config({str(path)!r}))
heard = []
sys.addaudithook(lambda event, _: heard.append(event))
load_config({str(path)!r})
watched = ("pickle", "exec", "import", "compile", "os.system", "subprocess")
print([e for e in heard if e.startswith(watched)])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False,
        env={"PYTHONPATH": str(Path(dg.__file__).parents[1]), "PATH": ""},
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


def test_a_configuration_does_not_change() -> None:
    config = validated(FULL)
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 9  # type: ignore[misc]
    assert isinstance(config, Config)


def test_the_guide_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parent.parent / "docs" / "training.md"
    text = page.read_text(encoding="utf-8")
    example, part = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    sections = tomllib.loads(example)
    sections["data"]["kind"] = "table"
    assert validated(sections).schedule.options["warmup"] == 1.0
    data = {"kind": "images", **tomllib.loads(part)["data"]}
    assert [c.name for c in validated({"data": data}).data.augment] == ["rotation", "crop"]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    exec(compile(code, "training.md", "exec"), space)
    assert len(space["history"]) == 20
