"""Element types: where they meet, what becomes of numbers, what halves mean."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import deepglass as dg
from deepglass.errors import DomainError, DTypeError
from deepglass.graph.types import DTYPES, convert, dtype_of, promote

HALVES = ["float16", "bfloat16"]
WHOLE = [d.name for d in DTYPES.values() if d.is_integer]
PAGE = Path(__file__).parents[1] / "docs" / "types.md"


# Names ----------------------------------------------------------------------------------


def test_other_names() -> None:
    aliases = {
        "half": "float16", "float": "float32", "double": "float64", "short": "int16",
        "int": "int32", "long": "int64", "bool": "bool",
    }  # fmt: skip
    for alias, name in aliases.items():
        assert getattr(dg, alias) is DTYPES[name]
        assert getattr(dg.ones(2), alias)().dtype is DTYPES[name]
    assert dg.ones(2).bfloat16().dtype is dg.bfloat16
    assert dg.ones(2).type_as(dg.ones(3, dtype=dg.int8)).dtype is dg.int8


@pytest.mark.parametrize("name", DTYPES)
def test_a_type_by_every_name(name: str) -> None:
    dtype = DTYPES[name]
    for spec in (name, dtype, dtype.numpy, dtype.numpy.type):
        assert dtype_of(spec) is dtype
        assert dg.tensor([0, 1], dtype=spec).dtype is dtype
    assert copy.deepcopy(dtype) is dtype
    assert dg.tensor(np.ones(2, dtype.numpy)).dtype is dtype
    assert dg.from_numpy(np.ones(2, dtype.numpy)).numpy().dtype == dtype.numpy
    x = dg.ones(2, 3, dtype=dtype)
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert type(x[0, 0].item()) in (bool, int, float)
    assert x.numel() * dtype.bytes == x.numpy().nbytes


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (dg.tensor([1.1, -2.0], dtype="float16"), "tensor([ 1.0996, -2.    ], dtype=float16)"),
        (dg.tensor(0.1, dtype="bfloat16"), "tensor(0.1001, dtype=bfloat16)"),
        (dg.tensor([-1], dtype="int8"), "tensor([-1], dtype=int8)"),
    ],
)
def test_repr(x: dg.Tensor, text: str) -> None:
    assert repr(x) == text


def test_bfloat16_is_loaded_when_it_is_first_used() -> None:
    code = """
import sys, deepglass as dg
dg.bfloat16, dg.ones(2, dtype="float16").half(), dg.compile(lambda x: x.half())(dg.ones(2))
print("ml_dtypes" in sys.modules)
dg.ones(2).bfloat16()
print("ml_dtypes" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                            env={"PYTHONPATH": str(Path(dg.__file__).parents[1])},
                            check=False)  # fmt: skip
    assert result.stdout.split() == ["False", "True"], result.stderr


def test_without_ml_dtypes_the_error_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    monkeypatch.delitem(vars(dg.bfloat16), "numpy", raising=False)
    with pytest.raises(DTypeError, match=r'pip install "deepglass\[half\]"'):
        dg.ones(2, dtype="bfloat16")


# Promotion ------------------------------------------------------------------------------


def test_the_page_has_the_table_of_promotions() -> None:
    short = {"b": "bool", "bf16": "bfloat16"}
    short |= {f"{k}{n}": f"{v}{n}" for k, v in (("u", "uint"), ("i", "int"), ("f", "float"))
              for n in (8, 16, 32, 64) if f"{v}{n}" in DTYPES}  # fmt: skip
    rows = re.findall(r"^\| \*\*(\w+)\*\* \| (.*) \|$", PAGE.read_text("utf-8"), re.M)
    assert [short[first] for first, _ in rows] == list(DTYPES)
    for first, row in rows:
        found = [short[cell] for cell in row.split(" | ")]
        assert found == [promote(DTYPES[short[first]], d).name for d in DTYPES.values()]


