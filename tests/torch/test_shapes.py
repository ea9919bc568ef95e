"""Functions of shapes, places and orders: the same call in both libraries, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from oracle_cases import relative_difference

import deepglass as dg

LIMIT = 1e-12


class Ints:
    """Whole numbers of a shape, below a number."""

    def __init__(self, *shape: int, below: int) -> None:
        self.shape, self.below = shape, below


class Truth:
    """Booleans of a shape."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape


class List(list[tuple[int, ...]]):
    """Several tensors as one argument."""


# function, arguments (a tuple is a tensor of that shape), further arguments
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("squeeze", ((2, 1, 3, 1),), {}), ("squeeze", ((2, 1, 3, 1), 1), {}),
    ("squeeze", ((2, 1, 3),), {"dim": 0}), ("unsqueeze", ((2, 3), -1), {}),
    ("unsqueeze", ((2, 3),), {"dim": 1}), ("unflatten", ((2, 6), 1, [2, -1]), {}),
    ("movedim", ((2, 3, 5), 0, -1), {}), ("swapaxes", ((2, 3, 5), 0, 2), {}),
    ("stack", (List([(2, 3), (2, 3)]),), {"dim": -1}), ("cat", (List([(2, 3), (2, 5)]), 1), {}),
    ("narrow", ((2, 5), 1, 1, 3), {}), ("split", ((5, 3), 2), {}),
    ("split", ((2, 5), [1, 4], 1), {}),
    ("chunk", ((7, 2), 3), {}), ("chunk", ((2, 5), 4), {"dim": 1}), ("unbind", ((2, 3), 1), {}),
    ("roll", ((2, 5), 3), {}), ("roll", ((2, 5), [1, -2]), {"dims": [0, 1]}),
    ("repeat_interleave", ((2, 3), 2), {}), ("repeat_interleave", ((2, 3), 2), {"dim": 1}),
    ("meshgrid", ((2,), (3,)), {"indexing": "ij"}), ("meshgrid", ((2,), (3,)), {"indexing": "xy"}),
    ("diagonal", ((2, 3, 5), 1, -1, 0), {}), ("diag", ((5, 3), -1), {}), ("diag", ((3,), 2), {}),
    ("trace", ((3, 5),), {}), ("tril", ((2, 3, 5),), {"diagonal": 1}), ("triu", ((5, 3), -1), {}),
    ("matmul", ((7, 1, 2, 3), (5, 3, 2)), {}), ("matmul", ((3,), (2, 3, 5)), {}),
    ("mm", ((2, 3), (3, 5)), {}), ("bmm", ((7, 2, 3), (7, 3, 5)), {}), ("mv", ((2, 3), (3,)), {}),
    ("dot", ((5,), (5,)), {}), ("outer", ((2,), (3,)), {}), ("tensordot", ((2, 3), (3, 5), 1), {}),
    ("tensordot", ((2, 3, 5), (5, 3)), {"dims": ([1, 2], [1, 0])}),
    ("einsum", ("bij,bjk->bik", (2, 3, 5), (2, 5, 7)), {}), ("einsum", ("ii->i", (3, 3)), {}),
    ("einsum", ("...ij,jk", (2, 3, 5), (5, 7)), {}),
    ("einsum", ("ij,j,jk->k", (2, 3), (3,), (3, 5)), {}),
    ("einsum", ("ij,ij->i", (3, 1), (3, 5)), {}), ("einsum", ("...i->i", (2, 3, 5)), {}),
    ("gather", ((5, 3), 0, Ints(2, 3, below=5)), {}),
    ("take_along_dim", ((5, 3), Ints(7, 1, below=5), 0), {}),
    ("take_along_dim", ((5, 3), Ints(4, below=15)), {}),
    ("scatter_add", ((5, 3), 0, Ints(7, 2, below=5), (7, 2)), {}),
    ("index_select", ((5, 3), 1, Ints(4, below=3)), {}),
    ("index_add", ((5, 3), 0, Ints(7, below=5), (7, 3)), {}),
    ("masked_fill", ((5, 3), Truth(3), 7.0), {}), ("masked_select", ((5, 3), Truth(5, 1)), {}),
    ("sort", ((5, 3),), {"dim": 0}), ("sort", ((5, 3),), {"descending": True}),
    ("argsort", ((5, 3),), {"dim": 0}), ("topk", ((5, 7), 3), {}),
    ("topk", ((5, 7), 2), {"dim": 0, "largest": False}), ("nonzero", (Truth(3, 5),), {}),
    ("nonzero", (Truth(3, 5),), {"as_tuple": True}),
]  # fmt: skip

METHODS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("expand", ((2, 1), 5, -1, 3), {}), ("flip", ((2, 3, 5), 0, 2), {}),
    ("tile", ((2, 3), 2, 1, 3), {}), ("repeat", ((2, 3), 2, 1, 3), {}),
    ("view_as", ((2, 3), (3, 2)), {}), ("expand_as", ((1, 3), (2, 3)), {}),
]  # fmt: skip


