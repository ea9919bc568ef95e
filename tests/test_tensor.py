"""Tensors as Python sees them: making, indexing, changing and leaving them."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import deepglass as dg
from deepglass.errors import DomainError, DTypeError, GradientError, ShapeError
from deepglass.graph.types import DTYPES

# Making ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.0, "float32"), (1, "int64"), (True, "bool"), ([1, 2.5], "float32"), ([], "float32"),
        (np.zeros(2), "float64"), (np.float64(1), "float64"), (np.zeros(2, "u1"), "uint8"),
        ([True, False], "bool"), (np.int32(3), "int32"), ([[1], [2]], "int64"),
    ],
)  # fmt: skip
def test_element_type_of_data(data: Any, dtype: str) -> None:
    assert dg.tensor(data).dtype is DTYPES[dtype]


def test_a_given_element_type_wins() -> None:
    assert dg.tensor([1, 2], dtype="float64").dtype is dg.float64
    assert dg.tensor([1.7, -1.7], dtype=dg.int32).tolist() == [1, -1]
    assert dg.tensor([1, 2], dtype=np.float32).dtype is dg.float32


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (["a"], "Number the words"), ([b"a"], "Number the words"), ([1 + 2j], "imaginary parts"),
        (object(), "Look for None"), ([1.0, None], "Look for None"), ([2**64], "64 bits"),
        (np.zeros(2, "M8[D]"), "Count from a date"), (np.zeros(2, "m8[D]"), "Divide by a unit"),
        (np.zeros(2, "longdouble"), "Convert the data first"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_what_is_no_number_is_refused(data: Any, remedy: str, dtype: Any) -> None:
    with pytest.raises(DTypeError, match=f"dtype: one of bool, uint8.*{remedy}"):
        dg.tensor(data, dtype=dtype)


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"equally long; got \[\[1, 2\], \[3\]\]"):
        dg.tensor([[1, 2], [3]])


def test_data_are_copied() -> None:
    source = np.array([1.0, 2.0, 3.0])
    made = [dg.tensor(source), dg.from_numpy(source), dg.Tensor(source), dg.Parameter(source)]
    source[:] = 7
    for x in made:
        assert x.tolist() == [1.0, 2.0, 3.0]
        assert x.dtype is dg.float64


def test_from_numpy_takes_arrays_alone() -> None:
    with pytest.raises(DTypeError, match="from_numpy: a NumPy array; got list"):
        dg.from_numpy([1.0])  # type: ignore[arg-type]


def test_values_are_read_only() -> None:
    values = [
        dg.tensor([1.0, 2.0]), dg.ones(2) + 1, dg.ones(2, 3)[0], dg.zeros(3).reshape(1, 3),
        dg.Parameter([1.0]), dg.arange(3),
    ]  # fmt: skip
    for x in values:
        with pytest.raises(ValueError, match="read-only"):
            x.numpy()[...] = 0


def test_a_copy_of_a_tensor_is_apart_from_it() -> None:
    x = dg.tensor([1.0, 2.0])
    y = dg.tensor(x)
    y += 1
    assert x.tolist() == [1.0, 2.0]
    array = np.array(x)
    array[0] = 9
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", [">f4", ">i4", ">u4", ">f8", ">i8"])
def test_data_of_the_other_byte_order(dtype: str, backend: str) -> None:
    """As they stand in files that were written for the network, MNIST's for instance."""
    array = np.arange(6).astype(dtype)
    state = dg.Buffer(array)
    assert state.numpy().dtype.isnative
    for got in dg.compile(lambda x: (x * 2, state * 2))(array):
        assert got.tolist() == [0, 2, 4, 6, 8, 10]


