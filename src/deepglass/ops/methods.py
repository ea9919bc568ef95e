"""The one table of what a tensor can do beyond holding a value.

`graph` knows no op and no gradient by name, so operators and methods reach Tensor from
here, once, when the package is imported. `graph/methods.pyi` tells type checkers the same;
a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DomainError
from ..graph.graph import ALIAS
from ..graph.tensor import Tensor, apply, as_tensor, read
from . import elementwise as e
from . import movement as m
from . import reduction as r
from .activation import relu
from .contraction import matmul
from .indexing import gather, scatter_add
from .keys import getitem, owned, setitem
from .softmax import log_softmax, softmax


def _reflected(function: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    return lambda x, y: function(y, x)


def _in_place(function: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    def method(x: Tensor, y: Any) -> Tensor:
        value = e.to(_fitting(function(x, y), x), x.dtype)
        if x.is_slice:  # x[i] += y: Python writes the result back into the base
            return value
        x.rebind(value.node)
        return x

    return method


def _fitting(value: Tensor, x: Tensor) -> Tensor:
    return value if value.shape == x.shape else m.broadcast_to(value, x.shape)


def _fill(value: float) -> Callable[[Tensor], Tensor]:
    def method(x: Tensor) -> Tensor:
        owned(x).rebind(m.broadcast_to(Tensor(value, x.dtype), x.shape).node)
        return x

    return method


def _copy(x: Tensor, source: Any) -> Tensor:
    """Give the tensor the values of ``source``, converted and broadcast."""
    value = _fitting(e.to(as_tensor(source), x.dtype), x)
    owned(x).rebind(apply(ALIAS, value).node)
    return x


def _transposed(x: Tensor) -> Tensor:
    return m.permute(x, *reversed(range(x.ndim)))


def _power(x: Tensor, n: Any) -> Tensor:
    """Small whole powers by multiplication, and the square root."""
    if isinstance(n, (int, float)) and n == int(n) and abs(n) <= 4:
        if n < 0:
            return e.div(1.0, _power(x, -n))
        n = int(n)
        result = Tensor.of(read(x)) if n else m.broadcast_to(Tensor(1, x.dtype), x.shape)
        for _ in range(n - 1):
            result = result * x
        return result
    if n == 0.5:
        return e.sqrt(x)
    raise DomainError(f"power: exponents -4 to 4 and 0.5; got {n!r}. Use exp(n * log(x)).")


METHODS: dict[str, Any] = {
    "__add__": e.add, "__radd__": _reflected(e.add), "__iadd__": _in_place(e.add),
    "__sub__": e.sub, "__rsub__": _reflected(e.sub), "__isub__": _in_place(e.sub),
    "__mul__": e.mul, "__rmul__": _reflected(e.mul), "__imul__": _in_place(e.mul),
    "__truediv__": e.div, "__rtruediv__": _reflected(e.div), "__itruediv__": _in_place(e.div),
    "__pow__": _power, "__neg__": e.neg, "__matmul__": matmul, "__rmatmul__": _reflected(matmul),
    "__eq__": e.eq, "__ne__": e.ne, "__lt__": e.lt, "__le__": e.le, "__gt__": e.gt,
    "__ge__": e.ge, "__getitem__": getitem, "__setitem__": setitem,
    "exp": e.exp, "log": e.log, "sqrt": e.sqrt, "rsqrt": e.rsqrt, "tanh": e.tanh,
    "sigmoid": e.sigmoid, "relu": relu, "softmax": softmax, "log_softmax": log_softmax,
    "maximum": e.maximum, "to": e.to, "sum": r.sum, "mean": r.mean, "max": r.max,
    "amax": r.amax, "argmax": r.argmax, "matmul": matmul, "reshape": m.reshape, "view": m.reshape,
    "flatten": m.flatten, "permute": m.permute, "transpose": m.transpose,
    "broadcast_to": m.broadcast_to, "gather": gather, "scatter_add": scatter_add,
    "double": lambda x: e.to(x, "float64"), "float": lambda x: e.to(x, "float32"),
    "zero_": _fill(0), "copy_": _copy, "T": property(_transposed),
}  # fmt: skip
