"""Run folders: where they lie, what they are called, and what can be read off them.

runs/NAME/
  config.toml                    the configuration, complete
  data.json                      what was fitted to the data: see `describe`
  metrics.csv                    a row per epoch
  checkpoints/last.safetensors   the newest state; best.safetensors that of the best epoch
  record.safetensors             samples of the validation part that the report explains
  report.html                    the report
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import Config, load_config
from ..errors import DataError
from ..files import replace_file

ROOT = Path("runs")
CONFIG, DATA, METRICS, RECORD = "config.toml", "data.json", "metrics.csv", "record.safetensors"
CHECKPOINTS, LAST, BEST = "checkpoints", "last.safetensors", "best.safetensors"
REPORT = "report.html"


class RunFolder:
    """The files of one run.

    Args:
        path: of the folder.

    Raises:
        DataError: it is no run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / CONFIG).is_file():
            there = "it holds no config.toml" if self.path.is_dir() else "there is no such folder"
            raise DataError(
                f"{path}: the folder of a run; {there}. `deepglass runs` lists the runs below "
                "runs/, `deepglass train` makes one."
            )

    @property
    def name(self) -> str:
        """Of the run."""
        return self.path.resolve().name

    @property
    def checkpoints(self) -> Path:
        """The folder of the saved states."""
        return self.path / CHECKPOINTS

    @property
    def measures(self) -> Path:
        """The table of all epochs."""
        return self.path / METRICS

    @property
    def trained(self) -> bool:
        """Whether there is a state to go on with or to predict with."""
        return (self.checkpoints / LAST).is_file()

    def config(self) -> Config:
        """Return its configuration.

        Raises:
            DataError: the file is damaged.
        """
        return load_config(self.path / CONFIG)

    def about_data(self) -> dict[str, Any]:
        """Return what was fitted to its data.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = self.path / DATA
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise DataError(
                f"{path}: what a run fitted to its data, as JSON; it cannot be read: {error}."
            ) from error
        if not isinstance(found, dict):
            raise DataError(f"{path}: what a run fitted to its data; this is another JSON file.")
        return found

    def write_about_data(self, about: Mapping[str, Any]) -> None:
        """Write what `about_data` returns."""
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        replace_file(self.path / DATA, text + "\n")

    def rows(self) -> list[dict[str, float]]:
        """Return the measures of each epoch so far, by name.

        Raises:
            DataError: the file is damaged.
        """
        path = self.measures
        if not path.exists():
            return []
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        except (TypeError, ValueError, csv.Error, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: a row of numbers per epoch; it cannot be read: {error}."
            ) from error

    def delete(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path)


def all_runs(root: str | Path = ROOT) -> list[RunFolder]:
    """Return the runs below a folder, the newest last."""
    found = [RunFolder(path.parent) for path in Path(root).glob(f"*/{CONFIG}")]
    return sorted(found, key=lambda run: ((run.path / CONFIG).stat().st_mtime, _order(run.name)))


def new_folder(config: Config, root: str | Path = ROOT) -> Path:
    """Make the folder of a new run: its data, its network and the next number.

    Raises:
        OSError: it cannot be made.
    """
    stem = re.sub(r"[^\w.-]+", "-", Path(config.data.source).stem).strip("-.") or "data"
    name = f"{stem}-{config.model.name}"
    Path(root).mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        try:
            path = Path(root) / f"{name}-{number}"
            path.mkdir()
            return path
        except FileExistsError:
            number += 1


def named_folder(path: str | Path) -> Path:
    """Make a folder that has a name already.

    Raises:
        DataError: there is something in it.
        OSError: it cannot be made.
    """
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"{path}: a folder that is new or empty; this one is taken. Name another, or delete it."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _order(name: str) -> list[Any]:
    """Numbers within names by size."""
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name) if p]
