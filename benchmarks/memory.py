"""How much memory a training step takes beside PyTorch's: a process for each side and network.

    python benchmarks/memory.py [NAME ...]

Needs torch. A figure is the largest resident memory of three steps, less what there was after the
imports: weights, what the optimizer remembers, the batch, activations, and for deepglass machine
code, once made anew and once taken from the store. Networks are those of networks.py that learn
and steps.py's.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from typing import Any

import networks
import numpy as np
import steps
import torch
from harness import torch_step, training_step

import deepglass as dg

CASES: dict[str, Any] = {case.name: case for case in steps.CASES}
CASES |= {name: case for name, case in networks.CASES.items() if case.trains}


def megabytes() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grown(name: str, side: str) -> float:
    """Make three steps in this process, and return by how much its memory grew."""
    case = CASES[name]
    before = megabytes()
    small = isinstance(case, steps.Case)
    shape = case.input_shape if small else (case.batch, 3, case.side, case.side)
    x = np.ones(shape, np.float32)
    y = np.zeros(shape[0], np.int64)
    make = case.optimizer if small else steps.sgd
    if side == "PyTorch":
        model = case.network(torch.nn) if small else case.theirs()
        optimizer = make(torch.optim, model.parameters())
        step = torch_step(model, optimizer, torch.from_numpy(x), torch.from_numpy(y))
    else:
        model = case.network(dg.nn) if small else case.ours()
        compiled = training_step(model, make(dg.optim, model.parameters()))

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
