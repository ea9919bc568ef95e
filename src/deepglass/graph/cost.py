"""How much work an op's scalar rule is, found by running the rule once with words that count.

Operations on numbers are counted with the weights below; index arithmetic is free, because
the loops do it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .graph import Node
from .kinds import Elementwise, Pull

WEIGHTS = {
    "exp": 8.0, "expm1": 9.0, "log": 8.0, "log1p": 12.0, "tanh": 10.0, "sigmoid": 10.0,
    "sin": 12.0, "cos": 12.0, "erf": 18.0, "pow": 60.0, "sqrt": 4.0, "rsqrt": 5.0, "div": 4.0,
    "const": 0.0, "cast": 0.5,
}  # fmt: skip


class _Scalar:
    """Stands for a number, or for a position among loops."""

    dtype: Any = None


_NUMBER, _POSITION = _Scalar(), _Scalar()


class CountingVocabulary:
    """See `graph.kinds.Vocabulary`; every word adds its weight to ``total``.

    Attributes:
        guarded: whether anything was read under a condition.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.guarded = False

    def const(self, value: object, like: _Scalar | None) -> _Scalar:
        return like or _POSITION

    def guard(self, condition: _Scalar, read: Callable[[], _Scalar], other: object) -> _Scalar:
        self.guarded = True
        return read()

    def choose(self, at: _Scalar, *options: _Scalar) -> _Scalar:
        self.total += len(options) - 1
        return options[0]

    def __getattr__(self, word: str) -> Callable[..., _Scalar]:
        def count(*operands: object) -> _Scalar:
            if all(x is not _NUMBER for x in operands):
                return _POSITION
            self.total += WEIGHTS.get(word, 1.0)
            return _NUMBER

        return count


def cost(node: Node) -> float:
    """Return about how many simple operations one element of ``node`` takes from its inputs."""
    return _counted(node).total


def guarded(node: Node) -> bool:
    """Return whether the rule of ``node`` reads its inputs under a condition."""
    return _counted(node).guarded


def _counted(node: Node) -> CountingVocabulary:
    b, kernel = CountingVocabulary(), node.op.kernel
    index = [_POSITION] * len(node.type.shape)
    if isinstance(kernel, Elementwise):
        operands: list[Any] = [_NUMBER] * len(node.inputs) or [index]
        kernel.rule(b, *operands, **node.params)
    elif isinstance(kernel, Pull):
        types = tuple(i.type for i in node.inputs)
        kernel.rule(b, index, *[_read] * len(node.inputs), types=types, **node.params)
    return b


def _read(index: Sequence[object]) -> _Scalar:
    return _NUMBER
