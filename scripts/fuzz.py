"""Random programs on machine code and on NumPy: a long campaign.

    python scripts/fuzz.py [--count 20000] [--first 0] [--stop]

Each program is a chain of ops forward and backward over views, slices, scatters, state and
scans, and some ops on samples of their own (tests/backends/native/random_programs.py). A program
whose results differ is made shorter as long as they still do, and printed with its seed. At the
end stands in how many programs results depend on each op, and a gradient goes through it. The
status is 0 if no program failed and no op was too rare. A campaign may be run in parts: what it
tells from time to time, and when it is interrupted, names the seed to go on with.
``DEEPGLASS_CPU=avx2`` (or sse, avx512) checks the code for another processor than this one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

ROOT = Path(__file__).parent.parent
os.environ["DEEPGLASS_CACHE"] = "0"  # no program comes twice
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
CHUNK = 4  # programs that a process takes at once
PAUSE = 20.0  # seconds between two words on how far it is

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


class Campaign:
    """What is known of the programs that ran.

    Args:
        first: seed of the first.
        count: how many there are to be.
    """

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count
        self.done = self.failed = 0
        self.forward: Counter[str] = Counter()
        self.backward: Counter[str] = Counter()
        self.start = self.spoke = time.perf_counter()

    @property
    def next(self) -> int:
        """The seed to go on with."""
        return self.first + self.done

    def note(self, outcome: Outcome) -> None:
        """Count a program; print it if it fails, and from time to time how far all are."""
        seed, wrong, forward, backward = outcome
        self.done += 1
        self.failed += bool(wrong)
        self.forward.update(forward)
        self.backward.update(backward)
        if wrong:
            print(shortest(seed), flush=True)
        if time.perf_counter() - self.spoke > PAUSE:
            self.spoke = time.perf_counter()
            rate = self.done / (self.spoke - self.start)
            left = (self.count - self.done) / rate / 60
            print(f"{self}, {rate:.1f} a second, {left:.0f} min left, next {self.next}", flush=True)

    def __str__(self) -> str:
        return f"{self.done} programs, {self.failed} failed"

    def told(self) -> bool:
        """Print how often each op was met, and return whether that was often enough."""
        least = self.done // RARE
        often = told("forward", self.forward, OPS, least)
        often &= told("backward", self.backward, DIFFERENTIABLE, least)
        print("not counted:", *[f"{name} ({why})" for name, why in UNSEEN.items()])
        return often


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, help="programs to run")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--stop", action="store_true", help="end at the first that fails")
    options = parser.parse_args()
    campaign = Campaign(options.first, options.count)
    seeds = range(options.first, options.first + options.count)
    pool = ProcessPoolExecutor(os.cpu_count())
    try:
        for outcome in pool.map(check, seeds, chunksize=CHUNK):
            campaign.note(outcome)
            if campaign.failed and options.stop:
                break
    except BrokenProcessPool:
        campaign.failed += 1
        last = campaign.next + CHUNK * (os.cpu_count() or 1)
        print(f"a process crashed in a program from {campaign.next} to {last}", flush=True)
    except KeyboardInterrupt:
        print(f"interrupted; go on with --first {campaign.next}")
    pool.shutdown(cancel_futures=True)
    often = campaign.told()
    print(campaign)
    sys.exit(campaign.failed > 0 or not often)


if __name__ == "__main__":
    main()
