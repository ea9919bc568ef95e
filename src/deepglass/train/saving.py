"""Trained networks on disk: safetensors with their configuration, and never pickle.

The configuration is JSON in the file's header and names a registered model, so reading a
file runs no code from it. A file is written beside its place, forced to the disk, and only
then renamed: whatever happens, the name holds the old content or the new, never a part.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..graph.types import dtype_of, promote
from ..models.registry import build, config_of
from ..nn.module import Module

KEY = "deepglass"

# What safetensors calls our types.
_NAMES = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
}  # fmt: skip


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
    header = {KEY: json.dumps({**config_of(model), "about": dict(about or {})})}
    write_atomically(path, _safetensors().numpy.save(model.state_dict(), metadata=header))


def load(path: str | Path) -> tuple[Module, dict[str, Any]]:
    """Return the network in ``path``, in evaluation mode and the float type it was saved in,
    and what `save` was told about it.

    Raises:
        DataError: the file is damaged, holds no deepglass network, or asks for something
            that is not registered.
        OSError: it cannot be read.
    """
    content = Path(path).read_bytes()
    reader = _safetensors()
    try:
        tensors = _arrays(path, reader.deserialize(content))
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]).get("__metadata__", {})
        config = json.loads(header[KEY])
        about = config["about"]
    except DataError:
        raise
    except KeyError as error:
        raise DataError(
            f"{path}: a network saved by deepglass; this is another safetensors file, without "
            f"{error} in its header. Build the model yourself and use load_state_dict."
        ) from error
    except Exception as error:
        raise DataError(f"{path}: a safetensors file; this one is damaged: {error}") from error
    model = build(config, sum(t.size for t in tensors.values()))
    floats = [d for t in tensors.values() if (d := dtype_of(t.dtype)).is_float]
    if floats:
        model.to(reduce(promote, floats))
    try:
        model.load_state_dict(tensors)
    except DataError as error:
        raise DataError(f"{path}: weights that fit the model; {error}") from error
    return model.eval(), about


def _arrays(path: str | Path, parts: list[tuple[str, dict[str, Any]]]) -> dict[str, np.ndarray]:
    """What safetensors found, as arrays; its own functions for that do not know bfloat16."""
    unknown = {part["dtype"] for _, part in parts} - _NAMES.keys()
    if unknown:
        raise DataError(
            f"{path}: weights of a type deepglass has, one of {', '.join(_NAMES)}; this file has "
            f"{', '.join(sorted(unknown))}. Convert it first."
        )
    return {
        name: np.frombuffer(part["data"], dtype_of(_NAMES[part["dtype"]]).numpy).reshape(
            part["shape"]
        )
        for name, part in parts
    }


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise DataError(
            "save and load: files are read and written with safetensors, which is not installed "
            'here. Run `pip install "deepglass[cli]"`.'
        ) from error
    return safetensors
