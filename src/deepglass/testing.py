"""Checks that hold an op, a function or a layer to what it promises.

    check_op("exp")                          every property of an op's record
    check_gradient(lambda x: x.tanh(), x)    a function's gradient, by differences
    check_module(nn.Linear(3, 2), x)         a layer, alone and compiled

Each returns nothing, or raises `AssertionError` and names what was checked, the sample, the
worst element and both values. The tests of this package are made of these checks.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .autodiff import numerical_gradient, value_and_grad
from .compile import compile
from .errors import DataError
from .graph.kinds import Composite
from .graph.op import REGISTRY, Op, Sample
from .graph.tensor import Tensor, apply
from .graph.trace import set_grad_enabled
from .graph.tree import flatten, unflatten
from .graph.types import TensorType, convert, dtype_of
from .nn.module import Module
from .ops.random import Generator, default_generator

__all__ = [
    "DIFFERENCE_TOLERANCE", "PROPERTIES", "TOLERANCES", "Tolerance", "assert_close",
    "check_gradient", "check_module", "check_op", "samples_of",
]  # fmt: skip

Arrays = Sequence[np.ndarray]
Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Tolerance:
    """How far two results may be apart.

    |got - expected| <= relative * |expected| + absolute * max(1, largest |expected|)

    The second part is for elements that are small because large terms cancel in them.
    """

    relative: float
    absolute: float


# The one table by element type; all other types agree exactly. Halves may be one unit in the
# last place apart: what was rounded to them was computed in float32.
TOLERANCES = {
    "float16": Tolerance(relative=2.0**-10, absolute=2e-6),
    "bfloat16": Tolerance(relative=2.0**-7, absolute=2e-6),
    "float32": Tolerance(relative=1e-5, absolute=2e-6),
    "float64": Tolerance(relative=1e-12, absolute=1e-13),
}

# Slopes by differences in float64, relative to the largest of their terms.
DIFFERENCE_TOLERANCE = 1e-7

# A kink inside the first step is outside of a shorter one, which rounds more coarsely.
_STEPS = (1e-4, 1e-5, 1e-6)


def assert_close(what: str, got: Any, expected: Any, tolerance: Tolerance | None = None) -> None:
    """Raise unless two arrays have one shape and type and agree.

    Args:
        what: what is compared, for the message.
        got, expected: tensors or arrays.
        tolerance: that of the element type in `TOLERANCES` unless given.

    Raises:
        AssertionError: with the worst element and both its values.

    >>> assert_close("halves", np.array([0.5]), np.array([0.25]))
    Traceback (most recent call last):
    AssertionError: halves: worst at [0]: got 0.5, expected 0.25, 0.25 apart where 3.5e-13 is \
allowed (1 of 1 elements differ).
    """
    left, right = np.asarray(got), np.asarray(expected)
    if left.shape != right.shape or left.dtype != right.dtype:
        raise AssertionError(
            f"{what}: shape and type are the same; got {_type(left)}, expected {_type(right)}."
        )
    if left.dtype.name not in TOLERANCES and tolerance is None:
        apart = (left != right).astype(float)
        allowed = np.zeros(left.shape)
    else:
        apart, allowed = _distance(left, right, tolerance or TOLERANCES[left.dtype.name])
    wrong = ~(apart <= allowed)
    if wrong.any():
        excess = np.where(wrong, np.nan_to_num(apart - allowed, nan=np.inf, posinf=np.inf), -1)
        at = tuple(int(i) for i in np.unravel_index(excess.argmax(), excess.shape))
        raise AssertionError(
            f"{what}: worst at {list(at)}: got {left[at]:.9g}, expected {right[at]:.9g}, "
            f"{apart[at]:.3g} apart where {allowed[at]:.2g} is allowed "
            f"({int(wrong.sum())} of {wrong.size} elements differ)."
        )


def _distance(
    left: np.ndarray, right: np.ndarray, tolerance: Tolerance
) -> tuple[np.ndarray, np.ndarray]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    size = np.abs(np.where(np.isfinite(b), b, 0.0))
    scale = max(1.0, float(size.max(initial=0.0)))
    return apart, tolerance.relative * size + tolerance.absolute * scale


def _type(x: np.ndarray) -> TensorType:
    return TensorType(x.shape, dtype_of(x.dtype))


def _is_float(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" or x.dtype.name == "bfloat16"


# Ops ------------------------------------------------------------------------------------


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
        inputs = [str(_type(a)) for a in self.args]
        inputs += [f"{k}={v}" for k, v in self.params.items()]
        return f"{self.op.name}, sample {self.number} ({', '.join(inputs)})"

    def infer(self) -> TensorType:
        return self.op.infer(*map(_type, self.args), **self.params)

    def reference(self) -> np.ndarray:
        """What the op means on these arrays."""
        return self.op.compute(self.args, self.params, self.infer())

    def computed(self) -> TensorType:
        """The type of what the record's reference computes."""
        with np.errstate(all="ignore"):
            return _type(np.asarray(self.op.reference(*self.args, **self.params)))

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
            if _is_float(a) and (not rules or rules[k] is not None)
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
        floats = any(map(_is_float, sample.args))
        if dtype == "float64" or floats:
            wanted = dtype_of(dtype)
            args = tuple(convert(a, wanted) if _is_float(a) else a for a in sample.args)
            yield _Case(op, number, args, sample.params, sample.smooth)