def test_filled_tensors() -> None:
    assert dg.zeros(2, 3).shape == (2, 3)
    assert dg.zeros((2, 3)).tolist() == [[0.0] * 3] * 2
    assert dg.ones(2, dtype="int64").tolist() == [1, 1]
    assert dg.full(2, 1.5).tolist() == [1.5, 1.5]
    assert dg.full((), 3).item() == 3
    assert dg.arange(4).tolist() == [0, 1, 2, 3]
    assert dg.arange(3, dtype="float32").dtype is dg.float32
    like = dg.zeros_like(dg.ones(2, 3, dtype="float64"))
    assert (like.shape, like.dtype) == ((2, 3), dg.float64)


def test_copies_by_the_copy_module_are_apart_too() -> None:
    for make in (copy.copy, copy.deepcopy):
        w = dg.Parameter([1.0, 2.0])
        buffer = dg.Buffer([1.0], role="mean", parameter=w)
        w.grad = dg.ones(2)
        twin, other = make(w), make(buffer)
        assert type(twin) is dg.Parameter
        assert twin.requires_grad
        assert twin.grad is not w.grad
        assert twin.grad.tolist() == [1.0, 1.0]
        assert (type(other), other.role) == (dg.Buffer, "mean")
        (twin * 3).sum().backward()
        assert (w.grad.tolist(), twin.grad.tolist()) == ([1.0, 1.0], [4.0, 4.0])
        with dg.no_grad():
            twin += 1
        assert w.tolist() == [1.0, 2.0]
    assert copy.deepcopy(dg.float32) is dg.float32
    w, buffer = copy.deepcopy((w, buffer))
    assert buffer.parameter is w


# Looking --------------------------------------------------------------------------------


def test_what_a_tensor_tells_about_itself() -> None:
    x = dg.ones(2, 3, 5)
    assert (x.shape, x.size(), x.size(1), x.size(-1)) == ((2, 3, 5), (2, 3, 5), 3, 5)
    assert (x.ndim, x.dim(), x.numel(), len(x)) == (3, 3, 30, 2)
    assert x.T.shape == (5, 3, 2)
    assert str(x.type) == "float32[2, 3, 5]"


def test_numbers_out_of_tensors() -> None:
    assert dg.tensor([[2.5]]).item() == 2.5
    assert float(dg.tensor(2)) == 2.0
    assert int(dg.tensor(2.9)) == 2
    assert [10, 11, 12][dg.tensor(1)] == 11
    assert bool(dg.tensor(0.0)) is False
    with pytest.raises(ValueError, match=r"one element is needed; got float32\[2\]. Use tolist"):
        dg.ones(2).item()
    with pytest.raises(ValueError, match="one element"):
        bool(dg.ones(2) == 1)
    with pytest.raises(DTypeError, match="an integer is needed"):
        [1, 2][dg.tensor(1.0)]
    with pytest.raises(TypeError, match="no length"):
        len(dg.tensor(1.0))


def test_iteration_gives_the_parts() -> None:
    assert [part.tolist() for part in dg.tensor([[1, 2], [3, 4], [5, 6]])] == [
        [1, 2], [3, 4], [5, 6],
    ]  # fmt: skip


