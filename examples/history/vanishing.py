"""Why deep networks of sigmoids did not learn: their gradients vanish on the way back.

A sigmoid's slope is 1/4 at most, so each layer makes the gradient smaller; a ReLU's is 1 where it
is active. See: the norm of each layer's gradient before training, over several starts, and what
ten hidden layers of either kind have learned after training.

Sources: Hochreiter (1991), "Untersuchungen zu dynamischen neuronalen Netzen"; Glorot and Bengio
(2010), "Understanding the difficulty of training deep feedforward neural networks"; Nair and
Hinton (2010), "Rectified linear units improve restricted Boltzmann machines".

Run it: python examples/history/vanishing.py
"""

from pathlib import Path

import numpy as np

import deepglass as dg
from deepglass.data import DataLoader, TensorDataset, load_digits
from deepglass.models import MLP
from deepglass.train import Trainer, accuracy
from deepglass.train.plots import blank_figure, draw

HIDDEN, WIDTH = 10, 64
COLOURS = {"sigmoid": "#e8590c", "relu": "#2f6fde"}


def main(
    starts: int = 10, epochs: int = 40, picture: Path | None = None
) -> dict[str, dict[str, object]]:
    """Return the gradient norms by layer and the accuracy of each kind of neuron."""
    images, labels = load_digits().tensors
    found: dict[str, dict[str, object]] = {}
    for activation in COLOURS:
        norms = np.exp(
            np.mean(
                [np.log(gradients(activation, seed, images, labels)) for seed in range(starts)], 0
            )
        )
        share = learned(activation, images, labels, epochs)
        found[activation] = {"norms": norms.tolist(), "accuracy": share}
        print(
            f"{activation:8} the first layer's gradient is {norms[0] / norms[-1]:.2g} of the "
            f"last one's; after {epochs} epochs {100 * share:.1f} % of new digits are right"
        )
    if picture is not None:
        show(picture, found)
    return found


def network(activation: str) -> MLP:
    """Return a deep network whose weights begin as its kind of neuron needs them."""
    model = MLP([64, *[WIDTH] * HIDDEN, 10], activation)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            dg.nn.init.zeros_(parameter)
        elif activation == "relu":
            dg.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        else:
            dg.nn.init.xavier_normal_(parameter)
    return model


def gradients(activation: str, seed: int, images: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the norm of the gradient by each layer's weights before training."""
    dg.manual_seed(seed)
    model = network(activation)
    dg.nn.functional.cross_entropy(model(dg.tensor(images)), dg.tensor(labels)).backward()
    weights = [p for p in model.parameters() if p.ndim == 2]
    return [float(np.linalg.norm(p.grad.numpy())) for p in weights]


def learned(activation: str, images: np.ndarray, labels: np.ndarray, epochs: int) -> float:
    """Return the accuracy on every fifth digit after training on the others."""
    dg.manual_seed(0)
    held_out = np.arange(len(images)) % 5 == 0
    model = network(activation)
    optimizer = dg.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    trainer = Trainer(model, dg.nn.CrossEntropyLoss(), optimizer)
    train = TensorDataset(images[~held_out], labels[~held_out])
    trainer.fit(DataLoader(train, 32, shuffle=True), epochs=epochs)
    return accuracy(trainer.predict(images[held_out]), labels[held_out])


def show(picture: Path, found: dict[str, dict[str, object]]) -> None:
    """Draw the norm of the gradient from the first layer to the last."""
    figure = blank_figure(6.5, 4)
    axes = figure.subplots()
    for activation, values in found.items():
        label = f"{activation}: {100 * values['accuracy']:.0f} % after training"
        layers = range(1, HIDDEN + 2)
        axes.plot(layers, values["norms"], "o-", color=COLOURS[activation], label=label)
    axes.set(yscale="log", xlabel="layer, from the image", ylabel="norm of the gradient")
    axes.grid(color="#d9dde5", linewidth=0.6)
    axes.legend(frameon=False)
    draw(figure, picture)


if __name__ == "__main__":
    main(picture=Path("runs/history/vanishing.png"))
