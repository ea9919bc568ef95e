"""Clipping of gradients: by hand, against NumPy's norms, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn, optim
from deepglass.errors import DeepglassWarning, DomainError, TraceError
from deepglass.nn.utils import clip_grad_norm_, clip_grad_value_
from deepglass.testing import assert_close

SHAPES = ((2, 3), (5,), (), (0, 7))


def parameters(scale: float = 1.0, dtype: str = "float64") -> list[dg.Parameter]:
    rng = np.random.default_rng(0)
    made = [dg.Parameter(np.zeros(shape, dtype)) for shape in SHAPES]
    for p in made:
        p.grad = dg.tensor(np.array(rng.normal(size=p.shape) * scale, dtype))
    return [*made, dg.Parameter(np.zeros(3, dtype))]  # and one without a gradient


def flat(made: Any) -> np.ndarray:
    return np.concatenate([p.grad.numpy().reshape(-1) for p in made if p.grad is not None])


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, 0.5, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0, 0.0])
def test_the_norm_is_that_of_one_long_vector(norm_type: float, max_norm: float) -> None:
    made = parameters()
    before = flat(made)
    total = clip_grad_norm_(made, max_norm, norm_type)
    expected = np.linalg.norm(before, norm_type)
    assert_close("norm", total, np.asarray(expected))
    share = min(1.0, max_norm / (expected + 1e-6))
    assert_close("gradients", flat(made), before * share)
    assert made[-1].grad is None


def test_the_norm_does_not_overflow() -> None:
    made = parameters(1e30, "float32")
    before = flat(made)
    total = clip_grad_norm_(made, 1.0)
    assert total.dtype is dg.float32
    assert_close("norm", total, np.float32(np.linalg.norm(before.astype("f8"))))
    assert_close("clipped", np.linalg.norm(flat(made)), np.float32(1.0))


def test_one_tensor_and_no_gradients() -> None:
    w = dg.Parameter([3.0, 4.0])
    assert clip_grad_norm_(w, 1.0).item() == 0.0
    w.grad = dg.tensor([3.0, 4.0])
    assert clip_grad_norm_(w, 10.0).item() == 5.0
    assert w.grad.tolist() == [3.0, 4.0]
    clip_grad_value_(w, 3.5)
    assert w.grad.tolist() == [3.0, 3.5]
    assert clip_grad_norm_([], 1.0).item() == 0.0


def test_values_are_clipped_one_by_one() -> None:
    made = parameters(2.0)
    before = flat(made)
    clip_grad_value_(made, 0.75)
    assert_close("gradients", flat(made), before.clip(-0.75, 0.75))
    assert (np.abs(before) > 0.75).any()


def test_what_is_not_finite() -> None:
    for value, after in ((np.inf, [0.0, np.nan]), (np.nan, [np.nan, np.nan])):
        w = dg.Parameter([1.0, 1.0])
        w.grad = dg.tensor(np.float32([1.0, value]))
        with pytest.raises(DomainError, match=f"is finite; got {value}. Look"):
            clip_grad_norm_(w, 1.0, error_if_nonfinite=True)
        assert np.array_equal(w.grad.numpy(), np.float32([1.0, value]), equal_nan=True)
        clip_grad_norm_(w, 1.0)
        assert np.array_equal(w.grad.numpy(), np.float32(after), equal_nan=True)


@pytest.mark.parametrize("way", ["norm", "value"])
def test_a_compiled_step_clips_as_an_eager_one(way: str, backend: str) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(7, 3)).astype("f4"), rng.normal(size=(7, 2)).astype("f4") * 100

    def make() -> Any:
        dg.manual_seed(3)
        model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            if way == "value":
                clip_grad_value_(model.parameters(), 0.2)
                norm = dg.zeros(())
            else:
                norm = clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            return norm

        return model, step

    (eager, step), (compiled, other) = make(), make()
    fused = dg.compile(other)
    for k in range(3):
        norms = step(dg.tensor(x), dg.tensor(y)), fused(x, y)
        assert_close(f"norm {k}", norms[1], norms[0])
        assert way == "value" or norms[0].item() > 0.5
    for name, value in eager.state_dict().items():
        assert_close(name, compiled.state_dict()[name], value)


def test_clipped_gradients_that_nobody_clears_are_noticed() -> None:
    w = dg.Parameter([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.01)
    for k in range(4):
        (w * w).sum().backward()
        clip_grad_norm_(w, 1.0)
        if k < 3:
            optimizer.step()
    with pytest.warns(DeepglassWarning, match="zero_grad"):
        optimizer.step()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: clip_grad_norm_([], -1.0), DomainError, r"got max_norm -1.0.*Usual"),
        (lambda: clip_grad_norm_([], float("nan")), DomainError, "got max_norm nan"),
        (lambda: clip_grad_norm_([], 1.0, 0), DomainError, "norm_type more than 0; got"),
        (lambda: clip_grad_norm_([np.ones(2)], 1.0), TypeError, r"got ndarray. Pass model.param"),
        (lambda: clip_grad_value_([], -1.0), DomainError, "is not negative; got -1.0. Pass its"),
        (lambda: clip_grad_value_([None], 1.0), TypeError, "parameters are tensors; got NoneType"),
        (lambda: dg.compile(lambda: clip_grad_norm_([], 1.0, error_if_nonfinite=True))(),
         TraceError, "Return the norm from the step"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
