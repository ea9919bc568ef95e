"""``x[key]`` and ``x[key] = value``: thousands of random keys beside NumPy, and what NumPy has
no word for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass.errors import DomainError, DTypeError, ShapeError, TraceError
from deepglass.testing import check_gradient

# Random keys ----------------------------------------------------------------------------

KEYS = 5_000  # to read by, and as many to write by
REFUSALS = (IndexError, ShapeError, DomainError)


def _shape(rng: np.random.Generator) -> tuple[int, ...]:
    lengths = rng.permutation([1, 2, 3, 5, 7, int(rng.integers(0, 2))])
    return tuple(int(n) for n in lengths[: rng.choice([0, 1, 1, 2, 2, 3, 3, 4])])


def _slice(rng: np.random.Generator, n: int) -> slice:
    ends = [None, *range(-n - 1, n + 2)]
    start, stop = (ends[int(rng.integers(len(ends)))] for _ in range(2))
    return slice(start, stop, [None, 1, 2, 3, -1, -2][int(rng.integers(6))])


def _index(rng: np.random.Generator, n: int, common: tuple[int, ...]) -> Any:
    """Whole numbers of a shape that broadcasts to ``common``, rarely out of range."""
    shape = common[int(rng.integers(0, len(common) + 1)) :]
    shape = tuple(1 if rng.random() < 0.2 else m for m in shape)
    beyond = int(rng.random() < 0.01)
    if n + beyond == 0:
        shape = (0,)
    index = rng.integers(-n - beyond, max(n + beyond, 1), shape)
    return index.tolist() if rng.random() < 0.3 else index


def _key(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A key for a tensor of this shape that NumPy may or may not understand."""
    common = tuple(int(n) for n in rng.permutation([2, 3, 4])[: rng.integers(0, 3)])
    keys: list[Any] = []
    axis, count = 0, int(rng.integers(0, len(shape) + 1)) + int(rng.random() < 0.01)
    while axis < count:
        n = shape[axis] if axis < len(shape) else 2
        kind = rng.choice(["number", "slice", "index", "mask"], p=[0.2, 0.4, 0.32, 0.08])
        if kind == "mask":
            covered = shape[axis : axis + int(rng.integers(1, 3))]
            if rng.random() < 0.03:
                covered = tuple(m + 1 for m in covered)
            keys.append(rng.random(covered) < 0.5)
            axis += max(len(covered), 1)
            continue
        if kind == "number":
            keys.append(int(rng.integers(-n, n)) if n else 0)
        else:
            keys.append(_slice(rng, n) if kind == "slice" else _index(rng, n, common))
        axis += 1
    for extra, chance in ((None, 0.2), (None, 0.05), (Ellipsis, 0.25), (True, 0.01)):
        if rng.random() < chance:
            keys.insert(int(rng.integers(0, len(keys) + 1)), extra)
    return tuple(keys)


def _given(rng: np.random.Generator, key: tuple[Any, ...]) -> Any:
    """The key with some arrays as tensors; a key of one alone."""
    tensors = rng.random() < 0.5
    given = tuple(dg.tensor(k) if tensors and isinstance(k, np.ndarray) else k for k in key)
    return given[0] if len(given) == 1 and rng.random() < 0.5 else given