def test_promotion_is_the_least_upper_bound_of_an_order() -> None:
    types = list(DTYPES.values())
    for a, b in product(types, types):
        assert promote(a, a) is a
        assert promote(a, b) is promote(b, a)
        assert promote(a, promote(a, b)) is promote(a, b)
    for a, b, c in product(types, types, types):
        assert promote(promote(a, b), c) is promote(a, promote(b, c))


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        ("uint8", "int8", "int16"), ("uint8", "int64", "int64"), ("uint32", "int32", "int64"),
        ("uint64", "int8", "int64"), ("uint16", "int16", "int32"), ("int64", "float16", "float16"),
        ("float16", "bfloat16", "float32"), ("bool", "bfloat16", "bfloat16"),
        ("bfloat16", "float64", "float64"), ("uint8", "uint64", "uint64"),
    ],
)  # fmt: skip
def test_values_meet_there_too(a: str, b: str, meet: str) -> None:
    x, y = dg.ones(2, dtype=a), dg.ones(2, dtype=b)
    for result in (x + y, y + x, dg.compile(lambda x, y: x + y, backend="reference")(x, y)):
        assert result.dtype is DTYPES[meet]
        assert result.tolist() == [2, 2]


def test_pieces_that_are_joined_meet_there(backend: str) -> None:
    x, y = dg.tensor([1, 2], dtype="int8"), dg.tensor([0.5, 70000.0], dtype="bfloat16")
    for join in (dg.cat, dg.stack):
        got = dg.compile(lambda x, y, join=join: join([x, y, x]))(x, y)
        assert got.dtype is dg.bfloat16
        assert got.reshape(-1).tolist() == [1, 2, 0.5, 70144, 1, 2]
    x, y = dg.ones(2, requires_grad=True), dg.ones(2, dtype="float16", requires_grad=True)
    dg.cat([x, y]).sum().backward()
    for z in (x, y):
        assert z.grad is not None
        assert z.grad.type == z.type


@pytest.mark.parametrize("dtype", WHOLE)
def test_positions_and_labels_of_every_integer_type(dtype: str, backend: str) -> None:
    """Lengths beyond what the type holds, too."""
    x = dg.arange(300).reshape(300, 1) * 1.5
    index = np.array([[7], [0], [127]], dtype)
    got = dg.compile(lambda x, i: (x.gather(0, i), dg.nn.functional.one_hot(i, 128)))(x, index)
    assert got[0].tolist() == [[10.5], [0.0], [190.5]]
    assert got[1].numpy().nonzero()[2].tolist() == [7, 0, 127]
    assert dg.nn.functional.one_hot(index).shape == (3, 1, 128)
    with pytest.raises(DomainError, match="between 0 and 99; got 0 to 127"):
        dg.compile(lambda x, i: x.gather(0, i))(x[:100], index)


@pytest.mark.parametrize("half", HALVES)
def test_python_numbers_beside_halves(half: str) -> None:
    x = dg.ones(2, dtype=half)
    for result in (x * 2, x + 0.5, True * x, x / 3, 1 - x, x**2):
        assert result.dtype is DTYPES[half]
    assert (dg.ones(2, dtype="int8") * 1.5).dtype is dg.float32


