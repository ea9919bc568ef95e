"""What one step of training and one of validation compute; compiled by a `Feed`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..nn.module import Module
from ..nn.utils import clip_grad_norm_
from ..ops import cat
from ..optim import Optimizer
from .feed import Fields
from .metrics import Metric

Loss = Callable[[Any, Any], Tensor]
Prepare = Callable[[Tensor], Tensor]


class Steps:
    """The steps of one trainer; see `Trainer` for the arguments."""

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Optimizer,
        metrics: Sequence[Metric],
        prepare: Prepare | None,
        clip_norm: float | None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics, self.prepare, self.clip_norm = metrics, prepare, clip_norm

    def forward(self, fields: Fields) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """Return the loss of a batch and what each metric observes."""
        *inputs, target = fields
        output = self.output(*inputs)
        return self.loss(output, target), [m.observe(output, target) for m in self.metrics]

    def output(self, *inputs: Tensor) -> Any:
        """Return what the model makes of inputs as the data have them."""
        return self.model(*[self.prepare(x) if self.prepare else x for x in inputs])

    def update(self, size: int) -> Callable[[Fields, Tensor], Any]:
        """Return the training step, which goes through its batch in parts of ``size`` samples.

        The gradients of the parts add up to that of the whole batch, in the memory of one part.
        """

        def step(fields: Fields, settings: Tensor) -> Any:
            self.optimizer.zero_grad()
            losses, seen = [], []
            for part in _parts(fields, size):
                loss, some = self.forward(part)
                if len(part[0]) < len(fields[0]):
                    loss = loss * (len(part[0]) / len(fields[0]))
                loss.backward()
                losses.append(loss.detach())
                seen.append(some)
            if self.clip_norm is not None:
                clip_grad_norm_(self.optimizer.parameters(), self.clip_norm)
            with _in_place_of(self.moving(), settings):
                self.optimizer.step()
            rows = [
                tuple(map(_joined, zip(*parts, strict=True))) for parts in zip(*seen, strict=True)
            ]
            return sum(losses[1:], losses[0]), rows

        return step

    def moving(self) -> list[Tensor]:
        """Return the settings of the optimizer that a schedule may change from step to step."""
        groups = self.optimizer.param_groups
        return [t for group in groups for _, t in group.named_tensors()]


def _parts(fields: Fields, size: int) -> Iterator[Fields]:
    """Cut a batch into pieces of ``size`` samples and what is left."""
    for start in range(0, len(fields[0]), size):
        yield tuple(f[start : start + size] for f in fields) if size < len(fields[0]) else fields


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else cat(parts)


@contextmanager
def _in_place_of(tensors: Sequence[Tensor], values: Tensor) -> Iterator[None]:
    """Let settings have other values while a step is recorded, and be themselves after it."""
    before = [t.node for t in tensors]
    with set_grad_enabled(False):
        for number, tensor in enumerate(tensors):
            tensor.rebind(values[number].node)
        yield
        for tensor, node in zip(tensors, before, strict=True):
            tensor.rebind(node)
