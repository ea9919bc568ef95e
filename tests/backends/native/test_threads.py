"""The thread pool: same bits, forks, callers at once, a clean exit, idle workers asleep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, matmul
from nests import Memory, run

import deepglass
from deepglass.backends.native import cpu, executable, threads
from deepglass.backends.native.executable import Executable
from deepglass.errors import BackendError


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Share all work, however small; put the number of threads back afterwards."""
    monkeypatch.setattr(executable, "_WORTH_SHARING", -1e9)
    before = threads.threads()
    yield
    threads.set_threads(before)


def results(compiled: Executable, memory: Memory) -> list[bytes]:
    after = run(compiled, memory)
    return [after.inner(b).tobytes() for b in memory.buffers]


@pytest.mark.parametrize("name", list(CASES)[::4])
def test_bits_do_not_depend_on_the_number_of_threads(name: str) -> None:
    case = CASES[name]()
    compiled, found = Executable(case.program), []
    for count in (1, 2, 3, 2):
        threads.set_threads(count)
        found.append(results(compiled, case.memory))
    assert all(f == found[0] for f in found)


def test_many_runs_lose_nothing() -> None:
    """Fork and join many times, with pauses in which the workers fall asleep."""
    threads.set_threads(2)
    case = matmul("dot", 16, 10, 12)
    compiled = Executable(case.program)
    expected = results(compiled, case.memory)
    table = case.memory.table()
    for turn in range(3000):
        compiled.run(table)
        if turn % 500 == 0:
            time.sleep(0.002)
    assert [case.memory.inner(b).tobytes() for b in case.memory.buffers] == expected


def test_callers_at_once_take_turns() -> None:
    threads.set_threads(2)
    cases = [matmul("plain", 12, 30, 8) for _ in range(3)]
    compiled = Executable(cases[0].program)
    expected = results(compiled, cases[0].memory)
    errors: list[int] = []

    def call(number: int) -> None:
        for _ in range(200):
            if results(compiled, cases[number].memory) != expected:
                errors.append(number)

    callers = [threading.Thread(target=call, args=(n,)) for n in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_builds_its_own_pool() -> None:
    threads.set_threads(2)
    case = matmul("dot", 16, 10, 12)
    compiled = Executable(case.program)
    expected = results(compiled, case.memory)
    child = os.fork()
    if child == 0:
        os._exit(0 if results(compiled, case.memory) == expected else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert results(compiled, case.memory) == expected


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_the_caller_is_not_pinned() -> None:
    before = os.sched_getaffinity(0)
    threads.set_threads(2)
    case = matmul("dot", 16, 10, 12)
    results(Executable(case.program), case.memory)
    assert os.sched_getaffinity(0) == before


def test_idle_workers_sleep() -> None:
    threads.set_threads(2)
    case = matmul("dot", 16, 10, 12)
    results(Executable(case.program), case.memory)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.03


def test_set_threads_wants_at_least_one() -> None:
    with pytest.raises(BackendError, match="from 1 on; got 0"):
        threads.set_threads(0)


def test_results_come_out_when_a_worker_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """More threads than processors: the barrier gives way instead of spinning for ever."""
    threads.set_threads(len(cpu.usable_cpus()) + 3)
    case = matmul("plain", 40, 30, 8)
    compiled = Executable(case.program)
    expected = results(compiled, case.memory)
    assert all(results(compiled, case.memory) == expected for _ in range(50))


PROGRAM = """
import numpy as np, sys, threading, time
from cases import matmul
from deepglass.backends.native import executable, threads
executable._WORTH_SHARING = -1e9
case = matmul("dot", 16, 10, 12)
compiled = executable.Executable(case.program)
table = case.memory.table()
compiled.run(table)
print(threads.threads(), flush=True)
"""


def python(code: str, **environment: str) -> subprocess.Popen[str]:
    source, here = Path(deepglass.__file__).parents[1], Path(__file__).parent
    variables = {**os.environ, "PYTHONPATH": f"{source}:{here}", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=variables, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_interpreter_exits() -> None:
    process = python(PROGRAM, DEEPGLASS_THREADS="2")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out.strip(), err) == (0, "2", "")


def test_control_c_interrupts() -> None:
    process = python(PROGRAM + "while True: compiled.run(table)", DEEPGLASS_THREADS="2")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in err


def test_a_wrong_environment_variable_is_named() -> None:
    process = python("from deepglass.backends.native import threads; threads.threads()",
                     DEEPGLASS_THREADS="many")  # fmt: skip
    _, err = process.communicate(timeout=20)
    assert "DEEPGLASS_THREADS: a whole number from 1 on; got 'many'" in err


def test_small_programs_run_on_the_caller_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    called: list[int] = []
    monkeypatch.setattr(threads, "run", lambda *_: called.append(1))
    threads.set_threads(2)
    small, large = matmul("dot", 4, 2, 8), matmul("dot", 64, 128, 100)
    for case in (small, large):
        Executable(case.program).run(case.memory.table())
    assert len(called) == 1
    assert np.isfinite(small.memory.inner(small.memory.buffers[-1])).all()
