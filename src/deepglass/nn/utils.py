"""Clipping: gradients that are too large made smaller, before the optimizer takes its step."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from ..errors import DomainError, TraceError
from ..graph.tensor import Tensor
from ..graph.trace import active_trace, set_grad_enabled
from ..graph.types import float32, float64, promote
from ..ops import clamp, isfinite, norm, stack

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the gradients down together where their norm is above ``max_norm``.

    g ← g min(1, max_norm / (‖g‖ + 1e-6)), where ‖g‖ is the norm of all gradients as one vector

    Args:
        parameters: those whose gradients are scaled; the ones without a gradient are left out.
        max_norm: the greatest norm that stays.
        norm_type: p of the norm (Σ |g|^p)^(1/p); inf for the greatest size.
        error_if_nonfinite: raise where the norm is NaN or infinite; eagerly only.

    Returns:
        the norm before, in the type of the gradients; also in a compiled step.

    Raises:
        DomainError: a norm that cannot be, or, if so asked, one that is not finite.
        TraceError: ``error_if_nonfinite`` in a compiled function.

    Numerics: the norm is found in float64, so that it does not overflow where clipping is
    needed most. A norm of inf makes finite gradients 0 and infinite ones NaN; NaN makes all NaN.

    Source: Pascanu, Mikolov and Bengio (2013), algorithm 1.

    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> (w * Tensor([30.0, 40.0])).sum().backward()
    >>> clip_grad_norm_([w], max_norm=1.0)
    tensor(50.)
    >>> w.grad
    tensor([0.6, 0.8])
    """
    if not max_norm >= 0 or not norm_type > 0:
        raise DomainError(
            "clip_grad_norm_: max_norm is at least 0 and norm_type more than 0; got "
            f"max_norm {max_norm}, norm_type {norm_type}. Usual: max_norm=1.0, norm_type=2.0."
        )
    if error_if_nonfinite and active_trace() is not None:
        raise TraceError(
            "clip_grad_norm_: whether a norm is finite is not known while a step is compiled; got "
            "error_if_nonfinite=True. Return the norm from the step and look at it outside."
        )
    chosen = _with_gradient("clip_grad_norm_", parameters)
    with set_grad_enabled(False):
        norms = [norm(g.to(float64), norm_type) for _, g in chosen if g.numel()]
        total = norm(stack(norms), norm_type) if norms else Tensor(0.0, float64)
        if error_if_nonfinite and not isfinite(total):
            raise DomainError(
                f"clip_grad_norm_: the norm of the gradients is finite; got {total.item()}. Look "
                "for the first layer whose output is not finite, or lower the learning rate."
            )
        share = clamp(max_norm / (total + 1e-6), max=1.0)
        for p, g in chosen:
            _replace(p, g * share.to(g.dtype))
        return total.to(reduce(promote, [g.dtype for _, g in chosen] or [float32]))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of the gradients to [-clip_value, clip_value].

    Args:
        parameters: those whose gradients are clipped; the ones without a gradient are left out.
        clip_value: the greatest size that stays.

    Raises:
        DomainError: a negative size.

    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> (w * Tensor([30.0, -0.5])).sum().backward()
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1. , -0.5])
    """
    if not clip_value >= 0:
        raise DomainError(
            f"clip_grad_value_: the greatest size is not negative; got {clip_value}. Pass its "
            "absolute value."
        )
    with set_grad_enabled(False):
        for p, g in _with_gradient("clip_grad_value_", parameters):
            _replace(p, clamp(g, -clip_value, clip_value))


def _with_gradient(name: str, parameters: Any) -> list[tuple[Tensor, Tensor]]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in listed:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"{name}: parameters are tensors; got {type(p).__name__}. Pass model.parameters()."
            )
    return [(p, p.grad) for p in listed if p.grad is not None]


def _replace(p: Tensor, g: Tensor) -> None:
    """Give ``p`` another gradient that is still the sum it was."""
    assert p.grad is not None
    node = g.node
    node.origin = p.grad.node.origin
    p.grad.rebind(node)
