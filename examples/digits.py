"""Ten lines of Python that do what `deepglass train` does, and a picture of the mistakes.

Run it: python examples/digits.py
"""

import tempfile
from pathlib import Path

import numpy as np

from deepglass.runs import Run
from deepglass.train.plots import blank_figure, draw

CONFIG = {"data": {"source": "digits"}}


def main(epochs: int = 60, picture: Path | None = None) -> float:
    """Train on four fifths of the digits, and return the accuracy on the others."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create({**CONFIG, "train": {"epochs": epochs}}, Path(folder) / "run")
        print(*run.reasons, sep="\n")
        accuracy = run.fit()[-1].validation["accuracy"]
    print(f"accuracy {100 * accuracy:.2f} % on digits it has never seen")
    if picture is not None:
        show(picture, run)
    return accuracy


def show(picture: Path, run: Run) -> None:
    """Draw the digits of the validation part that the network is least sure of."""
    part = run.material.parts["validation"]
    images, labels = part.batch(np.arange(len(part)))
    outputs = run.assembled.trainer.predict(images).astype(np.float64)
    answers = outputs.argmax(axis=1)
    ordered = np.sort(outputs, axis=1)
    doubtful = np.argsort(ordered[:, -1] - ordered[:, -2])[:10]
    figure = blank_figure(8, 2.2)
    for axes, index in zip(figure.subplots(1, 10), doubtful, strict=True):
        axes.imshow(images[index, 0], cmap="Greys")
        right = answers[index] == labels[index]
        axes.set_title(
            f"{answers[index]}" if right else f"{answers[index]}, not",
            color="#2f6fde" if right else "#e8590c",
            fontsize=9,
        )
        axes.set(xticks=[], yticks=[])
    figure.suptitle("the ten most doubtful digits and the answers", x=0.02, ha="left", fontsize=10)
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/examples/digits.png"))
