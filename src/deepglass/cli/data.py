"""``deepglass data``: the data sets that have a name, and what is understood of a file."""

from __future__ import annotations

from typing import Annotated

import typer

from ..config import Images, Table
from ..data import CATALOG
from ..data.sources.columns import is_number_column, looks_like_classes, why_left_out
from ..runs import kind_of, open_data
from ..runs.material import counted, open_table
from .arguments import Json, complete_data
from .screen import console, facts, listing, print_json

app = typer.Typer(
    help="List data sets; show what is understood of a file.",
    rich_markup_mode="markdown",
    invoke_without_command=True,
)
CELLS = 4  # shown of each column


@app.callback()
def data(context: typer.Context, json: Json = False) -> None:
    """List the data sets that have a name.

    Their files are looked for in the folder DEEPGLASS_DATA first, and then downloaded.

    Examples:

        deepglass data
        deepglass data show houses.csv
    """
    if context.invoked_subcommand is not None:
        return
    if json:
        print_json([{"name": n, "kind": d.kind, "about": d.about} for n, d in CATALOG.items()])
        return
    listing(["name", "kind", "what it is"], [[n, d.kind, d.about] for n, d in CATALOG.items()])


@app.command()
def show(
    source: Annotated[
        str,
        typer.Argument(help="A file, a folder or a name.", autocompletion=complete_data),
    ],
) -> None:
    """Show what is understood of a file, a folder or a data set.

    Example:

        deepglass data show houses.csv
    """
    kind = kind_of(source, {})
    if kind == "table":
        _show_table(Table(source=source))
        return
    section = {"source": source, "kind": kind}
    from ..config import validated

    config = validated({"data": section})
    material = open_data(config.data, 0)
    rows = [("kind", kind), *(("", note) for note in material.notes)]
    if isinstance(config.data, Images):
        counts = material.class_counts().tolist()
        named = zip(material.classes, counts, strict=True)
        rows.append(("training part", ", ".join(f"{n:,} {name}" for name, n in named)))
    facts(rows)


def _show_table(section: Table) -> None:
    table = open_table(section)
    lines = []
    for name in table.names:
        cells = [cell for cell in table.column(name) if cell]
        missing = len(table) - len(cells)
        if why := why_left_out(table, table, name):
            what = f"left out: {why}"
        elif is_number_column(table, name):
            what = "a number"
            if why := looks_like_classes(cells):
                what += f"; as a target a class, as {why}"
        else:
            what = f"{len(set(cells)):,} categories"
        some = (
            ", ".join(dict.fromkeys(cells))[:40]
            if len(set(cells)) <= CELLS
            else ", ".join(list(dict.fromkeys(cells))[:CELLS])
        )
        lines.append([name, what, f"{missing:,}" if missing else "", some])
    console.print(
        f"{section.source}: {counted(len(table), 'row')}, {counted(len(table.names), 'column')}",
        markup=False,
    )
    listing(["column", "understood as", "missing", "such as"], lines)
    console.print(f"train with: deepglass train {section.source} --target COLUMN", markup=False)
