"""How the layers of a network are: sizes of weights, activations, gradients and steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..explain import Explainer
from ..explain.calls import LayerCall

ENDS: Mapping[str, tuple[float, float]] = {"Sigmoid": (0, 1), "Tanh": (-1, 1)}
SILENT = ("ReLU", "ReLU6")
NEAR = 0.01  # of the range: an output so near its end is saturated


def health(explainer: Explainer) -> list[dict[str, Any]]:
    """Return a row per parameter and per activation, in the order of the calls.

    Of a parameter: mean, standard deviation, share of zeros, largest magnitude; the norm of its
    gradient over the recorded batch, and the norm of the next step in relation to its own. Of an
    activation: mean, standard deviation, share of zeros; the share of units that are 0 for every
    sample ("dead"), or of outputs within 1 % of the ends of their range ("saturated").
    """
    found: list[dict[str, Any]] = []
    for call in explainer.calls:
        for name, parameter in call.layer.named_parameters():
            full = f"{call.path}.{name}".removeprefix(".")
            before = parameter.numpy()
            step = explainer.updated[full] - before
            gradient = explainer.gradients.get(full, np.zeros(before.shape))
            found.append(
                {
                    "name": full,
                    "type": type(call.layer).__name__,
                    **_spread(before),
                    "gradient": float(np.linalg.norm(gradient)),
                    "ratio": _share(float(np.linalg.norm(step)), float(np.linalg.norm(before))),
                }
            )
        if (row := _activation(call)) is not None:
            found.append(row)
    return found


def _activation(call: LayerCall) -> dict[str, Any] | None:
    kind = type(call.layer).__name__
    if kind not in SILENT and kind not in ENDS:
        return None
    values = call.output.numpy()
    row = {"name": call.path, "type": kind, **_spread(values)}
    if kind in SILENT:
        return {**row, "dead": float((values == 0).all(axis=0).mean())}
    low, high = ENDS[kind]
    near = NEAR * (high - low)
    return {**row, "saturated": float(((values < low + near) | (values > high - near)).mean())}


def _spread(values: np.ndarray) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "zeros": float((values == 0).mean()),
        "largest": float(np.abs(values).max(initial=0)),
    }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
