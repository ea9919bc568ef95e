"""Kinds of loops: what a backend must know to run an op without knowing the op.

A kind says which loops there are and what happens to a scalar inside them. The scalar
rule is written against a vocabulary ``b`` that the backend hands in, so that LLVM IR,
XLA or C are written by the backend and never by an op:

    Elementwise(lambda b, x, y: b.add(x, y))

`Vocabulary` lists what a rule may say. Index arithmetic uses the same words: an index is
a list of scalars, one per axis.

| kind        | result element at index ``i``                                  | example        |
|-------------|----------------------------------------------------------------|----------------|
| Leaf        | given from outside                                             | input, constant|
| Elementwise | ``rule(b, x[i], y[i], ...)``                                   | add, exp       |
| View        | the same elements in the same order under another shape       | reshape        |
| Pull        | ``rule(b, i, x, y, ...)``, which reads ``x(j)`` at any index   | transpose, pad |
| Reduction   | ``combine`` over some axes of x                                | sum, argmax    |
| Contraction | sum of ``term(b, i, k, x, w)`` over the extents of ``k``       | matmul, conv   |
| Scatter     | x[i] and all ``source`` elements that ``target`` sends there  | scatter_add    |
| Composite   | whatever its expansion into other ops computes                 | softmax        |
| Host        | whatever the record's reference computes, in NumPy             | argsort        |
| Scan        | one computation repeated, each time from the result before     | scan           |
| After       | x[i], not before the other inputs are there                    | checkpoint     |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .types import DType

Scalar = Any  # whatever a backend's vocabulary computes with
IndexTuple = Sequence[Scalar]
Read = Callable[[IndexTuple], Scalar]


class Vocabulary(Protocol):
    """The words a scalar rule may use. Operands of one call have one type."""

    def const(self, value: float | int | bool, like: Scalar | None) -> Scalar:
        """A constant of the type of ``like``; an index where that is None."""
        ...

    def cast(self, x: Scalar, dtype: DType) -> Scalar: ...
    def add(self, x: Scalar, y: Scalar) -> Scalar: ...
    def sub(self, x: Scalar, y: Scalar) -> Scalar: ...
    def mul(self, x: Scalar, y: Scalar) -> Scalar: ...
    def div(self, x: Scalar, y: Scalar) -> Scalar: ...
    def fma(self, x: Scalar, y: Scalar, z: Scalar) -> Scalar:
        """x y + z of floats, rounded once where the machine can."""
        ...

    def neg(self, x: Scalar) -> Scalar: ...
    def abs(self, x: Scalar) -> Scalar: ...
    def maximum(self, x: Scalar, y: Scalar) -> Scalar: ...
    def minimum(self, x: Scalar, y: Scalar) -> Scalar: ...
    def floor(self, x: Scalar) -> Scalar: ...
    def round(self, x: Scalar) -> Scalar:
        """The nearest whole number, the even one of two."""
        ...

    def pow(self, x: Scalar, y: Scalar) -> Scalar: ...
    def exp(self, x: Scalar) -> Scalar: ...
    def expm1(self, x: Scalar) -> Scalar: ...
    def log(self, x: Scalar) -> Scalar: ...
    def log1p(self, x: Scalar) -> Scalar: ...
    def sqrt(self, x: Scalar) -> Scalar: ...
    def rsqrt(self, x: Scalar) -> Scalar: ...
    def tanh(self, x: Scalar) -> Scalar: ...
    def sigmoid(self, x: Scalar) -> Scalar: ...
    def sin(self, x: Scalar) -> Scalar: ...
    def cos(self, x: Scalar) -> Scalar: ...
    def erf(self, x: Scalar) -> Scalar: ...
    def eq(self, x: Scalar, y: Scalar) -> Scalar: ...
    def ne(self, x: Scalar, y: Scalar) -> Scalar: ...
    def lt(self, x: Scalar, y: Scalar) -> Scalar: ...
    def le(self, x: Scalar, y: Scalar) -> Scalar: ...
    def gt(self, x: Scalar, y: Scalar) -> Scalar: ...
    def ge(self, x: Scalar, y: Scalar) -> Scalar: ...
    def floordiv(self, x: Scalar, y: Scalar) -> Scalar: ...
    def mod(self, x: Scalar, y: Scalar) -> Scalar: ...
    def xor(self, x: Scalar, y: Scalar) -> Scalar: ...
    def bit_and(self, x: Scalar, y: Scalar) -> Scalar: ...
    def bit_or(self, x: Scalar, y: Scalar) -> Scalar: ...
    def shl(self, x: Scalar, y: Scalar) -> Scalar: ...
    def shr(self, x: Scalar, y: Scalar) -> Scalar: ...
    def logical_and(self, x: Scalar, y: Scalar) -> Scalar: ...
    def logical_not(self, x: Scalar) -> Scalar: ...
    def where(self, condition: Scalar, x: Scalar, y: Scalar) -> Scalar: ...

    def choose(self, at: Scalar, *options: Scalar) -> Scalar:
        """The option that has the number ``at``, an index into them."""
        ...

    def guard(
        self, condition: Scalar, read: Callable[[], Scalar], other: float | int | bool
    ) -> Scalar:
        """``read()`` where the condition holds; elsewhere nothing is read and it is ``other``."""
        ...


@dataclass(frozen=True)
class Leaf:
    pass


@dataclass(frozen=True)
class Elementwise:
    """``rule(b, *inputs, **params)``; with no tensor inputs the rule gets the index instead."""

    rule: Callable[..., Scalar]


@dataclass(frozen=True)
class View:
    pass


@dataclass(frozen=True)
class Pull:
    """``rule(b, index, *reads, types=input_types, **params)``.

    ``reuse(types, **params)`` says how often one input element is read on average, so that a
    backend can decide whether to compute the input on the fly; 1 unless given.

    ``orders(types, **params)`` tells how the result and each input would best lie in memory, the
    axes outermost first (see `Arrangement`); None for one that is to stay as it is.
    """

    rule: Callable[..., Scalar]
    reuse: Callable[..., float] | None = None
    orders: Callable[..., tuple[tuple[int, ...] | None, ...]] | None = None


@dataclass(frozen=True)
class Reduction:
    """``combine`` is "add", "max", "argmax", or "nanmax" or "nanmin", which pass over NaN; the op
    has the params ``dim`` and ``keepdim``."""

    combine: str


Order = tuple[int, ...]
Border = tuple[int, int]  # before and after an axis


@dataclass(frozen=True)
class Section:
    """A part of a contraction's result that has a sum of its own.

    Attributes:
        places: for each axis of the result the first place, the step to the next, and how many.
        over: the extents of the sum.
    """

    places: tuple[tuple[int, int, int], ...]
    over: tuple[int, ...]


@dataclass(frozen=True)
class Span:
    """Where products are not 0 for certain, because a factor is read from a border of zeros.

    That is where ``step * i + pace * k + first``, with i along axis ``axis`` of the result and k
    along axis ``over`` of the sum, is from 0 to ``length`` - 1.
    """

    axis: int
    over: int
    step: int
    pace: int
    first: int
    length: int


@dataclass(frozen=True)
class Arrangement:
    """How a contraction would have its values lie in memory, for a backend that can choose.

    An order names axes, outermost first; an axis that stands twice is cut into tiles, where it
    stands first, and what is within a tile, where it stands last.

    Attributes:
        result: the order of the result; its last axis may go into vector lanes.
        over: the order of the sum's axes.
        inputs: the orders of the inputs.
        borders: for each axis of each input, how many zeros there are before and after it.
        params: the op's params where the inputs have their borders, and the index along an axis
            counts from the first zero.
        long: the sum runs through all of its inputs for each element of the result, so that it is
            best taken in pieces.
        sections: of the result, where not all of it is the same sum.
        spans: at most one for each axis of the sum.
    """

    result: Order
    over: Order
    inputs: tuple[Order, ...]
    borders: tuple[tuple[Border, ...], ...]
    params: dict[str, Any]
    long: bool = False
    sections: tuple[Section, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Contraction:
    """``over(types, **params)`` gives the extents, ``term(b, i, k, *reads, types, **params)``
    the two factors whose products are summed. ``arrange(types, **params)`` are the
    `Arrangement`s it would work well with, the best first; none where it is best left as it is.
    """

    over: Callable[..., tuple[int, ...]]
    term: Callable[..., tuple[Scalar, Scalar]]
    arrange: Callable[..., tuple[Arrangement, ...]] | None = None


@dataclass(frozen=True)
class Scatter:
    """Inputs (x, index, source). ``target(b, i, index_read, types=input_types, **params)`` is
    where the source element at ``i`` goes; ``combine``, "add" or "max", says how it joins what
    is there already."""

    target: Callable[..., IndexTuple]
    combine: str = "add"


@dataclass(frozen=True)
class Composite:
    """``expand(*tensors, **params)`` computes the op from other ops."""

    expand: Callable[..., Any]


@dataclass(frozen=True)
class Host:
    """The record's ``reference`` is called with whole arrays, between a backend's own loops.

    For what takes more Python than loops, and for ops of a user's own. It is a function of its
    inputs; arrays it is given are read-only and hold their values during the call alone.
    """


@dataclass(frozen=True)
class After:
    """The first input, unchanged; what reads it is computed only once the others are there, or as
    much of them as belongs to the same row where all have as many rows.

    For a value that is computed again to save the memory in between, and must not be computed
    again at once.
    """


@dataclass(frozen=True)
class Scan(Host):
    """A recorded step, carried out once for each row of some inputs, in order.

    Inputs (init, *xs, *captured). Params: ``region`` computes a carry from the carry before it
    (``init`` at first), the rows x[t] of the first ``rows`` inputs after it, and ``captured``;
    t runs over ``length``, backwards if ``reverse``. The result is all carries along a new first
    axis, carry t at t; or, with ``last``, the one that was computed last. ``extends`` names the
    region of another scan on the same inputs whose carry is the first part of this one's.
    """


Kind = (
    Leaf | Elementwise | View | Pull | Reduction | Contraction | Scatter | Composite | Host | After
)
