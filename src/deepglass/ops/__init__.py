"""The op records, by family, and the public functions over them."""

from .activation import relu
from .contraction import matmul
from .convolution import conv2d
from .counting import iota
from .dropout import dropout
from .elementwise import (
    add,
    div,
    eq,
    exp,
    ge,
    gt,
    le,
    log,
    lt,
    maximum,
    mul,
    ne,
    neg,
    rsqrt,
    sigmoid,
    sqrt,
    sub,
    tanh,
    to,
    where,
)  # fmt: skip
from .indexing import gather, scatter_add
from .joining import cat
from .keys import getitem
from .losses import cross_entropy, mse_loss
from .movement import broadcast_to, flatten, permute, reshape, transpose
from .normalization import batch_norm, layer_norm
from .random import Generator, default_generator, manual_seed, rand
from .reduction import amax, argmax, max, mean, sum
from .slicing import pad
from .softmax import log_softmax, softmax
from .window import max_pool2d

__all__ = [
    "Generator", "add", "amax", "argmax", "batch_norm", "broadcast_to", "cat", "conv2d",
    "cross_entropy", "default_generator", "div", "dropout", "eq", "exp", "flatten", "gather",
    "ge", "getitem", "gt", "iota", "layer_norm", "le", "log", "log_softmax", "lt",
    "manual_seed", "matmul", "max", "max_pool2d", "maximum", "mean", "mse_loss", "mul", "ne",
    "neg", "pad", "permute", "rand", "relu", "reshape", "rsqrt", "scatter_add", "sigmoid",
    "softmax", "sqrt", "sub", "sum", "tanh", "to", "transpose", "where",
]  # fmt: skip
