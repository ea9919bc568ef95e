"""Normalisation: numbers brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Composite
from ..graph.op import Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from .elementwise import same
from .functions import rsqrt
from .movement import reshape
from .reduction import sum
from .samples import real
from .statistics import moments


def _standardize(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    center, variance = moments(x, dims)
    return (x - center) * rsqrt(variance + eps)


def _standardize_gradient(
    g: Tensor, y: Tensor, x: Tensor, dims: tuple[int, ...], eps: float
) -> Tensor:
    """Through the mean and the variance as well: what is left of g is orthogonal to both."""
    count = float(prod(x.shape[d] for d in dims) or 1)
    center, variance = moments(x, dims)
    scale = rsqrt(variance + eps)
    normal = (x - center) * scale
    along = sum(g * normal, dims, keepdim=True) / count
    return scale * (g - sum(g, dims, keepdim=True) / count - normal * along)


def _standardize_reference(x: np.ndarray, dims: tuple[int, ...], eps: float) -> np.ndarray:
    deviation = x - x.mean(dims, keepdims=True)
    return np.asarray(deviation / np.sqrt(x.var(dims, keepdims=True) + eps))


def _standardize_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dims in (
        ((5, 3), (0,)), ((2, 3, 5, 7), (0, 2, 3)), ((3, 5), (1,)), ((2, 3, 5), (1, 2)),
        ((3, 2, 4, 20), (0, 2, 3)),
    ):  # fmt: skip
        yield Sample((real(rng, shape),), {"dims": dims, "eps": 1e-5})


STANDARDIZE = Op(
    name="standardize",
    infer=lambda x, dims, eps: same("standardize", "float")(x),
    reference=_standardize_reference,
    kernel=Composite(_standardize),
    gradient=(_standardize_gradient,),
    samples=_standardize_samples,
    notation="standardize({0}, {dims})",
    doc="(x - mean) / sqrt(variance + eps) with mean and biased variance over the axes dims.",
)


def _per_channel(v: Any, x: Tensor) -> Tensor:
    return reshape(v, 1, -1, *[1] * (x.ndim - 2))


def batch_norm(
    input: Any,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the input with each channel brought to mean 0 and variance 1, then scaled.

    y = (x - mean) / sqrt(var + eps) * weight + bias

    In training mean and (biased) variance are those of the batch, and the running values
    move towards them: running = (1 - momentum) running + momentum batch, with the unbiased
    variance. Otherwise the running values are used.

    Args:
        input, running_mean, running_var, weight, bias: see Shapes; None where not wanted.
        training: use (and learn) the statistics of the batch.
        momentum: share of the batch in the running values, from 0 to 1.
        eps: added to the variance.

    Shapes:
        input: (batch, channels) or (batch, channels, height, width)
        all others: (channels,)

    Raises:
        ShapeError: training with a single value per channel, whose variance is 0.

    Numerics: variances are sums of squared deviations, never differences of squares.

    Source: Ioffe and Szegedy (2015), algorithm 1.
    """
    x = as_tensor(input)
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: the input is (batch, channels, ...); got {x.shape}.")
    dims = tuple(d for d in range(x.ndim) if d != 1)
    if training or running_mean is None or running_var is None:
        count = prod(x.shape[d] for d in dims)
        if count < 2:
            raise ShapeError(
                f"batch_norm: training needs more than one value per channel; got {x.shape}. "
                "Use a larger batch, or model.eval()."
            )
        y = apply(STANDARDIZE, x, dims=dims, eps=eps)
        if training and running_mean is not None and running_var is not None:
            center, variance = moments(x.detach(), dims)
            _move(running_mean, reshape(center, -1), momentum)
            _move(running_var, reshape(variance * (count / (count - 1)), -1), momentum)
    else:
        scale = rsqrt(running_var + eps)
        y = (x - _per_channel(running_mean, x)) * _per_channel(scale, x)
    if weight is not None:
        y = y * _per_channel(weight, x)
    return y if bias is None else y + _per_channel(bias, x)


def _move(running: Tensor, value: Tensor, momentum: float) -> None:
    running.rebind(((1 - momentum) * running + momentum * value).node)


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Return each sample with its last axes brought to mean 0 and variance 1, then scaled.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and biased variance over the axes
    of ``normalized_shape``

    Shapes:
        input: (..., *normalized_shape)
        weight, bias: normalized_shape, or None

    Raises:
        ShapeError: the input does not end with ``normalized_shape``.

    Source: Ba, Kiros and Hinton (2016), equation 3.

    >>> layer_norm(Tensor([[1.0, 3.0]]), 2)
    tensor([[-1.,  1.]])
    """
    x = as_tensor(input)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"layer_norm: the input ends with {shape}; got {x.shape}.")
    y = apply(STANDARDIZE, x, dims=tuple(range(x.ndim - len(shape), x.ndim)), eps=eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias
