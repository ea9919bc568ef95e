"""Taps: numbers about what happens inside a compiled step, computed by the step itself.

    step = dg.compile(step, taps=dg.taps.health(model))
    step(x, y)
    print(step.taps["fc1.output"])

Everything in a step that can be looked at has a name:

    fc1.output           what the layer fc1 returned; fc1#2.output at its second call in the step
    fc1.output.grad      the derivative of the loss by it
    fc1.weight           the parameter, after the step
    fc1.weight.grad      the derivative of the loss by it, before any clipping
    fc1.weight.update    what the step adds to it, before rounding

A pattern chooses among names: "*" stands for any letters, dots included. Taps are further
results of the program, found where the values are at hand. They change no bit of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import reduce
from typing import Any, ClassVar, Protocol

import numpy as np

from .errors import DomainError
from .graph.graph import ALIAS, INPUT, STATE, Node, ancestors
from .graph.kinds import View
from .graph.tensor import Parameter, Tensor, read
from .graph.trace import Call, Trace, Traceable, set_grad_enabled
from .graph.tree import flatten
from .ops import add, clamp, floor, index_add, neg, sub, where
from .ops.reduction import nanmax, nanmin

__all__ = ["Histogram", "Statistics", "Taps", "health", "histograms", "statistics", "values"]


@dataclass(frozen=True)
class Statistics:
    """What the elements of a tensor are like.

    Attributes:
        mean: their mean.
        std: their standard deviation, the root of the mean squared distance from the mean.
        zeros: the share of them that is exactly 0, from 0 to 1.
        min, max: the smallest and the largest.
        norm: the root of the sum of their squares.
    """

    mean: float
    std: float
    zeros: float
    min: float
    max: float
    norm: float


@dataclass(frozen=True)
class Histogram:
    """How many elements of a tensor lie where.

    Attributes:
        edges: of the bins, one more than there are bins. A bin holds its lower edge, and the
            last one its upper edge too.
        counts: elements in each bin.
        below, above: elements below the first edge, and above the last. NaN is counted nowhere.
    """

    edges: np.ndarray
    counts: np.ndarray
    below: int
    above: int


class Kind(Protocol):
    """What is found out about a tensor.

    Attributes:
        of_elements: whether only the elements count, and not their shape.
    """

    of_elements: ClassVar[bool]

    def record(self, x: Tensor) -> Sequence[Tensor]:
        """Return what the step computes of ``x``, which has elements."""
        ...

    def readings(self, found: Sequence[Sequence[np.ndarray]], sizes: Sequence[int]) -> list[Any]:
        """Return what is made of it when it is asked for, of several tensors at once.

        Args:
            found: what was computed of each.
            sizes: how many elements each had.
        """
        ...


@dataclass(frozen=True)
class _Statistics:
    """Sums over each row of the first axis, which the thread that wrote the row finds in its
    cache; put together in float64 by the rule of Chan, Golub and LeVeque (1983).

    The sums are of distances from the row's first element, so that no large square is subtracted
    from another: their sum loses at most as many last places as log2(elements). Of sums that are
    found together, that of the squares tells of a NaN, so the others may pass over it.
    """

    of_elements: ClassVar[bool] = True

    def record(self, x: Tensor) -> Sequence[Tensor]:
        x = _floats(x) if x.ndim > 1 else _floats(x).reshape(1, -1)
        dims = tuple(range(1, x.ndim))
        first = x[(slice(None), *[slice(1)] * len(dims))]
        first = where(first - first == 0, first, 0.0)  # a number to be subtracted, not infinity
        away = sub(x, first)
        zeros, largest, smallest = (x == 0).sum(dims), nanmax(x, dims), nanmin(x, dims)
        squares, total = (away * away).sum(dims), away.sum(dims)
        means = first.reshape(-1) + total / (x.numel() // len(x))
        return [zeros, largest, smallest, squares, total, means]

    def readings(
        self, found: Sequence[Sequence[np.ndarray]], sizes: Sequence[int]
    ) -> list[Statistics]:
        rows, size = np.array([len(parts[0]) for parts in found]), np.array(sizes)
        starts, count = np.cumsum(rows) - rows, np.repeat(size / rows, rows)
        wide = (np.concatenate(parts).astype(np.float64) for parts in zip(*found, strict=True))
        zeros, largest, smallest, squares, total, means = wide

        def over(combine: np.ufunc, of_rows: np.ndarray) -> np.ndarray:
            return np.asarray(combine.reduceat(of_rows, starts))

        with np.errstate(invalid="ignore", over="ignore"):
            mean = over(np.add, means) / rows
            within = np.maximum(squares - total**2 / count, 0)
            between = count * (means - np.repeat(mean, rows)) ** 2
            spread = over(np.add, within + between)
            nan = np.where(np.isnan(over(np.add, squares)), np.nan, 0.0)
            least, most = nan + over(np.minimum, smallest), nan + over(np.maximum, largest)
            std, norm = np.sqrt(spread / size), np.sqrt(spread + size * mean**2)
        columns = mean, std, over(np.add, zeros) / size, least, most, norm
        return [Statistics(*each) for each in zip(*(c.tolist() for c in columns), strict=True)]


@dataclass(frozen=True)
class _Histogram:
    of_elements: ClassVar[bool] = True
    bins: int
    low: float
    high: float

    def record(self, x: Tensor) -> Sequence[Tensor]:
        x = _floats(x)
        place = floor((x - self.low) * (self.bins / (self.high - self.low)))
        place = where(x == self.high, self.bins - 1.0, clamp(place, -1.0, float(self.bins)))
        place = where(x == x, place + 1, self.bins + 2.0).to("int64").reshape(-1)
        start = Tensor(np.zeros(self.bins + 3, np.int64))
        return [index_add(start, 0, place, Tensor(np.ones(x.numel(), np.int64)))]

    def readings(
        self, found: Sequence[Sequence[np.ndarray]], sizes: Sequence[int]
    ) -> list[Histogram]:
        return [self._reading(places.tolist()) for (places,) in found]

    def _reading(self, places: list[int]) -> Histogram:
        below, *counts, above, _ = places
        edges = np.linspace(self.low, self.high, self.bins + 1)
        return Histogram(edges, np.array(counts), below, above)


@dataclass(frozen=True)
class _Values:
    of_elements: ClassVar[bool] = False

    def record(self, x: Tensor) -> Sequence[Tensor]:
        return [x]

    def readings(
        self, found: Sequence[Sequence[np.ndarray]], sizes: Sequence[int]
    ) -> list[np.ndarray]:
        return [array.copy() for (array,) in found]


def _unshaped(x: Tensor) -> Tensor:
    """The same elements in the same rows, as they were before the shape of the rows changed."""
    node = read(x)
    while isinstance(node.op.kernel, View) and node.inputs[0].type.shape[:1] == x.shape[:1]:
        node = node.inputs[0]
    return Tensor.of(node)


def _floats(x: Tensor) -> Tensor:
    """In the type that statistics are computed in."""
    return x.to(x.dtype.wide) if x.dtype.is_float else x.to("float32")


# What is looked at ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Watch:
    """One kind of number for all names of a model that match one of the patterns."""

    model: Traceable
    patterns: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True)
class Tap:
    """One thing that is looked at in a program.

    Attributes:
        parts: the numbers of the values that are computed for it.
        size: elements of the tensor.
    """

    name: str
    kind: Kind
    parts: range
    size: int


@dataclass(frozen=True)
class Taps:
    """What to look at in a compiled step, and how often; ``a + b`` looks at both.

    Attributes:
        every: calls from one that is looked at to the next.
    """

    watches: tuple[_Watch, ...]
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise DomainError(f"taps: every is at least 1 call; got {self.every}.")

    def __add__(self, other: Taps) -> Taps:
        if self.every != other.every:
            raise DomainError(
                "taps: taps that are added look at the same calls; got every "
                f"{self.every} and {other.every}. Give both the same."
            )
        return replace(self, watches=self.watches + other.watches)

    def record(
        self, trace: Trace, calls: Sequence[Call], inputs: Sequence[Node]
    ) -> tuple[list[Tap], list[Node]]:
        """Return what the program being recorded computes beside its results.

        Args:
            trace: active, and at its end.
            calls: of layers in it.
            inputs: of the program.

        Raises:
            DomainError: a pattern that nothing matches.
        """
        taps: list[Tap] = []
        nodes: list[Node] = []
        known: dict[tuple[Kind, int], range] = {}
        with set_grad_enabled(False):
            for watch in self.watches:
                there = dict(_named(watch.model, trace, calls, inputs))
                for name, x in _chosen(watch, there):
                    x = _unshaped(x) if watch.kind.of_elements else x
                    key = watch.kind, read(x).id
                    if key not in known:
                        before = len(nodes)
                        nodes += [read(part) for part in watch.kind.record(x)]
                        known[key] = range(before, len(nodes))
                    taps.append(Tap(name, watch.kind, known[key], x.numel()))
        return taps, nodes


def readings(taps: Sequence[Tap], arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return what was found, by name; of a name with several kinds the last one."""
    found = [[arrays[k] for k in t.parts] for t in taps]
    made: dict[str, Any] = {t.name: None for t in taps}  # in this order
    alike: dict[Kind, list[int]] = {}
    for k, tap in enumerate(taps):
        alike.setdefault(tap.kind, []).append(k)
    for kind, places in alike.items():
        of_each = kind.readings([found[k] for k in places], [taps[k].size for k in places])
        made.update(zip([taps[k].name for k in places], of_each, strict=True))
    return made


