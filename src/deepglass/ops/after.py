"""One value held back until others are there, so that what is computed again is not kept."""

from __future__ import annotations

from ..graph.kinds import After
from ..graph.op import Op
from ..graph.tensor import Tensor, apply
from ..graph.trace import active_trace
from .samples import cases

AFTER = Op(
    name="after",
    infer=lambda x, *others: x,
    reference=lambda x, *others: x,
    kernel=After(),
    gradient=(lambda g, y, *inputs: g, None),
    samples=cases((((2, 3), (5,)), {}), (((), (7,)), {}), (((0, 3), ()), {})),
    notation="{0} after {1}",
    doc="The first input, to be had only once the others are.",
)


def after(x: Tensor, *others: Tensor) -> Tensor:
    """Return ``x``; what a compiled program computes from it waits for the others.

    Without a program nothing is computed ahead of its time: then it is ``x`` itself.
    """
    return x if active_trace() is None else apply(AFTER, x, *others)
