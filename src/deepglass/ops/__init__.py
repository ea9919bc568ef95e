"""The op records, by family, and the public functions over them."""

from .activation import relu
from .contraction import bmm, dot, matmul, mm, mv, outer
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
from .joining import cat, stack
from .keys import getitem
from .losses import cross_entropy, mse_loss
from .movement import (
    broadcast_to,
    expand,
    flatten,
    movedim,
    permute,
    reshape,
    squeeze,
    swapaxes,
    transpose,
    unflatten,
    unsqueeze,
)  # fmt: skip
from .normalization import batch_norm, layer_norm
from .random import Generator, default_generator, manual_seed, rand
from .reduction import amax, argmax, max, mean, sum
from .repeating import meshgrid, repeat, repeat_interleave, tile
from .slicing import chunk, narrow, pad, split, unbind
from .softmax import log_softmax, softmax
from .turning import flip, roll
from .window import max_pool2d

__all__ = [
    "Generator", "add", "amax", "argmax", "batch_norm", "bmm", "broadcast_to", "cat", "chunk",
    "conv2d", "cross_entropy", "default_generator", "div", "dot", "dropout", "eq", "exp",
    "expand", "flatten", "flip", "gather", "ge", "getitem", "gt", "iota", "layer_norm", "le",
    "log", "log_softmax", "lt", "manual_seed", "matmul", "max", "max_pool2d", "maximum", "mean",
    "meshgrid", "mm", "movedim", "mse_loss", "mul", "mv", "narrow", "ne", "neg", "outer", "pad",
    "permute", "rand", "relu", "repeat", "repeat_interleave", "reshape", "roll", "rsqrt",
    "scatter_add", "sigmoid", "softmax", "split", "sqrt", "squeeze", "stack", "sub", "sum",
    "swapaxes", "tanh", "tile", "to", "transpose", "unbind", "unflatten", "unsqueeze", "where",
]  # fmt: skip
