"""Borders: of one number, or of what lies inside, mirrored, held or repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DomainError, ShapeError
from ..graph.tensor import Tensor, apply, as_tensor
from .selecting import index_select
from .slicing import PAD, narrow

# Where the element at each position of a padded axis of length n comes from.
_SOURCES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "reflect": lambda at, n: n - 1 - np.abs(n - 1 - np.abs(at)),
    "replicate": lambda at, n: np.clip(at, 0, n - 1),
    "circular": lambda at, n: at % n,
}
_MOST = {"reflect": -1, "replicate": None, "circular": 0}  # widths beyond the length of the axis


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Return ``input`` with a border.

    Args:
        input: any tensor.
        pad: (before, after) for the last axis, then for the one before it, and so on; negative
            widths cut off.
        mode: what stands in the border: "constant" for ``value``; "reflect", what lies inside,
            mirrored at the outermost element; "replicate", the outermost element; "circular",
            what lies at the other end.
        value: of a constant border.

    Raises:
        ShapeError: too many widths, more cut off than there is, or a border wider than can be
            mirrored or repeated.

    >>> pad(Tensor([1.0, 2.0, 3.0]), (1, 0))
    tensor([0., 1., 2., 3.])
    >>> pad(Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    tensor([3., 2., 1., 2., 3., 2.])
    """
    x = as_tensor(input)
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(
            f"pad: two widths per axis, last axis first; got {tuple(pad)} for {x.type}."
        )
    pairs = [(int(pad[k]), int(pad[k + 1])) for k in range(0, len(pad), 2)]
    axes = list(zip(range(x.ndim - 1, -1, -1), pairs, strict=False))
    if any(before + after < -x.shape[axis] for axis, (before, after) in axes):
        raise ShapeError(f"pad: at most all is cut off; got {tuple(pad)} for {x.type}. Pad less.")
    if mode == "constant":
        for axis, (before, after) in axes:
            start, stop = max(-before, 0), x.shape[axis] + min(after, 0)
            x = narrow(x, axis, start, stop - start) if min(before, after) < 0 else x
        widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
        positive = tuple((max(before, 0), max(after, 0), 0) for before, after in widths)
        return apply(PAD, x, widths=positive, value=value)
    if mode not in _SOURCES:
        raise DomainError(
            f"pad: mode is constant, {', '.join(_SOURCES)}; got {mode!r}. Choose one of them."
        )
    for axis, (before, after) in axes:
        x = _bordered(x, axis, before, after, mode)
    return x


def _bordered(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    length, beyond = x.shape[axis], _MOST[mode]
    most = np.inf if beyond is None else length + beyond
    least = 0 if mode == "circular" else -length  # cut off, or repeated? nobody agrees
    if max(before, after) > most or min(before, after) < least or not length:
        raise ShapeError(
            f"pad: widths from {least} to {most} for {mode!r} along axis {axis} of length "
            f"{length}; got {before} and {after}. Use mode='constant', or pad less."
        )
    if before == after == 0:
        return x
    source = _SOURCES[mode](np.arange(-before, length + after), length)
    return index_select(x, axis, Tensor(source))
