"""A measured program as a table: where the time of a step goes, and the memory."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .measured import Kernel, Life, Measured

HEAD = ("#", "us", "share", "GFLOP/s", "GB/s", "peak", "kind", "ops", "layer", "line", "loops")
RIGHT = 6  # columns of numbers, aligned to the right
WIDEST = 44  # characters of a cell
SHOWN = 24  # kernels in the table, unless more are asked for
LIVES = 8  # values in the arena that are named


@dataclass(frozen=True)
class StepReport:
    """Where the time of one call of a compiled function goes; ``print`` shows it.

    Times of kernels are of processors: seconds that all threads together spent in it, the
    median of the runs. GFLOP/s and GB/s are those of one thread, and ``peak`` compares with
    what one core can do. What padding leaves out is counted as done; memory is counted once
    per element, wherever it came from. Kernels of what state alone determines take no time: they
    run again only after the state changed.

    Attributes:
        title: the function and the types of its arguments.
        backend: its name, and why it was taken.
        compiled: seconds that each part of making the program took.
        measured: the kernels, the runs, the arena.
    """

    title: str
    backend: str
    compiled: Mapping[str, float]
    measured: Measured

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels in the order in which they run."""
        return self.measured.kernels

    def __str__(self) -> str:
        return self.table()

    def table(self, rows: int | None = SHOWN) -> str:
        """Return the report as text.

        Args:
            rows: so many kernels, the slowest first; None for all, in the order they run.
        """
        cells = self._rows(rows)
        lines = [*self._facts(), "", *_aligned([HEAD, *cells])]
        if len(cells) < len(self.kernels):
            lines.append(f"and {len(self.kernels) - len(cells)} more: table(rows=None)")
        return "\n".join([*lines, "", *self._memory()])

    def _repr_html_(self) -> str:
        def row(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        def lines(texts: Sequence[str]) -> str:
            return f"<pre>{html.escape(chr(10).join(texts))}</pre>"

        body = "".join(row(cells, "td") for cells in self._rows(SHOWN))
        table = f"<table>{row(HEAD, 'th')}{body}</table>"
        return lines(self._facts()) + table + lines(self._memory())

    def _facts(self) -> list[str]:
        m = self.measured
        busy, runs = float(m.seconds.sum()), len(m.runs)
        idle = max(0.0, 1 - busy / (m.threads * m.wall))
        lines = [
            self.title,
            f"  backend   {self.backend}; {_count(m.threads, 'thread')}",
            f"  one run   {_time(m.wall)}, the median of {_count(runs, 'run')} with a clock around "
            f"every kernel; threads wait {idle:.0%} of it",
            f"  kernels   {len(m.kernels)}, {_count(m.barriers, 'barrier')} between them, "
            f"{_count(sum(k.kind == 'host' for k in m.kernels), 'call')} of Python",
        ]
        if self.compiled:
            parts = ", ".join(f"{name} {_time(s)}" for name, s in self.compiled.items())
            lines.append(f"  compiled  {_time(sum(self.compiled.values()))}: {parts}")
        if m.peaks is not None:
            lines.append(
                f"  one core  {m.peaks.flops / 1e9:.0f} GFLOP/s of float32 multiply-adds; copies "
                f"{m.peaks.cached / 1e9:.0f} GB/s in its cache, {m.peaks.memory / 1e9:.0f} GB/s "
                "in memory (measured)"
            )
        return lines

    def _rows(self, count: int | None) -> list[tuple[str, ...]]:
        m = self.measured
        seconds, shares = m.seconds, m.share_of_peak()
        total = max(float(seconds.sum()), 1e-12)
        order = list(range(len(m.kernels)))
        if count is not None and count < len(order):
            order = sorted(order, key=lambda k: -seconds[k])[:count]
        return [self._row(k, float(seconds[k]), float(shares[k]), total) for k in order]

    def _row(self, number: int, seconds: float, share: float, total: float) -> tuple[str, ...]:
        kernel = self.kernels[number]
        spent = max(seconds, 1e-9)
        known = seconds and share == share and kernel.kind != "host"  # not NaN
        cells = (
            str(number),
            f"{1e6 * seconds:.1f}",
            f"{seconds / total:.1%}",
            f"{kernel.flops / spent / 1e9:.1f}" if kernel.flops and seconds else "",
            f"{kernel.bytes / spent / 1e9:.1f}" if seconds else "",
            f"{share:.0%}" if known else "",
            kernel.kind,
            kernel.label,
            kernel.layer,
            kernel.source,
        )
        return (*map(_short, cells), kernel.loops)

    def _memory(self) -> list[str]:
        m = self.measured
        apart = sum(life.bytes for life in m.lives)
        lines = [f"arena {_size(m.arena)} for {_count(len(m.lives), 'value')} of {_size(apart)}"]
        largest = sorted(m.lives, key=lambda life: -life.bytes)[:LIVES]
        rows = [("bytes", "at", "levels", "buffer", "ops"), *map(_life, largest)]
        return lines + (["", *_aligned(rows, right=3)] if largest else [])


def _life(life: Life) -> tuple[str, ...]:
    levels = f"{life.first} to {life.last}"
    return (str(life.bytes), str(life.offset), levels, life.name, _short(life.label))


def _aligned(rows: Sequence[tuple[str, ...]], right: int = RIGHT) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if k < right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.1f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.1f} us"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
