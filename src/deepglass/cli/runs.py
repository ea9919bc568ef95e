"""``deepglass runs``: what was trained, side by side, and away with it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import DataError
from ..runs import RunFolder, all_runs
from .arguments import Json, complete_runs, find_run
from .screen import complain, console, listing, measure, print_json, seconds, spark

app = typer.Typer(
    help="List, compare and delete runs.", rich_markup_mode="markdown", invoke_without_command=True
)

Names = Annotated[
    list[str],
    typer.Argument(
        help="Runs: folders, or names below runs/.", metavar="RUN...", autocompletion=complete_runs
    ),
]


@app.callback()
def runs(context: typer.Context, json: Json = False) -> None:
    """List the runs below runs/, each with the curve of its validation loss.

    Examples:

        deepglass runs
        deepglass runs compare digits-mlp-1 digits-mlp-2
        deepglass runs delete digits-mlp-2
    """
    if context.invoked_subcommand is not None:
        return
    found = []
    for run in all_runs():
        try:
            found.append(_row(run))
        except DataError as error:
            complain(str(error))
    if json:
        print_json(found)
    elif not found:
        console.print("no runs here. Make one: deepglass train")
    else:
        head = ["run", "data", "model", "epochs", "loss", "best", "curve", "time"]
        listing(head, [_cells(row) for row in found])


def _row(run: RunFolder) -> dict[str, Any]:
    config, rows = run.config(), run.rows()
    watch = config.train.watch
    key = next((k for k in (f"val_{watch}", f"train_{watch}") if rows and k in rows[-1]), "")
    return {
        "run": run.name,
        "data": config.data.source,
        "model": config.model.name,
        "epochs": len(rows),
        "planned": config.train.epochs,
        "last": rows[-1] if rows else {},
        "watch": key,
        "curve": [row[key] for row in rows] if key else [],
        "seconds": sum(row["seconds"] for row in rows),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    shown = {k: v for k, v in row["last"].items() if k.startswith("val_") and k != "val_loss"}
    name = next(iter(shown), "")
    best = f"{name.removeprefix('val_')} {measure(name, shown[name])}" if name else ""
    return [
        row["run"],
        row["data"],
        row["model"],
        f"{row['epochs']}/{row['planned']}",
        f"{row['last'][row['watch']]:.4g}" if row["watch"] else "",
        best,
        spark(row["curve"]),
        seconds(row["seconds"]),
    ]


@app.command()
def compare(runs: Names, json: Json = False) -> None:
    """Show runs side by side: what differs in their configurations, and what came of it.

    Example:

        deepglass runs compare digits-mlp-1 digits-mlp-2
    """
    if len(runs) < 2:
        raise typer.BadParameter("at least two runs are compared.")
    folders = [find_run(name) for name in runs]
    configs = [_flat(folder.config().to_dict()) for folder in folders]
    results = [rows[-1] if (rows := folder.rows()) else {} for folder in folders]
    keys = dict.fromkeys(key for config in configs for key in config)
    differing = [k for k in keys if len({repr(c.get(k)) for c in configs}) > 1]
    measured = dict.fromkeys(key for result in results for key in result)
    if json:
        print_json(
            [
                {"run": f.name, "config": {k: c.get(k) for k in differing}, "last": r}
                for f, c, r in zip(folders, configs, results, strict=True)
            ]
        )
        return
    lines = [[k, *(str(c.get(k, "")) for c in configs)] for k in differing]
    for key in measured:
        lines.append([key, *(measure(key, r[key]) if key in r else "" for r in results)])
    curves = [[row.get("val_loss", row["train_loss"]) for row in f.rows()] for f in folders]
    lines.append(["curve of the loss", *map(spark, curves)])
    listing(["", *(folder.name for folder in folders)], lines)


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    return {f"{s}.{k}": v for s, section in config.items() for k, v in section.items()}


@app.command()
def delete(
    runs: Names,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete runs with all their files.

    Example:

        deepglass runs delete digits-mlp-2
    """
    folders = [find_run(name) for name in runs]
    listed = ", ".join(str(folder.path) for folder in folders)
    if not yes:
        typer.confirm(f"Delete {listed} with all files?", abort=True)
    for folder in folders:
        folder.delete()
    console.print(f"deleted: {listed}", markup=False)
