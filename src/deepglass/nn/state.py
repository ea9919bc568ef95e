"""State dicts: the parameters and buffers of a module by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled

SHOWN = 5  # names in a message


class IncompatibleKeys(NamedTuple):
    """The names in which a module and a state dict differ."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load(
    own: Mapping[str, Tensor], state_dict: Mapping[str, Any], strict: bool
) -> IncompatibleKeys:
    """Give the tensors ``own`` the values of a state dict, all of them or none.

    Raises:
        TypeError: ``state_dict`` is no mapping.
        DataError: names (with ``strict``) or shapes differ; the message lists the first of them.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            "load_state_dict: a mapping from names to arrays or tensors; got "
            f"{type(state_dict).__name__}. Read a file first, for instance with safetensors."
        )
    names = IncompatibleKeys(
        [name for name in own if name not in state_dict],
        [name for name in state_dict if name not in own],
    )
    values = {name: to_numpy(state_dict[name]) for name in own if name in state_dict}
    others = [
        f"{name} is {own[name].shape} here and {value.shape} there"
        for name, value in values.items()
        if value.shape != own[name].shape
    ]
    problems = []
    if strict:
        found = {"missing": names.missing_keys, "unexpected": names.unexpected_keys}
        problems = [f"{k} {_some(v, ', ')}" for k, v in found.items() if v]
    if others:
        problems.append(_some(others, "; "))
    if problems:
        raise DataError(
            "load_state_dict: names and shapes are those of the module, of which nothing was "
            f"changed; {'; '.join(problems)}. {_advice(*names, bool(others))}"
        )
    with set_grad_enabled(False):
        for name, value in values.items():
            own[name].copy_(value)
    return names


def to_numpy(value: Any) -> np.ndarray:
    """Return the numbers of an array, a list, a tensor of ours or one of PyTorch's."""
    if not isinstance(value, (Tensor, np.ndarray)) and hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # which NumPy does not have
            value = value.float()
    return np.asarray(value)


def _some(found: Sequence[str], between: str) -> str:
    """The first few of many in words."""
    more = len(found) - SHOWN
    shown = between.join(found[:SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _advice(missing: Sequence[str], unexpected: Sequence[str], shapes: bool) -> str:
    """What to do about names and shapes that differ."""
    if shapes:
        return "Build the module with the sizes of the state dict."
    for name in missing[:1]:
        prefixes = [other.removesuffix(name) for other in unexpected if other.endswith(name)]
        for prefix in prefixes:
            if {prefix + m for m in missing} == set(unexpected):
                return (
                    f"Every name there begins with {prefix!r}; load "
                    f"{{k.removeprefix({prefix!r}): v for k, v in state_dict.items()}}."
                )
    return "Pass strict=False to load what fits."
