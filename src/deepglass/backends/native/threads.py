"""The threads that run programs together with the caller.

Workers are daemon Python threads that enter a compiled loop through ctypes, which releases
the interpreter lock for good. They wait on a counter, the epoch:

    pause (6 us)  ->  sched_yield (1 ms)  ->  futex wait

A call writes the job, moves the epoch, wakes sleepers if there are any, does thread 0's share
itself and meets the workers at a barrier. Fork and join take well below a microsecond while
the workers spin; an idle pool takes no processor time.

Each worker is pinned to a processor of its own, because Linux otherwise tends to put two
threads that wake each other on one. The caller is never pinned: when it shows up on a
worker's processor, the worker moves to where the caller was.

Where another process keeps a worker from running, the caller finds itself waiting; it then
runs alone for a while before it tries again. Results are the same.

After a fork the child builds its own pool on first use. At exit the workers are told to leave.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
import threading
import time
from dataclasses import dataclass, field

import llvmlite.binding as llvm

from ...errors import BackendError
from . import cpu

_ARM = platform.machine().lower() in ("aarch64", "arm64")
_PAUSE = "@llvm.aarch64.hint(i32 1)" if _ARM else "@llvm.x86.sse2.pause()"
_FUTEX = 98 if _ARM else 202
_WAIT, _WAKE = 128, 129  # with FUTEX_PRIVATE_FLAG
_TICKS_PER_US = 1000 if _ARM else 2500  # of the cycle counter; the order of magnitude is enough
_SPIN, _YIELD = 6 * _TICKS_PER_US, 1000 * _TICKS_PER_US
_LATE = 1000 * _TICKS_PER_US
_ALONE = 0.05  # seconds for which the caller runs alone when others were late
_LINE = 64  # bytes of a cache line: each word that threads share has one to itself
_EPOCH, _SLEEPERS, _JOB, _STOP, _HOME, _GATE = (_LINE * i for i in range(6))
_CLAIMS = 2 * _LINE  # within the gate, after the count of arrivals and the generation
CLAIMED_PHASES = 4  # phases of one level whose chunks can be claimed

# All threads meet; the last to arrive takes back all claims and lets the others go on.
BARRIER = f"""\
declare i32 @sched_yield()

define internal void @barrier(ptr %gate, i64 %threads) noinline nounwind {{
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %generation = getelementptr i8, ptr %gate, i64 {_LINE}
  %mine = load atomic i64, ptr %generation acquire, align 8
  %before = atomicrmw add ptr %gate, i64 1 acq_rel
  %arrived = add i64 %before, 1
  %last = icmp eq i64 %arrived, %threads
  br i1 %last, label %open, label %begin
open:
  store atomic i64 0, ptr %gate monotonic, align 8
  %lines = mul i64 %threads, {CLAIMED_PHASES}
  br label %clear
clear:
  %line = phi i64 [ 0, %open ], [ %line.next, %clear ]
  %place = mul i64 %line, {_LINE}
  %place.far = add i64 %place, {_CLAIMS}
  %claims = getelementptr i8, ptr %gate, i64 %place.far
  store atomic i64 0, ptr %claims monotonic, align 8
  %line.next = add i64 %line, 1
  %unclear = icmp ult i64 %line.next, %lines
  br i1 %unclear, label %clear, label %release
release:
  %next = add i64 %mine, 1
  store atomic i64 %next, ptr %generation release, align 8
  br label %done
begin:
  %start = call i64 @llvm.readcyclecounter()
  br label %wait
wait:
  %now = load atomic i64, ptr %generation acquire, align 8
  %opened = icmp ne i64 %now, %mine
  br i1 %opened, label %done, label %spin
spin:
  call void {_PAUSE}
  %time = call i64 @llvm.readcyclecounter()
  %waited = sub i64 %time, %start
  %long = icmp ugt i64 %waited, {_SPIN}
  br i1 %long, label %yield, label %wait
yield:
  %ignored = call i32 @sched_yield()
  br label %wait
done:
  ret void
}}
"""


def claims_of(name: str, owner: str, phase: str) -> str:
    """Instructions that find how many of an owner's chunks of a level's phase are claimed."""
    lines = [
        f"  {name}.row = mul i64 %threads, {phase}",
        f"  {name}.line = add i64 {name}.row, {owner}",
        f"  {name}.place = mul i64 {name}.line, {_LINE}",
        f"  {name}.far = add i64 {name}.place, {_CLAIMS}",
        f"  {name} = getelementptr i8, ptr %gate, i64 {name}.far",
    ]
    return "\n".join(lines)


_POOL = f"""\
{BARRIER}
declare i64 @syscall(i64, ...)
declare i32 @sched_getcpu()
declare i32 @usleep(i32)

