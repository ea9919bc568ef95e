"""Ops against their records."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff import value_and_grad
from ..compile import compile
from ..graph.kinds import Composite
from ..graph.op import REGISTRY, Op, Sample
from ..graph.tensor import Tensor, apply
from ..graph.types import TensorType, convert, dtype_of, float16, float32
from .compare import assert_close, is_float, type_of
from .slopes import Function, check_slope, slope_of


def samples_of(op: Op) -> list[Sample]:
    """Return the samples of an op's record: the same arrays at every call.

    >>> [sample.args[0].shape for sample in samples_of(REGISTRY["exp"])][:3]
    [(), (1,), (7,)]
    """
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    return list(op.samples(rng)) if op.samples is not None else []


@dataclass(frozen=True)
class _Case:
    """One sample of an op, with its floating-point inputs in one of the float types."""

    op: Op
    number: int
    args: tuple[np.ndarray, ...]
    params: dict[str, Any]
    smooth: bool

    def __str__(self) -> str:
        inputs = [str(type_of(a)) for a in self.args]
        inputs += [f"{k}={v}" for k, v in self.params.items()]
        return f"{self.op.name}, sample {self.number} ({', '.join(inputs)})"

    def infer(self) -> TensorType:
        return self.op.infer(*map(type_of, self.args), **self.params)

    def reference(self) -> np.ndarray:
        """What the op means on these arrays."""
        return self.op.compute(self.args, self.params, self.infer())

    def computed(self) -> TensorType:
        """The type of what the record's reference computes."""
        with np.errstate(all="ignore"):
            return type_of(np.asarray(self.op.reference(*self.args, **self.params)))

    def apply(self, *inputs: Tensor) -> Tensor:
        return apply(self.op, *inputs, **self.params)

    def expand(self, *inputs: Tensor) -> Tensor:
        assert isinstance(self.op.kernel, Composite)
        expanded: Tensor = self.op.kernel.expand(*inputs, **self.params)
        return expanded

    def tensors(self) -> list[Tensor]:
        return [Tensor(a) for a in self.args]

    def differentiable(self) -> tuple[int, ...]:
        """The inputs a gradient is asked for."""
        rules = self.op.gradient
        if not self.infer().dtype.is_float or not (rules or self.op.expands_at_once):
            return ()
        return tuple(
            k
            for k, a in enumerate(self.args)
            if is_float(a) and (not rules or rules[k] is not None)
        )

    def projected(self, function: Function) -> tuple[Callable[..., Tensor], list[np.ndarray]]:
        """``function`` as one number of its differentiable inputs and a random cotangent.

        The cotangent is an argument too: the second derivatives of an op that is linear in
        its inputs appear only in the mixed terms with it.
        """
        active = self.differentiable()
        rng = np.random.default_rng(self.number)
        cotangent = rng.uniform(-1, 1, self.infer().shape).astype(self.infer().dtype.numpy)
        fixed = self.tensors()

        def number(*variables: Tensor) -> Tensor:
            inputs = list(fixed)
            for k, x in zip(active, variables, strict=False):
                inputs[k] = x
            return (function(*inputs) * variables[-1]).sum()

        return number, [*[self.args[k] for k in active], cotangent]


def _cases(op: Op, dtype: str = "float64") -> Iterator[_Case]:
    """The samples with floats as ``dtype``; but for float64 only those that hold floats."""
    for number, sample in enumerate(samples_of(op)):
        floats = any(map(is_float, sample.args))
        if dtype == "float64" or floats:
            wanted = dtype_of(dtype)
            args = tuple(convert(a, wanted) if is_float(a) else a for a in sample.args)
            yield _Case(op, number, args, sample.params, sample.smooth)


def _smooth_cases(op: Op) -> Iterator[_Case]:
    return (case for case in _cases(op) if case.smooth and case.differentiable())


def _check_types(op: Op, backend: str) -> None:
    """The shape rule tells the shape and element type of what the reference computes, and
    halves for halves."""
    if not samples_of(op):
        raise AssertionError(f"{op.name}: a record has samples; got none. Add samples=.")
    for case in (*_cases(op), *_cases(op, "float32")):
        found, inferred = case.computed(), case.infer()
        if found != inferred:
            raise AssertionError(
                f"{case}: infer and reference agree; infer says {inferred}, the reference "
                f"computes {found}."
            )
    for single, half in zip(_cases(op, "float32"), _cases(op, "float16"), strict=True):
        found, expected = half.infer(), single.infer()
        if expected.dtype is float32 and "dtype" not in half.params:
            expected = TensorType(expected.shape, float16)
        if found != expected:
            raise AssertionError(
                f"{half}: halves make halves where float32 makes float32, and else the same; infer "
                f"says {found}, not {expected}."
            )


