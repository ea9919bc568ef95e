"""Filling parameters with numbers to start from.

All work in place under no_grad, return the tensor, and draw from the default generator unless
one is given. A weight is (out, in, ...): ``fan_in`` is how many inputs one output adds up,
``fan_out`` how many outputs one input goes into.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DomainError, ShapeError
from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..graph.types import Shape
from ..ops.piecewise import clamp
from ..ops.quantile import ndtri
from ..ops.random import Generator, normal, randn, uniform
from .unfilled import filling, unfilled

__all__ = [
    "calculate_gain", "constant_", "eye_", "fans", "kaiming_normal_", "kaiming_uniform_",
    "lecun_normal_", "lecun_uniform_", "normal_", "ones_", "orthogonal_", "trunc_normal_",
    "unfilled", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75,
}  # fmt: skip


PIECE = 2**18  # numbers drawn at once


def _fill(tensor: Tensor, value: Any) -> Tensor:
    if filling():
        with set_grad_enabled(False):
            tensor.copy_(value)
    return tensor


def _draw(tensor: Tensor, draw: Callable[[Shape], Tensor]) -> Tensor:
    """Fill with what ``draw`` returns for a shape.

    A large tensor is filled in pieces that stay in the cache; its numbers are the same, as
    those of a stream depend on their place alone.
    """
    size = tensor.numel()
    if not filling():
        return tensor
    if size <= PIECE:
        return _fill(tensor, draw(tensor.shape))
    values = np.empty(size, tensor.dtype.numpy)
    for start in range(0, size, PIECE):
        piece = values[start : start + PIECE]
        piece[:] = draw(piece.shape).numpy()
    return _fill(tensor, values.reshape(tensor.shape))


# the same for all -----------------------------------------------------------------------


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill ``tensor`` with ``val``.

    >>> constant_(Tensor([1.0, 2.0]), 7)
    tensor([7., 7.])
    """
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill ``tensor`` with 0."""
    return _fill(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill ``tensor`` with 1."""
    return _fill(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with 1 on its diagonal and 0 elsewhere: a layer that passes on its input.

    Raises:
        ShapeError: the tensor has not two axes.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: a matrix has two axes; got {tensor.shape}.")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


# plain draws ----------------------------------------------------------------------------


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill ``tensor`` with numbers drawn uniformly from [a, b)."""
    return _draw(
        tensor, lambda shape: uniform(a, b, shape, generator=generator, dtype=tensor.dtype)
    )


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill ``tensor`` with numbers drawn from a normal distribution."""
    return _draw(
        tensor, lambda shape: normal(mean, std, shape, generator=generator, dtype=tensor.dtype)
    )


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill ``tensor`` with numbers drawn from the part of a normal distribution in [a, b].

    Args:
        tensor: is filled.
        mean, std: of the whole distribution.
        a, b: least and greatest value; not in units of ``std``.
        generator: the default generator unless given.

    Raises:
        DomainError: the distribution has no part between ``a`` and ``b``.

    Numerics: the quantile function of uniform numbers, in float64.
    """
    low, high = (a - mean) / std, (b - mean) / std
    side = -1.0 if low > 0 else 1.0  # the lower tail is known to more digits
    ends = sorted(0.5 * math.erfc(-side * z / math.sqrt(2)) for z in (low, high))
    if not (a < b and ends[0] < ends[1]):
        raise DomainError(
            f"trunc_normal_: some of the distribution lies between a and b; got a={a}, b={b} for "
            f"mean {mean} and standard deviation {std}."
        )

    def draw(shape: Shape) -> Tensor:
        drawn = uniform(ends[0], ends[1], shape, generator=generator, dtype="float64")
        return clamp(ndtri(drawn) * (side * std) + mean, a, b)

    return _draw(tensor, draw)


# by the number of connections -----------------------------------------------------------


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (out, in, ...).

    Raises:
        ShapeError: the tensor has less than two axes.

    >>> fans(Tensor(np.zeros((7, 3, 5, 2))))
    (30, 70)
    """
    if tensor.ndim < 2:
        raise ShapeError(
            f"init: a weight is (out, in, ...); got {tensor.shape}. Use uniform_ or zeros_ for "
            "a bias."
        )
    area = math.prod(tensor.shape[2:])
    return tensor.shape[1] * area, tensor.shape[0] * area


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights are larger because an activation shrinks signals.

    Args:
        nonlinearity: "linear", "conv1d", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu" or
            "selu".
        param: the slope below zero of "leaky_relu", 0.01 unless given.

    Raises:
        DomainError: another name.

    >>> calculate_gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope * slope))
    if nonlinearity not in _GAINS:
        raise DomainError(
            f"calculate_gain: one of {', '.join(_GAINS)}, leaky_relu; got {nonlinearity!r}."
        )
    return _GAINS[nonlinearity]


