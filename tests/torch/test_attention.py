"""Attention and the transformer's layers beside PyTorch's, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from oracle_cases import disagreements

import deepglass as dg

BATCH, TARGETS, SOURCES, WIDTH, HEADS = 2, 5, 7, 6, 3
HIDDEN = np.random.default_rng(1).random((TARGETS, SOURCES)) < 0.4
HIDDEN[:, 0] = False  # no target without a source
PADDED = np.arange(SOURCES) >= np.array([[7], [4]])  # the second sequence ends after 4 places
EACH = np.random.default_rng(2).normal(size=(BATCH * HEADS, TARGETS, SOURCES))

# Settings of the layer, and what it is called with beside the inputs.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "batch first": ({"batch_first": True}, {"average_attn_weights": False}),
    "without biases": ({"bias": False}, {}),
    "other widths": ({"kdim": 4, "vdim": 3}, {}),
    "learned and zero ends": ({"add_bias_kv": True, "add_zero_attn": True}, {}),
    "mask": ({}, {"attn_mask": HIDDEN}),
    "mask per head, padding": ({}, {"attn_mask": EACH, "key_padding_mask": -1.0 * PADDED}),
    "padding": ({"add_bias_kv": True}, {"key_padding_mask": PADDED}),
    "mask and padding": (
        {"add_zero_attn": True}, {"attn_mask": HIDDEN, "key_padding_mask": PADDED},
    ),
    "without weights": ({}, {"need_weights": False, "attn_mask": HIDDEN}),
}  # fmt: skip


def weighted(results: Any, as_tensor: Any) -> Any:
    """A number that every result has a part in."""
    rng = np.random.default_rng(3)
    return sum((y * as_tensor(rng.normal(size=tuple(y.shape)))).sum() for y in results)


def pair(theirs: torch.nn.Module, ours: dg.nn.Module) -> None:
    """Give both the same weights, biases and norms included."""
    rng = np.random.default_rng(4)
    state = {k: rng.normal(size=tuple(v.shape)) for k, v in sorted(theirs.state_dict().items())}
    theirs.double().load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    ours.double().load_state_dict(state)


def compare(theirs: Any, ours: Any, arrays: list[np.ndarray], settings: dict[str, Any]) -> None:
    """Hold outputs and the gradients of inputs and parameters to PyTorch's."""
    pair(theirs, ours)
    found = []
    for layer, as_tensor in ((ours, dg.tensor), (theirs, torch.tensor)):
        inputs = [as_tensor(x, requires_grad=True) for x in arrays]
        given = {k: as_tensor(v) if isinstance(v, np.ndarray) else v for k, v in settings.items()}
        results = layer(*inputs, **given)
        results = results if isinstance(results, tuple) else (results,)
        results = [y for y in results if y is not None]
        weighted(results, as_tensor).backward()
        answer = {f"result {k}": y.detach().numpy() for k, y in enumerate(results)}
        answer |= {f"input {k}": x.grad.numpy() for k, x in enumerate(inputs)}
        answer |= {k: p.grad.numpy() for k, p in layer.named_parameters()}
        found.append(answer)
    assert not disagreements(*found)


@pytest.mark.parametrize("name", CASES)
def test_attention(name: str) -> None:
    settings, given = CASES[name]
    theirs, ours = (n.MultiheadAttention(WIDTH, HEADS, **settings) for n in (torch.nn, dg.nn))
    first = settings.get("batch_first")
    rng = np.random.default_rng(0)
    lengths = (TARGETS, SOURCES, SOURCES)
    widths = (WIDTH, settings.get("kdim", WIDTH), settings.get("vdim", WIDTH))
    arrays = [
        rng.normal(size=(BATCH, n, w) if first else (n, BATCH, w))
        for n, w in zip(lengths, widths, strict=True)
    ]
    compare(theirs, ours, arrays, given)


def test_attention_without_a_batch() -> None:
    theirs, ours = (n.MultiheadAttention(WIDTH, HEADS) for n in (torch.nn, dg.nn))
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, WIDTH)) for n in (TARGETS, SOURCES, SOURCES)]
    compare(theirs, ours, arrays, {"key_padding_mask": PADDED[1], "attn_mask": HIDDEN})


def test_attention_to_itself() -> None:
    """One product makes queries, keys and values."""
    theirs, ours = (n.MultiheadAttention(WIDTH, HEADS) for n in (torch.nn, dg.nn))
    pair(theirs, ours)
    x = np.random.default_rng(0).normal(size=(TARGETS, BATCH, WIDTH))
    here, there = dg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    later = np.triu(np.ones((TARGETS, TARGETS), bool), 1)
    y, weights = ours(here, here, here, is_causal=True)
    wanted, known = theirs(there, there, there, attn_mask=torch.tensor(later))
    y.sum().backward()
    wanted.sum().backward()
    got = {"y": y.numpy(), "weights": weights.numpy(), "gradient": here.grad.numpy()}
    expected = {"y": wanted, "weights": known, "gradient": there.grad}
    assert not disagreements(got, {k: v.detach().numpy() for k, v in expected.items()})


@pytest.mark.parametrize("first", [False, True])
def test_decoder_layer(first: bool) -> None:
    settings = {"dropout": 0.0, "norm_first": first, "activation": "gelu"}
    theirs, ours = (
        n.TransformerDecoderLayer(WIDTH, HEADS, 4, **settings) for n in (torch.nn, dg.nn)
    )
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, BATCH, WIDTH)) for n in (TARGETS, SOURCES)]
    later = np.triu(np.full((TARGETS, TARGETS), -np.inf), 1)
    masks = {"tgt_mask": later, "memory_mask": HIDDEN, "memory_key_padding_mask": PADDED}
    compare(theirs, ours, arrays, masks)


def test_stacks() -> None:
    """Two copies of each layer and a norm; weights move over by name."""
    both = []
    for n in (torch.nn, dg.nn):
        encoder, decoder = (
            kind(WIDTH, HEADS, 4, dropout=0.0, batch_first=True)
            for kind in (n.TransformerEncoderLayer, n.TransformerDecoderLayer)
        )
        both.append(
            (
                n.TransformerEncoder(encoder, 2, enable_nested_tensor=False),
                n.TransformerDecoder(decoder, 2, n.LayerNorm(WIDTH)),
            )
        )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, SOURCES, WIDTH))
    compare(both[0][0], both[1][0], [x], {"src_key_padding_mask": PADDED})
    y = rng.normal(size=(BATCH, TARGETS, WIDTH))
    compare(both[0][1], both[1][1], [y, x], {})


def test_copies_are_apart() -> None:
    layer = dg.nn.TransformerEncoderLayer(WIDTH, HEADS, 4)
    encoder = dg.nn.TransformerEncoder(layer, 2)
    before = layer.state_dict()
    encoder.load_state_dict({k: v + 1 for k, v in encoder.state_dict().items()})
    assert all(np.array_equal(v, before[k]) for k, v in layer.state_dict().items())
