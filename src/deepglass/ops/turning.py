"""Elements in another order along their axes: turned round, or shifted in a ring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Pull
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import TensorType
from .movement import axis_of, reshape, shape_of
from .samples import cases


def _flip_type(x: TensorType, dims: tuple[int, ...]) -> TensorType:
    axes = [axis_of("flip", d, len(x.shape)) for d in dims]
    if len(set(axes)) != len(axes):
        raise ShapeError(f"flip: an axis is turned round once; got dims {dims} for {x}.")
    return x


def _flip_rule(b: Any, i: Any, x: Any, types: Any, dims: tuple[int, ...]) -> Any:
    shape = types[0].shape
    return x(
        [
            b.sub(b.const(n - 1, like=k), k) if d in dims else k
            for d, (k, n) in enumerate(zip(i, shape, strict=True))
        ]
    )


FLIP: Op = Op(
    name="flip",
    infer=_flip_type,
    reference=lambda x, dims: np.flip(x, dims),
    kernel=Pull(_flip_rule),
    gradient=(lambda g, y, x, dims: flip(g, dims),),
    samples=cases(
        (((7,),), {"dims": (0,)}),
        (((2, 3, 5),), {"dims": (0, 2)}),
        (((3, 40),), {"dims": (1,)}),
        (((2, 1),), {"dims": ()}),
        (((0, 3),), {"dims": (0, 1)}),
        (((),), {"dims": ()}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)),), {"dims": (1, 1)}, ShapeError, "turned round once; got dims"),
        Misuse((np.ones((2, 3)),), {"dims": (2,)}, ShapeError, "from -2 to 1 here; got 2"),
    ),
    notation="flip({0}, {dims})",
    doc="The elements of x from the last to the first along the axes dims.",
)


def flip(x: Any, dims: Any, *more: int) -> Tensor:
    """Return ``x`` with the order of its elements reversed along the axes ``dims``.

    Args:
        x: any tensor.
        dims: the axes, in a tuple or one after another.

    >>> flip(Tensor([[1, 2, 3], [4, 5, 6]]), 1)
    tensor([[3, 2, 1],
            [6, 5, 4]])
    """
    x = as_tensor(x)
    return apply(
        FLIP,
        x,
        dims=tuple(
            axis_of("flip", d, x.ndim) for d in shape_of((dims, *more) if more else (dims,))
        ),
    )


def _roll_type(x: TensorType, shifts: tuple[int, ...]) -> TensorType:
    if len(shifts) != len(x.shape):
        raise ShapeError(f"roll: one shift per axis; got {shifts} for {x}.")
    if any(not 0 <= s < max(n, 1) for s, n in zip(shifts, x.shape, strict=True)):
        raise ShapeError(f"roll: shifts are less than the axes are long; got {shifts} for {x}.")
    return x


def _roll_rule(b: Any, i: Any, x: Any, types: Any, shifts: tuple[int, ...]) -> Any:
    return x(
        [
            b.mod(b.add(k, b.const(n - s, like=k)), b.const(n, like=k)) if s else k
            for k, n, s in zip(i, types[0].shape, shifts, strict=True)
        ]
    )


ROLL = Op(
    name="roll",
    infer=_roll_type,
    reference=lambda x, shifts: np.roll(x, shifts, tuple(range(x.ndim))) if shifts else x,
    kernel=Pull(_roll_rule),
    gradient=(lambda g, y, x, shifts: roll(g, [-s for s in shifts], range(g.ndim)),),
    samples=cases(
        (((7,),), {"shifts": (2,)}),
        (((2, 3, 5),), {"shifts": (1, 0, 4)}),
        (((3, 40),), {"shifts": (0, 17)}),
        (((0, 1),), {"shifts": (0, 0)}),
        (((),), {"shifts": ()}),
    ),
    misuses=(
        Misuse((np.ones((2, 3)),), {"shifts": (1,)}, ShapeError, "one shift per axis; got (1,)"),
        Misuse((np.ones(3),), {"shifts": (3,)}, ShapeError, "less than the axes are long"),
    ),
    notation="roll({0}, {shifts})",
    doc="Every element of x moved on along each axis; what leaves at the end enters at the start.",
)


def roll(x: Any, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Return ``x`` with its elements moved on by ``shifts`` along ``dims``, in a ring.

    Args:
        x: any tensor.
        shifts: how many places, one number per axis of ``dims``; backwards where negative.
        dims: the axes; without them the flattened tensor is shifted.

    Raises:
        ShapeError: there are not as many shifts as axes.

    >>> roll(Tensor([1, 2, 3, 4]), 1)
    tensor([4, 1, 2, 3])
    """
    x = as_tensor(x)
    if dims is None:
        return reshape(roll(reshape(x, -1), shifts, 0), x.shape)
    places = [shifts] if isinstance(shifts, int) else list(shifts)
    axes = [axis_of("roll", d, x.ndim) for d in ([dims] if isinstance(dims, int) else dims)]
    if len(places) != len(axes):
        raise ShapeError(f"roll: one shift per axis; got shifts {shifts} for dims {dims}.")
    total = [sum(s for s, d in zip(places, axes, strict=True) if d == k) for k in range(x.ndim)]
    return apply(
        ROLL, x, shifts=tuple(s % n if n else 0 for s, n in zip(total, x.shape, strict=True))
    )