def _uniform_of(tensor: Tensor, std: float, generator: Generator | None) -> Tensor:
    """Fill with uniform numbers of mean 0 and standard deviation ``std``."""
    bound = math.sqrt(3) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill a weight so that neither signals nor gradients grow or shrink, with tanh.

    Uniform in [-bound, bound] with bound = gain sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio (2010), equation 16.
    """
    return _uniform_of(tensor, _xavier(tensor, gain), generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill a weight so that neither signals nor gradients grow or shrink, with tanh.

    Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)).

    Source: Glorot and Bengio (2010), equation 12.
    """
    return normal_(tensor, 0.0, _xavier(tensor, gain), generator)


def _xavier(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / max(sum(fans(tensor)), 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill a weight so that signals keep their size through layers of ReLU.

    Uniform in [-bound, bound] with bound = gain sqrt(3 / fan).

    Args:
        tensor: a weight (out, in, ...).
        a: slope of "leaky_relu" below zero; 0 is ReLU.
        mode: "fan_in" keeps the size of signals, "fan_out" that of gradients.
        nonlinearity: see `calculate_gain`.
        generator: the default generator unless given.

    Raises:
        DomainError: another mode or nonlinearity.

    Source: He, Zhang, Ren and Sun (2015), equations 10 and 14.
    """
    return _uniform_of(tensor, _kaiming(tensor, a, mode, nonlinearity), generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill a weight so that signals keep their size through layers of ReLU.

    Normal with standard deviation gain / sqrt(fan); arguments as `kaiming_uniform_`.

    Source: He, Zhang, Ren and Sun (2015), equations 10 and 14.
    """
    return normal_(tensor, 0.0, _kaiming(tensor, a, mode, nonlinearity), generator)


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise DomainError(f"kaiming: mode is 'fan_in' or 'fan_out'; got {mode!r}.")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill a weight so that sums of inputs of variance 1 have variance 1.

    Uniform in [-bound, bound] with bound = sqrt(3 / fan_in).

    Source: LeCun, Bottou, Orr and Müller (1998), "Efficient backprop", section 4.6.
    """
    return _uniform_of(tensor, 1 / math.sqrt(max(fans(tensor)[0], 1)), generator)


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill a weight so that sums of inputs of variance 1 have variance 1.

    Normal with standard deviation 1 / sqrt(fan_in), as self-normalizing networks need it.

    Source: LeCun, Bottou, Orr and Müller (1998), equation 16.
    """
    return normal_(tensor, 0.0, 1 / math.sqrt(max(fans(tensor)[0], 1)), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill a weight (out, in, ...) with rows, or columns if they are fewer, that are orthogonal
    and of length ``gain``.

    Raises:
        ShapeError: the tensor has less than two axes.

    Numerics: the QR decomposition of normal numbers, in float64, with the signs that make it
    uniform among all such matrices.

    Source: Saxe, McClelland and Ganguli (2014), section 3.
    """
    fans(tensor)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    tall = (max(rows, columns), min(rows, columns))
    q, r = np.linalg.qr(randn(*tall, generator=generator, dtype="float64").numpy())
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def default_weight_(weight: Tensor, bias: Tensor | None, generator: Generator | None) -> None:
    """Fill weight and bias of a linear or convolution layer as PyTorch does: both uniform
    in [-bound, bound] with bound = 1 / sqrt(fan_in)."""
    kaiming_uniform_(weight, math.sqrt(5), generator=generator)
    if bias is not None:
        bound = 1 / math.sqrt(max(fans(weight)[0], 1))
        uniform_(bias, -bound, bound, generator)
