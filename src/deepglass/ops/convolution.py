"""Two-dimensional convolution and its two gradients, which are gradients of one another.

Images are (batch, channels, height, width), weights (out_channels, in_channels, kernel
height, kernel width). As in every framework of the field the kernel is not flipped; what
mathematics calls convolution flips it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.kinds import Contraction
from ..graph.op import Misuse, Op
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape, TensorType
from .elementwise import add, unify
from .movement import reshape
from .samples import cases

Pair = tuple[int, int]


def pair(name: str, value: Any) -> Pair:
    """Return ``value`` (a number for both axes, or one for each) as (height, width)."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or any(not isinstance(v, (int, np.integer)) or v < 0 for v in both):
        raise ShapeError(f"{name}: one whole number >= 0, or one each for height and width; "
                         f"got {value!r}.")  # fmt: skip
    return int(both[0]), int(both[1])


def output_length(n: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many positions a window has along an axis of length ``n``.

    Source: Dumoulin and Visin (2016), relationship 6.
    """
    return (n + 2 * padding - kernel) // stride + 1


def check_image(name: str, x: TensorType) -> None:
    """Raise `ShapeError` unless ``x`` has the four axes of a batch of images."""
    if len(x.shape) != 4:
        raise ShapeError(
            f"{name}: images are (batch, channels, height, width); got {x.shape}. "
            "Add a batch axis with x[None] or a channel axis with x[:, None]."
        )


def _conv_type(x: TensorType, w: TensorType, stride: Pair, padding: Pair) -> TensorType:
    check_image("conv2d", x)
    if len(w.shape) != 4 or x.shape[1] != w.shape[1]:
        raise ShapeError(
            "conv2d: weights are (out_channels, in_channels, height, width) with the images' "
            f"channels; got images {x.shape} and weights {w.shape}."
        )
    if x.dtype is not w.dtype or not x.dtype.is_float:
        raise DTypeError(f"conv2d: images and weights are of one float type; got {x} and {w}.")
    if min(stride) < 1:
        raise ShapeError(f"conv2d: strides are at least 1; got {stride}.")
    size = tuple(
        output_length(n, k, s, p)
        for n, k, s, p in zip(x.shape[2:], w.shape[2:], stride, padding, strict=True)
    )
    if min(size) < 1:
        raise ShapeError(
            f"conv2d: the kernel fits into the padded image; got kernel {w.shape[2:]} for image "
            f"{x.shape[2:]} with padding {padding}."
        )
    return TensorType((x.shape[0], w.shape[0], *size), x.dtype)


def _windows(x: np.ndarray, kernel: Shape, stride: Pair, padding: Pair) -> np.ndarray:
    """View ``x`` as (batch, channels, out height, out width, kernel height, kernel width)."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, (2, 3))
    return np.asarray(view[:, :, :: stride[0], :: stride[1]])


def _conv_reference(x: np.ndarray, w: np.ndarray, stride: Pair, padding: Pair) -> np.ndarray:
    windows = _windows(x, w.shape[2:], stride, padding)
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, w, optimize=True))


def _input_gradient_reference(
    g: np.ndarray, w: np.ndarray, shape: Shape, stride: Pair, padding: Pair
) -> np.ndarray:
    n, c, height, width = shape
    out = np.zeros((n, c, height + 2 * padding[0], width + 2 * padding[1]), g.dtype)
    rows, columns = g.shape[2:]
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            part = np.einsum("nohw,oc->nchw", g, w[:, :, i, j], optimize=True)
            out[
                :, :, i : i + rows * stride[0] : stride[0], j : j + columns * stride[1] : stride[1]
            ] += part
    return np.asarray(out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width])


def _weight_gradient_reference(
    x: np.ndarray, g: np.ndarray, shape: Shape, stride: Pair, padding: Pair
) -> np.ndarray:
    windows = _windows(x, shape[2:], stride, padding)[:, :, : g.shape[2], : g.shape[3]]
    return np.asarray(np.einsum("nchwij,nohw->ocij", windows, g, optimize=True))


def _tap(
    b: Any, i: Any, k: Any, stride: int, padding: int, length: int, out: int, kernel: int
) -> Any:
    """The input position under tap ``k`` of window ``i``, and the condition that it exists.

    The condition is left out on a side where the window can never leave the image.
    """
    at = b.sub(b.add(b.mul(i, b.const(stride, like=i)), k), b.const(padding, like=i))
    tests = []
    if padding > 0:
        tests.append(b.ge(at, b.const(0, like=at)))
    if (out - 1) * stride + kernel - 1 - padding >= length:
        tests.append(b.lt(at, b.const(length, like=at)))
    return at, tests


