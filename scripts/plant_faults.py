#!/usr/bin/env python3
"""Plant faults into copies of the package and see whether the tests find them.

    python scripts/plant_faults.py            all of them
    python scripts/plant_faults.py barrier    those whose name contains a word

Each fault replaces one piece of source by another and names the tests that are there to
find it. They pass without the fault, and have to fail with it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Fault:
    """A mistake somebody could make.

    Attributes:
        name: what is wrong.
        file: where, below src/deepglass.
        before: source text that occurs there once.
        after: what stands there instead.
        tests: arguments for pytest; none where random programs are to find it.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...] = ()


RECORDS = (
    Fault(
        "a gradient with the wrong sign",
        "ops/functions.py",
        "lambda g, y, x: g * (1 - y * y)",
        "lambda g, y, x: -g * (1 - y * y)",
        ("tests/test_ops.py", "tests/test_oracles.py", "-k", "tanh"),
    ),
    Fault(
        "a transposed index in a pull rule",
        "ops/movement.py",
        "x([i[k] for k in _inverse(dims)])",
        "x([i[k] for k in dims])",
        ("tests/test_ops.py", "-k", "transpose"),
    ),
    Fault(
        "a reduction over the wrong axis",
        "ops/softmax.py",
        "y * (g - sum(g * y, dim, keepdim=True))",
        "y * (g - sum(g * y, 0, keepdim=True))",
        ("tests/test_ops.py", "tests/test_oracles.py", "-k", "softmax"),
    ),
    Fault(
        "the last of equal maxima in a window",
        "ops/pooling.py",
        "b.logical_not(b.le(value, best))",
        "b.logical_not(b.lt(value, best))",
        ("tests/test_ops.py", "-k", "window_argmax and values"),
    ),
    Fault(
        "windows counted forwards instead of back",
        "ops/window.py",
        "number = b.sub(b.floordiv(shifted, stride), back)",
        "number = b.add(b.floordiv(shifted, stride), back)",
        ("tests/test_ops.py", "-k", "conv_transpose and values"),
    ),
    Fault(
        "initial weights that are too small",
        "nn/init.py",
        "bound = math.sqrt(3) * std",
        "bound = math.sqrt(2) * std",
        ("tests/test_init.py", "-k", "pytorchs or kaiming"),
    ),
)

LAYERS = (
    Fault(
        "a mean of losses that forgets the weights of their classes",
        "ops/classification.py",
        "        q, counts = q * w, sum(hot * w, dim) if labelled else None\n",
        "        q, counts = q * w, counts\n",
        ("tests/test_losses.py", "-k", "cross_entropy_by_hand"),
    ),
    Fault(
        "a target that is broadcast",
        "ops/losses.py",
        "    if x.shape != y.shape:\n",
        "    if x.numel() != y.numel():\n",
        ("tests/test_losses.py", "-k", "column"),
    ),
    Fault(
        "a running variance that is biased",
        "ops/normalization.py",
        "variance * (count / (count - 1))",
        "variance",
        ("tests/test_nn.py", "-k", "batch_norm"),
    ),
    Fault(
        "a padding row that is trained",
        "ops/embedding.py",
        "where(padded, rows.detach(), rows)",
        "where(padded, rows, rows)",
        ("tests/test_nn.py", "-k", "embedding"),
    ),
    Fault(
        "a state dict that is loaded in part before it fails",
        "nn/state.py",
        "    if problems:\n",
        "    if problems and not values:\n",
        ("tests/test_module.py", "-k", "loading"),
    ),
)

