"""Functions that move elements, made of few records: values beside NumPy's, slopes, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DomainError, ShapeError
from deepglass.testing import check_gradient

Array = np.ndarray

# what is called, what NumPy says, the shape it is called with
MOVES: dict[str, tuple[Callable[..., Any], Callable[[Array], Any], tuple[int, ...]]] = {
    "squeeze": (lambda x: x.squeeze(), np.squeeze, (1, 2, 1, 3)),
    "squeeze one": (lambda x: x.squeeze(-2), lambda x: x[:, :, 0], (1, 2, 1, 3)),
    "squeeze several": (lambda x: x.squeeze((0, 1)), lambda x: x[0], (1, 2, 3)),
    "squeeze a scalar": (lambda x: x.squeeze(), lambda x: x, ()),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda x: x[:, None], (2, 3)),
    "unsqueeze last": (lambda x: x.unsqueeze(-1), lambda x: x[..., None], (2, 3)),
    "unsqueeze a scalar": (lambda x: x.unsqueeze(0), lambda x: x[None], ()),
    "unflatten": (lambda x: x.unflatten(1, (2, -1)), lambda x: x.reshape(5, 2, 3), (5, 6)),
    "unflatten nothing": (lambda x: x.unflatten(0, (0, 3)), lambda x: x.reshape(0, 3), (0,)),
    "movedim": (lambda x: x.movedim(0, -1), lambda x: np.moveaxis(x, 0, -1), (2, 3, 5)),
    "movedim several": (
        lambda x: x.movedim((0, 3), (2, 0)), lambda x: np.moveaxis(x, (0, 3), (2, 0)), (2, 3, 5, 7),
    ),
    "swapaxes": (lambda x: x.swapaxes(0, -1), lambda x: x.swapaxes(0, -1), (2, 3, 5)),
    "mT": (lambda x: x.mT, lambda x: x.swapaxes(-1, -2), (2, 3, 5)),
    "expand": (
        lambda x: x.expand(5, -1, 3), lambda x: np.broadcast_to(x, (5, 2, 3)), (2, 1),
    ),
    "expand_as": (
        lambda x: x.expand_as(dg.zeros(2, 3)), lambda x: np.broadcast_to(x, (2, 3)), (3,),
    ),
    "view_as": (lambda x: x.view_as(dg.zeros(3, 2)), lambda x: x.reshape(3, 2), (2, 3)),
    "stack": (lambda x: dg.stack([x, x * 2, x]), lambda x: np.stack([x, x * 2, x]), (2, 5)),
    "stack last": (lambda x: dg.stack([x, x * 2], -1), lambda x: np.stack([x, x * 2], -1), (2, 3)),
    "stack scalars": (lambda x: dg.stack([x, x]), lambda x: np.stack([x, x]), ()),
    "narrow": (lambda x: x.narrow(1, -3, 2), lambda x: x[:, 2:4], (2, 5)),
    "split": (lambda x: x.split(2, 1), lambda x: np.split(x, [2, 4], 1), (3, 5)),
    "split exactly": (lambda x: x.split(2), lambda x: np.split(x, [2]), (4, 3)),
    "split sections": (
        lambda x: x.split([1, 0, 4], -1), lambda x: np.split(x, [1, 1], -1), (3, 5),
    ),
    "split nothing": (lambda x: x.split(3), lambda x: [x], (0, 2)),
    "chunk": (lambda x: x.chunk(3), lambda x: np.split(x, [3, 6]), (7,)),
    "chunk into fewer": (lambda x: x.chunk(4, 1), lambda x: np.split(x, [2, 4], 1), (2, 5)),
    "chunk nothing": (lambda x: x.chunk(2), lambda x: [x, x], (0, 3)),
    "unbind": (lambda x: x.unbind(1), lambda x: [x[:, 0], x[:, 1], x[:, 2]], (2, 3)),
    "flip": (lambda x: x.flip(0, 2), lambda x: x[::-1, :, ::-1], (2, 3, 5)),
    "flip a list": (lambda x: x.flip([-1]), lambda x: x[:, ::-1], (2, 3)),
    "roll": (lambda x: x.roll(2, 1), lambda x: np.roll(x, 2, 1), (2, 5)),
    "roll far back": (lambda x: x.roll(-8, 1), lambda x: np.roll(x, -8, 1), (2, 5)),
    "roll flat": (lambda x: x.roll(4), lambda x: np.roll(x, 4), (2, 3)),
    "roll several": (
        lambda x: x.roll((1, -2, 1), (0, 1, 0)), lambda x: np.roll(x, (2, -2), (0, 1)), (3, 5),
    ),
    "roll nothing": (lambda x: x.roll(3, 1), lambda x: x, (2, 0)),
    "tile": (lambda x: x.tile(2, 3), lambda x: np.tile(x, (2, 3)), (3, 5)),
    "tile in front": (lambda x: x.tile((2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), (5,)),
    "tile fewer": (lambda x: x.tile(2), lambda x: np.tile(x, 2), (2, 3)),
    "tile none": (lambda x: x.tile(0, 2), lambda x: np.tile(x, (0, 2)), (2, 3)),
    "repeat": (lambda x: x.repeat(2, 1, 3), lambda x: np.tile(x, (2, 1, 3)), (2, 5)),
    "repeat_interleave": (
        lambda x: x.repeat_interleave(3, 1), lambda x: x.repeat(3, 1), (2, 5),
    ),
    "repeat_interleave flat": (lambda x: x.repeat_interleave(2), lambda x: x.repeat(2), (2, 3)),
    "meshgrid": (
        lambda x: dg.meshgrid(x, x[:2]), lambda x: np.meshgrid(x, x[:2], indexing="ij"), (3,),
    ),
    "meshgrid xy": (
        lambda x: dg.meshgrid([x, x[:2], x[:4]], indexing="xy"),
        lambda x: np.meshgrid(x, x[:2], x[:4]), (5,),
    ),
    "diagonal": (lambda x: x.diagonal(), np.diagonal, (3, 5)),
    "diagonal above": (
        lambda x: x.diagonal(1, -1, 0), lambda x: np.diagonal(x, 1, -1, 0), (5, 2, 3),
    ),
    "diagonal below": (lambda x: x.diagonal(-2), lambda x: np.diagonal(x, -2), (7, 3, 2)),
    "diagonal outside": (lambda x: x.diagonal(5), lambda x: np.diagonal(x, 5), (3, 5)),
    "diag of a matrix": (lambda x: x.diag(-1), lambda x: np.diag(x, -1), (5, 3)),
    "diag of a vector": (lambda x: x.diag(), np.diag, (3,)),
    "diag of a vector above": (lambda x: x.diag(2), lambda x: np.diag(x, 2), (3,)),
    "diag of a vector below": (lambda x: x.diag(-1), lambda x: np.diag(x, -1), (3,)),
    "diag of nothing": (lambda x: x.diag(1), lambda x: np.zeros((1, 1)), (0,)),
    "trace": (lambda x: x.trace(), np.trace, (5, 3)),
    "tril": (lambda x: x.tril(), np.tril, (3, 5)),
    "tril above": (lambda x: x.tril(1), lambda x: np.tril(x, 1), (2, 5, 3)),
    "triu": (lambda x: x.triu(), np.triu, (2, 3, 5)),
    "triu below": (lambda x: x.triu(-2), lambda x: np.triu(x, -2), (5, 3)),
    "clone": (lambda x: x.clone(), lambda x: x, (2, 3)),
}  # fmt: skip


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize("name", MOVES)
def test_values(name: str, backend: str) -> None:
    function, truth, shape = MOVES[name]
    x = np.random.default_rng(0).uniform(-1, 1, shape)
    expected = _list(truth(x))
    for got in (_list(function(dg.tensor(x))), _list(dg.compile(function)(x))):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert a.shape == b.shape
            assert np.array_equal(a.numpy(), b)


@pytest.mark.parametrize("name", MOVES)
def test_slopes(name: str) -> None:
    function, _, shape = MOVES[name]
    x = np.random.default_rng(0).uniform(-1, 1, shape)
    check_gradient(lambda x: dg.cat([part.reshape(-1) for part in _list(function(x))]), x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x.squeeze(2), "squeeze: dim counts axes from -2 to 1 here; got 2"),
        (lambda x: x.squeeze((0, -3)), "squeeze: dim counts axes from -2 to 1 here; got -3"),
        (lambda x: x.unsqueeze(3), "unsqueeze: dim counts axes from -3 to 2 here; got 3"),
        (lambda x: x.unsqueeze(-4), "unsqueeze: dim counts axes from -3 to 2 here; got -4"),
        (lambda x: x.unflatten(1, (2, 2)), r"unflatten: .*axis 1; got \(2, 2\) for float32\[2, 3"),
        (lambda x: x.unflatten(1, (-1, -1)), r"unflatten: .*axis 1; got \(-1, -1\)"),
        (lambda x: x.movedim((0, 1), (0, 0)), r"movedim: .*source \(0, 1\) and destination \(0, 0"),
        (lambda x: x.movedim(0, 2), "movedim: dim counts axes from -2 to 1 here; got 2"),
        (lambda x: x.expand(4, 3), r"lengths are equal or 1, .*; got \(2, 3\) for \(4, 3\)"),
        (lambda x: x.expand(-1, 2, 3), r"expand: .*got \(-1, 2, 3\) for float32\[2, 3\]"),
        (lambda x: dg.stack([x, x[0]]), r"stack: .*got \(2, 3\) and \(3,\). Use cat"),
        (lambda x: dg.stack([]), "cat: at least one tensor is needed; got none"),
        (lambda x: x.narrow(1, 2, 2), "narrow: .*axis 1 of length 3; got start 2 and length 2"),
        (lambda x: x.narrow(0, -3, 1), "narrow: .*axis 0 of length 2; got start -3"),
        (lambda x: x.split(0), "split: a piece has at least one element; got 0"),
        (lambda x: x.split([1, 1], 1), r"split: .*axis 1; got \[1, 1\], which make 2"),
        (lambda x: x.chunk(0), "chunk: there is at least one piece; got 0"),
        (lambda x: x.chunk(2, 5), "chunk: dim counts axes from -2 to 1 here; got 5"),
        (lambda x: x.unbind(2), "unbind: dim counts axes from -2 to 1 here; got 2"),
        (lambda x: x.sum().unbind(), "unbind: dim counts axes"),
        (lambda x: x.flip(0, -2), r"flip: an axis is turned round once; got dims \(0, 0\)"),
        (lambda x: x.roll((1, 2), 0), r"roll: one shift per axis; got shifts \(1, 2\) for dims 0"),
        (lambda x: x.tile(-1), r"tile: copies are counted from 0; got \(-1,\)"),
        (lambda x: x.repeat(2), r"repeat: at least one number per axis; got \(2,\) .* Use tile"),
        (lambda x: x.repeat_interleave(-1, 0), "repeat_interleave: .*from 0; got -1"),
        (lambda x: x.repeat_interleave(2, 2), "repeat_interleave: dim counts axes"),
        (lambda x: dg.meshgrid(x), r"meshgrid: positions have one axis; got float32\[2, 3\]"),
        (lambda x: x.diagonal(0, 1, -1), "diagonal: .*two axes; got dim 1 and -1"),
        (lambda x: x.diagonal(0, 0, 2), "diagonal: dim counts axes from -2 to 1 here; got 2"),
        (lambda x: x[0].diagonal(), r"diagonal: a matrix, .*; got float32\[3\]"),
        (lambda x: x[None].diag(), r"diag: one or two axes; got float32\[1, 2, 3\]. Use diagonal"),
        (lambda x: x.sum().diag(), r"diag: one or two axes; got float32\[\]"),
        (lambda x: x[0].trace(), r"trace: a matrix is needed; got float32\[3\]"),
        (lambda x: x[None].trace(), "trace: a matrix is needed; .*Use diagonal for batches"),
        (lambda x: x[0].tril(), r"tril: a matrix, .*got float32\[3\]"),
        (lambda x: x.sum().triu(), r"triu: a matrix, .*got float32\[\]"),
        (lambda x: x[0].mT, r"mT: the last two axes are exchanged; got float32\[3\]"),
    ],
)
def test_misuses(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call(dg.ones(2, 3))


def test_the_indexing_of_a_grid_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="meshgrid: indexing is 'ij' or 'xy'; got 'yx'"):
        dg.meshgrid(dg.ones(2), indexing="yx")


def test_a_mask_keeps_its_type_in_a_triangle() -> None:
    mask = dg.ones(2, 3, dtype=bool).tril()
    assert mask.dtype is dg.bool
    assert mask.tolist() == [[True, False, False], [True, True, False]]


def test_pieces_are_values_of_their_own() -> None:
    x = dg.ones(4)
    for part in (x.split(2)[0], x.chunk(2)[0], x.narrow(0, 1, 2)):
        with pytest.raises(TypeError, match="a slice is a value of its own"):
            part.zero_()


def test_a_clone_has_a_history_and_a_value_of_its_own() -> None:
    x = dg.tensor([1.0, 2.0], requires_grad=True)
    y = x.clone()
    (y * y).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    z = x.detach().clone()
    z += 1
    assert x.tolist() == [1.0, 2.0]
    assert x.contiguous() is x
    assert x.cpu() is x


# Matrix products ------------------------------------------------------------------------

PRODUCTS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 5)), ((2, 3), (3, 5)), ((7, 2, 3), (3, 5)),
    ((7, 2, 3), (3,)), ((3,), (7, 3, 5)), ((2, 3), (7, 3, 5)), ((7, 2, 3), (7, 3, 5)),
    ((7, 1, 2, 3), (5, 3, 2)), ((1, 2, 3), (7, 3, 5)), ((2, 7, 5, 3), (1, 7, 3, 1)),
    ((0, 2, 3), (3, 5)), ((2, 0), (7, 0, 3)), ((7, 2, 0), (0, 5)), ((0, 2, 3), (1, 3, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PRODUCTS)
def test_products(left: tuple[int, ...], right: tuple[int, ...], backend: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.uniform(-1, 1, left), rng.uniform(-1, 1, right)
    for got in (dg.tensor(x) @ dg.tensor(w), dg.compile(dg.matmul)(x, w)):
        assert got.shape == (x @ w).shape
        assert np.allclose(got.numpy(), x @ w, rtol=1e-13, atol=1e-13)
    check_gradient(dg.matmul, x, w)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_products_of_whole_numbers_wrap_in_their_own_type(dtype: str, backend: str) -> None:
    rng = np.random.default_rng(0)
    x, w = (
        rng.integers(0, 99, (2, 3, 33)).astype(dtype),
        rng.integers(0, 99, (33, 19)).astype(dtype),
    )
    for got in (dg.tensor(x) @ dg.tensor(w), dg.compile(dg.matmul)(x, w)):
        assert got.dtype is dg.tensor(x).dtype
        assert np.array_equal(got.numpy(), x @ w)


def test_a_transposed_product_of_batches_is_the_product_of_the_transposed(backend: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.uniform(-1, 1, (2, 3, 5, 7)), rng.uniform(-1, 1, (2, 3, 7, 4))
    for dims in ((0, 1, 3, 2), (1, 0, 3, 2), (1, 0, 2, 3), (3, 2, 0, 1), (2, 3, 1, 0)):
        product = dg.compile(lambda x, w, dims=dims: (x @ w).permute(dims))
        assert np.allclose(product(x, w).numpy(), (x @ w).transpose(dims), rtol=1e-13)
        names = [n.op.name for n in product.program(x, w).optimized.nodes()]
        assert names[-1] == ("matmul" if dims[2:] == (3, 2) else "transpose")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dg.ones(2, 3) @ dg.ones(2, 3), r"got x \(2, 3\) and w \(2, 3\). Did you mean w.T"),
        (lambda: dg.ones(7, 2, 3) @ dg.ones(7, 2, 3), "Did you mean w.mT"),
        (lambda: dg.ones(7, 2, 3) @ dg.ones(5, 3, 2), r"got \(7,\) of x .*and \(5,\) of w"),
        (lambda: dg.ones(2) @ dg.tensor(2.0), r"both have axes; .*Multiply with \*"),
        (lambda: dg.bmm(dg.ones(2, 3, 5), dg.ones(5, 3)), r"bmm: .*3 and 3 axes; got \(2, 3, 5\)"),
        (lambda: dg.bmm(dg.ones(2, 3, 5), dg.ones(1, 5, 3)), "bmm: both batches have one length"),
        (lambda: dg.mm(dg.ones(3), dg.ones(3, 2)), r"mm: .*2 and 2 axes; got \(3,\) and \(3, 2"),
        (lambda: dg.mm(dg.ones(2, 3), dg.ones(2, 3)), "Did you mean w.T"),
        (lambda: dg.mv(dg.ones(2, 3), dg.ones(3, 1)), "mv: .*2 and 1 axes"),
        (lambda: dg.mv(dg.ones(2, 3), dg.ones(2)), "last but one of w"),
        (lambda: dg.dot(dg.ones(2, 3), dg.ones(3)), "dot: .*1 and 1 axes"),
        (lambda: dg.dot(dg.ones(2), dg.ones(3)), "last but one of w"),
        (lambda: dg.outer(dg.ones(2, 3), dg.ones(3)), "outer: .*1 and 1 axes"),
        (lambda: dg.outer(dg.tensor(1.0), dg.ones(3)), r"outer: .*got \(\) and \(3,\)"),
    ],
)
def test_product_misuses(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize(
    ("mode", "name"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
def test_borders_of_what_lies_inside(mode: str, name: str, backend: str) -> None:
    x = np.arange(30.0).reshape(2, 3, 5)
    padded = dg.compile(lambda x: dg.nn.functional.pad(x, (2, 4, 1, 2), mode=mode))(x)
    assert np.array_equal(padded.numpy(), np.pad(x, ((0, 0), (1, 2), (2, 4)), mode=name))
    assert np.array_equal(dg.pad(x, (-1, 2), mode="reflect").numpy()[0, 0], [1, 2, 3, 4, 3, 2])


def test_borders_that_cannot_be() -> None:
    x = dg.ones(2, 3)
    for mode, widths in (("reflect", (3, 0)), ("circular", (0, 4)), ("circular", (-1, 0))):
        with pytest.raises(
            ShapeError, match=f"widths from .* for '{mode}' along axis 1 of length 3"
        ):
            dg.pad(x, widths, mode=mode)
    with pytest.raises(ShapeError, match="at most all is cut off"):
        dg.pad(x, (-2, -2))
    with pytest.raises(
        DomainError, match="mode is constant, reflect, replicate, circular; got 'same'"
    ):
        dg.pad(x, (1, 1), mode="same")
    assert dg.pad(x, (-1, 1), value=5).tolist() == [[1, 1, 5], [1, 1, 5]]
