"""Which weights of a network are trained, and how fast each."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from ..config import OPTIMIZERS, Config
from ..errors import DataError
from ..graph.tensor import Parameter
from ..nn import Module


def freeze(model: Module, layers: Iterable[str]) -> None:
    """Leave the weights of some layers as they are, for ever.

    Args:
        model: the network.
        layers: names such as "layer1" or "features.0"; all that lies below counts.

    Raises:
        DataError: there is no layer of this name, or nothing is left to train.
    """
    for layer in layers:
        for parameter in _below(model, layer, "freeze"):
            parameter.requires_grad = False
    if not any(p.requires_grad for p in model.parameters()):
        raise DataError(
            "[train] freeze: some of the network is trained; got the names of all of it. Leave "
            "out the last layer."
        )


def optimizer_for(model: Module, config: Config) -> Any:
    """Return the optimizer of a configuration for the weights that are trained.

    They are in one group where [train] rates and decay say nothing; else by factor on the rate,
    and by whether weight_decay is for them.

    Args:
        model: the network.
        config: complete.

    Raises:
        DataError: [train] rates names a layer that there is not.
    """
    factors: dict[Parameter, float] = dict.fromkeys(model.parameters(), 1.0)
    for layer in sorted(config.train.rates, key=len):  # the longer name counts
        below = _below(model, layer, "rates")
        factors.update(dict.fromkeys(below, config.train.rates[layer]))
    groups: dict[tuple[float, bool], list[Parameter]] = {}
    for parameter, factor in factors.items():
        if parameter.requires_grad:
            decays = config.train.decay == "all" or parameter.ndim > 1
            groups.setdefault((factor, decays), []).append(parameter)
    options = {k: v for k, v in config.optimizer.options.items() if v is not None}
    optimizer: Any = OPTIMIZERS[config.optimizer.name](
        [
            {"params": parameters} if decays else {"params": parameters, "weight_decay": 0.0}
            for (_, decays), parameters in groups.items()
        ],
        **options,
    )
    for (factor, _), group in zip(groups, optimizer.param_groups, strict=True):
        group["lr"] *= factor
    return optimizer


def _below(model: Module, layer: str, key: str) -> list[Parameter]:
    """The weights of a layer and of all below it."""
    found = [p for name, p in model.named_parameters() if f"{name}.".startswith(f"{layer}.")]
    if not found:
        names = [name for name, part in model.named_modules() if name and list(part.parameters())]
        close = get_close_matches(layer, names, 1)
        raise DataError(
            f"[train] {key}: names of layers with weights, such as {names[0]} or {names[-1]}; got "
            f"{layer!r}. {f'Did you mean {close[0]!r}?' if close else 'See model.summary().'}"
        )
    return found