TRACING = (
    Fault(
        "handles not restored after an exception",
        "graph/trace.py",
        "            tensor._node, tensor._grad = node, grad\n",
        "            if kind is None:\n                tensor._node, tensor._grad = node, grad\n",
        ("tests/test_state.py", "-k", "exception"),
    ),
    Fault(
        "no new program after train() or eval()",
        "nn/module.py",
        "if not isinstance(v, _OWNED)",
        'if not isinstance(v, _OWNED) and k != "training"',
        ("tests/test_compile.py", "tests/test_state.py", "-k", "mode or evaluation"),
    ),
    Fault(
        "a frozen learning rate",
        "optim/optimizer.py",
        "rounded(number(group.rate), wide)",
        "float(group.rate._node.data)",
        ("tests/test_state.py", "tests/test_oracles.py", "-k", "rate"),
    ),
    Fault(
        "updates of single numbers dropped",
        "graph/trace.py",
        "if before.trace is None and tensor._node is not before:",
        "if before.trace is None and tensor._node is not before and before.type.shape:",
        ("tests/test_state.py", "-k", "adam or draw"),
    ),
)

KERNELS = (
    Fault(
        "the last element of a ragged row masked off",
        "backends/native/access.py",
        "constants([lane < place.valid for",
        "constants([lane < place.valid - 1 for",
        ("tests/test_ops.py", "-k", "native and (sum or matmul or exp)"),
    ),
    Fault(
        "a barrier missing between a row and its neighbours",
        "backends/native/groups.py",
        "return same and read.row == first.row",
        "return same",
        ("tests/test_compile.py", "-k", "rows_of_others"),
    ),
    Fault(
        "a result fused in front of what it needs",
        "backends/native/groups.py",
        "any(self.depends(self.groups[n], on=group) for n in needed)",
        "False",
        ("tests/backends/native/test_programs.py", "-k", "whole_steps and SGD"),
    ),
)

OPTIMIZERS = (
    Fault(
        "a first step that is dampened",
        "optim/sgd.py",
        "where(step == 0, 1.0, 1 - group",
        "where(step < 0, 1.0, 1 - group",
        ("tests/test_optim.py", "-k", "dampening"),
    ),
    Fault(
        "one count of steps too many in Adam's correction",
        "optim/adam.py",
        "    t = number(step)\n",
        "    t = number(step) + 1\n",
        ("tests/test_optim.py", "-k", "adam"),
    ),
    Fault(
        "weight decay through the gradient where it is decoupled",
        "optim/optimizer.py",
        'and not group.is_on("decoupled_weight_decay")',
        'and not group.is_on("decoupled")',
        ("tests/test_optim.py", "-k", "weight_decay"),
    ),
    Fault(
        "a state dict that gives windows instead of values",
        "optim/optimizer.py",
        "{name: np.array(buffer.numpy()) for name",
        "{name: buffer for name",
        ("tests/test_optim.py", "-k", "plain or saved"),
    ),
    Fault(
        "accumulation taken for gradients that nobody cleared",
        "autodiff.py",
        "total.origin = before.origin or before.id",
        "total.origin = owner.node.id",
        ("tests/test_optim.py", "-k", "cleared or again"),
    ),
    Fault(
        "a schedule one step behind",
        "optim/lr_scheduler/functions.py",
        "self.gamma ** bisect_right(self.milestones, step)",
        "self.gamma ** bisect_right(self.milestones, step - 1)",
        ("tests/test_schedules.py", "-k", "by_hand"),
    ),
    Fault(
        "a second schedule that counts from the first one's start",
        "optim/lr_scheduler/combined.py",
        ".rate(base_lr, step - begun, group)",
        ".rate(base_lr, step, group)",
        ("tests/test_schedules.py", "-k", "by_hand"),
    ),
    Fault(
        "a search that leaves its bounds",
        "optim/descent.py",
        "new = np.clip(x + share * direction, low, high)",
        "new = x + share * direction",
        ("tests/test_optimum.py", "-k", "bounds or box"),
    ),
    Fault(
        "draws that repeat what was drawn before",
        "ops/random.py",
        "Tensor(prod(shape), uint64)",
        "Tensor(min(prod(shape), 1), uint64)",
        ("tests/test_random.py", "-k", "counter or new_numbers"),
    ),
    Fault(
        "tails of normal numbers on the wrong side",
        "ops/random.py",
        "where(lt(number, 0), size_of, -size_of)",
        "where(lt(number, 0), -size_of, size_of)",
        ("tests/test_random.py", "-k", "quantiles_of_their_bits"),
    ),
)

