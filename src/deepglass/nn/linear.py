"""Layers of plain matrix products, and what stands between them and images."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..ops.movement import flatten, unflatten
from ..ops.random import Generator
from . import functional as F
from .init import default_weight_
from .module import Module
from .unfilled import empty


class Linear(Module):
    """y = x Wᵀ + b

    Args:
        in_features: numbers per sample coming in.
        out_features: numbers per sample going out: the neurons of the layer.
        bias: add b.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (..., in_features)
        output: (..., out_features)
        weight: (out_features, in_features)
        bias: (out_features,)

    >>> Linear(3, 2)(Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1:
            raise DomainError(
                f"Linear: both sizes are at least 1; got {in_features} and {out_features}."
            )
        self.in_features = in_features
        self.out_features = out_features
        self.weight = empty(out_features, in_features)
        self.bias = empty(out_features) if bias else None
        default_weight_(self.weight, self.bias, generator)

    def forward(self, x: Any) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """Merges the axes from ``start_dim`` to ``end_dim``: images to rows of pixels.

    Args:
        start_dim: first axis to merge; 1 keeps the batch.
        end_dim: last axis to merge.

    >>> Flatten()(Tensor([[[1.0, 2.0], [3.0, 4.0]]])).shape
    (1, 4)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Tensor:
        return flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one axis into several: rows of pixels to images.

    Args:
        dim: the axis.
        unflattened_size: the lengths it is split into, one of which may be -1.

    >>> Unflatten(1, (1, 2, 2))(Tensor([[1.0, 2.0, 3.0, 4.0]])).shape
    (1, 1, 2, 2)
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Any) -> Tensor:
        return unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Returns its input: a place where another layer could stand.

    Args:
        args, kwargs: anything, which is ignored.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        return x
