"""How long it takes to make machine code of a training step: anew, and from the store.

    python benchmarks/compile.py [name ...]

Every figure is of a process of its own: first with an empty store of machine code, then with
what the first left there. The parts are those of `Program.seconds`; "text" is written while
LLVM makes machine code of the pieces before, so "machine code" is what is left to wait for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import training_step

import deepglass as dg
from deepglass import models, nn

STEPS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "mlp 784-128-10, batch 64": (lambda: models.MLP([784, 128, 10]), (64, 784)),
    "lenet, batch 64": (models.lenet5, (64, 1, 28, 28)),
    "resnet20, batch 128": (models.resnet20, (128, 3, 32, 32)),
    "resnet18 for small images, batch 64": (
        lambda: models.resnet18(num_classes=10, stem="small"),
        (64, 3, 32, 32),
    ),
}


def compiled(name: str) -> dict[str, float]:
    """Compile one step in this process; return the seconds of its parts and of the call."""
    make, shape = STEPS[name]
    dg.manual_seed(0)
    model: nn.Module = make()
    step = training_step(model, dg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
    images = np.zeros(shape, np.float32)
    labels = np.zeros(shape[0], np.int64)
    begin = time.perf_counter()
    program = step.program(images, labels)
    return {**program.seconds, "in all": time.perf_counter() - begin}


def in_a_process(name: str, folder: str) -> dict[str, float]:
    """Return what `compiled` says in a new process with a store in ``folder``."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", name],
        env={**os.environ, "DEEPGLASS_CACHE": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(names: list[str]) -> None:
    for name in STEPS:
        if names and not any(n in name for n in names):
            continue
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for what in ("anew", "kept"):
                seconds = in_a_process(name, os.path.join(folder, "code"))
                parts = ", ".join(f"{part} {1e3 * s:.0f}" for part, s in seconds.items())
                print(f"  {what}  {parts} ms", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(compiled(sys.argv[2])))
    else:
        main(sys.argv[1:])
