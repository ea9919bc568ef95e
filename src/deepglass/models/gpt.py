"""GPT: the transformer that foretells the next token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..create import arange
from ..errors import DataError, DomainError, ShapeError
from ..graph.tensor import Buffer, Tensor, as_tensor
from ..nn import Dropout, Embedding, LayerNorm, Linear, ModuleList, init
from ..nn import functional as F
from ..nn.attention import attention_weights, merge_heads
from ..nn.module import Module
from ..ops import clamp, index_select, permute, reshape, swapaxes, unbind, unsqueeze, where
from ..ops.random import Generator
from ..tensorfile import read_tensors
from .generation import LanguageModel, Memory

SMALLEST = {"vocabulary": 50257, "layers": 12, "heads": 12, "width": 768, "context": 1024}
HEAD = 64  # numbers per head in all published sizes
TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")  # published as (in, out)


class GPT(LanguageModel):
    """Blocks of attention to what came before, and a small network at every place.

    x[t] = E[token t] + P[t]
    in each block:  x += attention(norm(x)),  x += W2 gelu(W1 norm(x) + b1) + b2
    logits[t] = E norm(x[t]):  words are told by the table they are read from

    Args:
        vocabulary: how many tokens there are.
        layers: blocks, one upon the other.
        heads: of attention; it divides ``width``.
        width: numbers per token.
        context: places of the longest text that is read at once.
        dropout: probability of zeroing, of x at first, the weights of attention and what each
            part adds, in training.
        generator: source of the initial weights and of dropout; the default generator unless
            given.

    Shapes:
        input: (batch, length), whole numbers; length at most context
        output: (batch, vocabulary, length), as `nn.functional.cross_entropy` takes them

    Raises:
        DomainError: a size below 1, or heads that do not divide the width.
        ShapeError: a text longer than the context.

    Source: Radford et al. (2019), "Language models are unsupervised multitask learners", section
    2.3; Vaswani et al. (2017); the tied table: Press and Wolf (2017). Names, and at its width
    initial weights, are those of the published GPT-2, whose gelu is the approximation by tanh.

    >>> GPT(7, layers=1, heads=2, width=4, context=5)(Tensor([[1, 2, 0, 6, 3]])).shape
    (1, 7, 5)
    """

    context: int

    def __init__(
        self,
        vocabulary: int,
        layers: int = 4,
        heads: int = 4,
        width: int = 128,
        context: int = 128,
        dropout: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if min(vocabulary, layers, heads, width, context) < 1 or width % heads:
            raise DomainError(
                "GPT: sizes are at least 1, and heads divides width; got vocabulary="
                f"{vocabulary}, layers={layers}, heads={heads}, width={width}, context={context}. "
                "Make width a multiple of heads."
            )
        self.vocabulary, self.context, self.dropout = vocabulary, context, dropout
        self.layers, self.heads, self.width = layers, heads, width
        with init.unfilled():
            self.wte = Embedding(vocabulary, width)
            self.wpe = Embedding(context, width)
            self.drop = Dropout(dropout, generator=generator)
            self.h = ModuleList([Block(heads, width, dropout, generator) for _ in range(layers)])
            self.ln_f = LayerNorm(width)
        self._fill(generator)

    def _fill(self, generator: Generator | None) -> None:
        """Normal numbers, smaller where the sums of all blocks would grow with their number.

        At the published width their standard deviation is the published 0.02; elsewhere it keeps
        the size of the sums, by which small networks learn sooner.
        """
        std = 0.02 * math.sqrt(768 / self.width)
        for name, layer in self.named_modules():
            if isinstance(layer, (Linear, Embedding)):
                shrink = math.sqrt(2 * self.layers) if name.endswith("c_proj") else 1.0
                init.normal_(layer.weight, 0.0, std / shrink, generator)
            if isinstance(layer, Linear) and layer.bias is not None:
                init.zeros_(layer.bias)

    def forward(self, tokens: Any, memory: KeysAndValues | None = None) -> Tensor:
        """Return the logits of what follows each token.

        Args:
            tokens: see Shapes.
            memory: of the tokens before these, which is added to.
        """
        tokens = self._checked(tokens)
        length = tokens.shape[1]
        places: Tensor = arange(length)
        if memory is not None:
            places = places + memory.count
        x = self._embedded(tokens, places)
        for number, block in enumerate(self.h):
            x = block(x, None if memory is None else memory.layers[number], places)
        if memory is not None:
            memory.count.add_(length)
        return swapaxes(F.linear(self.ln_f(x), self.wte.weight), 1, 2)

    def _checked(self, tokens: Any) -> Tensor:
        found = as_tensor(tokens)
        if found.ndim != 2 or found.shape[1] > self.context:
            raise ShapeError(
                f"GPT: tokens are (batch, length), at most {self.context} in length; got "
                f"{found.shape}. Cut the text, or make the context longer."
            )
        return found

    def _embedded(self, tokens: Tensor, places: Tensor) -> Tensor:
        found: Tensor = self.drop(self.wte(tokens) + self.wpe(places))
        return found

    def memory(self) -> KeysAndValues:
        return KeysAndValues(
            self.layers, self.heads, self.context, self.width // self.heads, self.wte.weight.dtype
        )

    def attention(self, tokens: Any) -> list[Tensor]:
        """Return how much each place reads of each, by layer; call `eval` before.

        Shapes:
            tokens: (batch, length)
            result: per layer (batch, heads, length, length); a row adds up to 1
        """
        tokens = self._checked(tokens)
        x = self._embedded(tokens, arange(tokens.shape[1]))
        maps = []
        for block in self.h:
            maps.append(block.attn.weights(block.ln_1(x)))
            x = block(x)
        return maps

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("vocabulary", "layers", "heads", "width", "context", "dropout")
        return {name: getattr(self, name) for name in names}


def gpt(*, weights: str | Path | None = None, **options: Any) -> GPT:
    """Return GPT-2 in its published size, 124,439,808 weights, or in that of a file.

    Args:
        weights: a safetensors file with the published names, which tells the sizes; there are
            four of 124, 355, 774 and 1,558 million weights. Fresh weights unless given.
        options: as `GPT` takes them, where they are not those of the published smallest.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.

    Source: Radford et al. (2019), "Language models are unsupervised multitask learners", table 2.
    """
    if weights is None:
        return GPT(**{**SMALLEST, **options})
    arrays = _ours(read_tensors(weights)[0])
    tables = [arrays.get(f"{name}.weight", np.empty((0, 0))) for name in ("wte", "wpe")]
    layers = len({name.split(".")[1] for name in arrays if name.startswith("h.")})
    if any(table.ndim != 2 for table in tables) or not layers:
        raise DataError(
            f"{weights}: weights by GPT-2's names, such as wte.weight, wpe.weight and "
            f"h.0.ln_1.weight; got {', '.join(list(arrays)[:3])}. Check which network it is of."
        )
    (vocabulary, width), (context, _) = (table.shape for table in tables)
    sizes = {"vocabulary": vocabulary, "layers": layers, "width": width, "context": context}
    with init.unfilled():
        network = GPT(**{"heads": max(1, width // HEAD), **sizes, **options})
    try:
        network.load_state_dict(arrays)
    except DataError as error:
        raise DataError(f"{weights}: weights by GPT-2's names; {error}") from error
    return network


def _ours(published: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Published weights by our names: without the masks and the second name of the table, and
    with matrices (out, in)."""
    arrays = {name.removeprefix("transformer."): array for name, array in published.items()}
    return {
        name: array.T if name.endswith(TURNED) else array
        for name, array in arrays.items()
        if not name.endswith((".attn.bias", ".attn.masked_bias")) and name != "lm_head.weight"
    }


