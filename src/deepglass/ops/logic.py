"""Truth values and bits, and what kind of number a float is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Misuse, Sample
from ..graph.tensor import Tensor, as_tensor
from ..graph.types import bool_
from .elementwise import ElementwiseOp, abs, eq, lt, ne, same, to
from .samples import SHAPES


def _bit_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((rng.random(shape) < 0.5, rng.random(shape) < 0.5))
        yield Sample((rng.integers(-9, 9, shape), rng.integers(-9, 9, shape)))
    yield Sample(tuple(rng.integers(0, 256, (2, 3, 5), np.uint8) for _ in range(2)))


def _bitwise(
    name: str, reference: Any, rule: Callable[..., Any], sign: str, doc: str
) -> ElementwiseOp:
    return ElementwiseOp(
        name=name,
        infer=same(name, "bool", "signed", "unsigned"),
        reference=reference,
        kernel=Elementwise(rule),
        samples=_bit_samples,
        misuses=(
            Misuse((np.ones(2), np.ones(2)), {}, DTypeError, "bool, signed, unsigned; got float64"),
            Misuse((np.array([1]), np.array([1, 2])), {}, DTypeError, "one shape and type"),
        ),
        notation=f"{{0}} {sign} {{1}}",
        doc=doc,
    )


bitwise_and = _bitwise(
    "bitwise_and", np.bitwise_and, lambda b, x, y: b.bit_and(x, y), "&",
    """The bits that x and y have both, broadcast; of truth values, x and y. ``x & y``.

    >>> bitwise_and(Tensor([True, True]), Tensor([True, False]))
    tensor([ True, False])
    """,
)  # fmt: skip

bitwise_or = _bitwise(
    "bitwise_or", np.bitwise_or, lambda b, x, y: b.bit_or(x, y), "|",
    """The bits that x or y has, broadcast; of truth values, x or y. ``x | y``.

    >>> bitwise_or(Tensor([1, 2]), 4)
    tensor([5, 6])
    """,
)  # fmt: skip

bitwise_xor = _bitwise(
    "bitwise_xor", np.bitwise_xor, lambda b, x, y: b.xor(x, y), "^",
    """The bits in which x and y differ, broadcast; of truth values, either x or y. ``x ^ y``.

    >>> bitwise_xor(Tensor([True, True]), Tensor([True, False]))
    tensor([False,  True])
    """,
)  # fmt: skip


def bitwise_not(x: Any) -> Tensor:
    """Return the bits that ``x`` lacks; of truth values, the opposite. ``~x``.

    Raises:
        DTypeError: ``x`` holds floats.

    >>> bitwise_not(Tensor([True, False])), bitwise_not(Tensor([0, 1]))
    (tensor([False,  True]), tensor([-1, -2]))
    """
    x = as_tensor(x)
    if x.dtype.is_float:
        raise DTypeError(
            f"bitwise_not: truth values and whole numbers have bits; got {x.type}. "
            "Call dg.logical_not, or compare first: x > 0."
        )
    return bitwise_xor(x, Tensor(~np.zeros((), x.dtype.numpy)))


def logical_and(x: Any, y: Any) -> Tensor:
    """Return whether neither ``x`` nor ``y`` is 0, broadcast.

    >>> logical_and(Tensor([0, 2, 3]), Tensor([1.0, 0.0, 0.5]))
    tensor([False, False,  True])
    """
    return bitwise_and(to(x, bool_), to(y, bool_))


def logical_or(x: Any, y: Any) -> Tensor:
    """Return whether ``x`` or ``y`` is not 0, broadcast."""
    return bitwise_or(to(x, bool_), to(y, bool_))


def logical_xor(x: Any, y: Any) -> Tensor:
    """Return whether exactly one of ``x`` and ``y`` is not 0, broadcast."""
    return bitwise_xor(to(x, bool_), to(y, bool_))


def logical_not(x: Any) -> Tensor:
    """Return whether ``x`` is 0.

    >>> logical_not(Tensor([0.0, 2.0]))
    tensor([ True, False])
    """
    return eq(x, 0)


def isnan(x: Any) -> Tensor:
    """Return where ``x`` is not a number.

    >>> isnan(Tensor([float("nan"), float("inf"), 1.0]))
    tensor([ True, False, False])
    """
    return ne(x, x)


def isinf(x: Any) -> Tensor:
    """Return where ``x`` is infinite, of either sign.

    >>> isinf(Tensor([float("nan"), float("-inf"), 1.0]))
    tensor([False,  True, False])
    """
    return eq(abs(_float(x)), float("inf"))


def isfinite(x: Any) -> Tensor:
    """Return where ``x`` is a number and not infinite.

    >>> isfinite(Tensor([float("nan"), float("-inf"), 1.0]))
    tensor([False, False,  True])
    """
    return lt(abs(_float(x)), float("inf"))


def _float(x: Any) -> Tensor:
    x = as_tensor(x)
    return x if x.dtype.is_float else to(x, "float32")
