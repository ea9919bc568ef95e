"""RMSprop: gradients divided by their recent size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..graph.tensor import Tensor
from ..ops.elementwise import maximum
from ..ops.functions import sqrt
from .group import SWITCH, Number, ParamGroup, Rule, at_least_0, below_1, rounded
from .optimizer import Optimizer, State, keep


class RMSprop(Optimizer):
    """Steps of a size that follows the recent gradients: Adagrad that forgets.

    s ← alpha s + (1 - alpha) g²; w ← w - lr g / (sqrt(s) + eps)

    Centered, s - m² takes the place of s, with m ← alpha m + (1 - alpha) g; with a momentum,
    v ← momentum v + g / (sqrt(s) + eps) and w ← w - lr v.

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        alpha: how much of the mean square is kept.
        eps: added to the root.
        weight_decay: times w, added to the gradient.
        momentum: share of the last direction that is kept.
        centered: divide by the deviation from the mean gradient.
        maximize: step along the gradient instead of against it.

    Numerics: where rounding makes the variance s - m² negative, it counts as 0 (PyTorch: NaN).

    Source: Hinton, Srivastava and Swersky (2012), lecture 6e; centered after Graves (2013),
    equations 38 to 40.
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **Optimizer.rules,
        "alpha": below_1("0.99"),
        "eps": at_least_0("1e-8"),
        "momentum": at_least_0("0 or 0.9"),
        "centered": SWITCH,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
            "momentum": momentum, "centered": centered, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> Mapping[str, Any]:
        names = {
            "square_avg": True,
            "grad_avg": group.is_on("centered"),
            "momentum_buffer": group.is_on("momentum"),
        }
        return {name: np.zeros(p.shape, p.dtype.numpy) for name, kept in names.items() if kept}

    def update(self, p: Tensor, g: Tensor, lr: Number, group: ParamGroup, state: State) -> Tensor:
        def averaged(name: str, value: Tensor) -> Tensor:
            mean = state[name].to(g.dtype) * group["alpha"] + value * (1 - group["alpha"])
            return keep(state[name], mean)

        spread = averaged("square_avg", g * g)
        if group.is_on("centered"):
            mean = averaged("grad_avg", g)
            spread = maximum(spread - mean * mean, 0.0)
        size: Tensor = sqrt(spread) + group["eps"]
        direction = g / size
        if group.is_on("momentum"):
            (share,) = group.numbers("momentum")
            memory = state["momentum_buffer"]
            direction = keep(memory, memory.to(g.dtype) * rounded(share, g.dtype) + direction)
        return lr * direction
