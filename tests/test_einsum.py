"""einsum and tensordot beside NumPy's, on random equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import ShapeError
from deepglass.testing import check_gradient

LENGTHS = dict(zip("abcdefg", (2, 3, 5, 1, 4, 7, 0), strict=True))

EQUATIONS = [
    "ab,bc->ac", "eab,ebc->eac", "ab->ba", "aa->a", "aa", "ab->", "a,b->ab", "a,a", "a,a->a",
    "...ab,...bc->...ac", "ab,ab->a", "eabc,eafc->eabf", "abc,cae->be", "ab,bc,ce->ae", "aab->ab",
    "aba->ba", "aaa->a", "a,a,a->a", "a,ab,b", "...a->...", "ab...->ba...", "a,b,c->cab",
    "aab,bc", "ab,cb", "ba", "Ab,bA->A", "dab,bc->dac", "g,gb->b", "ag,gb->ab", "f,f,a->a",
]  # fmt: skip


def _operands(equation: str, rng: np.random.Generator) -> list[np.ndarray]:
    groups = equation.split("->")[0].split(",")
    shapes = [
        [LENGTHS[c.lower()] for c in g.replace("...", "fe" if k == 0 else "e")]
        for k, g in enumerate(groups)
    ]
    return [rng.uniform(-1, 1, shape) for shape in shapes]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_values_and_slopes(equation: str, backend: str) -> None:
    operands = _operands(equation, np.random.default_rng(0))
    expected = np.asarray(np.einsum(equation, *operands))
    compiled = dg.compile(lambda *xs: dg.einsum(equation, *xs))
    for got in (dg.einsum(equation, *operands), compiled(*operands)):
        assert got.shape == expected.shape
        assert np.allclose(got.numpy(), expected, rtol=1e-12, atol=1e-13)
    if backend == "reference":
        check_gradient(lambda *xs: dg.einsum(equation, *xs), *operands)


def test_random_equations() -> None:
    rng, letters = np.random.default_rng(0), list("abcdef")
    for _ in range(1000):
        groups = [
            "".join(rng.choice(letters, rng.integers(0, 4))) for _ in range(rng.integers(1, 5))
        ]
        known = sorted({*"".join(groups)})
        equation = ",".join(groups)
        if rng.random() < 0.7:
            chosen = rng.permutation(known)[: rng.integers(0, len(known) + 1)]
            equation += "->" + "".join(chosen)
        operands = _operands(equation, rng)
        expected = np.asarray(np.einsum(equation, *operands))
        got = dg.einsum(equation, *operands)
        assert got.shape == expected.shape, equation
        assert np.allclose(got.numpy(), expected, rtol=1e-11, atol=1e-12), equation


def test_whole_numbers_and_mixed_types() -> None:
    x, w = np.arange(6).reshape(2, 3), np.arange(15).reshape(3, 5)
    assert dg.einsum("ij,jk->ik", x, w).tolist() == (x @ w).tolist()
    assert dg.einsum("ij,jk->ik", x, w).dtype is dg.int64
    assert dg.einsum("ij,jk", x, w.astype("f4")).dtype is dg.float32
    small = dg.einsum("ij,jk,k->", *(a.astype("i4") for a in (x, w, np.arange(5))))
    assert (small.dtype, small.item()) == (dg.int32, int((x @ w @ np.arange(5)).sum()))


def test_an_axis_of_one_is_repeated() -> None:
    x, w = np.arange(3.0).reshape(3, 1), np.arange(1.0, 16).reshape(3, 5)
    assert np.allclose(dg.einsum("ij,ij->i", x, w).numpy(), (x * w).sum(1))
    assert np.allclose(dg.einsum("ij,ij->ij", x, w).numpy(), x * w)
    assert dg.einsum("...i,...i->...", np.ones((1, 2)), np.ones((3, 2))).tolist() == [2, 2, 2]


def test_further_axes_that_the_output_does_not_name_are_summed() -> None:
    assert dg.einsum("...i->i", np.ones((2, 3, 5))).tolist() == [6.0] * 5


def test_operands_may_come_in_a_list() -> None:
    assert dg.einsum("i,i", [np.arange(3.0), np.ones(3)]).item() == 3.0
    assert dg.einsum(" i j , j -> i ", np.ones((2, 3)), np.ones(3)).tolist() == [3.0, 3.0]


def test_attention_is_two_products_of_batches() -> None:
    q, k = np.ones((2, 3, 5, 4)), np.ones((2, 3, 7, 4))
    program = dg.compile(lambda q, k: dg.einsum("bhqd,bhkd->bhqk", q, k)).program(q, k)
    names = [n.op.name for n in program.optimized.nodes()]
    assert names.count("matmul") == 1
    assert "mul" not in names


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk", [(2, 3), (4, 5)], "a letter has one length, but 'j' has 3 and 4; got 'ij,jk'"),
        ("ii", [(2, 3)], "a letter has one length, but 'i' has 2 and 3"),
        ("ii", [(1, 3)], "a letter has one length, but 'i' has 1 and 3"),
        ("...i,...i", [(2, 3), (4, 3)], "but an axis of '...' has 2 and 4"),
        ("ij", [(2, 3, 4)], "one letter per axis, but an operand has 3 for 'ij'"),
        ("...ijk", [(2, 3)], "one letter per axis, but an operand has 2 for '...ijk'"),
        ("ij->ik", [(2, 3)], "an output letter occurs once, and in an operand, but not 'k'"),
        ("ij->ii", [(2, 3)], "an output letter occurs once, and in an operand, but not 'i'"),
        ("i1", [(2, 3)], "groups are made of letters"),
        ("....i", [(2, 3)], "groups are made of letters"),
        ("ij->i->j", [(2, 3)], "groups are made of letters"),
        ("i,j", [(2,)], "one group of letters per operand, and 1 operands; got 'i,j'"),
        ("i", [(2,), (2,)], "one group of letters per operand, and 2 operands; got 'i'"),
    ],
)
def test_misuses(equation: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ShapeError) as found:
        dg.einsum(equation, *[np.ones(shape) for shape in shapes])
    assert message in str(found.value)
    assert str(found.value).startswith("einsum: ")


@pytest.mark.parametrize(
    ("left", "right", "dims"),
    [
        ((2, 3, 5), (3, 5, 7), 2), ((2, 3), (5, 7), 0), ((2, 3, 5), (7, 2, 3), ([0, 1], [1, 2])),
        ((2, 3, 5), (5, 3), ([1, 2], [1, 0])), ((2, 3), (7, 3), (1, -1)), ((3,), (3,), 1),
    ],
)  # fmt: skip
def test_tensordot(left: Any, right: Any, dims: Any, backend: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, left), rng.uniform(-1, 1, right)
    expected = np.tensordot(a, b, dims)
    for got in (dg.tensordot(a, b, dims), dg.compile(lambda a, b: dg.tensordot(a, b, dims))(a, b)):
        assert got.shape == expected.shape
        assert np.allclose(got.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        (1, r"tensordot: .*one length.*dims \[1\] of float32\[2, 3\] and \[0\] of float32\[2, 3\]"),
        (([0, 0], [0, 1]), r"a pair each; got dims \[0, 0\]"),
        (3, "tensordot: dim counts axes"),
        (([0], [2]), "tensordot: dim counts axes from -2 to 1 here; got 2"),
    ],
)
def test_misuses_of_tensordot(dims: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        dg.tensordot(dg.ones(2, 3), dg.ones(2, 3), dims)
