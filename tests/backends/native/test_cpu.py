"""What is known about processors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cases import matmul

from deepglass.backends.native import cpu
from deepglass.backends.native.listing import text_of
from deepglass.errors import BackendError


def test_forced_kinds_limit_the_instructions() -> None:
    case = matmul("plain", 16, 64, 32)
    wide = text_of(case.program, "assembly", cpu.forced_cpu("avx512"))[0]
    narrow = text_of(case.program, "assembly", cpu.forced_cpu("avx2"))[0]
    assert "%zmm" in wide
    assert "%ymm" in narrow
    assert "%zmm" not in narrow


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(BackendError, match="one of avx512, avx2, sse; got 'mmx'"):
        cpu.forced_cpu("mmx")


def test_the_environment_chooses_the_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGLASS_CPU", "avx2")
    cpu.host.cache_clear()
    try:
        assert cpu.host().vector_bytes == 32
    finally:
        cpu.host.cache_clear()


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_the_cgroup(tmp_path: Path, files: dict[str, str], quota) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu.cgroup_quota(tmp_path) == quota


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_usable_processors_are_among_the_allowed() -> None:
    assert set(cpu.usable_cpus()) <= os.sched_getaffinity(0)
