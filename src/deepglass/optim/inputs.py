"""The inputs of `minimize` and `maximize`: one vector of numbers behind several forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autodiff import value_and_grad
from ..errors import DomainError, GradientError
from ..graph.tensor import Tensor
from ..graph.types import DType

Bounds = Mapping[Any, Sequence[float | None]] | Sequence[Any] | None


class Inputs:
    """Inputs in the form in which they were given, and the vector of all their numbers.

    Args:
        name: of the function, for messages.
        inputs: a dict, a tuple, or a single argument.
        dtype: the type to compute in.

    Attributes:
        start: the vector.
        columns: the column of each number, as it is named in bounds.
        rounding: the relative distance of neighbouring numbers.
    """

    def __init__(self, name: str, inputs: Any, dtype: DType) -> None:
        self.name, self.inputs, self.dtype = name, inputs, dtype
        if isinstance(inputs, dict):
            parts, names = [np.array([[float(v) for v in inputs.values()]])], list(inputs)
        elif isinstance(inputs, tuple):
            parts = [_numbers(part) for part in inputs]
            names = [k for k, part in enumerate(parts) for _ in range(part.size)]
        else:
            parts = [_numbers(inputs)]
            width = parts[0].shape[-1] if parts[0].ndim else 1
            names = [k % width for k in range(parts[0].size)]
        self.parts, self.columns = parts, names
        self.start = np.concatenate([p.reshape(-1) for p in parts]) if parts else np.zeros(0)
        if not self.start.size:
            raise DomainError(f"{name}: at least one number is searched for; got {inputs!r}.")
        self.rounding = float(np.finfo(dtype.numpy).eps)

    def arrays(self, vector: np.ndarray) -> list[np.ndarray]:
        """Return the arguments that hold the numbers of ``vector``."""
        ends = np.cumsum([p.size for p in self.parts])[:-1]
        pieces = np.split(vector, ends)
        return [piece.reshape(p.shape) for piece, p in zip(pieces, self.parts, strict=True)]

    def given(self, vector: np.ndarray) -> Any:
        """Return the numbers of ``vector`` in the form of the inputs."""
        if isinstance(self.inputs, dict):
            return dict(zip(self.inputs, vector.tolist(), strict=True))
        values = [a if a.ndim else a.item() for a in self.arrays(vector)]
        if isinstance(self.inputs, tuple):
            return tuple(values)
        return Tensor(values[0], self.dtype) if isinstance(self.inputs, Tensor) else values[0]

    def evaluate(
        self, function: Callable[..., Any], vector: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Return the value of ``function`` and its gradient, as a vector."""
        tensors = [Tensor(a, self.dtype) for a in self.arrays(vector)]
        value, gradients = value_and_grad(self._watched(function), range(len(tensors)))(*tensors)
        flat = [np.asarray(g.numpy(), np.float64).reshape(-1) for g in gradients]
        return float(value), np.concatenate(flat)

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*tensors: Tensor) -> Any:
            value = function(*tensors)
            if isinstance(value, Tensor) and not value.requires_grad:
                raise GradientError(
                    f"{self.name}: the value depends on the inputs by operations of deepglass; got "
                    f"{value.type} without a history. Use these in the function instead of NumPy "
                    "or float(), and pass it uncompiled."
                )
            return value

        return call

    def box(self, bounds: Bounds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the lower and upper bounds of all numbers, and which of them move."""
        known = list(dict.fromkeys(self.columns))
        pairs: dict[Any, Any] = dict.fromkeys(known, (None, None))
        if isinstance(bounds, Mapping):
            pairs = dict(bounds)
        elif bounds is not None and _is_pair(bounds):
            pairs = dict.fromkeys(known, bounds)
        elif bounds is not None:
            pairs = dict(zip(known, bounds, strict=False)) if len(bounds) == len(known) else {}
        good = all(b is None or _is_pair(b) for b in pairs.values())
        if not pairs or not good or not set(pairs) <= set(known):
            raise DomainError(
                f"{self.name}: bounds are a pair (low, high), or a pair for each of the columns "
                f"{known}; got {bounds!r}. Bound and move single columns with a dict, such as "
                f"{{{known[0]!r}: (0, 1)}}."
            )
        ends = [pairs.get(c) or (None, None) for c in self.columns]
        low = np.array([-np.inf if a is None else a for a, _ in ends], np.float64)
        high = np.array([np.inf if b is None else b for _, b in ends], np.float64)
        if not (low <= high).all():
            raise DomainError(
                f"{self.name}: the lower bound is not above the upper one; got {bounds!r}. Swap "
                "them."
            )
        return low, high, np.array([c in pairs for c in self.columns])


def _numbers(part: Any) -> np.ndarray:
    return np.asarray(part.numpy() if isinstance(part, Tensor) else part, np.float64)


def _is_pair(bounds: Any) -> bool:
    return (
        isinstance(bounds, (tuple, list))
        and len(bounds) == 2
        and all(b is None or isinstance(b, (int, float, np.number)) for b in bounds)
    )
