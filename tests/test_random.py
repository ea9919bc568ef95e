"""Random bits: published answers, an implementation apart, and a golden file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.graph.op import REGISTRY
from deepglass.graph.tensor import apply

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
    """The golden page: seed, counter and bits of several streams, in hexadecimal."""
    lines = []
    for seed, counter in ((0, 0), (7, 0), (2**64 - 1, 5), (7, 2**32 - 4), (-1, 2**63)):
        generator = dg.Generator(seed)
        generator.counter.rebind(dg.tensor(np.uint64(counter)).node)
        bits = generator.bits((2, 5)).numpy()
        words = " ".join(f"{b:08x}" for b in bits.reshape(-1))
        lines.append(f"seed {seed} counter {counter}: {words}")
    return "\n".join(lines) + "\n"


def test_the_golden_file_holds_these_bits() -> None:
    """The same integers on every backend and in every release: a change breaks all replays."""
    assert streams() == GOLDEN.read_text()


def test_the_golden_bits_are_threefrys() -> None:
    for line in GOLDEN.read_text().splitlines():
        start, _, words = line.partition(": ")
        seed, counter = (int(p) for p in start.split()[1::2])
        key = (seed & 0xFFFFFFFF, (seed % 2**64) >> 32)
        for k, found in enumerate(words.split()):
            at = (counter + k) % 2**64
            assert int(found, 16) == threefry(key, (at & 0xFFFFFFFF, at >> 32))[0]


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


def test_float64_has_the_float32_numbers() -> None:
    a, b = (dg.rand(9, generator=dg.Generator(2), dtype=d).numpy() for d in ("f4", "f8"))
    assert np.array_equal(a.astype("f8"), b)


def test_numbers_are_the_upper_24_bits() -> None:
    bits = dg.Generator(2).bits((9,)).numpy()
    assert np.array_equal(dg.rand(9, generator=dg.Generator(2)).numpy(), (bits >> 8) * 2.0**-24)


def test_dropout_drops_where_the_number_is_below_p() -> None:
    numbers = dg.rand(50, generator=dg.Generator(2)).numpy()
    kept = nn.functional.dropout(dg.ones(50), 0.3, generator=dg.Generator(2)).numpy() != 0
    assert np.array_equal(kept, numbers >= np.float32(0.3))
