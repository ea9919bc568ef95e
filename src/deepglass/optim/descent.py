"""Descent in a box: the engine behind `minimize` and `maximize`, on plain vectors."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Evaluate = Callable[[np.ndarray], tuple[float, np.ndarray]]  # the value and its gradient
Found = tuple[np.ndarray, float, np.ndarray]  # a point, the value there, its gradient

_MEMORY = 10  # steps whose curvature is remembered
_DECREASE = 1e-4  # of what the slope promises, at least
_SHORTEST = 1e-14  # of a whole step
_FAR = 1e10
_PATIENCE = 10  # steps without progress


@dataclass
class Course:
    """The way a descent took.

    Attributes:
        points: where it was, the start included.
        values: of the function there.
        outcome: why it ended: "flat", "precise" (both of them minima as far as can be told),
            "unfinished", "stuck" or "lost".
        slope: at the end, times the size of the variables.
    """

    points: list[np.ndarray] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    outcome: str = ""
    slope: float = math.nan

    def add(self, point: np.ndarray, value: float) -> None:
        """Note a step."""
        self.points.append(point)
        self.values.append(value)

    def end(self, outcome: str, slope: float) -> Course:
        """Note why the descent is over."""
        self.outcome, self.slope = outcome, slope
        return self

    def stands(self) -> bool:
        """Whether no value of the last steps is below the one before them."""
        return len(self.values) > _PATIENCE and not (
            min(self.values[-_PATIENCE:]) < self.values[-_PATIENCE - 1]
        )


def descend(
    evaluate: Evaluate,
    start: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    lr: float | None,
    max_steps: int,
    tolerance: float,
    rounding: float,
) -> Course:
    """Go downhill from ``start`` within the box from ``low`` to ``high``.

    With a rate ``lr`` each step is the textbook's, x ← x - lr g, put back into the box.
    Without, the curvature along the last steps turns and stretches the gradient (L-BFGS), for
    the variables that are not held by a bound, and the step is halved until the value falls by
    a share of what the slope promises.

    Source: Liu and Nocedal (1989), algorithm 2.1; Bertsekas (1982), equation 32, for bounds.
    """
    course = Course()
    memory: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=_MEMORY)
    x, length = np.clip(start, low, high), 0.0
    value, g = evaluate(x)
    course.add(x, value)
    while True:
        inward = np.where(((x <= low) & (g > 0)) | ((x >= high) & (g < 0)), 0.0, g)
        scale = max(abs(value), course.values[0] - value)
        slope = float((np.abs(inward) * np.maximum(np.abs(x), 1)).max(initial=0.0))
        if slope <= tolerance * scale:
            return course.end("flat", slope)
        if len(course.values) > max_steps:
            return course.end("unfinished", slope)
        if lr is not None:
            new = np.clip(x - lr * g, low, high)
            found: Found | None = (new, *evaluate(new))
        else:
            length = length or 1 / float(np.abs(inward).max())
            found = _search(evaluate, x, value, g, _bent(inward, memory, length), low, high)
            if found is None and memory:
                memory.clear()
                length = 1 / float(np.abs(inward).max())
                found = _search(evaluate, x, value, g, -length * inward, low, high)
        if found is None or (course.stands() and _is_close(found[0], x, rounding)):
            return course.end("precise" if slope <= rounding**0.5 * scale else "stuck", slope)
        moved, turned = found[0] - x, found[2] - g
        x, value, g = found
        course.add(x, value)
        if not np.isfinite(value) or np.abs(x).max() > _FAR or course.stands():
            return course.end("lost", slope)
        if moved @ turned > 0:
            memory.append((moved, turned))
        elif not memory:
            length *= 2


def _bent(g: np.ndarray, memory: deque[tuple[np.ndarray, np.ndarray]], length: float) -> np.ndarray:
    """The direction of L-BFGS among the variables in which ``g`` is not 0: two loops over the
    remembered (step, change of the gradient)."""
    pairs = [(s * (g != 0), y * (g != 0)) for s, y in memory]
    pairs = [(s, y) for s, y in pairs if s @ y > 0]
    if not pairs:
        return -length * g
    direction, shares = -g, []
    for s, y in reversed(pairs):
        shares.append((s @ direction) / (s @ y))
        direction = direction - shares[-1] * y
    s, y = pairs[-1]
    direction = direction * ((s @ y) / (y @ y))
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + (share - (y @ direction) / (s @ y)) * s
    return np.asarray(direction)


def _search(
    evaluate: Evaluate,
    x: np.ndarray,
    value: float,
    g: np.ndarray,
    direction: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> Found | None:
    """Go along ``direction``, bent by the box, until the value falls; None where it never does."""
    share = 1.0
    while share > _SHORTEST:
        new = np.clip(x + share * direction, low, high)
        found = (new, *evaluate(new))
        if found[1] < value + _DECREASE * float(g @ (new - x)):  # False where it is not a number
            return found
        share /= 2
    return None


def _is_close(a: np.ndarray, b: np.ndarray, rounding: float) -> bool:
    return bool((np.abs(a - b) <= rounding**0.5 * np.maximum(np.abs(b), 1)).all())