def _check_values(op: Op, backend: str) -> None:
    """A compiled program computes what the reference does: a program of the op alone for each
    float32 sample, one with all float64 samples side by side, and one with all samples of a
    half, for every op the same one of the two."""
    for case in _cases(op, "float32"):
        got = compile(case.apply, backend=backend)(*case.tensors())
        assert_close(f"{case}, {backend}", got, case.reference())
    half = ("float16", "bfloat16")[len(op.name) % 2]
    for dtype in ("float64", half):
        together = list(_cases(op, dtype))

        def all_at_once(inputs: Any, together: Any = together) -> list[Tensor]:
            return [case.apply(*xs) for case, xs in zip(together, inputs, strict=True)]

        results = compile(all_at_once, backend=backend)([case.tensors() for case in together])
        for case, got in zip(together, results, strict=True):
            assert_close(f"{case}, {backend}", got, case.reference())


def _check_gradient_rules(op: Op, backend: str) -> None:
    """Gradients are slopes, and so are the gradients of gradients."""
    for case in _smooth_cases(op):
        function, args = case.projected(case.apply)
        rng = np.random.default_rng(case.number)
        check_slope(f"{case}, gradient", function, args, rng)
        check_slope(f"{case}, second order", slope_of(function, args, rng), args, rng)


def _check_compiled_gradients(op: Op, backend: str) -> None:
    """Compiled gradients are the eager ones: one program for all samples of a float type."""
    for dtype in ("float32", "float64"):
        cases = [c for c in _cases(op, dtype) if c.smooth and c.differentiable()]
        projected = [case.projected(case.apply) for case in cases]
        functions = [value_and_grad(f, range(len(args))) for f, args in projected]

        def gradients(points: Any, functions: Any = functions) -> list[Any]:
            return [f(*point)[1] for f, point in zip(functions, points, strict=True)]

        points = [[Tensor(a) for a in args] for _, args in projected]
        eager, compiled = gradients(points), compile(gradients, backend=backend)(points)
        for case, found, expected in zip(cases, compiled, eager, strict=True):
            for k, (got, wanted) in enumerate(zip(found, expected, strict=True)):
                assert_close(f"{case}, gradient {k} on {backend}", got, wanted)


def _check_expansion(op: Op, backend: str) -> None:
    """A composite is its expansion: in value, gradient and second derivative."""
    if not isinstance(op.kernel, Composite):
        return
    for case in _cases(op):
        expanded = case.expand(*case.tensors())
        assert_close(f"{case}, expansion", expanded, case.reference())
        if not (case.smooth and case.differentiable()):
            continue
        own, args = case.projected(case.apply)
        other, _ = case.projected(case.expand)
        for order in ("gradient", "second derivative"):
            numbers = range(len(args))
            tensors = [Tensor(a) for a in args]
            found = value_and_grad(own, numbers)(*tensors)[1]
            wanted = value_and_grad(other, numbers)(*tensors)[1]
            for k, (got, expected) in enumerate(zip(found, wanted, strict=True)):
                assert_close(f"{case}, {order} {k} against its expansion", got, expected)
            own = slope_of(own, args, np.random.default_rng(case.number))
            other = slope_of(other, args, np.random.default_rng(case.number))


def _check_misuses(op: Op, backend: str) -> None:
    """What must not be is refused, with the message the record promises."""
    for number, misuse in enumerate(op.misuses):
        what = f"{op.name}, misuse {number}"
        try:
            result = apply(op, *map(Tensor, misuse.args), **misuse.params)
        except misuse.error as error:
            if misuse.match not in str(error):
                raise AssertionError(
                    f"{what}: the message contains {misuse.match!r}; got {str(error)!r}."
                ) from error
        except Exception as error:
            raise AssertionError(
                f"{what}: raises {misuse.error.__name__}; got {type(error).__name__}: {error}"
            ) from error
        else:
            raise AssertionError(f"{what}: raises {misuse.error.__name__}; got {result!r}.")


PROPERTIES: dict[str, Callable[[Op, str], None]] = {
    "types": _check_types,
    "values": _check_values,
    "gradients": _check_gradient_rules,
    "compiled gradients": _check_compiled_gradients,
    "expansion": _check_expansion,
    "misuses": _check_misuses,
}


def check_op(
    op: Op | str, backend: str = "reference", properties: Iterable[str] = PROPERTIES
) -> None:
    """Hold an op to its record, on every one of its samples.

    types: the shape rule tells shape and type of what the reference computes.
    values: compiled programs of the op equal the reference, in float64, float32 and a half.
    gradients: they are slopes by differences in float64, to second order (smooth samples).
    compiled gradients: they equal the eager ones, in float64 and float32.
    expansion: a composite equals its expansion, to second order.
    misuses: each raises the error, with the words, that the record promises.

    Args:
        op: a record, or its name.
        backend: where programs are compiled.
        properties: which of these to check; all unless given.

    Raises:
        AssertionError: the record does not hold.

    >>> check_op("tanh")
    """
    record = REGISTRY[op] if isinstance(op, str) else op
    for name in properties:
        PROPERTIES[name](record, backend)
