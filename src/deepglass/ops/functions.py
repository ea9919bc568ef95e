"""Smooth functions of one number: exponentials, logarithms, roots, waves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Misuse
from ..graph.tensor import Tensor
from .elementwise import ElementwiseOp, same
from .samples import unary_samples


def _function(
    name: str,
    reference: Callable[..., Any],
    rule: Callable[..., Any],
    gradient: Callable[..., Any],
    interval: tuple[float, float],
    doc: str,
    notation: str = "",
) -> ElementwiseOp:
    return ElementwiseOp(
        name=name,
        infer=same(name, "float"),
        reference=reference,
        kernel=Elementwise(rule),
        gradient=(gradient,),
        samples=unary_samples(*interval),
        misuses=(
            Misuse((np.array([1]),), {}, DTypeError, "one of float; got int64[1]. Convert"),
            Misuse((np.array([True]),), {}, DTypeError, "one of float; got bool[1]. Convert"),
        ),
        notation=notation,
        doc=doc,
        floats=True,
    )


exp = _function(
    "exp", np.exp, lambda b, x: b.exp(x), lambda g, y, x: g * y, (-3, 3),
    """e to the power of x.

    Numerics: overflows to inf above 88.7 (float32) and 709.8 (float64).
    """,
)  # fmt: skip

expm1 = _function(
    "expm1", np.expm1, lambda b, x: b.expm1(x), lambda g, y, x: g * (y + 1), (-3, 3),
    """exp(x) - 1, exact also where exp(x) is nearly 1.

    Numerics: overflows where `exp` does; -1 far below zero.

    >>> expm1(Tensor([0.0, 1e-9]))
    tensor([0.e+00, 1.e-09])
    """,
)  # fmt: skip

log = _function(
    "log", np.log, lambda b, x: b.log(x), lambda g, y, x: g / x, (0.1, 5),
    """The natural logarithm of x.

    Numerics: -inf at 0, NaN below.
    """,
)  # fmt: skip

log1p = _function(
    "log1p", np.log1p, lambda b, x: b.log1p(x), lambda g, y, x: g / (x + 1), (-0.9, 5),
    """log(1 + x), exact also where 1 + x would round to 1.

    Numerics: -inf at -1, NaN below.

    >>> log1p(Tensor([0.0, 1e-9]))
    tensor([0.e+00, 1.e-09])
    """,
)  # fmt: skip


def log2(x: Any) -> Tensor:
    """Return the logarithm of ``x`` to base 2.

    Numerics: log(x) / log(2); about one more unit of error in the last place than log.

    >>> log2(Tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    return log(x) / math.log(2)


def log10(x: Any) -> Tensor:
    """Return the logarithm of ``x`` to base 10.

    Numerics: log(x) / log(10); about one more unit of error in the last place than log.

    >>> log10(Tensor([1.0, 100.0]))
    tensor([0., 2.])
    """
    return log(x) / math.log(10)


sqrt = _function(
    "sqrt", np.sqrt, lambda b, x: b.sqrt(x), lambda g, y, x: g * 0.5 / y, (0.1, 5),
    """The square root of x.

    Gradient: 1 / (2 sqrt(x)); inf at 0.
    """, "√{0}",
)  # fmt: skip

rsqrt = _function(
    "rsqrt", lambda x: 1 / np.sqrt(x), lambda b, x: b.rsqrt(x),
    lambda g, y, x: g * -0.5 * y * y * y, (0.1, 5),
    "1 / sqrt(x).",
)  # fmt: skip

tanh = _function(
    "tanh", np.tanh, lambda b, x: b.tanh(x), lambda g, y, x: g * (1 - y * y), (-3, 3),
    "The hyperbolic tangent of x, between -1 and 1.",
)  # fmt: skip


def _sigmoid(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, decay) / (1 + decay))


sigmoid = _function(
    "sigmoid", _sigmoid, lambda b, x: b.sigmoid(x), lambda g, y, x: g * (y * (1 - y)), (-3, 3),
    """1 / (1 + exp(-x)), between 0 and 1.

    Numerics: never overflows; 0 far below, 1 far above zero.
    """, "σ({0})",
)  # fmt: skip

sin = _function(
    "sin", np.sin, lambda b, x: b.sin(x), lambda g, y, x: g * cos(x), (-7, 7),
    """The sine of x, an angle in radians.

    Numerics: right for angles of every size; compiled, slower beyond 3e4 (float32) and 1e12
        (float64).

    >>> sin(Tensor([0.0, 3.14159265 / 6]))
    tensor([0. , 0.5])
    """,
)  # fmt: skip

cos: ElementwiseOp = _function(
    "cos", np.cos, lambda b, x: b.cos(x), lambda g, y, x: -g * sin(x), (-7, 7),
    """The cosine of x, an angle in radians.

    Numerics: as for `sin`.

    >>> cos(Tensor([0.0, 3.14159265 / 3]))
    tensor([1. , 0.5])
    """,
)  # fmt: skip

_erf = np.frompyfunc(math.erf, 1, 1)

erf = _function(
    "erf", lambda x: np.asarray(_erf(x)).astype(x.dtype), lambda b, x: b.erf(x),
    lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-(x * x)), (-3, 3),
    """The error function: twice the integral of exp(-t^2) / sqrt(pi) from 0 to x.

    The normal distribution lies below z with probability (1 + erf(z / sqrt(2))) / 2.

    >>> erf(Tensor([0.0, 1.0]))
    tensor([0.    , 0.8427])
    """,
)  # fmt: skip