def guarded(b: Any, tests: list[Any], read: Callable[[], Any], other: float = 0) -> Any:
    """``read()`` where all tests hold and ``other`` elsewhere, in a backend's vocabulary."""
    if not tests:
        return read()
    return b.guard(reduce(b.logical_and, tests), read, other)


def _conv_term(
    b: Any, i: Any, k: Any, x: Any, w: Any, types: Any, stride: Pair, padding: Pair
) -> Any:
    image, weight = types
    n, o, row, column = i
    c, u, v = k
    out = _conv_type(image, weight, stride, padding).shape
    y, ys = _tap(b, row, u, stride[0], padding[0], image.shape[2], out[2], weight.shape[2])
    z, zs = _tap(b, column, v, stride[1], padding[1], image.shape[3], out[3], weight.shape[3])
    return guarded(b, ys + zs, lambda: x([n, c, y, z])), w([o, c, u, v])


def _source(b: Any, at: Any, tap: Any, stride: int, padding: int, out: int) -> Any:
    """The window position whose tap ``tap`` lies on input position ``at``, and its condition."""
    shifted = b.sub(b.add(at, b.const(padding, like=at)), tap)
    zero, step = b.const(0, like=at), b.const(stride, like=at)
    tests = [b.ge(shifted, zero), b.lt(shifted, b.const((out - 1) * stride + 1, like=at))]
    if stride > 1:
        tests.append(b.eq(b.mod(shifted, step), zero))
        shifted = b.floordiv(shifted, step)
    return shifted, tests


def _input_gradient_term(
    b: Any, i: Any, k: Any, g: Any, w: Any, types: Any, shape: Shape, stride: Pair, padding: Pair
) -> Any:
    out = types[0].shape
    n, c, row, column = i
    o, u, v = k
    y, ys = _source(b, row, u, stride[0], padding[0], out[2])
    z, zs = _source(b, column, v, stride[1], padding[1], out[3])
    return guarded(b, ys + zs, lambda: g([n, o, y, z])), w([o, c, u, v])


def _weight_gradient_term(
    b: Any, i: Any, k: Any, x: Any, g: Any, types: Any, shape: Shape, stride: Pair, padding: Pair
) -> Any:
    image, out = types[0].shape, types[1].shape
    o, c, u, v = i
    n, row, column = k
    y, ys = _tap(b, row, u, stride[0], padding[0], image[2], out[2], shape[2])
    z, zs = _tap(b, column, v, stride[1], padding[1], image[3], out[3], shape[3])
    return guarded(b, ys + zs, lambda: x([n, c, y, z])), g([n, o, row, column])


CONV2D: Op = Op(
    name="conv2d",
    infer=_conv_type,
    reference=_conv_reference,
    kernel=Contraction(over=lambda types, **_: types[1].shape[1:], term=_conv_term),
    gradient=(
        lambda g, y, x, w, stride, padding: apply(
            CONV2D_INPUT_GRADIENT, g, w, shape=x.shape, stride=stride, padding=padding
        ),
        lambda g, y, x, w, stride, padding: apply(
            CONV2D_WEIGHT_GRADIENT, x, g, shape=w.shape, stride=stride, padding=padding
        ),
    ),
    samples=cases(
        (((2, 3, 5, 7), (5, 3, 3, 3)), {"stride": (1, 1), "padding": (0, 0)}),
        (((2, 3, 5, 7), (4, 3, 3, 3)), {"stride": (1, 1), "padding": (1, 1)}),
        (((3, 2, 8, 7), (5, 2, 3, 2)), {"stride": (2, 3), "padding": (1, 0)}),
        (((2, 1, 6, 19), (3, 1, 5, 5)), {"stride": (1, 1), "padding": (2, 2)}),
        (((2, 3, 5, 4), (2, 3, 1, 1)), {"stride": (2, 1), "padding": (0, 0)}),
    ),
    misuses=(
        Misuse(
            (np.ones((2, 3, 5, 5)), np.ones((4, 2, 3, 3))),
            {"stride": (1, 1), "padding": (0, 0)},
            ShapeError,
            "the images' channels",
        ),
        Misuse(
            (np.ones((3, 5, 5)), np.ones((4, 3, 3, 3))),
            {"stride": (1, 1), "padding": (0, 0)},
            ShapeError,
            "x[None]",
        ),
        Misuse(
            (np.ones((1, 1, 2, 2)), np.ones((1, 1, 3, 3))),
            {"stride": (1, 1), "padding": (0, 0)},
            ShapeError,
            "fits into",
        ),
    ),
    notation="{0} ∗ {1}",
    doc="Cross-correlation of images with kernels.",
)