class Block(Module):
    """A layer of `GPT`: attention, then a network, each normalised before and added."""

    def __init__(self, heads: int, width: int, dropout: float, generator: Generator | None) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(width)
        self.attn = CausalSelfAttention(heads, width, dropout, generator)
        self.ln_2 = LayerNorm(width)
        self.mlp = FeedForward(width, dropout, generator)

    def forward(self, x: Tensor, known: Cache | None = None, places: Any = None) -> Tensor:
        y = x + self.attn(self.ln_1(x), known, places)
        found: Tensor = y + self.mlp(self.ln_2(y))
        return found


class CausalSelfAttention(Module):
    """Attention of each place to itself and all before it."""

    def __init__(self, heads: int, width: int, dropout: float, generator: Generator | None) -> None:
        super().__init__()
        self.heads, self.dropout, self.generator = heads, dropout, generator
        self.c_attn = Linear(width, 3 * width)
        self.c_proj = Linear(width, width)
        self.resid_dropout = Dropout(dropout, generator=generator)

    def forward(self, x: Tensor, known: Cache | None = None, places: Any = None) -> Tensor:
        q, k, v = self._projected(x)
        seen = None
        if known is not None:
            k, v, seen = known.extended(k, v, places)
        dropped = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(
            q, k, v, seen, dropped, is_causal=seen is None, generator=self.generator
        )
        found: Tensor = self.resid_dropout(self.c_proj(merge_heads(y)))
        return found

    def weights(self, x: Tensor) -> Tensor:
        """Return how much each place reads of each: (batch, heads, length, length)."""
        q, k, _ = self._projected(x)
        places = arange(x.shape[1])
        later = where(places > unsqueeze(places, 1), -math.inf, 0.0)
        return attention_weights(q, k, later.to(x.dtype))

    def _projected(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values: (batch, heads, length, width / heads)."""
        batch, length, _ = x.shape
        parts = reshape(self.c_attn(x), batch, length, 3, self.heads, -1)
        return unbind(permute(parts, 2, 0, 3, 1, 4))


class FeedForward(Module):
    """W2 gelu(W1 x + b1) + b2, four times as wide inside."""

    def __init__(self, width: int, dropout: float, generator: Generator | None) -> None:
        super().__init__()
        self.c_fc = Linear(width, 4 * width)
        self.c_proj = Linear(4 * width, width)
        self.dropout = Dropout(dropout, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.dropout(self.c_proj(F.gelu(self.c_fc(x), "tanh")))
        return found


class KeysAndValues(Memory):
    """Keys and values of the tokens so far, by layer, for a batch of one.

    Attributes:
        count: of the tokens.
    """

    def __init__(self, layers: int, heads: int, context: int, width: int, dtype: Any) -> None:
        super().__init__()
        self.count = Buffer(np.int64(0))
        self.layers = ModuleList([Cache(heads, context, width, dtype) for _ in range(layers)])

    def clear(self) -> None:
        self.count.zero_()


class Cache(Module):
    """Keys and values of one layer; those of tokens not read yet mean nothing.

    Shapes:
        keys, values: (1, heads, context, width)
    """

    def __init__(self, heads: int, context: int, width: int, dtype: Any) -> None:
        super().__init__()
        self.context = context
        self.keys, self.values = (
            Buffer(np.zeros((1, heads, context, width)), dtype) for _ in range(2)
        )

    def extended(self, k: Tensor, v: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take in keys and values at ``places``, and return all.

        Shapes:
            k, v: (1, heads, length, width)
            places: (length,), whole numbers, each one more than that before
            result: keys and values (1, heads, context, width); which are read (length, context)
        """
        slots = arange(self.context)
        row, last = slots - places[0], k.shape[2] - 1
        fresh = unsqueeze((row >= 0) & (row <= last), 1)
        row = clamp(row, 0, last)
        self.keys.copy_(where(fresh, index_select(k, 2, row), self.keys))
        self.values.copy_(where(fresh, index_select(v, 2, row), self.values))
        return self.keys, self.values, slots <= unsqueeze(places, 1)
