"""How fast the native engine's loops run: GFLOP/s, and the share of what the machine can do.

    python benchmarks/kernels.py [name ...]

The peaks (fused multiply-adds from registers, copying memory) are measured in the same run.
One thread is timed by its own processor time, so that other processes disturb little; several
threads by the clock, each figure the best of many short runs.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from deepglass.backends.native import ir, threads
from deepglass.backends.native.executable import Executable
from deepglass.backends.native.peaks import best, copy_peak, fma_peak
from deepglass.backends.native.slices import in_slices, slice_of, sliced
from deepglass.graph.types import float32

SECONDS = 0.25  # per figure


@dataclass(frozen=True)
class Kernel:
    """Nests and what one run of them amounts to."""

    nests: tuple[ir.Nest, ...]
    rows: ir.Axis
    chunk: int
    flops: int = 0
    bytes: int = 0


# kernels


class Slots:
    """Hands out buffers, one table slot each."""

    def __init__(self) -> None:
        self.buffers: list[ir.Buffer] = []

    def __call__(self, size: int) -> ir.Buffer:
        self.buffers.append(ir.Buffer(f"b{len(self.buffers)}", float32, size, len(self.buffers)))
        return self.buffers[-1]


def index(*terms: tuple[ir.Axis, int], constant: int = 0) -> ir.Index:
    return ir.Index(terms, constant)


def product(left: ir.Expr, right: ir.Expr) -> tuple[ir.Accum, ...]:
    return (ir.Accum("s", "add", ir.Call("mul", (left, right), float32)),)


SUM = ir.Acc("s", float32)


def matmul(new: Slots, form: str, m: int, n: int, k: int, chunk: int, batch: int = 1) -> Kernel:
    """C = A B, for each of a batch. dot: B is transposed in memory; first: A is; plain: neither."""
    i, j, t, z = ir.Axis("i", m), ir.Axis("j", n), ir.Axis("k", k), ir.Axis("b", batch)
    a, b, c = new(batch * m * k), new(batch * k * n), new(batch * m * n)
    rows = ((i, 1), (t, m)) if form == "first" else ((i, k), (t, 1))
    columns = ((j, k), (t, 1)) if form == "dot" else ((j, 1), (t, n))
    accums = product(ir.Load(a, index((z, m * k), *rows)), ir.Load(b, index((z, k * n), *columns)))
    axes, where = ((z, i, j) if batch > 1 else (i, j)), index((z, m * n), (i, n), (j, 1))
    nests = [ir.Nest(axes, (ir.Store(c, where, SUM),), (t,), accums)]
    size = slice_of(axes, (t,), 0, accums[0].expr)
    if size:
        nests = sliced(nests[0], partial(in_slices, size=size, outside=0), c, where)
    return Kernel(tuple(nests), axes[0], chunk, 2 * batch * m * n * k)


def square(form: str, n: int, new: Slots) -> Kernel:
    return matmul(new, form, n, n, n, 128)


def elementwise(new: Slots, op: str, n: int, m: int) -> Kernel:
    """y = max(x, 0), or y = op(x)."""
    i, j = ir.Axis("i", n), ir.Axis("j", m)
    x, y = new(n * m), new(n * m)
    at = index((i, m), (j, 1))
    value = ir.Load(x, at)
    zero = (ir.Const(0.0, float32),) if op == "maximum" else ()
    result = ir.Call(op, (value, *zero), float32)
    return Kernel((ir.Nest((i, j), (ir.Store(y, at, result),)),), i, n // 8, bytes=8 * n * m)


def row_sum(new: Slots, n: int, m: int) -> Kernel:
    i, k = ir.Axis("i", n), ir.Axis("k", m)
    x, y = new(n * m), new(n)
    accum = (ir.Accum("s", "add", ir.Load(x, index((i, m), (k, 1)))),)
    nest = ir.Nest((i,), (ir.Store(y, index((i, 1)), SUM),), (k,), accum)
    return Kernel((nest,), i, n // 8, bytes=4 * n * m)


KERNELS: dict[str, Callable[[Slots], Kernel]] = {
    "x W^T        64x784 -> 128": lambda s: matmul(s, "dot", 64, 128, 784, 8),
    "dz^T x       128x64 -> 784": lambda s: matmul(s, "first", 128, 784, 64, 16),
    "dz W         64x128 -> 784": lambda s: matmul(s, "plain", 64, 784, 128, 8),
    "x W^T        512x512x512": lambda s: matmul(s, "dot", 512, 512, 512, 64),
    "x W          512x512x512": lambda s: matmul(s, "plain", 512, 512, 512, 64),
    "x^T y        512x512x512": lambda s: matmul(s, "first", 512, 512, 512, 64),
    "x W^T        4096x128 -> 512": lambda s: matmul(s, "dot", 4096, 512, 128, 64),
    "dz W         4096x512 -> 128": lambda s: matmul(s, "plain", 4096, 128, 512, 64),
    "dz^T x       512x4096 -> 128": lambda s: matmul(s, "first", 512, 128, 4096, 128),
    **{
        f"{name:12} {n}x{n}x{n}": partial(square, form, n)
        for n in (1024, 2048)
        for name, form in (("x W^T", "dot"), ("x W", "plain"), ("x^T y", "first"))
    },
    "q k^T        128 of 128x32 -> 128": lambda s: matmul(s, "dot", 128, 128, 32, 8, 128),
    "p v          128 of 128x128 -> 32": lambda s: matmul(s, "plain", 128, 32, 128, 8, 128),
    "p^T dy       128 of 128x128 -> 32": lambda s: matmul(s, "first", 128, 32, 128, 8, 128),
    "relu         128x784": lambda s: elementwise(s, "maximum", 128, 784),
    "relu         4096x1024": lambda s: elementwise(s, "maximum", 4096, 1024),
    "tanh         128x784": lambda s: elementwise(s, "tanh", 128, 784),
    "exp          128x784": lambda s: elementwise(s, "exp", 128, 784),
    "row sums     128x784": lambda s: row_sum(s, 128, 784),
}


def measure(make: Callable[[Slots], Kernel]) -> Iterator[tuple[float, Kernel]]:
    """Yield seconds on one thread, then on all."""
    new = Slots()
    kernel = make(new)
    program = ir.Program(((ir.Phase(kernel.nests, kernel.rows, kernel.chunk),),))
    compiled = Executable(program)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(b.size).astype(np.float32) for b in new.buffers]
    table = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    several = threads.threads()
    for count in (1, several):
        threads.set_threads(count)
        clock = time.thread_time if count == 1 else time.perf_counter
        yield best(lambda: compiled.run(table), clock, SECONDS), kernel
    threads.set_threads(several)


def main(names: list[str]) -> None:
    peak, several = fma_peak() / 1e9, threads.threads()
    cached, memory = copy_peak(400_000) / 1e9, copy_peak(64_000_000) / 1e9
    print(f"one core: {peak:.0f} GFLOP/s of fused multiply-adds, copies {cached:.0f} GB/s in the")
    print(f"second cache and {memory:.0f} GB/s in memory; shares of these, 1 and {several} threads")
    for name, make in KERNELS.items():
        if names and not any(n in name for n in names):
            continue
        figures = []
        for threads_used, (seconds, kernel) in zip((1, several), measure(make), strict=True):
            if kernel.flops:
                rate, unit, limit = kernel.flops / seconds / 1e9, "GFLOP/s", peak * threads_used
            else:
                small = kernel.bytes < 1_000_000
                rate, unit, limit = (
                    kernel.bytes / seconds / 1e9,
                    "GB/s",
                    cached if small else memory,
                )
                limit *= threads_used if small else 1
            figures.append(f"{rate:7.1f} {unit:7} {100 * rate / limit:4.0f} %")
        print(f"{name:34}", *figures, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