CONV2D_INPUT_GRADIENT: Op = Op(
    name="conv2d_input_gradient",
    infer=lambda g, w, shape, stride, padding: TensorType(shape, g.dtype),
    reference=_input_gradient_reference,
    kernel=Contraction(
        over=lambda types, **_: (types[1].shape[0], *types[1].shape[2:]),
        term=_input_gradient_term,
    ),
    gradient=(
        lambda h, y, g, w, shape, stride, padding: apply(
            CONV2D, h, w, stride=stride, padding=padding
        ),
        lambda h, y, g, w, shape, stride, padding: apply(
            CONV2D_WEIGHT_GRADIENT, h, g, shape=w.shape, stride=stride, padding=padding
        ),
    ),
    samples=cases(
        (
            ((2, 5, 3, 5), (5, 3, 3, 3)),
            {"shape": (2, 3, 5, 7), "stride": (1, 1), "padding": (0, 0)},
        ),
        (
            ((2, 4, 5, 7), (4, 3, 3, 3)),
            {"shape": (2, 3, 5, 7), "stride": (1, 1), "padding": (1, 1)},
        ),
        (
            ((3, 5, 4, 2), (5, 2, 3, 2)),
            {"shape": (3, 2, 8, 7), "stride": (2, 3), "padding": (1, 0)},
        ),
    ),
    doc="The gradient of conv2d for its images: every output spread back through the kernel.",
)

CONV2D_WEIGHT_GRADIENT: Op = Op(
    name="conv2d_weight_gradient",
    infer=lambda x, g, shape, stride, padding: TensorType(shape, x.dtype),
    reference=_weight_gradient_reference,
    kernel=Contraction(
        over=lambda types, **_: (types[1].shape[0], *types[1].shape[2:]),
        term=_weight_gradient_term,
    ),
    gradient=(
        lambda h, y, x, g, shape, stride, padding: apply(
            CONV2D_INPUT_GRADIENT, g, h, shape=x.shape, stride=stride, padding=padding
        ),
        lambda h, y, x, g, shape, stride, padding: apply(
            CONV2D, x, h, stride=stride, padding=padding
        ),
    ),
    samples=cases(
        (
            ((2, 3, 5, 7), (2, 5, 3, 5)),
            {"shape": (5, 3, 3, 3), "stride": (1, 1), "padding": (0, 0)},
        ),
        (
            ((2, 3, 5, 7), (2, 4, 5, 7)),
            {"shape": (4, 3, 3, 3), "stride": (1, 1), "padding": (1, 1)},
        ),
        (
            ((3, 2, 8, 7), (3, 5, 4, 2)),
            {"shape": (5, 2, 3, 2), "stride": (2, 3), "padding": (1, 0)},
        ),
    ),
    doc="The gradient of conv2d for its weights: images correlated with output gradients.",
)


def conv2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0) -> Tensor:
    """Return the images cross-correlated with the kernels.

    y[n, o, r, s] = bias[o] + sum over c, u, v of
                    x[n, c, r * stride + u - padding, s * stride + v - padding] weight[o, c, u, v]

    Args:
        x, weight, bias: see Shapes.
        stride: step of the window, in pixels: one number, or (height, width).
        padding: zeros added on each side, in pixels: one number, or (height, width).

    Shapes:
        x: (batch, in_channels, height, width)
        weight: (out_channels, in_channels, kernel height, kernel width)
        bias: (out_channels,) or None

    Raises:
        ShapeError: channels differ, or the kernel is larger than the padded image.

    >>> image = Tensor([[[[1.0, 2.0, 3.0]]]])
    >>> conv2d(image, Tensor([[[[1.0, -1.0]]]]))
    tensor([[[[-1., -1.]]]])
    """
    x, weight = unify((as_tensor(x), as_tensor(weight)))
    y = apply(CONV2D, x, weight, stride=pair("stride", stride), padding=pair("padding", padding))
    return y if bias is None else add(y, reshape(bias, 1, -1, 1, 1))