def _arguments(arguments: tuple[Any, ...], library: Any) -> tuple[list[Any], list[Any]]:
    """The arguments in one library, and the tensors among them that have gradients."""
    rng = np.random.default_rng(0)
    variables: list[Any] = []

    def real(shape: tuple[int, ...]) -> Any:
        variables.append(library.tensor(rng.uniform(-1, 1, shape), requires_grad=True))
        return variables[-1]

    def made(argument: Any) -> Any:
        if isinstance(argument, List):
            return [real(shape) for shape in argument]
        if isinstance(argument, Ints):
            return library.tensor(rng.integers(0, argument.below, argument.shape))
        if isinstance(argument, Truth):
            return library.tensor(rng.random(argument.shape) < 0.5)
        return real(argument) if isinstance(argument, tuple) else argument

    return [made(a) for a in arguments], variables


def _numbers(library: Any, call: Any, arguments: tuple[Any, ...], further: Any) -> list[np.ndarray]:
    """All results, then the gradients of their sum weighted by position."""
    given, variables = _arguments(arguments, library)
    results = call(*given, **further)
    results = list(results) if isinstance(results, (tuple, list)) else [results]
    floats = [r for r in results if r.requires_grad]
    total: Any = 0
    for result in floats:
        weights = library.tensor(np.arange(1.0, 1 + result.numel()).reshape(tuple(result.shape)))
        total = total + (result * weights).sum()
    if floats:
        total.backward()
    gradients = [v.grad for v in variables if v.grad is not None]
    return [np.asarray(x.detach().numpy()) for x in (*results, *gradients)]


@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda k: f"{CALLS[k][0]}-{k}")
def test_function(number: int) -> None:
    name, arguments, further = CALLS[number]
    _compare(arguments, further, getattr(dg, name), getattr(torch, name))


@pytest.mark.parametrize("number", range(len(METHODS)), ids=lambda k: METHODS[k][0])
def test_method(number: int) -> None:
    name, arguments, further = METHODS[number]
    _compare(
        arguments, further,
        lambda x, *rest: getattr(x, name)(*rest), lambda x, *rest: getattr(x, name)(*rest),
    )  # fmt: skip


def _compare(arguments: Any, further: Any, ours: Any, theirs: Any) -> None:
    found = _numbers(dg, ours, arguments, further)
    expected = _numbers(torch, theirs, arguments, further)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert relative_difference(a, b) < LIMIT


@pytest.mark.parametrize(
    ("name", "arguments", "further"),
    [
        ("arange", (5,), {}), ("arange", (2, 11, 3), {}), ("arange", (5, -4, -2), {}),
        ("arange", (1.5,), {}), ("arange", (1, 2.6, 0.5), {}), ("linspace", (-1, 2, 7), {}),
        ("logspace", (-3, 2, 6), {}), ("eye", (3,), {}), ("eye", (2, 5), {}),
        ("full", ((2, 3), 7), {}), ("full", ((2,), 1.5), {}), ("full", ((), True), {}),
        ("zeros", (2, 3), {}), ("ones", ((2, 3),), {}), ("zeros_like", ("x",), {}),
        ("ones_like", ("x",), {}), ("full_like", ("x", 4), {}),
    ],
)  # fmt: skip
def test_what_is_made(name: str, arguments: Any, further: Any) -> None:
    x = np.arange(3.0)
    found, expected = (
        getattr(library, name)(
            *[library.tensor(x) if a == "x" else a for a in arguments], **further
        )
        for library in (dg, torch)
    )
    assert found.numpy().dtype == expected.numpy().dtype
    assert found.shape == tuple(expected.shape)
    assert np.allclose(found.numpy(), expected.numpy(), rtol=2e-7, atol=0)


def test_one_hot() -> None:
    labels = np.array([[2, 0, 1]])
    for classes in (-1, 5):
        found = dg.nn.functional.one_hot(dg.tensor(labels), classes)
        expected = torch.nn.functional.one_hot(torch.tensor(labels), classes)
        assert np.array_equal(found.numpy(), expected.numpy())
        assert found.numpy().dtype == expected.numpy().dtype


@pytest.mark.parametrize(
    "key",
    [
        (0,), (slice(1, None, 2),), (None, 1, ...), (..., -1), ([4, 0, -1],), ([1, 2], [0, -1]),
        (slice(None), [2, 0]), ([1, 2], slice(None), [0, 0]), (np.arange(5) % 2 == 0,),
        (slice(None), np.array([True, False, True]), 1), ([[1], [2]], [0, 1, 2]), (1, [2, 0]),
        (np.arange(30).reshape(5, 3, 2) % 4 == 0,),
    ],
)  # fmt: skip
def test_keys(key: Any) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2))
    ours, theirs = dg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    found, expected = ours[key], theirs[key]
    assert np.array_equal(found.numpy(), expected.detach().numpy())
    (found * found).sum().backward()
    (expected * expected).sum().backward()
    assert np.allclose(ours.grad.numpy(), theirs.grad.numpy())
    ours, theirs = dg.tensor(x), torch.tensor(x)
    ours[key], theirs[key] = 7.0, 7.0
    assert np.array_equal(ours.numpy(), theirs.numpy())
