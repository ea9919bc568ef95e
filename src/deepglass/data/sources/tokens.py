"""Text as tokens, characters or byte pairs, and windows for foretelling the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError
from ..dataset import Dataset, Fields
from ..splits import part_lengths


class CharacterEncoder:
    """One token per character.

    Args:
        characters: all that may occur; a token is the place of its character.

    >>> encoder = CharacterEncoder.fit("banana")
    >>> encoder.encode("nab").tolist(), encoder.decode([0, 2])
    ([2, 0, 1], 'an')
    """

    kind: ClassVar[str] = "characters"

    def __init__(self, characters: str) -> None:
        if not characters or len(set(characters)) < len(characters):
            raise DataError(f"CharacterEncoder: characters, each once; got {characters[:40]!r}.")
        self.characters = characters
        self._places = {c: place for place, c in enumerate(characters)}

    @classmethod
    def fit(cls, text: str) -> CharacterEncoder:
        """Return the encoder of all characters in ``text``, in the order of their codes."""
        return cls("".join(sorted(set(text))))

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return len(self.characters)

    @property
    def beginning(self) -> str:
        """What a text is told after where nothing else is said: a line break, or the first of
        the characters."""
        return "\n" if "\n" in self._places else self.characters[0]

    def encode(self, text: str) -> np.ndarray:
        """Return the tokens of a text, int64.

        Raises:
            DataError: a character that the training text did not have.
        """
        try:
            return np.array([self._places[c] for c in text], np.int64)
        except KeyError as error:
            character = error.args[0]
            raise DataError(
                f"CharacterEncoder: one of the {self.vocabulary} characters of the training text; "
                f"got {character!r} at place {text.index(character)}. Replace it."
            ) from error

    def decode(self, tokens: Any) -> str:
        """Return the text of tokens."""
        return "".join(self.characters[i] for i in np.asarray(tokens).tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"kind": self.kind, "characters": self.characters}


class BytePairEncoder:
    """Frequent pieces of text as tokens, made by joining pairs of bytes again and again.

    Any text can be encoded, and comes back as it was.

    Args:
        description: as the tokenizers library writes it, in JSON.

    Source: Sennrich, Haddow and Birch (2016), "Neural machine translation of rare words with
    subword units", on bytes as in Radford et al. (2019), "Language models are unsupervised
    multitask learners", section 2.2.
    """

    kind: ClassVar[str] = "byte pairs"

    def __init__(self, description: str) -> None:
        self.description = description
        try:
            self._tokenizer = _tokenizers().Tokenizer.from_str(description)
        except DataError:
            raise
        except Exception as error:  # the library raises no type of its own
            raise DataError(
                f"BytePairEncoder: a description by the tokenizers library; {error}."
            ) from error

    @classmethod
    def fit(cls, text: str, vocabulary: int = 512) -> BytePairEncoder:
        """Return the encoder that ``text`` leads to.

        Args:
            text: to learn from.
            vocabulary: how many tokens there are at most, the 256 bytes included.

        Raises:
            DataError: a vocabulary of fewer than 256, or tokenizers is not installed.
        """
        if vocabulary < 256:
            raise DataError(
                f"BytePairEncoder: a vocabulary of at least the 256 bytes; got {vocabulary}."
            )
        library = _tokenizers()
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary,
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator([text], trainer)
        return cls(tokenizer.to_str())

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def beginning(self) -> str:
        """What a text is told after where nothing else is said: a line break."""
        return "\n"

    def encode(self, text: str) -> np.ndarray:
        """Return the tokens of a text, int64."""
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def decode(self, tokens: Any) -> str:
        """Return the text of tokens."""
        return str(self._tokenizer.decode(np.asarray(tokens).tolist(), skip_special_tokens=False))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"kind": self.kind, "description": self.description}


TextEncoder = CharacterEncoder | BytePairEncoder


def text_encoder(state: Mapping[str, Any]) -> TextEncoder:
    """Return the encoder that ``to_dict`` wrote.

    Raises:
        DataError: the state is none.
    """
    kind, rest = state.get("kind"), [v for n, v in state.items() if n != "kind"]
    for encoder in (CharacterEncoder, BytePairEncoder):
        if kind == encoder.kind and len(rest) == 1 and isinstance(rest[0], str):
            return encoder(rest[0])
    raise DataError(f"text_encoder: a state made by to_dict; got {dict(state)!r}.")


class NextTokenDataset(Dataset):
    """Windows of tokens, each with the same window one token later.

    Args:
        tokens: of a text.
        length: tokens per window.
        step: tokens from the beginning of one window to that of the next; ``length`` unless
            given, so that every token is foretold once.

    Shapes:
        input: (length,), int64
        target: (length,), int64

    Raises:
        DataError: a length below 1, or fewer tokens than a window and one more.

    >>> [(x.tolist(), y.tolist()) for x, y in [NextTokenDataset([5, 6, 7, 8], 3)[0]]]
    [([5, 6, 7], [6, 7, 8])]
    """

    def __init__(self, tokens: Any, length: int, step: int | None = None) -> None:
        self.tokens = np.array(tokens, np.int64)
        stride = length if step is None else step
        if min(length, stride) < 1 or self.tokens.ndim != 1 or len(self.tokens) <= length:
            raise DataError(
                "NextTokenDataset: length and step of at least 1 token, and more tokens than "
                f"length; got length={length}, step={stride} and shape {self.tokens.shape}. Give "
                "more text, or a smaller length."
            )
        self.length = length
        self.starts = np.arange(0, len(self.tokens) - length, stride)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Fields:
        inputs, targets = self.batch(np.array([index]))
        return inputs[0], targets[0]

    def batch(self, indices: np.ndarray) -> Fields:
        places = self.starts[indices][:, None] + np.arange(self.length)
        return self.tokens[places], self.tokens[places + 1]

    def arrays(self) -> Fields | None:
        """Return all windows, unless they overlap and would take more memory than the text."""
        apart = len(self) * self.length <= len(self.tokens)
        return self.batch(np.arange(len(self))) if apart else None


def encode_text(
    text: str,
    length: int,
    lengths: str | Sequence[float] = "9:1",
    vocabulary: int | None = None,
    step: int | None = None,
) -> tuple[TextEncoder, list[NextTokenDataset]]:
    """Divide a text from front to back, make its tokens, and cut windows.

    Args:
        text: all of it.
        length: tokens per window.
        lengths: of the parts, as for `random_split`.
        vocabulary: of byte pairs, which are learned from the first part; without it tokens are
            the characters of the whole text.
        step: tokens from the beginning of one window to that of the next.

    Returns:
        the encoder, and one set of windows per part.

    Raises:
        DataError: a part is too short for one window.
    """
    ends = np.cumsum([0, *part_lengths(len(text), lengths)]).tolist()
    parts = [text[first:last] for first, last in pairwise(ends)]
    encoder: TextEncoder = (
        CharacterEncoder.fit(text)
        if vocabulary is None
        else BytePairEncoder.fit(parts[0], vocabulary)
    )
    tokens = [encoder.encode(part) for part in parts]
    counts = [len(part) for part in tokens]
    if min(counts) <= length:
        raise DataError(
            "encode_text: parts that are each longer than a window; got windows of "
            f"length={length} and parts of {' and '.join(map(str, counts))} tokens. Give more "
            "text, or a smaller length."
        )
    return encoder, [NextTokenDataset(part, length, step) for part in tokens]


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise DataError(
            "BytePairEncoder: byte pairs are made by tokenizers, which is not installed here. Run "
            '`pip install "deepglass[text]"`, or use characters.'
        ) from error
    return tokenizers
