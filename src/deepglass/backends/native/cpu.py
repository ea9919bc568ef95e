"""What this machine's processor offers, and the LLVM target that uses it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm

from ...errors import BackendError

# name LLVM knows, features, vector bytes, vector registers, whether it converts float16
_FORCED = {
    "avx512": ("x86-64-v4", "", 64, 32, True),
    "avx2": ("x86-64-v3", "", 32, 16, True),
    "sse": ("x86-64-v2", "", 16, 16, False),
}


@dataclass(frozen=True)
class Cpu:
    """The processor code is made for.

    Attributes:
        name: LLVM's name of the processor.
        features: LLVM's feature string, "" for those the name implies.
        vector_bytes: bytes of the widest vector register.
        registers: how many vector registers there are.
        converts_float16: whether it has instructions from and to float16.
    """

    name: str
    features: str
    vector_bytes: int
    registers: int
    converts_float16: bool


@cache
def host() -> Cpu:
    """The processor of this machine, or the one ``DEEPGLASS_CPU`` names (avx512, avx2, sse).

    Raises:
        BackendError: ``DEEPGLASS_CPU`` names no known kind.
    """
    forced = os.environ.get("DEEPGLASS_CPU", "")
    if forced:
        return forced_cpu(forced)
    flags = llvm.get_host_cpu_features()
    name, features = llvm.get_host_cpu_name(), flags.flatten()
    if flags.get("avx512f") and flags.get("avx512vl") and flags.get("avx512dq"):
        return Cpu(name, features, 64, 32, True)
    converts = flags.get("f16c", False) or flags.get("neon", False)
    if flags.get("avx2"):
        return Cpu(name, features, 32, 16, converts)
    return Cpu(name, features, 16, 32 if flags.get("neon") else 16, converts)


def forced_cpu(kind: str) -> Cpu:
    """A processor by kind, so that tests can check the code for another than this one.

    Raises:
        BackendError: the kind is unknown.
    """
    if kind not in _FORCED:
        known = ", ".join(_FORCED)
        raise BackendError(
            f"DEEPGLASS_CPU: one of {known}; got {kind!r}. Unset it to use the host."
        )
    return Cpu(*_FORCED[kind])


WELL, QUICKLY = 2, 0  # how LLVM makes code


@cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def target_machine(cpu: Cpu, effort: int = WELL) -> llvm.TargetMachine:
    """Return LLVM's code generator for ``cpu`` (a new one: an engine takes it over)."""
    _initialise()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=cpu.name, features=cpu.features, opt=effort, reloc="default", codemodel="jitdefault"
    )


def usable_cpus() -> list[int]:
    """The processors this process may run on, fewer where a cgroup grants less time."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    allowed = sorted(os.sched_getaffinity(0))
    quota = cgroup_quota(Path("/sys/fs/cgroup"))
    return allowed if quota is None else allowed[: max(1, min(len(allowed), int(quota)))]


def cgroup_quota(folder: Path) -> float | None:
    """Processors' worth of time the cgroup grants, or None where it sets no limit."""
    try:  # version 2, then version 1
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
