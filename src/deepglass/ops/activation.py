"""Activations: what makes a network more than one matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph.kinds import Composite
from ..graph.op import Op
from ..graph.tensor import Tensor, apply, as_tensor
from .elementwise import gt, maximum, same, where
from .samples import away_from_zero

RELU = Op(
    name="relu",
    infer=same("relu"),
    reference=lambda x: np.maximum(x, 0),
    kernel=Composite(lambda x: maximum(x, 0)),
    gradient=(lambda g, y, x: where(gt(y, 0), g, 0),),
    samples=away_from_zero,
    doc="max(x, 0).",
)


def relu(x: Any) -> Tensor:
    """Return max(x, 0), elementwise.

    Gradient: 1 above zero, 0 at zero and below.

    Source: Nair and Hinton (2010).

    >>> relu(Tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return apply(RELU, as_tensor(x))
