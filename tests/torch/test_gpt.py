"""GPT beside the GPT-2 of the transformers library, weights carried over through a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo
from oracle_cases import relative_difference

import deepglass as dg
from deepglass import models
from deepglass.models.gpt import TURNED
from deepglass.nn.functional import cross_entropy

with pytest.MonkeyPatch.context() as patch:
    patch.setitem(
        sys.modules, "torchvision", None
    )  # of no use here, and it may be of another torch
    from transformers import GPT2Config, GPT2LMHeadModel

VOCABULARY, CONTEXT, BATCH, LENGTH = 11, 13, 2, 7
TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (BATCH, LENGTH))


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Three layers of two heads, with weights and biases large enough to matter."""
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=128, n_layer=3, n_head=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation="eager",
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture(params=["transformer.", ""])
def path(theirs: Any, request: Any, tmp_path: Path) -> Path:
    """A file with the names of the library, or those of the published files."""
    from safetensors.numpy import save_file

    names = {k.removeprefix("transformer."): v.numpy() for k, v in theirs.state_dict().items()}
    arrays = {request.param + k: np.ascontiguousarray(v) for k, v in names.items()}
    arrays[request.param + "h.0.attn.bias"] = np.tri(CONTEXT)[None, None].astype(np.float32)
    file = tmp_path / "gpt2.safetensors"
    save_file({k: v for k, v in arrays.items() if not k.endswith("lm_head.weight")}, file)
    return file


def test_logits(theirs: Any, path: Path) -> None:
    ours = models.gpt(weights=path).eval()
    expected = theirs(torch.tensor(TOKENS)).logits.detach().numpy()
    found = ours(TOKENS).numpy().swapaxes(1, 2)
    assert np.abs(expected).max() > 1
    assert np.abs(found - expected).max() < 1e-4
    compiled = dg.compile(ours)(TOKENS).numpy().swapaxes(1, 2)
    assert np.abs(compiled - expected).max() < 1e-4


def test_gradients(theirs: Any, path: Path) -> None:
    """In float64; the table is both read from and told by."""
    double = theirs.double()
    ours = models.gpt(weights=path).double()
    targets = np.roll(TOKENS, -1, 1)
    double.zero_grad()
    logits = double(torch.tensor(TOKENS)).logits
    torch.nn.functional.cross_entropy(logits.mT, torch.tensor(targets)).backward()
    cross_entropy(ours(TOKENS), dg.tensor(targets)).backward()
    expected = {k.removeprefix("transformer."): p.grad for k, p in double.named_parameters()}
    for name, parameter in ours.named_parameters():
        wanted = expected[name].numpy()
        wanted = wanted.T if name.endswith(TURNED) else wanted
        assert relative_difference(parameter.grad.numpy(), wanted) < 1e-7, name
    theirs.float()


def test_plain_modules() -> None:
    """The peer of the benchmarks computes the same."""
    ours = models.GPT(VOCABULARY, layers=2, heads=2, width=6, context=CONTEXT)
    peer = zoo.GPT(ours.config())
    peer.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    expected = peer(torch.tensor(TOKENS)).detach().numpy()
    assert np.abs(ours(TOKENS).numpy().swapaxes(1, 2) - expected).max() < 1e-5


def test_attention(theirs: Any, path: Path) -> None:
    expected = theirs(torch.tensor(TOKENS), output_attentions=True).attentions
    for found, wanted in zip(models.gpt(weights=path).attention(TOKENS), expected, strict=True):
        assert np.abs(found.numpy() - wanted.detach().numpy()).max() < 1e-5


def test_greedy_text(theirs: Any, path: Path) -> None:
    """With a cache on both sides."""
    prompt = TOKENS[:1, :3]
    expected = theirs.generate(
        torch.tensor(prompt), max_new_tokens=CONTEXT - 3, do_sample=False, pad_token_id=0
    )
    found = list(models.gpt(weights=path).generate(prompt[0], CONTEXT - 3, temperature=0))
    assert found == expected[0, 3:].tolist()


def test_published_sizes() -> None:
    with dg.nn.init.unfilled():
        ours = models.gpt()
    with torch.device("meta"):
        config = GPT2Config()
        theirs = GPT2LMHeadModel(config).state_dict()
    turned = {
        k.removeprefix("transformer."): tuple(v.shape)[:: -1 if k.endswith(TURNED) else 1]
        for k, v in theirs.items()
        if k != "lm_head.weight"
    }
    assert {k: v.shape for k, v in ours._every_name()} == turned
    assert sum(p.numel() for p in ours.parameters()) == 124_439_808
