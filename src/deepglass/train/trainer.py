"""The training loop: epochs of compiled steps, and tests in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from .. import backends
from ..compile import compile
from ..data.loader import DataLoader
from ..errors import DomainError
from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..nn.module import Module
from ..optim import Optimizer
from .schedules import constant

Measure = Callable[[Any, Any], Tensor]


@dataclass
class Progress:
    """Where a training run stands.

    Attributes:
        epochs: how many there will be.
        steps: per epoch.
        epoch: the current one, from 1.
        step: the last one done in this epoch, from 1.
        samples: seen in this epoch.
        seconds: spent on training steps in this epoch.
        values: means over this epoch so far: "loss" and one per metric.
    """

    epochs: int
    steps: int
    epoch: int = 0
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    values: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Samples per second in this epoch."""
        return self.samples / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        train: means over its steps, each taken before its update, with dropout if any.
        test: the same on the test data after the last step, in evaluation mode; empty
            without test data.
        seconds: spent on training steps.
        rate: samples per second.
    """

    number: int
    train: dict[str, float]
    test: dict[str, float]
    seconds: float
    rate: float


class Callback:
    """Watches a training run; a subclass overrides what it wants to hear of."""

    def on_start(self, progress: Progress) -> None:
        """The steps are compiled and training begins."""

    def on_step(self, progress: Progress) -> None:
        """A step is done."""

    def on_epoch(self, progress: Progress, epoch: Epoch) -> None:
        """An epoch is done, its test included."""


class Trainer:
    """A model, its loss and its optimizer, compiled into one step.

    Args:
        model: what is trained.
        loss: compares outputs with targets; the mean over a batch, such as
            `nn.functional.cross_entropy`.
        optimizer: changes the parameters.
        metrics: further means to watch, by name, such as {"accuracy": accuracy}.
        schedule: the share of the learning rate as a function of the share of training
            done, asked before each epoch.
        backend: "native" or "reference"; the default backend unless given.

    Attributes:
        history: one `Epoch` per epoch trained.
        backend: the name of the backend that runs the steps.
        compile_seconds: spent on making machine code.

    >>> from ..data import TensorDataset
    >>> from ..nn import Linear, MSELoss
    >>> from ..optim import SGD
    >>> x = np.float32([[0], [1], [2]])
    >>> model = Linear(1, 1)
    >>> trainer = Trainer(model, MSELoss(), SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit(DataLoader(TensorDataset(x, 2 * x + 1), batch_size=3), epochs=200)
    >>> abs(model.weight.item() - 2) < 0.01
    True
    """

    def __init__(
        self,
        model: Module,
        loss: Measure,
        optimizer: Optimizer,
        metrics: Mapping[str, Measure] | None = None,
        schedule: Callable[[float], float] = constant,
        backend: str | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.backend = backend or backends.default()
        self.history: list[Epoch] = []
        self.compile_seconds = 0.0
        measures = dict(metrics or {})
        self._names = ("loss", *measures)

        def step(x: Tensor, target: Tensor) -> tuple[Tensor, ...]:
            output = model(x)
            value = loss(output, target)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            return (value, *[measure(output, target) for measure in measures.values()])

        def test(x: Tensor, target: Tensor) -> tuple[Tensor, ...]:
            output = model(x)
            return (loss(output, target), *[m(output, target) for m in measures.values()])

        self._step = compile(step, backend=self.backend)
        self._test = compile(test, backend=self.backend)

    def fit(
        self,
        train: DataLoader,
        test: DataLoader | None = None,
        epochs: int = 1,
        callbacks: Iterable[Callback] = (),
    ) -> list[Epoch]:
        """Train, and return the history.

        Args:
            train: batches of (input, target) to learn from.
            test: batches to measure on after each epoch.
            epochs: how often to go through ``train``.
            callbacks: who watches.

        Raises:
            DomainError: fewer than one epoch, or a loss that is infinite or no number; the
                weights are then those after that step.
        """
        if epochs < 1:
            raise DomainError(f"fit: epochs is at least 1; got {epochs}.")
        watchers = list(callbacks)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self._compile(train, test)
        progress = Progress(epochs, len(train))
        for watcher in watchers:
            watcher.on_start(progress)
        try:
            for done in range(epochs):
                for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * self.schedule(done / epochs)
                self._epoch(train, progress, done + 1, watchers)
                tested = self.evaluate(test) if test is not None else {}
                epoch = Epoch(
                    len(self.history) + 1,
                    dict(progress.values),
                    tested,
                    progress.seconds,
                    progress.rate,
                )
                self.history.append(epoch)
                for watcher in watchers:
                    watcher.on_epoch(progress, epoch)
        finally:
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
        return self.history

    def evaluate(self, loader: DataLoader) -> dict[str, float]:
        """Return loss and metrics in evaluation mode: means over the samples of ``loader``."""
        totals, samples = np.zeros(len(self._names)), 0
        with _evaluating(self.model):
            for x, target in loader:
                totals += len(x) * np.array([float(v) for v in self._test(x, target)])
                samples += len(x)
        return dict(zip(self._names, (totals / samples).tolist(), strict=True))

    def predict(self, x: Any) -> np.ndarray:
        """Return the outputs for inputs ``x`` (batch, ...) in evaluation mode."""
        with _evaluating(self.model):
            output: Tensor = self.model(Tensor(x))
        return output.numpy()

    def _compile(self, train: DataLoader, test: DataLoader | None) -> None:
        """Make the programs for all sizes of batches before the clock of the epochs starts."""
        started = perf_counter()
        self.model.train()
        for batch in _kinds(train):
            self._step.program(*batch)
        if test is not None:
            with _evaluating(self.model):
                for batch in _kinds(test):
                    self._test.program(*batch)
        self.compile_seconds += perf_counter() - started

    def _epoch(
        self, train: DataLoader, progress: Progress, number: int, watchers: list[Callback]
    ) -> None:
        progress.epoch, progress.step, progress.samples, progress.seconds = number, 0, 0, 0.0
        totals = np.zeros(len(self._names))
        self.model.train()
        for x, target in train:
            started = perf_counter()
            values = [float(v) for v in self._step(x, target)]
            progress.seconds += perf_counter() - started
            progress.step += 1
            progress.samples += len(x)
            if not np.isfinite(values[0]):
                raise DomainError(
                    f"fit: the loss stays finite; it is {values[0]} in step {progress.step} of "
                    f"epoch {number}. Lower the learning rate, and look for values that are not "
                    "finite in the data."
                )
            totals += len(x) * np.array(values)
            means = (totals / progress.samples).tolist()
            progress.values = dict(zip(self._names, means, strict=True))
            for watcher in watchers:
                watcher.on_step(progress)


def _kinds(loader: DataLoader) -> Iterator[tuple[Tensor, ...]]:
    """Yield one batch of each size that ``loader`` gives, without moving it on."""
    sizes = {min(loader.batch_size, loader.samples), loader.samples % loader.batch_size} - {0}
    for size in sorted(sizes):
        yield loader.example(size)


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode, and nothing recorded for `backward`, until the block ends."""
    before = model.training
    model.eval()
    try:
        with set_grad_enabled(False):
            yield
    finally:
        model.train(before)
