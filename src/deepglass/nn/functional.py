"""The functions behind the layers, under PyTorch's names."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..graph.tensor import Tensor, as_floats, as_tensor
from ..ops import (
    heaviside,
    log_softmax,
    matmul,
    one_hot,
    pad,
    relu,
    reshape,
    sigmoid,
    softmax,
    tanh,
    transpose,
)  # fmt: skip
from ..ops.activation import (
    celu,
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu6,
    selu,
    silu,
    softplus,
    softsign,
)  # fmt: skip
from ..ops.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)  # fmt: skip
from ..ops.attention import scaled_dot_product_attention
from ..ops.binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    hinge_embedding_loss,
    hinge_loss,
)  # fmt: skip
from ..ops.classification import cross_entropy, kl_div, multi_margin_loss, nll_loss
from ..ops.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from ..ops.dropout import dropout, dropout1d, dropout2d
from ..ops.embedding import embedding
from ..ops.interpolation import interpolate
from ..ops.losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from ..ops.normalization import batch_norm, group_norm, layer_norm, local_response_norm, rms_norm
from ..ops.pooling import max_pool1d, max_pool2d
from ..ops.unfolding import avg_pool1d, avg_pool2d, fold, unfold

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cross_entropy", "dropout", "dropout1d", "dropout2d", "elu",
    "embedding", "fold", "gelu", "group_norm", "hardsigmoid", "hardswish", "hardtanh",
    "heaviside", "hinge_embedding_loss", "hinge_loss", "huber_loss", "interpolate", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "linear", "local_response_norm", "log_softmax",
    "logsigmoid", "max_pool1d", "max_pool2d", "mish", "mse_loss", "multi_margin_loss",
    "nll_loss", "one_hot", "pad", "prelu", "relu", "relu6", "rms_norm",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "softmax",
    "softplus", "softsign", "tanh", "unfold",
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
        DTypeError: the input does not hold floats.

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([5.0]))
    tensor([[16.]])
    """
    x, w = as_floats("linear", input), as_tensor(weight)
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
