"""What a network sees in an image: kernels, feature maps, and which pixels decide.

Images are as the network reads them, a class is one output of it. A network is in evaluation
mode meanwhile; its parameters stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from ..autograd import grad
from ..errors import DomainError, ShapeError
from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..nn import Conv2d, Linear, Module
from ..nn.functional import interpolate
from ..ops import softmax
from .calls import LayerCall, called

AT_ONCE = 64  # images per call of the network


def kernels(model: Module, shape: Sequence[int] = ()) -> np.ndarray:
    """Return the weights of the first layer, as the images they answer to most.

    Args:
        model: whose first layer with weights is convolutional, or linear.
        shape: (channels, height, width) of an image; needed where the layer is linear.

    Shapes:
        result: (maps, channels, kernel height, kernel width), or (neurons, *shape)

    Raises:
        DomainError: the first layer is another, or does not read such images.
    """
    layers = (m for m in model.modules() if isinstance(m, Conv2d | Linear))
    first = next(layers, None)
    if isinstance(first, Conv2d):
        return first.weight.numpy()
    if isinstance(first, Linear) and shape and first.in_features == prod(shape):
        return first.weight.numpy().reshape(-1, *shape)
    what = f"Linear of {first.in_features} inputs" if isinstance(first, Linear) else "none"
    raise DomainError(
        "kernels: a network whose first layer with weights is a Conv2d, or a Linear that reads "
        f"whole images; got {what} and images of {tuple(shape)}. Name the shape of an image."
    )


def feature_maps(model: Module, images: Any) -> dict[str, np.ndarray]:
    """Return what each convolution makes of images, by the path of the layer.

    Shapes:
        images: (count, channels, height, width)
        result: (count, maps, height, width) each
    """
    with _watched(model, images) as (_, _, calls):
        return {c.path: c.output.numpy() for c in calls if isinstance(c.layer, Conv2d)}


def saliency(model: Module, images: Any, classes: Any = None) -> np.ndarray:
    """Return how strongly each pixel changes the output of a class.

    max over channels of |d output / d pixel|

    Args:
        model: returns outputs before softmax, (count, classes).
        images: as the network reads them.
        classes: one number per image; that of the largest output unless given.

    Shapes:
        images: (count, channels, height, width)
        result: (count, height, width)

    Source: Simonyan, Vedaldi and Zisserman (2013), "Deep inside convolutional networks",
    section 3.1.

    >>> from ..nn import Flatten, Sequential
    >>> model = Sequential(Flatten(), Linear(2, 1))
    >>> _ = model.load_state_dict({"1.weight": [[3.0, -4.0]], "1.bias": [0.0]})
    >>> saliency(model, np.ones((1, 1, 1, 2), np.float32)).tolist()
    [[[3.0, 4.0]]]
    """
    with _watched(model, images) as (x, outputs, _):
        (slopes,) = grad(_chosen("saliency", outputs, classes), [x])
        assert slopes is not None
        return np.asarray(np.abs(slopes.numpy()).max(axis=1))


def grad_cam(model: Module, images: Any, classes: Any = None, layer: str = "") -> np.ndarray:
    """Return where the feature maps that speak for a class are active.

    relu(sum_k a_k A_k), a_k the mean of d output / d A_k over the pixels of map A_k; scaled
    linearly to the size of the image.

    Args:
        model: returns outputs before softmax, (count, classes).
        images: as the network reads them.
        classes: one number per image; that of the largest output unless given.
        layer: path of the layer whose maps are taken; the last maps of more than one pixel
            unless given.

    Shapes:
        images: (count, channels, height, width)
        result: (count, height, width)

    Raises:
        DomainError: the network has no feature maps, or none at ``layer``.

    Source: Selvaraju et al. (2017), "Grad-CAM: visual explanations from deep networks via
    gradient-based localization", equations 1 and 2.
    """
    with _watched(model, images) as (x, outputs, calls):
        maps = _maps(calls, layer)
        (slopes,) = grad(_chosen("grad_cam", outputs, classes), [maps], allow_unused=True)
        weights = np.zeros((*maps.shape[:2], 1, 1)) if slopes is None else slopes.numpy()
        cam = (weights.mean(axis=(2, 3), keepdims=True) * maps.numpy()).sum(axis=1, keepdims=True)
        wide = interpolate(Tensor(np.maximum(cam, 0)), x.shape[2:], mode="bilinear")
    return wide.numpy()[:, 0]


def occlusion(
    model: Module,
    images: Any,
    classes: Any = None,
    size: int = 0,
    stride: int = 0,
    value: float = 0.0,
) -> np.ndarray:
    """Return how much less probable a class is when a square hides a part of the image.

    Of each pixel it is the mean over all squares that hide it.

    Args:
        model: returns outputs before softmax, (count, classes).
        images: as the network reads them.
        classes: one number per image; that of the largest output unless given.
        size: pixels of a side of the square; a quarter of the image's shorter side unless given.
        stride: pixels between two squares; half a square unless given.
        value: of the pixels of the square; 0 is the mean colour of standardised images.

    Shapes:
        images: (count, channels, height, width)
        result: (count, height, width), from -1 to 1

    Raises:
        DomainError: a square that is larger than the image, or a negative size or stride.

    Source: Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks",
    section 4.2.
    """
    pixels = _images(images)
    height, width = pixels.shape[2:]
    size = size or max(1, min(height, width) // 4)
    stride = stride or max(1, size // 2)
    if not (0 < size <= min(height, width) and stride > 0):
        raise DomainError(
            f"occlusion: size is between 1 and {min(height, width)} pixels, stride at least 1; "
            f"got {size} and {stride}."
        )
    whole = _probabilities(model, pixels)
    chosen = whole.argmax(axis=1) if classes is None else _classes("occlusion", whole, classes)
    drops, counts = np.zeros((len(pixels), height, width)), np.zeros((height, width))
    for top in _starts(height, size, stride):
        for left in _starts(width, size, stride):
            place = np.s_[..., top : top + size, left : left + size]
            hidden = pixels.copy()
            hidden[place] = value
            rows = np.arange(len(pixels)), chosen
            drops[place] += (whole[rows] - _probabilities(model, hidden)[rows])[:, None, None]
            counts[place] += 1
    return np.asarray(drops / counts, np.float32)


@contextmanager
def _watched(model: Module, images: Any) -> Iterator[tuple[Tensor, Any, list[LayerCall]]]:
    """Images as a tensor with a gradient, the outputs, and the layers that were called."""
    x = Tensor(_images(images), requires_grad=True)
    with _evaluating(model), set_grad_enabled(True):
        yield x, *called(model, x)


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    before = {m: m.training for m in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def _images(images: Any) -> np.ndarray:
    pixels = np.array(images.numpy() if isinstance(images, Tensor) else images)
    if pixels.ndim != 4 or pixels.dtype.kind != "f":
        raise ShapeError(
            "sight: images as the network reads them, floats of (count, channels, height, width); "
            f"got {pixels.dtype}{list(pixels.shape)}."
        )
    return pixels


def _classes(name: str, outputs: np.ndarray, classes: Any) -> np.ndarray:
    chosen = np.asarray(classes, np.int64).reshape(-1)
    count, most = outputs.shape
    if len(chosen) != count or not ((chosen >= 0) & (chosen < most)).all():
        raise DomainError(
            f"{name}: one class from 0 to {most - 1} for each of {count} images; got "
            f"{chosen.tolist()}."
        )
    return chosen


def _chosen(name: str, outputs: Tensor, classes: Any) -> Tensor:
    """The sum of the outputs that are asked about."""
    values = outputs.numpy()
    chosen = values.argmax(axis=1) if classes is None else _classes(name, values, classes)
    total: Tensor = (outputs * np.eye(values.shape[1], dtype=values.dtype)[chosen]).sum()
    return total


def _maps(calls: Sequence[LayerCall], layer: str) -> Tensor:
    """The last feature maps of more than one pixel, of all layers or of one."""
    found = [
        (call.path, value)
        for call in calls
        for value in (call.input, call.output)
        if isinstance(value, Tensor) and value.ndim == 4 and max(value.shape[2:]) > 1
    ][1:]  # the first is the image
    own = [v for path, v in found if path == layer or path.startswith(f"{layer}.") or not layer]
    if not own:
        there = ", ".join(dict.fromkeys(path for path, _ in found)) or "none"
        raise DomainError(
            f"grad_cam: layers whose outputs are feature maps, here {there}; got "
            f"{layer or 'no layer'!r}. Use saliency for networks without."
        )
    return own[-1]


def _probabilities(model: Module, pixels: np.ndarray) -> np.ndarray:
    parts = []
    with _evaluating(model), set_grad_enabled(False):
        for start in range(0, len(pixels), AT_ONCE):
            outputs = model(Tensor(pixels[start : start + AT_ONCE]))
            parts.append(softmax(outputs, 1).numpy())
    return np.concatenate(parts)


def _starts(length: int, size: int, stride: int) -> list[int]:
    """Where squares begin: every ``stride`` pixels, and one at the end."""
    return sorted({*range(0, length - size, stride), length - size})