# Conversions ----------------------------------------------------------------------------


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """The bits of the nearest bfloat16 of float32 numbers, ties to even, by integers alone."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def every_half(half: str) -> np.ndarray:
    return np.arange(2**16, dtype=np.uint16).view(DTYPES[half].numpy)


def float32_near_halves(half: str) -> np.ndarray:
    """All numbers of a half, what lies in the middle of two, and what is just beside that."""
    x = cast(every_half(half), "float32")
    x = np.sort(x[np.isfinite(x)])
    middle = ((x[1:].astype(np.float64) + x[:-1]) / 2).astype(np.float32)
    beside = [np.nextafter(middle, np.float32(end)) for end in (-np.inf, np.inf)]
    ends = np.array([np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, 1e-45, 3e38, -3e38], "f4")
    return np.concatenate([x, middle, *beside, ends])


def cast(x: Any, dtype: str) -> np.ndarray:
    """By NumPy and ml_dtypes, of which this is the truth."""
    with np.errstate(all="ignore"):
        return np.asarray(x).astype(DTYPES[dtype].numpy)


def same_numbers(x: Any, y: Any) -> bool:
    """Whether all is equal but the bits of NaN."""
    wide = [cast(a, "float64") for a in (x, y)]
    signs = [np.signbit(w) | np.isnan(w) for w in wide]
    return np.array_equal(*wide, equal_nan=True) and np.array_equal(*signs)


@pytest.mark.parametrize("half", HALVES)
def test_every_half_is_a_float32(half: str, backend: str) -> None:
    x = every_half(half)
    got = dg.compile(lambda x: (x.float(), x.double(), x.float().to(half)))(x)
    assert same_numbers(got[0], cast(x, "float32"))
    assert same_numbers(got[1], cast(x, "float64"))
    assert same_numbers(got[2], x)
    if half == "bfloat16":
        assert same_numbers(got[0], (np.arange(2**16, dtype=np.uint32) << 16).view(np.float32))


@pytest.mark.parametrize("half", HALVES)
def test_float32_becomes_the_nearest_half(half: str, backend: str) -> None:
    x = float32_near_halves(half)
    expected = cast(x, half)
    got = dg.compile(lambda x: x.to(half))(x)
    assert same_numbers(got, expected)
    assert same_numbers(dg.tensor(x).to(half), expected)
    assert same_numbers(dg.tensor(x, dtype=half), expected)
    if half == "bfloat16":
        number = ~np.isnan(x)
        assert np.array_equal(got.numpy().view(np.uint16)[number], to_bfloat16(x[number]))


@pytest.mark.parametrize("half", HALVES)
def test_random_bits_become_the_nearest_half(half: str, backend: str) -> None:
    x = np.random.default_rng(0).integers(0, 2**32, 200_000, np.uint32).view(np.float32)
    assert same_numbers(dg.compile(lambda x: x.to(half))(x), cast(x, half))


@pytest.mark.parametrize(
    ("half", "tie"), [("float16", 1 + 2.0**-11), ("bfloat16", 1 + 2.0**-8)]
)  # fmt: skip
def test_float64_becomes_a_half_through_float32(half: str, tie: float, backend: str) -> None:
    x = np.array([tie + 2.0**-40, tie + 2.0**-20, 1e300, -1e300, 1e-300, np.nan])
    expected = [1.0, tie * 2 - 1, np.inf, -np.inf, 0.0, np.nan]
    for got in (dg.compile(lambda x: x.to(half))(x), dg.tensor(x).to(half)):
        assert same_numbers(got, np.array(expected))
    assert dg.tensor(tie + 2.0**-40, dtype=half).item() == 1


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("whole", [*WHOLE, "bool"])
def test_halves_and_whole_numbers(half: str, whole: str, backend: str) -> None:
    x = every_half(half)
    expected = convert(cast(x, "float32"), DTYPES[whole])
    assert np.array_equal(dg.compile(lambda x: x.to(whole))(x).numpy(), expected)
    ends = [0, 1, 1] if whole == "bool" else [0, np.iinfo(whole).min, np.iinfo(whole).max]
    numbers = np.concatenate([np.array(ends, whole), np.arange(128).astype(whole)])
    got = dg.compile(lambda x: x.to(half))(numbers)
    assert same_numbers(got, cast(cast(numbers, "float32"), half))


@pytest.mark.parametrize("dtype", WHOLE)
def test_whole_numbers_wrap_around(dtype: str, backend: str) -> None:
    x = np.array([0, 1, -1, 127, 128, 200, 255, 300, -129, 2**31, -(2**63), 2**63 - 1])
    for source in ("int64", "uint64", "int32", "uint8"):
        numbers = x.astype(source)
        got = dg.compile(lambda x: x.to(dtype))(numbers)
        assert np.array_equal(got.numpy(), numbers.astype(dtype))
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    y = np.array([low, high, high, 1], dtype)
    z = np.array([1, 1, high, high], dtype)
    results = dg.compile(lambda y, z: (y + z, y - z, y * z))(y, z)
    for got, expected in zip(results, (y + z, y - z, y * z), strict=True):
        assert got.numpy().dtype == np.dtype(dtype)
        assert np.array_equal(got.numpy(), expected)


@pytest.mark.parametrize("dtype", WHOLE)
def test_floats_become_the_nearest_end(dtype: str, backend: str) -> None:
    x = np.array([3e38, -3e38, np.inf, -np.inf, np.nan, 1.9, -1.9], np.float32)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    expected = [high, low, high, low, 0, 1, max(low, -1)]
    assert dg.tensor(x).to(dtype).tolist() == expected
    assert dg.tensor(x, dtype=dtype).tolist() == expected
    assert dg.compile(lambda x: x.to(dtype))(x).tolist() == expected


@given(st.sampled_from(list(DTYPES)), st.sampled_from(list(DTYPES)), st.integers(-130, 130))
def test_small_numbers_survive_every_conversion(a: str, b: str, number: int) -> None:
    """There and back, where both types hold the number."""
    kept = [number == int(convert(np.array(number), DTYPES[t]).astype(np.int64)) for t in (a, b)]
    x = dg.tensor(np.array(number)).to(a).to(b).to("int64")
    assert (x.item() == number) or not all(kept)


# What halves mean -----------------------------------------------------------------------


@pytest.mark.parametrize("half", HALVES)
def test_an_op_rounds_once(half: str, backend: str) -> None:
    """Sums and products are float32 inside: 4096 ones sum to 4096, not to where adding one
    more changes nothing (2048 in float16, 256 in bfloat16)."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(DTYPES[half].numpy) for s in ((5, 300), (300, 7)))
    ones = np.ones(4096, DTYPES[half].numpy)

    def function(x: Any, w: Any, ones: Any) -> list[Any]:
        return [ones.sum(), ones.mean(), x @ w, dg.softmax(x, 1), (x * 3).amax(1)]

    wide = [a.astype(np.float64) for a in (x, w)]
    e = np.exp(wide[0])
    tripled = convert(wide[0] * 3, DTYPES[half]).astype(np.float64)
    expected = [4096, 1, wide[0] @ wide[1], e / e.sum(1, keepdims=True), tripled.max(1)]
    results = dg.compile(function)(x, w, ones)
    for got, eager, exact in zip(results, function(*map(dg.tensor, (x, w, ones))), expected,
                                 strict=True):  # fmt: skip
        assert got.dtype is eager.dtype is DTYPES[half]
        unit = 2.0 ** (-10 if half == "float16" else -7)
        for value in (got, eager):
            np.testing.assert_allclose(
                value.numpy().astype(np.float64), exact, rtol=unit * 0.51, atol=2e-5
            )


