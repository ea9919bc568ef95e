"""A training step of a small GPT beside PyTorch: one process, interleaved, equal threads.

    python benchmarks/gpt.py [--rounds 5] [--threads 2] [--compiled]

4 layers, 4 heads, width 128, context 128, 65 characters, batch 32, AdamW. One description
serves both sides; they start from the same weights and see the same batch, and the first
losses are printed beside each other.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from harness import (
    RATE,
    Step,
    add_compiled,
    fastest,
    in_turn,
    on_threads,
    print_losses,
    print_rate,
    torch_step,
    torch_steps,
    training_step,
)

import deepglass as dg

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


def adamw(optim: Any, parameters: Any) -> Any:
    return optim.AdamW(parameters, lr=RATE)


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
    add_compiled(parser)
    options = parser.parse_args()
    peak = on_threads(options.threads)
    rng = np.random.default_rng(0)
    text = rng.integers(0, VOCABULARY, (BATCH, CONTEXT))
    following = np.roll(text, -1).reshape(-1)
    dg.manual_seed(0)
    model = gpt(dg.nn)
    weights = {k: torch.from_numpy(v.copy()) for k, v in model.state_dict().items()}
    step = training_step(model, adamw(dg.optim, model.parameters()))

    def make() -> torch.nn.Module:
        peer: torch.nn.Module = gpt(torch.nn)
        peer.load_state_dict(weights)
        return peer

    def bind(peer: torch.nn.Module, inputs: torch.Tensor) -> Step:
        optimizer = adamw(torch.optim, peer.parameters())
        return torch_step(peer, optimizer, inputs, torch.from_numpy(following))

    peers = torch_steps(make, bind, text, options.compiled)
    losses = [(step(text, following).item(), peers["PyTorch"]().item()) for _ in range(3)]
    took = in_turn(
        "GPT, batch 32", lambda: step(text, following), *fastest(peers, 1.0), options.rounds, 1.0
    )
    print_rate(flops(), took, peak)
    print_losses(losses)


if __name__ == "__main__":
    main()
