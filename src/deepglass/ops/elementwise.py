"""Elementwise arithmetic, comparisons and choices: one result element from the elements at the
same place.

The public function of each is the record itself: calling it converts numbers, promotes
types and broadcasts shapes, so that the op proper meets inputs of one type and shape and
no gradient rule has to undo a broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MethodType
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph.kinds import Elementwise
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import DType, TensorType, bool_, convert, dtype_of, float32, promote
from .movement import broadcast_together
from .samples import SHAPES, away_from_zero, binary_samples, compare_samples, real, unary_samples


@dataclass(frozen=True, eq=False, repr=False)
class ElementwiseOp(Op):
    """An elementwise record that can be called with tensors, arrays and numbers.

    Attributes:
        floats: integers are converted to float32 first, as PyTorch does.
    """

    floats: bool = False

    def __call__(self, *operands: Any) -> Tensor:
        return apply(self, *broadcast_together(self.name, *unify(operands, self.floats)))

    def __get__(self, instance: Tensor | None, owner: type) -> Any:
        """Make the record usable as a method of Tensor."""
        return self if instance is None else MethodType(self, instance)


def unify(operands: tuple[Any, ...], floats: bool = False) -> list[Tensor]:
    """Return the operands as tensors of one element type.

    Tensors and arrays meet where `promote` lets them; a Python number follows, unless it
    would lose its kind: 1.5 beside integers makes float32.
    """
    strong = [as_tensor(x) for x in operands if not isinstance(x, (bool, int, float))]
    weak = [x for x in operands if isinstance(x, (bool, int, float))]
    dtype = common_dtype([x.dtype for x in strong], weak)
    if floats and not dtype.is_float:
        dtype = float32
    tensors = iter(strong)
    return [
        Tensor(x, dtype) if isinstance(x, (bool, int, float)) else next(tensors).to(dtype)
        for x in operands
    ]


def common_dtype(dtypes: list[DType], numbers: list[Any]) -> DType:
    """Return the element type in which ``dtypes`` and Python ``numbers`` meet."""
    result: DType | None = None
    for d in dtypes:
        result = d if result is None else promote(result, d)
    for number in numbers:
        natural = dtype_of(type(number)) if not isinstance(number, float) else float32
        if result is None:
            result = natural
        elif isinstance(number, float) and not result.is_float:
            result = float32
        elif not isinstance(number, bool) and result is bool_:
            result = natural
    return result or float32


def same(name: str, *kinds: str) -> Callable[..., TensorType]:
    """The shape rule of an op whose inputs and output have one type, of one of ``kinds``."""

    def infer(first: TensorType, *rest: TensorType) -> TensorType:
        _alike(name, first, rest)
        if kinds and first.dtype.kind not in kinds:
            raise DTypeError(
                f"{name}: the element type is one of {', '.join(kinds)}; got {first}. "
                "Convert with `.to(dg.float32)`."
            )
        return first

    return infer


def _alike(name: str, first: TensorType, rest: tuple[TensorType, ...]) -> None:
    for other in rest:
        if other != first:
            raise DTypeError(
                f"{name}: inputs have one shape and type; got {first} and {other}. "
                f"Call dg.{name}, which broadcasts and promotes."
            )


def _comparison(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, y: TensorType) -> TensorType:
        _alike(name, x, (y,))
        return TensorType(x.shape, bool_)

    return infer


_APART = (  # calls past the front door, which broadcasts and promotes
    Misuse((np.ones(2), np.ones(3)), {}, DTypeError, "one shape and type"),
    Misuse((np.ones(2), np.array([1, 2])), {}, DTypeError, "broadcasts and promotes"),
)

add = ElementwiseOp(
    name="add",
    infer=same("add", "float", "signed", "unsigned"),
    reference=np.add,
    kernel=Elementwise(lambda b, x, y: b.add(x, y)),
    gradient=(lambda g, out, x, y: g, lambda g, out, x, y: g),
    samples=binary_samples(),
    misuses=(
        Misuse((np.ones(2), np.ones(3)), {}, DTypeError, "one shape"),
        Misuse((np.array(True), np.array(True)), {}, DTypeError, "float, signed, unsigned"),
    ),
    notation="{0} + {1}",
    doc="""x + y, broadcast.

    >>> add(Tensor([1.0, 2.0]), 1)
    tensor([2., 3.])
    """,
)

sub = ElementwiseOp(
    name="sub",
    infer=same("sub", "float", "signed", "unsigned"),
    reference=np.subtract,
    kernel=Elementwise(lambda b, x, y: b.sub(x, y)),
    gradient=(lambda g, out, x, y: g, lambda g, out, x, y: -g),
    samples=binary_samples(),
    misuses=_APART,
    notation="{0} - {1}",
    doc="x - y, broadcast.",
)

mul = ElementwiseOp(
    name="mul",
    infer=same("mul", "float", "signed", "unsigned"),
    reference=np.multiply,
    kernel=Elementwise(lambda b, x, y: b.mul(x, y)),
    gradient=(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x),
    samples=binary_samples(),
    misuses=_APART,
    notation="{0} · {1}",
    doc="x * y, broadcast.",
)

div = ElementwiseOp(
    name="div",
    infer=same("div", "float"),
    reference=np.divide,
    kernel=Elementwise(lambda b, x, y: b.div(x, y)),
    gradient=(lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y),
    samples=binary_samples(low2=0.5),
    misuses=_APART,
    notation="{0} / {1}",
    floats=True,
    doc="""x / y, broadcast; integers are divided as float32.

    >>> div(Tensor([1, 2]), 2)
    tensor([0.5, 1. ])
    """,
)

neg = ElementwiseOp(
    name="neg",
    infer=same("neg", "float", "signed"),
    reference=np.negative,
    kernel=Elementwise(lambda b, x: b.neg(x)),
    gradient=(lambda g, out, x: -g,),
    samples=unary_samples(-2, 2),
    misuses=(
        Misuse((np.array([True]),), {}, DTypeError, "float, signed; got bool[1]"),
        Misuse((np.array([3], np.uint8),), {}, DTypeError, "got uint8[1]. Convert"),
    ),
    notation="-{0}",
    doc="-x.",
)


def _compare(name: str, reference: Any, sign: str, doc: str) -> ElementwiseOp:
    return ElementwiseOp(
        name=name,
        infer=_comparison(name),
        reference=reference,
        kernel=Elementwise(lambda b, x, y: getattr(b, name)(x, y)),
        samples=compare_samples,
        misuses=_APART,
        notation=f"{{0}} {sign} {{1}}",
        doc=doc,
    )


eq = _compare("eq", np.equal, "=", "Whether x equals y; False where either is NaN.")
ne = _compare("ne", np.not_equal, "≠", "Whether x differs from y; True where either is NaN.")
lt = _compare("lt", np.less, "<", "Whether x is less than y.")
le = _compare("le", np.less_equal, "≤", "Whether x is at most y.")
gt = _compare("gt", np.greater, ">", "Whether x is greater than y.")
ge = _compare("ge", np.greater_equal, "≥", "Whether x is at least y.")


abs = ElementwiseOp(
    name="abs",
    infer=same("abs", "float", "signed", "unsigned"),
    reference=np.abs,
    kernel=Elementwise(lambda b, x: b.abs(x)),
    gradient=(lambda g, out, x: where(gt(x, 0), g, where(lt(x, 0), -g, 0.0)),),
    samples=away_from_zero,
    misuses=(
        Misuse((np.array([True]),), {}, DTypeError, "float, signed, unsigned; got bool[1]"),
        Misuse((np.array([[True, False]]),), {}, DTypeError, "got bool[1, 2]. Convert"),
    ),
    notation="|{0}|",
    doc="""The size of x: x without its sign.

    Gradient: the sign of x; 0 at 0.

    >>> abs(Tensor([-1.5, 2.0]))
    tensor([1.5, 2. ])
    """,
)


def _share(first: Callable[..., Tensor], g: Tensor, mine: Tensor, other: Tensor) -> Tensor:
    return where(first(mine, other), g, where(eq(mine, other), g * 0.5, 0.0))


def _extremum_samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from binary_samples()(rng)
    yield from compare_samples(rng)


def _extremum(
    name: str, reference: Any, rule: Callable[..., Any], first: Any, doc: str
) -> ElementwiseOp:
    """``first(x, y)`` is where x is the result."""
    return ElementwiseOp(
        name=name,
        infer=same(name),
        reference=reference,
        kernel=Elementwise(rule),
        gradient=(
            lambda g, out, x, y: _share(first, g, x, y),
            lambda g, out, x, y: _share(first, g, y, x),
        ),
        samples=_extremum_samples,
        misuses=_APART,
        notation=f"{name[:3]}({{0}}, {{1}})",
        doc=doc,
    )


maximum = _extremum(
    "maximum", np.maximum, lambda b, x, y: b.maximum(x, y), lambda x, y: gt(x, y),
    """The larger of x and y, broadcast; NaN when either is.

    Gradient: goes to the larger; half to each where they are equal.

    >>> maximum(Tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """,
)  # fmt: skip

minimum = _extremum(
    "minimum", np.minimum, lambda b, x, y: b.minimum(x, y), lambda x, y: lt(x, y),
    """The smaller of x and y, broadcast; NaN when either is.

    Gradient: goes to the smaller; half to each where they are equal.

    >>> minimum(Tensor([-1.0, 2.0]), 0)
    tensor([-1.,  0.])
    """,
)  # fmt: skip


def _where_type(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if condition.dtype is not bool_:
        raise DTypeError(f"where: the condition is boolean; got {condition}. Compare first: x > 0.")
    _alike("where", x, (y, TensorType(condition.shape, x.dtype)))
    return x


def _where_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((rng.random(shape) < 0.5, real(rng, shape), real(rng, shape)))


@dataclass(frozen=True, eq=False, repr=False)
class _Where(ElementwiseOp):
    def __call__(self, *operands: Any) -> Tensor:
        condition, x, y = operands
        return apply(self, *broadcast_together("where", as_tensor(condition), *unify((x, y))))


where: ElementwiseOp = _Where(
    name="where",
    infer=_where_type,
    reference=np.where,
    kernel=Elementwise(lambda b, c, x, y: b.where(c, x, y)),
    gradient=(
        None,
        lambda g, out, c, x, y: where(c, g, 0.0),
        lambda g, out, c, x, y: where(c, 0.0, g),
    ),
    samples=_where_samples,
    misuses=(
        Misuse((np.ones(2), np.ones(2), np.ones(2)), {}, DTypeError, "boolean"),
        Misuse((np.array([True, False]), np.ones(2), np.ones(3)), {}, DTypeError, "one shape"),
    ),
    notation="({1} if {0} else {2})",
    doc="""x where the condition holds, y elsewhere; broadcast.

    >>> where(Tensor([True, False]), 1.0, 2.0)
    tensor([1., 2.])
    """,
)


def _cast_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for target in ("float32", "float64", "int32", "int64", "bool"):
        yield Sample((rng.uniform(-9, 9, (2, 3)),), {"dtype": dtype_of(target)}, smooth=False)
        yield Sample((rng.integers(0, 3, (5,)),), {"dtype": dtype_of(target)})
        yield Sample((rng.random(7) < 0.5,), {"dtype": dtype_of(target)})


CAST = Op(
    name="cast",
    infer=lambda x, dtype: TensorType(x.shape, dtype),
    reference=convert,
    kernel=Elementwise(lambda b, x, dtype: b.cast(x, dtype)),
    gradient=(lambda g, y, x, dtype: to(g, x.dtype),),
    samples=_cast_samples,
    notation="{dtype}({0})",
    doc="""The same numbers in another element type.

    Integers wrap around. Floats lose their fraction towards zero; out of an integer's range
    they become its nearest end, and NaN becomes 0. Whatever becomes a half is rounded to
    float32 first, as in PyTorch.
    """,
)


def to(x: Any, dtype: Any) -> Tensor:
    """Return ``x`` in the element type ``dtype`` (itself when it has it already).

    >>> to(Tensor([1.7, -1.7]), "int64")
    tensor([ 1, -1])
    """
    x, wanted = as_tensor(x), dtype_of(dtype)
    return x if x.dtype is wanted else apply(CAST, x, dtype=wanted)
