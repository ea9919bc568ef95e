"""Layers of the transformer: attention and a small network at every place, by turns."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..errors import DomainError
from ..graph.tensor import Tensor
from ..ops.random import Generator
from . import functional as F
from .attention import MultiheadAttention
from .container import ModuleList
from .linear import Linear
from .module import Module
from .normalization import LayerNorm
from .regularization import Dropout

Activation = str | Callable[[Any], Tensor]
ACTIVATIONS: dict[str, Callable[[Any], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class _Layer(Module):
    """What encoder and decoder layers share: self-attention, the network, norms, dropout.

    A subclass says how many ``attentions`` there are, each with its norm and dropout.
    """

    attentions = 1
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise DomainError(
                f"{type(self).__name__}: activation is one of {', '.join(ACTIVATIONS)}, or a "
                f"function; got {activation!r}. Pass the function itself."
            )
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        self.norm_first = norm_first
        for name in ("self_attn", "multihead_attn")[: self.attentions]:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, generator=generator
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, generator=generator)
        self.dropout = Dropout(dropout, generator=generator)
        self.linear2 = Linear(dim_feedforward, d_model, bias, generator=generator)
        for number in range(1, self.attentions + 2):
            setattr(self, f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias))
        for number in range(1, self.attentions + 2):
            setattr(self, f"dropout{number}", Dropout(dropout, generator=generator))

    def _around(self, number: int, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Part ``number`` with its norm, before it or after the sum, and the path around it."""
        norm: Module = getattr(self, f"norm{number}")
        dropout: Module = getattr(self, f"dropout{number}")
        found: Tensor = x + dropout(part(norm(x) if self.norm_first else x))
        return found if self.norm_first else norm(found)

    def _network(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return found


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a network of one hidden layer at every place.

    y = norm1(x + attention(x)),  output = norm2(y + W2 act(W1 y + b1) + b2)
    with norm_first:  y = x + attention(norm1(x)),  output = y + network(norm2(y))

    Args:
        d_model: numbers per place.
        nhead: heads of attention; it divides ``d_model``.
        dim_feedforward: hidden neurons at every place.
        dropout: probability of zeroing, of attention's weights, hidden neurons and both sums, in
            training.
        activation: of the hidden neurons: "relu", "gelu" or a function.
        layer_norm_eps: see `LayerNorm`.
        batch_first: input and output are (batch, places, d_model).
        norm_first: normalise before each part instead of after the sum.
        bias: add biases, of norms as well.
        generator: source of the initial weights and of dropout; the default generator unless
            given.

    Shapes:
        src: (places, batch, d_model), or (places, d_model)
        src_mask, src_key_padding_mask: as attn_mask and key_padding_mask of `MultiheadAttention`
        output: as src

    Source: Vaswani et al. (2017), "Attention is all you need", section 3.1; norms first: Xiong
    et al. (2020), "On layer normalization in the transformer architecture".

    >>> layer = TransformerEncoderLayer(6, 2, 7, batch_first=True)
    >>> layer(Tensor([[[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * 5])).shape
    (1, 5, 6)
    """

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return attended(self.self_attn, x, x, src_mask, src_key_padding_mask, is_causal)

        return self._around(2, self._network, self._around(1, attend, src))


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to what an encoder found, then a network at every place.

    y = norm1(x + attention(x)),  z = norm2(y + attention(y, memory)),
    output = norm3(z + W2 act(W1 z + b1) + b2);  with norm_first as `TransformerEncoderLayer`

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
        norm_first, bias, generator: as of `TransformerEncoderLayer`.

    Shapes:
        tgt: (places, batch, d_model), or (places, d_model)
        memory: (sources, batch, d_model), or (sources, d_model)
        tgt_mask, tgt_key_padding_mask: of the first attention, see `MultiheadAttention`
        memory_mask, memory_key_padding_mask: of the second
        output: as tgt

    Source: Vaswani et al. (2017), "Attention is all you need", section 3.1.

    >>> layer = TransformerDecoderLayer(6, 2, 7, batch_first=True)
    >>> x = Tensor([[[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * 5])
    >>> layer(x, x[:, :3], tgt_is_causal=True).shape
    (1, 5, 6)
    """

    attentions = 2

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return attended(self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def look(x: Tensor) -> Tensor:
            return attended(
                self.multihead_attn, x, memory, memory_mask, memory_key_padding_mask,
                memory_is_causal,
            )  # fmt: skip

        return self._around(3, self._network, self._around(2, look, self._around(1, attend, tgt)))


class _Stack(Module):
    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        if num_layers < 1:
            raise DomainError(
                f"{type(self).__name__}: at least one layer; got {num_layers}. Pass num_layers=1."
            )
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def _finished(self, x: Tensor) -> Tensor:
        found: Tensor = x if self.norm is None else self.norm(x)
        return found


class TransformerEncoder(_Stack):
    """Copies of an encoder layer, one upon the other.

    Args:
        encoder_layer: is copied, weights included; it stays as it is.
        num_layers: how many copies.
        norm: applied to the result, or None.
        enable_nested_tensor, mask_check: said by PyTorch's models and without effect.

    Shapes:
        src, mask, src_key_padding_mask, output: as of `TransformerEncoderLayer`

    Source: Vaswani et al. (2017), "Attention is all you need", section 3.1.

    >>> encoder = TransformerEncoder(TransformerEncoderLayer(6, 2, 7), 2)
    >>> encoder(Tensor([[[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * 5])).shape
    (1, 5, 6)
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        x: Tensor = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal)
        return self._finished(x)


class TransformerDecoder(_Stack):
    """Copies of a decoder layer, one upon the other.

    Args:
        decoder_layer: is copied, weights included; it stays as it is.
        num_layers: how many copies.
        norm: applied to the result, or None.

    Shapes:
        all as of `TransformerDecoderLayer`

    Source: Vaswani et al. (2017), "Attention is all you need", section 3.1.

    >>> decoder = TransformerDecoder(TransformerDecoderLayer(6, 2, 7), 2)
    >>> x = Tensor([[[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * 5])
    >>> decoder(x, x).shape
    (1, 5, 6)
    """

    def __init__(
        self,
        decoder_layer: TransformerDecoderLayer,
        num_layers: int,
        norm: Module | None = None,
    ) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x: Tensor = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
                tgt_is_causal, memory_is_causal,
            )  # fmt: skip
        return self._finished(x)


def attended(
    layer: MultiheadAttention, x: Any, memory: Any, mask: Any, padding: Any, causal: bool
) -> Tensor:
    """What ``layer`` makes of x, which looks at ``memory``."""
    found: Tensor = layer(x, memory, memory, padding, False, mask, is_causal=causal)[0]
    return found
