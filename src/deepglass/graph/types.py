"""Element types and tensor types: what a value is before anybody computes it.

docs/types.md tells the same story for the user, with the whole table of promotions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from ..errors import DTypeError

Shape = tuple[int, ...]

_ORDER = {"bool": 0, "unsigned": 1, "signed": 1, "float": 2}  # of the kinds, for promotion


@dataclass(frozen=True, eq=False)
class DType:
    """An element type; there is one object per type."""

    name: str
    kind: str  # "bool", "unsigned", "signed" or "float"
    bytes: int

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return dtype_of, (self.name,)  # copies are the type itself

    @cached_property
    def numpy(self) -> np.dtype:
        """The NumPy type of the same name.

        Raises:
            DTypeError: for bfloat16, where the package ml_dtypes is not installed.
        """
        return np.dtype(self.name) if self is not bfloat16 else _numpy_bfloat16()

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("signed", "unsigned")

    @property
    def is_half(self) -> bool:
        return self is float16 or self is bfloat16

    @property
    def wide(self) -> DType:
        """The type in which arithmetic is done: float32 for a half, else the type itself."""
        return float32 if self.is_half else self

    def __repr__(self) -> str:
        return f"deepglass.{self.name}"

    def __str__(self) -> str:
        return self.name


def _numpy_bfloat16() -> np.dtype:
    try:
        import ml_dtypes
    except ImportError as error:
        raise DTypeError(
            "bfloat16: NumPy has no such type; the package ml_dtypes, which is not installed here, "
            'adds it. Run `pip install "deepglass[half]"`, or use float16 or float32.'
        ) from error
    found: np.dtype = np.dtype(ml_dtypes.bfloat16)
    return found


bool_ = DType("bool", "bool", 1)
uint8 = DType("uint8", "unsigned", 1)
uint16 = DType("uint16", "unsigned", 2)
uint32 = DType("uint32", "unsigned", 4)
uint64 = DType("uint64", "unsigned", 8)
int8 = DType("int8", "signed", 1)
int16 = DType("int16", "signed", 2)
int32 = DType("int32", "signed", 4)
int64 = DType("int64", "signed", 8)
float16 = DType("float16", "float", 2)
bfloat16 = DType("bfloat16", "float", 2)
float32 = DType("float32", "float", 4)
float64 = DType("float64", "float", 8)

DTYPES: dict[str, DType] = {
    d.name: d
    for d in (
        bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16,
        float32, float64,
    )
}  # fmt: skip

_BY_NUMPY: dict[object, DType] = {d.numpy: d for d in DTYPES.values() if d is not bfloat16}

# What to do with data of NumPy's other kinds.
_REMEDIES = {
    "c": "Take its real and imaginary parts, each a tensor of its own.",
    "O": "Look for None, text, and whole numbers of more than 64 bits among the elements.",
    "U": "Number the words: np.unique(data, return_inverse=True).",
    "S": "Number the words: np.unique(data, return_inverse=True).",
    "M": 'Count from a date: (data - data[0]) / np.timedelta64(1, "D").',
    "m": 'Divide by a unit: data / np.timedelta64(1, "D").',
}


def dtype_of(spec: object) -> DType:
    """Return the `DType` that ``spec`` names: a `DType`, a NumPy or Python type, or a name.

    Raises:
        DTypeError: deepglass has no such element type.
    """
    if isinstance(spec, DType):
        return spec
    if isinstance(spec, np.dtype) and spec in _BY_NUMPY:
        return _BY_NUMPY[spec]
    remedy = "Convert the data first."
    try:
        found = np.dtype(spec)  # type: ignore[call-overload]
        name, remedy = found.name, _REMEDIES.get(found.kind, remedy)
    except TypeError:  # "bfloat16" too, before ml_dtypes is imported
        name = str(spec)
    if name not in DTYPES:
        raise DTypeError(f"dtype: one of {', '.join(DTYPES)}; got {spec!r}. {remedy}")
    return DTYPES[name]


def promote(a: DType, b: DType) -> DType:
    """Return the least type that both ``a`` and ``b`` convert to in a mixed operation.

    Booleans go before integers, and those before floats, whatever their sizes. Of one kind
    the wider is taken. An unsigned and a signed type meet in the least signed one that holds
    both, which for uint64 does not exist: int64 stands for it. The halves meet in float32.

    >>> promote(int64, float32), promote(uint8, int8), promote(float16, bfloat16)
    (deepglass.float32, deepglass.int16, deepglass.float32)
    """
    low, high = sorted((a, b), key=lambda d: (_ORDER[d.kind], d.bytes))
    if _ORDER[low.kind] < _ORDER[high.kind] or low is high:
        return high
    if low.kind == high.kind:
        return high if low.bytes < high.bytes else float32
    unsigned, signed = (a, b) if a.kind == "unsigned" else (b, a)
    return DTYPES[f"int{8 * min(8, max(signed.bytes, 2 * unsigned.bytes))}"]


def widened(array: np.ndarray) -> np.ndarray:
    """Return an array of halves as float32, which loses nothing, and any other as it is."""
    if array.dtype.itemsize != 2 or not dtype_of(array.dtype).is_half:
        return array
    with np.errstate(all="ignore"):  # a signalling NaN
        return array.astype(np.float32)


def convert(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Return the numbers of ``array`` in another element type, by NumPy.

    Integers wrap around. Floats lose their fraction towards zero; out of an integer's range
    they become its nearest end, and NaN becomes 0. Whatever becomes a half is rounded to
    float32 first.
    """
    if array.dtype == dtype.numpy:
        return array
    array = widened(array)
    with np.errstate(all="ignore"):
        if dtype.is_half:
            array = array.astype(np.float32)
        if array.dtype.kind == "f" and dtype.is_integer:
            return _whole_numbers(array, dtype.numpy)
        return array.astype(dtype.numpy)


def _whole_numbers(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    ends = np.iinfo(dtype)
    above, below = array >= float(ends.max), array <= float(ends.min)
    inside = np.where(above | below | np.isnan(array), 0, array).astype(dtype)
    return np.where(above, dtype.type(ends.max), np.where(below, dtype.type(ends.min), inside))


@dataclass(frozen=True)
class TensorType:
    """Shape and element type of a value."""

    shape: Shape
    dtype: DType

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * self.dtype.bytes

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"
