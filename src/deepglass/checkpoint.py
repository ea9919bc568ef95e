"""``dg.checkpoint``: a part of a network whose activations are computed again for its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autodiff import gradients_through
from .graph.graph import Node, since_now
from .graph.kinds import After
from .graph.op import Op
from .graph.region import Region
from .graph.tensor import Tensor, read
from .graph.trace import active_trace, grad_enabled, record
from .graph.tree import map_leaves
from .ops.after import after


def _pullback(
    g: Tensor, y: Tensor, value: Tensor, *inputs: Tensor, wanted: list[bool], region: Region
) -> list[Tensor | None]:
    """Compute the region again, from its inputs, and go back through it."""
    inputs = tuple(after(x, g) for x in inputs)  # else it would be found equal to the first time
    return [None, *gradients_through(region, inputs, wanted[1:], g)]


CHECKPOINT = Op(
    name="checkpoint",
    infer=lambda value, *inputs, region: value,
    reference=lambda value, *inputs, region: np.asarray(value),
    kernel=After(),
    pullback=_pullback,
    notation="checkpoint({0})",
    doc="""The first input, which ``region`` computes from the others.

    Gradient: that of the region, computed again from its inputs.
    """,
)


def checkpoint(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return ``function(*args, **kwargs)`` and forget what was computed on the way.

    The gradient computes it again, from the arguments and from what the function captured: less
    memory for more work. A deep network is checkpointed in parts, for instance layer by
    layer: then the results of the parts are kept, and the inside of one at a time. Random masks
    are the same the second time, and buffers are updated once.

    Args:
        function: returns tensors, or nested lists, tuples and dicts of them. Each tensor's part
            is computed again by itself, so one result is best.
        args, kwargs: what it is called with.

    Gradient: that of ``function``; it can be differentiated again.

    Source: Chen, Xu, Zhang and Guestrin (2016), "Training deep nets with sublinear memory cost".

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp().sum(), x).backward()
    >>> x.grad
    tensor([  5.4366, 218.3926])
    """
    start = since_now()
    result = function(*args, **kwargs)
    if not grad_enabled():
        return result
    name = getattr(function, "__name__", type(function).__name__)
    return map_leaves(lambda x: _forgetful(x, start, name) if isinstance(x, Tensor) else x, result)


def _forgetful(x: Tensor, start: int, name: str) -> Tensor:
    """``x`` without what it was computed from since ``start``, which is noted instead."""
    output = read(x)

    def inside(node: Node) -> bool:
        return node.id >= start and node.requires_grad and not node.is_leaf and bool(node.inputs)

    if not inside(output):
        return x
    region, besides = Region.cut(output, (), inside, name)
    if active_trace() is not None:
        return Tensor.of(record(CHECKPOINT, output.type, (output, *besides), {"region": region}))
    inputs = (Node(output.op, output.type, data=output.data), *besides)
    params = {"region": region}
    return Tensor.of(
        Node(CHECKPOINT, output.type, inputs, params, data=output.data, requires_grad=True)
    )