; Run the job on all threads. Returns 1 plus the caller's processor, with nothing done, where
; that is not the one noted; else 0, or -1 if the others made the caller wait so long that it
; would have been as fast alone.
define i64 @launch(ptr %pool, ptr %function, ptr %table, i64 %threads) nounwind {{
entry:
  %home.p = getelementptr i8, ptr %pool, i64 {_HOME}
  %home = load i64, ptr %home.p, align 8
  %pinned = icmp sge i64 %home, 0
  br i1 %pinned, label %locate, label %begin
locate:
  %cpu = call i32 @sched_getcpu()
  %cpu.wide = zext i32 %cpu to i64
  %same = icmp eq i64 %cpu.wide, %home
  br i1 %same, label %begin, label %moved
moved:
  %code = add i64 %cpu.wide, 1
  ret i64 %code
begin:
  %start = call i64 @llvm.readcyclecounter()
  %job = getelementptr i8, ptr %pool, i64 {_JOB}
  %job.table = getelementptr i8, ptr %job, i64 8
  %job.threads = getelementptr i8, ptr %job, i64 16
  store ptr %function, ptr %job, align 8
  store ptr %table, ptr %job.table, align 8
  store i64 %threads, ptr %job.threads, align 8
  call void @announce(ptr %pool)
  %gate = getelementptr i8, ptr %pool, i64 {_GATE}
  call void %function(ptr %table, i64 0, i64 %threads, ptr %gate)
  %worked = call i64 @llvm.readcyclecounter()
  call void @barrier(ptr %gate, i64 %threads)
  %end = call i64 @llvm.readcyclecounter()
  %waited = sub i64 %end, %worked
  %whole = sub i64 %end, %start
  %all = mul i64 %waited, %threads
  %others = sub i64 %threads, 1
  %limit = mul i64 %whole, %others
  %more = icmp ugt i64 %all, %limit
  %long = icmp ugt i64 %waited, {_LATE}
  %late = and i1 %more, %long
  %result = sext i1 %late to i64
  ret i64 %result
}}

define internal void @announce(ptr %pool) nounwind {{
entry:
  %epoch = getelementptr i8, ptr %pool, i64 {_EPOCH}
  %old = atomicrmw add ptr %epoch, i32 1 seq_cst
  %sleepers.p = getelementptr i8, ptr %pool, i64 {_SLEEPERS}
  %sleepers = load atomic i32, ptr %sleepers.p seq_cst, align 4
  %any = icmp sgt i32 %sleepers, 0
  br i1 %any, label %wake, label %done
wake:
  %ignored = call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr %epoch, i64 {_WAKE}, i64 2147483647)
  br label %done
done:
  ret void
}}

define void @dismiss(ptr %pool) nounwind {{
  %stop = getelementptr i8, ptr %pool, i64 {_STOP}
  store atomic i64 1, ptr %stop seq_cst, align 8
  call void @announce(ptr %pool)
  ret void
}}

