"""The training loop: epochs of compiled steps, and validation in between."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from time import perf_counter
from typing import Any

import numpy as np

from .. import backends
from ..compile import compile
from ..data.loader import DataLoader
from ..errors import DataError, DomainError, TraceError
from ..graph.tensor import Tensor
from ..nn.module import Module, evaluating
from ..ops.random import Generator, default_generator
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from ..reading import reading
from ..taps import Taps
from .callbacks import Callback
from .feed import Feed
from .metrics import Metric
from .progress import Epoch, Progress
from .run import MOST_STEPS, Run, Seen, joined
from .steps import Loss, Prepare, Steps
from .targets import try_targets

INTERRUPTED = "interrupted"


class Trainer:
    """A model, its loss and its optimizer, compiled into one step.

    The steps do what a loop written by hand does, to the last bit: take a batch, clear the
    gradients, compute the loss, go backward, clip, update. Data in memory are gathered inside
    the step, and many steps are one native call.

    Args:
        model: what is trained.
        loss: compares outputs with targets; the mean over a batch, such as
            `nn.functional.cross_entropy`.
        optimizer: changes the parameters.
        metrics: what else is measured, such as `accuracy`.
        schedule: a schedule of `optim.lr_scheduler` made for the optimizer.
        schedule_every: when the schedule takes a step: after each "epoch" or each "step".
        watch: the measure that a plateau schedule is told after each epoch.
        prepare: ``prepare(input)`` is done to each batch inside the compiled step: turning
            pixels into floats, bringing numbers to mean 0.
        clip_norm: gradients whose norm is larger are scaled down to it; None leaves them.
        accumulate: batches whose gradients one update is made from. The update is that of
            one large batch of all their samples.
        backend: "native" or "reference"; the default backend unless given.
        precision: "float32" or "bf16", as `compile` takes it; measuring follows it too.

    Attributes:
        history: one `Epoch` per epoch trained.
        backend: the name of the backend that runs the steps.
        compile_seconds: spent on making machine code.
        stopped: why training ended before its last epoch; "" otherwise.

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
        loss: Loss,
        optimizer: Optimizer,
        metrics: Iterable[Metric] = (),
        *,
        schedule: LRScheduler | None = None,
        schedule_every: str = "epoch",
        watch: str = "loss",
        prepare: Prepare | None = None,
        clip_norm: float | None = None,
        accumulate: int = 1,
        backend: str | None = None,
        precision: str = "float32",
    ) -> None:
        if accumulate < 1:
            raise DomainError(f"Trainer: accumulate is at least 1 batch; got {accumulate}.")
        if schedule_every not in ("epoch", "step"):
            raise DomainError(
                f"Trainer: schedule_every is 'epoch' or 'step'; got {schedule_every!r}."
            )
        self.model = model
        self.optimizer = optimizer
        self.metrics = tuple(metrics)
        self.schedule = schedule
        self.schedule_every = schedule_every
        self.watch = watch
        self.accumulate = accumulate
        self.steps = Steps(model, loss, optimizer, self.metrics, prepare, clip_norm)
        self.backend = backend or backends.default()
        self.precision = precision
        self.history: list[Epoch] = []
        self.compile_seconds = 0.0
        self.stopped = ""
        self._feeds: dict[tuple[int, bool, Taps | None], Feed] = {}
        self._run: Run | None = None
        self._restored: Mapping[str, Any] | None = None

    # Training -----------------------------------------------------------------------

    def fit(
        self,
        train: DataLoader,
        validation: DataLoader | None = None,
        epochs: int | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> list[Epoch]:
        """Train, and return the history.

        Args:
            train: batches of (input, target) to learn from.
            validation: batches to measure on after each epoch.
            epochs: how often to go through ``train``; unless given, as often as an
                interrupted run that `load_state_dict` brought back still had to, else once.
            callbacks: who watches.

        Raises:
            DataError: what `load_state_dict` brought back does not fit the data or callbacks.
            DomainError: fewer than one epoch; taps of two callbacks, or taps that are never due
                in an epoch; targets that the loss refuses; a loss that is
                infinite or no number (the weights are then those after that call).
            KeyboardInterrupt: Ctrl-C, after the steps under way; callbacks have heard
                `on_stop`, so checkpoints are written.
        """
        if epochs is None:
            with reading("fit: the state of a run"):
                epochs = self._restored["epochs"] - len(self.history) if self._restored else 1
        if epochs < 1:
            raise DomainError(f"fit: epochs is at least 1; got {epochs}.")
        progress = Progress(len(self.history) + epochs, -(-len(train) // self.accumulate))
        run = self._run = Run(train, validation, tuple(callbacks), progress)
        if self._restored:
            with reading("fit: the state of a run"):
                run.load_state_dict(self._restored)
            self._restored = None
        self.stopped = ""
        self._compile(run)
        for watcher in run.callbacks:
            watcher.on_start(self, progress)
        with _stopping_on_interrupt(self):
            while len(self.history) < progress.epochs and not self.stopped:
                self._epoch(run)
        for watcher in run.callbacks:
            watcher.on_stop(self, progress)
        if self.stopped == INTERRUPTED:
            raise KeyboardInterrupt
        return self.history

    def stop(self, why: str) -> None:
        """End training after the steps under way; ``why`` becomes `stopped`."""
        self.stopped = self.stopped or why

    def _epoch(self, run: Run) -> None:
        """Do the steps that are left of an epoch, then validate."""
        progress = run.progress
        progress.epoch = len(self.history) + 1
        self.model.train()
        started = perf_counter()
        feed = self._feed(run.train, True)
        feed.step.calls = progress.step
        for samples, (losses, seen) in feed.run(run.most, self._settings):
            run.note(samples, losses, seen, perf_counter() - started)
            self._check(losses, progress)
            progress.values = {"loss": run.loss, **self._measure([seen])}
            for watcher in run.callbacks:
                if not watcher.every or progress.step % watcher.every == 0:
                    watcher.on_steps(self, progress)
            if self.stopped:
                break
            started = perf_counter()
        if progress.step == progress.steps:
            self._end_epoch(run)

    def _end_epoch(self, run: Run) -> None:
        progress = run.progress
        epoch = Epoch(
            number=progress.epoch,
            train={"loss": run.loss, **self._measure(run.seen)},
            validation=self.evaluate(run.validation) if run.validation is not None else {},
            steps=progress.steps,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=progress.seconds,
            rate=progress.rate,
        )
        self.history.append(epoch)
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(epoch.value(self.watch))
        elif self.schedule is not None and self.schedule_every == "epoch":
            self.schedule.step()
        run.begin_epoch()
        for watcher in run.callbacks:
            watcher.on_epoch(self, progress, epoch)

    def _check(self, losses: np.ndarray, progress: Progress) -> None:
        wrong = np.flatnonzero(~np.isfinite(losses))
        if wrong.size:
            step = progress.step - len(losses) + int(wrong[0]) + 1
            raise DomainError(
                f"fit: the loss stays finite; it is {losses[wrong[0]]} in step {step} of epoch "
                f"{progress.epoch}. Lower the learning rate, and look for values that are not "
                "finite in the data."
            )

    def _settings(self, steps: int) -> list[np.ndarray]:
        """The optimizer's moving settings in each of the next steps; the schedule goes on."""
        rows = np.empty((steps, len(self.steps.moving())))
        if self.schedule is None or self.schedule_every == "epoch":
            rows[:] = self._now()
            return [rows]
        for row in rows:
            row[:] = self._now()
            self.schedule.step()
        return [rows]

    def _now(self) -> np.ndarray:
        """The optimizer's moving settings."""
        return np.array([t.item() for t in self.steps.moving()])

    def _compile(self, run: Run) -> None:
        """Make the programs for all sizes of batches before the clock of the epochs starts."""
        started = perf_counter()
        with evaluating(self.model):
            if (id(run.train), True, run.taps) not in self._feeds:
                try_targets(self.steps, run.train)
            if run.validation is not None:
                self._feed(run.validation, False).compile()
        self.model.train()
        self._feed(run.train, True).compile(self._now())
        self.compile_seconds += perf_counter() - started

    def _feed(self, loader: DataLoader, training: bool) -> Feed:
        """The compiled step for a loader, made when it is first needed."""
        taps = self._run.taps if self._run and training else None
        key = id(loader), training, taps
        if key not in self._feeds:
            compiler = compile(backend=self.backend, precision=self.precision, taps=taps)
            if training:
                step = self.steps.update(loader.batch_size)
                self._feeds[key] = Feed(loader, step, compiler, self.accumulate)
            else:
                self._feeds[key] = Feed(loader, self.steps.forward, compiler)
        return self._feeds[key]

    @property
    def taps(self) -> dict[str, Any]:
        """What the taps of a callback found in the last step that was looked at, by name.

        Raises:
            TraceError: there are none, or no step was looked at yet.
        """
        if self._run is None:
            raise TraceError(
                "taps: they are read while a network trains, or afterwards; fit was not called. "
                "Call it with a callback that has taps, such as train.TapLog."
            )
        return self._feed(self._run.train, True).step.taps

    # Measuring ----------------------------------------------------------------------

    def evaluate(self, loader: DataLoader) -> dict[str, float]:
        """Return loss and metrics over the samples of ``loader``, in evaluation mode."""
        total, count = 0.0, 0
        seen: Seen = []
        with evaluating(self.model):
            results = self._feed(loader, False).run(lambda: MOST_STEPS, lambda steps: [])
            for samples, (losses, some) in results:
                total += float(losses.sum(dtype=np.float64)) * samples
                count += samples * len(losses)
                seen.append(some)
        return {"loss": total / count, **self._measure(seen)}

    def predict(self, x: Any) -> np.ndarray:
        """Return the outputs for inputs ``x`` (batch, ...) in evaluation mode."""
        with evaluating(self.model):
            output: Tensor = self.steps.output(Tensor(x))
        return output.numpy()

    def _measure(self, seen: Seen) -> dict[str, float]:
        """The metrics over what was observed in some calls."""
        rows = joined(seen)
        return {m.name: m.result(*r) for m, r in zip(self.metrics, rows, strict=True)}

    def weights(self) -> dict[str, np.ndarray]:
        """Return a copy of all parameters and buffers by name."""
        return {k: np.array(v) for k, v in self.model.state_dict().items()}

    # Going on later -----------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return everything the rest of the training depends on.

        Numbers, names and arrays in nested dicts and lists: a checkpoint is this, written
        down. The steps that follow are the same to the last bit as without a stop.
        """
        return {
            "model": self.weights(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "random": {name: g.get_state() for name, g in self._generators()},
            "history": [asdict(epoch) for epoch in self.history],
            "run": self._restored if self._run is None else self._run.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another trainer, made the same way, stood when asked for `state_dict`.

        The next `fit`, given the same data, does the steps that were left.

        Raises:
            DataError: the state does not fit this trainer, in which nothing was changed.
        """
        before = self.state_dict()
        try:
            with reading("Trainer: a state from state_dict()"):
                self._take_up(state)
                self._run, self._restored = None, state["run"]
        except DataError:
            self._take_up(before)
            raise

    def _take_up(self, state: Mapping[str, Any]) -> None:
        generators = dict(self._generators())
        same = (state["schedule"] is None) == (self.schedule is None)
        if not same or set(state["random"]) != set(generators):
            raise DataError(
                "Trainer: a state of a trainer made the same way; this one has "
                f"{'no' if self.schedule is None else 'a'} schedule and the generators "
                f"{', '.join(generators)}; the state has {', '.join(state['random'])}."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        for name, generator in generators.items():
            generator.set_state(state["random"][name])
        self.history = [Epoch(**epoch) for epoch in state["history"]]

    def _generators(self) -> Iterator[tuple[str, Generator]]:
        """The default source of random numbers, and those that layers have of their own."""
        yield "default", default_generator
        for path, module in self.model.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Generator) and value is not default_generator:
                    yield f"{path}.{name}", value


@contextmanager
def _stopping_on_interrupt(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C stop the trainer between two calls; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: Any) -> None:
        if trainer.stopped == INTERRUPTED:
            raise KeyboardInterrupt
        trainer.stop(INTERRUPTED)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
