"""How fast compiled convolutions run: GFLOP/s, and the share of what one core can do.

    python benchmarks/convolutions.py [--winograd]

Each layer is compiled with the gradients of its image and its weights, for one thread; the times
are those of its loops in `step.report()`. With ``--winograd`` layers of 3 x 3 kernels are computed
in both ways, and the times are those of all loops, transforms and copies included: milliseconds
directly and with Winograd's algorithm, their ratio, and a star where the compiler's rule chooses
the slower one.
"""

from __future__ import annotations

import argparse

import numpy as np

import deepglass as dg
from deepglass.graph.op import REGISTRY
from deepglass.graph.tensor import Tensor, apply
from deepglass.ops.window import Window
from deepglass.passes.winograd import fewer_products

# channels in and out, size of the map, of the kernel, images
LAYERS = (
    (16, 16, 32, 3, 32),
    (32, 32, 16, 3, 32),
    (64, 64, 8, 3, 32),
    (64, 64, 56, 3, 8),
    (128, 128, 28, 3, 8),
    (256, 256, 14, 3, 8),
    (512, 512, 7, 3, 8),
    (256, 64, 56, 1, 8),
    (512, 512, 14, 1, 8),
    (64, 64, 14, 5, 8),
)
OPS = ("conv", "conv_transpose", "conv_weight_gradient")

# layers of 3 x 3 kernels that are computed in both ways: few channels, small maps, few images
BOTH = (
    (3, 16, 32, 3, 32),
    (4, 32, 32, 3, 32),
    (8, 8, 32, 3, 32),
    (16, 16, 32, 3, 32),
    (16, 16, 8, 3, 32),
    (32, 32, 16, 3, 32),
    (64, 64, 8, 3, 32),
    (64, 64, 8, 3, 1),
    (64, 64, 56, 3, 1),
    (128, 128, 28, 3, 1),
    (256, 256, 14, 3, 1),
    (512, 512, 7, 3, 4),
    (512, 512, 4, 3, 16),
    (512, 512, 4, 3, 4),
    (512, 512, 4, 3, 2),
)


def seconds(op: str, layer: tuple[int, ...]) -> tuple[float, float]:
    """Return the time of one of a layer's three convolutions, and the peak of one core."""
    c, o, size, kernel, batch = layer
    x = np.ones((batch, c, size, size), np.float32)
    w = np.ones((o, c, kernel, kernel), np.float32)
    v = np.ones((batch, o, size, size), np.float32)

    def forward(x, w):
        return dg.conv2d(x, w, padding=kernel // 2)

    if op == "conv":
        step, arguments = dg.compile(forward), (x, w)
    else:
        chosen = 0 if op == "conv_transpose" else 1
        slope = dg.grad(lambda x, w, v: (forward(x, w) * v).sum(), chosen)
        step, arguments = dg.compile(slope), (x, w, v)
    measured = step.report(*arguments).measured
    times = [
        time
        for kernel, time in zip(measured.kernels, measured.seconds, strict=True)
        if kernel.label.split()[0] == op
    ]
    assert measured.peaks is not None
    return sum(times), measured.peaks.flops


def both_ways(op: str, layer: tuple[int, ...]) -> tuple[float, float, bool]:
    """Return the times of a convolution with all its products and with fewer, in seconds, and
    whether the compiler chooses fewer."""
    c, o, size, kernel, batch = layer
    shapes = {"x": (batch, 1, c, size, size), "w": (1, o, c, 3, 3), "g": (batch, 1, o, size, size)}
    inputs = {"conv": "xw", "conv_transpose": "gw", "conv_weight_gradient": "xg"}[op]
    arguments = [np.ones(shapes[name], np.float32) for name in inputs]
    windows = (Window(size, kernel, size, before=1),) * 2
    found = []
    for name in (op, f"winograd_{op}"):

        def function(a: Tensor, b: Tensor, name: str = name) -> Tensor:
            return apply(REGISTRY[name], a, b, windows=windows)

        with dg.exact():
            measured = dg.compile(function).report(*arguments).measured
        found.append(sum(measured.seconds))
        if name == op:
            graph = dg.compile(function, backend="reference").program(*arguments).graph
            chosen = any("winograd" in n.op.name for n in fewer_products(graph).nodes())
    return found[0], found[1], chosen


def compare() -> None:
    """Print the times of both ways."""
    print("channels, map, images: milliseconds directly, with Winograd's algorithm, ratio")
    for layer in BOTH:
        c, o, size, _, batch = layer
        figures = []
        for op in OPS:
            direct, fewer, chosen = both_ways(op, layer)
            wrong = "*" if chosen != (fewer < direct) else " "
            figures.append(f"{1e3 * direct:6.2f} {1e3 * fewer:6.2f} {direct / fewer:5.2f}{wrong}")
        print(f"{c:4} -> {o:3}, {size:2}, {batch:2}: ", *figures, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--winograd", action="store_true", help="compare both ways")
    options = parser.parse_args()
    dg.set_threads(1)
    if options.winograd:
        compare()
        return
    print("channels, map, kernel, images: forward, image's gradient, weights' gradient")
    for layer in LAYERS:
        c, o, size, kernel, batch = layer
        flops = 2 * c * o * size**2 * kernel**2 * batch
        figures = []
        for op in OPS:
            with dg.exact():
                time, peak = seconds(op, layer)
            figures.append(f"{flops / time / 1e9:6.1f} GFLOP/s {flops / time / peak:5.0%}")
        print(f"{c:4} -> {o:3}, {size:2}, {kernel}, {batch:2}: ", *figures, flush=True)


if __name__ == "__main__":
    main()
