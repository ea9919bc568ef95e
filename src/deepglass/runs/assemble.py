"""From a configuration and its data to a trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..config import AUGMENTATIONS, LOSSES, METRICS, SCHEDULES, Config, Images
from ..data import DataLoader, Dataset, SeriesEncoder, TableEncoder, TransformDataset, transforms
from ..models import DESIGNS
from ..nn import Module
from ..ops.random import manual_seed
from ..train import Metric, Trainer
from .groups import freeze, optimizer_for
from .material import Material

EVALUATED = 512  # samples per step where nothing is learned
AHEAD = 2  # batches of changed images that are made in advance


class Assembled:
    """A trainer and the batches of a run.

    The seed decides the first weights, then the order of the samples and dropout.

    Args:
        config: complete.
        material: the data it is about.

    Attributes:
        trainer: ready to fit.
        learned: the batches to learn from.
        loaders: the batches to measure on, by the name of the part.
    """

    def __init__(self, config: Config, material: Material) -> None:
        train = config.train
        manual_seed(train.seed)
        model: Module = DESIGNS[config.model.name].make(material.sizes, **config.model.options)
        freeze(model, train.freeze)
        optimizer = optimizer_for(model, config)
        self.loaders = {
            name: DataLoader(
                part,
                train.batch_size if name == "train" else min(EVALUATED, len(part)),
                shuffle=name == "train",
                num_workers=train.workers,
            )
            for name, part in material.parts.items()
        }
        self.learned = self.loaders["train"]
        if isinstance(config.data, Images) and config.data.augment:
            changed = _changed(material, config.data)
            self.learned = DataLoader(
                changed, train.batch_size, True, train.workers, prefetch_factor=AHEAD
            )
        per_epoch = -(-len(self.learned) // train.accumulate)
        make_schedule = SCHEDULES[config.schedule.name].make
        schedule = make_schedule(
            optimizer, per_epoch * train.epochs, per_epoch, **config.schedule.options
        )
        self.trainer = Trainer(
            model,
            _loss(config, material),
            optimizer,
            metrics(config, material),
            schedule=schedule,
            schedule_every="epoch" if config.schedule.name == "plateau" else "step",
            watch=train.watch,
            prepare=material.scale,
            clip_norm=train.clip_norm or None,
            accumulate=train.accumulate,
            backend=train.backend,
            precision=train.precision,
        )


def _changed(material: Material, data: Images) -> Dataset:
    """The training images as the network sees them: changed at random in every epoch."""
    size = material.sizes.inputs[1:]
    changes = [AUGMENTATIONS[c.name].make(size, **c.options) for c in data.augment]
    return TransformDataset(material.parts["train"], transforms.Compose(changes))


def _loss(config: Config, material: Material) -> Callable[..., Any]:
    options = dict(config.loss.options)
    if options.pop("balanced", False):
        counts = material.class_counts()
        # rare classes weigh more, and the mean weight of a sample is 1
        options["weight"] = (counts.sum() / (len(counts) * np.maximum(counts, 1))).tolist()
    return LOSSES[config.loss.name].make(**options)  # type: ignore[no-any-return]  # a module


def metrics(config: Config, material: Material) -> list[Metric]:
    """Return the measures of a configuration, numbers in the units of the data."""
    found = [METRICS[name][0] for name in config.train.metrics]
    if material.task == "regression" and isinstance(material.encoder, TableEncoder):
        target: Any = material.encoder.target
        return [_in_units(metric, target.inverse) for metric in found]
    if isinstance(material.encoder, SeriesEncoder):
        return [_in_units(metric, material.encoder.inverse) for metric in found]
    return found


def _in_units(metric: Metric, inverse: Callable[[np.ndarray], np.ndarray]) -> Metric:
    """The measure of values in their own units, not of the standardised ones."""
    return replace(
        metric, result=lambda output, target: metric.result(inverse(output), inverse(target))
    )
