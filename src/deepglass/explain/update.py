"""What an optimizer does to one weight, line by line, in ordinary numbers.

`optim` computes the same on whole tensors; the tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from ..errors import DomainError

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Line:
    """One step of the calculation.

    Attributes:
        name: of what is computed, such as "m".
        rule: how, in symbols.
        value: what comes out.
    """

    name: str
    rule: str
    value: float


def update_lines(
    kind: str, settings: Mapping[str, Any], state: Numbers, weight: float, gradient: float
) -> list[Line]:
    """Return how an optimizer changes a weight; the last line is its new value.

    Args:
        kind: the name of the optimizer's class.
        settings: of the weight's group, such as "lr".
        state: what the optimizer remembers of the weight before the step, by name.
        weight: before the step.
        gradient: after clipping.

    Raises:
        DomainError: an optimizer whose lines are not written here.

    >>> for line in update_lines("SGD", {"lr": 0.1, "momentum": 0.9}, {"momentum_buffer": 1.0},
    ...     weight=2.0, gradient=0.5):
    ...     print(f"{line.name} = {line.rule} = {line.value:.4g}")
    v = momentum v + g = 1.4
    step = lr v = 0.14
    w = w − step = 1.86
    """
    if kind not in RULES:
        raise DomainError(
            f"explain: an optimizer whose steps are explained, one of {', '.join(RULES)}; got "
            f"{kind}. Write its lines in explain/update.py."
        )
    lines: list[Line] = []

    def note(name: str, rule: str, value: float) -> float:
        lines.append(Line(name, rule, value))
        return value

    g, w = gradient, weight
    decay = settings.get("weight_decay", 0.0)
    if settings.get("maximize"):
        g = note("g", "−g", -g)
    if decay and settings.get("decoupled_weight_decay"):
        w = note("w", "w (1 − lr weight_decay)", w * (1 - settings["lr"] * decay))
    elif decay:
        g = note("g", "g + weight_decay w", g + decay * w)
    step = RULES[kind](note, settings, state, g)
    note("w", "w − step", w - step)
    return lines


Note = Callable[[str, str, float], float]


def _sgd(note: Note, settings: Mapping[str, Any], state: Numbers, g: float) -> float:
    lr, momentum = settings["lr"], settings.get("momentum", 0.0)
    if not momentum:
        return note("step", "lr g", lr * g)
    dampening = settings.get("dampening", 0.0) if state.get("step", 1.0) else 0.0
    joining, rule = g, "momentum v + g"
    if dampening:
        joining, rule = (1 - dampening) * g, "momentum v + (1 − dampening) g"
    v = note("v", rule, momentum * state["momentum_buffer"] + joining)
    if settings.get("nesterov"):
        return note("step", "lr (g + momentum v)", lr * (g + momentum * v))
    return note("step", "lr v", lr * v)


def _means(note: Note, settings: Mapping[str, Any], state: Numbers, g: float) -> tuple[float, ...]:
    """The means of gradients and squares of Adam, and the number of the step."""
    beta1, beta2 = settings["betas"]
    t = note("t", "t + 1", state["step"] + 1)
    m = note("m", "β₁ m + (1 − β₁) g", beta1 * state["exp_avg"] + (1 - beta1) * g)
    v = note("v", "β₂ v + (1 − β₂) g²", beta2 * state["exp_avg_sq"] + (1 - beta2) * g * g)
    return t, m, v


def _adam(note: Note, settings: Mapping[str, Any], state: Numbers, g: float) -> float:
    beta1, beta2 = settings["betas"]
    t, m, v = _means(note, settings, state, g)
    if settings.get("amsgrad"):
        v = note("v", "max(v, greatest v)", max(v, state["max_exp_avg_sq"]))
    mean = note("m̂", "m / (1 − β₁ᵗ)", m / (1 - beta1**t))
    square = note("v̂", "v / (1 − β₂ᵗ)", v / (1 - beta2**t))
    value = settings["lr"] * mean / (sqrt(square) + settings["eps"])
    return note("step", "lr m̂ / (√v̂ + eps)", value)


def _nadam(note: Note, settings: Mapping[str, Any], state: Numbers, g: float) -> float:
    beta1, beta2 = settings["betas"]
    t, m, v = _means(note, settings, state, g)
    decay = settings["momentum_decay"]
    now, later = (beta1 * (1 - 0.5 * 0.96 ** ((t + k) * decay)) for k in (0, 1))
    note("μ", "β₁ (1 − 0.96^(t momentum_decay) / 2)", now)
    note("μ′", "β₁ (1 − 0.96^((t + 1) momentum_decay) / 2)", later)
    product = note("M", "M μ", state["mu_product"] * now)
    ahead = (1 - now) / (1 - product) * g
    mean = note(
        "m̂",
        "(1 − μ) / (1 − M) g + μ′ / (1 − M μ′) m",
        ahead + later / (1 - product * later) * m,
    )
    square = note("v̂", "v / (1 − β₂ᵗ)", v / (1 - beta2**t))
    value = settings["lr"] * mean / (sqrt(square) + settings["eps"])
    return note("step", "lr m̂ / (√v̂ + eps)", value)


def _rmsprop(note: Note, settings: Mapping[str, Any], state: Numbers, g: float) -> float:
    alpha = settings["alpha"]
    v = note("v", "α v + (1 − α) g²", alpha * state["square_avg"] + (1 - alpha) * g * g)
    if settings.get("centered"):
        m = note("m", "α m + (1 − α) g", alpha * state["grad_avg"] + (1 - alpha) * g)
        v = note("v", "max(v − m², 0)", max(v - m * m, 0.0))
    direction = note("d", "g / (√v + eps)", g / (sqrt(v) + settings["eps"]))
    if settings.get("momentum"):
        kept = settings["momentum"] * state["momentum_buffer"]
        direction = note("b", "momentum b + d", kept + direction)
        return note("step", "lr b", settings["lr"] * direction)
    return note("step", "lr d", settings["lr"] * direction)


def _adagrad(note: Note, settings: Mapping[str, Any], state: Numbers, g: float) -> float:
    lr = settings["lr"]
    if settings.get("lr_decay"):
        rule = "lr / (1 + t lr_decay)"
        lr = note("lr", rule, lr / (1 + state["step"] * settings["lr_decay"]))
    total = note("s", "s + g²", state["sum"] + g * g)
    return note("step", "lr g / (√s + eps)", lr * g / (sqrt(total) + settings["eps"]))


RULES: Mapping[str, Callable[[Note, Mapping[str, Any], Numbers, float], float]] = {
    "SGD": _sgd,
    "Adam": _adam,
    "AdamW": _adam,
    "NAdam": _nadam,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
}
