"""The networks that a saved file may ask for, by name and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ..errors import DataError
from ..nn.module import Module
from .convnet import ConvNet
from .forecaster import RecurrentForecaster
from .language import RecurrentLanguageModel
from .lenet import LeNet5
from .mlp import MLP
from .window import WindowForecaster

# Each has config(), the arguments that make one like it, and count(**arguments), the numbers
# it will hold, told before any is made.
Registered = (
    MLP | LeNet5 | ConvNet | WindowForecaster | RecurrentForecaster | RecurrentLanguageModel
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
    """Return the network a configuration describes, with fresh weights.

    Args:
        config: "model", a registered name, and "arguments" for it.
        numbers: how many weights there are to fill it; checked before any is made.

    Raises:
        DataError: an unknown name, arguments that it does not take, or another number of
            weights.
    """
    name, arguments = config.get("model"), config.get("arguments")
    if not isinstance(name, str) or name not in REGISTERED or not isinstance(arguments, dict):
        raise DataError(
            f"model file: it names one of {', '.join(REGISTERED)} and its arguments; got "
            f"{name!r} and {arguments!r}."
        )
    kind = REGISTERED[name]
    try:
        needed = kind.count(**arguments)
        if numbers is not None and needed != numbers:
            raise DataError(
                f"model file: {name} with {arguments} has {needed} weights; the file holds "
                f"{numbers}."
            )
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"model file: arguments that {name} takes; {error}") from error
