"""Sums of products by the names of axes, said with permute, reshape, matmul and sum."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import ShapeError
from ..graph.tensor import Tensor, as_tensor
from .contraction import matmul
from .diagonals import diagonal
from .elementwise import mul, to, unify
from .movement import axis_of, permute, reshape
from .reduction import sum

Names = tuple[str, ...]


@dataclass(frozen=True)
class _Named:
    """A tensor and a name for each of its axes."""

    value: Tensor
    names: Names

    def arranged(self, *groups: Sequence[str]) -> Tensor:
        """The tensor with one axis per group of names; names it lacks count as length 1."""
        own = [[n for n in group if n in self.names] for group in groups]
        order = [self.names.index(n) for group in own for n in group]
        lengths = [[self.value.shape[self.names.index(n)] for n in group] for group in own]
        return reshape(permute(self.value, order), [prod(part) for part in lengths])

    def summed(self, kept: Collection[str]) -> _Named:
        """The tensor summed over all axes but those ``kept``."""
        dims = [d for d, n in enumerate(self.names) if n not in kept]
        value = to(sum(self.value, dims), self.value.dtype) if dims else self.value
        return _Named(value, tuple(n for n in self.names if n in kept))


def _product(a: _Named, b: _Named, kept: Collection[str]) -> _Named:
    """The product of two tensors, summed over all axes but those ``kept``."""
    a, b = a.summed({*kept, *b.names}), b.summed({*kept, *a.names})
    inner = [n for n in a.names if n in b.names and n not in kept]
    batch = [n for n in a.names if n in b.names and n in kept]
    left = [n for n in a.names if n not in b.names]
    right = [n for n in b.names if n not in a.names]
    names = (*batch, *left, *right)
    if not inner:
        apart = [[n] for n in names]
        return _Named(mul(a.arranged(*apart), b.arranged(*apart)), names)
    several = [batch] if batch else []
    y = matmul(a.arranged(*several, left, inner), b.arranged(*several, inner, right))
    lengths = {n: k for t in (a, b) for n, k in zip(t.names, t.value.shape, strict=True)}
    return _Named(reshape(y, [lengths[n] for n in names]), names)


# einsum ---------------------------------------------------------------------------------


def einsum(equation: str, *operands: Any) -> Tensor:
    """Return the sum of products that ``equation`` describes.

    out[output letters] = sum over all other letters of the product of the operands

    Args:
        equation: one letter per axis, one group of letters per operand, separated by commas;
            then ``->`` and the letters of the output. Without ``->`` the output has those that
            occur once, in the order of the alphabet. ``...`` stands for further axes, which
            are broadcast together; a letter twice in a group takes the diagonal.
        operands: one tensor per group.

    Raises:
        ShapeError: a letter has two lengths, an operand has more or fewer axes than letters,
            or the equation cannot be read.

    Operands are multiplied from left to right, two at a time by one `matmul`.

    >>> x, w = Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0], [5.0, 6.0]])
    >>> einsum("ij,kj->ik", x, w)
    tensor([[11., 17.]])
    """
    listed = len(operands) == 1 and isinstance(operands[0], (list, tuple))
    tensors = unify(tuple(as_tensor(x) for x in (operands[0] if listed else operands)))
    groups, output = _read(equation, tensors)
    lengths = _lengths(equation, groups, tensors)
    terms = [_fitted(x, names, lengths) for x, names in zip(tensors, groups, strict=True)]
    result = terms[0]
    for k, term in enumerate(terms[1:], 1):
        later = {n for t in terms[k + 1 :] for n in t.names}
        result = _product(result, term, {*later, *output})
    return result.summed(output).arranged(*[[n] for n in output])


def _wrong(equation: str, rule: str) -> ShapeError:
    return ShapeError(f"einsum: {rule}; got {equation!r}. For instance 'bij,bjk->bik'.")


def _read(equation: str, tensors: Sequence[Tensor]) -> tuple[list[Names], Names]:
    """The names of the axes of every operand, and of the output."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    groups = left.split(",")
    if len(groups) != len(tensors):
        raise _wrong(equation, f"one group of letters per operand, and {len(tensors)} operands")
    inputs = [_names(equation, g, x.ndim) for g, x in zip(groups, tensors, strict=True)]
    every = [n for names in inputs for n in names]
    further = max([int(n[1:]) + 1 for n in every if n[0] == "."], default=0)
    if arrow:
        output = _names(equation, right, len(right.replace("...", "")) + further * ("..." in right))
    else:
        once = sorted(n for n in every if every.count(n) == 1 and n[0] != ".")
        output = (*[f".{k}" for k in reversed(range(further))], *once)
    for n in output:
        if n not in every or output.count(n) > 1:
            raise _wrong(
                equation, f"an output letter occurs once, and in an operand, but not {n!r}"
            )
    return inputs, output


