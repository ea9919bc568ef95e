"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Parameter, Tensor
from .optimizer import Optimizer, ParamGroup


class SGD(Optimizer):
    """w ← w - lr v, with v ← momentum v + gradient.

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        momentum: share of the last direction that is kept, from 0 to 1; 0 follows the
            gradient alone.

    Source: Polyak (1964) for momentum, in the form of Sutskever et al. (2013), section 2.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0) -> None:
        if momentum < 0:
            raise DomainError(f"SGD: momentum is not negative; got {momentum}.")
        super().__init__(params, {"lr": lr, "momentum": momentum})
        if any(group["momentum"] for group in self.param_groups):
            self.buffers("momentum")

    def update(self, p: Parameter, g: Tensor, group: ParamGroup, *scalars: Tensor) -> None:
        (lr,) = scalars
        if group["momentum"]:
            if "momentum" not in self.state:
                raise DomainError(
                    "SGD: an optimizer made without momentum has no memory for it; got momentum "
                    f"{group['momentum']} later. Make a new SGD(..., momentum=...)."
                )
            velocity = self.state["momentum"][id(p)]
            velocity.rebind((velocity * group["momentum"] + g).node)
            g = velocity
        p.rebind((p - lr * g).node)
