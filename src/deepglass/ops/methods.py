"""The one table of what a tensor can do beyond holding a value.

`graph` knows no op and no gradient by name, so operators and methods reach Tensor from
here, once, when the package is imported. `graph/methods.pyi` tells type checkers the same;
a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..graph.graph import ALIAS
from ..graph.tensor import Tensor, apply
from . import elementwise as e
from . import functions as f
from . import logic as l
from . import movement as m
from . import piecewise as p
from . import power as w
from . import reduction as r
from . import statistics as s
from .activation import relu
from .contraction import bmm, dot, matmul, mm, mv, outer
from .diagonals import diag, diagonal, trace, tril, triu
from .in_place import add_, augmented, copy_, div_, fill_, mul_, sub_, writing, zero_
from .indexing import gather, scatter, scatter_add, take_along_dim
from .keys import getitem, setitem
from .masking import masked_fill, masked_select, nonzero
from .norms import norm
from .repeating import repeat, repeat_interleave, tile
from .running import cumprod, cumsum, prod
from .selecting import index_add, index_copy, index_select
from .slicing import chunk, narrow, split, unbind
from .softmax import log_softmax, logaddexp, logsumexp, softmax
from .sorting import argsort, sort, topk
from .turning import flip, roll


def _reflected(function: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    return lambda x, y: function(y, x)


def _as_type(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: e.to(x, name)


def _type_as(x: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in the element type of another one."""
    return e.to(x, other.dtype)


def _transposed(x: Tensor) -> Tensor:
    return m.permute(x, *reversed(range(x.ndim)))


def _matrices_transposed(x: Tensor) -> Tensor:
    if x.ndim < 2:
        raise ShapeError(f"mT: the last two axes are exchanged; got {x.type}.")
    return m.transpose(x, -2, -1)


def _expand_as(x: Tensor, other: Tensor) -> Tensor:
    return m.expand(x, other.shape)


def _two_axes(x: Tensor) -> Tensor:
    if x.ndim > 2:
        raise ShapeError(f"t: at most two axes are exchanged; got {x.type}. Use x.mT.")
    return _transposed(x)


def _view_as(x: Tensor, other: Tensor) -> Tensor:
    return m.reshape(x, other.shape)


def _clone(x: Tensor) -> Tensor:
    """Return a tensor of the same value and history."""
    return apply(ALIAS, x)


def _itself(x: Tensor) -> Tensor:
    """Return the tensor itself: its memory has one layout and one place."""
    return x