def _names(equation: str, group: str, axes: int) -> Names:
    """One name per axis: its letter, or ".0", ".1" ... for those of ``...``, last axis first."""
    before, dots, after = group.partition("...")
    letters = before + after
    if letters and not (letters.isalpha() and letters.isascii()):
        raise _wrong(equation, "groups are made of letters and at most one '...'")
    spare = axes - len(letters)
    if spare < 0 or (spare and not dots):
        raise _wrong(equation, f"one letter per axis, but an operand has {axes} for {group!r}")
    return (*before, *[f".{k}" for k in reversed(range(spare))], *after)


def _lengths(equation: str, groups: Sequence[Names], tensors: Sequence[Tensor]) -> dict[str, int]:
    """The length of each name; 1 beside another length is repeated, except in one operand."""
    lengths: dict[str, int] = {}
    for names, x in zip(groups, tensors, strict=True):
        own: dict[str, int] = {}
        for n, length in zip(names, x.shape, strict=True):
            known = lengths.get(n, 1)
            if own.setdefault(n, length) != length or 1 != known != length != 1:
                other = known if own[n] == length else own[n]
                name = "an axis of '...'" if n[0] == "." else repr(n)
                raise _wrong(
                    equation, f"a letter has one length, but {name} has {other} and {length}"
                )
            lengths[n] = length if known == 1 else known
    return lengths


def _fitted(x: Tensor, names: Names, lengths: dict[str, int]) -> _Named:
    """The operand with each name once, and without axes of length 1 that are repeated."""
    while twice := next((n for n in names if names.count(n) > 1), ""):
        first = names.index(twice)
        second = names.index(twice, first + 1)
        x = diagonal(x, 0, first, second)
        names = (*[n for d, n in enumerate(names) if d not in (first, second)], twice)
    kept = tuple(n for n, k in zip(names, x.shape, strict=True) if k == lengths[n])
    return _Named(reshape(x, [lengths[n] for n in kept]), kept)


# tensordot ------------------------------------------------------------------------------


def tensordot(a: Any, b: Any, dims: Any = 2) -> Tensor:
    """Return the sum of products over pairs of axes.

    Args:
        a: any tensor.
        b: any tensor.
        dims: how many of the last axes of ``a`` and the first of ``b``, or two lists: the axes
            of ``a`` and those of ``b``.

    Raises:
        ShapeError: two axes that are summed together have different lengths.

    >>> tensordot(Tensor([1.0, 2.0]), Tensor([3.0, 4.0]), 1)
    tensor(11.)
    """
    a, b = unify((as_tensor(a), as_tensor(b)))
    mine: Sequence[int]
    theirs: Sequence[int]
    if isinstance(dims, int):
        mine, theirs = range(a.ndim - dims, a.ndim), range(dims)
    else:
        mine, theirs = ([d] if isinstance(d, int) else list(d) for d in dims)
    first = [axis_of("tensordot", d, a.ndim) for d in mine]
    second = [axis_of("tensordot", d, b.ndim) for d in theirs]
    lengths = [a.shape[d] for d in first], [b.shape[d] for d in second]
    if lengths[0] != lengths[1] or len(set(first)) != len(first) or len(set(second)) != len(second):
        raise ShapeError(
            "tensordot: axes that are summed together have one length, and a pair each; got dims "
            f"{list(first)} of {a.type} and {list(second)} of {b.type}."
        )
    left = tuple(f"a{d}" for d in range(a.ndim))
    right = tuple(left[first[second.index(d)]] if d in second else f"b{d}" for d in range(b.ndim))
    return _product(_Named(a, left), _Named(b, right), {*left} ^ {*right}).value
