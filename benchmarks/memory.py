"""How much memory a training step takes beside PyTorch's: a process for each side and network.

    python benchmarks/memory.py [NAME ...]

Needs torch. A figure is the largest resident memory of three steps, less what there was after the
imports: weights, what the optimizer remembers, the batch, activations, and for deepglass machine
code, once made anew and once taken from the store. Networks are those of networks.py that learn,
steps.py's and gpt.py's.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gpt
import networks
import numpy as np
import steps
import torch
from harness import torch_step, training_step

import deepglass as dg


@dataclass(frozen=True)
class Case:
    """One step: what makes the network and the optimizer on either side, and the batch."""

    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    optimizer: Callable[[Any, Any], Any]
    x: np.ndarray
    y: np.ndarray


def small(case: steps.Case) -> Case:
    x, y = np.ones(case.input_shape, np.float32), np.zeros(case.input_shape[0], np.int64)
    return Case(lambda: case.network(dg.nn), lambda: case.network(torch.nn), case.optimizer, x, y)


def classic(case: networks.Case) -> Case:
    x = np.ones((case.batch, 3, case.side, case.side), np.float32)
    return Case(case.ours, case.theirs, steps.sgd, x, np.zeros(case.batch, np.int64))


def transformer() -> Case:
    text = np.zeros((gpt.BATCH, gpt.CONTEXT), np.int64)
    return Case(
        lambda: gpt.gpt(dg.nn), lambda: gpt.gpt(torch.nn), gpt.adamw, text, text.reshape(-1)
    )


CASES: dict[str, Callable[[], Case]] = {c.name: partial(small, c) for c in steps.CASES}
CASES |= {name: partial(classic, c) for name, c in networks.CASES.items()
          if c.trains and c.precision == "float32"}  # fmt: skip
CASES["GPT, batch 32"] = transformer


def megabytes() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grown(name: str, side: str) -> float:
    """Make three steps in this process, and return by how much its memory grew."""
    before = megabytes()
    case = CASES[name]()
    x, y = case.x, case.y
    if side == "PyTorch":
        model = case.theirs()
        optimizer = case.optimizer(torch.optim, model.parameters())
        step = torch_step(model, optimizer, torch.from_numpy(x), torch.from_numpy(y))
    else:
        model = case.ours()
        compiled = training_step(model, case.optimizer(dg.optim, model.parameters()))

        def step() -> Any:
            return compiled(x, y)

    for _ in range(3):
        step().item()
    return megabytes() - before


def in_a_process(name: str, side: str, folder: str) -> float:
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, side],
        env={**os.environ, "DEEPGLASS_CACHE": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    found: float = json.loads(done.stdout)
    return found


def main(names: list[str]) -> None:
    for name in CASES:
        if names and not any(n in name for n in names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            sides = ("deepglass, anew", "deepglass, kept", "PyTorch")
            figures = [f"{side} {in_a_process(name, side, folder):7.0f} MB" for side in sides]
        print(f"{name:44}", "   ".join(figures), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(grown(*sys.argv[2:4])))
    else:
        main(sys.argv[1:])
