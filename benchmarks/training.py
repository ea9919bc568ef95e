"""Whole trainings beside PyTorch: the same weights, batches and rates, in turn, in one process.

    python benchmarks/training.py mnist [--seeds 3] [--epochs 5]        # LeNet-5
    python benchmarks/training.py cifar [--seeds 5] [--epochs 12]       # ResNet-20
    python benchmarks/training.py shakespeare [--minutes 10]            # GPT

Needs torch, and deepglass[cli]. The data come from the folder DEEPGLASS_DATA; the 4,000 images are
the first of data_batch_1.bin. deepglass trains as `deepglass train` does; PyTorch runs eagerly on
tensors in memory, in the faster of its two orders of memory. After some steps of one side come
the same steps of the other, then both are measured on the validation part. Seconds are those of
steps and validation, on both sides; of shakespeare those of steps alone. There PyTorch's steps
fill so many minutes, and deepglass ends when its loss is PyTorch's last one or less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from math import ceil, cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import on_threads
from networks import zoo
from rich.progress import Progress as Bar
from steps import lenet

from deepglass.config import validated
from deepglass.data import DataLoader, ImageEncoder, Subset
from deepglass.data.sources.cifar import CLASSES10, read_cifar
from deepglass.models import Sizes
from deepglass.optim.lr_scheduler import LambdaLR
from deepglass.runs import plan
from deepglass.runs.assemble import Assembled
from deepglass.runs.choose import WARMUP
from deepglass.runs.material import Material
from deepglass.runs.scale import Scale
from deepglass.train import Callback, Progress, Trainer

Network = Callable[[], torch.nn.Module]

LAYOUTS = torch.contiguous_format, torch.channels_last
PHOTOGRAPHS, LEARNED = 4000, 3200
LEAST = 0.1  # of GPT's rate, at the end
TURNS, CHASE = 40, 1.25  # of each side, and the share of PyTorch's steps that deepglass may take


@dataclass
class Measured:
    """One side so far: seconds of steps and of validation, and what it reached."""

    steps: float = 0.0
    validation: float = 0.0
    loss: float = 0.0
    accuracy: float = 0.0

    @property
    def seconds(self) -> float:
        return self.steps + self.validation


class Theirs:
    """The same training in PyTorch.

    Args:
        twin: made like the training of ours; weights, batches and rates are its.
        network: with the same weights in the same order.
        layout: the order of memory of images and kernels.
    """

    def __init__(self, twin: Assembled, network: torch.nn.Module, layout: Any) -> None:
        trainer = twin.trainer
        names, weights = network.state_dict(), trainer.weights().values()
        network.load_state_dict(dict(zip(names, map(torch.tensor, weights), strict=True)))
        self.twin, self.layout = twin, layout
        self.network = network.to(memory_format=layout)
        same = dict(zip(trainer.model.parameters(), network.parameters(), strict=True))
        groups = [
            {**group, "params": [same[p] for p in group["params"]]}
            for group in trainer.optimizer.param_groups
        ]
        self.optimizer = getattr(torch.optim, type(trainer.optimizer).__name__)(groups)
        whole = (twin.loaders[part].dataset for part in ("train", "validation"))
        self.train_data, self.validation_data = (
            tuple(map(torch.tensor, part.batch(np.arange(len(part))))) for part in whole
        )
        self.batches = self._batches()
        self.measured = Measured()

    def _batches(self) -> Iterator[torch.Tensor]:
        loader = self.twin.learned
        for epoch in count():
            yield from torch.from_numpy(loader.order(epoch)).split(loader.batch_size)

    def _rates(self) -> list[dict[str, Any]]:
        """What a schedule moves, for the next step."""
        trainer = self.twin.trainer
        groups = [
            {name: group[name] for name in ("lr", "momentum", "betas") if name in group}
            for group in trainer.optimizer.param_groups
        ]
        trainer.schedule.step()
        return groups

    def answers(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, a row for every class that is asked for."""
        scale = self.twin.trainer.steps.prepare
        if scale is not None:
            mean, std = (torch.tensor(v)[:, None, None] for v in (scale.mean, scale.std))
            x = (x.float() * (1 / (std * scale.divisor)) - mean / std).to(memory_format=self.layout)
        return self.network(x).flatten(0, -2)

    def train(self, steps: int) -> None:
        """Do the next steps."""
        clip = self.twin.trainer.steps.clip_norm
        rates = [self._rates() for _ in range(steps)]
        x, y = self.train_data
        self.network.train()
        start = time.perf_counter()
        for numbers, groups in zip(islice(self.batches, steps), rates, strict=True):
            for group, settings in zip(self.optimizer.param_groups, groups, strict=True):
                group.update(settings)
            self.optimizer.zero_grad()
            logits = self.answers(x[numbers])
            torch.nn.functional.cross_entropy(logits, y[numbers].flatten()).backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip)
            self.optimizer.step()
        self.measured.steps += time.perf_counter() - start

    def pace(self, steps: int = 8) -> float:
        """Return the seconds of a step, after some to warm up."""
        self.train(steps // 2)
        before = self.measured.steps
        self.train(steps)
        return (self.measured.steps - before) / steps

    def evaluate(self) -> None:
        """Measure loss and accuracy over the validation part."""
        size = self.twin.loaders["validation"].batch_size
        x, y = self.validation_data
        self.network.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            logits = torch.cat([self.answers(part) for part in x.split(size)])
            loss = torch.nn.functional.cross_entropy(logits, y.flatten())
            right = (logits.argmax(1) == y.flatten()).float().mean()
            self.measured.loss, self.measured.accuracy = float(loss), float(right)
        self.measured.validation += time.perf_counter() - start


class Beside(Callback):
    """Lets PyTorch do the steps that deepglass did, and measures both.

    Args:
        theirs: PyTorch's side.
        loader: the validation part.
        every: steps of one side before it is the other's turn.
        last: steps of PyTorch, after which deepglass ends where its loss is no larger.
        bar: shows how far it is.

    Attributes:
        ours: deepglass' side.
        code: seconds in which deepglass made its machine code, and measured once.
        losses: after how many seconds of steps deepglass had which loss.
    """

    def __init__(self, theirs: Theirs, loader: DataLoader, every: int, last: int, bar: Bar) -> None:
        self.theirs, self.loader, self.every, self.last, self.bar = theirs, loader, every, last, bar
        self.ours, self.done, self.code = Measured(), 0, 0.0
        self.losses: list[tuple[float, float]] = []
        self.task = bar.add_task("", total=last)

    def on_start(self, trainer: Trainer, progress: Progress) -> None:
        self.theirs.evaluate()
        self._evaluate(trainer)
        self._tell("untrained")
        self.code = trainer.compile_seconds + self.ours.validation
        self.ours.validation = self.theirs.measured.validation = 0.0

    def on_steps(self, trainer: Trainer, progress: Progress) -> None:
        now = (progress.epoch - 1) * progress.steps + progress.step
        self.ours.steps = sum(epoch.seconds for epoch in trainer.history) + progress.seconds
        if self.done < self.last:
            self.theirs.train(min(now, self.last) - self.done)
            self.theirs.evaluate()
            self.done = min(now, self.last)
        self._evaluate(trainer)
        self.losses.append((self.ours.steps, self.ours.loss))
        self.bar.update(self.task, completed=now)
        self._tell(f"step {now}")
        if now >= self.last and self.ours.loss <= self.theirs.measured.loss:
            trainer.stop("the loss is PyTorch's")

    def _evaluate(self, trainer: Trainer) -> None:
        start = time.perf_counter()
        found = trainer.evaluate(self.loader)
        self.ours.validation += time.perf_counter() - start
        self.ours.loss, self.ours.accuracy = found["loss"], found["accuracy"]

    def _tell(self, when: str) -> None:
        sides = (("deepglass", self.ours), ("PyTorch", self.theirs.measured))
        told = (
            f"{name} {m.steps:6.1f} + {m.validation:5.1f} s, {m.loss:.5f} nats, {m.accuracy:.2%}"
            for name, m in sides
        )
        self.bar.console.print(f"  {when:10} " + "   ".join(told), highlight=False, soft_wrap=True)


def mnist(seed: int, epochs: int) -> Assembled:
    """LeNet-5 with ReLU and max-pooling: the recipe of docs/networks.md."""
    planned = plan(
        {
            "data": {"source": "mnist"},
            "optimizer": {"lr": 0.01},
            "schedule": {"name": "one_cycle"},
            "train": {"epochs": epochs, "seed": seed},
        }
    )
    return Assembled(planned.config, planned.material)


def cifar(seed: int, epochs: int) -> Assembled:
    """ResNet-20 on the first photographs of CIFAR-10, unchanged."""
    folder = Path(os.environ.get("DEEPGLASS_DATA", "."), "cifar10")
    whole = read_cifar(next(folder.glob("data_batch_1*.bin")))
    parts = {
        "train": Subset(whole, np.arange(LEARNED)),
        "validation": Subset(whole, np.arange(LEARNED, PHOTOGRAPHS)),
    }
    scale = Scale.fit(whole.tensors[0][:LEARNED])
    sizes = Sizes("images", (3, 32, 32), 10)
    config = validated(
        {
            "data": {"kind": "images", "source": "cifar10"},
            "model": {"name": "resnet20"},
            "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0001},
            "schedule": {"name": "one_cycle"},
            "train": {"epochs": epochs, "batch_size": 64, "seed": seed, "metrics": ["accuracy"]},
        }
    )
    encoder = ImageEncoder(CLASSES10, (32, 32))
    return Assembled(config, Material("classification", sizes, parts, encoder, scale))


def shakespeare(seed: int, steps: int) -> Assembled:
    """GPT as `deepglass train` makes it, the rate down to a tenth and then constant."""
    planned = plan(
        {
            "data": {"source": "tiny-shakespeare"},
            "model": {"name": "gpt"},
            "schedule": {"name": "constant"},
            "train": {"seed": seed},
        }
    )
    made = Assembled(planned.config, planned.material)

    def share(step: float) -> float:
        falling = 0.5 + 0.5 * cos(pi * min(step / steps, 1))
        return min(1, (step + 1) / WARMUP) * (LEAST + (1 - LEAST) * falling)

    made.trainer.schedule = LambdaLR(made.trainer.optimizer, share)
    return made


def compare(made: Assembled, theirs: Theirs, every: int, last: int, epochs: int) -> Beside:
    """Train on both sides: so many steps of PyTorch, so many epochs of deepglass at most."""
    with Bar() as bar:
        beside = Beside(theirs, made.loaders["validation"], every, last, bar)
        made.trainer.fit(made.learned, epochs=epochs, callbacks=[beside])
    return beside


def images(
    make: Callable[[int, int], Assembled], network: Network, epochs: int, seeds: int
) -> None:
    """Print accuracy and seconds of both sides, by seed and over all."""
    layout = min(LAYOUTS, key=lambda layout: Theirs(make(0, epochs), network(), layout).pace())
    print(f"PyTorch with {layout}")
    pairs = []
    for seed in range(seeds):
        print(f"seed {seed}", flush=True)
        made, theirs = make(seed, epochs), Theirs(make(seed, epochs), network(), layout)
        steps = len(made.learned)
        pairs.append(compare(made, theirs, steps, epochs * steps, epochs))
    sides = [(pair.ours, pair.theirs.measured) for pair in pairs]
    ratios = [theirs.seconds / ours.seconds for ours, theirs in sides]
    print("seed   deepglass           PyTorch             time ratio")
    for seed, (both, ratio) in enumerate(zip(sides, ratios, strict=True)):
        told = "   ".join(f"{side.accuracy:7.2%} {side.seconds:7.1f} s" for side in both)
        print(f"{seed:4}   {told}   {ratio:.2f}")
    ours, theirs = (statistics.mean(m.accuracy for m in side) for side in zip(*sides, strict=True))
    print(
        f"mean   {ours:7.2%}             {theirs:7.2%}             {statistics.mean(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}); machine code {pairs[0].code:.1f} s once"
    )


def text(minutes: float) -> None:
    """Print after how many seconds deepglass has the loss that PyTorch has after some minutes."""
    layout = torch.contiguous_format

    def theirs(steps: int) -> Theirs:
        made = shakespeare(0, steps)
        return Theirs(made, zoo.GPT(made.trainer.model.config()), layout)

    steps = round(60 * minutes / theirs(1000).pace())
    made = shakespeare(0, steps)
    print(f"{steps} steps, PyTorch's in {minutes:g} minutes", flush=True)
    epochs = ceil(steps / len(made.learned) * CHASE)
    found = compare(made, theirs(steps), max(50, steps // TURNS), steps, epochs)
    peer = found.theirs.measured
    print(f"PyTorch: {peer.loss:.4f} nats per character after {peer.steps:.0f} s")
    reached = [seconds for seconds, loss in found.losses if loss <= peer.loss]
    print(
        f"deepglass: as little after {reached[0]:.0f} s, {peer.steps / reached[0]:.2f} times as "
        f"fast; machine code {found.code:.1f} s"
        if reached
        else f"deepglass: {found.ours.loss:.4f} after {found.ours.steps:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=["mnist", "cifar", "shakespeare"])
    parser.add_argument("--seeds", type=int, help="of images: 3 of mnist, 5 of cifar unless given")
    parser.add_argument("--epochs", type=int, help="of images: 5 of mnist, 12 of cifar")
    parser.add_argument("--minutes", type=float, default=10, help="of PyTorch on shakespeare")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides")
    options = parser.parse_args()
    on_threads(options.threads)
    if options.name == "mnist":
        images(mnist, lambda: lenet(torch.nn), options.epochs or 5, options.seeds or 3)
    elif options.name == "cifar":
        network = partial(zoo.resnet_cifar, 3, True, 10)
        images(cifar, network, options.epochs or 12, options.seeds or 5)
    else:
        text(options.minutes)


if __name__ == "__main__":
    main()
