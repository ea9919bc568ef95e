"""What a transformer reads of what: how much each place of a text looks at each before it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..data.sources.tokens import TextEncoder
from ..models import GPT
from ..runs import Run
from .batch import Recorded
from .pictures import packed

PLACES = 64  # tokens of the text that is shown
HEADS = 48  # maps shown at most, those of the first layers


def attention(run: Run, batch: Recorded) -> dict[str, Any] | None:
    """Return the part of the report about attention; None for a network without.

    A weight is told as a share of the largest that the same place gives, in bytes.

    Args:
        run: trained, its network in the state that is asked.
        batch: its recorded samples, of which the first is read.
    """
    model, encoder = run.assembled.trainer.model, cast(TextEncoder, run.material.encoder)
    if not isinstance(model, GPT):
        return None
    tokens = batch.inputs[:1, :PLACES]
    weights = np.concatenate([found.numpy() for found in model.attention(tokens)])
    weights = weights[: max(1, HEADS // model.heads)]
    shares = (255 * weights / weights.max(axis=-1, keepdims=True)).round().astype(np.uint8)
    return {
        "tokens": [encoder.decode([token]) for token in tokens[0]],
        "weights": packed(shares),
    }
