"""minimize and maximize: where a function of a few variables, or a trained network, is best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..graph.trace import Traceable, set_grad_enabled
from ..graph.types import DType, dtype_of, float64
from ..ops.random import Generator, rand
from .descent import Course, descend
from .inputs import Bounds, Inputs


@dataclass(frozen=True)
class Optimum:
    """What `minimize` or `maximize` found.

    Attributes:
        x: the inputs, in the form in which they were given.
        value: of the function there.
        steps: how many were taken from the start that led here.
        converged: whether it is a minimum, or maximum, as far as can be told.
        message: why the search ended, and what to do where it did not converge.
        path: all inputs after each step, (steps + 1, numbers), to be drawn.
        values: of the function along the path, (steps + 1,).
    """

    x: Any
    value: float
    steps: int
    converged: bool
    message: str
    path: np.ndarray
    values: np.ndarray

    def __repr__(self) -> str:
        return (
            f"Optimum(x={self.x}, value={self.value:.6g}, steps={self.steps}, "
            f"converged={self.converged}, message={self.message!r})"
        )


def minimize(
    function: Callable[..., Any],
    inputs: Any,
    bounds: Bounds = None,
    *,
    lr: float | None = None,
    starts: int = 1,
    max_steps: int = 1000,
    tolerance: float = 1e-10,
    generator: Generator | None = None,
) -> Optimum:
    """Find the inputs at which a function is least, by its gradient.

    Args:
        function: takes tensors and returns one number: a function of a few variables, or a
            trained network, whose weights stay as they are. A module is put into evaluation
            mode meanwhile.
        inputs: where to start: a tuple of as many arguments; or a number, list, array or tensor
            as the only argument; or a dict of named columns, which the function gets as one row
            (1, columns).
        bounds: (low, high) for all columns; or a list of such pairs, one for each column; or a
            dict of pairs by column, and then the other columns stay as they are. None, alone or
            in a pair, stands for no bound. Columns are the names of a dict, the arguments of a
            tuple, the positions along the last axis of an array.
        lr: learning rate of plain gradient descent, x ← x - lr g, as in the textbooks. Without,
            the length of each step is found by itself (L-BFGS).
        starts: how many places to start from; those after the first are drawn within the bounds.
        max_steps: how many steps to take at most from each.
        tolerance: of the slope, as a share of what the value has changed by.
        generator: where the further starts come from; the default one unless given.

    Returns:
        the best of all starts; whether it converged, and if not, why, is said there.

    Raises:
        DomainError: bounds that do not fit, or a value at the start that is not finite.
        GradientError: the value does not depend on the inputs by operations of deepglass.

    Numerics: computed in the type of the network, or of the tensor or array given, else in
    float64. Columns with two bounds are measured by the distance between these.

    Source: Cauchy (1847) with a rate; without, Liu and Nocedal (1989).

    >>> bowl = minimize(lambda a, b: a**2 + b**2, (3.0, -4.0))
    >>> bowl.converged, bowl.steps, round(bowl.value, 6)
    (True, 2, 0.0)
    >>> minimize(lambda x: (x - 5) ** 2, 0.0, bounds=(0, 3)).x
    3.0
    >>> minimize(lambda a, b: a**2 + b**2, (3.0, -4.0), lr=1.1).message
    'the search diverges: the value rose from 25 to 958 with lr=1.1; take a smaller lr, or leave \
it out, and each step finds its own length'
    """
    search = _Search(lr, starts, max_steps, tolerance, generator)
    return _optimize("minimize", 1, function, inputs, bounds, search)


def maximize(
    function: Callable[..., Any],
    inputs: Any,
    bounds: Bounds = None,
    *,
    lr: float | None = None,
    starts: int = 1,
    max_steps: int = 1000,
    tolerance: float = 1e-10,
    generator: Generator | None = None,
) -> Optimum:
    """Find the inputs at which a function is greatest, by its gradient; see `minimize`.

    With a trained network: which price gives the most profit, at the marketing of 2?

    >>> from ..nn import Module
    >>> class Profit(Module):
    ...     def forward(self, x):  # columns: price, marketing
    ...         price, marketing = x[:, 0], x[:, 1]
    ...         return (price - 1) * (8 + marketing - price)
    >>> best = maximize(Profit(), {"price": 2.0, "marketing": 2.0}, bounds={"price": (1, 9)})
    >>> best.x, best.value
    ({'price': 5.5, 'marketing': 2.0}, 20.25)
    """
    search = _Search(lr, starts, max_steps, tolerance, generator)
    return _optimize("maximize", -1, function, inputs, bounds, search)


@dataclass(frozen=True)
class _Search:
    """How to search; see `minimize`."""

    lr: float | None
    starts: int
    max_steps: int
    tolerance: float
    generator: Generator | None

    def check(self, name: str) -> None:
        if (self.lr is not None and not self.lr > 0) or self.starts < 1 or self.max_steps < 0:
            raise DomainError(
                f"{name}: lr is positive, starts at least 1, max_steps not negative; got lr "
                f"{self.lr}, starts {self.starts}, max_steps {self.max_steps}. Leave them out to "
                "begin with."
            )

    def points(self, first: np.ndarray, low: np.ndarray, high: np.ndarray) -> Iterator[np.ndarray]:
        """Yield where to start from: ``first``, and draws between the bounds."""
        yield np.clip(first, low, high)
        for _ in range(self.starts - 1):
            drawn = rand(len(first), generator=self.generator, dtype=float64).numpy()
            yield low + drawn * (high - low)


def _optimize(
    name: str, sign: int, function: Callable[..., Any], given: Any, bounds: Bounds, search: _Search
) -> Optimum:
    search.check(name)
    inputs = Inputs(name, given, _type_of(function, given))
    low, high, free = inputs.box(bounds)
    low, high = low[free], high[free]
    bounded = np.isfinite(low) & np.isfinite(high) & (low < high)
    if search.starts > 1 and not bounded.all():
        raise DomainError(
            f"{name}: further starts are drawn between two bounds; got {search.starts} starts and "
            f"bounds {bounds}. Bound the columns that move, or pass starts=1."
        )
    # the unit of each variable; textbook steps are taken in the variables as they are
    unit = np.where(bounded & (search.lr is None), high - low, 1.0)

    def vector(z: np.ndarray) -> np.ndarray:
        x = inputs.start.copy()
        x[free] = z * unit
        return x

    def evaluate(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = inputs.evaluate(function, vector(z))
        return sign * value, sign * gradient[free] * unit

    courses = []
    with _in_evaluation(function), set_grad_enabled(False):
        for start in search.points(inputs.start[free], low, high):
            course = descend(
                evaluate, start / unit, low / unit, high / unit, search.lr, search.max_steps,
                search.tolerance, inputs.rounding,
            )  # fmt: skip
            if not np.isfinite(course.values[0]):
                raise DomainError(
                    f"{name}: the function is finite where the search starts; got "
                    f"{course.values[0]} at {inputs.given(vector(start / unit))}. Start elsewhere."
                )
            courses.append(course)
    best = min(courses, key=lambda c: np.nanmin(c.values))
    at = int(np.nanargmin(best.values))
    return Optimum(
        x=inputs.given(vector(best.points[at])),
        value=sign * best.values[at],
        steps=len(best.values) - 1,
        converged=best.outcome in ("flat", "precise"),
        message=_message(best, sign, search),
        path=np.array([vector(z) for z in best.points]),
        values=sign * np.array(best.values),
    )


def _message(course: Course, sign: int, search: _Search) -> str:
    """Why a search ended, and what to do where it did not converge."""
    better, worse = ("falls", "rose") if sign > 0 else ("rises", "fell")
    start, end = (sign * course.values[k] for k in (0, -1))
    if course.outcome == "flat":
        return "the slope is 0 within the tolerance"
    if course.outcome == "precise":
        return f"the value {better} no further at this precision"
    if course.outcome == "unfinished":
        more = "max_steps" if search.lr is None else "max_steps or lr"
        return (
            f"the slope is still {course.slope:.3g} after {search.max_steps} steps; pass a larger "
            f"{more}"
        )
    if course.outcome == "stuck":
        return (
            f"no step helps, though the slope is {course.slope:.3g}: the function has a kink here, "
            "or its gradient is not its own; look at it with deepglass.testing.check_gradient"
        )
    if search.lr is None:
        return f"the value {better} without end, to {end:.3g}; pass bounds"
    settled = course.values[-1] <= course.values[0]
    what = "does not settle: the value went" if settled else f"diverges: the value {worse}"
    return (
        f"the search {what} from {start:.3g} to {end:.3g} with lr={search.lr:g}; take a smaller "
        "lr, or leave it out, and each step finds its own length"
    )


def _type_of(function: Callable[..., Any], inputs: Any) -> DType:
    """The float type to compute in: float32 beside halves."""
    if isinstance(inputs, (Tensor, np.ndarray)) and dtype_of(inputs.dtype).is_float:
        return dtype_of(inputs.dtype).wide
    state: Iterable[Any] = function.named_state() if isinstance(function, Traceable) else ()
    return next((t.dtype.wide for _, t in state if t.dtype.is_float), float64)


@contextmanager
def _in_evaluation(function: Callable[..., Any]) -> Iterator[None]:
    """Layers in evaluation mode, and afterwards in the mode they had."""
    scopes: Iterable[Any] = function.named_scopes() if isinstance(function, Traceable) else ()
    layers = [layer for _, layer in scopes]
    modes = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.training = False
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode
