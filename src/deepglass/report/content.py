"""Everything that a report says, as JSON values."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np

from .. import __version__
from ..data import TableEncoder
from ..data.sources.columns import to_record
from ..explain import Explainer
from ..runs import Run
from .answers import answers
from .attention import attention
from .batch import Recorded, affordable, apart, best_state, explainer_of, recorded
from .health import health
from .network import live
from .pictures import packed, picture, row
from .sight import sight

ANSWERED = 5 * 10**9  # multiply-adds for the answers at most


def content(run: Run) -> dict[str, Any]:
    """Return what the page of a run shows.

    Raises:
        DataError: the run is not trained yet, its data have changed, or a file is damaged.
    """
    run = apart(run)
    rows = run.folder.rows()
    batch = recorded(run)
    model = run.assembled.trainer.model
    model.load_state_dict(best_state(run)["model"])
    answered = answers(run, affordable(run, batch.prepared[:1], ANSWERED))
    summary = model.eval().summary(batch.prepared[:1])
    explainer = explainer_of(run, batch)
    found = {
        "version": __version__,
        "run": run.folder.name,
        "summary": _summary(run, rows),
        "rows": rows,
        "watch": run.config.train.watch,
        "classes": list(run.material.classes),
        "answers": answered,
        "sight": sight(run, batch, answered),
        "attention": attention(run, batch),
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "shape": [list(shape[1:]) for shape in layer.output_shapes],
                "parameters": layer.parameters,
                "multiply_adds": layer.multiply_adds,
            }
            for layer in summary.layers
        ],
        "health": health(explainer),
        "live": _live(run, explainer, batch),
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _summary(run: Run, rows: list[dict[str, float]]) -> dict[str, Any]:
    config, material = run.config, run.material
    changed = run.folder.measures.stat().st_mtime
    return {
        "source": config.data.source,
        "kind": material.sizes.kind,
        "task": material.task,
        "notes": list(material.notes),
        "parts": {name: len(part) for name, part in material.parts.items()},
        "model": config.model.name,
        "loss": config.loss.name,
        "optimizer": config.optimizer.name,
        "rate": config.optimizer.options["lr"],
        "schedule": config.schedule.name,
        "batch": config.train.batch_size,
        "seed": config.train.seed,
        "epochs": config.train.epochs,
        "seconds": sum(row["seconds"] for row in rows),
        "finished": datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds"),
    }


def _live(run: Run, explainer: Explainer, batch: Recorded) -> dict[str, Any] | None:
    """The network, the recorded batch, and how what people draw or type becomes an input."""
    found = live(explainer) if run.material.task != "text" else None
    if found is None:
        return None
    scale = run.material.scale
    return {
        **found,
        **_entry(run.material.encoder, batch.inputs),
        "inputs": packed(batch.inputs),
        "targets": np.asarray(batch.targets, np.float64).reshape(len(batch.targets), -1).tolist(),
        "deltas": explainer.deltas(len(explainer.calls) - 1).tolist(),
        "scale": scale.to_dict() if scale else None,
        "drawing": run.material.drawing,
        "loss_kind": run.config.loss.name,
    }


def _entry(encoder: Any, inputs: np.ndarray) -> dict[str, Any]:
    """How the recorded samples are shown, and the fields of a table's row."""
    if isinstance(encoder, TableEncoder):
        return {
            "shown": [row(encoder, x) for x in inputs],
            "columns": [to_record(column) for column in encoder.inputs],
            "target": to_record(encoder.target),
        }
    return {"shown": [picture(x) for x in inputs], "columns": None, "target": None}


def _plain(value: Any) -> Any:
    """JSON values, with nothing where a number is infinite or none."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