METHODS: dict[str, Any] = {
    "__add__": e.add, "__radd__": _reflected(e.add), "__iadd__": augmented(e.add),
    "__sub__": e.sub, "__rsub__": _reflected(e.sub), "__isub__": augmented(e.sub),
    "__mul__": e.mul, "__rmul__": _reflected(e.mul), "__imul__": augmented(e.mul),
    "__truediv__": e.div, "__rtruediv__": _reflected(e.div), "__itruediv__": augmented(e.div),
    "__floordiv__": p.floor_divide, "__rfloordiv__": _reflected(p.floor_divide),
    "__ifloordiv__": augmented(p.floor_divide),
    "__mod__": p.remainder, "__rmod__": _reflected(p.remainder), "__imod__": augmented(p.remainder),
    "__and__": l.bitwise_and, "__rand__": _reflected(l.bitwise_and),
    "__iand__": augmented(l.bitwise_and),
    "__or__": l.bitwise_or, "__ror__": _reflected(l.bitwise_or), "__ior__": augmented(l.bitwise_or),
    "__xor__": l.bitwise_xor, "__rxor__": _reflected(l.bitwise_xor),
    "__ixor__": augmented(l.bitwise_xor),
    "__pow__": w.pow, "__rpow__": _reflected(w.pow), "__ipow__": augmented(w.pow),
    "__neg__": e.neg, "__abs__": e.abs, "__invert__": l.bitwise_not,
    "__matmul__": matmul, "__rmatmul__": _reflected(matmul),
    "__eq__": e.eq, "__ne__": e.ne, "__lt__": e.lt, "__le__": e.le, "__gt__": e.gt,
    "__ge__": e.ge, "__getitem__": getitem, "__setitem__": setitem,
    "exp": f.exp, "expm1": f.expm1, "log": f.log, "log1p": f.log1p, "log2": f.log2,
    "log10": f.log10, "sqrt": f.sqrt, "rsqrt": f.rsqrt, "tanh": f.tanh, "sigmoid": f.sigmoid,
    "sin": f.sin, "cos": f.cos, "erf": f.erf, "pow": w.pow, "square": w.square,
    "reciprocal": w.reciprocal,
    "abs": e.abs, "maximum": e.maximum, "minimum": e.minimum, "floor": p.floor, "ceil": p.ceil,
    "trunc": p.trunc, "round": p.round, "floor_divide": p.floor_divide, "remainder": p.remainder,
    "sign": p.sign, "heaviside": p.heaviside, "clamp": p.clamp, "clamp_min": p.clamp_min,
    "clamp_max": p.clamp_max, "clip": p.clip, "logical_and": l.logical_and,
    "logical_or": l.logical_or, "logical_xor": l.logical_xor, "logical_not": l.logical_not,
    "isnan": l.isnan, "isinf": l.isinf, "isfinite": l.isfinite,
    "relu": relu, "softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp,
    "logaddexp": logaddexp, "cumsum": cumsum, "cumprod": cumprod, "prod": prod, "norm": norm,
    "to": e.to, "sum": r.sum, "mean": r.mean, "max": r.max, "min": r.min, "amax": r.amax,
    "amin": r.amin, "argmax": r.argmax, "argmin": r.argmin, "any": r.any, "all": r.all,
    "var": s.var, "std": s.std, "matmul": matmul, "reshape": m.reshape, "view": m.reshape,
    "flatten": m.flatten, "permute": m.permute, "transpose": m.transpose,
    "broadcast_to": m.broadcast_to, "gather": gather, "scatter_add": scatter_add,
    "scatter": scatter, "take_along_dim": take_along_dim, "index_select": index_select,
    "index_add": index_add, "index_copy": index_copy,
    "masked_fill": masked_fill, "masked_select": masked_select, "nonzero": nonzero,
    "sort": sort, "argsort": argsort, "topk": topk,
    "diagonal": diagonal, "diag": diag, "trace": trace, "tril": tril, "triu": triu,
    "squeeze": m.squeeze, "unsqueeze": m.unsqueeze, "unflatten": m.unflatten,
    "movedim": m.movedim, "swapaxes": m.swapaxes, "expand": m.expand, "expand_as": _expand_as,
    "view_as": _view_as, "reshape_as": _view_as, "narrow": narrow, "split": split,
    "chunk": chunk, "unbind": unbind, "flip": flip, "roll": roll, "tile": tile,
    "repeat": repeat, "repeat_interleave": repeat_interleave,
    "mm": mm, "bmm": bmm, "mv": mv, "dot": dot, "outer": outer,
    "clone": _clone, "contiguous": _itself, "cpu": _itself, "mT": property(_matrices_transposed),
    "t": _two_axes,
    "half": _as_type("float16"), "bfloat16": _as_type("bfloat16"), "float": _as_type("float32"),
    "double": _as_type("float64"), "short": _as_type("int16"), "int": _as_type("int32"),
    "long": _as_type("int64"), "bool": _as_type("bool"), "type_as": _type_as,
    "add": e.add, "sub": e.sub, "mul": e.mul, "div": e.div, "neg": e.neg, "eq": e.eq, "ne": e.ne,
    "lt": e.lt, "le": e.le, "gt": e.gt, "ge": e.ge, "T": property(_transposed),
    "add_": add_, "sub_": sub_, "mul_": mul_, "div_": div_, "clamp_": writing(p.clamp),
    "fill_": fill_, "zero_": zero_, "copy_": copy_, "masked_fill_": writing(masked_fill),
    "scatter_": writing(scatter), "scatter_add_": writing(scatter_add),
    "index_add_": writing(index_add), "index_copy_": writing(index_copy),
}  # fmt: skip