def statistics(model: Traceable, *names: str, every: int = 1) -> Taps:
    """Return taps for the `Statistics` of everything whose name matches.

    Args:
        model: the network whose layers are meant.
        names: patterns, such as "fc1.output", "*.grad" or "*".
        every: calls from one that is looked at to the next: those numbered every, 2 every, ...

    Raises:
        DomainError: when a program is recorded, if nothing matches a pattern.

    Numerics: computed in float32, or float64 for tensors of that type. Where squares overflow
    (above 1e19 in float32) std and norm are infinite, where they underflow (below 1e-19) 0;
    min and max are right. An infinite element makes mean, std and norm infinite or NaN, and NaN
    all but the share of zeros.

    >>> from .nn import Linear
    >>> model = Linear(2, 2)
    >>> with set_grad_enabled(False):
    ...     _ = model.weight.copy_(Tensor([[1.0, 0.0], [0.0, 1.0]]))
    >>> from .compile import compile
    >>> apply = compile(model, taps=statistics(model, "weight"))
    >>> _ = apply(np.float32([[1, 2]]))
    >>> apply.taps["weight"]
    Statistics(mean=0.5, std=0.5, zeros=0.5, min=0.0, max=1.0, norm=1.4142135623730951)
    """
    return Taps((_Watch(model, _patterns(names), _Statistics()),), every)


