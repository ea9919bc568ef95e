"""How much of its input each value of a network sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..graph.graph import Node
from ..graph.kinds import Reduction, View
from ..ops.correlation import CONV_TRANSPOSE


@dataclass(frozen=True)
class Field:
    """What one value sees along one axis of the input.

    Attributes:
        size: elements from the first to the last that it depends on.
        step: elements between what it sees and what its neighbour sees.
    """

    size: int = 1
    step: int = 1

    def behind(self, taps: int, dilation: int, stride: int) -> Field:
        """Return what a value sees that reads several of these through a window."""
        return Field(self.size + (taps - 1) * dilation * self.step, self.step * stride)


Fields = tuple[Field, ...]  # one for each of the last axes


def receptive_fields(nodes: Iterable[Node]) -> dict[Node, Fields]:
    """Return what the values of each node see, where there was a window on the way.

    Windows are those of convolutions and poolings. What averages or merges whole maps sees all
    that the values of the maps see. Padding counts like input. What follows a transposed
    convolution is an upper bound, as its values lie closer than those it reads.

    Args:
        nodes: each behind its inputs.

    Source: Araujo, Norris and Sim (2019), "Computing receptive fields of convolutional neural
    networks", equation 2.
    """
    found: dict[Node, Fields] = {}
    for node in nodes:
        if windows := node.params.get("windows", ()):
            before = found.get(node.inputs[0], (Field(),) * len(windows))
            pairs = list(zip(before, windows, strict=True))
            if node.op is CONV_TRANSPOSE:
                fields = tuple(f.behind(w.covers, 1, 1) for f, w in pairs)
            else:
                fields = tuple(f.behind(w.kernel, w.dilation, w.stride) for f, w in pairs)
        else:
            known = [found[x] for x in node.inputs if x in found]
            fields = tuple(max(of_axis, key=_size) for of_axis in zip(*known, strict=False))
            if fields and _merges(node, len(fields)):
                lengths = node.inputs[0].type.shape[-len(fields) :]
                fields = tuple(
                    f.behind(n, 1, stride=0) for f, n in zip(fields, lengths, strict=False)
                )
        if fields:
            found[node] = fields
    return found


def _size(field: Field) -> int:
    return field.size


def _merges(node: Node, axes: int) -> bool:
    """Whether values of the last axes, which are as many, become one or are no longer apart."""
    before = node.inputs[0].type.shape
    if isinstance(node.op.kernel, Reduction):
        return any(dim % len(before) >= len(before) - axes for dim in node.params["dim"])
    return isinstance(node.op.kernel, View) and node.type.shape[-axes:] != before[-axes:]
