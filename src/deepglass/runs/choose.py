"""What is not said is chosen by the data, and the choice says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

from ..config import Config, Images, validated
from ..data import CATALOG
from ..errors import DataError, did_you_mean
from ..models import DESIGNS
from .material import PUBLISHED, Material, folder_of_classes, open_data

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".data")
# Steps that a training has by itself, about, and the learning rate at its start. Steps of large
# networks take longer; small tables are soon known by heart.
PACES = {
    "images": (4000, 2e-3),
    "points": (8000, 1e-2),
    "series": (4000, 1e-3),
    "small table": (3000, 2e-3),
    "table": (12_000, 3e-3),
    "text": (1500, 2e-3),
}
MANY_ROWS = 5000
MANY_TOKENS = 500_000
READ_BY_GPT, GPT_BATCH, GPT_STEPS = 128, 4, 9600  # tokens per sample, samples per step, steps
WARMUP = 200  # steps in which the rate of a transformer rises
NAMED = ("model", "loss", "optimizer", "schedule")  # sections that are chosen by name
FEWEST, MOST = 5, 300  # epochs, whatever the number of samples
PHOTOGRAPHS = ("cifar10", "cifar100")
SMALL_IMAGE = 12  # pixels of a side up to which there is little to convolve

Partial = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What will be trained.

    Attributes:
        config: complete.
        material: its data, opened.
        reasons: what was chosen and why, a line each.
    """

    config: Config
    material: Material
    reasons: list[str]


def plan(partial: Partial, path: str | Path = "configuration") -> Plan:
    """Return a complete configuration for what was said, and the data it is about.

    Args:
        partial: keys by section, as in a file; [data] source is needed, the rest is chosen
            where it is left out.
        path: of the file it comes from, for messages.

    Raises:
        DataError: a key or value that is not allowed; data that cannot be had or learned from.
    """
    said = {name: dict(section) for name, section in partial.items()}
    source = said.get("data", {}).get("source")
    if not isinstance(source, str):
        raise DataError(f"{path}: [data] source names a data set, a file or a folder; got nothing.")
    said["data"] = {"kind": kind_of(source, said["data"]), **said["data"]}
    if source in PUBLISHED:
        said["data"].setdefault("split", "published")
    if said["data"]["kind"] == "text" and said.get("model", {}).get("name") == "gpt":
        said["data"].setdefault("length", READ_BY_GPT)
    named = {n: s for n, s in said.items() if n not in NAMED or "name" in s}
    given = validated(named, path)
    material = open_data(given.data, given.train.seed)
    chosen, reasons = _choices(given, said, material)
    config = validated(_merged(chosen, said), path)
    _check(config, material)
    return Plan(config, material, reasons)


def kind_of(source: str, section: Mapping[str, Any]) -> str:
    """Return what kind of data a source is, by its name and what is said of it.

    Raises:
        DataError: there is no such source.

    >>> kind_of("moons", {})
    'points'
    """
    if source in CATALOG:
        kind = CATALOG[source].kind
        return "series" if kind == "table" and "horizon" in section else kind
    path = Path(source)
    if path.is_dir():
        if folder_of_classes(path):
            return "images"
        raise DataError(
            f"{source}: a folder with one folder of images per class; it holds no folders. Sort "
            "the images into folders named after their classes, or name a file."
        )
    if not path.exists():
        raise DataError(
            f"{source}: a file, a folder, or one of {', '.join(CATALOG)}; there is none of this "
            f"name.{did_you_mean(source, CATALOG)}"
        )
    if source.lower().endswith(TABLES):
        return "series" if "horizon" in section or "window" in section else "table"
    return "text"


