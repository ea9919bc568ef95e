"""Random bits: published answers, an implementation apart, and a golden file."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import deepglass as dg
from deepglass import nn
from deepglass.errors import DomainError, DTypeError, ShapeError
from deepglass.graph.op import REGISTRY
from deepglass.graph.tensor import apply
from deepglass.testing import assert_close

GOLDEN = Path(__file__).parent / "oracles" / "random_bits.txt"

# Threefry-2x32, 20 rounds: key, counter and result, as in Random123's file kat_vectors.
PUBLISHED = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def threefry(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """Threefry-2x32 with 20 rounds, word by word after Salmon et al. (2011), figure 2."""
    mask = 0xFFFFFFFF
    keys = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = (counter[0] + keys[0]) & mask, (counter[1] + keys[1]) & mask
    for r in range(20):
        n = (13, 15, 26, 6, 17, 29, 16, 24)[r % 8]
        x = (x + y) & mask
        y = ((y << n | y >> (32 - n)) & mask) ^ x
        if r % 4 == 3:
            s = r // 4 + 1
            x = (x + keys[s % 3]) & mask
            y = (y + keys[(s + 1) % 3] + s) & mask
    return x, y


def word(pair: tuple[int, int]) -> np.ndarray:
    return np.array([pair[0] | pair[1] << 32], np.uint64)


def first_words(key: np.ndarray, counter: np.ndarray) -> np.ndarray:
    op = REGISTRY["threefry"]
    return dg.compile(lambda k, c: apply(op, k, c))(dg.tensor(key), dg.tensor(counter)).numpy()


@pytest.mark.parametrize(("key", "counter", "expected"), PUBLISHED)
def test_published_answers(
    key: tuple[int, int], counter: tuple[int, int], expected: tuple[int, int], backend: str
) -> None:
    assert threefry(key, counter) == expected
    assert first_words(word(key), word(counter)).tolist() == [expected[0]]
    eager = apply(REGISTRY["threefry"], dg.tensor(word(key)), dg.tensor(word(counter)))
    assert eager.tolist() == [expected[0]]


def test_many_keys_and_counters(backend: str) -> None:
    rng = np.random.default_rng(0)
    key, counter = rng.integers(0, 2**64, (2, 200), dtype=np.uint64)
    halves = [[(int(v) & 0xFFFFFFFF, int(v) >> 32) for v in values] for values in (key, counter)]
    expected = [threefry(k, c)[0] for k, c in zip(*halves, strict=True)]
    assert first_words(key, counter).tolist() == expected


def streams() -> str:
    """The golden page: seed, counter and bits of several streams, in hexadecimal; and whole
    numbers below 1000, which have to be the same too."""
    lines = []
    for seed, counter in ((0, 0), (7, 0), (2**64 - 1, 5), (7, 2**32 - 4), (-1, 2**63)):
        for draw in ("32 bits", "64 bits", "below 1000"):
            generator = dg.Generator(seed)
            generator.set_state({**generator.get_state(), "counter": counter})
            if draw == "below 1000":
                numbers = [str(n) for n in dg.randint(1000, 10, generator=generator).tolist()]
            else:
                dtype = dg.uint32 if draw == "32 bits" else dg.uint64
                bits = generator.bits((2, 5), dtype).numpy().reshape(-1)
                numbers = [f"{b:0{2 * dtype.bytes}x}" for b in bits]
            lines.append(f"seed {seed} counter {counter} {draw}: {' '.join(numbers)}")
    return "\n".join(lines) + "\n"


def test_the_golden_file_holds_these_bits() -> None:
    """The same integers on every backend and in every release: a change breaks all replays."""
    assert streams() == GOLDEN.read_text()


def test_compiled_draws_are_the_golden_ones(backend: str) -> None:
    for line in GOLDEN.read_text().splitlines():
        start, _, numbers = line.partition(": ")
        generator = dg.Generator(int(start.split()[1]))
        generator.set_state({**generator.get_state(), "counter": int(start.split()[3])})
        draw = {
            "32 bits": lambda g=generator: g.bits((10,)),
            "64 bits": lambda g=generator: g.bits((10,), dg.uint64),
            "below 1000": lambda g=generator: dg.randint(1000, 10, generator=g),
        }[" ".join(start.split()[4:])]
        base = 10 if "below" in start else 16
        assert dg.compile(draw)().tolist() == [int(n, base) for n in numbers.split()]


def test_the_golden_bits_are_threefrys() -> None:
    for line in GOLDEN.read_text().splitlines():
        start, _, numbers = line.partition(": ")
        seed, counter = (int(p) for p in start.split()[1:4:2])
        key = (seed & 0xFFFFFFFF, (seed % 2**64) >> 32)
        for k, found in enumerate(numbers.split()):
            at = (counter + k) % 2**64
            first, second = threefry(key, (at & 0xFFFFFFFF, at >> 32))
            both = first << 32 | second
            if "32 bits" in start:
                assert int(found, 16) == first
            elif "64 bits" in start:
                assert int(found, 16) == both
            else:
                assert int(found) == (both >> 11) * 1000 >> 53


def test_drawing_moves_the_counter_by_the_number_of_elements() -> None:
    generator = dg.Generator(1)
    dg.rand(3, 5, generator=generator)
    assert generator.counter.item() == 15
    dg.rand(0, generator=generator)
    dg.rand(generator=generator)
    assert generator.counter.item() == 16


def test_bits_depend_on_the_position_not_on_the_shape(backend: str) -> None:
    draws = []
    for shape in ((30,), (5, 6), (2, 3, 5)):
        dg.manual_seed(3)
        draws.append(dg.compile(lambda shape=shape: dg.rand(*shape))().numpy().reshape(-1))
    assert np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2])
    dg.manual_seed(3)
    first = [dg.rand(7).numpy(), dg.rand(23).numpy()]
    assert np.array_equal(np.concatenate(first), draws[0])


def test_float64_continues_the_float32_numbers() -> None:
    a, b = (dg.rand(99, generator=dg.Generator(2), dtype=d).numpy() for d in ("f4", "f8"))
    assert np.array_equal(a, np.floor(b * 2**24) / 2**24)
    bits = dg.Generator(2).bits((99,), dg.uint64).numpy()
    assert np.array_equal(b, (bits >> 11) * 2.0**-53)
    assert (bits >> 11 & 1).any()  # the 53rd bit is in use


def test_numbers_are_the_upper_24_bits() -> None:
    bits = dg.Generator(2).bits((9,)).numpy()
    assert np.array_equal(dg.rand(9, generator=dg.Generator(2)).numpy(), (bits >> 8) * 2.0**-24)


def test_dropout_drops_where_the_number_is_below_p() -> None:
    numbers = dg.rand(50, generator=dg.Generator(2)).numpy()
    kept = nn.functional.dropout(dg.ones(50), 0.3, generator=dg.Generator(2)).numpy() != 0
    assert np.array_equal(kept, numbers >= np.float32(0.3))


# Distributions --------------------------------------------------------------------------

MANY = 100_000
P_LEAST = 1e-3  # the streams are fixed: a test that passes always passes


def numbers(x: dg.Tensor) -> np.ndarray:
    return x.double().numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("draw", ["rand", "uniform", "randn", "normal"])
def test_draws_follow_their_distribution(draw: str, dtype: str, backend: str) -> None:
    compute, distribution = {
        "rand": (lambda: dg.rand(MANY, dtype=dtype), stats.uniform()),
        "uniform": (lambda: dg.uniform(-2.0, 5.0, MANY, dtype=dtype), stats.uniform(-2, 7)),
        "randn": (lambda: dg.randn(MANY, dtype=dtype), stats.norm()),
        "normal": (lambda: dg.normal(3.0, 0.5, MANY, dtype=dtype), stats.norm(3, 0.5)),
    }[draw]
    x = dg.compile(compute)()
    assert x.dtype.name == dtype
    assert stats.kstest(numbers(x), distribution.cdf).pvalue > P_LEAST
    neighbours = np.corrcoef(numbers(x)[:-1], numbers(x)[1:])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(MANY)


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 11), ("bfloat16", 8)])
def test_halves_are_drawn_with_the_digits_they_have(dtype: str, digits: int, backend: str) -> None:
    """Rounding more digits would give 1, which is not among the numbers from 0 to below 1."""
    x = dg.compile(lambda: dg.rand(MANY, dtype=dtype))()
    assert x.dtype.name == dtype
    k = numbers(x) * 2**digits
    assert np.array_equal(k, np.floor(k))
    assert (k.min(), k.max()) == (0, 2**digits - 1)
    z = numbers(dg.compile(lambda: dg.randn(MANY, dtype=dtype))())
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02


def test_a_compiled_draw_is_the_eager_one(backend: str) -> None:
    for draw in (dg.rand, dg.randn):
        for dtype in ("float32", "float64"):
            dg.manual_seed(5)
            eager = draw(3, 700, dtype=dtype)
            dg.manual_seed(5)
            compiled = dg.compile(lambda d=draw, t=dtype: d(3, 700, dtype=t))()
            assert_close(f"{draw.__name__} {dtype}", compiled, eager)


def test_normal_numbers_are_the_quantiles_of_their_bits() -> None:
    bits = dg.Generator(4).bits((2000,)).numpy().view(np.int32)
    expected = -np.sign(bits + 0.5) * special.ndtri(np.abs(bits + 0.5) / 2**32)
    assert_close("randn", dg.randn(2000, generator=dg.Generator(4)), expected.astype("f4"))
    bits = dg.Generator(4).bits((2000,), dg.uint64).numpy().view(np.int64)
    expected = -np.sign(bits + 0.5) * special.ndtri(np.abs(bits + 0.5) / 2.0**64)
    assert_close("randn", dg.randn(2000, generator=dg.Generator(4), dtype="f8"), expected)


def test_the_most_and_least_likely_bits_give_finite_normal_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """0 and -1 are the far tails, the ends of the range the middle."""
    for dtype, last in (("float32", 2**32 - 1), ("float64", 2**64 - 1)):
        word = dg.uint32 if dtype == "float32" else dg.uint64
        bits = dg.tensor(np.array([0, last, last // 2, last // 2 + 1], word.numpy))
        monkeypatch.setattr(dg.Generator, "bits", lambda *_, bits=bits: bits)
        far = -special.ndtri(2.0 ** (-33 if dtype == "float32" else -65))
        expected = np.array([far, -far, 0, 0], dtype)
        assert_close(dtype, dg.randn(4, dtype=dtype), expected)


@pytest.mark.parametrize(("low", "high"), [(0, 2), (-3, 4), (10, 17), (-(2**52), 2**52)])
def test_whole_numbers_are_equally_likely(low: int, high: int, backend: str) -> None:
    x = dg.compile(lambda: dg.randint(low, high, (MANY,)))().numpy()
    assert x.dtype == np.int64
    assert x.min() >= low
    assert x.max() < high
    bins = min(high - low, 7)
    counts = np.bincount((x - low) * bins // (high - low), minlength=bins)
    assert stats.chisquare(counts).pvalue > P_LEAST


def test_randint_is_called_with_one_limit_or_two() -> None:
    assert dg.randint(1, (2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert dg.randint(4, 5, (2,)).tolist() == [4, 4]
    assert dg.randint(high=1, low=0, size=3).tolist() == [0, 0, 0]
    assert dg.randint(1, size=()).shape == ()
    assert dg.randint(256, (9,), dtype="uint8").dtype is dg.uint8


def test_ones_and_zeros_come_with_their_probability(backend: str) -> None:
    p = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    draw = dg.compile(lambda p: dg.bernoulli(p, (MANY, 5)))
    x = draw(p).numpy()
    assert x.dtype == np.float64
    assert set(np.unique(x)) == {0.0, 1.0}
    assert x.mean(0)[[0, 4]].tolist() == [0.0, 1.0]
    for count, probability in zip(x.sum(0)[1:4], p[1:4], strict=True):
        assert stats.binomtest(int(count), MANY, probability).pvalue > P_LEAST
    assert dg.bernoulli(dg.tensor(p)).shape == (5,)
    assert dg.bernoulli(0.5, 7).shape == (7,)


def test_parameters_may_be_tensors() -> None:
    means = dg.tensor([0.0, 100.0])
    x = dg.normal(means, dg.tensor([[1.0], [2.0], [3.0]]))
    assert x.shape == (3, 2)
    assert (x.numpy()[:, 1] > 50).all()
    low, high = dg.tensor([0.0, 10.0], requires_grad=True), dg.tensor([1.0, 20.0])
    y = dg.uniform(low, high, (5, 2), generator=dg.Generator(1))
    y.sum().backward()
    share = dg.rand(5, 2, generator=dg.Generator(1)).numpy()
    assert_close("gradient", low.grad, (1 - share).sum(0))
    assert dg.normal(0.0, 1.0).shape == ()
    assert dg.normal(dg.zeros(2, dtype="float64"), 1.0).dtype is dg.float64


def test_draws_like_a_tensor() -> None:
    x = dg.zeros(2, 3, dtype="float64")
    for draw in (dg.rand_like, dg.randn_like):
        assert draw(x).type == x.type
        assert draw(x, dtype="float32").dtype is dg.float32
    assert dg.rand_like(x, generator=dg.Generator(1)).tolist() == (
        dg.rand(2, 3, generator=dg.Generator(1), dtype="float64").tolist()
    )


def test_a_compiled_step_draws_new_numbers_at_each_call(backend: str) -> None:
    generator = dg.Generator(3)
    step = dg.compile(lambda: dg.randn(2, generator=generator))
    calls = [step().tolist() for _ in range(3)]
    generator.manual_seed(3)
    assert_close("calls", np.array(calls, "f4").reshape(-1), dg.randn(6, generator=generator))
    assert generator.get_state() == {"key": 3, "counter": 6}


def test_a_state_brings_the_same_numbers_again(backend: str) -> None:
    generator = dg.Generator(2**64 - 1)
    step = dg.compile(lambda: dg.rand(5, generator=generator))
    step()
    state = json.loads(json.dumps(generator.get_state()))
    first = step().tolist()
    generator.set_state(state)
    assert step().tolist() == first
    other = dg.Generator()
    other.set_state(state)
    assert dg.rand(5, generator=other).tolist() == first


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dg.rand(2, dtype="int64"), DTypeError, "rand: floats are drawn; got int64. Use"),
        (lambda: dg.randn(2, dtype="bool"), DTypeError, "randn: floats are drawn; got bool"),
        (lambda: dg.rand(-1), DomainError, "lengths are not negative"),
        (lambda: dg.normal(0.0, -1.0, 2), DomainError, "is not negative; got -1.0. Pass its abs"),
        (lambda: dg.normal(0, dg.ones(3), 2), ShapeError, r"\(3,\)"),
        (lambda: dg.uniform(dg.zeros(2), dg.ones(3)), ShapeError, r"uniform: .*\(2,\).*\(3,\)"),
        (lambda: dg.randint(0, (2,)), DomainError, "got low 0, high 0, size"),
        (lambda: dg.randint(5, 5, (2,)), DomainError, "low 5, high 5"),
        (lambda: dg.randint(5), DomainError, r"Call randint\(high, size\)"),
        (lambda: dg.randint(2**54, (2,)), DomainError, "1 to 2\\^53 numbers"),
        (lambda: dg.randint(2, (2,), dtype="float32"), DTypeError, "whole numbers are drawn; got"),
        (lambda: dg.bernoulli([0.5, 1.5]), DomainError, "from 0 to 1; got 0.5 to 1.5. Apply"),
        (lambda: dg.bernoulli(float("nan")), DomainError, "probabilities are from 0 to 1"),
        (lambda: dg.Generator().set_state({"key": 1}), DomainError, "a key and a counter"),
        (lambda: dg.Generator().set_state({"key": -1, "counter": 0}), DomainError, "'key': -1"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_quantiles_are_scipys(dtype: str, backend: str) -> None:
    p = np.concatenate([np.linspace(0, 1, 10_001), 10.0 ** -np.linspace(1, 37, 500)]).astype(dtype)
    expected = special.ndtri(p.astype("f8"))
    assert_close("ndtri", dg.compile(dg.ndtri)(p), expected.astype(dtype))


# Choosing -------------------------------------------------------------------------------


def test_choices_follow_their_weights(backend: str) -> None:
    weights = np.array([[1.0, 0.0, 2.0, 7.0], [0.25, 0.25, 0.5, 0.0]])
    draw = dg.compile(lambda w: dg.multinomial(w, 20_000, replacement=True))
    drawn = draw(weights).numpy()
    assert drawn.shape == (2, 20_000)
    for row, w in zip(drawn, weights, strict=True):
        counts = np.bincount(row, minlength=4)
        assert (counts[w == 0] == 0).all()
        expected = w[w > 0] / w.sum() * 20_000
        assert stats.chisquare(counts[w > 0], expected).pvalue > P_LEAST


def test_choices_without_replacement_follow_their_weights(backend: str) -> None:
    """The second choice is made among those that are left."""
    weights = np.tile([1.0, 2.0, 5.0, 0.0], (20_000, 1))
    drawn = dg.compile(lambda w: dg.multinomial(w, 2))(weights).numpy()
    assert (drawn[:, 0] != drawn[:, 1]).all()
    pairs = np.bincount(drawn[:, 0] * 3 + drawn[:, 1], minlength=9)
    p = np.array([1, 2, 5]) / 8
    expected = np.array([[p[i] * p[j] / (1 - p[i]) * (i != j) for j in range(3)] for i in range(3)])
    some = expected.reshape(-1) > 0
    assert pairs[~some].sum() == 0
    assert stats.chisquare(pairs[some], expected.reshape(-1)[some] * 20_000).pvalue > P_LEAST


def test_compiled_choices_are_the_eager_ones(backend: str) -> None:
    weights = np.random.default_rng(0).uniform(0, 1, (3, 700)).astype("f4")
    for replacement in (False, True):
        dg.manual_seed(1)
        eager = dg.multinomial(weights, 500, replacement).tolist()
        dg.manual_seed(1)
        draw = dg.compile(lambda w, r=replacement: dg.multinomial(w, 500, r))
        assert draw(weights).tolist() == eager
        assert dg.default_generator.counter.item() == 3 * (500 if replacement else 700)


def test_choices_of_one_row() -> None:
    assert dg.multinomial([0.0, 2.0], 3, replacement=True).tolist() == [1, 1, 1]
    assert sorted(dg.multinomial([1, 5, 0, 2], 3).tolist()) == [0, 1, 3]
    assert dg.multinomial(dg.ones(0, 3), 2).shape == (0, 2)


def test_every_order_is_equally_likely(backend: str) -> None:
    draw = dg.compile(lambda: dg.randperm(4))
    orders = [tuple(draw().tolist()) for _ in range(1200)]
    counts = [orders.count(order) for order in itertools.permutations(range(4))]
    assert sum(counts) == 1200
    assert stats.chisquare(counts).pvalue > P_LEAST


def test_a_permutation_is_the_order_of_its_bits() -> None:
    bits = dg.Generator(6).bits((1000,), dg.uint64).numpy()
    order = dg.randperm(1000, generator=dg.Generator(6), dtype="int32")
    assert order.dtype is dg.int32
    assert order.tolist() == np.argsort(bits).tolist()
    assert dg.randperm(0).tolist() == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dg.multinomial(1.0, 1), ShapeError, r"got float32\[\]. Flatten"),
        (lambda: dg.multinomial(dg.ones(2, 3, 5), 1), ShapeError, r"got float32\[2, 3, 5\]"),
        (lambda: dg.multinomial([1.0, -2.0], 1), DomainError, "not negative; got -2.0. Apply"),
        (lambda: dg.multinomial([1.0, np.inf], 1), DomainError, "are finite .*; got inf"),
        (lambda: dg.multinomial([0.0, 0.0], 1, True), DomainError, "got 1 from 0. Draw fewer"),
        (lambda: dg.multinomial([1.0, 0.0], 2), DomainError, "got 2 from 1. Draw fewer, or with"),
        (lambda: dg.multinomial([1.0], 0), DomainError, "at least one is drawn"),
        (lambda: dg.randperm(-1), DomainError, "is not negative; got -1. Pass"),
        (lambda: dg.randperm(3, dtype="float32"), DTypeError, "whole numbers are put in order"),
    ],
)
def test_misuse_of_choices_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