@pytest.mark.parametrize("half", HALVES)
def test_a_chain_rounds_at_every_op(half: str, backend: str) -> None:
    """(x + 1) - 1 loses what x + 1 cannot hold, though the loops are fused."""
    x = np.array([2.0**-12, 0.3, 100.0], DTYPES[half].numpy)
    rounded = (x.astype(np.float32) + 1).astype(x.dtype)
    expected = (rounded.astype(np.float32) - 1).astype(x.dtype)
    assert same_numbers(dg.compile(lambda x: (x + 1) - 1)(x), expected)
    assert same_numbers(dg.tensor(x) + 1 - 1, expected)


def test_each_type_has_a_program_of_its_own(backend: str) -> None:
    scale = dg.bfloat16.numpy.type(0.1)  # as a NumPy number, in the closure
    function = dg.compile(lambda x: (x * 3, x * scale))
    for name in ("float16", "bfloat16", "int8", "uint16", "float16", "bfloat16"):
        x = np.array([1, 2, 3], DTYPES[name].numpy)
        for argument in (x, dg.tensor(x)):
            tripled, scaled = function(argument)
            assert (tripled.dtype, tripled.tolist()) == (DTYPES[name], [3, 6, 9])
            assert scaled.dtype is promote(DTYPES[name], dg.bfloat16)
    assert len(function.programs) == 8  # an array and a tensor of each


