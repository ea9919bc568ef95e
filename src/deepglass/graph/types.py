"""Element types and tensor types: what a value is before anybody computes it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ..errors import DTypeError

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class DType:
    """An element type; there is one object per type.

    Two types promote to the one with the higher ``rank``; a Python number takes the
    type of the tensor beside it, unless that would lose its kind (see `promote`).
    """

    name: str
    kind: str  # "bool", "unsigned", "signed" or "float", as NumPy's kind letters tell apart
    bytes: int
    rank: int

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return dtype_of, (self.name,)  # copies are the type itself

    @property
    def numpy(self) -> np.dtype:
        """The NumPy type of the same name."""
        return np.dtype(self.name)

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("signed", "unsigned")

    def __repr__(self) -> str:
        return f"deepglass.{self.name}"

    def __str__(self) -> str:
        return self.name


bool_ = DType("bool", "bool", 1, 0)
uint8 = DType("uint8", "unsigned", 1, 1)
uint32 = DType("uint32", "unsigned", 4, 2)
int32 = DType("int32", "signed", 4, 3)
uint64 = DType("uint64", "unsigned", 8, 4)
int64 = DType("int64", "signed", 8, 5)
float32 = DType("float32", "float", 4, 6)
float64 = DType("float64", "float", 8, 7)

DTYPES: dict[str, DType] = {
    d.name: d for d in (bool_, uint8, uint32, int32, uint64, int64, float32, float64)
}


_BY_NUMPY: dict[object, DType] = {d.numpy: d for d in DTYPES.values()}


def dtype_of(spec: object) -> DType:
    """Return the `DType` that ``spec`` names: a `DType`, a NumPy type, or a name.

    Raises:
        DTypeError: deepglass has no such element type.
    """
    if isinstance(spec, DType):
        return spec
    if isinstance(spec, np.dtype) and spec in _BY_NUMPY:
        return _BY_NUMPY[spec]
    try:
        name = np.dtype(spec).name  # type: ignore[call-overload]
    except TypeError:
        name = str(spec)
    if name not in DTYPES:
        raise DTypeError(
            f"dtype: one of {', '.join(DTYPES)}; got {spec!r}. Convert the data first."
        )
    return DTYPES[name]


def promote(a: DType, b: DType) -> DType:
    """Return the type that both ``a`` and ``b`` convert to in a mixed operation.

    >>> promote(int64, float32)
    deepglass.float32
    """
    return a if a.rank >= b.rank else b


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
