#!/usr/bin/env python3
"""Plant mistakes into copies of the compiler and see whether random programs find them.

    python scripts/plant_miscompilations.py [WORD ...] [--count 500]

For each fault, or those whose names contain all words, scripts/fuzz.py runs in a copy until a
program differs from NumPy's. The shortest such program is shown with its seed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from plant_faults import Fault, applies, copied, plant, report

FUZZ = ("scripts/fuzz.py", "--stop", "--count")
LONGEST = 3600  # seconds that the programs of one fault may take

FAULTS = (
    Fault(
        "state overwritten in place before all have read it",
        "backends/native/lower.py",
        "            if group is not writer:\n                self.grouping.order(group, writer)\n",
        "            pass\n",
    ),
    Fault(
        "state overwritten by loops that read its other elements",
        "backends/native/lower.py",
        "if not all(at_own_element(r, group.axes) for r in old) or group.alone:",
        "if group.alone:",
    ),
    Fault(
        "memory given away at the level that reads it last",
        "backends/native/memory.py",
        "if f <= last and first <= t",
        "if f < last and first < t",
    ),
    Fault(
        "a fused read of elements that are not there yet",
        "backends/native/groups.py",
        "return bool(mine) and all(at_own_element(r, recipe.axes) for r in mine)",
        "return bool(mine)",
    ),
    Fault(
        "a barrier missing between a row and its neighbours",
        "backends/native/groups.py",
        "return same and read.row == first.row",
        "return same",
    ),
    Fault(
        "the last vector of an axis one lane short",
        "backends/native/access.py",
        "constants([lane < place.valid for",
        "constants([lane < place.valid - 1 for",
    ),
    Fault(
        "lanes behind the end of an axis summed",
        "backends/native/nest.py",
        "if mask is None or self.vector not in self.inner:",
        "if mask is None or accum.combine == 'add':",
    ),
    Fault(
        "the largest element looked for from zero",
        "backends/native/reduce.py",
        "lowest = constant(least(dtype), dtype, lanes)",
        "lowest = constant(0, dtype, lanes)",
    ),
    Fault(
        "partial sums beside the first dropped",
        "backends/native/nest.py",
        "self.nest.accums[key[0]].combine, values)",
        "self.nest.accums[key[0]].combine, values[:1])",
    ),
    Fault(
        "the terms behind the last whole slice of a long sum dropped",
        "backends/native/slices.py",
        "for length, before in ((size, ((part, size),)), (rest, ())):",
        "for length, before in ((size, ((part, size),)),):",
    ),
    Fault(
        "the shorter last chunk of rows as long as the others",
        "backends/native/emit.py",
        "last = extent - (chunks - 1) * size",
        "last = size",
    ),
    Fault(
        "a slice that forgets its step",
        "ops/slicing.py",
        "b.add(b.mul(k, b.const(step, like=k)), b.const(start, like=k))",
        "b.add(k, b.const(start, like=k))",
    ),
    Fault(
        "a view read with the strides of what it looks at",
        "backends/native/recipe.py",
        "            seen = row_major(shape)\n",
        "            seen = row_major(shape[::-1] if len(shape) == 2 else shape)\n",
    ),
    Fault(
        "the last term of a broadcast's gradient dropped",
        "backends/native/recipe.py",
        'visited(tuple(shape[d] for d in dims), "k")',
        'visited(tuple(shape[d] - (shape[d] > 5) for d in dims), "k")',
    ),
    Fault(
        "a scatter that loses what meets at one place",
        "backends/native/lower.py",
        "store = Store(target, place, value, kernel.combine)",
        "store = Store(target, place, value)",
    ),
    Fault(
        "a border one element too narrow",
        "backends/native/border.py",
        "for start, count in ((-before, before), (layout.shape[axis], after)):",
        "for start, count in ((-before, before), (layout.shape[axis], max(after - 1, 0))):",
    ),
    Fault(
        "a tile of channels in the place of its neighbour",
        "backends/native/layout.py",
        "            stride *= self._length(part)\n        return found",
        "            stride *= part.extent\n        return found",
    ),
    Fault(
        "equal expressions found where a parameter differs",
        "passes/cse.py",
        "return (node.op, node.inputs, params, node.type)",
        "return (node.op, node.inputs, node.type)",
    ),
)


def found(fault: Fault, count: int) -> tuple[bool, str]:
    """Whether a random program shows a fault, and which one."""
    if not applies(fault):
        return False, f"{fault.file} does not contain {fault.before!r} once"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder, "scripts")
        plant(fault, folder)
        command = [sys.executable, *FUZZ, str(count)]
        try:
            result = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=LONGEST
            )
        except subprocess.TimeoutExpired:
            return False, f"no end after {LONGEST} s"
    lines = (result.stdout + result.stderr).splitlines()
    shown = [line for line in lines if line.startswith(("RandomProgram", "a process crashed"))]
    last = lines[-1] if lines else ""
    if re.fullmatch(r"\d+ programs, 0 failed", last):
        return False, f"not found by {last}"
    return result.returncode != 0, shown[0] if shown else last


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", help="of the names of the faults to plant")
    parser.add_argument("--count", type=int, default=500, help="programs to try for each")
    options = parser.parse_args()
    return report(options.words, FAULTS, lambda fault: found(fault, options.count))


if __name__ == "__main__":
    sys.exit(main())
