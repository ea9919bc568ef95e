"""To look inside a compiled function: its report, its graphs, its code and its trace file."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.errors import BackendError, DomainError, TraceError
from deepglass.nn import functional

ROWS, INPUTS, HIDDEN, CLASSES = 1024, 30, 50, 7
X = np.random.default_rng(0).standard_normal((ROWS, INPUTS)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, CLASSES, ROWS)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(INPUTS, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        return self.fc2(self.fc1(x).tanh())


def trained(backend: str = "native"):
    """A model and its compiled step."""
    dg.manual_seed(0)
    model = Net()
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1)

    @dg.compile(backend=backend)
    def step(x, y):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


@pytest.fixture(scope="module")
def step():
    _, step = trained()
    step(X, Y)
    return step


@pytest.fixture(scope="module")
def report(step):
    return step.report(runs=3)


# The report -----------------------------------------------------------------------------


def test_a_report_counts_the_operations_of_a_product(report):
    """fc1: 2 operations per product, and a bias; tanh counts one."""
    forward = next(k for k in report.kernels if k.layer == "model.fc1")
    points = ROWS * HIDDEN
    assert forward.label == "matmul + tanh"
    assert forward.flops == 2 * points * INPUTS + 2 * points
    weights = HIDDEN * INPUTS + HIDDEN
    assert forward.bytes == 4 * (ROWS * INPUTS + weights + points)
    assert forward.kind == "sum"
    assert f"k0<{INPUTS}" in forward.loops


def test_a_report_tells_line_and_layer_of_forward_and_backward(report):
    layers = {k.layer for k in report.kernels}
    assert {"model.fc1", "∂model.fc1", "model.fc2", "∂model.fc2"} <= layers
    assert all(re.fullmatch(r"test_looking.py:\d+", k.source) for k in report.kernels)


def test_times_are_those_of_the_runs(report):
    measured = report.measured
    assert len(measured.runs) == 3
    for run in measured.runs:
        assert (run.start >= 0).all()
        assert (run.stop >= run.start).all()
        assert run.stop.max() <= run.wall
        assert set(run.kernel) == set(range(len(report.kernels)))
        assert set(run.thread) <= set(range(measured.threads))
        for thread in set(run.thread):  # a thread does one thing at a time
            own = np.argsort(run.start[run.thread == thread])
            start, stop = (t[run.thread == thread][own] for t in (run.start, run.stop))
            assert all(a <= b for (_, a), (b, _) in pairwise(zip(start, stop, strict=True)))
        assert run.busy(len(report.kernels)).sum() <= measured.threads * run.wall


def test_every_chunk_of_rows_is_a_slice(report):
    for run in report.measured.runs:
        counts = np.bincount(run.kernel)
        assert [k.parts for k in report.kernels] == counts.tolist()
    assert max(k.parts for k in report.kernels) > 1


def test_levels_of_a_run_do_not_overlap(report):
    for run in report.measured.runs:
        level = np.array([k.level for k in report.kernels])[run.kernel]
        for before in range(level.max()):
            assert run.stop[level == before].max() <= run.start[level == before + 1].min()


def test_shares_of_the_peak_follow_from_times_and_amounts(report):
    measured = report.measured
    peaks = measured.peaks
    assert peaks.flops > 1e9
    assert peaks.cached > 1e9
    k = next(k for k, kernel in enumerate(report.kernels) if kernel.layer == "model.fc1")
    kernel, seconds = report.kernels[k], measured.seconds[k]
    by_flops = kernel.flops / seconds / peaks.flops
    by_bytes = kernel.bytes / seconds / peaks.cached  # a few kB per chunk
    assert np.isclose(measured.share_of_peak()[k], max(by_flops, by_bytes))


def test_a_report_changes_nothing():
    """Weights stay, and the next step computes what it would have computed."""
    model, step = trained()
    other, plain = trained()
    step(X, Y)
    plain(X, Y)
    step.report(X, Y, runs=2)
    step(X, Y)
    plain(X, Y)
    for key, value in model.state_dict().items():
        assert value.tobytes() == other.state_dict()[key].tobytes()


def test_values_in_the_arena_that_live_together_have_places_of_their_own(report):
    lives = report.measured.lives
    assert lives
    assert max(v.offset + v.bytes for v in lives) <= report.measured.arena
    for a in lives:
        for b in lives:
            together = a.first <= b.last and b.first <= a.last
            apart = a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset
            assert a is b or not together or apart, (a, b)


def test_a_report_reads_as_a_table(report):
    text = str(report)
    assert text.startswith(f"step(x: float32[{ROWS}, {INPUTS}], y: int64[{ROWS}])")
    assert "native, asked for" in text
    assert "machine code" in text
    for kernel in report.kernels:
        assert kernel.loops in report.table(rows=None)
    few = report.table(rows=2)
    assert f"and {len(report.kernels) - 2} more" in few
    slowest = report.kernels[int(np.argmax(report.measured.seconds))]
    assert slowest.loops in few
    page = report._repr_html_()
    assert page.count("<tr>") == 1 + len(report.kernels)
    assert "i0&lt;" in page


def test_calls_of_python_are_kernels_too():
    @dg.op
    def slow(x):
        return np.sort(x)

    @dg.compile
    def function(x):
        return slow(x * 2) + 1

    function(X)
    report = function.report(runs=2)
    host = [k for k in report.kernels if k.kind == "host"]
    assert [k.label.split(".")[-1] for k in host] == ["slow"]
    assert host[0].bytes == 2 * X.nbytes
    assert report.measured.seconds[report.kernels.index(host[0])] > 1e-4  # sorts 1024 rows
    assert "1 call of Python" in str(report)


def test_a_program_without_rows_does_nothing():
    function = dg.compile(lambda x: x + 1)
    function(X[:0])
    report = function.report(runs=1)
    assert [(k.flops, k.bytes) for k in report.kernels] == [(0, 0)]
    assert "nan" not in str(report)


def test_the_reference_backend_times_its_nodes():
    _, step = trained("reference")
    step(X, Y)
    before = step.optimized
    report = step.report(runs=2)
    assert {k.kind for k in report.kernels} == {"numpy"}
    assert report.measured.threads == 1
    assert np.isnan(report.measured.share_of_peak()).all()
    assert "reference, asked for" in str(report)
    assert step.optimized is before


# Which program --------------------------------------------------------------------------


def test_the_program_called_last_is_looked_at():
    double = dg.compile(lambda x: x * 2)
    double(X[:3])
    double(X[:5])
    assert double.graph.inputs[0].type.shape == (5, INPUTS)
    double(X[:3])
    assert double.graph.inputs[0].type.shape == (3, INPUTS)
    assert "float32[2, 30]" in double.report(X[:2], runs=1).title
    assert double.graph.inputs[0].type.shape == (3, INPUTS)
    double.each(X[:4])
    assert double.graph.inputs[0].type.shape == (INPUTS,)


def test_before_a_call_there_is_nothing_to_look_at(tmp_path):
    _, step = trained()
    for look in (
        step.report,
        lambda: step.graph,
        lambda: step.optimized,
        step.source,
        lambda: step.profile(tmp_path / "trace.json"),
    ):
        with pytest.raises(TraceError, match=r"after a call; step was not called yet\. Call it"):
            look()


def test_a_report_takes_one_run_at_least(step):
    with pytest.raises(DomainError, match=r"runs is a number from 1 on; got 0\. Leave it out"):
        step.report(runs=0)


# Graphs and code ------------------------------------------------------------------------


def test_graphs_print(step):
    assert "cross_entropy" in str(step.graph)
    assert "cross_entropy" not in str(step.optimized)
    assert "∂model.fc1" in str(step.optimized)


def test_code_is_shown_whole(step):
    assert step.source() == str(step.program(X, Y).executable.loops)
    assert "define void @run(" in step.source("llvm")
    assert re.search(r"^_?run:", step.source("assembly"), re.MULTILINE)


def test_code_is_shown_kernel_by_kernel(step, report):
    for number, kernel in enumerate(report.kernels):
        loops = step.source("loops", number)
        assert loops.startswith("for ")
        assert kernel.label in loops
        whole = [line.strip() for line in step.source().splitlines()]
        assert {line.strip() for line in loops.splitlines()} <= set(whole)
        llvm = step.source("llvm", number)
        assert llvm.startswith("define void @nest_")
        assert llvm.endswith("}")
        assert llvm.count("define") == 1
    number = next(k for k, kernel in enumerate(report.kernels) if "matmul" in kernel.label)
    assert "llvm.fma" in step.source("llvm", number)
    assert re.search(r"\tv?f(n?)madd|\tfmla|\tvmulps", step.source("assembly", number))


def test_what_has_no_code_says_so(step):
    with pytest.raises(BackendError, match=r"one of loops, llvm, assembly; got 'c'\. Choose one"):
        step.source("c")
    with pytest.raises(BackendError, match=r"below \d+; got 99\. The report numbers them"):
        step.source("loops", 99)
    _, reference = trained("reference")
    reference(X, Y)
    with pytest.raises(BackendError, match=r"runs in NumPy, got language='llvm'\. Compile with"):
        reference.source("llvm")


# The trace file -------------------------------------------------------------------------


def test_a_trace_file_has_a_slice_per_kernel_and_chunk(step, report, tmp_path):
    path = tmp_path / "trace.json"
    step.profile(path, runs=2)
    events = json.loads(path.read_text())["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    assert len(slices) == 2 * sum(k.parts for k in report.kernels)
    threads = {e["tid"] for e in events if e["name"] == "thread_name"}
    assert {e["tid"] for e in slices} <= threads
    for event in slices:
        kernel = report.kernels[event["args"]["kernel"]]
        assert event["name"] == f"{kernel.label} {kernel.layer}".strip()
        assert event["args"]["flops"] == kernel.flops
        assert event["dur"] >= 0
    half = len(slices) // 2
    assert max(e["ts"] + e["dur"] for e in slices[:half]) < min(e["ts"] for e in slices[half:])
