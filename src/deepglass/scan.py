"""A step repeated over the rows of some inputs, each time from the result before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from .autodiff import gradients_through
from .errors import DTypeError, ShapeError
from .graph.graph import ALIAS
from .graph.kinds import Composite, Contraction, Host, Scan
from .graph.op import Op
from .graph.region import Region
from .graph.tensor import Tensor, apply, as_tensor
from .graph.trace import active_trace, sealed
from .graph.types import DType, TensorType, promote
from .ops import cat, narrow, reshape, stack, to

_RULE = "scan: a step computes its carry and changes nothing else"


def _type(
    init: TensorType,
    *rest: TensorType,
    region: Region,
    rows: int,
    length: int,
    last: bool,
    **_: Any,
) -> TensorType:
    expected = [n.type for n in region.graph.inputs]
    rows_of = [TensorType(x.shape[1:], x.dtype) for x in rest[:rows]]
    got = [init, *rows_of, *rest[rows:]]
    lengths = [x.shape[:1] for x in rest[:rows]]
    if got != expected or any(n != (length,) for n in lengths):
        raise ShapeError(
            f"scan: its step was recorded for {[str(t) for t in expected]} and {length} rows; got "
            f"{[str(t) for t in got]} with {lengths} rows. Record it anew."
        )
    return init if last else TensorType((length, *init.shape), init.dtype)


def _reference(
    init: np.ndarray,
    *rest: np.ndarray,
    region: Region,
    rows: int,
    length: int,
    reverse: bool,
    last: bool,
    extends: str,
) -> np.ndarray:
    carry, carries = init, []
    for t in _order(length, reverse):
        carry = region.compute([carry, *[x[t, ...] for x in rest[:rows]], *rest[rows:]])
        carries.append(carry)
    return carry if last else np.stack(carries[::-1] if reverse else carries)


def _order(length: int, reverse: bool) -> Sequence[int]:
    return range(length - 1, -1, -1) if reverse else range(length)


def _pullback(
    g: Tensor,
    y: Tensor,
    init: Tensor,
    *rest: Tensor,
    wanted: list[bool],
    region: Region,
    rows: int,
    length: int,
    reverse: bool,
    last: bool,
    extends: str,
) -> list[Tensor | None]:
    """Two scans: against the order of the first, one that carries the gradient of the carry and
    yields those of the rows; then, in any order, one that adds up those of what was captured."""
    xs, captured = rest[:rows], rest[rows:]
    wants_xs, wants_captured = wanted[1 : rows + 1], wanted[rows + 1 :]
    kept = _Kept(region)
    carries, products = kept.remember(init, xs, captured, length, reverse)
    before = _shifted(carries, init, reverse)
    row = (before, *xs, *products)
    seeds = () if last else (g,)
    packed = Packed([init.type, *[_row(x) for x, w in zip(xs, wants_xs, strict=True) if w]])

    def pull(state: Tensor, *row: Tensor) -> Tensor:
        """From the gradient of the carry after a step to that of the carry before it."""
        cotangent = packed.parts(state)[0]
        if not last:
            cotangent, row = cotangent + row[0], row[1:]
        asked = [True, *wants_xs, *[False] * len(captured)]
        found = kept.gradients(row, captured, asked, cotangent)
        return packed.join([x for x, a in zip(found, asked, strict=True) if a])

    end = g if last else Tensor(0.0, init.dtype).broadcast_to(init.shape)
    start = packed.join([end, *[None] * (len(packed.types) - 1)])
    states = _recorded(pull, start, (*seeds, *row), not reverse)
    pulled, *of_rows = packed.parts(states, length)
    found = iter(of_rows)
    of_xs = [next(found) if w else None for w in wants_xs]
    of_init = pulled[length - 1 if reverse else 0] if wanted[0] else None
    if not any(wants_captured):
        return [of_init, *of_xs, *[None] * len(captured)]

    after = _shifted(pulled, end, not reverse)
    cotangents = after if last else after + g
    summed = Packed([c.type for c, w in zip(captured, wants_captured, strict=True) if w])

    def add(total: Tensor, cotangent: Tensor, *row: Tensor) -> Tensor:
        asked = [*[False] * (rows + 1), *wants_captured]
        found = kept.gradients(row, captured, asked, cotangent)
        return total + summed.join([x for x, a in zip(found, asked, strict=True) if a])

    nothing = summed.join([None] * len(summed.types))
    total = _recorded(add, nothing, (cotangents, *row), reverse, last=True)
    found = iter(summed.parts(total))
    return [of_init, *of_xs, *[next(found) if w else None for w in wants_captured]]


class _Kept:
    """A step for whose gradient the results of its products are kept; the rest is computed
    again from them, which is cheap.

    Args:
        region: the step.
    """

    def __init__(self, region: Region) -> None:
        self.region = region
        self.products = [
            n
            for n in region.graph.nodes()
            if isinstance(n.op.kernel, (Contraction, Host)) and n.requires_grad
        ]

    def remember(
        self,
        init: Tensor,
        xs: Sequence[Tensor],
        captured: Sequence[Tensor],
        length: int,
        reverse: bool,
    ) -> tuple[Tensor, list[Tensor]]:
        """Return all carries and products: a scan that takes the place of the first one."""
        packed = Packed([init.type, *[n.type for n in self.products]])
        output = self.region.graph.outputs[0].id

        def remember(state: Tensor, *row: Tensor) -> Tensor:
            values = self.region.trail((packed.parts(state)[0], *row, *captured))
            return packed.join([values[output], *[values[n.id] for n in self.products]])

        start = packed.join([init, *[None] * len(self.products)])
        states = _recorded(remember, start, xs, reverse, length=length, extends=self.region.name)
        carries, *products = packed.parts(states, length)
        return carries, products

    def gradients(
        self, row: Sequence[Tensor], captured: Sequence[Tensor], asked: Sequence[bool], g: Tensor
    ) -> list[Tensor | None]:
        """As `gradients_through` for the step: of its carry, its rows and what it captured.

        Args:
            row: the carry before the step, its rows, its products.
            captured: what it captured.
            asked: which gradients are wanted.
            g: that of the carry after it.
        """
        split = len(row) - len(self.products)
        instead = {
            n.id: partial(apply, KNOWN, value, region=Region.only(n))
            for n, value in zip(self.products, row[split:], strict=True)
        }
        output = self.region.graph.outputs[0].id

        def step(*inputs: Tensor) -> Tensor:
            return self.region.trail(inputs, instead)[output]

        return gradients_through(step, [*row[:split], *captured], asked, g)


KNOWN = Op(
    name="known",
    infer=lambda value, *inputs, region: value,
    reference=lambda value, *inputs, region: value,
    kernel=Composite(lambda value, *inputs, region: value),
    pullback=lambda g, y, value, *inputs, wanted, region: [
        None,
        *gradients_through(region, inputs, wanted[1:], g),
    ],
    notation="{0}",
    doc="The first input, which ``region`` would compute from the others; its gradient is theirs.",
)

SCAN = Op(
    name="scan",
    infer=_type,
    reference=_reference,
    kernel=Scan(),
    pullback=_pullback,
    doc="""The carries of a recorded step, one after another; see `graph.kinds.Scan`.

    Gradient: scans of the step's own gradient, so it can be differentiated again.
    """,
)


class Packed:
    """Several tensors in one, because a scan carries one: side by side along the last axis
    where their shapes allow it (what is computed row by row stays so), else flat."""

    def __init__(self, types: Sequence[TensorType]) -> None:
        self.types = types
        rows = {t.shape[:-1] if t.shape else None for t in types}
        self.flat = len(rows) > 1 or None in rows
        self.dtype: DType = reduce(promote, [t.dtype for t in types])

    def join(self, tensors: Sequence[Tensor | None]) -> Tensor:
        """Return them in one; None stands for zeros."""
        filled = [
            Tensor(0.0, t.dtype).broadcast_to(t.shape) if x is None else x
            for x, t in zip(tensors, self.types, strict=True)
        ]
        if len(filled) == 1:
            return filled[0]
        flat = [reshape(x, -1) for x in filled] if self.flat else filled
        return cat([to(x, self.dtype) for x in flat], -1)

    def parts(self, packed: Tensor, *lead: int) -> list[Tensor]:
        """Return the tensors again; ``lead`` is the length of an axis in front."""
        if len(self.types) == 1:
            return [packed]
        parts, start = [], 0
        for t in self.types:
            length = t.size if self.flat else t.shape[-1]
            part = narrow(packed, -1, start, length)
            parts.append(to(reshape(part, *lead, *t.shape), t.dtype))
            start += length
        return parts


def _shifted(rows: Tensor, first: Tensor, reverse: bool) -> Tensor:
    """What stood before each of ``rows``, in order or in reverse: ``first``, then the rows."""
    first, kept = reshape(first, 1, *first.shape), rows.shape[0] - 1
    if reverse:
        return cat([narrow(rows, 0, 1, kept), first])
    return cat([first, narrow(rows, 0, 0, kept)])


def _row(x: Tensor) -> TensorType:
    return TensorType(x.shape[1:], x.dtype)


def scan(
    step: Callable[..., Any], init: Any, xs: Tensor | Sequence[Any], reverse: bool = False
) -> Tensor:
    """Return every carry of a step that is repeated over the rows of ``xs``.

    y[t] = step(y[t-1], x[t], ...), where init stands before the first row

    Eagerly this is a plain loop. In a compiled function the step is recorded once, so that
    the program does not grow with the number of rows; what the step computes from tensors
    outside alone is computed once, before.

    Args:
        step: ``step(carry, *rows) -> carry``. It changes nothing else: no state, no random
            generator.
        init: the carry to begin with.
        xs: a tensor, or several, with one first axis.
        reverse: begin with the last row; carry t still stands at t.

    Shapes:
        init: (...)
        xs: (rows, ...) each
        result: (rows, ...) as init

    Raises:
        ShapeError: ``xs`` have no common first axis, or the step does not keep the shape of
            the carry.
        DTypeError: the step does not keep the carry's element type.
        TraceError: the step changes state or draws random numbers.

    Gradient: for init, xs and every tensor the step uses. Carries and products (matmul,
    convolutions) of all steps are stored for it; the rest is computed again.

    >>> scan(lambda total, x: total + x, 0.0, Tensor([1.0, 2.0, 3.0]))
    tensor([1., 3., 6.])
    """
    rows = [as_tensor(x) for x in (xs if isinstance(xs, (tuple, list)) else [xs])]
    lengths = {x.shape[:1] for x in rows}
    if len(lengths) != 1 or () in lengths:
        raise ShapeError(
            f"scan: xs have a common first axis, the rows; got shapes {[x.shape for x in rows]}. "
            "Stack what the steps take along a new first axis."
        )
    carry = as_tensor(init)
    length = rows[0].shape[0]
    if not length:
        return Tensor(0, carry.dtype).broadcast_to(0, *carry.shape)
    if active_trace() is not None:
        return _recorded(step, carry, rows, reverse)
    return _looped(step, carry, [_split(x) for x in rows], reverse)


def _recorded(
    step: Callable[..., Any],
    init: Tensor,
    rows: Sequence[Tensor],
    reverse: bool,
    *,
    last: bool = False,
    length: int | None = None,
    extends: str = "",
) -> Tensor:
    """The scan as one node of the active trace; its length is that of the rows unless given."""

    def checked(carry: Tensor, *row: Tensor) -> Tensor:
        return _checked(step(carry, *row), carry.type)

    name = getattr(step, "__name__", type(step).__name__)
    arguments = {"carry": init.type, **{f"x{k}": _row(x) for k, x in enumerate(rows)}}
    region, captured = Region.record(checked, arguments, name, _RULE)
    unread = [False, *region.unread()[1 : len(rows) + 1], *[False] * len(captured)]
    read = [x for x, unused in zip(rows, unread[1:], strict=False) if not unused]
    return apply(
        SCAN, init, *read, *captured, region=region.without(unread), rows=len(read),
        length=rows[0].shape[0] if length is None else length, reverse=reverse, last=last,
        extends=extends,
    )  # fmt: skip


def _looped(
    step: Callable[..., Any], carry: Tensor, rows: Sequence[list[Tensor]], reverse: bool
) -> Tensor:
    carries = []
    for t in _order(len(rows[0]), reverse):
        with sealed(_RULE):
            own = [apply(ALIAS, x) for x in (carry, *[x[t] for x in rows])]  # to be changed
            carry = _checked(step(*own), carry.type)
        carries.append(carry)
    return stack(carries[::-1] if reverse else carries)


def _checked(carry: Any, type: TensorType) -> Tensor:
    if not isinstance(carry, Tensor) or carry.shape != type.shape:
        got = carry.type if isinstance(carry, Tensor) else repr(carry)
        raise ShapeError(
            f"scan: the step returns a carry of the shape it was given; got {got} for {type}. "
            "Give init the shape that the step returns."
        )
    if carry.dtype is not type.dtype:
        raise DTypeError(
            f"scan: the step returns a carry of the element type it was given; got {carry.type} "
            f"for {type}. Convert init with .to({carry.dtype!r})."
        )
    return carry


def _split(x: Tensor) -> list[Tensor]:
    """The rows of ``x``. Halves of halves, because the gradient of a part is as long as what
    it was cut from."""
    if x.shape[0] == 1:
        return [reshape(x, *x.shape[1:])]
    half = x.shape[0] // 2
    return [*_split(narrow(x, 0, 0, half)), *_split(narrow(x, 0, half, x.shape[0] - half))]
