"""Weights whose numbers are still to come: they have shapes, and take no memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf, prod

import numpy as np

from ..errors import DataError
from ..graph.tensor import Parameter, Tensor
from ..graph.trace import set_grad_enabled
from ..ops.movement import broadcast_to

_room: ContextVar[list[float] | None] = ContextVar("deepglass_room", default=None)


@contextmanager
def unfilled(at_most: float = inf) -> Iterator[None]:
    """Let the layers that are made in the block wait for their weights.

    Neither memory nor random numbers are spent on them. Their sizes can be counted, their
    network summarised; `Module.load_state_dict` and the functions of `nn.init` fill them.
    PyTorch's counterpart is its device "meta".

    Args:
        at_most: how many weights may be made.

    Raises:
        DataError: there are more; none of them has taken memory.

    >>> from .linear import Linear
    >>> with unfilled():
    ...     layer = Linear(100_000, 100_000)
    >>> sum(p.numel() for p in layer.parameters())
    10000100000
    """
    outer = _room.get()
    before = _room.set([at_most] if outer is None else outer)
    try:
        yield
    finally:
        _room.reset(before)


def filling() -> bool:
    """Whether weights get their numbers as they are made."""
    return _room.get() is None


def empty(*shape: int) -> Parameter:
    """Return a weight of float32 that its layer fills, or that waits where layers wait."""
    room = _room.get()
    if room is None:
        return Parameter(np.empty(shape, np.float32))
    room[0] -= prod(shape)
    if room[0] < 0:
        raise DataError(
            f"unfilled: no more weights than were announced; one of shape {shape} goes beyond by "
            f"{-room[0]:,.0f}. Make a smaller network."
        )
    weight = Parameter(np.float32(0))
    with set_grad_enabled(False):
        weight.rebind(broadcast_to(Tensor(np.float32(0)), shape).node)
    return weight
