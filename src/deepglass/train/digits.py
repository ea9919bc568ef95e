"""The main road: a multilayer perceptron learns to read handwritten digits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..data import DataLoader, Subset, load_digits, random_split
from ..models import MLP
from ..nn.functional import cross_entropy
from ..ops.random import manual_seed
from ..optim import Adam
from ..optim.lr_scheduler import CosineAnnealingLR
from .callbacks import Callback
from .metrics import accuracy
from .progress import Epoch
from .trainer import Trainer


@dataclass(frozen=True)
class Settings:
    """What a run on the digits is a function of.

    Attributes:
        epochs: how often to go through the training digits.
        batch_size: digits per step.
        lr: learning rate of Adam at the start; it falls to 0 along a cosine.
        hidden: neurons of each hidden layer.
        dropout: probability that a hidden neuron is silent in a training step.
        seed: of the split, the first weights, the order and the dropout, in this order.
        backend: "native" or "reference"; the default backend unless given.
    """

    epochs: int = 60
    batch_size: int = 32
    lr: float = 2e-3
    hidden: tuple[int, ...] = (256, 256)
    dropout: float = 0.4
    seed: int = 0
    backend: str | None = None


class DigitsRun:
    """One training run on the digits, ready to start.

    The digits are split 8:2, each class in the same proportion.

    Attributes:
        train: 1,438 digits to learn from.
        test: 359 digits that training never sees.
        model: the network.
        trainer: its `Trainer`.

    Raises:
        DataError: scikit-learn, which carries the digits, is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        manual_seed(settings.seed)
        digits = load_digits()
        self.settings = settings
        self.train, self.test = random_split(digits, [0.8, 0.2], stratify=digits.tensors[1])
        self.model = MLP([64, *settings.hidden, 10], dropout=settings.dropout)
        optimizer = Adam(self.model.parameters(), settings.lr)
        self.trainer = Trainer(
            self.model,
            cross_entropy,
            optimizer,
            [accuracy],
            schedule=CosineAnnealingLR(optimizer, settings.epochs),
            backend=settings.backend,
        )

    def fit(self, callbacks: Iterable[Callback] = ()) -> list[Epoch]:
        """Train for all epochs, and return the history.

        Digits that do not fill a last batch sit out an epoch, others each time, so that one
        program serves all steps.
        """
        loader = DataLoader(self.train, self.settings.batch_size, shuffle=True, drop_last=True)
        test = DataLoader(self.test, len(self.test))
        return self.trainer.fit(loader, test, self.settings.epochs, callbacks)

    def answers(self, part: Subset) -> tuple[np.ndarray, np.ndarray]:
        """Return what the network says about the digits of ``part``, and the truth."""
        images, labels = part.batch(np.arange(len(part)))
        return self.trainer.predict(images).argmax(axis=1), labels
