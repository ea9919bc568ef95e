"""What a configuration may name: losses, optimizers, schedules, metrics, changes of images.

Networks stand in `models.DESIGNS`, data in `data.CATALOG`. Nothing is ever imported by a name
from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..data import transforms
from ..nn import CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, SmoothL1Loss
from ..optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop
from ..optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from ..train.metrics import Metric, accuracy, auc, f1, mae, precision, r2, recall, rmse, top_k

CLASSES, VALUES = ("classification", "text"), ("regression", "forecast")


@dataclass(frozen=True)
class Listed:
    """Something with a name.

    Attributes:
        about: one line.
        make: what makes it; its parameters after the first are options.
        tasks: that it is for.
    """

    about: str
    make: Callable[..., Any]
    tasks: tuple[str, ...] = (*CLASSES, *VALUES)


# Losses: the first parameter is how much each class counts, or None.


def _cross_entropy(
    weight: list[float] | None = None, label_smoothing: float = 0.0, balanced: bool = False
) -> CrossEntropyLoss:
    return CrossEntropyLoss(weight, label_smoothing=label_smoothing)


def _huber(weight: None = None, delta: float = 1.0) -> HuberLoss:
    return HuberLoss(delta=delta)


def _smooth_l1(weight: None = None, beta: float = 1.0) -> SmoothL1Loss:
    return SmoothL1Loss(beta=beta)


LOSSES = {
    "cross_entropy": Listed(
        "nats between answer and class; balanced: rare classes count as much as frequent ones",
        _cross_entropy,
        CLASSES,
    ),
    "mse": Listed("the squared error", lambda weight=None: MSELoss(), VALUES),
    "l1": Listed("the absolute error", lambda weight=None: L1Loss(), VALUES),
    "huber": Listed("squared for small errors, absolute for large ones", _huber, VALUES),
    "smooth_l1": Listed("the same, scaled", _smooth_l1, VALUES),
}

OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
}


# Schedules: made for an optimizer, a number of steps in all and a number of steps per epoch.
# They take a step after each training step; a plateau after each epoch.


def _constant(optimizer: Optimizer, steps: int, per_epoch: int) -> None:
    return None


def _cosine(
    optimizer: Optimizer, steps: int, per_epoch: int, warmup: float = 0.0, eta_min: float = 0.0
) -> LRScheduler:
    rising = round(warmup * per_epoch)
    falling = CosineAnnealingLR(optimizer, max(1, steps - rising), eta_min)
    if not rising:
        return falling
    start = LinearLR(optimizer, 1 / (rising + 1), total_iters=rising)
    return SequentialLR(optimizer, [start, falling], [rising])


def _one_cycle(
    optimizer: Optimizer, steps: int, per_epoch: int, pct_start: float = 0.3
) -> LRScheduler:
    tops = [group["lr"] for group in optimizer.param_groups]
    moving = bool({"momentum", "betas"} & set(optimizer.defaults))
    return OneCycleLR(optimizer, tops, steps, pct_start=pct_start, cycle_momentum=moving)


def _step(
    optimizer: Optimizer, steps: int, per_epoch: int, epochs: int = 10, gamma: float = 0.1
) -> LRScheduler:
    return StepLR(optimizer, epochs * per_epoch, gamma)


def _exponential(
    optimizer: Optimizer, steps: int, per_epoch: int, gamma: float = 0.95
) -> LRScheduler:
    return ExponentialLR(optimizer, gamma ** (1 / per_epoch))


def _plateau(
    optimizer: Optimizer, steps: int, per_epoch: int, factor: float = 0.1, patience: int = 10
) -> LRScheduler:
    return ReduceLROnPlateau(optimizer, factor=factor, patience=patience)


SCHEDULES = {
    "constant": Listed("the same rate all the time", _constant),
    "cosine": Listed("down to eta_min along half a cosine, after warmup epochs", _cosine),
    "one_cycle": Listed("up to the rate, then far down", _one_cycle),
    "step": Listed("times gamma after every so many epochs", _step),
    "exponential": Listed("times gamma after every epoch", _exponential),
    "plateau": Listed("times factor when the loss no longer falls", _plateau),
}

METRICS: Mapping[str, tuple[Metric, tuple[str, ...]]] = {
    "accuracy": (accuracy, CLASSES),
    "top_5": (top_k(5), CLASSES),
    "precision": (precision(), CLASSES),
    "recall": (recall(), CLASSES),
    "f1": (f1(), CLASSES),
    "auc": (auc, CLASSES),
    "r2": (r2, VALUES),
    "mae": (mae, VALUES),
    "rmse": (rmse, VALUES),
}


# Random changes of training images: made for their height and width.


def _crop(size: tuple[int, int], padding: int = 4) -> transforms.Transform:
    return transforms.RandomCrop(size, padding)


def _flip(size: tuple[int, int], p: float = 0.5) -> transforms.Transform:
    return transforms.RandomHorizontalFlip(p)


def _resized_crop(
    size: tuple[int, int],
    scale: tuple[float, float] = (0.35, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> transforms.Transform:
    return transforms.RandomResizedCrop(size, scale, ratio)


def _rotation(size: tuple[int, int], degrees: float = 10.0) -> transforms.Transform:
    return transforms.RandomRotation(degrees, "bilinear")


def _erasing(
    size: tuple[int, int],
    p: float = 0.5,
    scale: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
) -> transforms.Transform:
    return transforms.RandomErasing(p, scale, ratio)


def _color_jitter(
    size: tuple[int, int], brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2
) -> transforms.Transform:
    return transforms.ColorJitter(brightness, contrast, saturation)


AUGMENTATIONS = {
    "crop": Listed("shifted by up to padding pixels", _crop),
    "horizontal_flip": Listed("mirrored left to right", _flip),
    "resized_crop": Listed("a part of it, scaled up", _resized_crop),
    "rotation": Listed("turned by up to so many degrees", _rotation),
    "erasing": Listed("a box set to black", _erasing),
    "color_jitter": Listed(
        "brighter or darker, with more or less contrast, or paler", _color_jitter
    ),
}