TYPES = (
    Fault(
        "halves that meet in one of them",
        "graph/types.py",
        "high if low.bytes < high.bytes else float32",
        "high",
        ("tests/test_types.py", "-k", "meet_there or bound"),
    ),
    Fault(
        "sums of halves in halves",
        "graph/op.py",
        "[widened(a) for a in arrays], widened_params(params)",
        "list(arrays), params",
        ("tests/test_types.py", "-k", "rounds_once or overflow"),
    ),
    Fault(
        "a chain that does not round in between",
        "passes/widen.py",
        "    if x.type.dtype is dtype:\n",
        '    if x.op.name == "cast" and x.inputs[0].type.dtype is dtype:\n'
        "        return x.inputs[0]\n"
        "    if x.type.dtype is dtype:\n",
        ("tests/test_types.py", "-k", "chain"),
    ),
    Fault(
        "ties rounded up",
        "backends/native/halves.py",
        'w.binary("add", _masked(w, kept, 1), _number(kept, below))',
        "_number(kept, below + 1)",
        ("tests/backends/native/test_halves.py",),
    ),
    Fault(
        "subnormal halves lost",
        "backends/native/halves.py",
        "w.select(small, subnormal, normal)",
        "w.select(small, _number(size, 0), normal)",
        ("tests/backends/native/test_halves.py",),
    ),
)

REGIONS = (
    Fault(
        "a scan's gradient at the carries after the steps",
        "scan.py",
        "before = _shifted(carries, init, reverse)",
        "before = carries",
        ("tests/test_scan.py", "-k", "compiled_gradients"),
    ),
    Fault(
        "a scan's last gradient added to no step",
        "scan.py",
        "after = _shifted(pulled, end, not reverse)",
        "after = pulled",
        ("tests/test_scan.py", "-k", "compiled_gradients"),
    ),
    Fault(
        "a step that may change state",
        "graph/trace.py",
        "(tensor._storage is not None or tensor._node.id < seal[0])",
        "tensor._node.id < seal[0] - 10**9",
        ("tests/test_scan.py", "-k", "changes_no"),
    ),
    Fault(
        "forget and input gates mixed up",
        "nn/cells.py",
        "i, f, g, o = chunk(gates, 4, dim=1)",
        "f, i, g, o = chunk(gates, 4, dim=1)",
        ("tests/test_recurrent.py", "-k", "equations"),
    ),
    Fault(
        "activations computed again at once",
        "checkpoint.py",
        "after(x, g) for x in inputs",
        "x for x in inputs",
        ("tests/test_checkpoint.py", "-k", "arena"),
    ),
    Fault(
        "a checkpoint that keeps what it computed",
        "checkpoint.py",
        "inputs = (Node(output.op, output.type, data=output.data), *besides)",
        "inputs = (output, *besides)",
        ("tests/test_checkpoint.py", "-k", "freed"),
    ),
    Fault(
        "state changed before Python is called",
        "backends/native/lower.py",
        "[g for g in on_host if g not in readers] + readers",
        "readers",
        ("tests/test_host.py", "-k", "raises"),
    ),
    Fault(
        "a Jacobian-vector product of the last slope alone",
        "derivatives.py",
        "(change,) = pullback([read(s) for s in slopes], direction, [read(u)])",
        "(change,) = pullback([read(slopes[-1])], direction[-1:], [read(u)])",
        ("tests/test_derivatives.py", "-k", "several_arguments"),
    ),
)

