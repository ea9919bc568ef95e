"""Pooling to a given size, whatever the size before.

Element ``i`` of ``count`` covers what lies between ``floor(i * length / count)`` and
``ceil((i + 1) * length / count)``. Where lengths divide that is plain pooling; else the axis is
resampled first.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..graph.tensor import Tensor, apply, as_floats
from ..graph.types import Shape
from .pooling import largest, numbered
from .resampling import RESAMPLE, Resampling, covered
from .selecting import index_select
from .unfolding import mean_under
from .window import Window, Windows, check_axes, per_axis


def check_lengths(name: str, shape: Shape, counts: Shape) -> None:
    """Raise unless there is something, and something remains, along the last axes."""
    lengths = shape[len(shape) - len(counts) :]
    if min(*lengths, *counts) < 1:
        raise ShapeError(
            f"{name}: every length is at least 1, before and after; got {lengths} to become "
            f"{counts}. Choose a larger size."
        )


def _prepared(name: str, axes: int, input: Any, output_size: Any) -> tuple[Tensor, Shape]:
    """Return the input and the lengths to reach; None keeps one."""
    x = as_floats(name, input)
    check_axes(name, axes, x.shape)
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    kept = (n if m is None else m for n, m in zip(x.shape[-axes:], wanted, strict=False))
    sizes = tuple(kept) if len(wanted) == axes else wanted
    counts = per_axis(f"{name}: output_size", sizes, axes)
    check_lengths(name, x.shape, counts)
    return x, counts


def _even(x: Tensor, counts: Shape) -> Windows:
    """Windows side by side that fill the last axes of ``x``."""
    lengths = x.shape[x.ndim - len(counts) :]
    return tuple(Window(n, n // m, m, n // m) for n, m in zip(lengths, counts, strict=True))


def adaptive_mean(x: Tensor, counts: Shape) -> Tensor:
    """Return the means over ``counts`` parts of the last axes."""
    for dim, m in enumerate(counts, x.ndim - len(counts)):
        if x.shape[dim] % m:
            x = apply(RESAMPLE, x, dim=dim, rule=Resampling("area", x.shape[dim], m))
    return mean_under(x, _even(x, counts))


def _spread(x: Tensor, counts: Shape) -> Tensor:
    """Lay the elements of parts that overlap side by side; shorter parts repeat their last."""
    for dim, m in enumerate(counts, x.ndim - len(counts)):
        if x.shape[dim] % m:
            index, _ = covered(x.shape[dim], m)
            x = index_select(x, dim, Tensor(index.reshape(-1)))
    return x


def _adaptive_max(axes: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    x, counts = _prepared(f"adaptive_max_pool{axes}d", axes, input, output_size)
    wide = _spread(x, counts)
    places = _spread(numbered(x, axes), counts) if return_indices else None
    return largest(wide, _even(wide, counts), places)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Tensor:
    """Return the means over ``output_size`` parts of the signal.

    Shapes:
        input: (batch, channels, length), or without the batch
        returned: (batch, channels, output_size)

    >>> adaptive_avg_pool1d(Tensor([[1.0, 2.0, 6.0]]), 2)
    tensor([[1.5, 4. ]])
    """
    return adaptive_mean(*_prepared("adaptive_avg_pool1d", 1, input, output_size))


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """Return the means over parts of the image, as many as ``output_size`` says.

    With an ``output_size`` of 1 the mean of each channel: global average pooling.

    Args:
        input: images, see Shapes.
        output_size: height and width of the result (one number for both); None keeps one.

    Shapes:
        input: (batch, channels, height, width), or without the batch
        returned: (batch, channels, *output_size)

    Raises:
        ShapeError: an axis has no elements, or none would be left.

    Source: global average pooling: Lin, Chen and Yan (2014), section 3.2.

    >>> adaptive_avg_pool2d(Tensor([[[1.0, 5.0], [2.0, 4.0]]]), (1, None))
    tensor([[[1.5, 4.5]]])
    """
    return adaptive_mean(*_prepared("adaptive_avg_pool2d", 2, input, output_size))


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of ``output_size`` parts of the signal.

    Args: as of `adaptive_max_pool2d`.

    Shapes:
        input: (batch, channels, length), or without the batch
        returned: (batch, channels, output_size)

    >>> adaptive_max_pool1d(Tensor([[1.0, 2.0, 6.0]]), 2)
    tensor([[2., 6.]])
    """
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest pixels in parts of the image, as many as ``output_size`` says.

    Args:
        input: images, see Shapes.
        output_size: height and width of the result (one number for both); None keeps one.
        return_indices: return (values, indices), each pixel with its number in the image,
            counted row by row.

    Shapes:
        input: (batch, channels, height, width), or without the batch
        returned: (batch, channels, *output_size)

    Raises:
        ShapeError: an axis has no elements, or none would be left.

    Gradient: goes to the first largest pixel of each part, row by row.

    >>> adaptive_max_pool2d(Tensor([[[1.0, 5.0], [2.0, 4.0]]]), 1)
    tensor([[[5.]]])
    """
    return _adaptive_max(2, input, output_size, return_indices)
