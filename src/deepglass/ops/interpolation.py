"""Images and signals made larger or smaller."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError, ShapeError
from ..graph.tensor import Tensor, apply, as_floats
from ..graph.types import Shape
from .adaptive import adaptive_mean, check_lengths
from .resampling import RESAMPLE, Resampling
from .window import per_axis

# mode, and how many axes it works on
_MODES = {"nearest": (1, 2), "linear": (1,), "bilinear": (2,), "area": (1, 2)}


def interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Return the images (or signals) made larger or smaller.

    Args:
        input: see Shapes.
        size: height and width to reach, in pixels (one number for both).
        scale_factor: instead of a size, what height and width are multiplied by.
        mode: "nearest" repeats or leaves out pixels; "linear" for signals and "bilinear" for
            images draw straight lines between them; "area" takes the mean of all that a new
            pixel covers.
        align_corners: for the linear modes, whether the centres of the outermost pixels stay
            where they are; else (and if None) the borders of the image do.

    Shapes:
        input: (batch, channels, height, width) or (batch, channels, length)
        returned: the same with the lengths given, or the old ones times ``scale_factor``, rounded
            down

    Raises:
        ShapeError: the input is of another shape, or nothing would be left of it.
        DomainError: a mode that does not exist for it; neither or both of size and scale_factor.

    Numerics: "nearest" picks the pixel at floor(i * old / new), or at floor(i / scale_factor) where
        that is given, with the product rounded to float32 as PyTorch rounds it.

    >>> interpolate(Tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    >>> interpolate(Tensor([[[1.0, 3.0]]]), 3, mode="linear", align_corners=True)
    tensor([[[1., 2., 3.]]])
    """
    x = as_floats("interpolate", input)
    axes = x.ndim - 2
    if axes not in (1, 2):
        raise ShapeError(
            "interpolate: the input is (batch, channels, height, width) or (batch, channels, "
            f"length); got {x.shape}. Add a batch axis with x[None]."
        )
    if axes not in _MODES.get(mode, ()):
        known = ", ".join(f'"{m}"' for m, works in _MODES.items() if axes in works)
        raise DomainError(f"interpolate: the mode for {x.shape} is one of {known}; got {mode!r}.")
    if align_corners is not None and "linear" not in mode:
        raise DomainError(
            f"interpolate: align_corners is for the linear modes; got {align_corners} with mode "
            f"{mode!r}. Leave it out."
        )
    if (size is None) == (scale_factor is None):
        raise DomainError(
            f"interpolate: either size or scale_factor is given; got {size} and {scale_factor}."
        )
    counts, scales = _sizes(x.shape[2:], size, scale_factor)
    check_lengths("interpolate", x.shape, counts)
    if mode == "area":
        return adaptive_mean(x, counts)
    for dim, (n, m, scale) in enumerate(zip(x.shape[2:], counts, scales, strict=True), 2):
        if m == n or (m == 2 * n and mode == "nearest"):
            scale = n / m  # as PyTorch does, whatever the scale_factor was before rounding
        if align_corners:
            scale = (n - 1) / (m - 1) if m > 1 else 0.0
        if n != m or scale != 1:
            rule = Resampling(mode.removeprefix("bi"), n, m, scale, bool(align_corners))
            x = apply(RESAMPLE, x, dim=dim, rule=rule)
    return x


def _sizes(
    lengths: Shape, size: Any, scale_factor: Any
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the lengths to reach, and how many old elements one new one is as long as."""
    if size is not None:
        counts = per_axis("interpolate: size", size, len(lengths))
        return counts, tuple(n / m if m else 0.0 for n, m in zip(lengths, counts, strict=True))
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else [scale_factor] * len(
        lengths
    )  # fmt: skip
    if len(factors) != len(lengths) or any(f <= 0 for f in factors):
        raise DomainError(
            f"interpolate: scale_factor is one positive number, or one each for {lengths}; got "
            f"{scale_factor}."
        )
    counts = tuple(int(n * f) for n, f in zip(lengths, factors, strict=True))
    return counts, tuple(1 / f for f in factors)
