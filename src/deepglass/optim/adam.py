"""Adam and its relatives: means of gradients and of their squares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..graph.tensor import Tensor
from ..ops.elementwise import maximum
from ..ops.functions import exp, log, sqrt
from .group import SWITCH, ParamGroup, Rule, at_least_0, below_1
from .optimizer import Optimizer, State

BETAS = below_1("(0.9, 0.999)", count=2)


def follow(g: Tensor, group: ParamGroup, state: State) -> tuple[Tensor, Tensor]:
    """Bring the means of gradients and of squares up to date, and count the step.

    Returns:
        1 - β1^t and 1 - β2^t in float64: what the means, which start at 0, miss.
    """
    step, mean, square = state["step"], state["exp_avg"], state["exp_avg_sq"]
    step += 1
    missing = []
    for average, value, beta in zip(
        (mean, square), (g, g * g), group.tensors("betas"), strict=True
    ):
        average *= beta.to(g.dtype)
        average += value * (1 - beta).to(g.dtype)
        missing.append(1 - exp(step * log(beta)))
    return missing[0], missing[1]


class Adam(Optimizer):
    """Steps of about lr in each coordinate, whatever the size of its gradients.

    m ← β1 m + (1 - β1) g;  v ← β2 v + (1 - β2) g²;
    w ← w - lr m / (1 - β1^t) / (sqrt(v / (1 - β2^t)) + eps)

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        betas: (β1, β2), how much of the means of gradients and squares is kept.
        eps: added to the root.
        weight_decay: times w, added to the gradient.
        amsgrad: divide by the greatest v there has been.
        maximize: step along the gradient instead of against it.
        decoupled_weight_decay: shrink w by lr weight_decay instead: AdamW.

    Source: Kingma and Ba (2015), algorithm 1; Reddi, Kale and Kumar (2018) for amsgrad.
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **Optimizer.rules,
        "betas": BETAS,
        "eps": at_least_0("1e-8"),
        "amsgrad": SWITCH,
        "decoupled_weight_decay": SWITCH,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> Mapping[str, Any]:
        zeros = np.zeros(p.shape, p.dtype.numpy)
        state: dict[str, Any] = {"step": np.float64(0), "exp_avg": zeros, "exp_avg_sq": zeros}
        if group.is_on("amsgrad"):
            state["max_exp_avg_sq"] = zeros
        return state

    def update(self, p: Tensor, g: Tensor, lr: Tensor, group: ParamGroup, state: State) -> None:
        of_mean, of_square = follow(g, group, state)
        square: Tensor = state["exp_avg_sq"]
        if group.is_on("amsgrad"):
            greatest = state["max_exp_avg_sq"]
            greatest.rebind(maximum(greatest, square).node)
            square = greatest
        rate, root = (group.rate / of_mean).to(p.dtype), sqrt(of_square).to(p.dtype)
        p -= rate * state["exp_avg"] / (sqrt(square) / root + group["eps"])


class AdamW(Adam):
    """Adam that shrinks weights by a share of their own, not through the gradient.

    w ← w - lr weight_decay w, then the step of `Adam`

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        betas: (β1, β2), how much of the means of gradients and squares is kept.
        eps: added to the root.
        weight_decay: share of a weight that it loses per step, times lr.
        amsgrad: divide by the greatest mean square there has been.
        maximize: step along the gradient instead of against it.

    Source: Loshchilov and Hutter (2019), algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad,
            maximize=maximize, decoupled_weight_decay=True,
        )  # fmt: skip


class NAdam(Optimizer):
    """Adam that looks ahead along its momentum, as Nesterov's does.

    μ_t = β1 (1 - 0.96^(t momentum_decay) / 2), M_t = μ_1 ... μ_t, m and v as in `Adam`;
    w ← w - lr ((1 - μ_t) / (1 - M_t) g + μ_(t+1) / (1 - M_(t+1)) m) / (sqrt(v / (1 - β2^t)) + eps)

    Args:
        params: parameters, or dicts with "params" and settings of their own.
        lr: learning rate.
        betas: (β1, β2), how much of the means of gradients and squares is kept.
        eps: added to the root.
        weight_decay: times w, added to the gradient.
        momentum_decay: how fast the momentum grows towards β1.
        decoupled_weight_decay: shrink w by lr weight_decay instead.
        maximize: step along the gradient instead of against it.

    Source: Dozat (2016), algorithm 2.
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **Optimizer.rules,
        "betas": BETAS,
        "eps": at_least_0("1e-8"),
        "momentum_decay": at_least_0("0.004"),
        "decoupled_weight_decay": SWITCH,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> Mapping[str, Any]:
        zeros = np.zeros(p.shape, p.dtype.numpy)
        return {
            "step": np.float64(0), "mu_product": np.float64(1),
            "exp_avg": zeros, "exp_avg_sq": zeros,
        }  # fmt: skip

    def update(self, p: Tensor, g: Tensor, lr: Tensor, group: ParamGroup, state: State) -> None:
        _, of_square = follow(g, group, state)
        beta1, _ = group.tensors("betas")
        decay = math.log(0.96) * group["momentum_decay"]
        now, later = (beta1 * (1 - exp((state["step"] + k) * decay) / 2) for k in (0, 1))
        product = state["mu_product"]
        product *= now
        rates = (group.rate * (1 - now) / (1 - product), group.rate * later / (1 - product * later))
        ahead, behind = (rate.to(p.dtype) for rate in rates)
        size = sqrt(state["exp_avg_sq"]) / sqrt(of_square).to(p.dtype) + group["eps"]
        p -= (ahead * g + behind * state["exp_avg"]) / size
