"""How the batches of a loader reach a compiled step.

Arrays in memory become state of the compiled function, which gathers its batch by number:
many steps are then one native call. Anything else comes batch by batch from the loader. Both
hand the function the same samples in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..compile import Compiled
from ..data.dataset import Dataset, Subset
from ..data.loader import DataLoader
from ..graph.tensor import Tensor
from ..graph.tree import map_leaves
from ..ops import cat, index_select

MOST_BYTES = 2**31  # larger data stay outside: a program would hold a copy

Fields = tuple[Tensor, ...]


class Feed:
    """A step, compiled, and the batches it is given.

    Args:
        loader: where the batches come from.
        step: ``step(fields, *extra)`` with one tensor per field of a batch; returns tensors.
        compiler: compiles it.
        together: batches of the loader that one step takes.

    Attributes:
        in_memory: whether several steps can be one call.
        step: the compiled step.
    """

    def __init__(
        self,
        loader: DataLoader,
        step: Callable[..., Any],
        compiler: Callable[[Callable[..., Any]], Compiled],
        together: int = 1,
    ) -> None:
        self.loader = loader
        self.together = together
        whole = None if loader.num_workers or loader.collate_fn else arrays_of(loader.dataset)
        self.in_memory = whole is not None
        if whole is None:
            self.step = compiler(step)
            return
        arrays, self._place = whole
        held = [Tensor(a) for a in arrays]

        def gathered(numbers: Tensor, *extra: Tensor) -> Any:
            return step(tuple(index_select(t, 0, numbers) for t in held), *extra)

        self.step = compiler(gathered)

    def compile(self, *extra: Any) -> None:
        """Make the programs for all numbers of samples, without running them."""
        count, step = self.loader.samples, self.loader.batch_size * self.together
        for size in sorted({min(step, count), count % step} - {0}):
            batch = self._place[:size] if self.in_memory else self.loader.example(size)
            self.step.program(batch, *extra)

    def run(
        self, most: Callable[[], int], extra: Callable[[int], Sequence[np.ndarray]]
    ) -> Iterator[tuple[int, Any]]:
        """Go through one epoch of the loader, or what is left of it.

        Args:
            most: asked before each call how many steps it may be.
            extra: asked for the further arguments of so many steps, one row per step.

        Yields:
            the samples of each step, and what it returned: arrays, with one row for each of
            one or more steps. The loader then stands behind these steps.
        """
        if not self.in_memory:
            for batch in self._joined():
                results = self.step(batch, *[rows[0, ...] for rows in extra(1)])
                yield len(batch[0]), map_leaves(lambda r: r.numpy()[None], results)
            return
        for numbers in self.loader.numbers(most, self.together):
            results = self.step.each(self._place[numbers], *extra(len(numbers)))
            yield numbers.shape[1], map_leaves(lambda r: r.numpy(), results)

    def _joined(self) -> Iterator[Fields]:
        """The batches of the loader, as many in one as a step takes."""
        batches = iter(self.loader)
        while several := list(islice(batches, self.together)):
            fields = zip(*several, strict=True)
            yield several[0] if len(several) == 1 else tuple(cat(parts) for parts in fields)


def arrays_of(dataset: Dataset) -> tuple[tuple[np.ndarray, ...], np.ndarray] | None:
    """Return the arrays behind a dataset and the row of each sample in them, if there are any.

    >>> from deepglass.data import TensorDataset
    >>> arrays, rows = arrays_of(Subset(TensorDataset([5, 6, 7]), [2, 0]))
    >>> arrays[0][rows].tolist()
    [7, 5]
    """
    if type(dataset) is Subset:
        whole = arrays_of(dataset.dataset)
        return None if whole is None else (whole[0], whole[1][dataset.indices])
    arrays = dataset.arrays()
    if arrays is None or sum(a.nbytes for a in arrays) > MOST_BYTES:
        return None
    return arrays, np.arange(len(dataset))
