"""Named arrays and notes in one file: safetensors, which any framework reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError
from .files import replace_file
from .graph.types import dtype_of
from .reading import opening, reading

# What safetensors calls our types.
_NAMES = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
}  # fmt: skip
_PICKLES = (b"PK\x03\x04", b"\x80\x02\x8a")  # how PyTorch's own files begin, new and old


def write_tensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], notes: Mapping[str, str]
) -> None:
    """Write arrays by name, and texts by name, to one file.

    Raises:
        DataError: safetensors is not installed.
        OSError: the file cannot be written; what was there before still is.
    """
    content = {name: np.asarray(a, order="C") for name, a in arrays.items()}
    replace_file(path, _library().numpy.save(content, metadata=dict(notes)))


def read_tensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the notes in a file.

    Raises:
        DataError: the file is missing, cannot be read, is damaged, or holds types that
            deepglass does not have.
    """
    with opening(path, "a safetensors file"):
        content = Path(path).read_bytes()
    if content.startswith(_PICKLES):
        raise DataError(
            f"{path}: a safetensors file; this is made of pickles, which can run any code when "
            "they are read. Convert it in PyTorch: docs/networks.md says how."
        )
    library = _library()
    with reading(f"{path}: a safetensors file"):
        parts: list[tuple[str, dict[str, Any]]] = library.deserialize(content)
        length = int.from_bytes(content[:8], "little")
        notes: dict[str, str] = json.loads(content[8 : 8 + length]).get("__metadata__", {})
        unknown = {part["dtype"] for _, part in parts} - _NAMES.keys()
        if unknown:
            raise DataError(
                f"{path}: weights of a type deepglass has, one of {', '.join(_NAMES)}; this file "
                f"has {', '.join(sorted(unknown))}. Convert it first."
            )
        return {name: _array(part) for name, part in parts}, notes


def _array(part: Mapping[str, Any]) -> np.ndarray:
    """What safetensors found, as an array; its own functions do not know bfloat16."""
    dtype = dtype_of(_NAMES[part["dtype"]]).numpy
    return np.frombuffer(part["data"], dtype).reshape(part["shape"])


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise DataError(
            "save and load: files are read and written with safetensors, which is not installed "
            'here. Run `pip install "deepglass[cli]"`.'
        ) from error
    return safetensors
