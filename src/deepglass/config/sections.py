"""The sections of a configuration, and what may stand in each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from ..models import DESIGNS
from .choice import Choice, Chosen, Section
from .registry import AUGMENTATIONS, LOSSES, METRICS, OPTIMIZERS, SCHEDULES

Task = Literal["classification", "regression", "forecast", "text"]


AUGMENT = Choice({name: change.make for name, change in AUGMENTATIONS.items()})


class Source(Section):
    """What all kinds of data share.

    Attributes:
        source: a name from `data.CATALOG`, or the path of a file or folder.
        split: how samples are divided: "8:2" into training and validation, "6:2:2" with a test
            part that nothing is chosen by, "published" as the makers of the data divided them.
    """

    source: str
    split: str = "8:2"

    @field_validator("split")
    @classmethod
    def _ratio(cls, value: str) -> str:
        parts = value.split(":")
        if value != "published" and not (
            len(parts) in (2, 3) and all(p.strip().isdigit() and int(p) for p in parts)
        ):
            raise ValueError('"published", or two or three shares such as "8:2" or "6:2:2"')
        return value


class Images(Source):
    """Images with a class each.

    Attributes:
        size: height and width in pixels that the images of a folder are brought to.
        mode: "RGB", or "L" for shades of grey.
        damaged: whether a file that cannot be read is an error, or is left out.
        augment: random changes of training images, one after the other.
    """

    kind: Literal["images"] = "images"
    size: PositiveInt | None = None
    mode: Literal["RGB", "L"] = "RGB"
    damaged: Literal["refuse", "skip"] = "refuse"
    augment: tuple[Annotated[Chosen, AUGMENT], ...] = ()


class Table(Source):
    """Rows of a CSV file.

    Attributes:
        target: the column to learn.
        task: whether it is a class or a number; told from its values unless given.
        log: columns of which the logarithm log(1 + x) is taken; true for all that are skewed.
        categorical: columns of numbers that are names.
        ignore: columns to leave out.
        encoding: of the text.
    """

    kind: Literal["table"] = "table"
    target: str = ""
    task: Literal["classification", "regression"] | None = None
    log: bool | tuple[str, ...] = False
    categorical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    encoding: str = "utf-8"


class Series(Source):
    """Rows of a CSV file in the order of time.

    Attributes:
        target: the column to foretell.
        window: rows that are read.
        horizon: rows that are foretold.
        log: columns of which the logarithm log(1 + x) is taken.
        ignore: columns to leave out.
        encoding: of the text.
    """

    kind: Literal["series"] = "series"
    target: str
    window: PositiveInt = 24
    horizon: PositiveInt = 1
    log: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    encoding: str = "utf-8"


class Text(Source):
    """A text, to be continued.

    Attributes:
        length: tokens per sample.
        lines: whether each line stands for itself, such as a name, so that they are shuffled
            before they are divided; told by the text unless given.
        vocabulary: how many byte pairs are tokens; without it characters are.
        encoding: of the text.
    """

    kind: Literal["text"] = "text"
    split: str = "9:1"
    length: PositiveInt = 64
    lines: bool | None = None
    vocabulary: PositiveInt | None = None
    encoding: str = "utf-8"


class Points(Source):
    """Points in a plane, made by a formula.

    Attributes:
        samples: how many.
        noise: standard deviation of a shift in both coordinates; usual for the set unless
            given.
    """

    kind: Literal["points"] = "points"
    samples: PositiveInt = 500
    noise: Annotated[float, Field(ge=0)] | None = None


Data = Images | Table | Series | Text | Points
KINDS: dict[str, type[Data]] = {
    "images": Images,
    "table": Table,
    "series": Series,
    "text": Text,
    "points": Points,
}


class Train(Section):
    """How long, and how, training goes.

    Attributes:
        epochs: how often to go through the training part.
        batch_size: samples per step.
        metrics: what is measured beside the loss.
        watch: the measure by which the best epoch is told.
        patience: epochs without improvement after which training ends; 0 goes on.
        clip_norm: gradients whose norm is larger are scaled down to it; 0 leaves them.
        decay: which weights the optimizer's weight_decay makes smaller: "all", or "matrices",
            which leaves biases and normalisation alone.
        freeze: layers whose weights stay as they are, by name, with all below them.
        rates: factors on the learning rate by the name of a layer, with all below it.
        accumulate: batches whose gradients one step is made from.
        workers: processes that read samples from files; 0 reads them in this one.
        seed: of the split, the first weights, the order and dropout.
        backend: "native", machine code, or "reference", NumPy step by step.
        precision: "float32", or "bf16", which rounds what products are made of to bfloat16.
    """

    epochs: PositiveInt = 10
    batch_size: PositiveInt = 32
    metrics: tuple[str, ...] = ()
    watch: str = "loss"
    patience: Annotated[int, Field(ge=0)] = 0
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    decay: Literal["all", "matrices"] = "all"
    freeze: tuple[str, ...] = ()
    rates: dict[str, PositiveFloat] = Field(default_factory=dict)
    accumulate: PositiveInt = 1
    workers: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    backend: Literal["native", "reference"] = "native"
    precision: Literal["float32", "bf16"] = "float32"

    @field_validator("metrics")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in METRICS]:
            raise ValueError(
                f"a list of names among {', '.join(METRICS)}; {unknown[0]!r} is none of them"
            )
        return value


MODEL = Choice({name: design.make for name, design in DESIGNS.items()})
LOSS = Choice({name: loss.make for name, loss in LOSSES.items()})
OPTIMIZER = Choice(OPTIMIZERS, leave=("maximize",))
SCHEDULE = Choice({n: s.make for n, s in SCHEDULES.items()}, leave=("steps", "per_epoch"))


class Config(Section):
    """All that a run is a function of, beside its data.

    >>> Config.model_validate({"data": {"kind": "points", "source": "moons"}}).model.name
    'mlp'
    """

    data: Annotated[Data, Field(discriminator="kind")]
    model: Annotated[Chosen, MODEL] = MODEL.usual("mlp")
    loss: Annotated[Chosen, LOSS] = LOSS.usual("cross_entropy")
    optimizer: Annotated[Chosen, OPTIMIZER] = OPTIMIZER.usual("adam")
    schedule: Annotated[Chosen, SCHEDULE] = SCHEDULE.usual("constant")
    train: Train = Train()

    def to_dict(self) -> dict[str, Any]:
        """Return everything that has a value, section by section."""
        return self.model_dump(exclude_none=True)