; What a worker does until it is dismissed.
define void @work(ptr %pool, i64 %thread) nounwind {{
entry:
  %epoch = getelementptr i8, ptr %pool, i64 {_EPOCH}
  %stop = getelementptr i8, ptr %pool, i64 {_STOP}
  %gate = getelementptr i8, ptr %pool, i64 {_GATE}
  %job = getelementptr i8, ptr %pool, i64 {_JOB}
  %job.table = getelementptr i8, ptr %job, i64 8
  %job.threads = getelementptr i8, ptr %job, i64 16
  br label %idle
idle:
  %seen = phi i32 [ 0, %entry ], [ %now, %finish ]
  %start = call i64 @llvm.readcyclecounter()
  br label %wait
wait:
  %now = load atomic i32, ptr %epoch acquire, align 4
  %called = icmp ne i32 %now, %seen
  br i1 %called, label %rise, label %spin
spin:
  call void {_PAUSE}
  %time = call i64 @llvm.readcyclecounter()
  %waited = sub i64 %time, %start
  %long = icmp ugt i64 %waited, {_SPIN}
  br i1 %long, label %patient, label %wait
patient:
  %longer = icmp ugt i64 %waited, {_YIELD}
  br i1 %longer, label %sleep, label %yield
yield:
  %ignored = call i32 @sched_yield()
  br label %wait
sleep:
  call void @doze(ptr %pool, i32 %seen)
  br label %wait
rise:
  %over = load atomic i64, ptr %stop acquire, align 8
  %leave = icmp ne i64 %over, 0
  br i1 %leave, label %done, label %run
run:
  %function = load ptr, ptr %job, align 8
  %table = load ptr, ptr %job.table, align 8
  %threads = load i64, ptr %job.threads, align 8
  call void %function(ptr %table, i64 %thread, i64 %threads, ptr %gate)
  call void @barrier(ptr %gate, i64 %threads)
  br label %finish
finish:
  br label %idle
done:
  ret void
}}

