"""Normalisation: numbers brought to one size, over a batch, a sample or their neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_floats
from .elementwise import same, to
from .functions import exp, log, rsqrt
from .movement import reshape
from .padding import pad
from .reduction import mean, sum
from .samples import real
from .slicing import narrow
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
    misuses=(
        Misuse((np.array([1, 2]),), {"dims": (0,), "eps": 0.1}, DTypeError, "got int64[2]"),
        Misuse((np.array([True]),), {"dims": (0,), "eps": 0.1}, DTypeError, "bool[1]. Convert"),
    ),
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
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the input with each channel brought to mean 0 and variance 1, then scaled.

    y = (x - mean) / sqrt(var + eps) * weight + bias

    In training mean and (biased) variance are those of the batch, and the running values
    move towards them: running = (1 - momentum) running + momentum batch, with the unbiased
    variance. Otherwise the running values are used, or those of the batch if there are none.

    Args:
        input, running_mean, running_var, weight, bias: see Shapes; None where not wanted.
        training: use (and learn) the statistics of the batch.
        momentum: share of the batch in the running values, from 0 to 1; a number or a tensor.
        eps: added to the variance.

    Shapes:
        input: (batch, channels) or (batch, channels, ...)
        all others: (channels,)

    Raises:
        ShapeError: a batch with a single value per channel, whose variance is 0.
        DTypeError: the input does not hold floats.

    Numerics: variances are sums of squared deviations, never differences of squares.

    Source: Ioffe and Szegedy (2015), algorithm 1.
    """
    x = as_floats("batch_norm", input)
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: the input is (batch, channels, ...); got {x.shape}.")
    dims = tuple(d for d in range(x.ndim) if d != 1)
    if training or running_mean is None or running_var is None:
        count = prod(x.shape[d] for d in dims)
        if count < 2:
            raise ShapeError(
                f"batch_norm: a batch has more than one value per channel; got {x.shape}. "
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
    return _scaled_channels(y, weight, bias)


def _scaled_channels(y: Tensor, weight: Any, bias: Any) -> Tensor:
    if weight is not None:
        y = y * _per_channel(weight, y)
    return y if bias is None else y + _per_channel(bias, y)


def _move(running: Tensor, value: Tensor, momentum: Any) -> None:
    moved = (1 - momentum) * running + momentum * value
    running.rebind(to(moved, running.dtype).node)


def _last_axes(name: str, input: Any, normalized_shape: Any) -> tuple[Tensor, tuple[int, ...]]:
    """Return the input and the axes of ``normalized_shape``, with which its shape ends."""
    x = as_floats(name, input)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name}: the input ends with {shape}; got {x.shape}.")
    return x, tuple(range(x.ndim - len(shape), x.ndim))


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
    x, dims = _last_axes("layer_norm", input, normalized_shape)
    y = apply(STANDARDIZE, x, dims=dims, eps=eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Tensor:
    """Return each sample with its last axes brought to mean square 1, then scaled.

    y = x / sqrt(mean(x^2) + eps) * weight, the mean over the axes of ``normalized_shape``

    Args:
        input, normalized_shape, weight: see Shapes; None for no weight.
        eps: added to the mean square; the spacing of numbers at 1 unless given.

    Shapes:
        input: (..., *normalized_shape)
        weight: normalized_shape, or None

    Raises:
        ShapeError: the input does not end with ``normalized_shape``.

    Source: Zhang and Sennrich (2019), equation 4.

    >>> rms_norm(Tensor([[3.0, 4.0]]), 2)
    tensor([[0.8485, 1.1314]])
    """
    x, dims = _last_axes("rms_norm", input, normalized_shape)
    least = float(np.finfo(x.dtype.wide.numpy).eps) if eps is None else eps
    y = x * rsqrt(mean(x * x, dims, keepdim=True) + least)
    return y if weight is None else y * weight


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Return each sample with every group of channels brought to mean 0 and variance 1.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and biased variance over the
    channels of a group and all their places

    Args:
        input, weight, bias: see Shapes; None where not wanted.
        num_groups: 1 is one group of all channels; as many as channels, each by itself.
        eps: added to the variance.

    Shapes:
        input: (batch, channels, ...)
        weight, bias: (channels,)

    Raises:
        ShapeError: the channels do not divide into ``num_groups``.

    Source: Wu and He (2018), equation 7.

    >>> group_norm(Tensor([[1.0, 3.0, 10.0, 10.0]]), 2)
    tensor([[-1.,  1.,  0.,  0.]])
    """
    x = as_floats("group_norm", input)
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(
            "group_norm: the input is (batch, channels, ...) and the channels divide into the "
            f"groups; got {x.shape} and {num_groups} groups."
        )
    groups = reshape(x, x.shape[0], num_groups, prod(x.shape[1:]) // num_groups)
    y = reshape(apply(STANDARDIZE, groups, dims=(2,), eps=eps), x.shape)
    return _scaled_channels(y, weight, bias)


def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return each number divided by what its neighbours in other channels amount to.

    y[n, c] = x[n, c] / (k + alpha / size * sum of x[n, j]^2 over size channels around c)^beta

    Args:
        input: (batch, channels, ...)
        size: how many channels count, c among them; those beyond the ends are 0.
        alpha, beta, k: of the formula.

    Raises:
        ShapeError: the input has no channels.
        DomainError: ``size`` is less than 1.

    Source: Krizhevsky, Sutskever and Hinton (2012), section 3.3, with alpha divided by size
    as in PyTorch.

    >>> local_response_norm(Tensor([[1.0, 2.0]]), 2, alpha=2.0, beta=1.0)
    tensor([[0.5   , 0.3333]])
    """
    x = as_floats("local_response_norm", input)
    if x.ndim < 2:
        raise ShapeError(
            f"local_response_norm: the input is (batch, channels, ...); got {x.shape}."
        )
    if size < 1:
        raise DomainError(f"local_response_norm: at least one channel counts; got size {size}.")
    border = [0, 0] * (x.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = pad(x * x, border)
    around = narrow(squares, 1, 0, x.shape[1])
    for start in range(1, size):
        around = around + narrow(squares, 1, start, x.shape[1])
    return x * exp(log(around * (alpha / size) + k) * -beta)
