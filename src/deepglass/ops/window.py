"""Max-pooling: where the largest pixel of each window stands, and picking it.

`window_argmax` finds the pixel; `window_take` reads it; `window_put`, the gradient of
taking, lets each pixel look at the windows that cover it. Nothing is scattered, so the
result does not depend on any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.kinds import Pull
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import DType, Shape, TensorType, int32, uint8
from .convolution import Pair, check_image, guarded, output_length, pair
from .samples import apart, real


def _code_dtype(kernel: Pair) -> DType:
    return uint8 if kernel[0] * kernel[1] <= 256 else int32


def _pooled(x: TensorType, kernel: Pair, stride: Pair, padding: Pair) -> Shape:
    check_image("max_pool2d", x)
    if (
        min(kernel) < 1
        or min(stride) < 1
        or 2 * padding[0] > kernel[0]
        or 2 * padding[1] > kernel[1]
    ):
        raise ShapeError(
            "max_pool2d: kernel and stride are at least 1 and the padding at most half the "
            f"kernel; got kernel {kernel}, stride {stride}, padding {padding}."
        )
    size = tuple(
        output_length(n, k, s, p)
        for n, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True)
    )
    if min(size) < 1:
        raise ShapeError(
            f"max_pool2d: the window fits into the padded image; got window {kernel} for image "
            f"{x.shape[2:]}."
        )
    return (*x.shape[:2], *size)


def _argmax_type(x: TensorType, kernel: Pair, stride: Pair, padding: Pair) -> TensorType:
    if not x.dtype.is_float:
        raise DTypeError(f"max_pool2d: pixels are floats; got {x}. Convert with .to(dg.float32).")
    return TensorType(_pooled(x, kernel, stride, padding), _code_dtype(kernel))


def _positions(kernel: Pair) -> Iterator[tuple[int, int]]:
    return ((u, v) for u in range(kernel[0]) for v in range(kernel[1]))


def _argmax_reference(x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    widths = ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)
    view = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, widths, constant_values=-np.inf), kernel, (2, 3)
    )[:, :, :: stride[0], :: stride[1]]
    best = view.reshape(*view.shape[:4], -1).argmax(-1)
    return np.asarray(best.astype(_code_dtype(kernel).numpy))


def _pixel(b: Any, i: Any, tap: int, stride: int, padding: int) -> Any:
    scaled = b.mul(i, b.const(stride, like=i))
    return b.add(scaled, b.const(tap - padding, like=i))


def _inside(b: Any, at: Any, length: int, first: int, span: int) -> list[Any]:
    """Tests that ``at``, which runs from ``first`` over ``span`` pixels, lies in the image."""
    tests = []
    if first < 0:
        tests.append(b.ge(at, b.const(0, like=at)))
    if first + span >= length:
        tests.append(b.lt(at, b.const(length, like=at)))
    return tests


def _argmax_rule(
    b: Any, i: Any, x: Any, types: Any, kernel: Pair, stride: Pair, padding: Pair
) -> Any:
    image = types[0]
    out = _pooled(image, kernel, stride, padding)
    n, c, row, column = i
    best = code = None
    for u, v in _positions(kernel):
        y = _pixel(b, row, u, stride[0], padding[0])
        z = _pixel(b, column, v, stride[1], padding[1])
        rows = _inside(b, y, image.shape[2], u - padding[0], (out[2] - 1) * stride[0])
        columns = _inside(b, z, image.shape[3], v - padding[1], (out[3] - 1) * stride[1])
        tests = rows + columns
        value = guarded(b, tests, partial(x, [n, c, y, z]), float("-inf"))
        here = b.cast(b.const(u * kernel[1] + v, like=None), _code_dtype(kernel))
        if best is None:
            best, code = value, here
            continue
        # a later pixel wins only by being larger, or the first NaN
        wins = b.logical_and(b.eq(best, best), b.logical_not(b.le(value, best)))
        best, code = b.where(wins, value, best), b.where(wins, here, code)
    return code


def _argmax_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, kernel, stride, padding in _POOLINGS:
        params = {"kernel": kernel, "stride": stride, "padding": padding}
        yield Sample((apart(rng, shape),), params)
        yield Sample((rng.integers(-2, 3, shape).astype(float),), params, smooth=False)


_POOLINGS = (
    ((2, 3, 4, 6), (2, 2), (2, 2), (0, 0)),
    ((2, 3, 5, 7), (2, 2), (2, 2), (0, 0)),
    ((2, 1, 7, 9), (3, 2), (2, 1), (1, 0)),
    ((1, 2, 6, 40), (3, 3), (1, 1), (1, 1)),
    ((2, 3, 8, 36), (2, 2), (2, 2), (0, 0)),
)

WINDOW_ARGMAX = Op(
    name="window_argmax",
    infer=_argmax_type,
    reference=_argmax_reference,
    kernel=Pull(
        _argmax_rule,
        reuse=lambda types, kernel, stride, padding: (
            kernel[0] * kernel[1] / (stride[0] * stride[1])
        ),
    ),
    samples=_argmax_samples,
    misuses=(
        Misuse(
            (np.ones((1, 1, 2, 2)),),
            {"kernel": (3, 3), "stride": (1, 1), "padding": (0, 0)},
            ShapeError,
            "fits into",
        ),
        Misuse(
            (np.ones((1, 1, 2, 2)),),
            {"kernel": (2, 2), "stride": (1, 1), "padding": (2, 2)},
            ShapeError,
            "half the kernel",
        ),
    ),
    doc="The number of the first largest pixel in each window, counted row by row from 0.",
)


def _take_reference(
    x: np.ndarray, code: np.ndarray, kernel: Pair, stride: Pair, padding: Pair
) -> np.ndarray:
    at, inside = _places(code, x.shape, kernel, stride, padding)
    return np.asarray(np.where(inside, x[at], x.dtype.type(-np.inf)))


def _places(
    code: np.ndarray, image: Shape, kernel: Pair, stride: Pair, padding: Pair
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """The index of the pixel each code names, and whether it lies in the image: it does not
    where a window at the border holds nothing but -inf."""
    n, c, row, column = np.ogrid[tuple(slice(k) for k in code.shape)]
    u, v = np.divmod(code.astype(np.int64), kernel[1])
    y, z = row * stride[0] + u - padding[0], column * stride[1] + v - padding[1]
    inside = (y >= 0) & (y < image[2]) & (z >= 0) & (z < image[3])
    return (n, c, np.where(inside, y, 0), np.where(inside, z, 0)), inside


def _take_rule(
    b: Any, i: Any, x: Any, code: Any, types: Any, kernel: Pair, stride: Pair, padding: Pair
) -> Any:
    """A chain of choices between the pixels of the window: no element is read by a computed
    address, so that a vector of windows stays a vector."""
    image, out = types[0].shape, types[1].shape
    n, c, row, column = i
    winner = code(i)
    result = None
    for u, v in _positions(kernel):
        y = _pixel(b, row, u, stride[0], padding[0])
        z = _pixel(b, column, v, stride[1], padding[1])
        here = b.eq(winner, b.const(u * kernel[1] + v, like=winner))
        rows = _inside(b, y, image[2], u - padding[0], (out[2] - 1) * stride[0])
        columns = _inside(b, z, image[3], v - padding[1], (out[3] - 1) * stride[1])
        value = guarded(b, rows + columns, partial(x, [n, c, y, z]), float("-inf"))
        result = value if result is None else b.where(here, value, result)
    return result


def _take_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, kernel, stride, padding in _POOLINGS:
        params = {"kernel": kernel, "stride": stride, "padding": padding}
        x = apart(rng, shape)
        yield Sample((x, _argmax_reference(x, kernel, stride, padding)), params)


WINDOW_TAKE: Op = Op(
    name="window_take",
    infer=lambda x, code, kernel, stride, padding: TensorType(code.shape, x.dtype),
    reference=_take_reference,
    kernel=Pull(
        _take_rule,
        reuse=lambda types, kernel, stride, padding: (
            kernel[0] * kernel[1] / (stride[0] * stride[1])
        ),
    ),
    gradient=(
        lambda g, y, x, code, kernel, stride, padding: apply(
            WINDOW_PUT, g, code, shape=x.shape, kernel=kernel, stride=stride, padding=padding
        ),
        None,
    ),
    samples=_take_samples,
    doc="The pixel that a window_argmax code names in each window.",
)


def _put_reference(
    g: np.ndarray, code: np.ndarray, shape: Shape, kernel: Pair, stride: Pair, padding: Pair
) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    at, inside = _places(code, shape, kernel, stride, padding)
    np.add.at(out, at, np.where(inside, g, 0))
    return out


def _covering(
    b: Any, at: Any, length: int, kernel: int, stride: int, padding: int, out: int
) -> list[tuple[Any, Any, list[Any]]]:
    """For each window over pixel ``at``: its number, the tap that lies on the pixel, tests.

    A pixel is covered by at most ceil(kernel / stride) windows; the last of them is number
    (at + padding) // stride.
    """
    shifted = b.add(at, b.const(padding, like=at))
    last = b.floordiv(shifted, b.const(stride, like=at))
    windows = []
    for back in range(-(-kernel // stride)):
        number = b.sub(last, b.const(back, like=at))
        tap = b.sub(shifted, b.mul(number, b.const(stride, like=at)))
        tests = []
        if (length - 1 + padding) // stride - back >= out:
            tests.append(b.lt(number, b.const(out, like=at)))
        if back:
            tests.append(b.ge(number, b.const(0, like=at)))
        if kernel % stride or kernel < stride:
            tests.append(b.lt(tap, b.const(kernel, like=at)))
        windows.append((number, tap, tests))
    return windows


def _put_rule(
    b: Any, i: Any, g: Any, code: Any, types: Any, shape: Shape, kernel: Pair, stride: Pair,
    padding: Pair,
) -> Any:  # fmt: skip
    out = types[0].shape
    n, c, row, column = i
    total = None
    for y, u, ys in _covering(b, row, shape[2], kernel[0], stride[0], padding[0], out[2]):
        for z, v, zs in _covering(b, column, shape[3], kernel[1], stride[1], padding[1], out[3]):
            tests, at = ys + zs, [n, c, y, z]
            tap = b.add(b.mul(u, b.const(kernel[1], like=u)), v)
            winner = guarded(b, tests, partial(code, at))
            value = guarded(b, tests, partial(g, at))
            hit = b.eq(b.cast(winner, int32), b.cast(tap, int32))
            part = b.where(hit, value, b.const(0, like=value))
            total = part if total is None else b.add(total, part)
    return total


def _put_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, kernel, stride, padding in _POOLINGS:
        params = {"kernel": kernel, "stride": stride, "padding": padding}
        code = _argmax_reference(apart(rng, shape), kernel, stride, padding)
        yield Sample((real(rng, code.shape), code), {"shape": shape, **params})


WINDOW_PUT: Op = Op(
    name="window_put",
    infer=lambda g, code, shape, kernel, stride, padding: TensorType(shape, g.dtype),
    reference=_put_reference,
    kernel=Pull(_put_rule),
    gradient=(
        lambda h, y, g, code, shape, kernel, stride, padding: apply(
            WINDOW_TAKE, h, code, kernel=kernel, stride=stride, padding=padding
        ),
        None,
    ),
    samples=_put_samples,
    doc="Each window's number added at the pixel its code names, zero elsewhere.",
)


def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Tensor:
    """Return the largest pixel of each window.

    Args:
        x: images, see Shapes.
        kernel_size: height and width of the window, in pixels (one number for both).
        stride: step of the window, in pixels; the window's own size unless given.
        padding: rows and columns of -inf added on each side, in pixels.

    Shapes:
        x: (batch, channels, height, width)

    Gradient: goes to the first largest pixel, row by row.

    >>> max_pool2d(Tensor([[[[1.0, 5.0], [2.0, 3.0]]]]), 2)
    tensor([[[[5.]]]])
    """
    x = as_tensor(x)
    kernel = pair("kernel_size", kernel_size)
    params = {
        "kernel": kernel,
        "stride": kernel if stride is None else pair("stride", stride),
        "padding": pair("padding", padding),
    }
    code = apply(WINDOW_ARGMAX, x, **params)
    return apply(WINDOW_TAKE, x, code, **params)
