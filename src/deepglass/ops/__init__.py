"""The op records, by family, and the public functions over them."""

from . import winograd as winograd
from .activation import relu
from .adaptive import adaptive_avg_pool1d, adaptive_max_pool1d
from .contraction import bmm, dot, matmul, mm, mv, outer
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .counting import iota, one_hot
from .diagonals import diag, diagonal, trace, tril, triu
from .einstein import einsum, tensordot
from .elementwise import (
    abs,
    add,
    div,
    eq,
    ge,
    gt,
    le,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    sub,
    to,
    where,
)  # fmt: skip
from .functions import (
    cos,
    erf,
    exp,
    expm1,
    log,
    log1p,
    log2,
    log10,
    rsqrt,
    sigmoid,
    sin,
    sqrt,
    tanh,
)  # fmt: skip
from .indexing import gather, scatter, scatter_add, take_along_dim
from .joining import cat, stack
from .keys import getitem
from .logic import (
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    isfinite,
    isinf,
    isnan,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
)  # fmt: skip
from .masking import masked_fill, masked_select, nonzero
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
from .norms import norm
from .padding import pad
from .piecewise import (
    ceil,
    clamp,
    clamp_max,
    clamp_min,
    clip,
    floor,
    floor_divide,
    heaviside,
    remainder,
    round,
    sign,
    trunc,
)  # fmt: skip
from .pooling import max_pool1d, max_pool2d
from .power import pow, reciprocal, square
from .quantile import ndtri
from .random import (
    Generator,
    bernoulli,
    default_generator,
    manual_seed,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    uniform,
)  # fmt: skip
from .reduction import all, amax, amin, any, argmax, argmin, max, mean, min, sum
from .repeating import meshgrid, repeat, repeat_interleave, tile
from .running import cumprod, cumsum, prod
from .sampling import multinomial, randperm
from .selecting import index_add, index_copy, index_select
from .slicing import chunk, narrow, split, unbind
from .softmax import log_softmax, logaddexp, logsumexp, softmax
from .sorting import argsort, sort, topk
from .statistics import std, var
from .turning import flip, roll
from .unfolding import avg_pool1d

__all__ = [
    "Generator", "abs", "adaptive_avg_pool1d", "adaptive_max_pool1d", "add", "all", "amax",
    "amin", "any", "argmax", "argmin", "argsort", "avg_pool1d", "bernoulli", "bitwise_and",
    "bitwise_not", "bitwise_or", "bitwise_xor", "bmm", "broadcast_to", "cat", "ceil", "chunk",
    "clamp", "clamp_max", "clamp_min", "clip", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cos", "cumprod", "cumsum", "default_generator", "diag", "diagonal",
    "div", "dot", "einsum", "eq", "erf", "exp", "expand", "expm1", "flatten", "flip", "floor",
    "floor_divide", "gather", "ge", "getitem", "gt", "heaviside", "index_add", "index_copy",
    "index_select", "iota", "isfinite", "isinf", "isnan", "le", "log", "log1p", "log2", "log10",
    "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logsumexp", "lt", "manual_seed", "masked_fill", "masked_select", "matmul", "max",
    "max_pool1d", "max_pool2d", "maximum", "mean", "meshgrid", "min", "minimum", "mm",
    "movedim", "mul", "multinomial", "mv", "narrow", "ndtri", "ne", "neg", "nonzero", "norm",
    "normal", "one_hot", "outer", "pad", "permute", "pow", "prod", "rand", "rand_like",
    "randint", "randn", "randn_like", "randperm", "reciprocal", "relu", "remainder", "repeat",
    "repeat_interleave", "reshape", "roll", "round", "rsqrt", "scatter", "scatter_add",
    "sigmoid", "sign", "sin", "softmax", "sort", "split", "sqrt", "square", "squeeze", "stack",
    "std", "sub", "sum", "swapaxes", "take_along_dim", "tanh", "tensordot", "tile", "to",
    "topk", "trace", "transpose", "tril", "triu", "trunc", "unbind", "unflatten", "uniform",
    "unsqueeze", "var", "where",
]  # fmt: skip
