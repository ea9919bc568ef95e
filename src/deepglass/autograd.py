"""Gradients of tensors that are there, as in ``torch.autograd``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .autodiff import pullback
from .errors import GradientError
from .graph.graph import Node, ancestors
from .graph.tensor import Tensor, as_tensor, read
from .graph.trace import set_grad_enabled

__all__ = ["grad"]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradient of the sum of ``outputs`` for each of ``inputs``; ``.grad`` stays.

    Args:
        outputs: a tensor, or several, computed from ``inputs``.
        inputs: tensors that require a gradient, given or computed.
        grad_outputs: a cotangent for each output; may be left out for single numbers.
        create_graph: record the gradients too, for second derivatives.
        allow_unused: None stands for an input the outputs do not depend on, which is an error
            otherwise.

    Raises:
        GradientError: an input requires no gradient or is not used, or an output is not a
            single number and has no cotangent.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> y = x * x
    >>> grad(y.sum(), (x, y))
    (tensor([2., 4.]), tensor([1., 1.]))
    """
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    given = (
        [grad_outputs] if isinstance(outputs, Tensor) else list(grad_outputs or [None] * len(ys))
    )
    cotangents = [_cotangent(y, u) for y, u in zip(ys, given, strict=True)]
    nodes, targets = [read(y) for y in ys], [read(x) for x in xs]
    for x in xs:
        if not x.requires_grad:
            raise GradientError(
                f"autograd.grad: inputs require gradients; got {x.type} that does not. Make it "
                "with requires_grad=True before it is used."
            )
    with set_grad_enabled(create_graph):
        if _depend(targets):
            found = [pullback(nodes, cotangents, [t])[0] for t in targets]
        else:
            found = pullback(nodes, cotangents, targets)
    unused = [k for k, g in enumerate(found) if g is None]
    if unused and not allow_unused:
        raise GradientError(
            f"autograd.grad: the outputs depend on every input; not on input {unused[0]}, "
            f"{xs[unused[0]].type}. Leave it out, or pass allow_unused=True to get None."
        )
    return tuple(found)


def _cotangent(y: Tensor, given: Any) -> Tensor:
    if not y.requires_grad:
        raise GradientError(
            f"autograd.grad: outputs are computed from what requires a gradient; got {y.type} "
            "that is not. Compute it outside of no_grad."
        )
    if given is None and y.numel() != 1:
        raise GradientError(
            f"autograd.grad: a single number is differentiated; got {y.type}. Take .sum(), or pass "
            "grad_outputs."
        )
    return as_tensor(1.0 if given is None else given).to(y.dtype).reshape(y.shape)


def _depend(nodes: Sequence[Node]) -> bool:
    """Whether one of ``nodes`` was computed from another."""
    before = {n.id for n in ancestors([i for node in nodes for i in node.inputs])}
    return any(node.id in before for node in nodes)
