"""Elementwise ops made of pieces: rounding, division with remainder, signs, clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Misuse, Sample
from ..graph.tensor import Tensor, as_tensor
from .elementwise import ElementwiseOp, eq, ge, gt, le, same, to, where
from .movement import broadcast_to
from .samples import away_from_zero, binary_samples, compare_samples, unary_samples


def _flat(g: Tensor, out: Tensor, *inputs: Tensor) -> Tensor:
    """The gradient of a step function."""
    return broadcast_to(Tensor(0, g.dtype), g.shape)


# rounding -------------------------------------------------------------------------------


class _Rounding(ElementwiseOp):
    """A record that leaves whole numbers as they are."""

    def __call__(self, *operands: Any) -> Tensor:
        (x,) = operands
        return as_tensor(x) if as_tensor(x).dtype.is_integer else super().__call__(x)


def _rounding_samples(rng: np.random.Generator) -> Iterator[Sample]:
    """Numbers between the steps; then the steps themselves, and odd numbers."""
    for sample in unary_samples(-5, 5)(rng):
        whole, part = np.floor(sample.args[0]), rng.uniform(0.1, 0.4, sample.args[0].shape)
        yield Sample((whole + part + rng.choice([0.0, 0.5], part.shape),))
    yield Sample((np.arange(-6, 7) / 2,), smooth=False)
    yield Sample((np.array([0.0, -0.0, 1e30, -1e30, np.nan, np.inf, -np.inf]),), smooth=False)


def _rounding(
    name: str, reference: Any, rule: Callable[..., Any], notation: str, doc: str
) -> ElementwiseOp:
    return _Rounding(
        name=name,
        infer=same(name, "float"),
        reference=reference,
        kernel=Elementwise(rule),
        gradient=(_flat,),
        samples=_rounding_samples,
        misuses=(
            Misuse((np.array([True]),), {}, DTypeError, "one of float; got bool[1]. Convert"),
            Misuse((np.array([1]),), {}, DTypeError, "one of float; got int64[1]. Convert"),
        ),
        notation=notation,
        doc=doc,
    )


def _ceil(b: Any, x: Any) -> Any:
    return b.neg(b.floor(b.neg(x)))


floor = _rounding(
    "floor", np.floor, lambda b, x: b.floor(x), "⌊{0}⌋",
    """The largest whole number that is at most x.

    Gradient: 0.

    >>> floor(Tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """,
)  # fmt: skip

ceil = _rounding(
    "ceil", np.ceil, _ceil, "⌈{0}⌉",
    """The least whole number that is at least x.

    Gradient: 0.

    >>> ceil(Tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """,
)  # fmt: skip

trunc = _rounding(
    "trunc", np.trunc, lambda b, x: b.where(b.lt(x, b.const(0, like=x)), _ceil(b, x), b.floor(x)),
    "trunc({0})",
    """x without what stands behind the point.

    Gradient: 0.

    >>> trunc(Tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """,
)  # fmt: skip

ROUND = _rounding(
    "round", np.rint, lambda b, x: b.round(x), "round({0})",
    "The whole number nearest to x, the even one of two.",
)  # fmt: skip


def round(x: Any, decimals: int = 0) -> Tensor:
    """Return ``x`` rounded to ``decimals`` places behind the point, to even where two are near.

    Args:
        x: any tensor of numbers.
        decimals: negative counts places before the point.

    Gradient: 0.

    >>> round(Tensor([0.5, 1.5, -2.6]))
    tensor([ 0.,  2., -3.])
    >>> round(Tensor([0.128]), decimals=2)
    tensor([0.13])
    """
    if not decimals:
        return ROUND(x)
    scale = 10.0 ** abs(decimals)
    return ROUND(x * scale) / scale if decimals > 0 else ROUND(x / scale) * scale


# division with remainder ----------------------------------------------------------------


def _division_samples(rng: np.random.Generator) -> Iterator[Sample]:
    """Quotients away from whole numbers; then whole numbers of both signs, and odd ones."""
    for sample in binary_samples(0.5, 2)(rng):
        quotient, y = sample.args
        quotient = np.floor(quotient * 3) + rng.uniform(0.2, 0.8, y.shape)
        signs = rng.choice([-1.0, 1.0], (2, *y.shape))
        yield Sample((quotient * y * signs[0], y * signs[1]))
    for sample in compare_samples(rng):
        yield Sample(sample.args, smooth=False)
    x, y = np.arange(-7, 8), np.array([-3, -2, -1, 1, 2, 3])
    yield Sample((np.repeat(x, 6), np.tile(y, 15)))


def _check_divisor(name: str) -> Callable[[np.ndarray, np.ndarray], None]:
    def check(x: np.ndarray, y: np.ndarray) -> None:
        if y.dtype.kind in "iu" and not y.all():
            raise DomainError(
                f"{name}: whole numbers are divided by numbers other than 0; got 0 at position "
                f"{int(np.argmin(y))} of {y.size}. Divide floats, which yields inf or NaN."
            )

    return check


def _division(
    name: str, reference: Any, rule: Callable[..., Any], gradient: Any, notation: str, doc: str
) -> ElementwiseOp:
    return ElementwiseOp(
        name=name,
        infer=same(name, "float", "signed", "unsigned"),
        reference=reference,
        kernel=Elementwise(rule),
        gradient=gradient,
        samples=_division_samples,
        misuses=(
            Misuse((np.array([5, 7]), np.array([1, 0])), {}, DomainError, "got 0 at position 1"),
            Misuse((np.array([True]), np.array([True])), {}, DTypeError, "float, signed, unsigned"),
        ),
        validate=_check_divisor(name),
        notation=notation,
        doc=doc,
    )


floor_divide = _division(
    "floor_divide", np.floor_divide, lambda b, x, y: b.floordiv(x, y), (_flat, _flat),
    "⌊{0} / {1}⌋",
    """The largest whole number that is at most x / y, broadcast; ``x // y``.

    Gradient: 0 (PyTorch has none).

    >>> floor_divide(Tensor([7, -7]), 2)
    tensor([ 3, -4])
    """,
)  # fmt: skip

remainder = _division(
    "remainder", np.remainder, lambda b, x, y: b.mod(x, y),
    (lambda g, out, x, y: g, lambda g, out, x, y: -g * floor_divide(x, y)),
    "{0} mod {1}",
    """x - y ⌊x / y⌋, broadcast: what division leaves, with the sign of y; ``x % y``.

    Gradient: 1 for x, -⌊x / y⌋ for y.

    >>> remainder(Tensor([7.5, -7.5]), 2)
    tensor([1.5, 0.5])
    """,
)  # fmt: skip


# signs ----------------------------------------------------------------------------------


def _sign_rule(b: Any, x: Any) -> Any:
    zero, one = b.const(0, like=x), b.const(1, like=x)
    return b.sub(b.where(b.gt(x, zero), one, zero), b.where(b.lt(x, zero), one, zero))


sign = ElementwiseOp(
    name="sign",
    infer=same("sign", "float", "signed", "unsigned"),
    reference=lambda x: np.subtract(x > 0, x < 0, dtype=x.dtype),
    kernel=Elementwise(_sign_rule),
    gradient=(_flat,),
    samples=away_from_zero,
    misuses=(
        Misuse((np.array([True]),), {}, DTypeError, "float, signed, unsigned; got bool[1]"),
        Misuse((np.array([[True, False]]),), {}, DTypeError, "got bool[1, 2]. Convert"),
    ),
    notation="sign({0})",
    doc="""1 above zero, -1 below, 0 at zero and, as in PyTorch, at NaN.

    Gradient: 0.

    >>> sign(Tensor([-0.5, 0.0, 7.0]))
    tensor([-1.,  0.,  1.])
    """,
)


def heaviside(x: Any, values: Any) -> Tensor:
    """Return the step function: 0 below zero, ``values`` at zero, 1 above.

    Gradient: 0 for ``x``; ``values`` receives its own where it is the result.

    >>> heaviside(Tensor([-2.0, 0.0, 3.0]), 0.5)
    tensor([0. , 0.5, 1. ])
    """
    x = as_tensor(x)
    at_zero = to(as_tensor(values), x.dtype)
    return where(gt(x, 0), 1, where(eq(x, 0), at_zero, 0))


# clipping -------------------------------------------------------------------------------


def _bound(
    name: str, reference: Any, rule: Callable[..., Any], inside: Any, doc: str
) -> ElementwiseOp:
    return ElementwiseOp(
        name=name,
        infer=same(name, "float", "signed", "unsigned"),
        reference=reference,
        kernel=Elementwise(rule),
        gradient=(
            lambda g, out, x, bound: where(inside(x, bound), g, 0.0),
            lambda g, out, x, bound: where(inside(x, bound), 0.0, g),
        ),
        samples=_bound_samples,
        misuses=(
            Misuse((np.ones(2), np.ones(3)), {}, DTypeError, "one shape and type"),
            Misuse((np.array([True]), np.array([True])), {}, DTypeError, "float, signed, unsigned"),
        ),
        notation=f"{name}({{0}}, {{1}})",
        doc=doc,
    )


def _bound_samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from binary_samples()(rng)
    yield from compare_samples(rng)


clamp_min = _bound(
    "clamp_min", np.maximum, lambda b, x, bound: b.maximum(x, bound), ge,
    """x, but at least the bound; broadcast.

    Gradient: to x where it is the bound or above; else to the bound.

    >>> clamp_min(Tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """,
)  # fmt: skip

clamp_max = _bound(
    "clamp_max", np.minimum, lambda b, x, bound: b.minimum(x, bound), le,
    """x, but at most the bound; broadcast.

    Gradient: to x where it is the bound or below; else to the bound.

    >>> clamp_max(Tensor([-1.0, 2.0]), 0)
    tensor([-1.,  0.])
    """,
)  # fmt: skip


def clamp(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """Return ``x`` confined to the interval from ``min`` to ``max``.

    Args:
        x: any tensor of numbers.
        min, max: numbers or tensors, broadcast; None leaves that side open. Where min is above
            max the result is max.

    Raises:
        TypeError: there is no bound at all.

    Gradient: 1 inside and at the bounds, 0 outside, where the bound has it.

    >>> clamp(Tensor([-2.0, 0.5, 3.0]), -1, 1)
    tensor([-1. ,  0.5,  1. ])
    """
    if min is None and max is None:
        raise TypeError("clamp: min or max is needed; got None for both. Name one, as in max=1.")
    x = as_tensor(x)
    if min is not None:
        x = clamp_min(x, min)
    return x if max is None else clamp_max(x, max)


clip = clamp
