"""Attention and its gradients beside PyTorch: one process, interleaved, equal threads.

    python benchmarks/attention.py [--rounds 5] [--threads 2]

Heads are 32 wide; the batch is smaller where there are more places: 2 million scores, 4 million
of 1,024 places. The largest difference between the gradients of both sides is printed.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from harness import in_turn, on_threads

import deepglass as dg

SCORES, HEADS, WIDTH = 2**21, 4, 32
attention = dg.nn.functional.scaled_dot_product_attention
peers = torch.nn.functional.scaled_dot_product_attention


def compare(places: int, causal: bool, rounds: int) -> None:
    """Time attention over so many places, forward, and forward and backward."""
    batch = max(SCORES // (HEADS * places**2), 1)
    rng = np.random.default_rng(0)
    shape = (batch, HEADS, places, WIDTH)
    q, k, v, weights = (rng.standard_normal(shape, np.float32) for _ in range(4))
    inputs = [torch.from_numpy(x) for x in (q, k, v)]

    def total(q: Any, k: Any, v: Any) -> Any:
        return (attention(q, k, v, is_causal=causal) * weights).sum()

    def their_gradients() -> Any:
        leaves = [x.detach().requires_grad_() for x in inputs]
        y = peers(*leaves, is_causal=causal) * torch.from_numpy(weights)
        return torch.autograd.grad(y.sum(), leaves)

    def theirs() -> Any:
        with torch.no_grad():
            return peers(*inputs, is_causal=causal)

    forward = dg.compile(lambda q, k, v: attention(q, k, v, is_causal=causal))
    gradients = dg.compile(dg.grad(total, (0, 1, 2)))
    pairs = zip(gradients(q, k, v), their_gradients(), strict=True)
    apart = max(float(np.abs(a.numpy() - b.numpy()).max()) for a, b in pairs)
    forward(q, k, v)
    title = f"{places} places{', causal' if causal else ''}, batch {batch}"
    in_turn(f"{title}, forward", lambda: forward(q, k, v), "PyTorch", theirs, rounds)
    in_turn(f"{title}, gradients", lambda: gradients(q, k, v), "PyTorch", their_gradients, rounds)
    print(f"  gradients differ by {apart:.0e} at most", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="bursts per side")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides")
    options = parser.parse_args()
    on_threads(options.threads)
    for causal in (True, False):
        for places in (128, 256, 512, 1024):
            compare(places, causal, options.rounds)


if __name__ == "__main__":
    main()
