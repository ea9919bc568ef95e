"""What all commands share of the screen: a console, colours, and how numbers look."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False, soft_wrap=True)
aside = Console(stderr=True, highlight=False, soft_wrap=True)  # what is no result

SHARES = ("accuracy", "top_5", "precision", "recall", "f1")  # shown as percentages
BLOCKS = "▁▂▃▄▅▆▇█"


def complain(message: str) -> None:
    """Print an error where errors go."""
    text = Text("deepglass: ", style="bold red").append(message, style="default")
    aside.print(text)


def percent(share: float) -> str:
    """Write a share as a percentage with two decimals.

    >>> percent(0.975)
    '97.50 %'
    """
    return f"{100 * share:.2f} %"


def measure(name: str, value: float) -> str:
    """Write a measure as people do: shares in percent, others with four digits.

    >>> measure("accuracy", 0.5), measure("val_loss", 0.123456)
    ('50.00 %', '0.1235')
    """
    bare = name.removeprefix("train_").removeprefix("val_")
    return percent(value) if bare in SHARES else f"{value:.4g}"


def measures(values: dict[str, float]) -> str:
    """Write several measures in a line.

    >>> measures({"loss": 0.5, "accuracy": 0.9})
    'loss 0.5  accuracy 90.00 %'
    """
    return "  ".join(f"{name} {measure(name, value)}" for name, value in values.items())


def seconds(count: float) -> str:
    """Write a time.

    >>> seconds(3.21), seconds(75), seconds(7320)
    ('3.2 s', '1 min 15 s', '2 h 2 min')
    """
    whole = round(count)
    if count < 60:
        return f"{count:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def spark(values: Sequence[float], width: int = 20) -> str:
    """Draw a curve in one line of blocks, the least value at the bottom.

    >>> spark([0, 1, 2, 3, 4, 5, 6, 7])
    '▁▂▃▄▅▆▇█'
    """
    count = min(width, len(values))
    some = [values[round(i * (len(values) - 1) / max(1, count - 1))] for i in range(count)]
    low, high = min(some, default=0.0), max(some, default=0.0)
    span = (high - low) or 1.0
    return "".join(BLOCKS[round((v - low) / span * (len(BLOCKS) - 1))] for v in some)


def facts(rows: Iterable[tuple[str, str]]) -> None:
    """Print a closing table; aligned lines where there is no terminal."""
    if not console.is_terminal:
        for name, value in rows:
            print(f"{name:<18} {value}")
        return
    table = Table(box=box.ROUNDED, show_header=False, border_style="blue")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    console.print(table)


def listing(head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table with a head; aligned columns where there is no terminal."""
    if not console.is_terminal:
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            cells = (cell.ljust(w) for cell, w in zip(row, widths, strict=True))
            print("  ".join(cells).rstrip())
        return
    table = Table(box=box.ROUNDED, border_style="blue", title=title or None, title_justify="left")
    for number, name in enumerate(head):
        table.add_column(name, style="bold" if number == 0 else "", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def print_json(value: Any) -> None:
    """Print a value for scripts."""
    print(json.dumps(value, indent=1, ensure_ascii=False))