def histograms(
    model: Traceable,
    *names: str,
    bins: int = 64,
    range: tuple[float, float] = (-1.0, 1.0),
    every: int = 1,
) -> Taps:
    """Return taps for the `Histogram` of everything whose name matches; see `statistics`.

    Args:
        bins: of equal width.
        range: from the lower edge of the first bin to the upper edge of the last.

    Raises:
        DomainError: fewer than one bin, or a range without width.
    """
    low, high = map(float, range)
    if bins < 1 or not low < high < np.inf or low == -np.inf:
        raise DomainError(
            f"taps.histograms: at least 1 bin, in a finite range (low, high) with low < high; got "
            f"{bins} bins in {range}."
        )
    return Taps((_Watch(model, _patterns(names), _Histogram(bins, low, high)),), every)


def values(model: Traceable, *names: str, every: int = 1) -> Taps:
    """Return taps for the arrays themselves of everything whose name matches; see `statistics`."""
    return Taps((_Watch(model, _patterns(names), _Values()),), every)


def health(model: Traceable, every: int = 1) -> Taps:
    """Return taps that show how training goes: the `Statistics` of what each layer without parts
    returns, and of each parameter, its gradient and its update.

    Args:
        model: the network.
        every: calls from one that is looked at to the next.
    """
    paths = [path for path, _ in model.named_scopes()]
    whole = {p.rpartition(".")[0] for p in paths if p}
    leaves = [_join(p, "output") for p in paths if p not in whole]
    parameters = [name for name, t in model.named_state() if isinstance(t, Parameter)]
    of_each = [name + what for name in parameters for what in ("", ".grad", ".update")]
    return Taps((_Watch(model, (*leaves, *of_each), _Statistics()),), every)


