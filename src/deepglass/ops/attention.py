"""Attention: what each query asks for, found among all keys."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError, ShapeError
from ..graph.kinds import Composite
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_floats, as_tensor
from ..graph.types import DType, Shape, TensorType, bool_
from .after import after
from .contraction import matmul
from .counting import iota
from .dropout import dropout
from .elementwise import eq, ge, to, where
from .functions import exp
from .logic import isfinite
from .movement import broadcast_to, reshape, transpose
from .random import Generator
from .reduction import amax, sum
from .samples import real


def _attention_type(
    query: TensorType,
    key: TensorType,
    value: TensorType,
    bias: TensorType,
    keep: TensorType,
    scale: float,
    causal: bool,
) -> TensorType:
    types = (query, key, value, bias, keep)
    if not query.dtype.is_float or any(t.dtype is not query.dtype for t in types):
        got = ", ".join(map(str, types))
        raise DTypeError(
            f"attention: all inputs hold floats of one type; got {got}. Convert with "
            "`.to(dg.float32)`."
        )
    if len(query.shape) >= 2 and len(key.shape) >= 2:
        batch, queries, features = query.shape[:-2], query.shape[-2], query.shape[-1]
        keys = key.shape[-2]
        scores = (*batch, queries, keys)
        wanted = [(*batch, keys, features), (*batch, keys), scores, scores]
        if [key.shape, value.shape[:-1], bias.shape, keep.shape] == wanted:
            return TensorType((*batch, queries, value.shape[-1]), query.dtype)
    raise ShapeError(
        "attention: query is (..., queries, features), key (..., keys, features), value "
        "(..., keys, channels), bias and keep (..., queries, keys); got "
        f"{', '.join(str(t.shape) for t in types)}. Call F.scaled_dot_product_attention."
    )


def _attention_reference(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    bias: np.ndarray,
    keep: np.ndarray,
    scale: float,
    causal: bool,
) -> np.ndarray:
    scores = query @ key.swapaxes(-2, -1) * query.dtype.type(scale) + bias
    if causal:
        scores[..., np.tri(*scores.shape[-2:]) == 0] = -np.inf
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0).astype(scores.dtype))
    total = weights.sum(-1, keepdims=True)
    return np.asarray(weights * keep @ value / np.where(total == 0, 1, total).astype(scores.dtype))


def _seen(x: Tensor, causal: bool, other: float) -> Tensor:
    """``x``, (..., queries, keys), and ``other`` for keys after a causal query."""
    if not causal:
        return x
    shape = x.shape[-2:]
    return where(ge(iota(shape, 0), iota(shape, 1)), x, other)


def _scores(query: Tensor, key: Tensor, bias: Tensor, scale: float, causal: bool) -> Tensor:
    """How well each key fits each query, (..., queries, keys)."""
    return _seen(matmul(query, transpose(key, -2, -1)) * scale + bias, causal, -np.inf)


def _top(scores: Tensor) -> Tensor:
    """What is subtracted from the scores of a query, (..., queries, 1)."""
    if not scores.shape[-1]:
        return sum(scores, -1, keepdim=True)
    top = amax(scores, -1, keepdim=True).detach()
    return where(isfinite(top), top, 0.0)


def _weights(scores: Tensor, top: Tensor, causal: bool) -> Tensor:
    """What softmax divides, (..., queries, keys)."""
    return _seen(exp(scores - top), causal, 0.0)


def _total(weights: Tensor) -> Tensor:
    """What softmax divides by, (..., queries, 1)."""
    total = sum(weights, -1, keepdim=True)
    return where(eq(total, 0.0), 1.0, total)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, keep: Tensor, scale: float,
    causal: bool,
) -> Tensor:  # fmt: skip
    scores = _scores(query, key, bias, scale, causal)
    weights = _weights(scores, _top(scores), causal)
    return matmul(weights * keep, value) / _total(weights)


class _Backward:
    """What the gradients share. The weights are computed again once ``g`` is there, from what each
    query's softmax subtracts and divides by, which is kept."""

    def __init__(
        self, g: Tensor, query: Tensor, key: Tensor, bias: Tensor, scale: float, causal: bool
    ) -> None:
        scores = _scores(query, key, bias, scale, causal)
        top = _top(scores)
        self.weights = _weights(scores, top, causal)
        self.g, self.causal = g / _total(self.weights), causal
        late = after(query, g), after(key, g), after(bias, g)
        if late[0] is not query:  # in a program, where the first ones need not wait for ``g``
            self.weights = _weights(_scores(*late, scale, causal), top, causal)

    def scores(self, y: Tensor, value: Tensor, keep: Tensor) -> Tensor:
        """The gradient of the scores."""
        along = sum(self.g * y, -1, keepdim=True)
        slopes = self.weights * (matmul(self.g, transpose(value, -2, -1)) * keep - along)
        return _seen(slopes, self.causal, 0.0)


