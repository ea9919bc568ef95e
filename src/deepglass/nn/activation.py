"""Activations as layers; what each computes is said at its function in `nn.functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Parameter, Tensor
from . import functional as F
from .module import Module


class _Activation(Module):
    """Base of activations.

    Args:
        inplace: said by many of PyTorch's models and without effect: no value is ever changed
            in place, and a compiled program shares memory where it can.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()


class Heaviside(Module):
    """The step of the first artificial neuron: 0 below zero, 1 above.

    Args:
        values: the result at zero; 1 as a neuron that fires once its threshold is reached.

    Gradient: 0 everywhere, so nothing is learned through it.

    Source: McCulloch and Pitts (1943).

    >>> Heaviside()(Tensor([-1.0, 0.0, 2.0]))
    tensor([0., 1., 1.])
    """

    def __init__(self, values: float = 1.0) -> None:
        super().__init__()
        self.values = values

    def forward(self, x: Any) -> Tensor:
        return F.heaviside(x, self.values)

    def extra_repr(self) -> str:
        return f"values={self.values}"


class ReLU(_Activation):
    """max(x, 0), elementwise; gradient 0 at zero.

    Source: Nair and Hinton (2010).
    """

    def forward(self, x: Any) -> Tensor:
        return F.relu(x)


class ReLU6(_Activation):
    """min(max(x, 0), 6), elementwise."""

    def forward(self, x: Any) -> Tensor:
        return F.relu6(x)


class LeakyReLU(_Activation):
    """x above zero, ``negative_slope`` x below.

    Source: Maas, Hannun and Ng (2013).
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x above zero, a learned slope times x below.

    Args:
        num_parameters: 1, or one slope for each channel (axis 1).
        init: the slopes to start from.

    Source: He, Zhang, Ren and Sun (2015).
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        if num_parameters < 1:
            raise DomainError(f"PReLU: there is at least one slope; got {num_parameters}.")
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init, np.float32))

    def forward(self, x: Any) -> Tensor:
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class ELU(_Activation):
    """x above zero, alpha (exp(x) - 1) below.

    Source: Clevert, Unterthiner and Hochreiter (2016).
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(_Activation):
    """ELU with the constants that keep mean 0 and variance 1.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter (2017).
    """

    def forward(self, x: Any) -> Tensor:
        return F.selu(x)


class CELU(_Activation):
    """ELU that is stretched so that its slope is 1 at zero.

    Source: Barron (2017).
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return F.celu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """x times the probability that a standard normal number is less than x.

    Args:
        approximate: "none", or "tanh" for the approximation of GPT-2.

    Source: Hendrycks and Gimpel (2016).
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise DomainError(f"GELU: approximate is 'none' or 'tanh'; got {approximate!r}.")
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(_Activation):
    """x sigmoid(x), elementwise; also called swish."""

    def forward(self, x: Any) -> Tensor:
        return F.silu(x)


class Mish(_Activation):
    """x tanh(softplus(x)), elementwise."""

    def forward(self, x: Any) -> Tensor:
        return F.mish(x)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta, elementwise: a ReLU without the kink.

    Args:
        beta: how sharp the bend is.
        threshold: above beta x = threshold the result is x itself.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Any) -> Tensor:
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """x / (1 + abs(x)), elementwise: between -1 and 1."""

    def forward(self, x: Any) -> Tensor:
        return F.softsign(x)


class Tanh(Module):
    """The hyperbolic tangent, elementwise: between -1 and 1."""

    def forward(self, x: Any) -> Tensor:
        return F.tanh(x)


class Hardtanh(_Activation):
    """x confined to the interval from ``min_val`` to ``max_val``."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Any) -> Tensor:
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Sigmoid(Module):
    """1 / (1 + exp(-x)), elementwise: between 0 and 1."""

    def forward(self, x: Any) -> Tensor:
        return F.sigmoid(x)


class LogSigmoid(Module):
    """The logarithm of sigmoid, elementwise."""

    def forward(self, x: Any) -> Tensor:
        return F.logsigmoid(x)


class Hardsigmoid(_Activation):
    """A sigmoid of three straight pieces: min(max(x + 3, 0), 6) / 6."""

    def forward(self, x: Any) -> Tensor:
        return F.hardsigmoid(x)


class Hardswish(_Activation):
    """x min(max(x + 3, 0), 6) / 6, elementwise."""

    def forward(self, x: Any) -> Tensor:
        return F.hardswish(x)


class _AlongAxis(Module):
    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """exp(x) divided by its sum along ``dim``: probabilities.

    `CrossEntropyLoss` applies it itself; a network that is trained with it ends without.
    """

    def forward(self, x: Any) -> Tensor:
        return F.softmax(x, self.dim)


class LogSoftmax(_AlongAxis):
    """The logarithm of softmax along ``dim``."""

    def forward(self, x: Any) -> Tensor:
        return F.log_softmax(x, self.dim)
