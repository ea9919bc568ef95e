"""PyTorch's own test samples (OpInfo) and the functions of deepglass they are given to.

A name of OpInfo is served by the function of the same name in ``deepglass``, in
``deepglass.nn.functional`` or on a tensor, unless ``OTHERWISE`` says how. What is not served
stands in ``opinfo_unmapped.txt``; a sample that is not served stands in ``LEFT_OUT`` with
the reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

import deepglass as dg

UNMAPPED = Path(__file__).with_name("opinfo_unmapped.txt")
MOST_SAMPLES = 60  # of one op and type, spread evenly: max_pool2d alone has thousands

Function = Callable[..., Any]


def full_name(info: Any) -> str:
    return f"{info.name}/{info.variant_test_name}" if info.variant_test_name else info.name


INFOS = {full_name(info): info for info in op_db}


def unmapped() -> list[str]:
    lines = UNMAPPED.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def mapped() -> list[str]:
    names = set(unmapped())
    return [name for name in INFOS if name not in names]


def function_of(name: str) -> Function:
    """The function of deepglass that answers the samples of ``name``."""
    if name in OTHERWISE:
        return OTHERWISE[name]
    plain = INFOS[name].name
    if plain.startswith("nn.functional."):
        return getattr(dg.nn.functional, plain.removeprefix("nn.functional."))
    if hasattr(dg, plain):
        return getattr(dg, plain)
    return getattr(dg.Tensor, plain)


METHODS = ("bool", "double", "float", "half", "int", "long", "short", "T", "mT")
OTHERWISE: dict[str, Function] = {
    **{name: getattr(dg.Tensor, name) for name in METHODS[:-2]},
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "where": lambda x, condition, other: dg.where(condition, x, other),
    "einsum": lambda operands, equation: dg.einsum(equation, *operands),
    "nn.functional.embedding": lambda weight, index, **options: dg.nn.functional.embedding(
        index, weight, **options
    ),
}
PLACE = ("device", "layout", "memory_format", "pin_memory")  # there is one of each
IDLE = "recompute_scale_factor"  # dropped where it says nothing


def of_a_number(sample: Any) -> bool:
    """Whether an axis of a tensor without axes is named, which PyTorch lets pass."""
    return isinstance(sample.input, torch.Tensor) and sample.input.ndim == 0


def uses(*names: str) -> Callable[[Any], bool]:
    """Whether a sample passes one of these keywords with another value than None or False."""
    return lambda sample: any(sample.kwargs.get(name) not in (None, False) for name in names)


NUMBER = "a tensor without axes has none to name"
NUMBERS = (
    "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "cumprod", "cumsum", "flip",
    "index_copy", "index_fill", "index_select", "log_softmax", "logsumexp",
    "max/reduction_with_dim", "mean", "min/reduction_with_dim", "norm", "prod", "scatter",
    "scatter_add", "softmax", "sort", "squeeze", "squeeze/multiple", "sum", "topk", "transpose",
    "unflatten",
)  # fmt: skip


def _random(sample: Any) -> bool:
    return sample.kwargs.get("training", True) and 0 < sample.kwargs.get("p", 0.5) < 1


# Samples that ask for what deepglass does not offer: the reason, and which they are.
LEFT_OUT: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(NUMBERS, (NUMBER, of_a_number)),
    "add": ("alpha: write x + alpha * y", uses("alpha")),
    "cat": ("an empty vector beside tensors with more axes", lambda s: _ragged(s.input)),
    "gather": (
        "an empty index with more axes, or no axis",
        lambda s: not s.args[1].numel() or of_a_number(s),
    ),
    "std": ("unbiased, or no correction: write 1 or 0", lambda s: _uncorrected(s)),
    "sub": ("alpha: write x - alpha * y", uses("alpha")),
    "take_along_dim": ("positions counted from the end", lambda s: _negative(s)),
    "tensordot": ("lengths of 1 that are stretched", lambda s: s.input.shape == (1, 1, 1)),
    "var": ("unbiased, or no correction: write 1 or 0", lambda s: _uncorrected(s)),
    "where": ("a condition that is not boolean", lambda s: s.args[0].dtype is not torch.bool),
    "nn.functional.avg_pool2d": ("a pair of one number or none", lambda s: _odd_pair(s)),
    "nn.functional.pad/circular": ("widths below 0", lambda s: min(s.args[0]) < 0),
    "nn.functional.batch_norm": ("an input without channels", lambda s: s.input.ndim < 2),
    "nn.functional.dropout": ("another stream of random numbers", _random),
    "nn.functional.dropout2d": (
        "another stream of random numbers, or no batch",
        lambda s: _random(s) or s.input.ndim < 4,
    ),
    "nn.functional.scaled_dot_product_attention": (
        "another stream of random numbers",
        lambda s: s.kwargs.get("dropout_p", 0) > 0,
    ),
    "nn.functional.hinge_embedding_loss": (
        "targets other than 1 and -1",
        lambda s: not bool((s.args[0].abs() == 1).all()),
    ),
    "nn.functional.multi_margin_loss": (
        "a sample without a batch whose label has an axis",
        lambda s: s.input.ndim < 2,
    ),
    **{
        f"nn.functional.interpolate/{mode}": (
            "three axes of space, or a factor computed anew",
            lambda s: s.input.ndim > 4 or uses("recompute_scale_factor")(s),
        )
        for mode in ("nearest", "linear", "bilinear", "area")
    },
}


def _odd_pair(sample: Any) -> bool:
    parts = [*sample.args, *sample.kwargs.values()]
    return any(isinstance(p, tuple) and len(p) < 2 for p in parts)


def _uncorrected(sample: Any) -> bool:
    return "unbiased" in sample.kwargs or sample.kwargs.get("correction", 1) is None


def _negative(sample: Any) -> bool:
    indices = sample.args[0]
    return sample.input.ndim == 0 or (bool(indices.numel()) and bool(indices.min() < 0))


def _ragged(tensors: Any) -> bool:
    return len({t.ndim for t in tensors}) > 1


def samples(name: str, dtype: torch.dtype) -> Iterator[Any]:
    """The samples of ``name`` that are served, at most `MOST_SAMPLES`."""
    info = INFOS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gradients = dtype.is_floating_point and info.supports_autograd
        every = list(info.sample_inputs("cpu", dtype, requires_grad=gradients))
    _, left_out = LEFT_OUT.get(name, ("", lambda sample: False))
    every = [sample for sample in every if not left_out(sample)]
    step = max(1, -(-len(every) // MOST_SAMPLES))
    yield from every[::step]


def as_ours(value: Any, leaves: list[tuple[torch.Tensor, dg.Tensor]]) -> Any:
    """``value`` with tensors and types of deepglass; float tensors are noted as leaves."""
    if isinstance(value, torch.Tensor):
        ours = dg.tensor(value.detach().numpy(), requires_grad=value.requires_grad)
        if value.requires_grad:
            leaves.append((value, ours))
        return ours
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, dict):
        said = {k: v for k, v in value.items() if k not in PLACE}
        said = {k: v for k, v in said.items() if k != IDLE or v}
        return {k: as_ours(v, leaves) for k, v in said.items()}
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (list, tuple)):
        return type(value)(as_ours(v, leaves) for v in value)
    return value
