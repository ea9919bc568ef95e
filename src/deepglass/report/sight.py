"""What a network sees in images: its first weights, its feature maps, and where it looked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError
from ..explain import feature_maps, grad_cam, kernels, overlay, saliency, tiles
from ..graph.tensor import Tensor
from ..nn import Module
from ..runs import Run
from .batch import Recorded, affordable
from .pictures import picture

TILES = 64  # kernels shown at most
MAPS = 16  # maps of a layer shown
LAYERS = 4  # layers whose maps are shown
SAMPLES = 3  # images whose maps are shown
LOOKED = 12  # images over which heat is shown
SEEN = 10**10  # multiply-adds for them at most
TILE, GRID = 28, 360  # pixels of a tile at least, of a grid at most


def sight(run: Run, batch: Recorded, answered: dict[str, Any]) -> dict[str, Any] | None:
    """Return the part of the report about images; None for other data.

    Args:
        run: trained, its network in the state that is asked.
        batch: its recorded samples.
        answered: what `answers` said; heat is shown over the worst mistakes, if there are any.
    """
    if run.material.sizes.kind != "images":
        return None
    model = run.assembled.trainer.model
    return {
        "kernels": _kernels(model, run.material.sizes.inputs),
        "maps": _maps(model, batch),
        **_looked(run, batch, answered),
    }


def _kernels(model: Module, shape: tuple[int, ...]) -> dict[str, Any] | None:
    try:
        found = kernels(model, shape)
    except DomainError:
        return None
    some = found[:TILES]
    return {
        "count": len(found),
        "shown": len(some),
        "shape": list(found.shape[1:]),
        "image": picture(tiles(some, side=TILE), GRID),
    }


def _maps(model: Module, batch: Recorded) -> list[dict[str, Any]]:
    found = feature_maps(model, batch.prepared[:SAMPLES])
    paths = list(found)
    some = np.unique(np.linspace(0, len(paths) - 1, min(LAYERS, len(paths))).astype(int))
    return [
        {
            "image": picture(batch.inputs[n]),
            "layers": [
                {
                    "name": paths[k],
                    "count": found[paths[k]].shape[1],
                    "shown": min(MAPS, found[paths[k]].shape[1]),
                    "image": picture(tiles(found[paths[k]][n, :MAPS, None], side=TILE), GRID),
                }
                for k in some
            ],
        }
        for n in range(min(SAMPLES, len(batch.inputs)) if paths else 0)
    ]


def _looked(run: Run, batch: Recorded, answered: dict[str, Any]) -> dict[str, Any]:
    """Images with heat over what spoke for the answer."""
    model, prepare = run.assembled.trainer.model, run.assembled.trainer.steps.prepare
    count = min(LOOKED, affordable(run, batch.prepared[:1], SEEN))
    wrong = [s["place"] for s in answered["samples"][: answered["worst"]]]
    if wrong:
        images, truth = run.material.parts[answered["part"]].batch(np.array(wrong[:count]))
    else:
        images, truth = batch.inputs[:count], batch.targets[:count]
    x = prepare(Tensor(images)) if prepare else Tensor(images)
    said = run.assembled.trainer.predict(images).argmax(axis=1)
    try:
        method, heat = "grad_cam", grad_cam(model, x, said)
    except DomainError:
        method, heat = "saliency", saliency(model, x, said)
    looked = [
        {
            "image": picture(image),
            "heat": picture(overlay(image, warm)),
            "truth": int(true),
            "answer": int(answer),
        }
        for image, warm, true, answer in zip(images, heat, truth, said, strict=True)
    ]
    return {"method": method, "wrong": bool(wrong), "looked": looked}
