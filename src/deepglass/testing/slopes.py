"""Gradients against slopes by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autodiff import numerical_gradient, value_and_grad
from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..graph.tree import flatten, unflatten
from .compare import is_float

Arrays = Sequence[np.ndarray]
Function = Callable[..., Tensor]


# Slopes by differences in float64, relative to the largest of their terms.
DIFFERENCE_TOLERANCE = 1e-7

# A kink inside the first step is outside of a shorter one, which rounds more coarsely.
_STEPS = (1e-4, 1e-5, 1e-6)

_EXAMINED = 200  # elements at most, when a gradient was found wrong


def slope_of(function: Function, args: Arrays, rng: np.random.Generator) -> Function:
    """The slope of ``function`` along a random direction, as a function of its arguments."""
    directions = [Tensor(rng.uniform(-1, 1, a.shape)) for a in args]

    def slope(*variables: Tensor) -> Tensor:
        gradients = value_and_grad(function, range(len(args)))(*variables)[1]
        terms = [(g * d).sum() for g, d in zip(gradients, directions, strict=True)]
        total: Tensor = sum(terms[1:], terms[0])
        return total

    return slope


def check_slope(what: str, function: Function, args: Arrays, rng: np.random.Generator) -> None:
    tensors = [Tensor(a) for a in args]
    gradients = value_and_grad(function, range(len(args)))(*tensors)[1]
    compare_slope(what, function, args, [g.numpy() for g in gradients], rng)


def compare_slope(
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
    raise AssertionError(
        f"{what}: the gradient is the slope by differences along a random direction; the gradient "
        f"predicts {predicted:.9g}, differences with steps {_STEPS} give "
        f"{', '.join(f'{m:.9g}' for m in measured)}. {_worst(function, args, gradients, terms)}"
    )


def _worst(function: Function, args: Arrays, gradients: Arrays, terms: Arrays) -> str:
    """Say at which element gradient and slope differ most, of those with the largest terms."""
    places = [(k, at) for k, a in enumerate(args) for at in np.ndindex(a.shape)]
    places.sort(key=lambda place: -abs(terms[place[0]][place[1]]))
    worst = (-1.0, "")
    for k, at in places[:_EXAMINED]:
        unit = [np.zeros(a.shape) for a in args]
        unit[k][at] = 1
        slope, found = numerical_gradient(function, args, unit), float(gradients[k][at])
        apart = abs(slope - found) if np.isfinite(slope - found) else np.inf
        text = f"Worst at input {k}, element {list(at)}: gradient {found:.9g}, slope {slope:.9g}."
        worst = max(worst, (apart, text))
    return worst[1]


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
    active = [k for k, a in enumerate(arrays) if is_float(a)]
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
    check_slope(f"{name}, gradient", number, points, rng)
    if second_order:
        check_slope(f"{name}, second order", slope_of(number, points, rng), points, rng)


def gradcheck(func: Callable[..., Any], inputs: Any, *, second_order: bool = False) -> bool:
    """Return True if the gradient of ``func`` is its slope by differences; raise if it is not.

    Args:
        func: computes a float tensor from its arguments, by ops.
        inputs: the arguments to check it at: a tuple of them, or the only one. They are
            converted to float64; see `check_gradient`.
        second_order: check the gradient of the gradient too.

    Raises:
        AssertionError: naming the input and the element that are most wrong, with both slopes.

    >>> gradcheck(lambda x, y: (x * y).sigmoid(), (np.ones(3), 0.5), second_order=True)
    True
    """
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    check_gradient(func, *args, second_order=second_order)
    return True
