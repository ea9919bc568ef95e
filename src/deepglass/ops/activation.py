"""Activations: what makes a network more than one matrix.

Those without a record of their own are said in terms of others, and so are their gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_floats, as_tensor
from .elementwise import abs, gt, lt, maximum, minimum, same, where
from .functions import erf, exp, expm1, log1p, sigmoid, tanh
from .movement import reshape
from .samples import Samples, unary_samples

ODD = np.array([0.0, -0.0, np.nan, np.inf, -np.inf])


def _samples(*kinks: float, **params: Any) -> Samples:
    """Samples between -4 and 4 at a distance from the kinks; then those, and odd numbers."""

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for sample in unary_samples(-4, 4)(rng):
            x = sample.args[0]
            for kink in kinks:
                x = np.where(np.abs(x - kink) < 0.05, kink + 0.05, x)
            yield Sample((x,), params)
        yield Sample((np.array([*kinks, *ODD]),), params, smooth=False)

    return samples


def _misuses(**params: Any) -> tuple[Misuse, ...]:
    return (
        Misuse((np.array([1, 2]),), params, DTypeError, "one of float; got int64[2]"),
        Misuse((np.array([[True]]),), params, DTypeError, "got bool[1, 1]. Convert"),
    )


# made of straight pieces ----------------------------------------------------------------

RELU = Op(
    name="relu",
    infer=same("relu", "float", "signed", "unsigned"),
    reference=lambda x: np.maximum(x, 0),
    kernel=Composite(lambda x: maximum(x, 0)),
    gradient=(lambda g, y, x: where(gt(y, 0), g, 0),),
    samples=_samples(0.0),
    misuses=(
        Misuse((np.array([True]),), {}, DTypeError, "relu: the element type is one of float, "),
        Misuse((np.array([[False]]),), {}, DTypeError, "got bool[1, 1]. Convert"),
    ),
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


LEAKY_RELU = Op(
    name="leaky_relu",
    infer=lambda x, negative_slope: same("leaky_relu", "float")(x),
    reference=lambda x, negative_slope: np.where(x > 0, x, x * x.dtype.type(negative_slope)),
    kernel=Composite(lambda x, negative_slope: where(gt(x, 0), x, x * negative_slope)),
    gradient=(lambda g, y, x, negative_slope: where(gt(x, 0), g, g * negative_slope),),
    samples=_samples(0.0, negative_slope=0.1),
    misuses=_misuses(negative_slope=0.1),
    notation="leaky_relu({0}, {negative_slope})",
    doc="x above zero, negative_slope x below.",
)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Tensor:
    """Return the input above zero and ``negative_slope`` times it below, elementwise.

    Gradient: ``negative_slope`` at zero.

    Source: Maas, Hannun and Ng (2013).

    >>> leaky_relu(Tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    return apply(LEAKY_RELU, as_tensor(input), negative_slope=negative_slope)


def prelu(input: Any, weight: Any) -> Tensor:
    """Return the input above zero and ``weight``, which is learned, times it below.

    Shapes:
        input: (batch, channels, ...)
        weight: (channels,), or (1,) for one slope everywhere

    Raises:
        ShapeError: there is another number of slopes.

    Gradient: ``weight`` at zero.

    Source: He, Zhang, Ren and Sun (2015), equation 1.

    >>> prelu(Tensor([[-1.0, -1.0]]), Tensor([0.25, 0.5]))
    tensor([[-0.25, -0.5 ]])
    """
    x, w = as_floats("prelu", input), as_tensor(weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if w.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: one slope, or one for each of the {channels} channels; got {w.shape} for "
            f"{x.shape}."
        )
    slopes = reshape(w, -1, *[1] * max(x.ndim - 2, 0)) if w.numel() > 1 else reshape(w, ())
    return where(gt(x, 0), x, x * slopes)


def _inside(x: Tensor, min_val: float, max_val: float, g: Tensor) -> Tensor:
    return where(gt(x, min_val), where(lt(x, max_val), g, 0.0), 0.0)


HARDTANH = Op(
    name="hardtanh",
    infer=lambda x, min_val, max_val: same("hardtanh", "float")(x),
    reference=lambda x, min_val, max_val: np.clip(x, x.dtype.type(min_val), x.dtype.type(max_val)),
    kernel=Composite(lambda x, min_val, max_val: minimum(maximum(x, min_val), max_val)),
    gradient=(lambda g, y, x, min_val, max_val: _inside(x, min_val, max_val, g),),
    samples=_samples(-1.0, 2.0, min_val=-1.0, max_val=2.0),
    misuses=_misuses(min_val=-1.0, max_val=2.0),
    notation="hardtanh({0}, {min_val}, {max_val})",
    doc="x confined to the interval from min_val to max_val.",
)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return the input confined to the interval from ``min_val`` to ``max_val``.

    Gradient: 1 inside, 0 at the ends and outside.

    >>> hardtanh(Tensor([-3.0, 0.5, 2.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    if not min_val <= max_val:
        raise DomainError(f"hardtanh: min_val is at most max_val; got {min_val} and {max_val}.")
    return apply(HARDTANH, as_tensor(input), min_val=min_val, max_val=max_val)


def relu6(input: Any) -> Tensor:
    """Return min(max(x, 0), 6), elementwise.

    Gradient: 1 inside, 0 at the ends and outside.

    Source: Krizhevsky (2010), "Convolutional deep belief networks on CIFAR-10".

    >>> relu6(Tensor([-1.0, 2.0, 9.0]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0)


def hardsigmoid(input: Any) -> Tensor:
    """Return a sigmoid of three straight pieces: min(max(x + 3, 0), 6) / 6.

    Gradient: 1/6 inside, 0 at -3, at 3 and outside.

    >>> hardsigmoid(Tensor([-4.0, 0.0, 4.0]))
    tensor([0. , 0.5, 1. ])
    """
    return relu6(as_floats("hardsigmoid", input) + 3.0) / 6.0


def hardswish(input: Any) -> Tensor:
    """Return x min(max(x + 3, 0), 6) / 6, elementwise.

    Gradient: 0 at -3, 1 at 3.

    Source: Howard et al. (2019), "Searching for MobileNetV3", section 5.2.

    >>> hardswish(Tensor([-4.0, 3.0]))
    tensor([-0.,  3.])
    """
    x = as_floats("hardswish", input)
    return x * hardsigmoid(x)


# smooth ---------------------------------------------------------------------------------

ELU = Op(
    name="elu",
    infer=lambda x, alpha: same("elu", "float")(x),
    reference=lambda x, alpha: np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0))),
    kernel=Composite(lambda x, alpha: where(gt(x, 0), x, expm1(minimum(x, 0)) * alpha)),
    gradient=(lambda g, y, x, alpha: where(gt(x, 0), g, g * (y + alpha)),),
    samples=_samples(0.0, alpha=1.5),
    misuses=_misuses(alpha=1.5),
    notation="elu({0}, {alpha})",
    doc="x above zero, alpha (exp(x) - 1) below.",
)


def elu(input: Any, alpha: float = 1.0) -> Tensor:
    """Return the input above zero and alpha (exp(x) - 1) below, elementwise.

    Gradient: ``alpha`` at zero.

    Numerics: exp(x) - 1 keeps its digits near zero and never overflows.

    Source: Clevert, Unterthiner and Hochreiter (2016), equation 15.

    >>> elu(Tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.    ])
    """
    return apply(ELU, as_tensor(input), alpha=alpha)


def selu(input: Any) -> Tensor:
    """Return scale elu(x, alpha) with the constants that keep mean 0 and variance 1.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter (2017), equation 2 and appendix.

    >>> selu(Tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return elu(input, 1.6732632423543772848) * 1.0507009873554804934


def celu(input: Any, alpha: float = 1.0) -> Tensor:
    """Return max(x, 0) + min(0, alpha (exp(x / alpha) - 1)), whose slope is 1 at zero.

    Source: Barron (2017), "Continuously differentiable exponential linear units".

    >>> celu(Tensor([-1.0, 2.0]), 2.0)
    tensor([-0.7869,  2.    ])
    """
    if alpha == 0:
        raise DomainError("celu: alpha is not 0; got 0. Use relu instead.")
    return elu(as_floats("celu", input) / alpha) * alpha


SOFTPLUS = Op(
    name="softplus",
    infer=same("softplus", "float"),
    reference=lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    kernel=Composite(lambda x: maximum(x, 0) + log1p(exp(-abs(x)))),
    gradient=(lambda g, y, x: g * sigmoid(x),),
    samples=_samples(0.0),
    misuses=_misuses(),
    doc="log(1 + exp(x)).",
)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta x)) / beta: a ReLU without the kink.

    Args:
        input: floats.
        beta: how sharp the bend is; not 0.
        threshold: above beta x = threshold the result is x itself, as in PyTorch.

    Numerics: never overflows.

    >>> softplus(Tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000e+00, 6.9315e-01, 1.0000e+03])
    """
    x = as_floats("softplus", input)
    if beta == 0:
        raise DomainError("softplus: beta is not 0; got 0.")
    scaled = x if beta == 1 else x * beta
    y = apply(SOFTPLUS, scaled)
    return where(gt(scaled, threshold), x, y if beta == 1 else y / beta)


def logsigmoid(input: Any) -> Tensor:
    """Return the logarithm of `sigmoid`, -log(1 + exp(-x)).

    Numerics: exact where sigmoid itself would round to 0 or 1.

    >>> logsigmoid(Tensor([-1000.0, 0.0]))
    tensor([-1.0000e+03, -6.9315e-01])
    """
    return -apply(SOFTPLUS, -as_floats("logsigmoid", input))


def _gelu_reference(x: np.ndarray, approximate: str) -> np.ndarray:
    if approximate == "tanh":
        below = 1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    else:
        below = 1 + erf.reference(x / math.sqrt(2))
    return np.asarray(x * (0.5 * below), x.dtype)


def _normal_below(x: Tensor) -> Tensor:
    """The probability that a standard normal number is less than x."""
    return (erf(x * math.sqrt(0.5)) + 1.0) * 0.5


def _density(x: Tensor) -> Tensor:
    """The density of standard normal numbers at x, in the terms of `_normal_below`."""
    z = x * math.sqrt(0.5)
    return exp(-(z * z)) * (1 / math.sqrt(2 * math.pi))


_STEEP, _BENT = math.sqrt(8 / math.pi), math.sqrt(8 / math.pi) * 0.044715


def _nearly_below(x: Tensor) -> Tensor:
    """The same, nearly: (1 + tanh(u)) / 2, which is the sigmoid of 2 u."""
    return sigmoid(x * (x * x * _BENT + _STEEP))


def _nearly_density(x: Tensor) -> Tensor:
    """The derivative of `_nearly_below`, in its terms."""
    below = _nearly_below(x)
    return below * (1.0 - below) * (x * x * (3 * _BENT) + _STEEP)


_NORMAL = {"none": (_normal_below, _density), "tanh": (_nearly_below, _nearly_density)}


def _gelu(x: Tensor, approximate: str) -> Tensor:
    below, _ = _NORMAL[approximate]
    return x * below(x)


def _gelu_gradient(g: Tensor, y: Tensor, x: Tensor, approximate: str) -> Tensor:
    below, density = _NORMAL[approximate]
    return g * (below(x) + x * density(x))


def _gelu_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for approximate in _NORMAL:
        yield from _samples(approximate=approximate)(rng)


GELU = Op(
    name="gelu",
    infer=lambda x, approximate: same("gelu", "float")(x),
    reference=_gelu_reference,
    kernel=Composite(_gelu),
    gradient=(_gelu_gradient,),
    samples=_gelu_samples,
    misuses=_misuses(approximate="none"),
    notation="gelu({0}, {approximate})",
    doc="x times the probability that a standard normal number is less than x.",
)


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """Return x times the probability that a standard normal number is less than x.

    y = x (1 + erf(x / sqrt 2)) / 2

    Args:
        input: floats.
        approximate: "none", or "tanh": 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    Numerics: far below zero the probability is 1 + erf with what rounding leaves of it: an
    absolute error of one spacing of numbers at 1, times x. By tanh it keeps its digits.

    Source: Hendrycks and Gimpel (2016), section 2.

    >>> gelu(Tensor([-1.0, 0.0, 2.0]))
    tensor([-0.1587,  0.    ,  1.9545])
    """
    if approximate not in _NORMAL:
        raise DomainError(f"gelu: approximate is 'none' or 'tanh'; got {approximate!r}.")
    return apply(GELU, as_tensor(input), approximate=approximate)


def silu(input: Any) -> Tensor:
    """Return x sigmoid(x), elementwise; also called swish.

    Source: Elfwing, Uchibe and Doya (2018); Ramachandran, Zoph and Le (2017).

    >>> silu(Tensor([-1.0, 0.0, 2.0]))
    tensor([-0.2689,  0.    ,  1.7616])
    """
    x = as_floats("silu", input)
    return x * sigmoid(x)


def mish(input: Any) -> Tensor:
    """Return x tanh(softplus(x)), elementwise.

    Source: Misra (2019), equation 1.

    >>> mish(Tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3034,  0.    ,  1.944 ])
    """
    x = as_floats("mish", input)
    return x * tanh(apply(SOFTPLUS, x))


def softsign(input: Any) -> Tensor:
    """Return x / (1 + abs(x)), elementwise: between -1 and 1, which it reaches slowly.

    >>> softsign(Tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    x = as_floats("softsign", input)
    return x / (abs(x) + 1.0)
