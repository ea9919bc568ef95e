"""What a trained network says about samples it did not learn from, beside the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..data import Dataset, SeriesEncoder, TableEncoder
from ..graph.tensor import Tensor
from ..ops import softmax
from ..runs import Run
from ..train import confusion_matrix
from .pictures import picture, row

AT_ONCE = 512  # samples per call of the network
MOST = 10_000  # samples looked at
WORST = 36  # mistakes shown
PER_CELL = 4  # samples kept for a cell of the confusion matrix
LARGEST = 20  # classes of a confusion matrix with samples
POINTS = 1_000  # dots of a picture of numbers
STEPS = 400  # points in time of a forecast


def answers(run: Run, most: int = MOST) -> dict[str, Any]:
    """Return the part of the report about answers; empty for text.

    Args:
        run: trained, its network in the state that is asked.
        most: samples looked at, evenly spread over the part.
    """
    material = run.material
    name = "test" if "test" in material.parts else "validation"
    part = material.parts[name]
    if material.task == "text":
        return {}
    places = np.arange(len(part))
    if len(part) > min(most, MOST):
        places = np.linspace(0, len(part) - 1, min(most, MOST)).astype(np.int64)
    outputs, targets = _answered(run, part, places)
    about = {"part": name, "count": len(places), "total": len(part)}
    if material.task == "classification":
        return {**about, **_classes(run, part, places, outputs, targets)}
    if isinstance(material.encoder, SeriesEncoder):
        return {**about, "forecast": _forecast(material.encoder, outputs, targets)}
    return {**about, "numbers": _numbers(run, part, places, outputs, targets)}


def _answered(run: Run, part: Dataset, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    outputs, targets = [], []
    for start in range(0, len(places), AT_ONCE):
        *inputs, target = part.batch(places[start : start + AT_ONCE])
        outputs.append(run.assembled.trainer.predict(*inputs))
        targets.append(np.asarray(target))
    return np.concatenate(outputs), np.concatenate(targets)


def _shown(run: Run, part: Dataset) -> Callable[[int], dict[str, Any]]:
    """How one sample is shown."""
    encoder = run.material.encoder

    def show(place: int) -> dict[str, Any]:
        x = np.asarray(part.batch(np.array([place]))[0][0])
        if x.ndim == 3:
            return {"place": place, "image": picture(x)}
        if isinstance(encoder, TableEncoder):
            return {"place": place, "row": row(encoder, x)}
        return {"place": place}

    return show


def _classes(
    run: Run, part: Dataset, places: np.ndarray, outputs: np.ndarray, truth: np.ndarray
) -> dict[str, Any]:
    classes = len(run.material.classes)
    chances = softmax(Tensor(outputs), 1).numpy()
    said = chances.argmax(axis=1)
    own = chances[np.arange(len(truth)), truth]
    likely = np.argsort(-chances, axis=1, kind="stable")[:, :3]
    show = _shown(run, part)
    wrong = np.flatnonzero(said != truth)
    worst = wrong[np.argsort(own[wrong], kind="stable")][:WORST].tolist()
    kept = dict.fromkeys(worst)
    if classes <= LARGEST:
        for true, answer in np.ndindex(classes, classes):
            cell = np.flatnonzero((truth == true) & (said == answer))
            kept.update(dict.fromkeys(cell[np.argsort(own[cell], kind="stable")][:PER_CELL]))
    samples = [
        {
            **show(int(places[k])),
            "truth": int(truth[k]),
            "answer": int(said[k]),
            "chances": [[c, round(float(chances[k, c]), 5)] for c in likely[k].tolist()],
        }
        for k in kept
    ]
    return {
        "confusion": confusion_matrix(said, truth, classes).tolist(),
        "samples": samples,
        "worst": len(worst),
        "wrong": len(wrong),
    }


def _numbers(
    run: Run, part: Dataset, places: np.ndarray, outputs: np.ndarray, targets: np.ndarray
) -> dict[str, Any]:
    encoder = run.material.encoder
    assert isinstance(encoder, TableEncoder)
    said, truth = (np.array(encoder.inverse(v)) for v in (outputs, targets))
    show = _shown(run, part)
    worst = np.argsort(-np.abs(said - truth), kind="stable")[:WORST]
    some = np.linspace(0, len(said) - 1, min(POINTS, len(said))).astype(int)
    return {
        "name": encoder.target.name,
        "truth": truth[some].tolist(),
        "answer": said[some].tolist(),
        "worst": [
            {**show(int(places[k])), "truth": float(truth[k]), "answer": float(said[k])}
            for k in worst
        ],
    }


def _forecast(encoder: SeriesEncoder, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """The last points in time: the truth, and what was foretold of each."""
    said, truth = encoder.inverse(outputs), encoder.inverse(targets)
    said, truth = said[-STEPS:], truth[-STEPS:]
    return {
        "name": encoder.columns[0].name,
        "horizon": said.shape[1],
        "truth": truth[:, 0].tolist(),
        "first": said[:, 0].tolist(),
        "last": said[:, -1].tolist(),
        "errors": np.abs(said - truth).mean(axis=0).tolist(),
    }