def _choices(
    given: Config, said: Partial, material: Material
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Sections for all that was not said, with the reasons."""
    task, sizes, samples = material.task, material.sizes, len(material.parts["train"])
    model, why_model = _model(material, samples)
    name = said.get("model", {}).get("name", model["name"])
    batch = given.train.batch_size if "batch_size" in said.get("train", {}) else _batch(samples)
    steps = ceil(samples / batch)
    small = sizes.kind == "table" and samples < MANY_ROWS
    aim, rate = PACES["small table" if small else sizes.kind]
    epochs = min(MOST, max(FEWEST, ceil(aim / steps)))
    measures = {
        "classification": ("cross_entropy", ["accuracy"]),
        "text": ("cross_entropy", ["accuracy"]),
        "regression": ("mse", ["r2", "rmse"]),
        "forecast": ("mse", ["rmse", "mae"]),
    }
    loss, metrics = measures[task]
    chosen = {
        "data": given.data.model_dump(exclude_none=True),
        "model": model,
        "loss": {"name": loss},
        "optimizer": {"name": "adam", "lr": rate},
        "schedule": {"name": "cosine"},
        "train": {"epochs": epochs, "batch_size": batch, "metrics": metrics},
    }
    if sizes.kind == "text":
        chosen["train"]["clip_norm"] = 1.0
    if name == "gpt":
        why_model = _for_gpt(chosen, said, samples, samples * sizes.inputs[0])
    if name == "linear":
        chosen["optimizer"]["lr"] = 1e-2
    reasons = [f"data: {'; '.join(material.notes)}", f"task: {task}, as {_why_task(material)}"]
    if "augment" not in said["data"] and (augment := _augment(given)):
        chosen["data"]["augment"], why = augment
        reasons.append(f"images: changed by {' and '.join(chosen['data']['augment'])}, {why}")
    if "name" not in said.get("model", {}) or name == "gpt":
        reasons.append(f"model: {name}, {why_model}")
    measured = " and ".join(said.get("train", {}).get("metrics", metrics)) or "nothing"
    used = said.get("loss", {}).get("name", loss)
    reasons.append(f"loss: {used}; measured besides: {measured}")
    return chosen, reasons


def _why_task(material: Material) -> str:
    if material.sizes.kind == "table":
        return str(getattr(material.encoder, "reason", ""))
    return {
        "images": "images come in classes",
        "points": "points come in classes",
        "series": "what follows a window is asked for",
        "text": "the next token is asked for",
    }[material.sizes.kind]


def _model(material: Material, samples: int) -> tuple[dict[str, Any], str]:
    """The network for data of this kind and number, and why."""
    sizes = material.sizes
    if sizes.kind == "text":
        return {"name": "gru"}, "as text is read token by token"
    if sizes.kind == "points":
        return {"name": "mlp", "hidden": [64, 64], "activation": "tanh"}, "as classes wind about"
    if sizes.kind == "images":
        side = min(sizes.inputs[1:])
        if side <= SMALL_IMAGE:
            hidden = {"name": "mlp", "hidden": [256, 256], "dropout": 0.4}
            return hidden, f"as images of {side} pixels are small"
        if sizes.inputs[1:] in ((28, 28), (32, 32)):
            lenet = {"name": "lenet5", "activation": "relu", "pooling": "max"}
            return lenet, f"as it was made for images of {side} pixels"
        widths = [16, 32, 64][: min(3, side.bit_length() - 3)]
        return {"name": "convnet", "widths": widths}, "as neighbouring pixels belong together"
    if sizes.kind == "series":
        return {"name": "mlp", "hidden": [64]}, "as windows are short"
    if samples < 10 * prod(sizes.inputs):
        return {"name": "linear"}, f"as {samples:,} rows are few for {prod(sizes.inputs)} features"
    many = {"hidden": [128, 128]}
    few = {"hidden": [32, 32], "dropout": 0.1}
    chosen = {"name": "mlp", **(many if samples >= MANY_ROWS else few)}
    return chosen, f"as there are {samples:,} rows to learn from"


def _for_gpt(chosen: dict[str, dict[str, Any]], said: Partial, samples: int, tokens: int) -> str:
    """Choose what a transformer needs instead, and return why; a small text would be learned by
    heart by a large one."""
    train = chosen["train"]
    if "batch_size" not in said.get("train", {}):
        train["batch_size"] = GPT_BATCH
    steps = ceil(samples / train["batch_size"])
    train["epochs"] = min(MOST, max(FEWEST, ceil(GPT_STEPS / steps)))
    train["decay"] = "matrices"
    large = tokens >= MANY_TOKENS
    chosen["model"] = {
        "name": "gpt",
        **({"width": 128} if large else {"width": 64, "dropout": 0.1}),
    }
    chosen["optimizer"] = {"name": "adamw", "lr": 3e-3, "betas": [0.9, 0.99], "weight_decay": 0.1}
    chosen["schedule"]["warmup"] = min(1.0, round(WARMUP / steps, 4))
    if "width" in said.get("model", {}):
        return f"with {tokens:,} tokens to learn from"
    return f"of width {chosen['model']['width']} as there are {tokens:,} tokens to learn from"


def _augment(given: Config) -> tuple[list[str], str] | None:
    """The random changes for images of this kind, and why; None for images that are drawn."""
    if not isinstance(given.data, Images):
        return None
    if given.data.source in PHOTOGRAPHS:
        return ["crop", "horizontal_flip"], "as what is seen may stand elsewhere or be mirrored"
    if given.data.source in CATALOG:
        return None
    return ["resized_crop", "horizontal_flip"], "as photographs show things large and small"


def _batch(samples: int) -> int:
    """Samples per step: more where there are many."""
    return 16 if samples < 1000 else 32 if samples < 10_000 else 64


def _merged(chosen: Partial, said: Partial) -> dict[str, dict[str, Any]]:
    """What was said, and what was chosen where nothing was.

    The options of a chosen network or optimizer go with its name: if another was said, they
    are its own defaults.
    """
    merged = {}
    for name in {**chosen, **said}:
        ours, theirs = dict(chosen.get(name, {})), dict(said.get(name, {}))
        if theirs.get("name", ours.get("name")) != ours.get("name"):
            ours = {}
        merged[name] = {**ours, **theirs}
    return merged


def _check(config: Config, material: Material) -> None:
    """Raise unless model, loss and metrics are for data of this kind."""
    from ..config import LOSSES, METRICS

    kind, task = material.sizes.kind, material.task
    if kind not in DESIGNS[config.model.name].kinds:
        fit = [name for name, design in DESIGNS.items() if kind in design.kinds]
        raise DataError(
            f"[model] name: a network that reads {kind}, one of {', '.join(fit)}; got "
            f"{config.model.name}."
        )
    if task not in LOSSES[config.loss.name].tasks:
        fit = [name for name, loss in LOSSES.items() if task in loss.tasks]
        raise DataError(
            f"[loss] name: a loss for {task}, one of {', '.join(fit)}; got {config.loss.name}."
        )
    fit = [name for name, (_, tasks) in METRICS.items() if task in tasks]
    for metric in config.train.metrics:
        if metric not in fit:
            raise DataError(
                f"[train] metrics: measures of {task}, of {', '.join(fit)}; got {metric}."
            )
    watchable = ("loss", *config.train.metrics)
    if config.train.watch not in watchable:
        raise DataError(
            f"[train] watch: one of the measures, {', '.join(watchable)}; got {config.train.watch}."
        )
