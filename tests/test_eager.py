"""Operations outside of compiled functions, where machine code takes the place of NumPy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import eager
from deepglass.errors import BackendError, DomainError
from deepglass.graph.op import Op
from deepglass.graph.tensor import compute_with
from deepglass.nn import functional


@pytest.fixture
def programs() -> Iterator[eager.Programs]:
    """Programs of this test alone."""
    made = eager.Programs()
    compute_with(made.compute)
    yield made
    eager.install()


def native(programs: eager.Programs) -> set[Any]:
    return {key[0] for key, program in programs.made.items() if program is not None}


def both(programs: eager.Programs, function: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What a function returns, by the faster way and in NumPy."""
    found = [t.numpy() for t in function()]
    compute_with(Op.compute)
    expected = [t.numpy() for t in function()]
    compute_with(programs.compute)
    return found, expected


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def pooled() -> list[Any]:
    x = dg.tensor(noise(13, 5, 46, 34), requires_grad=True)
    y = functional.max_pool2d(x, 2)
    y.backward(y.detach())
    return [y, x.grad]


def depthwise() -> list[Any]:
    x = dg.tensor(noise(3, 32, 30, 26), requires_grad=True)
    w = dg.tensor(noise(32, 1, 3, 3), requires_grad=True)
    y = functional.conv2d(x, w, padding=1, groups=32)
    y.backward(y.detach())
    return [y, x.grad, w.grad]


def losses() -> list[Any]:
    x = dg.tensor(noise(700, 301), requires_grad=True)
    y = functional.cross_entropy(x, np.arange(700) % 301)
    y.backward()
    return [y, x.grad, functional.gelu(x).detach(), dg.erf(x).detach()]


def rectified() -> list[Any]:
    x = dg.tensor(noise(700, 301), requires_grad=True)
    dg.relu(x).backward(dg.tensor(noise(700, 301)))
    return [x.grad]


def halves() -> list[Any]:
    return [dg.erf(dg.tensor(noise(300, 400), dtype="bfloat16"))]


CASES = {
    "max pooling": (pooled, {"window_argmax", "window_take", "window_put"}),
    "depthwise convolution": (depthwise, {"conv", "conv_transpose", "conv_weight_gradient"}),
    "losses": (losses, {"cross_entropy", "gelu", "erf"}),
    "choices": (rectified, {"where"}),
    "halves": (halves, {"erf"}),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_machine_code_finds_what_numpy_finds(case: str, programs: eager.Programs) -> None:
    function, names = CASES[case]
    found, expected = both(programs, function)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.astype(np.float32), b.astype(np.float32), rtol=2e-5, atol=2e-5)
    assert names <= native(programs)


def test_random_numbers_have_the_same_bits(programs: eager.Programs) -> None:
    def drawn() -> list[Any]:
        dg.manual_seed(3)
        return [dg.rand(300, 400)]

    (found,), (expected,) = both(programs, drawn)
    np.testing.assert_array_equal(found, expected)
    assert native(programs) == {"threefry"}


def test_equal_operations_give_equal_bits(programs: eager.Programs) -> None:
    first, second = pooled(), pooled()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_small_quick_and_dense_operations_stay_in_numpy(programs: eager.Programs) -> None:
    x = dg.tensor(noise(5, 3, 8, 8))
    functional.max_pool2d(x, 2)
    _ = dg.tensor(noise(500, 500)) @ dg.tensor(noise(500, 500)) + 1
    functional.conv2d(dg.tensor(noise(8, 32, 12, 12)), dg.tensor(noise(32, 32, 3, 3)))
    assert native(programs) == set()


def test_the_reference_backend_is_numpy_everywhere(programs: eager.Programs) -> None:
    with dg.backend("reference"):
        pooled()
    assert native(programs) == set()
    pooled()
    assert native(programs)
    before = len(programs.made)
    with dg.backend("reference"):
        pooled()
    assert len(programs.made) == before


def test_ever_new_shapes_are_not_compiled_for_ever(
    programs: eager.Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eager, "MANY_PROGRAMS", 2)
    for n in range(4):
        dg.erf(dg.tensor(noise(300, 400 + n)))
    assert len([p for p in programs.made.values() if p is not None]) == 2


def test_wrong_values_are_errors_all_the_same(programs: eager.Programs) -> None:
    target = np.arange(700)
    for _ in range(2):
        with pytest.raises(DomainError, match="got 301 to 699"):
            functional.cross_entropy(dg.tensor(noise(700, 301)), target)


@pytest.mark.parametrize("count", [0, 1.5])
def test_threads_are_whole_numbers(count: Any) -> None:
    before = dg.get_threads()
    with pytest.raises(BackendError, match=f"from 1 on; got {count}. Use 1"):
        dg.set_threads(count)
    assert dg.get_threads() == before


def test_without_llvmlite_numpy_computes() -> None:
    code = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
import deepglass as dg
x = np.ones((300, 400), np.float32)
print(dg.erf(dg.tensor(x)).numpy()[0, 0])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("0.8427")
