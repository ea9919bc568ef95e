"""Attention: every place of a sequence reads the places that matter to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.tensor import Parameter, Tensor, as_floats, as_tensor
from ..ops import cat, chunk, mean, reshape, softmax, squeeze, swapaxes, to, unsqueeze, where
from ..ops.random import Generator
from . import functional as F
from .init import xavier_normal_, xavier_uniform_, zeros_
from .linear import Linear
from .module import Module
from .unfilled import empty


class MultiheadAttention(Module):
    """Several attentions side by side, each in a space of its own.

    head_h = softmax(Q_h K_hᵀ / sqrt(d) + mask) V_h,  d = embed_dim / num_heads
    output = [head_1, ..., head_H] W_outᵀ + b_out
    Q = query W_qᵀ + b_q, and K and V likewise, are cut into one piece of d numbers per head.

    Args:
        embed_dim: numbers per place of the query and of the output.
        num_heads: attentions side by side; it divides ``embed_dim``.
        dropout: probability that a weight of attention is zeroed, in training.
        bias: add the biases of all four products.
        add_bias_kv: let every sequence of keys and values end with one that is learned.
        add_zero_attn: let it end with one of zeros.
        kdim, vdim: numbers per place of keys and of values; ``embed_dim`` unless given.
        batch_first: input and output are (batch, places, ...).
        generator: source of the initial weights and of dropout; the default generator unless
            given.

    Shapes:
        query: (targets, batch, embed_dim), or (targets, embed_dim)
        key, value: (sources, batch, kdim), (sources, batch, vdim), or without the batch
        key_padding_mask: (batch, sources) or (sources,): True hides a source; floats are added
        attn_mask: (targets, sources) or (batch * num_heads, targets, sources): likewise
        output: as query
        weights: (batch, targets, sources), or (batch, num_heads, targets, sources)
        in_proj_weight: (3 embed_dim, embed_dim): those of Q, K and V; with other numbers in keys
            or values q_proj_weight, k_proj_weight and v_proj_weight instead
        in_proj_bias: (3 embed_dim,)
        out_proj.weight: (embed_dim, embed_dim)

    Raises:
        DomainError: ``num_heads`` does not divide ``embed_dim``, or ``dropout`` is no probability.
        ShapeError: inputs or masks that do not go together.

    Numerics: weights of a target for which all sources are hidden are nan, as in PyTorch.

    Source: Vaswani et al. (2017), "Attention is all you need", section 3.2.2.

    >>> layer = MultiheadAttention(6, 2, batch_first=True)
    >>> x = Tensor([[[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * 5])
    >>> output, weights = layer(x, x, x)
    >>> output.shape, weights.shape
    ((1, 5, 6), (1, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if min(embed_dim, num_heads) < 1 or embed_dim % num_heads:
            raise DomainError(
                "MultiheadAttention: num_heads divides embed_dim, and both are at least 1; got "
                f"{num_heads} and {embed_dim}. Make embed_dim a multiple of num_heads."
            )
        if not 0 <= dropout <= 1:
            raise DomainError(
                f"MultiheadAttention: dropout is a probability from 0 to 1; got {dropout}."
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.add_zero_attn = add_zero_attn
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first = batch_first
        self.generator = generator
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = _xavier((3 * embed_dim, embed_dim), generator)
        else:
            self.q_proj_weight = _xavier((embed_dim, embed_dim), generator)
            self.k_proj_weight = _xavier((embed_dim, self.kdim), generator)
            self.v_proj_weight = _xavier((embed_dim, self.vdim), generator)
        self.in_proj_bias = zeros_(empty(3 * embed_dim)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, generator=generator)
        if self.out_proj.bias is not None:
            zeros_(self.out_proj.bias)
        self.bias_k = _last(embed_dim, generator) if add_bias_kv else None
        self.bias_v = _last(embed_dim, generator) if add_bias_kv else None

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the output, and with ``need_weights`` the weights of attention.

        Args:
            query, key, value: see Shapes.
            key_padding_mask: sources to hide from all targets.
            need_weights: return the weights as well.
            attn_mask: sources to hide from some targets.
            average_attn_weights: the mean over the heads instead of one map per head.
            is_causal: hide from each target the sources after it; ``attn_mask`` may be left out.
        """
        alike = query is key and key is value
        given = [as_floats("MultiheadAttention", x) for x in (query, key, value)]
        batched = given[0].ndim == 3
        if not batched:
            given = [unsqueeze(x, 0) for x in given]
        elif not self.batch_first:
            given = [swapaxes(x, 0, 1) if x.ndim == 3 else x for x in given]
        self._check_inputs(given)
        q, k, v = self._projected(given, alike)
        sources = k.shape[1]
        if self.bias_k is not None and self.bias_v is not None:
            k = cat([k, self.bias_k.broadcast_to(len(k), 1, self.embed_dim)], 1)
            v = cat([v, self.bias_v.broadcast_to(len(v), 1, self.embed_dim)], 1)
        if self.add_zero_attn:
            k, v = (F.pad(x, (0, 0, 0, 1)) for x in (k, v))
        others = attn_mask is not None or key_padding_mask is not None or k.shape[1] > sources
        causal = is_causal and not (need_weights or others)  # needs no mask in memory
        mask = self._mask(q, sources, key_padding_mask, attn_mask, is_causal and not causal)
        if mask is not None:
            mask = F.pad(mask, (0, k.shape[1] - sources))
        q, k, v = (split_heads(x, self.num_heads) for x in (q, k, v))
        weights = None
        if need_weights:
            weights = attention_weights(q, k, mask)
            weights = F.dropout(weights, self.dropout, self.training, generator=self.generator)
            heads = weights @ v
            weights = mean(weights, 1) if average_attn_weights else weights
        else:
            dropped = self.dropout if self.training else 0.0
            heads = F.scaled_dot_product_attention(
                q, k, v, mask, dropped, causal, generator=self.generator
            )
        y: Tensor = self.out_proj(merge_heads(heads))
        if not batched:
            return squeeze(y, 0), None if weights is None else squeeze(weights, 0)
        return y if self.batch_first else swapaxes(y, 0, 1), weights

    def _projected(self, given: list[Tensor], alike: bool) -> list[Tensor]:
        """Q, K and V, each (batch, places, embed_dim)."""
        weight = getattr(self, "in_proj_weight", None)
        if alike and weight is not None:
            return list(chunk(F.linear(given[0], weight, self.in_proj_bias), 3, dim=-1))
        weights = (
            [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
            if weight is None
            else chunk(weight, 3)
        )
        biases = [None] * 3 if self.in_proj_bias is None else chunk(self.in_proj_bias, 3)
        return [F.linear(x, w, b) for x, w, b in zip(given, weights, biases, strict=True)]

    def _check_inputs(self, given: list[Tensor]) -> None:
        widths = (self.embed_dim, self.kdim, self.vdim)
        q, k, v = given
        if (
            any(x.ndim != 3 or x.shape[2] != w for x, w in zip(given, widths, strict=True))
            or k.shape[:2] != v.shape[:2]
            or q.shape[0] != k.shape[0]
        ):
            raise ShapeError(
                f"MultiheadAttention: query, key and value end with {', '.join(map(str, widths))}, "
                "all have a batch or none, the same, and there is one value per key; got, batch "
                f"first, {', '.join(str(x.shape) for x in given)}. batch_first="
                f"{self.batch_first} tells which axis is the batch."
            )

    def _mask(self, q: Tensor, sources: int, padding: Any, mask: Any, causal: bool) -> Any:
        """What is added to the scores, (batch, heads or 1, targets or 1, sources), or None."""
        batch, targets = q.shape[:2]
        found = None
        if mask is not None:
            found = _added("attn_mask", mask, q)
            one, each = (targets, sources), (batch * self.num_heads, targets, sources)
            if found.shape not in (one, each):
                raise ShapeError(
                    f"MultiheadAttention: attn_mask is {one} or {each}: batch times heads, "
                    f"targets, sources; got {found.shape}. Check which axes are which."
                )
            if found.ndim == 3:
                found = reshape(found, batch, self.num_heads, targets, sources)
        elif causal:
            found = _added("attn_mask", ~np.tri(targets, sources, dtype=bool), q)
        if padding is not None:
            hidden = _added("key_padding_mask", padding, q)
            if hidden.shape != ((batch, sources) if hidden.ndim > 1 else (batch * sources,)):
                raise ShapeError(
                    f"MultiheadAttention: key_padding_mask is {(batch, sources)}: batch, sources; "
                    f"got {hidden.shape}. Its batch comes first, whatever batch_first is."
                )
            hidden = reshape(hidden, batch, 1, 1, sources)
            found = hidden if found is None else found + hidden
        return found

    def extra_repr(self) -> str:
        usual = {"dropout": 0.0, "add_zero_attn": False, "kdim": self.embed_dim,
                 "vdim": self.embed_dim, "batch_first": False}  # fmt: skip
        settings = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join([str(self.embed_dim), str(self.num_heads), *settings])


def attention_weights(q: Tensor, k: Tensor, mask: Any = None) -> Tensor:
    """Return how much each target reads of each source: softmax(q kᵀ / sqrt(d) + mask).

    Shapes:
        q: (..., targets, d)
        k: (..., sources, d)
        mask: None, or what broadcasts to (..., targets, sources)
        output: (..., targets, sources)
    """
    scores = (q * (1 / math.sqrt(q.shape[-1]))) @ swapaxes(k, -2, -1)
    return softmax(scores if mask is None else scores + mask, -1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return (batch, places, width) as (batch, heads, places, width / heads)."""
    batch, places, width = x.shape
    return swapaxes(reshape(x, batch, places, heads, width // heads), 1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Return (batch, heads, places, width / heads) as (batch, places, width)."""
    batch, heads, places, width = x.shape
    return reshape(swapaxes(x, 1, 2), batch, places, heads * width)


def _xavier(shape: tuple[int, int], generator: Generator | None) -> Parameter:
    parameter = empty(*shape)
    xavier_uniform_(parameter, generator=generator)
    return parameter


def _last(width: int, generator: Generator | None) -> Parameter:
    parameter = empty(1, 1, width)
    xavier_normal_(parameter, generator=generator)
    return parameter


def _added(name: str, mask: Any, like: Tensor) -> Tensor:
    """A mask as numbers to add to scores: minus infinity where True hides."""
    given = as_tensor(mask)
    if given.dtype.is_float:
        return to(given, like.dtype)
    if given.dtype.name != "bool":
        raise DTypeError(
            f"MultiheadAttention: {name} holds booleans, True where a source is hidden, or floats "
            f"to add; got {given.type}. Write mask != 0."
        )
    return to(where(given, -math.inf, 0.0), like.dtype)
