"""A trained network, ready to answer; it needs its run folder, but not its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..create import no_grad
from ..data import (
    ImageEncoder,
    SeriesEncoder,
    Table,
    TableEncoder,
    fit_digit,
    fit_digit28,
    read_image,
    text_encoder,
)
from ..errors import DataError
from ..graph.tensor import Tensor
from ..models import LanguageModel, build
from ..nn import Module
from ..ops import softmax
from ..train import load_checkpoint
from .folder import BEST, RunFolder
from .material import Encoder
from .scale import Scale

ENCODERS: dict[str, Callable[[Any], Encoder]] = {
    "images": ImageEncoder.from_dict,
    "points": TableEncoder.from_dict,
    "series": SeriesEncoder.from_dict,
    "table": TableEncoder.from_dict,
    "text": text_encoder,
}
AT_ONCE = 512  # samples per call of the network


class Predictor:
    """Answers to new files.

    Args:
        folder: of the run.
        which: file among its checkpoints; the best epoch unless given.

    Attributes:
        kind: of the data: "images", "points", "series", "table" or "text".
        task: "classification", "regression", "forecast" or "text".
        classes: their names; empty if the task has none.
        encoder: how data become inputs, and outputs become answers.
        model: the network, in evaluation mode.

    Raises:
        DataError: the folder is no run, is not trained yet, or is damaged.
    """

    def __init__(self, folder: RunFolder, which: str = BEST) -> None:
        about = folder.about_data()
        try:
            self.kind, self.task = str(about["kind"]), str(about["task"])
            self.classes = [str(name) for name in about["classes"]]
            self.source, self.drawing = str(about["source"]), str(about["drawing"])
            self.encoder: Encoder = ENCODERS[self.kind](about["encoder"])
            self.scale = Scale.from_dict(about["scale"]) if about["scale"] else None
            self.inputs = tuple(int(n) for n in about["sizes"]["inputs"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{folder.path / 'data.json'}: what a run fitted to its data; an entry is "
                f"missing or of another kind: {error}. Was the file changed?"
            ) from error
        if not (folder.checkpoints / which).is_file():
            raise DataError(
                f"{folder.path}: a run with a trained network; it has no checkpoints/{which}. "
                f"Train it: deepglass resume {folder.path}"
            )
        state, described = load_checkpoint(folder.checkpoints / which)
        self.model: Module = build(described, sum(v.size for v in state["model"].values()))
        self.model.load_state_dict(state["model"])
        self.model.eval()

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """Return what the network makes of inputs as the encoder makes them.

        Shapes:
            inputs: (count, ...)
            result: (count, outputs)
        """
        found = []
        with no_grad():
            for start in range(0, len(inputs), AT_ONCE):
                found.append(self.model(self.prepared(inputs[start : start + AT_ONCE])).numpy())
        return np.concatenate(found)

    def prepared(self, inputs: np.ndarray) -> Tensor:
        """Return inputs as the network reads them: pixels scaled, others as they are."""
        x = Tensor(inputs)
        return self.scale(x) if self.scale else x

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Return the probability of each class: (count, classes)."""
        return softmax(Tensor(self.outputs(inputs)), 1).numpy()

    def picture(self, path: str | Path) -> np.ndarray:
        """Return a picture as the network reads it: (channels, height, width).

        A digit may have any size and place, dark on light or light on dark.

        Raises:
            DataError: the file is no picture, or nothing is drawn on it.
        """
        if self.drawing:
            gray = read_image(path, mode="L")[0]
            fit = fit_digit if self.drawing == "digits" else fit_digit28
            try:
                return np.expand_dims(fit(gray), 0)
            except DataError as error:
                raise DataError(f"{path}: {error}") from error
        assert isinstance(self.encoder, ImageEncoder)
        (image,) = self.encoder.transform([path])
        return np.asarray(image)

    def answer(self, table: Table) -> dict[str, list[Any]]:
        """Return answers to the rows of a table, as columns by name.

        Raises:
            DataError: a column that was learned from is missing, or a number is none.
        """
        encoder: Any = self.encoder
        if isinstance(encoder, SeriesEncoder):
            return self._forecast(encoder, table)
        inputs = encoder.transform(table)
        target = encoder.target.name
        if self.task == "regression":
            return {target: encoder.inverse(self.outputs(inputs))}
        chances = self.probabilities(inputs)
        columns = {f"{target} = {c}": chances[:, i].tolist() for i, c in enumerate(self.classes)}
        return {target: encoder.inverse(chances), **columns}

    def _forecast(self, encoder: SeriesEncoder, table: Table) -> dict[str, list[Any]]:
        """What follows the last window of a series."""
        window = self.inputs[0]
        values = encoder.transform(table)
        if len(values) < window:
            raise DataError(
                f"{table.path}: at least the {window} points in time that the network reads; got "
                f"{len(values)}."
            )
        foretold = encoder.inverse(self.outputs(values[None, -window:]))[0]
        name = encoder.columns[0].name
        return {"step": list(range(1, len(foretold) + 1)), name: foretold.tolist()}

    def generate(
        self,
        prompt: str | None = None,
        length: int = 300,
        temperature: float = 0.8,
        top_k: int | None = None,
        seed: int = 0,
    ) -> Iterator[str]:
        """Yield text that goes on after a prompt, in pieces as they are found.

        Args:
            prompt: what it begins with; `beginning` unless given.
            length: tokens to add.
            temperature, top_k, seed: of the draws; see `models.LanguageModel.generate`.

        Raises:
            DataError: the network does not go on with text, or the prompt has characters that
                the training text did not have.
        """
        encoder: Any = self.encoder
        model = self._writer()
        tokens = encoder.encode(self.beginning() if prompt is None else prompt).tolist()
        return self._decoded(model.generate(tokens, length, temperature, top_k, seed))

    def beginning(self) -> str:
        """Return what `generate` goes on after unless it is told: a line break, or the first of
        the characters where the training text had no line break.

        Raises:
            DataError: the network does not go on with text.
        """
        self._writer()
        encoder: Any = self.encoder
        return str(encoder.beginning)

    def _writer(self) -> LanguageModel:
        if not isinstance(self.model, LanguageModel):
            raise DataError(
                f"generate: a run on text; this one is on {self.kind}. Let it answer files: "
                "deepglass predict"
            )
        return self.model

    def _decoded(self, tokens: Iterator[int]) -> Iterator[str]:
        """Text of tokens, some of which are only a part of a character."""
        encoder: Any = self.encoder
        pending: list[int] = []
        for token in tokens:
            pending.append(token)
            text = str(encoder.decode(pending))
            if not text.endswith("\ufffd"):
                yield text
                pending = []
        if pending:
            yield str(encoder.decode(pending))


def top(chances: Sequence[float], classes: Sequence[str], count: int) -> list[tuple[str, float]]:
    """Return the most probable classes with their probabilities.

    >>> top([0.2, 0.7, 0.1], ["a", "b", "c"], 2)
    [('b', 0.7), ('a', 0.2)]
    """
    order = np.argsort(-np.asarray(chances), kind="stable")[:count]
    return [(classes[i], float(chances[i])) for i in order.tolist()]