PLACES = (
    Fault(
        "an index outside one axis that lands inside another",
        "ops/selecting.py",
        "b.where(inside, place, b.const(-1, like=place))",
        "place",
        ("tests/test_indexing.py", "-k", "computed_inside"),
    ),
    Fault(
        "a gradient for every value written, not for the last",
        "ops/selecting.py",
        "wins = eq(last, iota(index.shape, None))",
        "wins = eq(last, last)",
        ("tests/test_ops.py", "-k", "index_copy"),
    ),
    Fault(
        "the axes of indices in the wrong place",
        "ops/keys.py",
        "together = at == list(range(at[0], at[0] + len(at))) if at else True",
        "together = True",
        ("tests/test_indexing.py", "-k", "numpy_puts"),
    ),
    Fault(
        "the largest of several sources added up",
        "backends/native/access.py",
        '"max": "maximum"',
        '"max": "add"',
        ("tests/test_ops.py", "-k", "scatter_max"),
    ),
    Fault(
        "a product of batches turned round with its batches",
        "passes/simplify.py",
        "if dims[-2:] != (len(dims) - 1, len(dims) - 2):",
        "if len(dims) < 2:",
        ("tests/test_movement.py", "-k", "transposed_product"),
    ),
    Fault(
        "a letter summed before the last operand has come",
        "ops/einstein.py",
        "later = {n for t in terms[k + 1 :] for n in t.names}",
        "later = set()",
        ("tests/test_einsum.py", "-k", "slopes"),
    ),
    Fault(
        "the order of the largest counted from the wrong end",
        "ops/sorting.py",
        "x.shape[dim] - 1 - backwards, dim)",
        "backwards, dim)",
        ("tests/test_sorting.py", "tests/test_ops.py", "-k", "argsort or places"),
    ),
)

FAULTS = (*RECORDS, *LAYERS, *TRACING, *KERNELS, *OPTIMIZERS, *TYPES, *REGIONS, *PLACES)


def applies(fault: Fault) -> bool:
    """Whether the text a fault replaces occurs exactly once."""
    return (ROOT / "src/deepglass" / fault.file).read_text(encoding="utf-8").count(
        fault.before
    ) == 1


def run(folder: Path, tests: tuple[str, ...]) -> tuple[int, str]:
    """Run tests in a copy; return pytest's exit status and the first test that failed."""
    command = (sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider")
    result = subprocess.run(
        [*command, *tests], cwd=folder, capture_output=True, text=True, check=False
    )
    failed = [line for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    first = failed[0].split(" - ")[0].partition(" ")[2] if failed else ""
    return result.returncode, first


def copied(folder: Path, *besides: str) -> None:
    """Copy what the tests need, and other folders."""
    for part in ("src", "tests", *besides):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def plant(fault: Fault, folder: Path) -> None:
    """Put a fault into a copy."""
    file = folder / "src/deepglass" / fault.file
    text = file.read_text(encoding="utf-8").replace(fault.before, fault.after)
    file.write_text(text, encoding="utf-8")


def caught(fault: Fault) -> tuple[bool, str]:
    """Whether the tests of a fault pass without it and fail with it, and which of them did."""
    if not applies(fault):
        return False, f"{fault.file} does not contain {fault.before!r} once"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        status, first = run(folder, fault.tests)
        if status != 0:
            return False, f"fails without the fault: {first or f'status {status}'}"
        plant(fault, folder)
        status, first = run(folder, fault.tests)
        if status in (0, 4, 5):  # passed, or nothing was run
            return False, "not found" if status == 0 else "no test was run"
        return True, first or f"the tests ended with status {status}"


def report(
    words: Sequence[str], faults: Sequence[Fault], caught: Callable[[Fault], tuple[bool, str]]
) -> int:
    """Plant those faults whose names contain all words, one by one, and print which were caught;
    return 1 if one was not."""
    chosen = [f for f in faults if all(w in f.name for w in words)]
    found = 0
    for fault in chosen:
        started = time.perf_counter()
        good, where = caught(fault)
        found += good
        seconds = time.perf_counter() - started
        mark = "caught" if good else "MISSED"
        print(f"{mark}  {fault.name:<60} {seconds:4.0f} s   {where[:160]}", flush=True)
    print(f"{found} of {len(chosen)} caught")
    return int(found != len(chosen))


if __name__ == "__main__":
    sys.exit(report(sys.argv[1:], FAULTS, caught))
