"""Adam and its relatives: means of gradients and of their squares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..graph.tensor import Buffer, Tensor
from ..ops.elementwise import maximum
from ..ops.functions import exp, log, sqrt
from .group import SWITCH, Number, ParamGroup, Rule, at_least_0, below_1, number, rounded
from .optimizer import Optimizer, State, keep

BETAS = below_1("(0.9, 0.999)", count=2)


def follow(g: Tensor, group: ParamGroup, state: State) -> tuple[Tensor, Tensor, Number, Number]:
    """Count a step and bring the means of gradients and of their squares up to date.

    Returns:
        the two means; and 1 - β1^t and 1 - β2^t, the share of them that is there, because they
        start at 0.
    """
    step = state["step"]
    step += 1
    beta1, beta2 = group.numbers("betas")
    mean = _mean(state["exp_avg"], g, beta1)
    square = _mean(state["exp_avg_sq"], g * g, beta2)
    t = number(step)
    return mean, square, 1 - _power(beta1, t), 1 - _power(beta2, t)


def _power(base: Number, exponent: Number) -> Number:
    """base^exponent; compiled, with one logarithm for all parameters."""
    return exp(log(base) * exponent) if isinstance(exponent, Tensor) else base**exponent


def _mean(memory: Buffer, value: Tensor, beta: Number) -> Tensor:
    dtype = value.dtype
    kept, added = memory.to(dtype) * rounded(beta, dtype), value * rounded(1 - beta, dtype)
    return keep(memory, kept + added)


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

    def update(self, p: Tensor, g: Tensor, lr: Number, group: ParamGroup, state: State) -> Tensor:
        mean, square, of_mean, of_square = follow(g, group, state)
        if group.is_on("amsgrad"):
            greatest = state["max_exp_avg_sq"]
            square = keep(greatest, maximum(greatest.to(g.dtype), square))
        rate = rounded(number(group.rate) / of_mean, g.dtype)
        size: Tensor = sqrt(square) / rounded(of_square**0.5, g.dtype) + group["eps"]
        return rate * mean / size


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

    def update(self, p: Tensor, g: Tensor, lr: Number, group: ParamGroup, state: State) -> Tensor:
        mean, square, _, of_square = follow(g, group, state)
        t, rate, (beta1, _) = number(state["step"]), number(group.rate), group.numbers("betas")
        now, later = (
            beta1 * (1 - 0.5 * _power(0.96, (t + k) * group["momentum_decay"])) for k in (0, 1)
        )
        so_far = state["mu_product"]
        so_far *= now
        product = number(so_far)
        ahead = rounded(rate * (1 - now) / (1 - product), g.dtype)
        behind = rounded(rate * later / (1 - product * later), g.dtype)
        size: Tensor = sqrt(square) / rounded(of_square**0.5, g.dtype) + group["eps"]
        return (ahead * g + behind * mean) / size
