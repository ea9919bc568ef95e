"""Trained networks on disk: safetensors with their configuration, and never pickle.

The configuration is JSON in the file's header and names a registered model, so reading a
file runs no code from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..graph.types import dtype_of, promote
from ..models.registry import build, config_of
from ..nn.module import Module
from ..reading import reading
from ..tensorfile import read_tensors, write_tensors

KEY = "deepglass"


def save(model: Module, path: str | Path, about: Mapping[str, Any] | None = None) -> None:
    """Write ``model`` to ``path``.

    Args:
        model: of a registered class, such as `models.MLP`.
        path: of the file; by custom it ends with ".safetensors".
        about: what else the reader should know, as JSON values.

    Raises:
        DataError: the model is of no registered class, or safetensors is not installed.
        OSError: the file cannot be written; what was there before still is.
    """
    config = {**config_of(model), "about": dict(about or {})}
    write_tensors(path, model.state_dict(), {KEY: json.dumps(config)})


def load(path: str | Path) -> tuple[Module, dict[str, Any]]:
    """Return the network in ``path``, in evaluation mode and the float type it was saved in,
    and what `save` was told about it.

    Raises:
        DataError: the file cannot be read, is damaged, holds no deepglass network, or asks for
            something that is not registered.
    """
    tensors, notes = read_tensors(path)
    if KEY not in notes:
        raise DataError(
            f"{path}: a network saved by deepglass; this is another safetensors file, without "
            f"{KEY!r} in its header. Build the model yourself and use load_state_dict."
        )
    with reading(f"{path}: a network and its configuration"):
        config = json.loads(notes[KEY])
        about = config["about"]
    model = build(config, sum(t.size for t in tensors.values()))
    floats = [d for t in tensors.values() if (d := dtype_of(t.dtype)).is_float]
    if floats:
        model.to(reduce(promote, floats))
    try:
        model.load_state_dict(tensors)
    except DataError as error:
        raise DataError(f"{path}: weights that fit the model; {error}") from error
    return model.eval(), about
