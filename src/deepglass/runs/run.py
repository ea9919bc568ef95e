"""One training run, from its configuration to what it leaves in its folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..config import METRICS, Config, save_config
from ..errors import DataError
from ..models import config_of
from ..tensorfile import write_tensors
from ..train import Callback, Checkpoints, CSVLog, EarlyStopping, Epoch, load_checkpoint
from .assemble import Assembled
from .choose import Partial, plan
from .folder import BEST, CONFIG, LAST, RECORD, RunFolder, named_folder, new_folder
from .material import Material, open_data

SAVED = 2.0  # seconds between two saved states at least
RECORDED = 64  # samples of the validation part that a run keeps for its report


class Run:
    """A training run and its folder.

    What the command line does, in Python:

        run = Run.create({"data": {"source": "houses.csv", "target": "price"}})
        run.fit()
        print(run.evaluate())

    Args:
        folder: where its files are.
        config: complete.
        material: its data; opened when first needed unless given.

    Attributes:
        reasons: what was chosen for a new run, and why, a line each.
    """

    def __init__(self, folder: RunFolder, config: Config, material: Material | None = None) -> None:
        self.folder, self.config = folder, config
        self.reasons: list[str] = []
        if material is not None:
            self.material = material

    @classmethod
    def create(
        cls, partial: Partial, folder: str | Path | None = None, path: str | Path = "configuration"
    ) -> Run:
        """Begin a run: choose what is not said, make the folder, and write what is known.

        Args:
            partial: keys by section, such as ``{"data": {"source": "mnist"}}``; a configuration
                that is complete is one too: ``config.to_dict()``.
            folder: new or empty; ``runs/DATA-MODEL-NUMBER`` unless given.
            path: of the file ``partial`` comes from, for messages.

        Raises:
            DataError: a key or value that is not allowed; data that cannot be learned from; a
                folder that is taken.
        """
        planned = plan(partial, path)
        place = new_folder(planned.config) if folder is None else named_folder(folder)
        try:
            save_config(planned.config, place / CONFIG, f"A run of deepglass {__version__}.")
            run = cls(RunFolder(place), planned.config, planned.material)
            run.reasons = planned.reasons
            run.folder.write_about_data(describe(planned.config, planned.material))
            run._record()
            run.assembled  # noqa: B018 - what cannot be made should say so now
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Return the run in a folder.

        Raises:
            DataError: it is no run, or is damaged.
        """
        place = RunFolder(folder)
        return cls(place, place.config())

    @cached_property
    def material(self) -> Material:
        """Its data, the same as when it began.

        Raises:
            DataError: they are no longer what they were.
        """
        found = open_data(self.config.data, self.config.train.seed)
        if found.fingerprint() != self.folder.about_data().get("fingerprint"):
            raise DataError(
                f"{self.config.data.source}: the data the run {self.folder.name} was trained on; "
                "they have changed since. Begin a new run, or bring the old data back."
            )
        return found

    @cached_property
    def assembled(self) -> Assembled:
        """Its trainer and batches."""
        return Assembled(self.config, self.material)

    def fit(self, callbacks: Iterable[Callback] = ()) -> list[Epoch]:
        """Train, or go on where a stopped run stood, and return the history.

        Args:
            callbacks: who watches, beside what writes into the folder.

        Raises:
            DataError: the run is at its end already.
            KeyboardInterrupt: Ctrl-C; what was done is in ``checkpoints/last.safetensors``.
        """
        trainer, loaders = self.assembled.trainer, self.assembled.loaders
        if self.folder.trained:
            state, _ = load_checkpoint(self.folder.checkpoints / LAST)
            trainer.load_state_dict(state)
            if len(trainer.history) >= self.config.train.epochs:
                raise DataError(
                    f"{self.folder.path}: a run that has epochs left; it did all "
                    f"{self.config.train.epochs}. Begin a new one with more."
                )
        try:
            return trainer.fit(
                self.assembled.learned,
                loaders.get("validation"),
                self.config.train.epochs - len(trainer.history),
                [*self._writers(), *callbacks],
            )
        except BaseException:
            if not self.folder.trained:
                shutil.rmtree(self.folder.path, ignore_errors=True)
            raise

    def _writers(self) -> list[Callback]:
        train = self.config.train
        better = "lower" if train.watch == "loss" else METRICS[train.watch][0].better
        about = {**config_of(self.assembled.trainer.model), "deepglass": __version__}
        stop = EarlyStopping(train.watch, train.patience, better=better) if train.patience else None
        return [
            CSVLog(self.folder.measures),
            *([stop] if stop else []),
            Checkpoints(self.folder.checkpoints, train.watch, better, seconds=SAVED, about=about),
        ]

    def evaluate(self, part: str = "validation", which: str = BEST) -> dict[str, float]:
        """Return loss and measures of a saved state over a part of the data.

        Args:
            part: "train", "validation" or "test".
            which: file among the checkpoints.

        Raises:
            DataError: there is no such part or state.
        """
        loaders = self.assembled.loaders
        if part not in loaders:
            raise DataError(
                f"evaluate: one of the parts {', '.join(loaders)}; got {part!r}. A split of three "
                'shares, such as "6:2:2", has a test part.'
            )
        state, _ = load_checkpoint(self.folder.checkpoints / which)
        self.assembled.trainer.model.load_state_dict(state["model"])
        return self.assembled.trainer.evaluate(loaders[part])

    def _record(self) -> None:
        """Write the samples that the report explains."""
        part = self.material.parts["validation"]
        chosen = np.arange(min(RECORDED, len(part)))
        inputs, targets = part.batch(chosen)
        arrays = {"inputs": inputs, "targets": targets, "indices": _places(part, chosen)}
        write_tensors(self.folder.path / RECORD, arrays, {"part": "validation"})


def describe(config: Config, material: Material) -> dict[str, Any]:
    """Return all that predictions and reports need of the data, as JSON values.

    "sizes" of the network, "encoder" by its own `to_dict`, "scale" of pixels, "drawing" (how a
    picture becomes a digit), "classes", samples per part in "parts", "fingerprint".
    """
    return {
        "source": config.data.source,
        "kind": material.sizes.kind,
        "task": material.task,
        "sizes": {"inputs": list(material.sizes.inputs), "outputs": material.sizes.outputs},
        "classes": list(material.classes),
        "encoder": material.encoder.to_dict(),
        "scale": material.scale.to_dict() if material.scale else None,
        "drawing": material.drawing,
        "parts": {name: len(part) for name, part in material.parts.items()},
        "split": config.data.split,
        "seed": config.train.seed,
        "notes": material.notes,
        "fingerprint": material.fingerprint(),
    }


def _places(part: Any, chosen: np.ndarray) -> np.ndarray:
    indices = getattr(part, "indices", None)
    return chosen if indices is None else np.asarray(indices[chosen])
