"""A small network as the page runs it: its layers in a row, their weights, and the optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..create import no_grad
from ..explain import Explainer
from ..explain.update import RULES
from ..graph.tensor import Tensor
from ..nn import Flatten, Module
from .pictures import packed

LARGEST = 300_000  # weights of a network that runs in the page

# What the page knows: the layers by the name of their class, with the settings it reads.
LAYERS: dict[str, tuple[str, ...]] = {
    "Linear": (),
    "Conv2d": ("stride", "padding", "dilation", "groups"),
    "MaxPool2d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "AvgPool2d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "AdaptiveAvgPool2d": ("output_size",),
    "BatchNorm1d": ("eps",),
    "BatchNorm2d": ("eps",),
    "LayerNorm": ("eps", "normalized_shape"),
    "Flatten": ("start_dim", "end_dim"),
    "Dropout": (),
    "Identity": (),
    "ReLU": (),
    "LeakyReLU": ("negative_slope",),
    "ELU": ("alpha",),
    "GELU": ("approximate",),
    "SiLU": (),
    "Sigmoid": (),
    "Tanh": (),
    "Softmax": ("dim",),
}
PLAIN = {  # the only values of settings that the page knows
    "dilation": (1, (1, 1)),
    "ceil_mode": (False,),
    "count_include_pad": (True,),
    "start_dim": (1,),
    "end_dim": (-1,),
    "output_size": (1, (1, 1)),
    "approximate": ("none",),
    "dim": (1, -1),
}


def in_a_row(model: Module, x: Tensor) -> list[tuple[str, Module]] | None:
    """Return the layers of a network that does nothing but apply them one after another.

    A network that flattens its input first gets a `Flatten` for it.

    Args:
        model: in evaluation mode.
        x: inputs to try it on.
    """
    layers = [(path, m) for path, m in model.named_modules() if not any(m.children())]
    start: list[tuple[str, Module]] = [("", Flatten())] if x.ndim > 2 else []
    with no_grad():
        expected = model(x).numpy()
        for candidate in (layers, start + layers):
            try:
                y: Any = x
                for _, layer in candidate:
                    y = layer(y)
            except (ValueError, TypeError, AttributeError):
                continue
            if y.shape == expected.shape and np.array_equal(y.numpy(), expected):
                return candidate
    return None


def live(explainer: Explainer) -> dict[str, Any] | None:
    """Return what the page needs to run and explain a network; None where it cannot.

    Weights, and what the optimizer remembers of them, are in float32; the page computes in
    float64, as the explainer does.
    """
    model, optimizer = explainer.model, explainer.optimizer
    parameters = dict(model.named_parameters())
    if sum(p.numel() for p in parameters.values()) > LARGEST:
        return None
    layers = in_a_row(model, explainer.inputs)
    if layers is None or not all(map(_is_known, (layer for _, layer in layers))):
        return None
    if type(optimizer).__name__ not in RULES or len(optimizer.param_groups) > 1:
        return None
    (group,) = optimizer.param_groups
    return {
        "layers": [_layer(path, layer) for path, layer in layers],
        "optimizer": {
            "kind": type(optimizer).__name__,
            "settings": {k: v for k, v in group.items() if k != "params"},
            "state": {
                name: {
                    key: packed(buffer.numpy()) if buffer.ndim else buffer.item()
                    for key, buffer in optimizer.state[p].items()
                }
                for name, p in parameters.items()
            },
        },
        "clipping": explainer.clipping,
        "loss": explainer.total.item(),
    }


def _is_known(layer: Module) -> bool:
    name = type(layer).__name__
    if name not in LAYERS or isinstance(getattr(layer, "padding", 0), str):
        return False
    if name.startswith("BatchNorm") and getattr(layer, "running_mean", None) is None:
        return False
    return all(getattr(layer, key) in PLAIN[key] for key in LAYERS[name] if key in PLAIN)


def _layer(path: str, layer: Module) -> dict[str, Any]:
    name = type(layer).__name__
    arrays = dict([*layer.named_parameters(), *layer.named_buffers()])
    return {
        "path": path,
        "type": name,
        "settings": {key: getattr(layer, key) for key in LAYERS[name]},
        "parameters": [n for n, _ in layer.named_parameters()],
        "arrays": {n: packed(a.numpy()) for n, a in arrays.items() if a.ndim},
    }
