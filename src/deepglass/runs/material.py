"""The data of a run: opened, divided, and with all that a network has to know of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Data, Images, Points, Series, Table, Text
from ..data import (
    CATALOG,
    ConcatDataset,
    Dataset,
    ImageEncoder,
    ImageFolder,
    NextTokenDataset,
    SeriesEncoder,
    Subset,
    TableEncoder,
    TensorDataset,
    WindowDataset,
    encode_series,
    encode_table,
    encode_text,
    find_damaged,
    load,
    random_split,
    read_table,
    read_text,
)
from ..data import Table as Rows
from ..data.sources.columns import ClassTarget, NumberColumn
from ..data.sources.text import is_list, shuffle_lines
from ..data.sources.tokens import TextEncoder
from ..errors import DataError
from ..models import Sizes
from ..ops.random import Generator
from .scale import Scale

PARTS = ("train", "validation", "test")
IN_MEMORY = 2**31  # bytes of pixels up to which images are read once
PUBLISHED = ("mnist", "fashion-mnist", "cifar10", "cifar100")  # sets with a test part
DRAWN = {"digits": "digits", "mnist": "mnist"}  # sets of which pictures can be drawn by hand

Encoder = ImageEncoder | TableEncoder | SeriesEncoder | TextEncoder


@dataclass(frozen=True)
class Material:
    """Data, ready to learn from.

    Attributes:
        task: "classification", "regression", "forecast" or "text".
        sizes: what a network has to fit.
        parts: samples of (input, target) by name: "train", "validation" and maybe "test".
        encoder: how raw data become inputs, and outputs become answers.
        scale: what is done to pixels inside the step, or None.
        drawing: how a picture of one digit is brought into the form of the images, or "".
        notes: what was understood of the data, in words.
    """

    task: str
    sizes: Sizes
    parts: dict[str, Dataset]
    encoder: Encoder
    scale: Scale | None = None
    drawing: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers; empty if there are none."""
        if isinstance(self.encoder, ImageEncoder):
            return self.encoder.classes
        target = getattr(self.encoder, "target", None)
        return target.classes if isinstance(target, ClassTarget) else ()

    def class_counts(self) -> np.ndarray:
        """Return how many training samples each class has."""
        train = self.parts["train"]
        labels = np.asarray(_arrays(train)[-1])
        return np.bincount(labels, minlength=self.sizes.outputs)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all samples, by which a run knows its data again."""
        digest = hashlib.sha256(json.dumps(self.encoder.to_dict()).encode())
        for name, part in self.parts.items():
            digest.update(name.encode())
            _add(digest, part)
        return digest.hexdigest()


def open_data(data: Data, seed: int) -> Material:
    """Return the data that a section describes.

    Args:
        data: the section [data].
        seed: of the split, and of points.

    Raises:
        DataError: the data are not at hand, are damaged, or cannot be learned from.
    """
    generator = Generator(seed)
    if isinstance(data, Images):
        return _images(data, generator)
    if isinstance(data, Table):
        return _table(data, generator)
    if isinstance(data, Series):
        return _series(data)
    return _text(data, generator) if isinstance(data, Text) else _points(data, generator)


def _images(data: Images, generator: Generator) -> Material:
    notes: list[str] = []
    if data.source in CATALOG:
        classes = CATALOG[data.source].classes
        if data.split == "published" and data.source in PUBLISHED:
            parts = [load(data.source), load(data.source, train=False)]
        else:
            _refuse_published(data)
            whole = load(data.source)
            parts = list(random_split(whole, data.split, generator, whole.tensors[1]))
            if data.source in PUBLISHED and len(parts) == 2:
                parts.append(load(data.source, train=False))
        drawing = DRAWN.get(data.source, "")
        height, width = parts[0][0][0].shape[-2:]
        encoder = ImageEncoder(tuple(classes), (height, width), _mode(parts[0]))
    else:
        folder = ImageFolder(data.source, data.size or 64, data.mode)
        if data.damaged == "skip" and (bad := find_damaged(folder)):
            notes.append(f"left out: {counted(len(bad), 'file')} that cannot be read")
            folder = ImageFolder(data.source, data.size or 64, data.mode, skip=bad)
        _refuse_published(data)
        whole, labels, drawing = _in_memory(folder), folder.labels, ""
        parts = list(random_split(whole, data.split, generator, labels))
        encoder = folder.encoder
        if folder.ignored:
            notes.append(f"passed over: {counted(len(folder.ignored), 'file')} other than images")
    shape = tuple(parts[0][0][0].shape)
    some = parts[0].batch(np.arange(min(len(parts[0]), 10_000)))[0]
    sizes = Sizes("images", shape, len(encoder.classes))
    count = sum(map(len, parts))
    notes.insert(0, f"{count:,} images of {'x'.join(map(str, shape))}, {sizes.outputs} classes")
    scale = Scale.fit(some)
    return Material("classification", sizes, _named(parts), encoder, scale, drawing, notes)


def _in_memory(folder: ImageFolder) -> Dataset:
    """The images as arrays, unless they are too many."""
    first = folder[0][0]
    if first.nbytes * len(folder) > IN_MEMORY:
        return folder
    return TensorDataset(*folder.batch(np.arange(len(folder))))


def _mode(part: Dataset) -> str:
    return "L" if part[0][0].shape[0] == 1 else "RGB"


def _points(data: Points, generator: Generator) -> Material:
    noise = {} if data.noise is None else {"noise": data.noise}
    whole = load(data.source, samples=data.samples, generator=generator, **noise)
    _refuse_published(data)
    parts = random_split(whole, data.split, generator, whole.tensors[1])
    columns = tuple(NumberColumn(name, 0.0, 0.0, 1.0) for name in "xy")
    classes = ClassTarget("class", CATALOG[data.source].classes)
    encoder = TableEncoder(columns, classes, {}, "points of a plane have a class each")
    sizes = Sizes("points", (2,), len(classes.classes))
    notes = [f"{data.samples:,} points, {sizes.outputs} classes"]
    return Material("classification", sizes, _named(parts), encoder, notes=notes)


def open_table(data: Table | Series) -> Rows:
    """Return the rows behind a section, without looking at its columns."""
    if data.source in CATALOG:
        table = load(data.source)
        assert isinstance(table, Rows)
        return table
    return read_table(data.source, encoding=data.encoding)


def _table(data: Table, generator: Generator) -> Material:
    _refuse_published(data)
    rows = open_table(data)
    target = data.target or (CATALOG[data.source].target if data.source in CATALOG else "")
    if not target:
        raise DataError(
            f"{data.source}: a column to learn; its columns are {', '.join(rows.names)}. Name "
            f"one: --target {rows.names[-1]}"
        )
    known = rows.with_value(target)
    encoder, parts = encode_table(
        known, target, data.split, generator, task=data.task,
        log=data.log, categorical=data.categorical, ignore=data.ignore,
    )  # fmt: skip
    outputs = len(encoder.target.classes) if isinstance(encoder.target, ClassTarget) else 1
    sizes = Sizes("table", (len(encoder.features),), outputs)
    answers = f"{outputs} classes" if encoder.task == "classification" else "a number"
    notes = [
        f"{counted(len(known), 'row')}, {counted(len(encoder.inputs), 'column')}, "
        f"{target!r} is {answers}"
    ]
    if len(known) < len(rows):
        notes.append(f"left out: {counted(len(rows) - len(known), 'row')} without {target!r}")
    notes += [f"left out: {name!r}, {why}" for name, why in encoder.left_out.items()]
    return Material(encoder.task, sizes, _named(parts), encoder, notes=notes)


def _series(data: Series) -> Material:
    _refuse_published(data)
    rows = open_table(data)
    encoder, parts = encode_series(
        rows, data.target, data.window, data.horizon, data.split, log=data.log, ignore=data.ignore
    )
    sizes = Sizes("series", (data.window, len(encoder.columns)), data.horizon)
    notes = [f"{len(rows):,} points in time, {counted(len(encoder.columns), 'column')}"]
    notes += [f"left out: {name!r}, {why}" for name, why in encoder.left_out.items()]
    return Material("forecast", sizes, _named(parts), encoder, notes=notes)


def _text(data: Text, generator: Generator) -> Material:
    _refuse_published(data)
    named = data.source in CATALOG
    text = load(data.source) if named else read_text(data.source, data.encoding)
    lines = is_list(text) if data.lines is None else data.lines
    if lines:
        text = shuffle_lines(text, generator)
    encoder, parts = encode_text(text, data.length, data.split, data.vocabulary)
    sizes = Sizes("text", (data.length,), encoder.vocabulary)
    what = "characters" if data.vocabulary is None else "byte pairs"
    notes = [f"{len(text):,} characters of text, {encoder.vocabulary} different {what}"]
    if lines:
        count = text.count("\n")
        notes.append(f"a list of {count:,} lines, shuffled before it was divided")
    return Material("text", sizes, _named(parts), encoder, notes=notes)


def _named(parts: Sequence[Dataset]) -> dict[str, Dataset]:
    return dict(zip(PARTS, parts, strict=False))


def _refuse_published(data: Data) -> None:
    if data.split == "published":
        raise DataError(
            f'{data.source}: split = "published" is for data that come in parts; give shares '
            'such as "8:2" or "6:2:2".'
        )


def _arrays(part: Dataset) -> tuple[Any, ...]:
    """The fields of all samples of a part that lies in memory; labels alone of a folder."""
    if isinstance(part, TensorDataset):
        return part.tensors
    if isinstance(part, Subset) and isinstance(part.dataset, ImageFolder):
        return (part.dataset.labels[part.indices],)
    return part.batch(np.arange(len(part)))


def _add(digest: Any, part: Dataset) -> None:
    """Add what makes the samples of a part to a digest, without reading images from disk."""
    if isinstance(part, Subset):
        digest.update(part.indices.tobytes())
        _add(digest, part.dataset)
    elif isinstance(part, ConcatDataset):
        for one in part.datasets:
            _add(digest, one)
    elif isinstance(part, ImageFolder):
        for path in part.paths:
            digest.update(f"{path.relative_to(part.root)} {path.stat().st_size}\n".encode())
    else:
        for array in _raw(part):
            digest.update(str((array.dtype, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())


def _raw(part: Dataset) -> tuple[np.ndarray, ...]:
    if isinstance(part, WindowDataset):
        return (part.values,)
    return (part.tokens,) if isinstance(part, NextTokenDataset) else _arrays(part)


def folder_of_classes(path: Path) -> bool:
    """Whether a folder holds folders, as images sorted by class do."""
    return any(p.is_dir() and not p.name.startswith(".") for p in path.iterdir())


def counted(count: int, thing: str) -> str:
    """Return how many there are of a thing.

    >>> counted(1, "file"), counted(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
