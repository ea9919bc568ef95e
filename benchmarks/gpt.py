"""A training step of a small GPT beside PyTorch: one process, interleaved, equal threads.

    python benchmarks/gpt.py [--rounds 5] [--threads 2]

4 layers, 4 heads, width 128, context 128, 65 characters, batch 32, AdamW. One description
serves both sides; they start from the same weights and see the same batch, and the first
losses are printed beside each other.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import numpy as np
import torch
from kernels import fma_peak
from steps import RATE, Step, microseconds

import deepglass as dg
from deepglass.backends.native import threads

LAYERS, HEADS, WIDTH, CONTEXT, VOCABULARY, BATCH = 4, 4, 128, 128, 65, 32


def gpt(nn: Any) -> Any:
    """The network, in the words of ``nn``, which both sides have."""

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.before_attention, self.before_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
            self.output = nn.Linear(WIDTH, WIDTH)
            self.mlp = nn.Sequential(
                nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
            )

        def forward(self, x: Any) -> Any:
            heads = self.query_key_value(self.before_attention(x))
            heads = heads.reshape(BATCH, CONTEXT, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
            x = x + self.output(y.permute(0, 2, 1, 3).reshape(BATCH, CONTEXT, WIDTH))
            return x + self.mlp(self.before_mlp(x))

    class GPT(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(VOCABULARY, WIDTH)
            self.places = nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
            self.end = nn.LayerNorm(WIDTH)
            self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

        def forward(self, text: Any) -> Any:
            x = self.tokens(text) + self.places.weight
            return self.head(self.end(self.blocks(x))).reshape(-1, VOCABULARY)

    return GPT()


def ours(text: np.ndarray, following: np.ndarray) -> tuple[Step, dict[str, np.ndarray]]:
    """Return our compiled step and its initial weights."""
    dg.manual_seed(0)
    model = gpt(dg.nn)
    optimizer = dg.optim.AdamW(model.parameters(), lr=RATE)
    weights = model.state_dict()

    @dg.compile
    def step(text: Any, following: Any) -> Any:
        optimizer.zero_grad()
        loss = dg.nn.functional.cross_entropy(model(text), following)
        loss.backward()
        optimizer.step()
        return loss

    return (lambda: step(text, following)), weights


def theirs(text: np.ndarray, following: np.ndarray, weights: dict[str, np.ndarray]) -> Step:
    """Return PyTorch's eager step from the same weights."""
    model = gpt(torch.nn)
    model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    x, y = torch.from_numpy(text), torch.from_numpy(following)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def flops() -> float:
    """Multiply-adds of the products of one step, counted twice; scores count in full."""
    places = BATCH * CONTEXT
    weights = LAYERS * 12 * WIDTH * WIDTH + WIDTH * VOCABULARY
    scores = LAYERS * BATCH * CONTEXT * CONTEXT * WIDTH
    return 2 * (3 * places * weights + 6 * scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="bursts per side")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threads.set_threads(options.threads)
    rng = np.random.default_rng(0)
    text = rng.integers(0, VOCABULARY, (BATCH, CONTEXT))
    following = np.roll(text, -1).reshape(-1)
    step, weights = ours(text, following)
    peer = theirs(text, following, weights)
    losses = [(float(step().item()), float(peer().item())) for _ in range(3)]
    mine, other = [], []
    for _ in range(options.rounds):
        mine.append(microseconds(step, 1.0))
        other.append(microseconds(peer, 1.0))
    a, b = statistics.median(mine), statistics.median(other)
    rate = flops() / a / 1e3
    print(f"deepglass {a / 1e3:.0f} ms   PyTorch {b / 1e3:.0f} ms   ratio {b / a:.2f}")
    print(f"{rate:.0f} GFLOP/s, {rate / fma_peak() / options.threads:.0%} of the multiply-add peak")
    print("first losses " + "   ".join(f"{m:.6f} / {t:.6f}" for m, t in losses))


if __name__ == "__main__":
    main()
