"""Reverse-mode differentiation: one walk over the nodes, each op's rules doing the rest.

The rules are written in ops, so a gradient is computed, traced, compiled and differentiated
again exactly like a forward pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .errors import GradientError, ShapeError
from .graph.graph import ALIAS, Node, ancestors
from .graph.tensor import Tensor, as_tensor, read
from .graph.trace import active_trace, grad_enabled, gradient_of, record, set_grad_enabled
from .graph.tree import flatten, map_leaves, unflatten

_depth: ContextVar[int] = ContextVar("deepglass_differentiation_depth", default=0)


def pullback(
    outputs: Sequence[Node], cotangents: Sequence[Tensor], targets: Sequence[Node]
) -> list[Tensor | None]:
    """Return the gradient of sum(outputs * cotangents) for each target node.

    None stands for a target the outputs do not depend on.
    """
    wanted = {n.id for n in targets}
    order = ancestors(outputs, lambda n: n.id not in wanted)
    reached: set[int] = set()
    for node in order:
        if node.id in wanted or any(i.id in reached for i in node.inputs):
            reached.add(node.id)
    gradients: dict[int, Tensor] = {}
    for node, cotangent in zip(outputs, cotangents, strict=True):
        _accumulate(gradients, node, cotangent)
    for node in reversed(order):
        if node.id not in reached or node.id not in gradients or node.id in wanted:
            continue
        asked = [i.id in reached and i.requires_grad for i in node.inputs]
        with gradient_of(node):
            cotangent = _noted(node, gradients.pop(node.id))
            pulled = _pulled(node, cotangent, asked)
            for i, g in zip(node.inputs, pulled, strict=True):
                if g is not None:
                    _accumulate(gradients, i, g)
    return [_noted(n, gradients[n.id]) if n.id in gradients else None for n in targets]


def _noted(node: Node, g: Tensor) -> Tensor:
    """The whole gradient of ``node``, which a trace keeps in mind for its taps."""
    trace = active_trace()
    if trace is not None:
        trace.note_gradient(node, read(g))
    return g


def _pulled(node: Node, g: Tensor, asked: list[bool]) -> Iterator[Tensor | None]:
    """The gradient of ``node`` for each of its inputs; None where it was not asked for."""
    op, params, y = node.op, node.params, Tensor.of(node)
    inputs = [Tensor.of(i) for i in node.inputs]
    if op.pullback is not None:
        found = op.pullback(g, y, *inputs, wanted=asked, **params)
        yield from (x if a else None for x, a in zip(found, asked, strict=True))
        return
    for a, rule in itertools.zip_longest(asked, op.gradient[: len(inputs)]):
        yield rule(g, y, *inputs, **params) if a and rule is not None else None


def _accumulate(gradients: dict[int, Tensor], node: Node, g: Tensor) -> None:
    if g.type != node.type:
        raise ShapeError(
            f"gradient: it has the type of its value; {node.op.name} at {node.source or '?'} is "
            f"{node.type}, its gradient {g.type}. The rule of an op that uses it is wrong."
        )
    gradients[node.id] = gradients[node.id] + g if node.id in gradients else g


def backward(x: Tensor, gradient: Any = None, create_graph: bool = False) -> None:
    """Add the gradient of ``x`` to ``.grad`` of every leaf it was computed from.

    Args:
        x: usually a loss.
        gradient: the cotangent of ``x``; 1 for a single number.
        create_graph: record the backward pass too, for second derivatives.

    Raises:
        GradientError: ``x`` has no history, or is not a single number and no ``gradient``
            was given.

    >>> w = Tensor([2.0, 3.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    tensor([4., 6.])
    """
    node = read(x)
    if not node.requires_grad:
        raise GradientError(
            f"backward: nothing here requires a gradient; got {x.type}. The value was made under "
            "no_grad, from plain data, or by a compiled function (call backward inside it)."
        )
    if gradient is None and x.numel() != 1:
        raise GradientError(
            f"backward: a single number is differentiated; got {x.type}. Take .sum() or .mean() "
            "first, or pass gradient=."
        )
    seed = as_tensor(1.0 if gradient is None else gradient).to(x.dtype).reshape(x.shape)
    leaves = [n for n in ancestors([node]) if n.is_leaf and n.requires_grad and n.owner]
    with set_grad_enabled(create_graph):
        for leaf, g in zip(leaves, pullback([node], [seed], leaves), strict=True):
            owner = leaf.owner()
            if g is not None and owner is not None:
                _deposit(owner, g)


def _deposit(owner: Tensor, g: Tensor) -> None:
    """Add ``g`` to the owner's gradient, in place, so that a compiled step sees state."""
    if owner.grad is None:
        owner.grad = Tensor.of(read(g))
    else:
        before, total = owner.grad.node, (owner.grad + g).node
        total.origin = before.origin or before.id
        owner.grad.rebind(total)


@contextmanager
def differentiating() -> Iterator[int]:
    """Count, until the block ends, how many differentiations are going on around it."""
    token = _depth.set(_depth.get() + 1)
    try:
        yield _depth.get()
    finally:
        _depth.reset(token)


def start(x: Tensor) -> Tensor:
    """The value of ``x`` as the start of a differentiation."""
    node = read(x)
    if not node.type.dtype.is_float:
        raise GradientError(f"grad: only floats have gradients; got {x.type} as an argument.")
    if active_trace() is not None:
        start = record(ALIAS, node.type, (node,), {})
    else:
        start = Node(ALIAS, node.type, (node,) if node.requires_grad else (), data=node.data)
    start.requires_grad = True
    return Tensor.of(start)


def gradients_through(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], wanted: Sequence[bool], g: Tensor
) -> list[Tensor | None]:
    """Return the gradient of sum(function(*inputs) * g) for each input that is wanted.

    None stands for the others, and for an input the result does not depend on.
    """
    recorded = grad_enabled()
    with set_grad_enabled(True):
        starts = [start(x) if w else x for x, w in zip(inputs, wanted, strict=True)]
        value = function(*starts)
    with set_grad_enabled(recorded):
        targets = [read(x) for x, w in zip(starts, wanted, strict=True) if w]
        found = iter(pullback([read(value)], [g], targets))
        return [next(found) if w else None for w in wanted]


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that computes ``function`` and its gradient.

    Args:
        function: returns one number (a tensor without axes).
        argnums: the argument, or the arguments, to differentiate for: tensors, or nested
            lists, tuples and dicts of tensors. Tensors a function uses without taking them
            as arguments are constants here.

    Returns:
        a function of the same arguments that returns (value, gradient), the gradient with
        the structure of the argument, or a tuple of gradients for several.

    Raises:
        GradientError: the result is not one number, or an argument holds no floats.

    >>> value_and_grad(lambda x: (x * x).sum())(Tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """
    several = not isinstance(argnums, int)
    numbers = tuple(argnums) if not isinstance(argnums, int) else (argnums,)

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if not all(0 <= n < len(args) for n in numbers):
            raise GradientError(
                f"grad: argnums name positional arguments; got {argnums} for {len(args)}."
            )
        recorded = grad_enabled()
        with differentiating() as depth, set_grad_enabled(True):
            originals = [flatten(args[n])[0] for n in numbers]
            outer = any(as_tensor(t).requires_grad for ts in originals for t in ts)
            chosen = {n: map_leaves(lambda t: start(as_tensor(t)), args[n]) for n in numbers}
            value = function(*[chosen.get(n, a) for n, a in enumerate(args)], **kwargs)
            if not isinstance(value, Tensor) or value.numel() != 1:
                got = value.type if isinstance(value, Tensor) else type(value).__name__
                raise GradientError(f"grad: the function returns one number; got {got}.")
            starts = [chosen[n] for n in numbers]
            outer = depth > 1 or outer or (recorded and uses_other_leaves(value, starts))
            with set_grad_enabled(outer):
                gradients = _gradients(value, starts)
        result = value if outer else value.detach()
        return result, tuple(gradients) if several else gradients[0]

    return differentiated


def uses_other_leaves(value: Tensor, trees: Sequence[Any]) -> bool:
    """Whether somebody may differentiate the gradient again, for a captured parameter."""
    starts = {read(t).id for tree in trees for t in flatten(tree)[0]}
    nodes = ancestors([read(value)])
    return any(n.is_leaf and n.requires_grad and n.id not in starts for n in nodes)


def _gradients(value: Tensor, trees: Sequence[Any]) -> list[Any]:
    flat = [flatten(tree) for tree in trees]
    starts = [t for leaves, _ in flat for t in leaves]
    seed = Tensor(1.0, value.dtype).reshape(value.shape)
    found = iter(pullback([read(value)], [seed], [read(t) for t in starts]))

    def one(t: Tensor) -> Tensor:
        g = next(found)
        return Tensor(0.0, t.dtype).broadcast_to(t.shape) if g is None else g

    return [unflatten(shape, iter([one(t) for t in leaves])) for leaves, shape in flat]


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that computes the gradient of ``function``; see `value_and_grad`.

    >>> square = lambda x: x * x
    >>> grad(square)(Tensor(3.0)), grad(grad(square))(Tensor(3.0))
    (tensor(6.), tensor(2.))
    """
    both = value_and_grad(function, argnums)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


def numerical_gradient(
    function: Callable[..., Tensor],
    args: Sequence[np.ndarray],
    direction: Sequence[np.ndarray],
    step: float = 1e-4,
) -> float:
    """Return the slope of ``function`` at ``args`` along ``direction`` by central differences.

    (f(x + h d) - f(x - h d)) / 2h with h = ``step``, improved by Richardson extrapolation
    with 2h, in float64: the error is about 1e-10 of the value with the default step.
    """

    def at(h: float) -> float:
        moved = [a + h * d for a, d in zip(args, direction, strict=True)]
        with set_grad_enabled(False):
            return float(function(*[Tensor(m) for m in moved]))

    near = (at(step) - at(-step)) / (2 * step)
    far = (at(2 * step) - at(-2 * step)) / (4 * step)
    return (4 * near - far) / 3


__all__ = ["backward", "grad", "grad_enabled", "numerical_gradient", "value_and_grad"]