def _smooth_cases(op: Op) -> Iterator[_Case]:
    return (case for case in _cases(op) if case.smooth and case.differentiable())


def _check_types(op: Op, backend: str) -> None:
    """The shape rule tells the shape and element type of what the reference computes; halves
    make what float32 makes, or its half."""
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
        if TensorType(found.shape, found.dtype.wide) != expected:
            raise AssertionError(
                f"{half}: halves make what float32 makes, or its half; infer says {found}, and "
                f"{expected} for float32."
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
        _check_slope(f"{case}, gradient", function, args, rng)
        _check_slope(f"{case}, second order", _slope_of(function, args, rng), args, rng)


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
            own = _slope_of(own, args, np.random.default_rng(case.number))
            other = _slope_of(other, args, np.random.default_rng(case.number))


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


# Differences ----------------------------------------------------------------------------


def _slope_of(function: Function, args: Arrays, rng: np.random.Generator) -> Function:
    """The slope of ``function`` along a random direction, as a function of its arguments."""
    directions = [Tensor(rng.uniform(-1, 1, a.shape)) for a in args]

    def slope(*variables: Tensor) -> Tensor:
        gradients = value_and_grad(function, range(len(args)))(*variables)[1]
        terms = [(g * d).sum() for g, d in zip(gradients, directions, strict=True)]
        total: Tensor = sum(terms[1:], terms[0])
        return total

    return slope


def _check_slope(what: str, function: Function, args: Arrays, rng: np.random.Generator) -> None:
    tensors = [Tensor(a) for a in args]
    gradients = value_and_grad(function, range(len(args)))(*tensors)[1]
    _compare_slope(what, function, args, [g.numpy() for g in gradients], rng)


def _compare_slope(
    what: str, function: Function, args: Arrays, gradients: Arrays, rng: np.random.Generator
) -> None:
    """Raise unless ``gradients`` predict how ``function`` changes along a random direction."""
    direction = [rng.uniform(-1, 1, a.shape) for a in args]
    terms = [g * d for g, d in zip(gradients, direction, strict=True)]
    predicted = float(sum(t.sum() for t in terms))
    scale = max([abs(predicted), *[float(np.abs(t).max(initial=0)) for t in terms]])
    measured = []
    for step in _STEPS:
        measured.append(numerical_gradient(function, args, direction, step))
        scale = max(scale, abs(measured[-1]))
        if abs(measured[-1] - predicted) <= DIFFERENCE_TOLERANCE * max(scale, 1.0):
            return
    sizes = [float(np.abs(t).max(initial=0)) for t in terms]
    k = int(np.argmax(sizes))
    at = tuple(int(i) for i in np.unravel_index(int(np.abs(terms[k]).argmax()), terms[k].shape))
    raise AssertionError(
        f"{what}: the gradient is the slope by differences along a random direction; the gradient "
        f"predicts {predicted:.9g}, differences with steps {_STEPS} give "
        f"{', '.join(f'{m:.9g}' for m in measured)}. The largest term is element {list(at)} of "
        f"input {k}: gradient {gradients[k][at]:.9g} times {direction[k][at]:.3g}."
    )


def check_gradient(function: Callable[..., Any], *args: Any, second_order: bool = False) -> None:
    """Compare the gradient of a function with its slope by differences, in float64.

    The slope is taken along one random direction through all arguments at once; a result with
    several elements is multiplied by random numbers and summed.

    Args:
        function: computes a float tensor from its arguments, by ops.
        args: where to check: numbers, arrays, tensors, or nested lists, tuples and dicts of
            them (which the function gets as such). Floats are converted to float64; whole
            numbers and booleans stay as they are.
        second_order: check the gradient of the gradient too.

    Raises:
        AssertionError: gradient and slope differ by more than 1e-7 of the largest term.

    >>> check_gradient(lambda x, y: (x * y).sigmoid(), np.ones(3), 0.5, second_order=True)
    >>> check_gradient(lambda x: x.detach() * x, 3.0)
    Traceback (most recent call last):
    AssertionError: <lambda>, gradient: the gradient is the slope by differences along a random \
direction; the gradient predicts ...
    """
    leaves, structure = flatten(args)
    arrays = [np.asarray(x) for x in leaves]
    active = [k for k, a in enumerate(arrays) if _is_float(a)]
    if not active:
        raise TypeError("check_gradient: at least one argument holds floats; got none.")
    fixed: list[Any] = [Tensor(a.astype("float64")) if k in active else leaves[k]
                        for k, a in enumerate(arrays)]  # fmt: skip
    rng = np.random.default_rng(0)

    def call(variables: Sequence[Tensor]) -> Tensor:
        inputs = list(fixed)
        for k, x in zip(active, variables, strict=True):
            inputs[k] = x
        result = function(*unflatten(structure, iter(inputs)))
        if not isinstance(result, Tensor):
            raise TypeError(
                f"check_gradient: the function returns a tensor; got {type(result).__name__}."
            )
        return result

    with set_grad_enabled(False):
        cotangent = Tensor(rng.uniform(-1, 1, call([fixed[k] for k in active]).shape))

    def number(*variables: Tensor) -> Tensor:
        return (call(variables) * cotangent).sum()

    points = [fixed[k].numpy() for k in active]
    name = getattr(function, "__name__", type(function).__name__)
    _check_slope(f"{name}, gradient", number, points, rng)
    if second_order:
        _check_slope(f"{name}, second order", _slope_of(number, points, rng), points, rng)


# Layers ---------------------------------------------------------------------------------


def check_module(module: Module, *inputs: Any, backend: str = "reference") -> None:
    """Hold a layer or a network to what every module promises.

    In training and in evaluation mode: compiled, it computes what it computes eagerly and
    leaves the same buffers; the gradients of all parameters and inputs are slopes by
    differences in float64. A state dict is read back as it was loaded, and wrong names and
    shapes are refused and change nothing; ``repr`` names the class. The module is left as it
    was found.

    Args:
        module: returns a tensor.
        inputs: arrays or tensors to call it with.
        backend: where it is compiled.

    Raises:
        AssertionError: one of these does not hold.

    >>> from .nn import Linear
    >>> check_module(Linear(3, 2), np.ones((5, 3), np.float32))
    """
    arrays = [np.asarray(x) for x in inputs]
    name = type(module).__name__
    with _left_as_found(module):
        _check_modes(module)
        for training in (True, False):
            module.train(training)
            what = f"{name}, {'training' if training else 'evaluation'}"
            with _left_as_found(module):
                _check_compiled_module(what, module, arrays, backend)
            with _left_as_found(module):
                _check_module_gradients(what, module, arrays)
        _check_state_dict(name, module, arrays)
    if name not in repr(module):
        raise AssertionError(f"{name}: repr names the class; got {module!r}.")


@contextmanager
def _left_as_found(module: Module) -> Iterator[None]:
    """Restore modes, parameters, buffers, gradients and random streams when the block ends."""
    modes = [(m, m.training) for m in module.modules()]
    tensors = [t for _, t in module.named_state()]
    tensors += [t for g in _generators(module) for _, t in g.named_state()]
    before = [(t, Tensor(t.numpy()), t.requires_grad, t._grad) for t in tensors]
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        with set_grad_enabled(False):
            for tensor, value, requires_grad, gradient in before:
                tensor.requires_grad = False
                tensor.rebind(value.node)
                tensor.requires_grad = requires_grad
                tensor._grad = gradient


def _generators(module: Module) -> list[Generator]:
    own = [v for m in module.modules() for v in vars(m).values() if isinstance(v, Generator)]
    return [default_generator, *own]


def _check_modes(module: Module) -> None:
    for mode in (True, False):
        module.train(mode)
        wrong = [path or "itself" for path, m in module.named_modules() if m.training is not mode]
        if wrong:
            raise AssertionError(
                f"{type(module).__name__}: train({mode}) reaches every layer; not {wrong}."
            )


def _check_compiled_module(what: str, module: Module, arrays: Arrays, backend: str) -> None:
    def run(function: Callable[..., Tensor]) -> dict[str, np.ndarray]:
        with _left_as_found(module), set_grad_enabled(False):
            result = function(*map(Tensor, arrays)).numpy()
            buffers = {name: b.numpy() for name, b in module.named_buffers()}
        return {"output": result, **buffers}

    eager = run(module)
    compiled = run(compile(module, backend=backend))
    for name, expected in eager.items():
        assert_close(f"{what}, {name} compiled on {backend}", compiled[name], expected)


def _check_module_gradients(what: str, module: Module, arrays: Arrays) -> None:
    rng = np.random.default_rng(0)
    module.double()
    module.requires_grad_(True)
    parameters = list(module.parameters())
    active = [k for k, a in enumerate(arrays) if _is_float(a)]
    points = [p.numpy() for p in parameters] + [arrays[k].astype("float64") for k in active]

    def call(*variables: Tensor) -> Tensor:
        """The module's output with other parameters and inputs; buffers do not move."""
        inputs = [Tensor(a) for a in arrays]
        for k, x in zip(active, variables[len(parameters) :], strict=True):
            inputs[k] = x
        with set_grad_enabled(False):
            for p, value in zip(parameters, variables, strict=False):
                p.copy_(value)
        result: Tensor = module(*inputs)
        return result

    with _left_as_found(module), set_grad_enabled(False):
        cotangent = Tensor(rng.uniform(-1, 1, call(*map(Tensor, points)).shape))

    def number(*variables: Tensor) -> Tensor:
        with _left_as_found(module):
            return (call(*variables) * cotangent).sum()

    with _left_as_found(module):
        variables = [Tensor(a, requires_grad=True) for a in points]
        module.zero_grad()
        loss = (call(*variables) * cotangent).sum()
        if not loss.requires_grad:
            return
        loss.backward()
        sources = [*parameters, *variables[len(parameters) :]]
        found = [t.grad for t in sources]
    gradients = [
        np.zeros(a.shape) if g is None else g.numpy() for g, a in zip(found, points, strict=True)
    ]
    _compare_slope(f"{what}, gradient", number, points, gradients, rng)


def _check_state_dict(name: str, module: Module, arrays: Arrays) -> None:
    def output() -> np.ndarray:
        with _left_as_found(module), set_grad_enabled(False):
            return np.array(module.eval()(*map(Tensor, arrays)).numpy())

    saved, before = module.state_dict(), output()
    changed = {k: v + np.ones((), v.dtype) for k, v in saved.items()}
    module.load_state_dict(changed)
    for key, value in module.state_dict().items():
        assert_close(f"{name}, state_dict {key!r} after loading", value, changed[key])
    module.load_state_dict(saved)
    assert_close(f"{name}, output after its state was loaded back", output(), before)
    _check_refusals(name, module, saved)


def _check_refusals(name: str, module: Module, saved: dict[str, np.ndarray]) -> None:
    """Unknown names, missing names and other shapes are refused, and change nothing."""
    other = {k: v + np.ones((), v.dtype) for k, v in saved.items()}
    attempts = [{**other, "no such name": np.zeros(1)}]
    for key in list(saved)[-1:]:
        attempts.append({k: v for k, v in other.items() if k != key})
        attempts.append({**other, key: np.zeros((*saved[key].shape, 2))})
    for attempt in attempts:
        try:
            module.load_state_dict(attempt)
        except DataError:
            for key, value in module.state_dict().items():
                assert_close(f"{name}, {key} after a refused state dict", value, saved[key])
        else:
            raise AssertionError(f"{name}: load_state_dict raises DataError; got nothing.")
