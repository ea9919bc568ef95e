"""Composite ops: said in terms of other ops, with a gradient of their own where it is
shorter or stabler than that of the expansion."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .elementwise import eq, exp, gt, log, maximum, rsqrt, same, to, where
from .indexing import gather, outside
from .movement import axis_of, broadcast_to, iota, reshape
from .random import Generator, rand
from .reduction import amax, mean, sum
from .samples import real, unary_samples


def _away_from_zero(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in unary_samples(-2, 2)(rng):
        x = sample.args[0]
        yield Sample((np.where(np.abs(x) < 0.05, 0.05, x),))
    yield Sample((np.array([0.0, -0.0, np.nan, np.inf, -np.inf]),), smooth=False)


RELU = Op(
    name="relu",
    infer=same("relu"),
    reference=lambda x: np.maximum(x, 0),
    kernel=Composite(lambda x: maximum(x, 0)),
    gradient=(lambda g, y, x: where(gt(y, 0), g, 0),),
    samples=_away_from_zero,
    doc="max(x, 0).",
)


def relu(x: Any) -> Tensor:
    """Return max(x, 0), elementwise.

    Gradient: 1 above zero, 0 at zero and below.

    Source: Nair and Hinton (2010).

    >>> relu(Tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return apply(RELU, as_tensor(x))


# softmax --------------------------------------------------------------------------------


def _floats(name: str) -> Any:
    return lambda x, dim: same(name, "float")(x)


def _softmax_reference(x: np.ndarray, dim: int) -> np.ndarray:
    if not x.size:
        return x
    e = np.exp(x - x.max(dim, keepdims=True))
    return np.asarray(e / e.sum(dim, keepdims=True))


def _log_softmax_reference(x: np.ndarray, dim: int) -> np.ndarray:
    if not x.size:
        return x
    shifted = x - x.max(dim, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(dim, keepdims=True)))


def _shifted(x: Tensor, dim: int) -> Tensor:
    """x minus its maximum, which changes neither softmax nor its gradient."""
    return x - amax(x, dim, keepdim=True).detach()


def _softmax(x: Tensor, dim: int) -> Tensor:
    e = exp(_shifted(x, dim))
    return e / sum(e, dim, keepdim=True)


def _log_softmax(x: Tensor, dim: int) -> Tensor:
    shifted = _shifted(x, dim)
    return shifted - log(sum(exp(shifted), dim, keepdim=True))


def _class_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 1), ((5, 3), 0), ((2, 3, 5), 1), ((3, 40), 1), ((1, 1), 1)):
        yield Sample((real(rng, shape, -5, 5),), {"dim": dim})


SOFTMAX = Op(
    name="softmax",
    infer=_floats("softmax"),
    reference=_softmax_reference,
    kernel=Composite(_softmax),
    gradient=(lambda g, y, x, dim: y * (g - sum(g * y, dim, keepdim=True)),),
    samples=_class_samples,
    notation="softmax({0}, {dim})",
    doc="exp(x) divided by its sum along dim.",
)

LOG_SOFTMAX = Op(
    name="log_softmax",
    infer=_floats("log_softmax"),
    reference=_log_softmax_reference,
    kernel=Composite(_log_softmax),
    gradient=(lambda g, y, x, dim: g - exp(y) * sum(g, dim, keepdim=True),),
    samples=_class_samples,
    notation="log_softmax({0}, {dim})",
    doc="The logarithm of softmax.",
)


def softmax(x: Any, dim: int = -1) -> Tensor:
    """Return exp(x) divided by its sum along ``dim``: positive numbers that sum to 1.

    Numerics: the maximum is subtracted first, so nothing overflows.

    >>> softmax(Tensor([1000.0, 1000.0]))
    tensor([0.5, 0.5])
    """
    x = as_tensor(x)
    return apply(SOFTMAX, x, dim=axis_of("softmax", dim, x.ndim))


def log_softmax(x: Any, dim: int = -1) -> Tensor:
    """Return x - log(sum(exp(x))) along ``dim``.

    Numerics: exact where softmax itself would round to 0 or 1.
    """
    x = as_tensor(x)
    return apply(LOG_SOFTMAX, x, dim=axis_of("log_softmax", dim, x.ndim))


# losses ---------------------------------------------------------------------------------


def _cross_entropy_type(x: TensorType, target: TensorType) -> TensorType:
    if len(x.shape) != 2 or target.shape != x.shape[:1]:
        raise ShapeError(
            "cross_entropy: logits are (batch, classes) and targets (batch,); got "
            f"{x.shape} and {target.shape}."
        )
    if not x.dtype.is_float or not target.dtype.is_integer:
        raise DTypeError(
            f"cross_entropy: logits are floats and targets whole numbers; got {x} and {target}."
        )
    return TensorType((), x.dtype)


