"""The functions behind the layers, under PyTorch's names."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..graph.tensor import Tensor, as_tensor
from ..ops import (
    batch_norm,
    conv2d,
    cross_entropy,
    dropout,
    layer_norm,
    log_softmax,
    matmul,
    max_pool2d,
    mse_loss,
    one_hot,
    pad,
    relu,
    reshape,
    sigmoid,
    softmax,
    tanh,
    transpose,
)  # fmt: skip

__all__ = [
    "batch_norm", "conv2d", "cross_entropy", "dropout", "layer_norm", "linear", "log_softmax",
    "max_pool2d", "mse_loss", "one_hot", "pad", "relu", "sigmoid", "softmax", "tanh",
]  # fmt: skip


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """Return the input times the weights, plus the bias.

    y = x Wᵀ + b

    Shapes:
        input: (..., in_features)
        weight: (out_features, in_features)
        bias: (out_features,) or None

    Raises:
        ShapeError: the input does not end with in_features.

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([5.0]))
    tensor([[16.]])
    """
    x, w = as_tensor(input), as_tensor(weight)
    if x.ndim == 0 or w.ndim != 2 or x.shape[-1] != w.shape[1]:
        raise ShapeError(
            "linear: the input ends with in_features and the weight is (out_features, "
            f"in_features); got {x.shape} and {w.shape}."
        )
    rows = x if x.ndim == 2 else reshape(x, -1, x.shape[-1])
    y = matmul(rows, transpose(w, 0, 1))
    if bias is not None:
        y = y + bias
    return y if x.ndim == 2 else reshape(y, *x.shape[:-1], w.shape[0])
