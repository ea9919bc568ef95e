"""Losses by hand, their reductions, and the guards that always stand."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import hinge_loss

import deepglass as dg
from deepglass import nn
from deepglass.errors import DeepglassWarning, DomainError, DTypeError, ShapeError
from deepglass.nn import functional as F
from deepglass.testing import assert_close, check_gradient, check_module

RNG = np.random.default_rng(0)
SCORES = RNG.uniform(-2, 2, (5, 3))
LABELS = np.array([0, 2, 1, 0, 2])
CHANCES = RNG.uniform(0.05, 0.95, (5, 3))
SIGNS = np.where(SCORES > 0.3, 1.0, -1.0)

LOSSES: dict[str, tuple[nn.Module, np.ndarray, np.ndarray]] = {
    "MSELoss": (nn.MSELoss(), SCORES, CHANCES),
    "L1Loss": (nn.L1Loss(reduction="sum"), SCORES, CHANCES),
    "SmoothL1Loss": (nn.SmoothL1Loss(beta=0.7), SCORES, CHANCES),
    "HuberLoss": (nn.HuberLoss(reduction="none", delta=0.7), SCORES, CHANCES),
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), SCORES, LABELS),
    "CrossEntropyLoss with all": (
        nn.CrossEntropyLoss([1.0, 2.0, 0.5], label_smoothing=0.1, ignore_index=1), SCORES, LABELS,
    ),
    "CrossEntropyLoss of probabilities": (nn.CrossEntropyLoss(), SCORES, CHANCES),
    "NLLLoss": (nn.NLLLoss([1.0, 2.0, 0.5], reduction="none"), SCORES, LABELS),
    "KLDivLoss": (nn.KLDivLoss(reduction="batchmean"), SCORES, CHANCES),
    "BCELoss": (nn.BCELoss(), CHANCES, SIGNS * 0.5 + 0.5),
    "BCEWithLogitsLoss": (
        nn.BCEWithLogitsLoss(pos_weight=[1.0, 2.0, 0.5]), SCORES, SIGNS * 0.5 + 0.5,
    ),
    "HingeLoss": (nn.HingeLoss(0.7), SCORES, SIGNS),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss(0.7), CHANCES, SIGNS.astype(int)),
    "MultiMarginLoss": (nn.MultiMarginLoss(2, 0.7, [1.0, 2.0, 0.5]), SCORES, LABELS),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, backend: str) -> None:
    loss, x, target = LOSSES[name]
    check_module(loss, x, target, backend=backend)


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision_stays(name: str) -> None:
    loss, x, target = LOSSES[name]
    assert loss(dg.tensor(x.astype("float32")), dg.tensor(target)).dtype is dg.float32


# Values by hand -------------------------------------------------------------------------


def test_regression_by_hand() -> None:
    x, y = dg.tensor([1.0, 5.0, 2.5]), dg.tensor([1.0, 2.0, 2.0])
    each: dict[str, Any] = {
        "mse_loss": (F.mse_loss, {}, [0, 9, 0.25]),
        "l1_loss": (F.l1_loss, {}, [0, 3, 0.5]),
        "smooth_l1_loss": (F.smooth_l1_loss, {"beta": 2.0}, [0, 2, 0.0625]),
        "huber_loss": (F.huber_loss, {"delta": 2.0}, [0, 4, 0.125]),
    }
    for loss, settings, expected in each.values():
        losses = loss(x, y, reduction="none", **settings)
        assert losses.tolist() == expected
        assert loss(x, y, reduction="sum", **settings).item() == sum(expected)
        assert_close("cost", loss(x, y, **settings), np.float32(sum(expected) / 3))


def test_cross_entropy_by_hand() -> None:
    logits = dg.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    target = dg.tensor([1, 0])
    assert_close("cost", F.cross_entropy(logits, target), np.float32(math.log(8 / 3) / 2))
    each = F.cross_entropy(logits, target, reduction="none")
    assert_close("losses", each, np.float32([math.log(4 / 3), math.log(2)]))
    weighted = F.cross_entropy(logits, target, dg.tensor([3.0, 1.0]))
    assert_close("weights", weighted, np.float32((math.log(4 / 3) + 3 * math.log(2)) / 4))
    smooth = F.cross_entropy(logits, target, label_smoothing=0.5, reduction="none")
    first = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert_close("smoothed", smooth, np.float32([first, math.log(2)]))
    skipped = F.cross_entropy(logits, dg.tensor([-1, 0]), ignore_index=-1)
    assert_close("ignored", skipped, np.float32(math.log(2)))
    assert math.isnan(F.cross_entropy(logits, dg.tensor([-1, -1]), ignore_index=-1).item())


@pytest.mark.parametrize("size", [1e3, 1e4])
def test_losses_do_not_overflow(size: float, backend: str) -> None:
    logits, yes = np.float32([[size, 0.0, -size]]), np.float32([[0.0, 1.0, 1.0]])
    cross = dg.compile(lambda x, t: F.cross_entropy(x, t))
    assert cross(logits, np.array([0])).item() == 0.0
    assert cross(logits, np.array([2])).item() == 2 * size
    binary = dg.compile(lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"))
    assert_close("binary", binary(logits, yes), np.float32([[size, math.log(2), size]]))
    assert binary(-logits, np.float32([[0, 0, 1]])).numpy()[0, [0, 2]].tolist() == [0.0, 0.0]
    assert F.log_softmax(logits).tolist() == [[0.0, -size, -2 * size]]
    assert F.softmax(dg.tensor([-size, -size])).tolist() == [0.5, 0.5]


def test_a_small_loss_keeps_its_digits() -> None:
    """softplus(20) - 20 would be 0 in single precision."""
    for logit, answer in ((20.0, 1.0), (-20.0, 0.0)):
        loss = F.binary_cross_entropy_with_logits(dg.tensor(logit), dg.tensor(answer))
        assert_close("loss", loss, np.float32(math.log1p(math.exp(-20))))


def test_classes_that_are_ruled_out_count_as_nothing(backend: str) -> None:
    """A logit of minus infinity, which 0 times its logarithm would turn into NaN."""
    x = dg.tensor([[0.0, -math.inf, 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, dg.tensor([0]))
    loss.backward()
    assert_close("loss", loss, np.float32(math.log(2)))
    assert x.grad is not None
    assert x.grad.tolist() == [[-0.5, 0.0, 0.5]]
    compiled = dg.compile(lambda x, t: F.cross_entropy(x, t))
    assert_close("compiled", compiled(x, np.array([0])), loss)


def test_ignored_samples_have_no_gradient() -> None:
    x = dg.tensor(SCORES, requires_grad=True)
    labels = dg.tensor([0, -100, 1, -100, 2])
    F.cross_entropy(x, labels, ignore_index=-100, label_smoothing=0.3).backward()
    assert x.grad is not None
    assert not x.grad.numpy()[[1, 3]].any()
    assert x.grad.numpy()[[0, 2, 4]].all()


def test_binary_losses_by_hand() -> None:
    p, t = dg.tensor([0.25, 0.25]), dg.tensor([1.0, 0.0])
    expected = np.float32([math.log(4), math.log(4 / 3)])
    assert_close("bce", F.binary_cross_entropy(p, t, reduction="none"), expected)
    logits = dg.tensor([-math.log(3.0)] * 2)
    found = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    assert_close("with logits", found, expected)
    weighted = F.binary_cross_entropy_with_logits(
        logits, t, dg.tensor([1.0, 10.0]), pos_weight=2.0, reduction="none"
    )
    assert_close("weights", weighted, expected * np.float32([2, 10]))
    assert F.binary_cross_entropy(dg.tensor([0.0]), dg.tensor([1.0])).item() == 100.0


def test_hinge_loss_is_scikit_learns() -> None:
    x, t = SCORES[:, 0], SIGNS[:, 0]
    assert_close("cost", F.hinge_loss(x, t), np.float64(hinge_loss(t, x)))
    assert F.hinge_loss(dg.tensor([1.0]), dg.tensor([1])).item() == 0.0


def test_divergence_of_a_distribution_from_itself_is_nothing() -> None:
    p = dg.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]], dtype="float64")
    model = dg.tensor([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]], dtype="float64")
    assert F.kl_div(model.log(), p, reduction="batchmean").item() == pytest.approx(
        0.5 * math.log(2) / 2
    )
    assert F.kl_div(model.log(), model, reduction="sum").item() == 0.0


def test_gradients_of_second_order() -> None:
    """Of the losses as functions; the records have their own tests."""
    calls: list[tuple[Any, Any, Any]] = [
        (F.mse_loss, SCORES, CHANCES),
        (lambda x, t: F.huber_loss(x, t, delta=0.5), SCORES, CHANCES),
        (lambda x: F.nll_loss(F.log_softmax(x, 1), LABELS, [1.0, 2.0, 3.0]), SCORES, None),
        (lambda x, t: F.cross_entropy(x, t, label_smoothing=0.2), SCORES, CHANCES),
        (lambda x: F.binary_cross_entropy_with_logits(x, CHANCES, pos_weight=3.0), SCORES, None),
        (lambda x, t: F.kl_div(x, t, log_target=True), SCORES, CHANCES),
    ]
    for function, x, t in calls:
        check_gradient(function, *([x] if t is None else [x, t]), second_order=True)


# Guards ---------------------------------------------------------------------------------

SAME_SHAPE = [
    F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div, F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits, F.hinge_loss, F.hinge_embedding_loss,
]  # fmt: skip


@pytest.mark.parametrize("loss", SAME_SHAPE, ids=lambda f: f.__name__)
def test_a_column_against_a_row_is_an_error(loss: Any) -> None:
    x, y = dg.zeros(5, 1), dg.zeros(5)
    name = loss.__name__
    with pytest.raises(ShapeError, match=rf"{name}: .*\(5, 1\) and \(5,\).*target.reshape\(5, 1\)"):
        loss(x, y)
    with pytest.raises(ShapeError, match=rf"{name}: .*\(5,\) and \(5, 1\).*target.reshape\(5,\)"):
        loss(y, x)
    with pytest.raises(ShapeError, match="Check what the network returns"):
        loss(dg.zeros(5, 2), x)
    with pytest.raises(ShapeError, match=r"target.reshape\(5, 1\)"):
        dg.compile(lambda x, y: loss(x, y))(x, y)
    with pytest.raises(DTypeError, match=rf"{name}: .*int64\[5\]. Write x.float\(\)"):
        loss(dg.arange(5), y)
    with pytest.raises(DomainError, match=f"{name}: reduction is one of mean, sum, none.*'avg'"):
        loss(x, x, reduction="avg")


def test_softmax_before_cross_entropy_warns(backend: str) -> None:
    x, y = dg.tensor(SCORES, requires_grad=True), dg.tensor(LABELS)
    message = "cross_entropy: softmax is applied in here"
    with pytest.warns(DeepglassWarning, match=message) as caught:
        F.cross_entropy(F.softmax(x, 1), y)
    assert caught[0].filename == __file__
    with pytest.warns(DeepglassWarning, match=message):
        F.cross_entropy(F.softmax(x.reshape(5, 3, 1), 1).reshape(5, 3).float(), y)
    with pytest.warns(DeepglassWarning, match=message):
        F.cross_entropy(F.softmax(x, 1)[1:], y[1:])
    network = nn.Sequential(nn.Linear(3, 3), nn.Softmax(1))
    step = dg.compile(lambda x, y: nn.CrossEntropyLoss()(network(x), y))
    with pytest.warns(DeepglassWarning, match=message) as caught:
        step(x.float(), y)
    assert caught[0].filename == __file__
    with pytest.warns(DeepglassWarning, match="nll_loss: it takes log-probabilities"):
        F.nll_loss(F.softmax(x, 1), y)
    with pytest.warns(DeepglassWarning, match="kl_div: its input is log-probabilities"):
        F.kl_div(F.softmax(x, 1), CHANCES)


def test_sigmoid_before_the_loss_of_logits_warns(backend: str) -> None:
    x, y = dg.tensor(SCORES, requires_grad=True), dg.tensor(CHANCES)
    message = "binary_cross_entropy_with_logits: sigmoid is applied in here"
    with pytest.warns(DeepglassWarning, match=message) as caught:
        F.binary_cross_entropy_with_logits(x.sigmoid().reshape(15), y.reshape(15))
    assert caught[0].filename == __file__
    step = dg.compile(lambda x, y: F.binary_cross_entropy_with_logits(nn.Sigmoid()(x), y))
    with pytest.warns(DeepglassWarning, match=message):
        step(x, y)


def test_what_is_right_does_not_warn() -> None:
    x, y = dg.tensor(SCORES, requires_grad=True), dg.tensor(LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.cross_entropy(x, y)
        F.cross_entropy(F.softmax(x, 1) @ np.ones((3, 3)), y)
        F.nll_loss(F.log_softmax(x, 1), y)
        F.binary_cross_entropy(x.sigmoid(), CHANCES)


def test_labels_out_of_range(backend: str) -> None:
    step = dg.compile(lambda x, y: F.cross_entropy(x, y))
    for call in (F.cross_entropy, F.nll_loss, F.multi_margin_loss, step):
        name = "cross_entropy" if call is step else call.__name__
        with pytest.raises(DomainError, match=f"{name}: labels lie between 0 and 2.*got 3 to 3"):
            call(dg.tensor(SCORES), dg.tensor([0, 1, 2, 3, 0]))
    with pytest.raises(DomainError, match="got -1 to -1"):
        F.cross_entropy(SCORES, np.array([0, 1, -1, 0, 0], np.int32))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.cross_entropy(SCORES, LABELS[:, None]),
            ShapeError,
            r"\(5, 3\) and \(5, 1\). Write target.reshape\(-1\)",
        ),
        (
            lambda: F.cross_entropy(SCORES, np.eye(3, dtype=int)[LABELS]),
            ShapeError,
            r"target.argmax\(1\) for one-hot rows",
        ),
        (
            lambda: F.cross_entropy(SCORES, LABELS.astype(float)),
            ShapeError,
            "probabilities have the shape of the logits.*Labels are whole numbers",
        ),
        (lambda: F.cross_entropy(SCORES, LABELS > 0), DTypeError, "labels are whole numbers"),
        (lambda: F.cross_entropy(np.float32(1), LABELS), ShapeError, "an axis of classes"),
        (
            lambda: F.cross_entropy(SCORES, LABELS, [1.0, 2.0]),
            ShapeError,
            r"one number per class, \(3,\) here; got \(2,\)",
        ),
        (
            lambda: F.cross_entropy(SCORES, LABELS, label_smoothing=1.5),
            DomainError,
            "between 0 and 1; got 1.5",
        ),
        (lambda: F.cross_entropy(LABELS, LABELS), DTypeError, "cross_entropy: the input holds"),
        (lambda: F.nll_loss(SCORES, CHANCES), ShapeError, "labels"),
        (lambda: F.binary_cross_entropy(SCORES, CHANCES), DomainError, "_with_logits, or apply"),
        (lambda: F.huber_loss(SCORES, CHANCES, delta=0.0), DomainError, "delta is positive; got 0"),
        (lambda: F.smooth_l1_loss(SCORES, CHANCES, beta=-1.0), DomainError, "beta is not negative"),
        (lambda: F.multi_margin_loss(SCORES, LABELS, p=3), DomainError, "p is 1 or 2.*got p=3"),
        (lambda: nn.MSELoss(reduction="avg"), DomainError, "MSELoss: reduction is one of mean"),
    ],
)
def test_misuse_says_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
