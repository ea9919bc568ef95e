"""Text: read, in characters and byte pairs, and in windows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from deepglass.data import (
    BytePairEncoder,
    CharacterEncoder,
    NextTokenDataset,
    encode_text,
    read_text,
    text_encoder,
)
from deepglass.errors import DataError

TEXT = "the cat sat on the mat. Grüße, 世界! " * 20


def test_characters() -> None:
    encoder = CharacterEncoder.fit("hello")
    assert encoder.characters == "ehlo"
    tokens = encoder.encode("hole")
    assert (tokens.dtype, tokens.tolist()) == (np.int64, [1, 3, 2, 0])
    assert encoder.decode(tokens) == "hole"
    assert encoder.encode("").shape == (0,)
    with pytest.raises(DataError, match=r"one of the 4 characters.*got 'x' at place 2"):
        encoder.encode("hex")
    with pytest.raises(DataError, match="each once"):
        CharacterEncoder("aa")


def test_byte_pairs_join_what_is_frequent_and_lose_nothing() -> None:
    encoder = BytePairEncoder.fit(TEXT, vocabulary=300)
    assert 256 < encoder.vocabulary <= 300
    tokens = encoder.encode(TEXT)
    assert len(tokens) < 0.5 * len(TEXT.encode())
    assert encoder.decode(tokens) == TEXT
    assert encoder.decode(encoder.encode("  never seen: ŧ\n\n")) == "  never seen: ŧ\n\n"
    with pytest.raises(DataError, match="at least the 256 bytes; got 100"):
        BytePairEncoder.fit(TEXT, 100)


def test_byte_pairs_without_a_pair_are_bytes() -> None:
    encoder = BytePairEncoder.fit("ab", vocabulary=256)
    assert encoder.vocabulary == 256
    assert len(encoder.encode("äb")) == 3


def test_where_a_text_begins() -> None:
    assert CharacterEncoder.fit("one\ttwo\nthree").beginning == "\n"
    assert CharacterEncoder.fit("one two").beginning == " "
    assert CharacterEncoder.fit("GATTACA").beginning == "A"
    assert BytePairEncoder.fit("one two", 260).beginning == "\n"


def test_through_json() -> None:
    for encoder in (CharacterEncoder.fit(TEXT), BytePairEncoder.fit(TEXT, 280)):
        again = text_encoder(json.loads(json.dumps(encoder.to_dict())))
        assert type(again) is type(encoder)
        assert np.array_equal(again.encode(TEXT), encoder.encode(TEXT))
    for state in ({}, {"kind": "pickle", "x": "y"}, {"kind": "characters", "characters": 3}):
        with pytest.raises(DataError, match="text_encoder: a state"):
            text_encoder(state)
    with pytest.raises(DataError, match="BytePairEncoder: a description"):
        BytePairEncoder("{}")


def test_without_tokenizers_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match=r'pip install "deepglass\[text\]"'):
        BytePairEncoder.fit(TEXT)


@pytest.mark.parametrize(("step", "starts"), [(None, [0, 3, 6]), (1, list(range(8))), (5, [0, 5])])
def test_windows(step: int | None, starts: list[int]) -> None:
    data = NextTokenDataset(10 + np.arange(11), 3, step)
    assert len(data) == len(starts)
    x, y = data.batch(np.arange(len(data)))
    for place, start in enumerate(starts):
        assert x[place].tolist() == [10 + start, 11 + start, 12 + start]
        assert y[place].tolist() == [11 + start, 12 + start, 13 + start]
        assert np.array_equal(data[place][1], y[place])


@pytest.mark.parametrize("options", [(5, 0), (11, None), (0, None), (3, 0)])
def test_windows_that_do_not_fit(options: tuple[int, int | None]) -> None:
    with pytest.raises(DataError, match="NextTokenDataset: "):
        NextTokenDataset(np.arange(11), *options)


def test_encode_text() -> None:
    encoder, (train, test) = encode_text(TEXT, 8, "9:1")
    cut = int(0.9 * len(TEXT))
    assert encoder.decode(train.tokens) + encoder.decode(test.tokens) == TEXT
    assert len(train.tokens) == cut
    pairs, parts = encode_text(TEXT, 8, "8:2", vocabulary=280, step=2)
    assert isinstance(pairs, BytePairEncoder)
    assert "".join(pairs.decode(p.tokens) for p in parts) == TEXT
    with pytest.raises(DataError, match=r"length=8 and parts of 80 and 8 tokens\. G"):
        encode_text("so short" * 11, 8)


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        path.write_text(TEXT, encoding=encoding)
        assert read_text(path) == TEXT
    path.write_bytes(b"one\ntwo\n\xff")
    with pytest.raises(DataError, match="got byte ff at offset 8, line 3"):
        read_text(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        read_text(path)


def test_windows_lie_in_memory_unless_they_overlap() -> None:
    inputs, targets = NextTokenDataset(range(20), 4).arrays() or ()
    assert inputs.tolist() == [[4 * k + i for i in range(4)] for k in range(4)]
    assert targets.tolist() == (inputs + 1).tolist()
    assert NextTokenDataset(range(20), 4, step=3).arrays() is None
