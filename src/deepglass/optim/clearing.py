"""A guard: gradients that nobody clears add up from step to step."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.tensor import Tensor
from ..graph.trace import active_trace, warn

PATIENCE = 3  # steps in a row


class Clearing:
    """Notices when gradients are added to those of the step before, and warns once.

    Several calls of `backward` between two steps are accumulation, which is meant; what no
    training means is a sum over all steps so far. Inside compiled functions nothing is
    noticed: there, a gradient that was not cleared is not kept, and reading it raises.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}  # origins of the last step's gradients: their nodes
        self._steps = 0  # in a row without clearing
        self._warned = False

    def look(self, parameters: Sequence[Tensor]) -> None:
        """Look at the gradients before a step uses them."""
        if self._warned or active_trace() is not None:
            return
        nodes = [p.grad.node for p in parameters if p.grad is not None]
        added = any(n.origin and self._seen.get(n.origin, n.id) != n.id for n in nodes)
        self._steps = self._steps + 1 if added else 0
        self._seen = {n.origin or n.id: n.id for n in nodes}
        if self._steps == PATIENCE:
            self._warned = True
            warn(
                "step: gradients are cleared before the next ones are computed; these were added "
                f"to those of the step before, {PATIENCE} times in a row. Call "
                "optimizer.zero_grad() before loss.backward()."
            )