@pytest.mark.parametrize("half", HALVES)
def test_scans_and_ops_of_ones_own(half: str, backend: str) -> None:
    """A step rounds its carry; NumPy inside of an op computes in float32."""

    @dg.op
    def third(x: np.ndarray) -> np.ndarray:
        assert x.dtype == np.float32
        return x / 3

    def function(x: Any) -> list[Any]:
        return [dg.scan(lambda c, row: c * 0.9 + row, x[0], x), third(x)]

    x = np.random.default_rng(0).standard_normal((5, 3)).astype(DTYPES[half].numpy)
    carry, carries = x[0], []
    for row in x:
        shrunk = cast(cast(carry, "float32") * cast(cast(0.9, half), "float32"), half)
        carry = cast(cast(shrunk, "float32") + cast(row, "float32"), half)
        carries.append(carry)
    for found in (function(dg.tensor(x)), dg.compile(function)(x)):
        assert same_numbers(found[0], np.stack(carries))
        assert same_numbers(found[1], cast(cast(x, "float32") / 3, half))


@pytest.mark.parametrize("half", HALVES)
def test_means_do_not_overflow(half: str, backend: str) -> None:
    x = np.full((7, 300), 600.0, DTYPES[half].numpy)
    assert dg.compile(lambda x: x.mean())(x).item() == 600


@pytest.mark.parametrize("half", HALVES)
def test_random_numbers_in_a_half(half: str, backend: str) -> None:
    digits = 11 if half == "float16" else 8
    dg.manual_seed(3)
    eager = dg.rand(5000, dtype=half)
    dg.manual_seed(3)
    x = dg.compile(lambda: dg.rand(5000, dtype=half))()
    assert same_numbers(x, eager)
    numbers = x.numpy().astype(np.float64) * 2**digits
    assert np.array_equal(numbers, np.round(numbers))
    assert (numbers.min(), numbers.max()) >= (0, 2**digits - 8)
    assert numbers.max() < 2**digits
    assert len(np.unique(numbers)) > 0.85 * min(5000, 2**digits)
    assert abs(numbers.mean() / 2**digits - 0.5) < 0.02


@pytest.mark.parametrize("half", HALVES)
def test_a_network_in_halves_learns(half: str, backend: str) -> None:
    model = dg.nn.Sequential(dg.nn.Linear(2, 8), dg.nn.Tanh(), dg.nn.Linear(8, 2)).to(half)
    assert {p.dtype.name for p in model.parameters()} == {half}
    optimizer = dg.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], DTYPES[half].numpy)
    y = np.array([0, 1, 1, 0])

    @dg.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = dg.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(x, y).item() for _ in range(200)]
    assert losses[-1] < 0.05 < losses[0]
    assert {p.dtype.name for p in model.parameters()} == {half}


def test_modules_change_their_type() -> None:
    model = dg.nn.Sequential(dg.nn.Linear(2, 3), dg.nn.LayerNorm(3))
    for convert_all, name in (
        (model.half, "float16"), (model.bfloat16, "bfloat16"), (model.float, "float32"),
        (model.double, "float64"), (lambda: model.to("float16"), "float16"),
    ):  # fmt: skip
        assert convert_all() is model
        assert {p.dtype.name for p in model.parameters()} == {name}
        assert model(dg.ones(5, 2, dtype=name)).dtype is DTYPES[name]
    with pytest.raises(DTypeError, match="parameters are floats; got int64"):
        model.to(dg.int64)


@pytest.mark.parametrize("half", HALVES)
def test_gradients_have_the_type_of_what_they_belong_to(half: str) -> None:
    x = dg.tensor([1.0, 2.0], dtype=half, requires_grad=True)
    (x.float() * 3).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype is DTYPES[half]
    assert x.grad.tolist() == [3, 3]
