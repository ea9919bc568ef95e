"""GPT: sizes, what it may not see, text that goes on with and without a memory, files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import models
from deepglass.errors import DataError, DomainError, ShapeError
from deepglass.models import GPT, LanguageModel, Reader, RecurrentLanguageModel
from deepglass.models.generation import draw
from deepglass.models.gpt import TURNED
from deepglass.tensorfile import write_tensors
from deepglass.testing import check_module

RNG = np.random.default_rng(0)
SIZES = {"layers": 2, "heads": 2, "width": 6, "context": 9}


def small(**changed: Any) -> GPT:
    dg.manual_seed(0)
    return GPT(7, **(SIZES | changed))


def sharp(model: LanguageModel) -> LanguageModel:
    """With matrices large enough for the logits to depend on all that was read."""
    with dg.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5.0 if parameter.ndim > 1 else 1.0)
    return model


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_module(backend: str) -> None:
    tokens = RNG.integers(0, 7, (3, 5))
    check_module(small(layers=1, dropout=0.2), tokens, backend=backend)


def test_what_comes_later_changes_nothing() -> None:
    model, tokens = small().double(), RNG.integers(0, 7, (2, 9))
    before = model(tokens).numpy()
    assert before.shape == (2, 7, 9)
    tokens[:, 5:] = 6 - tokens[:, 5:]
    after = model(tokens).numpy()
    assert np.array_equal(before[..., :5], after[..., :5])
    assert not np.allclose(before[..., 5:], after[..., 5:])


def test_initial_weights() -> None:
    """Those of the published width, and sums of the same size for others."""
    dg.manual_seed(0)
    for width, std in ((768, 0.02), (48, 0.08)):
        model = GPT(65, layers=2, heads=2, width=width)
        assert model.wte.weight.numpy().std() == pytest.approx(std, rel=0.05)
        assert model.h[0].attn.c_attn.weight.numpy().std() == pytest.approx(std, rel=0.05)
        assert model.h[1].mlp.c_proj.weight.numpy().std() == pytest.approx(std / 2, rel=0.05)
        assert not model.h[1].attn.c_proj.bias.numpy().any()
    tokens = RNG.integers(0, 65, (2, 30))
    loss = dg.nn.functional.cross_entropy(model(tokens), dg.tensor(np.roll(tokens, -1, 1)))
    assert loss.item() == pytest.approx(np.log(65), abs=0.3)


def test_attention() -> None:
    maps = small(dropout=0.2).eval().attention(RNG.integers(0, 7, (3, 5)))
    assert [m.shape for m in maps] == [(3, 2, 5, 5)] * 2
    for found in maps:
        assert found.numpy().sum(-1) == pytest.approx(np.ones((3, 2, 5)))
        assert not np.triu(found.numpy(), 1).any()


def test_what_is_remembered_is_what_was_read() -> None:
    """Token by token, beyond the context too, of which the newer half is kept."""
    dg.manual_seed(0)
    for model, count in ((small(), 9), (RecurrentLanguageModel(7, 2, 3, layers=2), 40)):
        tokens = RNG.integers(0, 7, count + 20).tolist()
        reader, limit, seen = Reader(sharp(model)), model.context, []
        for new in (tokens[:count], *([token] for token in tokens[count:])):
            logits, seen = reader.read(new), [*seen, *new]
            if limit is not None and len(seen) > limit:
                seen = seen[-(limit // 2) :]
            expected = model(np.array([seen]))[0, :, -1].numpy()
            assert logits == pytest.approx(expected, rel=1e-4, abs=1e-5)
            assert expected.std() > 1e-3
            assert reader.tokens == seen


def test_text_is_drawn_from_what_is_expected() -> None:
    model = sharp(small())
    found = list(model.generate([1, 2], 12, 0.5, 3, seed=5))
    reader, rng, last = Reader(model), np.random.default_rng(5), [1, 2]
    for token in found:
        assert token == draw(reader.read(last), 0.5, 3, rng)
        last = [token]
    assert found == list(model.generate([1, 2], 12, 0.5, 3, seed=5))
    assert found != list(model.generate([1, 2], 12, 0.5, 3, seed=6))


def test_a_prompt_read_in_blocks() -> None:
    model = sharp(GPT(7, layers=1, heads=4, width=32, context=80)).eval()
    prompt = RNG.integers(0, 7, 67)
    logits = Reader(model).read(prompt)
    assert logits == pytest.approx(model(prompt[None])[0, :, -1].numpy(), abs=1e-3)


def test_dropout_is_for_training() -> None:
    model = sharp(small(dropout=0.5))
    found = list(model.generate([1], 12, seed=5))
    assert model.training
    assert model.h[0].attn.training
    assert found == list(model.eval().generate([1], 12, seed=5))


def test_draws() -> None:
    rng = np.random.default_rng(0)
    chances = np.array([0.5, 0.2, 0.3])
    drawn = Counter(draw(np.log(chances), 1.0, None, rng) for _ in range(5000))
    assert [drawn[k] / 5000 for k in range(3)] == pytest.approx(chances, abs=0.03)
    squared = Counter(draw(np.log(chances), 0.5, None, rng) for _ in range(5000))
    assert [squared[k] / 5000 for k in range(3)] == pytest.approx(chances**2 / 0.38, abs=0.03)
    assert {draw(np.log(chances), 1.0, 2, rng) for _ in range(200)} == {0, 2}
    assert {draw(np.log(chances), 9.0, 1, rng) for _ in range(200)} == {0}
    assert draw(np.log(chances), 0.0, None, rng) == 0


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (lambda: GPT(7, heads=3, width=8), DomainError, "heads divides width.*heads=3, width=8"),
        (lambda: GPT(0), DomainError, "at least 1.*vocabulary=0"),
        (lambda: small()(np.zeros((2, 10), int)), ShapeError, r"at most 9 .*\(2, 10\)"),
        (lambda: small()(np.zeros(3, int)), ShapeError, r"\(batch, length\).*got \(3,\)"),
        (lambda: small().generate([], 3), DomainError, "at least one token.*got 0 tokens"),
        (lambda: small().generate([1], 3, -1.0), DomainError, "at least 0.*-1.0"),
        (lambda: small().generate([1], 3, top_k=0), DomainError, "top_k of at least 1.*0"),
    ],
)
def test_mistakes(what: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        what()


def test_files_that_are_not_gpt2s(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    with pytest.raises(DataError, match=r"weights.safetensors: a safetensors file; there is no"):
        models.gpt(weights=file)
    write_tensors(file, {"conv1.weight": np.zeros((2, 3))}, {})
    with pytest.raises(DataError, match=r"GPT-2's names.*got conv1.weight.*Check which network"):
        models.gpt(weights=file)
    state = GPT(7, layers=1, heads=1, width=64, context=5).state_dict()
    arrays = {k: v.T if k.endswith(TURNED) else v for k, v in state.items()}
    write_tensors(file, arrays, {})
    loaded = models.gpt(weights=file)
    assert all(np.array_equal(v, state[k]) for k, v in loaded.state_dict().items())
    del arrays["h.0.ln_2.bias"]
    write_tensors(file, arrays, {})
    with pytest.raises(DataError, match=r"weights.safetensors.*missing h.0.ln_2.bias"):
        models.gpt(weights=file)