def _check_labels(x: np.ndarray, target: np.ndarray) -> None:
    if outside(target, x.shape[1]):
        raise DomainError(
            f"cross_entropy: labels lie between 0 and {x.shape[1] - 1} for {x.shape[1]} classes; "
            f"got {target.min()} to {target.max()}."
        )


def _cross_entropy(x: Tensor, target: Tensor) -> Tensor:
    picked = gather(log_softmax(x, 1), 1, reshape(target, -1, 1))
    return -mean(picked)


def _cross_entropy_gradient(g: Tensor, y: Tensor, x: Tensor, target: Tensor) -> Tensor:
    labels = broadcast_to(reshape(to(target, "int64"), -1, 1), x.shape)
    hot = to(eq(iota(x.shape, 1), labels), x.dtype)
    return (softmax(x, 1) - hot) * (g / float(x.shape[0] or 1))


def _cross_entropy_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for rows, classes in ((2, 3), (7, 5), (1, 2), (33, 10)):
        yield Sample((real(rng, (rows, classes), -4, 4), rng.integers(0, classes, rows)))


CROSS_ENTROPY = Op(
    name="cross_entropy",
    infer=_cross_entropy_type,
    reference=lambda x, target: (
        -np.mean(np.take_along_axis(_log_softmax_reference(x, 1), target.reshape(-1, 1), 1))
    ),
    kernel=Composite(_cross_entropy),
    gradient=(_cross_entropy_gradient, None),
    samples=_cross_entropy_samples,
    misuses=(
        Misuse((np.ones((2, 3)), np.array([0, 3])), {}, DomainError, "between 0 and 2"),
        Misuse((np.ones((2, 3)), np.array([0.0, 1.0])), {}, DTypeError, "whole numbers"),
        Misuse((np.ones((2, 3)), np.array([[0], [1]])), {}, ShapeError, "(batch,)"),
    ),
    validate=_check_labels,
    doc="The mean over the batch of minus the logarithm of the probability of the true class.",
)


def cross_entropy(input: Any, target: Any) -> Tensor:
    """Return the mean cross-entropy, in nats, between logits and class numbers.

    loss = mean over n of -log softmax(input[n])[target[n]]

    Shapes:
        input: (batch, classes), logits: softmax is applied here
        target: (batch,), whole numbers from 0 to classes - 1

    Returns:
        one number, in nats per sample; log(classes) for a network that knows nothing

    Raises:
        DomainError: a label is not a class number.

    >>> cross_entropy(Tensor([[0.0, 0.0]]), Tensor([1]))
    tensor(0.6931)
    """
    return apply(CROSS_ENTROPY, as_tensor(input), as_tensor(target))


def mse_loss(input: Any, target: Any) -> Tensor:
    """Return the mean squared error.

    loss = mean of (input - target)^2 over all elements

    Shapes:
        input, target: the same

    Raises:
        ShapeError: the shapes differ; broadcasting here would compare every prediction with
            every target.

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(2.)
    """
    input, target = as_tensor(input), as_tensor(target)
    if input.shape != target.shape:
        raise ShapeError(
            f"mse_loss: prediction and target have one shape; got {input.shape} and "
            f"{target.shape}. Reshape the target, for instance with y.reshape(-1, 1)."
        )
    difference = input - target
    return mean(difference * difference)


# normalisation --------------------------------------------------------------------------


def moments(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance over ``dims``, kept as axes of length 1.

    For images, (batch, channels, ...), each image's own mean and squared deviations are
    found first and then combined, so that squares of large numbers are never subtracted
    from one another, and one image is a unit of work.

    Source: Chan, Golub and LeVeque (1983), equations 2.1.
    """
    inner = tuple(d for d in dims if d != 0)
    if dims == inner or not inner:
        center = mean(x, dims, keepdim=True)
        deviation = x - center
        return center, mean(deviation * deviation, dims, keepdim=True)
    local = mean(x, inner, keepdim=True)
    deviation = x - local
    within = mean(deviation * deviation, inner, keepdim=True)
    center = mean(local, 0, keepdim=True)
    between = local - center
    return center, mean(within, 0, keepdim=True) + mean(between * between, 0, keepdim=True)


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


def dropout(
    input: Any, p: float = 0.5, training: bool = True, generator: Generator | None = None
) -> Tensor:
    """Return the input with each element zeroed with probability ``p``, the rest scaled up.

    y = x / (1 - p) where a uniform number is at least p, else 0; x itself outside training.

    Args:
        input: any float tensor.
        p: probability that an element is dropped, from 0 to 1.
        training: False returns the input.
        generator: where the numbers come from; the default generator unless given.

    Source: Srivastava et al. (2014), in the "inverted" form that needs nothing at test time.
    """
    x = as_tensor(input)
    if not 0 <= p <= 1:
        raise DomainError(f"dropout: p is a probability from 0 to 1; got {p}.")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0.0
    return where(rand(*x.shape, generator=generator) >= p, x / (1 - p), 0.0)
