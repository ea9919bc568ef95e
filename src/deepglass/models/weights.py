"""Where the weights of a network come from: chance, or a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import DataError
from ..nn import Conv2d, Linear, init
from ..nn.module import Module
from ..ops.random import Generator
from ..tensorfile import read_tensors

Network = TypeVar("Network", bound=Module)

IN_RUN = "model."  # how the names of weights begin in the checkpoint of a run


def fill_rectified(network: Module, generator: Generator | None) -> None:
    """Fill convolutions so that gradients keep their size through ReLU, linear layers as usual.

    Source: He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers", equation 14.
    """
    for layer in network.modules():
        if isinstance(layer, Conv2d):
            init.kaiming_normal_(
                layer.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        elif isinstance(layer, Linear):
            init.default_weight_(layer.weight, layer.bias, generator)


def with_weights(
    make: Callable[[], Network], path: str | Path | None, unused: tuple[str, ...] = ()
) -> Network:
    """Return the network with the weights of a file, or with fresh ones where there is none.

    Args:
        make: returns the network.
        path: of a safetensors file with the names and shapes of the network, or of the checkpoint
            of a run. Counters of batch normalisation, which older files lack, may be missing.
        unused: beginnings of names in the file that are passed over.

    Raises:
        DataError: the file cannot be read, is damaged, or has other names or shapes.
    """
    if path is None:
        return make()
    arrays = _read(path, unused)
    with init.unfilled():
        network = make()
    _fill(network, arrays, path)
    return network


def begin_with(
    make: Callable[[], Network], path: str | Path, head: str, unused: tuple[str, ...] = ()
) -> Network:
    """Return a network for classes of its own with the weights of a file in front of them.

    Args:
        make: returns the network.
        path: of a safetensors file, as `with_weights` reads it; "" for fresh weights.
        head: the linear layer whose outputs are the classes, which is fresh.
        unused: beginnings of names in the file that are passed over.

    Raises:
        DataError: as `with_weights`.
    """
    if not path:
        return make()
    arrays = _read(path, unused)
    with init.unfilled():
        network = make()
    last = network.get_submodule(head)
    arrays.update({f"{head}.{k}": v for k, v in last.state_dict().items()})
    _fill(network, arrays, path)
    init.default_weight_(last.get_parameter("weight"), last.get_parameter("bias"), None)
    return network


def _read(path: str | Path, unused: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The weights in a file, or in the checkpoint of a run, where optimizers lie beside them."""
    arrays = read_tensors(path)[0]
    of_run = {k.removeprefix(IN_RUN): v for k, v in arrays.items() if k.startswith(IN_RUN)}
    return {k: v for k, v in (of_run or arrays).items() if not k.startswith(unused)}


def _fill(network: Module, arrays: dict[str, np.ndarray], path: str | Path) -> None:
    for name, buffer in network.named_buffers():
        if name.endswith("num_batches_tracked"):
            arrays.setdefault(name, np.zeros(buffer.shape, np.int64))
    try:
        network.load_state_dict(arrays)
    except DataError as error:
        told = str(error).replace(
            "Pass strict=False to load what fits.", "Check which network the file is of."
        )
        raise DataError(
            f"{path}: weights of {type(network).__name__} by torchvision's names; {told}"
        ) from error
