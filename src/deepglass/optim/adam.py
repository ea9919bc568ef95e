"""Adam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Buffer, Parameter, Tensor
from ..ops.functions import exp, sqrt
from .optimizer import Optimizer, ParamGroup


class Adam(Optimizer):
    """Steps of about lr in each coordinate, whatever the size of its gradients.

    m ← β1 m + (1 - β1) g;  v ← β2 v + (1 - β2) g²;
    w ← w - lr m / (1 - β1^t) / (sqrt(v / (1 - β2^t)) + eps)

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        betas: (β1, β2), how much of the means of gradients and squares is kept.
        eps: added to the root.

    Source: Kingma and Ba (2015), algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        if not all(0 <= b < 1 for b in betas):
            raise DomainError(f"Adam: betas are at least 0 and less than 1; got {betas}.")
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps})
        self.steps = Buffer(np.float64(0), role="steps")
        self.buffers("mean")
        self.buffers("square")

    def before_step(self) -> None:
        self.steps.rebind((self.steps + 1).node)

    def scalars(self, group: ParamGroup) -> tuple[Tensor, ...]:
        beta1, beta2 = group["betas"]
        return group.rate / self._correction(beta1), sqrt(self._correction(beta2))

    def update(self, p: Parameter, g: Tensor, group: ParamGroup, *scalars: Tensor) -> None:
        rate, root = scalars
        beta1, beta2 = group["betas"]
        mean, square = self.state["mean"][id(p)], self.state["square"][id(p)]
        mean.rebind((mean * beta1 + g * (1 - beta1)).node)
        square.rebind((square * beta2 + g * g * (1 - beta2)).node)
        p.rebind((p - rate * mean / (sqrt(square) / root + group["eps"])).node)

    def _correction(self, beta: float) -> Tensor:
        """1 - beta^t, in float64."""
        if beta == 0:
            return Tensor(1.0, "float64")
        return 1.0 - exp(self.steps * math.log(beta))

    def named_state(self) -> Any:
        yield "steps", self.steps
        yield from super().named_state()
