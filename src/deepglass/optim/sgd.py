"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..ops.elementwise import where
from .group import SWITCH, Number, ParamGroup, Rule, at_least_0, rounded
from .optimizer import Optimizer, State, keep


class SGD(Optimizer):
    """Steps against the gradient, or along a mean of the last directions.

    v ← momentum v + (1 - dampening) g, at the first step g;
    w ← w - lr v; with Nesterov's momentum w ← w - lr (g + momentum v)

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        momentum: share of the last direction that is kept; 0 follows the gradient alone.
        dampening: share of the gradient that a momentum leaves out, from 0 to 1.
        weight_decay: times w, added to the gradient: pulls weights towards 0.
        nesterov: look ahead along the momentum; needs one, and no dampening.
        maximize: step along the gradient instead of against it.

    Source: Polyak (1964) for momentum, in the form of Sutskever et al. (2013), section 2, where
    Nesterov's (1983) is equation 3.
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **Optimizer.rules,
        "momentum": at_least_0("0 or 0.9"),
        "dampening": Rule(lambda x: 0 <= x <= 1, "a number from 0 to 1", "Usual: 0."),
        "nesterov": SWITCH,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening,
            "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> Mapping[str, Any]:
        momentum, dampening = group.is_on("momentum"), group.is_on("dampening")
        if group.is_on("nesterov") and (dampening or not momentum):
            raise DomainError(
                "SGD: Nesterov's step needs a momentum and no dampening; got momentum "
                f"{group['momentum']}, dampening {group['dampening']}. Pass momentum=0.9, "
                "dampening=0."
            )
        state: dict[str, Any] = {}
        if momentum:
            state["momentum_buffer"] = np.zeros(p.shape, p.dtype.numpy)
        if momentum and dampening:
            state["step"] = np.float64(0)
        return state

    def update(self, p: Tensor, g: Tensor, lr: Number, group: ParamGroup, state: State) -> Tensor:
        if group.is_on("momentum"):
            (share,) = group.numbers("momentum")
            momentum = rounded(share, g.dtype)
            joining = g * _share(g, group, state) if group.is_on("dampening") else g
            memory = state["momentum_buffer"]
            velocity = keep(memory, memory.to(g.dtype) * momentum + joining)
            g = g + velocity * momentum if group.is_on("nesterov") else velocity
        return lr * g


def _share(g: Tensor, group: ParamGroup, state: State) -> Tensor:
    """The share of the gradient that joins the momentum: all of it at the first step."""
    step = state["step"]
    share = where(step == 0, 1.0, 1 - group["dampening"])
    step += 1
    return share.to(g.dtype)