def _patterns(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise DomainError('taps: at least one name or pattern; got none. Pass "*" for everything.')
    return tuple(names)


# Names and tensors ----------------------------------------------------------------------


def _chosen(watch: _Watch, there: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for pattern in watch.patterns:
        if not any(fnmatchcase(name, pattern) for name in there):
            raise DomainError(
                f"taps: a name or pattern that something in the step matches; got {pattern!r}, "
                f"there are {', '.join(there) or 'none'}."
            )
    for name, x in there.items():
        if any(fnmatchcase(name, pattern) for pattern in watch.patterns):
            yield name, x


def _named(
    model: Traceable, trace: Trace, calls: Sequence[Call], inputs: Sequence[Node]
) -> Iterator[tuple[str, Tensor]]:
    """Everything in a step that can be looked at, in the order of the calls."""
    paths = {id(layer): path for path, layer in model.named_scopes()}
    results = [
        (path, x)
        for call in calls
        if (path := paths.get(id(call.layer))) is not None
        for x in flatten(call.output)[0]
        if isinstance(x, Tensor) and x.numel()
    ]
    given = {n.id for n in inputs} | {node.id for _, node in trace.state.values()}
    outside = _outside([read(x) for _, x in results], given)
    counts: dict[str, int] = {}
    for path, x in results:
        if read(x).id in outside:
            counts[path] = counts.get(path, 0) + 1
            again = f"#{counts[path]}" if counts[path] > 1 else ""
            yield from _with_gradient(_join(path + again, "output"), read(x), trace)
    new = {id(t): node for t, node in trace.changed()}
    for name, t in model.named_state():
        if isinstance(t, Parameter) and t.numel() and id(t) in trace.state:
            _, before = trace.state[id(t)]
            after = new.get(id(t), before)
            yield name, Tensor.of(after)
            yield from list(_with_gradient(name, before, trace))[1:]
            if after is not before:
                yield f"{name}.update", _change(before, after)


def _with_gradient(name: str, node: Node, trace: Trace) -> Iterator[tuple[str, Tensor]]:
    yield name, Tensor.of(node)
    found = [Tensor.of(g) for g in trace.gradients_of(node)]
    if found:
        yield f"{name}.grad", reduce(add, found)


def _outside(nodes: Sequence[Node], given: set[int]) -> set[int]:
    """The ids of those nodes that are not computed anew in each step of a scan."""
    inside: set[int] = set()
    for node in ancestors(nodes):
        place = node.op in (INPUT, STATE) and node.id not in given
        if place or any(i.id in inside for i in node.inputs):
            inside.add(node.id)
    return {n.id for n in nodes} - inside


def _change(before: Node, after: Node) -> Tensor:
    """What was added to a parameter; from the last line of the optimizer where that says it,
    so that the old value need not be kept beside the new one."""
    before, after = _behind(before), _behind(after)
    if after.op.name in ("add", "sub") and not after.type.dtype.is_half:
        x, change = after.inputs
        if _behind(x) is before:
            return neg(Tensor.of(change)) if after.op.name == "sub" else Tensor.of(change)
    return sub(Tensor.of(after), Tensor.of(before))


def _behind(node: Node) -> Node:
    while node.op is ALIAS:
        node = node.inputs[0]
    return node


def _join(path: str, name: str) -> str:
    return f"{path}.{name}".removeprefix(".")
