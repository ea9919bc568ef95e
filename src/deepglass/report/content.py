"""Everything that a report says, as JSON values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from .. import __version__
from ..data import TableEncoder
from ..data.sources.columns import to_record
from ..errors import DomainError
from ..explain import Explainer
from ..runs import Run
from ..runs.folder import BEST
from ..train import load_checkpoint
from .answers import answers
from .batch import Recorded, explainer_of, recorded
from .health import health
from .network import live
from .pictures import packed, picture, row


def content(run: Run) -> dict[str, Any]:
    """Return what the page of a run shows.

    Raises:
        DataError: the run is not trained yet, its data have changed, or a file is damaged.
    """
    rows = run.folder.rows()
    batch = recorded(run)
    state, _ = load_checkpoint(run.folder.checkpoints / BEST)
    model = run.assembled.trainer.model
    model.load_state_dict(state["model"])
    answered = answers(run)
    summary = model.eval().summary(batch.prepared[:1])
    explainer = explainer_of(run, batch)
    return {
        "version": __version__,
        "run": run.folder.name,
        "summary": _summary(run, rows),
        "rows": rows,
        "watch": run.config.train.watch,
        "classes": list(run.material.classes),
        "answers": answered,
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
    encoder, scale = run.material.encoder, run.material.scale
    rows = isinstance(encoder, TableEncoder)
    shown = [row(encoder, x) if rows else picture(x) for x in batch.inputs]  # type: ignore[arg-type]
    return {
        **found,
        "inputs": packed(batch.inputs),
        "targets": np.asarray(batch.targets, np.float64).reshape(len(batch.targets), -1).tolist(),
        "places": batch.indices.tolist(),
        "shown": shown,
        "scale": scale.to_dict() if scale else None,
        "drawing": run.material.drawing,
        "columns": [to_record(column) for column in encoder.inputs] if rows else None,  # type: ignore[union-attr]
        "target": to_record(encoder.target) if rows else None,  # type: ignore[union-attr]
        "loss_kind": run.config.loss.name,
        "sums": _sums(explainer),
    }


def _sums(explainer: Explainer) -> dict[str, Any]:
    """Derivatives of the loss by the outputs of the network: where the page begins backward."""
    return {"deltas": explainer.deltas[-1].tolist()}
