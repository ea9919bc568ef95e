"""How fast compiled convolutions run: GFLOP/s, and the share of what one core can do.

    python benchmarks/convolutions.py [--winograd]

Each layer is compiled with the gradients of its image and its weights, for one thread; the times
are those of its loops in `step.report()`. With ``--winograd`` they are those of all its loops, the
transforms and copies included, and the rates still count the multiplications of the direct sums,
so that they may pass the peak.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext

import numpy as np

import deepglass as dg

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


def seconds(op: str, layer: tuple[int, ...], whole: bool) -> tuple[float, float]:
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
        if whole or kernel.label.split()[0] == op
    ]
    assert measured.peaks is not None
    return sum(times), measured.peaks.flops


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--winograd", action="store_true", help="let layers choose it")
    options = parser.parse_args()
    dg.set_threads(1)
    print("channels, map, kernel, images: forward, image's gradient, weights' gradient")
    for layer in LAYERS:
        c, o, size, kernel, batch = layer
        flops = 2 * c * o * size**2 * kernel**2 * batch
        figures = []
        for op in OPS:
            with nullcontext() if options.winograd else dg.exact():
                time, peak = seconds(op, layer, options.winograd)
            figures.append(f"{flops / time / 1e9:6.1f} GFLOP/s {flops / time / peak:5.0%}")
        print(f"{c:4} -> {o:3}, {size:2}, {kernel}, {batch:2}: ", *figures, flush=True)


if __name__ == "__main__":
    main()