def test_tensors_are_keys_by_identity() -> None:
    x, y = dg.ones(1), dg.ones(1)
    assert {x: 1, y: 2}[y] == 2


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (dg.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (dg.tensor(1.0), "tensor(1.)"),
        (dg.tensor([1, 2]), "tensor([1, 2])"),
        (dg.tensor([True]), "tensor([ True])"),
        (dg.tensor([1.0], dtype="float64"), "tensor([1.], dtype=float64)"),
        (dg.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (dg.tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
        (dg.zeros(0), "tensor([])"),
        (dg.tensor(1 / 3), "tensor(0.3333)"),
    ],
)
def test_repr(x: dg.Tensor, text: str) -> None:
    assert repr(x) == text


# Promotion ------------------------------------------------------------------------------

# What PyTorch 2.13 answers for tensor + tensor.
PROMOTIONS = {
    ("bool", "int32"): "int32", ("uint8", "int32"): "int32", ("uint8", "int64"): "int64",
    ("int32", "int64"): "int64", ("int64", "float32"): "float32", ("bool", "float32"): "float32",
    ("float32", "float64"): "float64", ("uint8", "float64"): "float64",
    ("int32", "int32"): "int32", ("float32", "float32"): "float32",
}  # fmt: skip


@pytest.mark.parametrize(("a", "b"), PROMOTIONS)
def test_mixed_types_meet_where_pytorch_lets_them_meet(a: str, b: str) -> None:
    x, y = dg.ones(2, dtype=a), dg.ones(2, dtype=b)
    for result in (x + y, y + x):
        assert result.dtype is DTYPES[PROMOTIONS[a, b]]
        assert result.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("dtype", "number", "result"),
    [
        ("int64", 1.5, "float32"), ("uint8", 1.5, "float32"), ("float64", 1.5, "float64"),
        ("float32", 2, "float32"), ("int32", 2, "int32"), ("bool", 2, "int64"),
        ("bool", 1.5, "float32"), ("uint8", True, "uint8"), ("float32", True, "float32"),
    ],
)  # fmt: skip
def test_a_python_number_follows_the_tensor(dtype: str, number: Any, result: str) -> None:
    x = dg.ones(2, dtype=dtype)
    assert (x * number).dtype is DTYPES[result]
    assert (number * x).tolist() == [number, number]


def test_a_python_number_outside_of_the_type_is_refused() -> None:
    with pytest.raises(DomainError, match=r"uint8 holds 0 to 255; got -1"):
        _ = dg.zeros(2, dtype="uint8") > -1
    for number in (300, 300.0, float("nan")):
        with pytest.raises(DomainError, match=f"uint8 holds 0 to 255; got {number}"):
            dg.tensor([1, number], dtype="uint8")


def test_division_makes_floats() -> None:
    x = dg.tensor([1, 2]) / dg.tensor([2, 4])
    assert (x.dtype, x.tolist()) == (dg.float32, [0.5, 0.5])


def test_broadcasting_of_operands() -> None:
    x, y = np.arange(2.0)[:, None], np.arange(15.0).reshape(5, 1, 3)
    assert np.array_equal((dg.tensor(x) * dg.tensor(y)).numpy(), x * y)
    with pytest.raises(ShapeError, match=r"add: lengths are equal or 1.*\(2,\) and \(3,\)"):
        dg.ones(2) + dg.ones(3)


