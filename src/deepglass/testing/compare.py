"""Whether two results agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph.types import TensorType, dtype_of


@dataclass(frozen=True)
class Tolerance:
    """How far two results may be apart.

    |got - expected| <= relative * |expected| + absolute * max(1, largest |expected|)

    The second part is for elements that are small because large terms cancel in them.
    """

    relative: float
    absolute: float


# The one table by element type; all other types agree exactly. Halves may be one unit in the
# last place apart: what was rounded to them was computed in float32.
TOLERANCES = {
    "float16": Tolerance(relative=2.0**-10, absolute=2e-6),
    "bfloat16": Tolerance(relative=2.0**-7, absolute=2e-6),
    "float32": Tolerance(relative=1e-5, absolute=2e-6),
    "float64": Tolerance(relative=1e-12, absolute=1e-13),
}


def assert_close(what: str, got: Any, expected: Any, tolerance: Tolerance | None = None) -> None:
    """Raise unless two arrays have one shape and type and agree.

    Args:
        what: what is compared, for the message.
        got, expected: tensors or arrays.
        tolerance: that of the element type in `TOLERANCES` unless given.

    Raises:
        AssertionError: with the worst element and both its values.

    >>> assert_close("halves", np.array([0.5]), np.array([0.25]))
    Traceback (most recent call last):
    AssertionError: halves: worst at [0]: got 0.5, expected 0.25, 0.25 apart where 3.5e-13 is \
allowed (1 of 1 elements differ).
    """
    left, right = np.asarray(got), np.asarray(expected)
    if left.shape != right.shape or left.dtype != right.dtype:
        raise AssertionError(
            f"{what}: shape and type are the same; got {type_of(left)}, expected {type_of(right)}."
        )
    if left.dtype.name not in TOLERANCES and tolerance is None:
        apart = (left != right).astype(float)
        allowed = np.zeros(left.shape)
    else:
        apart, allowed = _distance(left, right, tolerance or TOLERANCES[left.dtype.name])
    wrong = ~(apart <= allowed)
    if wrong.any():
        excess = np.where(wrong, np.nan_to_num(apart - allowed, nan=np.inf, posinf=np.inf), -1)
        at = tuple(int(i) for i in np.unravel_index(excess.argmax(), excess.shape))
        raise AssertionError(
            f"{what}: worst at {list(at)}: got {left[at]:.9g}, expected {right[at]:.9g}, "
            f"{apart[at]:.3g} apart where {allowed[at]:.2g} is allowed "
            f"({int(wrong.sum())} of {wrong.size} elements differ)."
        )


def _distance(
    left: np.ndarray, right: np.ndarray, tolerance: Tolerance
) -> tuple[np.ndarray, np.ndarray]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    size = np.abs(np.where(np.isfinite(b), b, 0.0))
    scale = max(1.0, float(size.max(initial=0.0)))
    return apart, tolerance.relative * size + tolerance.absolute * scale


def type_of(x: np.ndarray) -> TensorType:
    return TensorType(x.shape, dtype_of(x.dtype))


def is_float(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" or x.dtype.name == "bfloat16"
