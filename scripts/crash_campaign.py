"""Checkpoints under fire: writers that are killed, and disks that are full.

    python scripts/crash_campaign.py kill [--count 200]
    python scripts/crash_campaign.py fill [--count 200]

`kill` ends processes that save without a pause by SIGKILL, each at a random moment. `fill` saves
on a disk that has room for a little less each time: a memory disk of 1 MB in a mount namespace
of its own, which takes root on Linux. Either way the file has to hold the state that was saved
last or the one that was being saved, and the next save has to work.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from deepglass.train import load_checkpoint, save_checkpoint

NAME = "last.safetensors"


def state(number: int, size: int) -> dict[str, Any]:
    """A state by its number: nothing of another one is in it."""
    weights = {f"layer{k}": np.full(size, number, np.float32) for k in range(4)}
    return {"model": weights, "history": [number] * 100, "rate": 1 / number}


def number_of(path: Path) -> int:
    """Return which state a file holds, after looking at all of it."""
    found, _ = load_checkpoint(path)
    number: int = found["history"][0]
    expected = state(number, found["model"]["layer0"].size)
    assert found["history"] == expected["history"]
    assert found["rate"] == expected["rate"]
    for name, value in expected["model"].items():
        assert np.array_equal(found["model"][name], value), f"{name} is not that of {number}"
    return number


def unfinished(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.name.startswith(".")]


# Killed writers -------------------------------------------------------------------------


def write_for_ever(path: Path, first: int, size: int, report: int) -> None:
    """Save one state after the other; each is announced before it is saved."""
    for number in range(first, sys.maxsize):
        os.write(report, number.to_bytes(8, "little"))
        save_checkpoint(path, state(number, size))


def kill_one(path: Path, first: int, size: int, delay: float) -> int:
    """Kill a writer after so many seconds; return the number of the state it was saving."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write_for_ever(path, first, size, writing)
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 8)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    last, announced = first, b""
    with os.fdopen(reading, "rb") as pipe:
        announced = pipe.read()
    if announced:
        last = int.from_bytes(announced[-8:], "little")
    return last


def kill(count: int, size: int = 250_000) -> bool:
    """Print in how many of ``count`` kills the file held the old or the new state."""
    rng = random.Random(0)
    whole = halfway = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        save_checkpoint(path, state(1, size))
        started = time.perf_counter()
        save_checkpoint(path, state(1, size))
        once = time.perf_counter() - started
        held, left = 1, 0
        for _ in range(count):
            saving = kill_one(path, held + 1, size, rng.uniform(0, 3 * once))
            now = number_of(path)
            whole += now in (saving - 1, saving) and now >= held
            halfway += len(unfinished(path.parent)) > left
            held, left = now, len(unfinished(path.parent))
        for p in unfinished(path.parent):
            os.utime(p, (0, 0))
        save_checkpoint(path, state(held + 1, size))
        clean = number_of(path) == held + 1 and not unfinished(path.parent)
    print(f"kill: {whole} of {count} held the old or the new state; {halfway} writers died in the "
          f"middle of a file, {'all' if clean else 'NOT all'} removed later")  # fmt: skip
    return whole == count and clean


# Full disks -----------------------------------------------------------------------------


def fill(count: int) -> bool:
    """Run `fill_disk` on a small disk that nobody else sees and that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
        inside = [sys.executable, __file__, "fill", "--count", str(count), "--disk", folder]
        command = ["unshare", "--mount", "sh", "-c", mount, folder, *inside]
        return subprocess.run(command).returncode == 0


def fill_disk(count: int, disk: Path) -> bool:
    """Print in how many of ``count`` saves on a full disk nothing was lost."""
    kept = failed = 0
    path, filler, size = disk / NAME, disk / "filler", 20_000  # floats: 320 kB a state
    for k in range(count):
        save_checkpoint(path, state(2 * k + 1, size))
        room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        filler.write_bytes(bytes(room - k * 340_000 // count))
        try:
            save_checkpoint(path, state(2 * k + 2, size))
            expected = 2 * k + 2
        except OSError as error:
            failed += error.filename == str(path) and "No space left" in str(error)
            expected = 2 * k + 1
        whole = number_of(path) == expected and not unfinished(disk)
        filler.unlink()
        save_checkpoint(path, state(2 * k + 3, size))
        kept += whole and number_of(path) == 2 * k + 3
    print(f"fill: {kept} of {count} saves on a full disk held the old or the new state and could "
          f"be repeated; {failed} were refused")  # fmt: skip
    return kept == count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("kill", "fill"))
    parser.add_argument("--count", type=int, default=200, help="of kills or full disks")
    parser.add_argument("--disk", type=Path, help="a disk of 1 MB that is there already")
    options = parser.parse_args()
    if options.what == "kill":
        good = kill(options.count)
    elif options.disk is None:
        good = fill(options.count)
    else:
        good = fill_disk(options.count, options.disk)
    sys.exit(not good)


if __name__ == "__main__":
    main()
