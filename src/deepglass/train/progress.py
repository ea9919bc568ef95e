"""Where a training run stands, and what each epoch came to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Progress:
    """Where a training run stands.

    Attributes:
        epochs: how many there will be.
        steps: per epoch.
        epoch: the current one, from 1.
        step: steps done in this epoch.
        samples: seen in this epoch.
        seconds: spent on training steps in this epoch.
        values: of this epoch so far: "loss", the mean over its samples.
    """

    epochs: int
    steps: int
    epoch: int = 0
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    values: dict[str, float] = field(default_factory=dict)

    @property
    def done(self) -> float:
        """The share of all steps that is done, from 0 to 1."""
        return (max(self.epoch - 1, 0) + self.step / self.steps) / self.epochs

    @property
    def rate(self) -> float:
        """Samples per second in this epoch."""
        return self.samples / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        train: loss and metrics of its steps, each taken before its update, with dropout if any.
        validation: the same on the validation data after the last step, in evaluation mode;
            empty without validation data.
        steps: how many there were.
        learning_rate: of the first parameter group, at the last step.
        seconds: spent on training steps.
        rate: samples per second.
    """

    number: int
    train: dict[str, float]
    validation: dict[str, float]
    steps: int
    learning_rate: float
    seconds: float
    rate: float

    def value(self, name: str) -> float:
        """Return a measure by name: on the validation data where there are any."""
        return (self.validation or self.train)[name]