def test_operators_of_whole_numbers() -> None:
    x = dg.tensor([6, -7])
    assert (x**2).tolist() == [36, 49]
    assert (x**13).tolist() == [6**13, -(7**13)]
    assert (x ** dg.tensor([0, 3])).tolist() == [1, -343]
    assert (2 ** dg.tensor([0, 5])).tolist() == [1, 32]
    assert (x**2.0).dtype is dg.float32
    assert [t.tolist() for t in (x // 4, x % 4, 20 // x, 20 % x)] == [
        [1, -2], [2, 1], [3, -3], [2, -1],
    ]  # fmt: skip
    assert [t.tolist() for t in (x & 3, x | 1, x ^ 5, ~x)] == [[2, 1], [7, -7], [3, -4], [-7, 6]]
    assert [t.tolist() for t in (3 & x, 1 | x, 5 ^ x)] == [[2, 1], [7, -7], [3, -4]]
    for exponent in (-1, dg.tensor([0, -1])):
        with pytest.raises(DomainError, match=r"pow: whole numbers.*exponents >= 0; got -1"):
            x**exponent
    with pytest.raises(DomainError, match=r"remainder: whole numbers.*other than 0"):
        x % 0


def test_operators_of_truth_values() -> None:
    x, y = dg.tensor([True, True, False]), dg.tensor([True, False, False])
    assert [t.tolist() for t in (x & y, x | y, x ^ y, ~y)] == [
        [True, False, False], [True, True, False], [False, True, False], [False, True, True],
    ]  # fmt: skip
    with pytest.raises(DTypeError, match=r"bitwise_not.*float32.*dg\.logical_not"):
        ~dg.ones(2)


def test_operators_in_place() -> None:
    x = dg.tensor([6, -7])
    alias = x
    x //= 2
    x %= 4
    x **= 3
    x |= 8
    x &= 12
    x ^= 1
    assert alias is x
    assert x.tolist() == [((3**3) | 8) & 12 ^ 1, 8 & 12 ^ 1]


def test_operators() -> None:
    x = dg.tensor([1.0, -2.0])
    assert (x - 1).tolist() == [0.0, -3.0]
    assert (1 - x).tolist() == [0.0, 3.0]
    assert (2 / x).tolist() == [2.0, -1.0]
    assert (-x).tolist() == [-1.0, 2.0]
    assert [(x ** n).tolist() for n in range(5)] == [
        [1.0, 1.0], [1.0, -2.0], [1.0, 4.0], [1.0, -8.0], [1.0, 16.0],
    ]  # fmt: skip
    assert (dg.tensor([4.0]) ** 0.5).tolist() == [2.0]
    assert (x**-1).tolist() == [1.0, -0.5]
    assert (x**-2.0).tolist() == [1.0, 0.25]
    assert (x**5).tolist() == [1.0, -32.0]
    assert np.array_equal((x**1.5).numpy(), np.array([1, np.nan], "f4"), equal_nan=True)
    assert (2**x).tolist() == [2.0, 0.25]
    assert (x // 2).tolist() == [0.0, -1.0]
    assert (5 % x).tolist() == [0.0, -1.0]
    assert abs(x).tolist() == [1.0, 2.0]
    assert (x @ x).item() == 5.0
    assert (np.array([[1.0, 1.0]], "f4") @ x).tolist() == [-1.0]
    comparisons = (x < 0, x <= 1, x > 0, x >= 1, x == 1, x != 1)
    assert [c.tolist() for c in comparisons] == [
        [False, True], [True, True], [True, False], [True, False], [True, False], [False, True],
    ]  # fmt: skip


def test_an_array_on_the_left_leaves_the_work_to_the_tensor() -> None:
    x = dg.tensor([1.0, 2.0], requires_grad=True)
    for result in (np.array([2.0, 3.0]) * x, np.array([2.0, 3.0]) + x, np.float64(2) * x):
        assert isinstance(result, dg.Tensor)
        assert result.requires_grad


# Indexing, against NumPy ----------------------------------------------------------------

SHAPE = (5, 3, 7)
NUMBERS = np.arange(105).reshape(SHAPE)


@st.composite
def keys(draw: Any) -> Any:
    """Up to one key per axis, with None and ... in between."""
    parts: list[Any] = []
    for n in SHAPE[: draw(st.integers(0, 3))]:
        bound = st.none() | st.integers(-n - 2, n + 2)
        steps = st.none() | st.integers(1, n)
        parts.append(draw(st.integers(-n, n - 1) | st.builds(slice, bound, bound, steps)))
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if len(parts) <= 3 and draw(st.booleans()):
        parts.append(Ellipsis)
    return tuple(parts) if len(parts) != 1 or draw(st.booleans()) else parts[0]


@given(keys())
def test_reading_parts(key: Any) -> None:
    assert np.array_equal(dg.tensor(NUMBERS)[key].numpy(), NUMBERS[key])


@given(keys())
def test_writing_parts(key: Any) -> None:
    x, expected = dg.tensor(NUMBERS), NUMBERS.copy()
    part = np.arange(NUMBERS[key].size).reshape(NUMBERS[key].shape) - 1000
    x[key] = part
    expected[key] = part
    assert np.array_equal(x.numpy(), expected)
    x[key] = 7
    expected[key] = 7
    assert np.array_equal(x.numpy(), expected)


def test_ellipsis_counts_from_the_end() -> None:
    x = dg.tensor(NUMBERS)
    assert np.array_equal(x[..., 2].numpy(), NUMBERS[..., 2])
    assert np.array_equal(x[1, ..., 2:4].numpy(), NUMBERS[1, ..., 2:4])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (5, "5 is outside axis 0 of length 5"),
        ((0, -4), "-4 is outside axis 1 of length 3"),
        ((0, 0, 0, 0), "at most one key per axis; got 4"),
        (1.5, "are understood; got 1.5"),
        ((Ellipsis, 0, Ellipsis), "stands for all other axes, once"),
    ],
)
def test_keys_that_mean_nothing_here(key: Any, message: str) -> None:
    x = dg.tensor(NUMBERS)
    with pytest.raises(IndexError, match=message):
        x[key]
    with pytest.raises(IndexError, match=message):
        x[key] = 0


