"""The networks that a saved file may ask for, by name and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from inspect import signature
from typing import Any, get_args

from ..errors import DataError
from ..nn import init
from ..nn.module import Module
from .alexnet import AlexNet
from .convnet import ConvNet
from .forecaster import RecurrentForecaster
from .googlenet import GoogLeNet
from .gpt import GPT
from .language import RecurrentLanguageModel
from .lenet import LeNet5
from .mlp import MLP
from .resnet import ResNet
from .resnet_cifar import ResNetCIFAR
from .vgg import VGG
from .window import WindowForecaster

# Each has config(), the arguments that make one like it.
Registered = (
    MLP
    | LeNet5
    | ConvNet
    | AlexNet
    | VGG
    | GoogLeNet
    | ResNet
    | ResNetCIFAR
    | WindowForecaster
    | RecurrentForecaster
    | RecurrentLanguageModel
    | GPT
)
REGISTERED: dict[str, type[Registered]] = {kind.__name__: kind for kind in get_args(Registered)}


def config_of(model: Module) -> dict[str, Any]:
    """Return the name and the arguments that `build` makes ``model`` from.

    Raises:
        DataError: the model is of no registered class.

    >>> config_of(MLP([2, 3, 1]))
    {'model': 'MLP', 'arguments': {'sizes': [2, 3, 1], 'activation': 'relu', 'dropout': 0.0}}
    """
    if isinstance(model, Registered) and REGISTERED.get(type(model).__name__) is type(model):
        return {"model": type(model).__name__, "arguments": model.config()}
    raise DataError(
        f"save: a file names one of the registered models ({', '.join(REGISTERED)}); got "
        f"{type(model).__name__}. Save model.state_dict() with safetensors instead."
    )


def build(config: Mapping[str, Any], numbers: int | None = None) -> Module:
    """Return the network a configuration describes.

    Args:
        config: "model", a registered name, and "arguments" for it.
        numbers: how many there are to fill it, for which its weights wait; fresh weights
            unless given.

    Raises:
        DataError: an unknown name, arguments that it does not take, or more weights than
            ``numbers``, found before any has taken memory.
    """
    name, arguments = config.get("model"), config.get("arguments")
    if not isinstance(name, str) or name not in REGISTERED or not isinstance(arguments, dict):
        raise DataError(
            f"model file: it names one of {', '.join(REGISTERED)} and its arguments; got "
            f"{name!r} and {arguments!r}."
        )
    kind = REGISTERED[name]
    if unknown := arguments.keys() - (signature(kind).parameters.keys() - {"generator"}):
        raise DataError(f"model file: arguments that {name} takes; got {', '.join(unknown)}.")
    try:
        with nullcontext() if numbers is None else init.unfilled(numbers):
            return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise DataError(f"model file: arguments that {name} takes; {error}") from error
