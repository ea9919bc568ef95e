"""``dg.op``: an op of a user's own, said in NumPy, with its gradient said in ops."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import DTypeError
from .graph.kinds import Host
from .graph.op import Misuse, Op, Sample
from .graph.tensor import Tensor, apply, as_tensor
from .graph.types import DType, TensorType
from .ops.elementwise import common_dtype

Rule = Callable[..., Any]
Samples = Iterable[Any] | Callable[["np.random.Generator"], Iterable[Any]]  # loaded when used


@dataclass(frozen=True, eq=False, repr=False)
class OwnOp(Op):
    """A record made by `op`, to be called with tensors, arrays and numbers.

    Attributes:
        signature: that of the function; its keyword-only arguments are the op's parameters.
    """

    signature: inspect.Signature = field(default_factory=inspect.Signature)

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        call = self.signature.bind(*args, **kwargs)
        call.apply_defaults()
        for name, value in call.kwargs.items():
            _check_parameter(self.name, name, value)
        given = [None if isinstance(x, (bool, int, float)) else as_tensor(x) for x in call.args]
        dtypes = [x.dtype for x in given if x is not None][:1]
        inputs = [
            Tensor(number, common_dtype(dtypes, [number])) if x is None else x
            for x, number in zip(given, call.args, strict=True)
        ]
        return apply(self, *inputs, **call.kwargs)


def op(
    function: Callable[..., Any] | None = None,
    *,
    gradient: Rule | tuple[Rule | None, ...] = (),
    infer: Callable[..., TensorType] | None = None,
    validate: Callable[..., None] | None = None,
    samples: Samples = (),
    misuses: tuple[Misuse, ...] = (),
) -> Any:
    """Return an op made of a NumPy function.

    It works like any other op: eagerly, under `grad`, and in a compiled function, where it is
    called between the loops. Running a notebook's cell again puts the new op in the place of
    the old one.

    Args:
        function: computes an array from arrays, which it must not write to, and from
            keyword-only parameters (numbers, strings, tuples of them). It is a function of
            these alone. float16 and bfloat16 come as float32, and the result is rounded.
        gradient: a rule per input, ``rule(g, y, *inputs, **params)`` for the gradient g of
            the result y, written in ops; None for an input that has no gradient. One rule
            alone for an op of one input.
        infer: the `TensorType` of the result, from those of the inputs and the parameters;
            that of the first input unless given.
        validate: raises where the values of the inputs are wrong.
        samples: calls for `testing.check_op`: tuples of arrays, with a dict of parameters at
            the end where there are any; or a function of a NumPy generator that yields such.
        misuses: calls that must raise, for `testing.check_op`.

    Returns:
        the op. Without ``function``: a decorator.

    Raises:
        DTypeError: when called, a parameter is no number, string or tuple of them.

    >>> @op(gradient=lambda g, y, x, *, power: g * power * x ** (power - 1))
    ... def raised(x, *, power=2):
    ...     return x**power
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> raised(x, power=3).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """
    if function is None:
        return lambda f: op(
            f, gradient=gradient, infer=infer, validate=validate, samples=samples, misuses=misuses
        )
    signature = inspect.signature(function)
    defaults = {
        p.name: p.default
        for p in signature.parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.default is not p.empty
    }

    def calls(rng: np.random.Generator) -> Iterable[Sample]:
        for call in samples(rng) if callable(samples) else samples:
            yield call if isinstance(call, Sample) else _sample(call, defaults)

    return OwnOp(
        name=f"{function.__module__}.{function.__name__}",
        infer=infer or (lambda first, *rest, **params: first),
        reference=function,
        kernel=Host(),
        gradient=gradient if isinstance(gradient, tuple) else (gradient,),
        samples=calls,
        misuses=misuses,
        validate=validate,
        doc=inspect.getdoc(function) or "",
        signature=signature,
    )


def _sample(call: tuple[Any, ...], defaults: dict[str, Any]) -> Sample:
    given = call[-1] if isinstance(call[-1], dict) else {}
    arrays = call[:-1] if given else call
    return Sample(tuple(map(np.asarray, arrays)), {**defaults, **given})


def _check_parameter(op: str, name: str, value: Any) -> None:
    """Parameters are told apart by how they read: two programs must not take one for another."""
    if isinstance(value, tuple):
        for part in value:
            _check_parameter(op, name, part)
    elif not isinstance(value, (bool, int, float, str, type(None), DType)):
        raise DTypeError(
            f"{op}: a parameter is a number, a string, None or a tuple of them; got {name}="
            f"{type(value).__name__}. Make arrays and tensors arguments before the `*`."
        )
