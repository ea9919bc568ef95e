"""Giving a tensor other values: ``x += y``, ``x.add_(y)``, ``x.zero_()``.

The handle gets another value; no other tensor changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..graph.graph import ALIAS
from ..graph.tensor import Tensor, apply, as_tensor
from .elementwise import add, div, mul, sub, to
from .keys import owned
from .movement import broadcast_to


def augmented(function: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """The method behind an operator such as ``+=``."""

    def method(x: Tensor, y: Any) -> Tensor:
        value = _fitting(function(x, y), x)
        if x.is_slice:  # x[i] += y: Python writes the result back into the base
            return value
        x.rebind(value.node)
        return x

    return method


def writing(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method that keeps in the tensor what ``function`` makes of it: ``x.scatter_(...)``."""

    @wraps(function)
    def method(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        value = _fitting(function(owned(x), *args, **kwargs), x)
        x.rebind(value.node)
        return x

    return method


def _fitting(value: Tensor, x: Tensor) -> Tensor:
    """``value`` in the type and shape of ``x``."""
    value = to(value, x.dtype)
    return value if value.shape == x.shape else broadcast_to(value, x.shape)


def _fill(x: Tensor, value: Any) -> Tensor:
    return as_tensor(value)


def _copy(x: Tensor, source: Any) -> Tensor:
    return apply(ALIAS, as_tensor(source))


def _zero(x: Tensor) -> Tensor:
    return Tensor(0, x.dtype)


def _add(x: Tensor, other: Any, alpha: float = 1) -> Tensor:
    return add(x, other if alpha == 1 else mul(other, alpha))


def _sub(x: Tensor, other: Any, alpha: float = 1) -> Tensor:
    return sub(x, other if alpha == 1 else mul(other, alpha))


def _mul(x: Tensor, other: Any) -> Tensor:
    return mul(x, other)


def _div(x: Tensor, other: Any) -> Tensor:
    return div(x, other)


add_, sub_, mul_, div_ = writing(_add), writing(_sub), writing(_mul), writing(_div)
fill_, copy_, zero_ = writing(_fill), writing(_copy), writing(_zero)
