"""What becomes of the data a tensor is made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError, ShapeError
from .types import DType, convert, dtype_of, float32, float64


def to_array(data: Any, dtype: Any = None) -> np.ndarray:
    """Return a fresh contiguous array of a type deepglass has.

    Raises:
        DTypeError: the data are no numbers of such a type.
        ShapeError: nested lists differ in length.
        DomainError: a Python number is outside of the integer type that is asked for.
    """
    try:
        array = np.array(data, order="C")
    except ValueError as error:
        raise ShapeError(
            f"tensor: lists within a list are equally long; got {data!r:.80}. Pad the shorter ones."
        ) from error
    own = dtype_of(array.dtype)
    plain = not isinstance(data, (np.ndarray, np.generic))
    if dtype is None:
        wanted = float32 if plain and own is float64 else own
    else:
        wanted = dtype_of(dtype)
        if plain and wanted.is_integer:
            _check_range(array, wanted)
    return convert(np.asarray(array, own.numpy), wanted)  # in the machine's byte order


def _check_range(array: np.ndarray, dtype: DType) -> None:
    limits = np.iinfo(dtype.numpy)
    for number in (array.min(initial=0).item(), array.max(initial=0).item()):
        if not limits.min <= number <= limits.max:
            raise DomainError(
                f"dtype: {dtype} holds {limits.min} to {limits.max}; got {number}. Take a wider "
                "type, or convert the tensor beside it first, for instance with .to(dg.int64)."
            )
