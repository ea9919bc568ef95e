"""LeNet-5, the convolutional network that read cheques."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DomainError
from ..graph.tensor import Buffer, Tensor
from ..graph.trace import set_grad_enabled
from ..nn import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Sequential, init
from ..nn import functional as F
from ..nn.module import Module
from ..nn.unfilled import empty
from ..ops.movement import flatten, reshape
from ..ops.padding import pad
from ..ops.random import Generator
from ..ops.selecting import index_select
from .mlp import ACTIVATIONS
from .weights import with_weights

POOLINGS: dict[str, Callable[[int], Module]] = {"average": AvgPool2d, "max": MaxPool2d}
CONNECTIONS = {  # the maps of S2 that each map of C3 reads
    "full": ["012345"] * 16,
    "1998": [
        *("012", "123", "234", "345", "045", "015"),
        *("0123", "1234", "2345", "0345", "0145", "0125"),
        *("0134", "1245", "0235", "012345"),
    ],
}
PADDINGS = {28: 2, 32: 0}  # by the side of the image; the paper pads 28 x 28 to 32 x 32


class SparseConv2d(Module):
    """A convolution each of whose maps reads some maps of the input only.

    Args:
        connections: for each map of the output the maps that it reads, a digit each.
        kernel_size: height and width of the window, in pixels.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        weight: (connections, 1, kernel_size, kernel_size), in the order of ``connections``

    >>> sum(p.numel() for p in SparseConv2d(CONNECTIONS["1998"], 5).parameters())
    1516
    """

    def __init__(
        self, connections: Sequence[str], kernel_size: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        inputs = 1 + max(int(digit) for maps in connections for digit in maps)
        count = sum(map(len, connections))
        self.weight = empty(count, 1, kernel_size, kernel_size)
        self.bias = empty(len(connections))
        # the number of the kernel between two maps; after the last kernel comes one of zeros
        numbers = iter(range(count))
        table = [
            [next(numbers) if str(k) in maps else count for k in range(inputs)]
            for maps in connections
        ]
        self.table = Buffer(np.array(table), role="connections", persistent=False)
        bounds = np.array([(len(maps) * kernel_size**2) ** -0.5 for maps in connections])
        per_kernel = np.repeat(bounds, [len(maps) for maps in connections])
        for parameter, bound in ((self.weight, per_kernel), (self.bias, bounds)):
            init.uniform_(parameter, -1.0, 1.0, generator)
            with set_grad_enabled(False):
                parameter.mul_(bound.astype(np.float32).reshape(-1, *[1] * (parameter.ndim - 1)))

    def kernels(self) -> Tensor:
        """Return the weights of a full convolution, zero where there is no connection."""
        with_zeros = pad(self.weight, (0, 0, 0, 0, 0, 0, 0, 1))
        chosen = index_select(with_zeros, 0, flatten(self.table))
        return reshape(chosen, (*self.table.shape, *self.weight.shape[2:]))

    def forward(self, x: Any) -> Tensor:
        return F.conv2d(x, self.kernels(), self.bias)


class LeNet5(Module):
    """Two convolutions, each with a pooling, and three fully connected layers.

    C1 6 of 5 x 5 - pool - C3 16 of 5 x 5 - pool - C5 120 - F6 84 - one output per class

    With one channel and ten classes it has 61,706 weights, with the connections of 1998 60,806.
    Unlike the paper's, pooling has no weights, and the outputs are plain logits.

    Args:
        channels: of an image.
        classes: how many there are.
        size: side of an image in pixels, 28 or 32.
        activation: "tanh" as in the paper, "relu" or "sigmoid".
        pooling: "average" as in the paper, or "max".
        connections: "full", where each map of C3 reads all six of S2; "1998", those of table 1.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, channels, size, size)
        output: (batch, classes)

    Raises:
        DomainError: another size, activation, pooling or kind of connections.

    Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to
    document recognition", figure 2 and table 1.

    >>> from ..create import zeros
    >>> LeNet5()(zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        size: int = 28,
        activation: str = "tanh",
        pooling: str = "average",
        connections: str = "full",
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        named = activation in ACTIVATIONS and pooling in POOLINGS and connections in CONNECTIONS
        if size not in PADDINGS or not named:
            raise DomainError(
                f"LeNet5: size is 28 or 32 pixels, activation one of {', '.join(ACTIVATIONS)}, "
                f"pooling one of {', '.join(POOLINGS)}, connections one of "
                f"{', '.join(CONNECTIONS)}; got {size}, {activation!r}, {pooling!r}, "
                f"{connections!r}."
            )
        self.channels, self.classes, self.size = channels, classes, size
        self.activation, self.pooling, self.connections = activation, pooling, connections
        if connections == "full":
            third: Module = Conv2d(6, 16, 5, generator=generator)
        else:
            third = SparseConv2d(CONNECTIONS[connections], 5, generator)
        act, pool = ACTIVATIONS[activation], POOLINGS[pooling]
        self.features = Sequential(
            Conv2d(channels, 6, 5, padding=PADDINGS[size], generator=generator),
            act(),
            pool(2),
            third,
            act(),
            pool(2),
        )
        self.classifier = Sequential(
            Flatten(),
            Linear(16 * 5 * 5, 120, generator=generator),
            act(),
            Linear(120, 84, generator=generator),
            act(),
            Linear(84, classes, generator=generator),
        )

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.classifier(self.features(x))
        return y

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a network of this form."""
        names = ("channels", "classes", "size", "activation", "pooling", "connections")
        return {name: getattr(self, name) for name in names}


def lenet5(*, weights: str | Path | None = None, **options: Any) -> LeNet5:
    """Return LeNet-5: 61,706 weights.

    Args:
        weights: a safetensors file with the names of this network; fresh weights unless given.
        options: as `LeNet5` takes them.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.

    Source: LeCun, Bottou, Bengio and Haffner (1998), figure 2.
    """
    return with_weights(lambda: LeNet5(**options), weights)
