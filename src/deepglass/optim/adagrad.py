"""Adagrad: the first learning rate of a parameter's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..graph.tensor import Tensor
from ..ops.functions import sqrt
from .group import Number, ParamGroup, Rule, at_least_0, number, rounded
from .optimizer import Optimizer, State, keep


class Adagrad(Optimizer):
    """Smaller steps where gradients were large; rare features keep large ones.

    s ← s + g²; w ← w - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        lr_decay: how fast the rate falls with the steps t.
        weight_decay: times w, added to the gradient.
        initial_accumulator_value: s before the first step.
        eps: added to the root.
        maximize: step along the gradient instead of against it.

    Source: Duchi, Hazan and Singer (2011), figure 1 with diagonal matrices.
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **Optimizer.rules,
        "lr_decay": at_least_0("0"),
        "initial_accumulator_value": at_least_0("0"),
        "eps": at_least_0("1e-10"),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "eps": eps,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> Mapping[str, Any]:
        start = np.full(p.shape, group["initial_accumulator_value"], p.dtype.numpy)
        return {"step": np.float64(0), "sum": start}

    def update(self, p: Tensor, g: Tensor, lr: Number, group: ParamGroup, state: State) -> Tensor:
        step = state["step"]
        if group.is_on("lr_decay"):
            decayed = number(group.rate) / (1 + number(step) * group["lr_decay"])
            lr = rounded(decayed, g.dtype)
        step += 1
        total = keep(state["sum"], state["sum"].to(g.dtype) + g * g)
        size: Tensor = sqrt(total) + group["eps"]
        return lr * g / size