def _numbered(shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    """Which elements NumPy picks, or None where it refuses the key."""
    try:
        return np.arange(np.prod(shape, dtype=int)).reshape(shape)[key]
    except IndexError:
        return None


def _cases(seed: int) -> Iterator[tuple[Any, ...]]:
    """Generator, shape, key, the key as it is given, and the places that NumPy picks.

    Where nothing is picked NumPy does not always look whether it could be; those keys are left
    out unless both agree.
    """
    rng = np.random.default_rng(seed)
    for _ in range(KEYS):
        shape = _shape(rng)
        key = _key(rng, shape)
        given, places = _given(rng, key), _numbered(shape, key)
        if 0 in shape or places is None or not places.size:
            try:
                ours: Any = dg.zeros(shape)[given]
            except REFUSALS:
                ours = None
            if (ours is None) != (places is None):
                assert 0 in shape or ours.numel() == 0, (shape, key)
                continue
        yield rng, shape, key, given, places


def test_reading_by_random_keys() -> None:
    refused = 0
    for number, (rng, shape, key, given, places) in enumerate(_cases(0)):
        array = rng.uniform(-1, 1, shape)
        x = dg.tensor(array, requires_grad=True)
        if places is None:
            refused += 1
            with pytest.raises(REFUSALS):
                x[given]
            continue
        got = x[given]
        assert got.shape == places.shape, (shape, key)
        assert np.array_equal(got.numpy(), array[key]), (shape, key)
        if number % 8 == 0:
            cotangent = rng.uniform(-1, 1, places.shape)
            got.backward(cotangent)
            gradient = np.zeros(shape)
            np.add.at(gradient, key, cotangent)
            assert np.allclose(x.grad.numpy(), gradient, rtol=1e-13, atol=1e-14), (shape, key)
    assert KEYS // 200 < refused < KEYS // 4


def test_writing_by_random_keys() -> None:
    """The last of several values stays, and it alone gets a gradient."""
    refused = met = 0
    for number, (rng, shape, key, given, places) in enumerate(_cases(1)):
        array = rng.uniform(-1, 1, shape)
        x = dg.tensor(array, requires_grad=True)
        y = x.clone()
        if places is None:
            refused += 1
            with pytest.raises(REFUSALS):
                y[given] = 0.0
            continue
        lengths = places.shape[int(rng.integers(0, places.ndim + 1)) :]
        lengths = tuple(1 if rng.random() < 0.2 else n for n in lengths)
        v = dg.tensor(rng.uniform(-1, 1, lengths), requires_grad=True)
        expected = array.copy()
        expected[key] = v.numpy()
        y[given] = v
        assert np.array_equal(y.numpy(), expected), (shape, key, lengths)
        several = len(set(places.ravel().tolist())) < places.size
        met += several
        if several or number % 8 == 0:
            cotangent = rng.uniform(-1, 1, shape)
            y.backward(cotangent)
            winners = np.full(shape, -1)
            winners[key] = np.arange(places.size).reshape(places.shape)
            written = winners >= 0
            theirs = np.zeros(places.size)
            theirs[winners[written]] = cotangent[written]
            theirs = _summed(theirs.reshape(places.shape), lengths)
            kept = np.where(written, 0, cotangent)
            assert np.array_equal(0 * kept if x.grad is None else x.grad.numpy(), kept), key
            assert np.allclose(v.grad.numpy(), theirs, rtol=1e-12, atol=1e-13), (shape, key)
    assert KEYS // 200 < refused < KEYS // 4
    assert met > 100


def _summed(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum over the axes along which something of this shape was broadcast to x."""
    x = x.sum(tuple(range(x.ndim - len(shape))))
    ones = tuple(d for d, n in enumerate(shape) if n == 1)
    return x.sum(ones, keepdims=True)


def test_random_keys_in_compiled_programs(backend: str) -> None:
    """Reading and writing, with their gradients, beside the eager ones; many keys a program."""
    rng = np.random.default_rng(2)
    keys: list[tuple[tuple[int, ...], tuple[Any, ...]]] = []
    while len(keys) < 60:
        shape = _shape(rng)
        key = _key(rng, shape)
        if _numbered(shape, key) is not None:
            keys.append((shape, key))

    def both(xs: list[Any], values: list[Any]) -> list[Any]:
        results = []
        for (_, key), x, v in zip(keys, xs, values, strict=True):
            y = x.clone()
            y[key] = v
            results += [x[key], y]
        return results

    def slopes(xs: list[Any], values: list[Any]) -> Any:
        return dg.grad(lambda *a: sum(((r + 0.5) ** 2).sum() for r in both(*a)), (0, 1))(xs, values)

    xs = [rng.uniform(-1, 1, shape) for shape, _ in keys]
    values = [rng.uniform(-1, 1, x[key].shape) for x, (_, key) in zip(xs, keys, strict=True)]
    tensors = [[dg.tensor(a) for a in arrays] for arrays in (xs, values)]
    for got, expected in zip(dg.compile(both)(*tensors), both(*tensors), strict=True):
        assert np.array_equal(got.numpy(), expected.numpy())
    for found, wanted in zip(dg.compile(slopes)(*tensors), slopes(*tensors), strict=True):
        for a, b in zip(found, wanted, strict=True):
            assert np.allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)


# Particular keys ------------------------------------------------------------------------


def test_axes_of_indices_stand_where_numpy_puts_them() -> None:
    x = dg.tensor(np.arange(2 * 3 * 5 * 7).reshape(2, 3, 5, 7))
    i, j = [0, 1, 1, 0], [2, 0, 1, 2]
    assert x[:, j].shape == (2, 4, 5, 7)
    assert x[i, j].shape == (4, 5, 7)
    assert x[:, j, i].shape == (2, 4, 7)
    assert x[i, :, j].shape == (4, 3, 7)
    assert x[0, :, j].shape == (4, 3, 7)
    assert x[:, j, None, i].shape == (4, 2, 1, 7)
    assert x[..., [[0], [1]]].shape == (2, 3, 5, 2, 1)
    assert x[[[0], [1]], [0, 1, 2]].shape == (2, 3, 5, 7)


def test_a_number_from_memory_is_a_key(backend: str) -> None:
    x = np.arange(15.0).reshape(5, 3)
    row = dg.compile(lambda x, k: x[k])
    for k in (0, 4, -1, -5):
        assert row(x, np.array(k)).tolist() == x[k].tolist()
    column = dg.compile(lambda x, k: x[:, k])
    assert column(x, np.array(-1)).tolist() == x[:, -1].tolist()
    with pytest.raises(DomainError, match="between -5 and 4 for an axis of length 5; got 5 to 5"):
        row(x, np.array(5))


def test_every_index_of_a_compiled_program_is_checked_when_it_is_called(backend: str) -> None:
    pick = dg.compile(lambda x, i, j: x[i[:, None], j.to("int64")])
    x = np.arange(15.0).reshape(5, 3)
    i, j = np.array([4, -5]), np.array([0, 2, -3], np.int32)
    assert np.array_equal(pick(x, i, j).numpy(), x[i[:, None], j])
    with pytest.raises(DomainError, match="between -5 and 4 for an axis of length 5; got -6 to 4"):
        pick(x, np.array([4, -6]), j)
    with pytest.raises(DomainError, match="between -3 and 2 for an axis of length 3; got 0 to 3"):
        pick(x, i, np.array([0, 3, 1], np.int32))


def test_an_index_written_into_a_compiled_program_is_checked_when_it_is_recorded() -> None:
    with pytest.raises(DomainError, match="between -3 and 2 for an axis of length 3; got 0 to 3"):
        dg.compile(lambda x: x[[0, 3]])(np.ones(3))
    with pytest.raises(DomainError, match="index_select: positions lie between 0 and 2; got -1"):
        dg.compile(lambda x: x.index_select(0, dg.tensor([-1])))(np.ones(3))


def test_values_that_are_not_known_are_not_complained_about() -> None:
    """Zeros stand for them first, and whole numbers cannot be divided by zero."""
    x = np.array([5, 6])
    assert dg.compile(lambda x, y: x % (y + 1))(x, x).tolist() == [5, 6]
    assert dg.compile(lambda y: dg.tensor([7, 9]) % (y + 1))(x).tolist() == [1, 2]


def test_positions_computed_inside_that_lie_outside_read_as_nothing() -> None:
    """What is neither an argument nor written into the program is checked by its loops."""

    def both(x: Any, p: Any) -> Any:
        i = p.to("int64")
        y = x.clone()
        y[i * 0, i] = 7.0
        return x[i * 0, i], y

    x = np.arange(6.0).reshape(2, 3)
    read, written = dg.compile(both, backend="native")(x, np.array([1.0, 3.0, -3.0, -9.0]))
    assert np.array_equal(read.numpy(), [1.0, np.nan, 0.0, np.nan], equal_nan=True)
    assert written.tolist() == [[7.0, 7.0, 2.0], [3.0, 4.0, 5.0]]


def test_masks(backend: str) -> None:
    x = np.arange(15.0).reshape(5, 3)
    rows, inside = x[:, 1] > 5, x % 2 == 0
    for mask in (rows, inside):
        assert np.array_equal(dg.tensor(x)[dg.tensor(mask)].numpy(), x[mask])
        assert np.array_equal(dg.compile(lambda x, mask=mask: x[mask])(x).numpy(), x[mask])

    def fill(x: Any, rows: Any, inside: Any) -> list[Any]:
        results = []
        for mask, value in ((rows, 7.0), (inside, dg.tensor(7.0)), (rows, [1.0, 2.0, 3.0])):
            y = x.clone()
            y[mask] = value
            results.append(y)
        return results

    for run in (fill, dg.compile(fill)):
        for got, (mask, value) in zip(
            run(dg.tensor(x), dg.tensor(rows), dg.tensor(inside)),
            ((rows, 7.0), (inside, 7.0), (rows, [1.0, 2.0, 3.0])),
            strict=True,
        ):
            expected = x.copy()
            expected[mask] = value
            assert np.array_equal(got.numpy(), expected)
    y = dg.tensor(x)
    y[dg.tensor(inside)] = np.arange(inside.sum())
    assert np.array_equal(y.numpy()[inside], np.arange(inside.sum()))


def test_adding_in_place_by_a_key() -> None:
    x = dg.tensor(np.zeros(5))
    x[[1, 3]] += 2
    x[x > 1] *= 3
    x[::-2] -= 1
    assert x.tolist() == [-1.0, 6.0, -1.0, 6.0, -1.0]


def test_what_an_index_picks_is_a_value_of_its_own() -> None:
    x = dg.ones(3)
    for part in (x[[0, 1]], x[x > 0], x[::-1]):
        with pytest.raises(TypeError, match="a slice is a value of its own"):
            part.zero_()


def _write(x: Any, key: Any, value: Any) -> None:
    x[key] = value


MASK = np.array([True, False])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x[[0, 2]], DomainError, "between -2 and 1 for an axis of length 2; got 0 to 2"),
        (lambda x: x[:, [-4]], DomainError, "between -3 and 2 for an axis of length 3; got -4 to"),
        (lambda x: x[[0.5]], DTypeError, r"positions are integers; got float64\[1\]. Use .to"),
        (lambda x: x[[0, 1], [0, 1, 2]], ShapeError, r"index: lengths are equal or 1"),
        (lambda x: x[0, 0, [0]], IndexError, r"at most one key per axis; got 3 for shape \(2, 3\)"),
        (lambda x: x[..., 0, ...], IndexError, "... stands for all other axes, once"),
        (lambda x: x["a"], IndexError, "are understood; got 'a'"),
        (lambda x: x[:, MASK], ShapeError, r"got \(2,\) from axis 1 of shape \(2, 3\)"),
        (lambda x: x[MASK, MASK, MASK], IndexError, "at most one key per axis; got 3"),
        (lambda x: _write(x, [0, 2], 1), DomainError, "between -2 and 1"),
        (lambda x: _write(x, [0, 1], np.ones(2)), ShapeError, r"got \(2,\) for \(2, 3\)"),
        (lambda x: _write(x, MASK, np.ones(2)), ShapeError, r"got \(2,\) for \(3,\)"),
        (lambda x: _write(x, MASK[:1], 1), ShapeError, r"got \(1,\) from axis 0 of shape \(2, 3"),
        (lambda x: _write(x, x > 0, [1, 2]), ShapeError, r"got \(2,\) for \(6,\)"),
    ],
)  # fmt: skip
def test_misuses(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(dg.ones(2, 3))


DEPENDS = r"a shape that depends on data exists eagerly only; .*dg.where\(mask, x, 0\)"


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[x > 0], lambda x: x.masked_select(x > 0), lambda x: (x > 0).nonzero(),
        lambda x: dg.nonzero(x, as_tuple=True), lambda x: _write(x, x > 0, [1.0, 2.0]),
    ],
)  # fmt: skip
def test_shapes_that_depend_on_data_exist_eagerly_only(function: Any) -> None:
    with pytest.raises(TraceError, match=DEPENDS):
        dg.compile(function)(np.ones(2))
    mask = dg.tensor(MASK)
    with pytest.raises(TraceError, match=DEPENDS):
        dg.compile(lambda x: x[mask])(np.ones(2))


# Functions that pick and send -----------------------------------------------------------


def test_masked_functions(backend: str) -> None:
    x, mask = np.arange(6.0).reshape(2, 3), np.array([True, False, True])
    for fill in (dg.masked_fill, dg.compile(dg.masked_fill)):
        got = fill(dg.tensor(x), dg.tensor(mask), dg.tensor(-1))
        assert got.tolist() == [[-1.0, 1.0, -1.0], [-1.0, 4.0, -1.0]]
    check_gradient(lambda x, v: x.masked_fill(mask, v), x, 2.0)
    assert dg.masked_select(x, mask).tolist() == [0.0, 2.0, 3.0, 5.0]
    check_gradient(lambda x: x.masked_select(mask), x)
    assert dg.nonzero(x[0]).tolist() == [[1], [2]]
    rows, columns = dg.tensor(x).nonzero(as_tuple=True)
    assert np.array_equal(dg.tensor(x)[rows, columns].numpy(), x[x != 0])
    assert dg.nonzero(dg.tensor(3)).shape == (1, 0)
    assert dg.nonzero(dg.zeros(2, 3)).shape == (0, 2)


def test_taking_along_an_axis(backend: str) -> None:
    rng = np.random.default_rng(0)
    x, index = rng.uniform(-1, 1, (2, 3, 5)), rng.integers(0, 3, (1, 7, 5))
    take = dg.compile(lambda x, i: dg.take_along_dim(x, i, 1))
    for got in (dg.take_along_dim(x, index, 1), take(x, index)):
        assert np.array_equal(got.numpy(), np.take_along_axis(x, index, 1))
    flat = dg.take_along_dim(x, np.array([[3, 29], [0, 3]]))
    assert np.array_equal(flat.numpy(), np.take_along_axis(x, np.array([3, 29, 0, 3]), None))
    check_gradient(lambda x: dg.take_along_dim(x, index, 1), x)


def test_sending_a_number_or_a_part(backend: str) -> None:
    index = np.array([[2, 0], [1, 1]])

    def send(x: Any, src: Any) -> list[Any]:
        return [
            x.scatter(1, index, 7), x.scatter(1, index, src), x.scatter_add(1, index, src),
        ]  # fmt: skip

    x, src = np.zeros((2, 3)), np.arange(1.0, 13.0).reshape(3, 4)
    expected = [
        [[7, 0, 7], [0, 7, 0]], [[2, 0, 1], [0, 6, 0]], [[2, 0, 1], [0, 11, 0]],
    ]  # fmt: skip
    for run in (send, dg.compile(send)):
        assert [y.tolist() for y in run(dg.tensor(x), dg.tensor(src))] == expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x.masked_fill([1, 0, 1], 0), DTypeError, "masked_fill: the mask is boolean"),
        (lambda x: x.masked_fill(MASK, 0), ShapeError, r"got \(2,\) and \(2, 3\)"),
        (lambda x: x.masked_select(x), DTypeError, "masked_select: the mask is boolean"),
        (lambda x: x.masked_select(MASK), ShapeError, r"masked_select: .*\(2, 3\) and \(2,\)"),
        (lambda x: x.take_along_dim([0], 0), ShapeError, r"take_along_dim: .*int64\[1\] for float"),
        (lambda x: x.take_along_dim([[0]], 2), ShapeError, "take_along_dim: dim counts axes"),
        (lambda x: x.take_along_dim([[0, 1]], 0), ShapeError, "take_along_dim: lengths are"),
        (lambda x: x.take_along_dim([[3]], 1), DomainError, "gather: positions lie between 0"),
        (lambda x: x.scatter(0, [[2]], 1.0), DomainError, "scatter: positions lie between 0 and 1"),
        (lambda x: x.scatter(0, [[0]], dg.ones(1)), ShapeError, r"scatter: .*source float32\[1\]"),
        (lambda x: x.scatter(2, [[0]], 1.0), ShapeError, "scatter: dim counts axes from -2 to 1"),
        (lambda x: x.index_add(0, [2], x[:1]), DomainError, "index_add: positions lie between 0"),
        (lambda x: x.index_add(0, [0], x), ShapeError, r"\[1, 3\] here; got float32\[2, 3\]"),
        (lambda x: x.index_copy(0, [0], x[0]), ShapeError, r"index_copy: .*got float32\[3\]"),
        (lambda x: x.index_copy(2, [0], x), ShapeError, "index_copy: dim counts axes"),
        (lambda x: x.index_select(1, [0.0]), DTypeError, "index_select: positions are integers"),
        (lambda x: x.index_select(2, [0]), ShapeError, "index_select: dim counts axes"),
    ],
)  # fmt: skip
def test_misuses_of_functions(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(dg.ones(2, 3))
