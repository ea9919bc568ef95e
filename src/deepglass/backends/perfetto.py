"""Measured runs as a trace file: threads as rows, kernels as slices.

The file is in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open.

Source: Google, Trace Event Format (2016): complete events ("X"), metadata events ("M").
"""

from __future__ import annotations

import json
from typing import Any

from .measured import Measured

GAP = 0.05  # between two runs, as a share of one


def trace_json(measured: Measured, title: str) -> str:
    """Return the file's text; runs follow one another, times are in microseconds."""
    events: list[dict[str, Any]] = [_named("process_name", 0, title)]
    events += [_named("thread_name", t, f"thread {t}") for t in range(measured.threads)]
    begin = 0.0
    for run in measured.runs:
        slices = zip(run.kernel.tolist(), run.thread.tolist(), run.start, run.stop, strict=True)
        for number, thread, start, stop in slices:
            kernel = measured.kernels[number]
            events.append({
                "name": f"{kernel.label} {kernel.layer}".strip(),
                "cat": kernel.kind,
                "ph": "X",
                "pid": 0,
                "tid": thread,
                "ts": round(1e6 * (begin + start), 3),
                "dur": round(1e6 * (stop - start), 3),
                "args": {
                    "kernel": number,
                    "line": kernel.source,
                    "loops": kernel.loops,
                    "level": kernel.level,
                    "flops": kernel.flops,
                    "bytes": kernel.bytes,
                },
            })  # fmt: skip
        begin += run.wall * (1 + GAP)
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"})


def _named(what: str, thread: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": 0, "tid": thread, "args": {"name": name}}