# Changing -------------------------------------------------------------------------------


def test_changing_in_place_changes_the_handle_alone() -> None:
    x = dg.tensor([1.0, 2.0])
    same, value = x, x * 1
    before = x.numpy()
    x += 1
    x *= 2
    x -= 3
    x /= 2
    assert same is x
    assert x.tolist() == [0.5, 1.5]
    assert value.tolist() == before.tolist() == [1.0, 2.0]


def test_in_place_keeps_type_and_shape() -> None:
    x = dg.tensor([4, 6])
    x /= 4
    assert (x.dtype, x.tolist()) == (dg.int64, [1, 1])
    y = dg.ones(2)
    with pytest.raises(ShapeError):
        y += dg.ones(3, 2)
    assert y.tolist() == [1.0, 1.0]


def test_zero_and_copy() -> None:
    x = dg.tensor([[1, 2], [3, 4]])
    assert x.copy_([5.9, 6.9]) is x
    assert x.tolist() == [[5, 6], [5, 6]]
    assert x.zero_() is x
    assert x.tolist() == [[0, 0], [0, 0]]


def test_writing_a_part_broadcasts_and_converts() -> None:
    x = dg.zeros(2, 3, dtype="int64")
    x[:, 1:] = [1.9, 2.9]
    assert x.tolist() == [[0, 1, 2], [0, 1, 2]]
    x[0] += 10
    assert x.tolist() == [[10, 11, 12], [0, 1, 2]]
    with pytest.raises(ShapeError):
        x[0] = [1, 2]
    assert x.tolist() == [[10, 11, 12], [0, 1, 2]]


def test_slices_do_not_follow_their_base() -> None:
    x = dg.tensor([1.0, 2.0, 3.0])
    part = x[1:]
    x[2] = 9
    x += 1
    assert part.tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    "write",
    [
        lambda part: part.zero_(),
        lambda part: part.copy_(1.0),
        lambda part: part.__setitem__(0, 1.0),
    ],
    ids=["zero_", "copy_", "setitem"],
)
@pytest.mark.parametrize("key", [slice(1, None), 0, slice(None), (None, 1)])
def test_writing_into_a_slice_says_what_to_write_instead(write: Any, key: Any) -> None:
    x = dg.ones(3, 2)
    with pytest.raises(TypeError, match=r"taken from another tensor.*Write base\[i\] = \.\.\."):
        write(x[key])
    assert x.tolist() == [[1.0, 1.0]] * 3


def test_adding_to_a_slice_makes_a_new_value() -> None:
    x = dg.ones(3)
    part = x[1:]
    part += 1
    assert (x.tolist(), part.tolist()) == ([1.0, 1.0, 1.0], [2.0, 2.0])


def test_a_parameter_changes_under_no_grad_only() -> None:
    w = dg.Parameter([1.0, 2.0])
    for change in (
        lambda: w.zero_(),
        lambda: w.copy_(0.0),
        lambda: w.__iadd__(1),
        lambda: w.__setitem__(0, 1.0),
    ):
        with pytest.raises(GradientError, match="under no_grad only"):
            change()
    assert w.tolist() == [1.0, 2.0]
    with dg.no_grad():
        w += 1
        w[0] = 7
    assert w.tolist() == [7.0, 3.0]
    assert w.requires_grad
    assert w.is_leaf


