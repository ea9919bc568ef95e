"""The classic networks of vision beside PyTorch: training steps, and answers to images.

    python benchmarks/networks.py [NAME ...] [--rounds 3] [--threads 2] [--compiled]

Needs torch; with onnx and onnxruntime installed, answers are timed beside ONNX Runtime too. Both
sides start from the same weights and see the same images; one process, in turn, equal threads.
PyTorch runs in the fastest of its ways: eagerly, with channels last, if asked for compiled, and
beside a step in bf16 with autocast. This benchmark's CPUs had no instructions for bf16: we round
to it and compute in float32. Networks in full size take long: name those to run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import (
    RATE,
    Step,
    add_compiled,
    fastest,
    in_turn,
    on_threads,
    print_losses,
    print_rate,
    torch_step,
    torch_steps,
    training_step,
)

import deepglass as dg
from deepglass import models
from deepglass.nn import Module

# PyTorch's side is described once, where the tests compare both.
sys.path.append(str(Path(__file__).parents[1] / "tests" / "torch"))
import zoo


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        ours, theirs: make the network.
        batch: images of a step.
        side: of an image in pixels.
        trains: whether a step learns, or answers.
        precision: of our step, see `dg.compile`.
    """

    ours: Callable[[], Module]
    theirs: Callable[[], torch.nn.Module]
    batch: int
    side: int
    trains: bool = True
    precision: str = "float32"


def _answers(depth: int, layers: list[int]) -> dict[str, Case]:
    ours, deep = getattr(models, f"resnet{depth}"), depth >= 50
    return {
        f"resnet{depth}-answers-{batch}": Case(
            ours, lambda: zoo.resnet(deep, layers, 1000), batch, 224, trains=False
        )
        for batch in (1, 32)
    }


SMALL = Case(
    lambda: models.resnet18(num_classes=10, stem="small"),
    lambda: zoo.resnet(False, [2, 2, 2, 2], 10, small=True),
    64,
    32,
)
CASES = {
    "resnet20": Case(models.resnet20, lambda: zoo.resnet_cifar(3, True, 10), 128, 32),
    "resnet18-small": SMALL,
    "resnet18-small-bf16": replace(SMALL, precision="bf16"),
    "alexnet": Case(lambda: models.alexnet(dropout=0.0), lambda: zoo.alexnet(1, 1000), 8, 224),
    "vgg11": Case(
        lambda: models.vgg11(dropout=0.0),
        lambda: zoo.vgg([1, 1, 2, 2, 2], False, 1000),
        8,
        224,
    ),
    "googlenet": Case(
        lambda: models.googlenet(aux_logits=False, dropout=0.0),
        lambda: zoo.GoogLeNet(1000, heads=False),
        8,
        224,
    ),
    "resnet50": Case(models.resnet50, lambda: zoo.resnet(True, [3, 4, 6, 3], 1000), 8, 224),
    **_answers(18, [2, 2, 2, 2]),
    **_answers(50, [3, 4, 6, 3]),
}


def compare(
    name: str, case: Case, rounds: int, seconds: float, peak: float, compiled: bool
) -> None:
    """Print times, ratios, share of the peak, and that both sides say the same."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.batch, 3, case.side, case.side)).astype(np.float32)
    y = rng.integers(0, 10, case.batch)
    dg.manual_seed(0)
    model = case.ours()
    flops = 2.0 * case.batch * model.summary((1, *x.shape[1:])).multiply_adds
    weights = {k: torch.from_numpy(v.copy()) for k, v in model.state_dict().items()}

    def make() -> torch.nn.Module:
        network = case.theirs()
        network.load_state_dict(weights)
        return network.train(case.trains)

    def learning(network: torch.nn.Module, images: torch.Tensor) -> Step:
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
        return torch_step(network, optimizer, images, torch.from_numpy(y))

    if case.trains:
        optimizer = dg.optim.SGD(model.parameters(), lr=RATE)
        step = training_step(model, optimizer, case.precision)
        peers = torch_steps(make, learning, x, compiled)
        if case.precision == "bf16":
            peers |= {f"{way}, autocast": _autocast(s) for way, s in peers.items()}
        losses = [(step(x, y).item(), peers["PyTorch"]().item()) for _ in range(3)]
        title = f"{name}, batch {case.batch}"
        took = in_turn(title, lambda: step(x, y), *fastest(peers, seconds), rounds, seconds)
        print_rate(3 * flops, took, peak)
        print_losses(losses)
        return
    answer = dg.compile(model.eval())
    with torch.inference_mode(), dg.no_grad():
        peers = torch_steps(make, lambda network, images: lambda: network(images), x, compiled)
        found, wanted = answer(x).numpy(), peers["PyTorch"]().numpy()
        took = in_turn(name, lambda: answer(x), *fastest(peers, seconds), rounds, seconds)
        print_rate(flops, took, peak)
        print(f"  answers differ by {np.abs(found - wanted).max() / np.abs(wanted).max():.0e}")
        if find_spec("onnx") and find_spec("onnxruntime"):
            in_turn(name, lambda: answer(x), "ONNX Runtime", _onnx(make(), x), rounds, seconds)


def _autocast(step: Step) -> Step:
    """The step in bf16, as far as PyTorch finds that good."""

    def inside() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return step()

    return inside


def _onnx(network: torch.nn.Module, x: np.ndarray) -> Step:
    """The network in ONNX Runtime."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the old one
        path = str(Path(folder) / "network.onnx")
        torch.onnx.export(network, torch.from_numpy(x), path, dynamo=False)
        session = onnxruntime.InferenceSession(path, settings)
    (name,) = [i.name for i in session.get_inputs()]
    session.run(None, {name: x})
    return lambda: session.run(None, {name: x})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all unless given")
    parser.add_argument("--rounds", type=int, default=3, help="bursts per side and network")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a burst, about")
    parser.add_argument("--threads", type=int, default=2, help="threads on both sides")
    add_compiled(parser)
    options = parser.parse_args()
    peak = on_threads(options.threads)
    for name in options.names or CASES:
        compare(name, CASES[name], options.rounds, options.seconds, peak, options.compiled)


if __name__ == "__main__":
    main()
