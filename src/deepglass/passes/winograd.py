"""Convolutions with fewer multiplications, where that is faster (see `ops.winograd`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod

from ..graph.graph import Graph, Node, derived, like
from ..graph.op import REGISTRY
from ..graph.types import float32

_exact: ContextVar[bool] = ContextVar("deepglass_exact", default=False)


@contextmanager
def exact() -> Iterator[None]:
    """Compile convolutions as sums of all their products until the block ends.

    Otherwise a float32 convolution of 3 x 3 kernels, stride 1, may be computed with a quarter
    of the multiplications (Winograd's algorithm).

    Numerics: that makes an error of 2e-6 to 4e-6 of the largest value, instead of 1e-6. float64
        and halves are always computed directly, and so is everything outside `compile`.

    >>> import deepglass as dg
    >>> x, w = dg.ones(1, 1, 4, 4), dg.ones(1, 1, 3, 3)
    >>> with exact():
    ...     dg.compile(dg.conv2d)(x, w)
    tensor([[[[9., 9.],
              [9., 9.]]]])
    """
    token = _exact.set(True)
    try:
        yield
    finally:
        _exact.reset(token)


def is_exact() -> bool:
    """Return whether convolutions are compiled as sums of all their products, in this thread."""
    return _exact.get()


def fewer_products(graph: Graph) -> Graph:
    """Compute convolutions of 3 x 3 kernels tile by tile, where that is faster.

    y = conv(x, w)    -->    y = winograd_conv(x, w)
    """
    settled = graph.settled()

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        suits = node.op.name in _CONVOLUTIONS and _suits(node)
        if not suits or not _pays(node, node.inputs[1].id in settled):
            return like(node, inputs)
        return derived(node, REGISTRY[f"winograd_{node.op.name}"], inputs, node.params, node.type)

    return graph.rewrite(rule)


_CONVOLUTIONS = frozenset({"conv", "conv_transpose", "conv_weight_gradient"})


def _suits(node: Node) -> bool:
    """Whether the algorithm computes this convolution, in the type it is accurate enough for."""
    windows, images = node.params["windows"], node.inputs[0].type
    return (
        images.dtype is float32
        and len(windows) == 2
        and images.shape[1] == 1
        and all((w.kernel, w.stride, w.dilation) == (3, 1, 1) and w.before < 3 for w in windows)
    )


def _pays(node: Node, settled: bool) -> bool:
    """Whether it is faster, all work counted in multiply-adds of the direct sums; settled
    kernels are brought to the points before, and read."""
    first, second = (i.type.shape for i in node.inputs)
    batch, channels = first[0], first[2]
    others = second[2] if node.op.name == "conv_weight_gradient" else node.type.shape[2]
    lengths = [w.length if node.op.name == "conv_transpose" else w.count
               for w in node.params["windows"]]  # fmt: skip
    tiles = batch * prod(-(-n // 4) for n in lengths)
    products = channels * others
    kernel = _READ if settled else _KERNEL
    direct = 9 * products * (batch * prod(lengths) + kernel * settled)
    points = products * (_PRODUCT * tiles + kernel) + (channels + others) * _TILE * tiles
    return bool(36 * points < direct)


# Fitted to times of both ways, see docs/performance.md. What one point takes:
_PRODUCT = 1.4  # of a tile and a kernel: reading and writing the points is part of it
_TILE = 9  # of a tile and a channel, to be brought there or back
_KERNEL = 8  # of a kernel, to be brought there or back
_READ = 8  # of a kernel that is there already, to come from memory
