"""Which pixels decide, beside the same written with PyTorch's autograd and hooks."""

from __future__ import annotations

import numpy as np
import torch

import deepglass as dg
from deepglass import nn
from deepglass.explain import grad_cam, occlusion, saliency

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(5, 3, 13, 17))
CLASSES = [0, 6, 3, 3, 1]


def networks() -> tuple[nn.Module, torch.nn.Module]:
    dg.manual_seed(3)
    made = []
    for n in (nn, torch.nn):
        layers = (
            n.Conv2d(3, 8, 3, stride=2, padding=1), n.BatchNorm2d(8), n.ReLU(), n.MaxPool2d(2),
            n.Conv2d(8, 11, 2), n.GELU(), n.AdaptiveAvgPool2d(1), n.Flatten(), n.Linear(11, 7),
        )  # fmt: skip
        made.append(n.Sequential(*layers).double().eval())
    ours, theirs = made
    state = {k: torch.tensor(np.array(v)) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    return ours, theirs


def test_saliency() -> None:
    ours, theirs = networks()
    x = torch.tensor(IMAGES, requires_grad=True)
    theirs(x)[range(5), CLASSES].sum().backward()
    expected = x.grad.abs().amax(1).numpy()
    np.testing.assert_allclose(saliency(ours, IMAGES, CLASSES), expected, rtol=1e-10, atol=1e-14)


def test_grad_cam() -> None:
    ours, theirs = networks()
    for layer in (2, 5):
        kept = {}
        hook = theirs[layer].register_forward_hook(lambda m, i, y, to=kept: to.update(maps=y))
        outputs = theirs(torch.tensor(IMAGES))
        hook.remove()
        (slopes,) = torch.autograd.grad(outputs[range(5), CLASSES].sum(), kept["maps"])
        cam = (slopes.mean((2, 3), keepdim=True) * kept["maps"]).sum(1, keepdim=True).relu()
        wide = torch.nn.functional.interpolate(cam, (13, 17), mode="bilinear").detach()
        found = grad_cam(ours, IMAGES, CLASSES, str(layer))
        np.testing.assert_allclose(found, wide[:, 0].numpy(), rtol=1e-9, atol=1e-13)
    np.testing.assert_array_equal(found, grad_cam(ours, IMAGES, CLASSES))


def test_occlusion() -> None:
    ours, theirs = networks()
    drops, counts = torch.zeros(5, 13, 17, dtype=torch.float64), torch.zeros(13, 17)
    with torch.no_grad():
        x = torch.tensor(IMAGES)
        whole = theirs(x).softmax(1)[range(5), CLASSES]
        for top in (0, 4, 8, 9):
            for left in (0, 4, 8, 12, 13):
                hidden = x.clone()
                hidden[:, :, top : top + 4, left : left + 4] = -1
                drop = whole - theirs(hidden).softmax(1)[range(5), CLASSES]
                drops[:, top : top + 4, left : left + 4] += drop[:, None, None]
                counts[top : top + 4, left : left + 4] += 1
    found = occlusion(ours, IMAGES, CLASSES, 4, 4, -1.0)
    np.testing.assert_allclose(found, (drops / counts).numpy(), rtol=1e-4, atol=1e-7)
