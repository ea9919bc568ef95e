"""Random programs on machine code and on NumPy: a long campaign.

    python scripts/fuzz.py [--count 20000] [--first 0] [--stop]

Each program is a chain of ops forward and backward over views, slices, scatters, state and
scans, and some ops on samples of their own (tests/backends/native/random_programs.py). A program
whose results differ is made shorter as long as they still do, and printed with its seed. At the
end stands in how many programs results depend on each op, and a gradient goes through it. The
status is 0 if no program failed and no op was too rare. ``DEEPGLASS_CPU=avx2`` (or sse, avx512)
checks the code for another processor than this one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "backends" / "native")]

from random_programs import (  # noqa: E402
    DIFFERENTIABLE,
    OPS,
    UNSEEN,
    RandomProgram,
    disagreement,
)

from deepglass.graph.op import Op  # noqa: E402

TOLERANCE = 1e-10  # of the largest value of each result, in float64
RARE = 1000  # programs among which each op has to stand in one, either way

Outcome = tuple[int, str, set[str], set[str]]  # seed, what was wrong, ops forward, backward


def check(seed: int, length: int = 14) -> Outcome:
    """Run the program of one seed on both backends."""
    program = RandomProgram(seed, length)
    try:
        worst = disagreement(program, "float64")
        wrong = "" if worst <= TOLERANCE else f"differ by {worst:.1e}: {', '.join(program.used)}"
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    return seed, wrong, program.forward, program.backward


def shortest(seed: int) -> str:
    """What is wrong with the shortest program of a seed that fails."""
    lengths = ((n, check(seed, n)[1]) for n in range(1, 15))
    length, wrong = next((n, wrong) for n, wrong in lengths if wrong)
    return f"RandomProgram({seed}, {length}) {wrong}"


def told(way: str, counts: Counter[str], ops: list[Op], least: int) -> bool:
    """Print how often each op was met, the rarest first, and return whether often enough."""
    rare = [op.name for op in ops if counts[op.name] < least]
    print(f"{way}: {len(ops)} ops, {len(rare)} in less than {least} programs", *rare)
    print(" ", *[f"{name} {n}" for n, name in sorted((counts[op.name], op.name) for op in ops)])
    return not rare


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, help="programs to run")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--stop", action="store_true", help="end at the first that fails")
    options = parser.parse_args()
    forward: Counter[str] = Counter()
    backward: Counter[str] = Counter()
    failed = 0
    start = time.perf_counter()
    seeds = range(options.first, options.first + options.count)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, (seed, wrong, ops, slopes) in enumerate(pool.map(check, seeds, chunksize=8), 1):
            forward.update(ops)
            backward.update(slopes)
            if wrong:
                failed += 1
                print(shortest(seed), flush=True)
                if options.stop:
                    pool.shutdown(cancel_futures=True)
                    sys.exit(1)
            if done % 500 == 0:
                seconds = time.perf_counter() - start
                print(f"{done} programs, {failed} failed, {seconds:.0f} s", flush=True)
    least = options.count // RARE
    often = told("forward", forward, OPS, least)
    often &= told("backward", backward, DIFFERENTIABLE, least)
    print("not counted:", *[f"{name} ({why})" for name, why in UNSEEN.items()])
    print(f"{options.count} programs, {failed} failed")
    sys.exit(failed > 0 or not often)


if __name__ == "__main__":
    main()
