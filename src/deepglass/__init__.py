"""deepglass: a deep-learning framework you can see through.

>>> import deepglass as dg
>>> x = dg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from . import nn, optim
from .autodiff import backward, grad, value_and_grad
from .backends import use as backend
from .compile import compile
from .create import arange, from_numpy, full, no_grad, ones, tensor, zeros, zeros_like
from .graph.methods import install
from .graph.tensor import Buffer, Parameter, Tensor
from .graph.types import (
    DType, bool_, float32, float64, int32, int64, uint8, uint32, uint64,
)  # fmt: skip
from .ops import (
    Generator, add, amax, argmax, broadcast_to, cat, conv2d, div, eq, exp, flatten, gather, ge,
    gt, iota, le, log, log_softmax, lt, manual_seed, matmul, max, max_pool2d, maximum, mean, mul,
    ne, neg, pad, permute, rand, relu, reshape, rsqrt, scatter_add, sigmoid, softmax, sqrt, sub,
    sum, tanh, transpose, where,
)  # fmt: skip
from .ops.methods import METHODS

__version__ = "0.1.0"

install({**METHODS, "backward": backward})

__all__ = [
    "Buffer", "DType", "Generator", "Parameter", "Tensor", "add", "amax", "arange", "argmax",
    "backend", "bool_", "broadcast_to", "cat", "compile", "conv2d", "div", "eq", "exp",
    "flatten", "float32", "float64", "from_numpy", "full", "gather", "ge", "grad", "gt",
    "int32", "int64", "iota", "le", "log", "log_softmax", "lt", "manual_seed", "matmul", "max",
    "max_pool2d", "maximum", "mean", "mul", "ne", "neg", "nn", "no_grad", "ones", "optim",
    "pad", "permute", "rand", "relu", "reshape", "rsqrt", "scatter_add", "sigmoid", "softmax",
    "sqrt", "sub", "sum", "tanh", "tensor", "transpose", "uint32", "uint64", "uint8",
    "value_and_grad", "where", "zeros", "zeros_like",
]  # fmt: skip