def test_history_of_the_old_value_stays_when_a_handle_changes() -> None:
    w = dg.Parameter([2.0])
    loss = (w * w).sum()
    with dg.no_grad():
        w += 100
    loss.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [4.0]


def test_a_copy_of_a_parameter_is_a_value_like_any_other() -> None:
    w, x = dg.Parameter([1.0, 2.0]), dg.zeros(2)
    x.copy_(w)
    x += w
    x.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2.0, 2.0]
    with dg.no_grad():
        x.copy_(w)
    assert not x.requires_grad


def test_gradients_flow_through_changed_handles() -> None:
    w = dg.Parameter([1.0, 2.0, 3.0])
    x = w * 1
    x[1] = 5.0
    x *= w
    x[0] += w[2]
    x.sum().backward()  # x = (w0 w0 + w2, 5 w1, w2 w2)
    assert w.grad is not None
    assert w.grad.tolist() == [2.0, 5.0, 7.0]


# Moving, joining, picking: the public functions -----------------------------------------


def test_shapes_of_moved_tensors() -> None:
    x = dg.tensor(NUMBERS)
    assert x.reshape(-1, 21).shape == (5, 21)
    assert x.reshape((105,)).shape == (105,)
    assert dg.zeros(0, 3).reshape(-1, 3).shape == (0, 3)
    assert x.flatten(1).shape == (5, 21)
    assert x.flatten(0, 1).shape == (15, 7)
    assert dg.tensor(1).flatten().shape == (1,)
    assert np.array_equal(x.permute(2, 0, 1).numpy(), NUMBERS.transpose(2, 0, 1))
    assert np.array_equal(x.transpose(0, -1).numpy(), NUMBERS.swapaxes(0, 2))
    assert dg.broadcast_to(dg.ones(3, 1), 2, 3, 5).shape == (2, 3, 5)
    assert x.view(7, -1).shape == (7, 15)
    with pytest.raises(ShapeError, match="start_dim comes before end_dim; got 2 and 1"):
        x.flatten(2, 1)
    with pytest.raises(ShapeError, match="one may be -1"):
        x.reshape(-1, -1)
    with pytest.raises(ShapeError, match=r"dim counts axes from -3 to 2 here; got 3"):
        x.transpose(0, 3)


def test_a_length_that_cannot_be_found_out_is_refused() -> None:
    with pytest.raises(ShapeError, match="number of elements"):
        dg.ones(7).reshape(-1, 2)
    with pytest.raises(ShapeError):
        dg.zeros(0, 3).reshape(-1, 0)


def test_padding_is_written_from_the_last_axis() -> None:
    x = np.ones((2, 3))
    got = dg.pad(dg.tensor(x), (1, 2, 0, 1), value=7).numpy()
    assert np.array_equal(got, np.pad(x, ((0, 1), (1, 2)), constant_values=7))
    with pytest.raises(ShapeError, match="two widths per axis"):
        dg.pad(dg.ones(2), (1,))


def test_joining_many_tensors() -> None:
    parts = [np.full((2, k % 3), k) for k in range(150)]
    got = dg.cat([dg.tensor(p) for p in parts], dim=1)
    assert np.array_equal(got.numpy(), np.concatenate(parts, 1))
    assert np.array_equal(dg.cat(map(dg.tensor, parts[:3]), dim=-1).numpy(), np.hstack(parts[:3]))
    with pytest.raises(ShapeError, match="at least one tensor"):
        dg.cat([])


def test_reductions_of_one_several_and_all_axes() -> None:
    x = dg.tensor(NUMBERS.astype("f8"))
    assert x.sum().item() == NUMBERS.sum()
    assert np.array_equal(x.sum((0, -1)).numpy(), NUMBERS.sum((0, 2)))
    assert np.array_equal(x.mean(1, keepdim=True).numpy(), NUMBERS.mean(1, keepdims=True))
    assert np.array_equal(x.amax((0, 1)).numpy(), NUMBERS.max((0, 1)))
    assert x.argmax().item() == 104
    values, indices = (-x).max(2)
    assert (values.shape, indices.tolist()) == ((5, 3), [[0] * 3] * 5)
    assert np.isnan(dg.zeros(0).mean().item())
    assert dg.tensor([True, True, False]).sum().item() == 2
    with pytest.raises(ShapeError, match="an axis is reduced once"):
        x.sum((0, -3))
    with pytest.raises(ShapeError, match="at least one element is needed"):
        dg.zeros(0).max()