def _query_gradient(
    g: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, keep: Tensor,
    scale: float, causal: bool,
) -> Tensor:  # fmt: skip
    scores = _Backward(g, query, key, bias, scale, causal).scores(y, value, keep)
    return matmul(scores, key) * scale


def _key_gradient(
    g: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, keep: Tensor,
    scale: float, causal: bool,
) -> Tensor:  # fmt: skip
    scores = _Backward(g, query, key, bias, scale, causal).scores(y, value, keep)
    return matmul(transpose(scores, -2, -1), query) * scale


def _value_gradient(
    g: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, keep: Tensor,
    scale: float, causal: bool,
) -> Tensor:  # fmt: skip
    shared = _Backward(g, query, key, bias, scale, causal)
    return matmul(transpose(shared.weights * keep, -2, -1), shared.g)


def _bias_gradient(
    g: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, keep: Tensor,
    scale: float, causal: bool,
) -> Tensor:  # fmt: skip
    return _Backward(g, query, key, bias, scale, causal).scores(y, value, keep)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    for batch, queries, keys, features, channels in (
        ((2,), 3, 5, 7, 4), ((1,), 1, 1, 1, 1), ((), 2, 9, 1, 17), ((2,), 19, 33, 8, 3),
        ((2, 3), 4, 7, 5, 1), ((0,), 2, 3, 5, 7), ((2,), 0, 3, 5, 7), ((2,), 3, 5, 0, 7),
        ((2,), 3, 5, 7, 0), ((2,), 3, 0, 5, 7),
    ):  # fmt: skip
        scores = (*batch, queries, keys)
        keep = rng.integers(0, 2, scores) * 2.0
        shapes = ((*batch, queries, features), (*batch, keys, features), (*batch, keys, channels))
        args = (*(real(rng, s) for s in shapes), real(rng, scores), keep)
        yield Sample(args, {"scale": 0.5, "causal": queries == 19})
    q, k, v = real(rng, (2, 3, 7)), real(rng, (2, 5, 7)), real(rng, (2, 5, 4))
    masked = np.where(rng.integers(0, 2, (2, 3, 5)), 0.0, -np.inf)
    masked[1, 2] = -np.inf  # a query that may look at no key
    params = {"scale": 100.0, "causal": False}
    yield Sample((q, k, v, masked, np.ones((2, 3, 5))), params, smooth=False)
    q, k, v, bias = (real(rng, (3, 80, n)) for n in (5, 5, 3, 80))
    params = {"scale": 0.5, "causal": True}
    yield Sample((q, k, v, bias, np.ones((3, 80, 80))), params, smooth=False)


