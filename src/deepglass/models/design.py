"""What a network with a short name is made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..nn.module import Module


@dataclass(frozen=True)
class Sizes:
    """What a network has to fit.

    Attributes:
        kind: of the data: "images", "points", "series", "table" or "text".
        inputs: shape of one sample.
        outputs: classes, values to foretell, or tokens of the vocabulary.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Design:
    """A network with a short name.

    Attributes:
        about: one line.
        kinds: of data that it reads.
        make: ``make(sizes, **options)`` returns one with fresh weights.
        usual: what it was made for, where that is not the usual size of its kind.
    """

    about: str
    kinds: tuple[str, ...]
    make: Callable[..., Module]
    usual: Sizes | None = None