"""

_DOZE_ON_FUTEX = f"""\
; Sleep until the epoch is no longer the one seen. The sleeper is counted before the kernel
; compares the epoch, and the caller moves the epoch before it looks for sleepers.
define internal void @doze(ptr %pool, i32 %seen) nounwind {{
  %sleepers = getelementptr i8, ptr %pool, i64 {_SLEEPERS}
  %a = atomicrmw add ptr %sleepers, i32 1 seq_cst
  %epoch = getelementptr i8, ptr %pool, i64 {_EPOCH}
  %seen.wide = zext i32 %seen to i64
  %b = call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr %epoch, i64 {_WAIT}, i64 %seen.wide, ptr null)
  %c = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  ret void
}}
"""

_DOZE_ON_TIMER = """\
define internal void @doze(ptr %pool, i32 %seen) nounwind {
  %a = call i32 @usleep(i32 100)
  ret void
}
"""


@dataclass
class _Runtime:
    """The compiled functions of `_POOL`; compiled once per process."""

    engine: llvm.ExecutionEngine

    @staticmethod
    def compile() -> _Runtime:
        linux = sys.platform.startswith("linux")
        text = _POOL + (_DOZE_ON_FUTEX if linux else _DOZE_ON_TIMER)
        if not linux:  # no sched_getcpu there; threads are not pinned, so it is never called
            text = text.replace("declare i32 @sched_getcpu()", "")
            text = text.replace("call i32 @sched_getcpu()", "add i32 0, 0")
        machine = cpu.target_machine(cpu.host())
        module = llvm.parse_assembly(text)
        module.verify()
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        return _Runtime(engine)

    def function(self, name: str, result: type | None, *types: type) -> ctypes._CFunctionType:
        address = self.engine.get_function_address(name)
        return ctypes.CFUNCTYPE(result, *types)(address)


@dataclass
class Pool:
    """``threads - 1`` workers and the state they share with the caller.

    Attributes:
        lock: held while a program runs on the pool.
    """

    threads: int
    runtime: _Runtime
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        lines = CLAIMED_PHASES * self.threads
        self._memory = ctypes.create_string_buffer(_GATE + _CLAIMS + (lines + 1) * _LINE)
        start = ctypes.addressof(self._memory)
        self.address = (start + _LINE - 1) // _LINE * _LINE
        self._launch = self.runtime.function("launch", number, pointer, pointer, pointer, number)
        self._work = self.runtime.function("work", None, pointer, number)
        self._dismiss = self.runtime.function("dismiss", None, pointer)
        self._alone_until = 0.0
        self._home = ctypes.c_int64.from_address(self.address + _HOME)
        self._home.value = -1
        self._places = self._assign()
        self._workers = [
            threading.Thread(target=self._enter, args=(t,), name=f"deepglass-{t}", daemon=True)
            for t in range(1, self.threads)
        ]
        for worker in self._workers:
            worker.start()

    def _assign(self) -> dict[int, int]:
        """Choose a processor for each worker; none if there are not enough to go round."""
        places = cpu.usable_cpus()
        if len(places) < self.threads or not hasattr(os, "sched_setaffinity"):
            return {}
        self._home.value = places[0]
        return dict(zip(range(1, self.threads), places[1:], strict=False))

    def _enter(self, thread: int) -> None:
        if thread in self._places:
            os.sched_setaffinity(0, {self._places[thread]})
        self._work(self.address, thread)

    def run(self, function: int, table: int) -> bool:
        """Run a program function on all threads; returns when all are done.

        Returns False, with nothing done, while the caller had better run alone.
        """
        if self._alone_until and time.monotonic() < self._alone_until:
            return False
        with self.lock:
            outcome = self._launch(self.address, function, table, self.threads)
            while outcome > 0:
                self._make_way(outcome - 1)
                outcome = self._launch(self.address, function, table, self.threads)
            self._alone_until = time.monotonic() + _ALONE if outcome else 0.0
        return True

    def _make_way(self, place: int) -> None:
        """The caller runs on processor ``place`` now: note it, and move a worker off it."""
        before, self._home.value = self._home.value, place
        for thread, occupied in self._places.items():
            if occupied == place:
                self._places[thread] = before
                native = self._workers[thread - 1].native_id
                if native is not None:
                    os.sched_setaffinity(native, {before})

    def stop(self) -> None:
        """Let the workers leave; waits for a running program first."""
        with self.lock:
            self._dismiss(self.address)
        for worker in self._workers:
            worker.join(timeout=1.0)


class _Owner:
    """The process' pool: built on first use, rebuilt after a fork or another thread count."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pool: Pool | None = None
        self.runtime: _Runtime | None = None
        self.wanted: int | None = None

    def threads(self) -> int:
        if self.wanted is None:
            self.wanted = _default_threads()
        return self.wanted

    def get(self) -> Pool:
        pool = self.pool
        if pool is not None and pool.threads == self.wanted:
            return pool
        with self.lock:
            if self.pool is None or self.pool.threads != self.threads():
                self._replace()
            assert self.pool is not None
            return self.pool

    def _replace(self) -> None:
        if self.pool is not None:
            self.pool.stop()
        self.runtime = self.runtime or _Runtime.compile()
        self.pool = Pool(self.threads(), self.runtime)

    def stop(self) -> None:
        if self.pool is not None:
            self.pool.stop()
            self.pool = None

    def forget(self) -> None:
        """In a forked child the workers do not exist; the compiled code does."""
        self.lock = threading.Lock()
        self.pool = None


_owner = _Owner()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_owner.forget)
atexit.register(_owner.stop)


def _default_threads() -> int:
    text = os.environ.get("DEEPGLASS_THREADS", "")
    if not text:
        return len(cpu.usable_cpus())
    if not text.isdigit() or int(text) < 1:
        raise BackendError(
            f"DEEPGLASS_THREADS: a whole number from 1 on; got {text!r}. Correct it."
        )
    return int(text)


def threads() -> int:
    """Return how many threads programs run on."""
    return _owner.threads()


def set_threads(count: int) -> None:
    """Run programs on ``count`` threads from now on; results do not change by a bit.

    Raises:
        BackendError: ``count`` is no whole number from 1 on.
    """
    if not isinstance(count, int) or count < 1:
        raise BackendError(
            f"set_threads: a whole number from 1 on; got {count!r}. Use 1 to run alone."
        )
    _owner.wanted = count


def run(function: int, table: int) -> bool:
    """Run the program function at an address on all threads, unless alone is better now."""
    return _owner.get().run(function, table)