def _ones(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    return tuple(np.ones(s) for s in shapes)


ATTENTION = Op(
    name="attention",
    infer=_attention_type,
    reference=_attention_reference,
    kernel=Composite(_attention),
    gradient=(_query_gradient, _key_gradient, _value_gradient, _bias_gradient, None),
    samples=_samples,
    misuses=(
        Misuse(
            _ones((2, 3, 7), (2, 5, 6), (2, 5, 4), (2, 3, 5), (2, 3, 5)),
            {"scale": 1.0, "causal": False}, ShapeError, "key (..., keys, features)",
        ),
        Misuse(
            _ones((2, 3, 7), (2, 5, 7), (2, 5, 4), (2, 5, 3), (2, 3, 5)),
            {"scale": 1.0, "causal": False}, ShapeError,
            "(2, 5, 3), (2, 3, 5). Call F.scaled_dot_product_attention",
        ),
        Misuse(
            (np.ones((1, 1, 1), np.int64),) * 5, {"scale": 1.0, "causal": False}, DTypeError,
            "floats of one type; got int64[1, 1, 1]",
        ),
    ),
    notation="attention({0}, {1}, {2})",
    doc="""(softmax(query keyᵀ scale + bias) keep) value; 0 for a query whose biases are all -inf.

    ``causal``: query i looks at the keys 0 to i only.

    Gradient: the weights are computed again, from query and key, instead of being kept; what is
    subtracted and divided by for each query is kept. None for keep.

    Numerics: the greatest score is subtracted first, so nothing overflows; what softmax divides
    by divides the result, which is shorter than the scores.

    Source: Vaswani et al. (2017), section 3.2.1; the gradient as in Dao, Fu, Ermon, Rudra and Ré
    (2022), algorithm 4; dividing last as in Milakov and Gimelshein (2018), section 3.
    """,
)  # fmt: skip


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Return for each query the mean of the values, weighed by how its key answers the query.

    y = softmax(query keyᵀ scale + mask) value

    Args:
        query, key, value: see Shapes.
        attn_mask: which keys a query may look at: True where it may; or numbers to add to the
            scores. Its shape broadcasts to (..., queries, keys).
        dropout_p: probability that a weight is dropped, whether in training or not.
        is_causal: query i looks at the keys 0 to i only; not together with ``attn_mask``.
        scale: what the scores are multiplied by; 1 / sqrt(features) unless given.
        enable_gqa: let each head of key and value serve several neighbouring heads of the
            query; heads are the third axis from the end.
        generator: where the numbers of dropout come from; the default generator unless given.

    Shapes:
        query: (..., queries, features)
        key: (..., keys, features)
        value: (..., keys, channels)
        output: (..., queries, channels)
        The leading axes are broadcast together.

    Raises:
        ShapeError: the sizes do not fit together.
        DTypeError: the inputs do not hold floats of one type.
        DomainError: both a mask and ``is_causal``, or ``dropout_p`` is no probability.

    Gradient: the weights are computed again, from query and key, instead of being kept.

    Numerics: nothing overflows; a query that may look at no key gets 0. With ``is_causal`` an inf
    or NaN at a later place may reach a query near it, as 0 times inf is NaN, or may not.

    Source: Vaswani et al. (2017), equation 1; Ainslie et al. (2023) for ``enable_gqa``.

    >>> keys = Tensor([[9.0, 0.0], [0.0, 9.0]])
    >>> scaled_dot_product_attention(keys, keys, Tensor([[1.0], [2.0]]), is_causal=True, scale=1.0)
    tensor([[1.],
            [2.]])
    """
    name = "scaled_dot_product_attention"
    q, k, v = (as_floats(name, x) for x in (query, key, value))
    if enable_gqa:
        k, v = (_for_more_heads(name, x, q) for x in (k, v))
    q, k, v = _in_one_batch(name, q, k, v)
    if attn_mask is not None and is_causal:
        raise DomainError(
            f"{name}: one mask at a time; got attn_mask and is_causal=True. Leave one out."
        )
    shape = q.shape[:-1]
    mask = _mask(name, attn_mask, (*shape, k.shape[-2]), q.dtype)
    if prod(mask.shape[:-2]) == 1:  # one for all, so that these are one batch
        q, k, v = (reshape(x, -1, *x.shape[-2:]) for x in (q, k, v))
        mask = reshape(mask, mask.shape[-2:])
    scores = (*q.shape[:-1], k.shape[-2])
    keep = broadcast_to(to(as_tensor(1.0), q.dtype), scores)
    keep = dropout(keep, dropout_p, generator=generator)
    scale = max(q.shape[-1], 1) ** -0.5 if scale is None else float(scale)
    inputs = q, k, v, broadcast_to(mask, scores), keep
    y = apply(ATTENTION, *inputs, scale=scale, causal=bool(is_causal))
    return reshape(y, *shape, v.shape[-1])


def _in_one_batch(name: str, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
    """The inputs with their leading axes broadcast together."""
    try:
        batch = np.broadcast_shapes(*(x.shape[:-2] for x in (q, k, v)))
        fit = min(q.ndim, k.ndim, v.ndim) >= 2
        fit = fit and q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2]
    except ValueError:
        fit = False
    if not fit:
        raise ShapeError(
            f"{name}: query is (..., queries, features), key (..., keys, features) and value "
            f"(..., keys, channels); got {q.shape}, {k.shape} and {v.shape}. Reshape them, or "
            "pass enable_gqa=True where the query has more heads."
        )
    return [broadcast_to(x, *batch, *x.shape[-2:]) for x in (q, k, v)]


def _for_more_heads(name: str, x: Tensor, query: Tensor) -> Tensor:
    """Each head of ``x`` as often as there are heads of the query for it, side by side."""
    heads = x.shape[-3] if x.ndim >= 3 else 0
    if query.ndim != x.ndim or not heads or query.shape[-3] % heads:
        raise ShapeError(
            f"{name}: with enable_gqa the heads of the query are a multiple of those of key and "
            f"value, the third axis from the end; got {query.shape} and {x.shape}. Reshape them."
        )
    *batch, _, rows, columns = x.shape
    times = query.shape[-3] // heads
    spread = broadcast_to(
        reshape(x, *batch, heads, 1, rows, columns), *batch, heads, times, rows, columns
    )
    return reshape(spread, *batch, heads * times, rows, columns)


def _mask(name: str, given: Any, scores: Shape, dtype: DType) -> Tensor:
    """Return what is added to scores of the shape ``scores``, to which it broadcasts."""
    if given is None:
        return to(as_tensor(-0.0), dtype)  # x + -0.0 is x, bit for bit
    mask = as_tensor(given)
    if mask.dtype is bool_:
        mask = where(mask, to(as_tensor(-0.0), dtype), to(as_tensor(-np.inf), dtype))
    if not mask.dtype.is_float:
        raise DTypeError(
            f"{name}: attn_mask holds truth values or floats; got {mask.type}. Write mask.bool()."
        )
    try:
        fits = np.broadcast_shapes(mask.shape, scores) == scores
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{name}: the shape of attn_mask broadcasts to that of the scores {scores}; got "
            f"{mask.shape}. Give it axes of length 1 where it is the same for all."
        )
    return mask