def test_random_numbers_are_uniform() -> None:
    x = dg.rand(100_000, dtype="float64").numpy()
    assert (x.min() >= 0) & (x.max() < 1)
    counts = np.histogram(x, 64, (0, 1))[0]
    chi_square = float(((counts - len(x) / 64) ** 2 / (len(x) / 64)).sum())
    assert 30 < chi_square < 110  # 63 degrees of freedom: mean 63, standard deviation 11
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.02
    assert np.array_equal(x * 2.0**53, np.floor(x * 2.0**53))
    with pytest.raises(DTypeError, match="floats are drawn; got int64"):
        dg.rand(2, dtype="int64")


# Methods that change ---------------------------------------------------------------------


def test_methods_that_change_a_tensor_change_it_alone() -> None:
    def changed(x: Any) -> list[Any]:
        before, results = x.detach(), []
        for change in (
            lambda x: x.add_(2), lambda x: x.add_(x, alpha=-0.5), lambda x: x.sub_(1, alpha=2),
            lambda x: x.mul_(x), lambda x: x.div_(4), lambda x: x.clamp_(max=1.5),
            lambda x: x.fill_(7), lambda x: x.zero_(), lambda x: x.copy_([3.0, 4.0]),
            lambda x: x.masked_fill_(x > 1, 0), lambda x: x.scatter_(0, dg.tensor([1]), 9),
            lambda x: x.scatter_add_(0, dg.tensor([1, 1]), x),
            lambda x: x.index_add_(0, dg.tensor([0]), x[1:]),
            lambda x: x.index_copy_(0, dg.tensor([0]), x[1:]),
        ):  # fmt: skip
            y = before.clone()
            assert change(y) is y
            results.append(y)
        results.append(before)
        return results

    expected = [
        [3, 4], [0.5, 1], [-1, 0], [1, 4], [0.25, 0.5], [1, 1.5], [7, 7], [0, 0], [3, 4], [1, 0],
        [1, 9], [1, 5], [3, 2], [2, 2], [1, 2],
    ]  # fmt: skip
    for run in (changed, dg.compile(changed)):
        assert [y.tolist() for y in run(dg.tensor([1.0, 2.0]))] == expected


def test_a_change_keeps_shape_and_type() -> None:
    x = dg.tensor([1, 2])
    x.add_(1.7).mul_(dg.tensor(2.5))
    assert x.tolist() == [5, 7]
    assert x.dtype is dg.int64
    with pytest.raises(ShapeError, match=r"lengths are equal or 1, .*\(3, 2\) for \(2,\)"):
        x.add_(dg.ones(3, 2))
    with pytest.raises(TypeError, match="a slice is a value of its own"):
        x[0].fill_(1)


def test_data_is_the_value_without_its_history() -> None:
    w = dg.tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    assert not w.data.requires_grad
    w.data -= 0.5 * w.grad
    assert w.tolist() == [0.0, 0.0]
    assert w.requires_grad
    assert w.is_leaf
    w.data = dg.tensor([3.0, 4.0])
    assert w.tolist() == [3.0, 4.0]
    with pytest.raises(TypeError, match=r"and so is \.data; .* under dg\.no_grad"):
        w.data.zero_()


def test_transposing_at_most_two_axes() -> None:
    assert dg.ones(2, 3).t().shape == (3, 2)
    assert dg.ones(3).t().shape == (3,)
    with pytest.raises(ShapeError, match=r"t: at most two axes .*float32\[1, 2, 3\]. Use x.mT"):
        dg.ones(1, 2, 3).t()
