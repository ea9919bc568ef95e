"""Elementwise ops: one result element from the elements at the same place.

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
from ..graph.types import DType, TensorType, bool_, dtype_of, float32, promote
from .movement import broadcast_together
from .samples import SHAPES, binary_samples, compare_samples, real, unary_samples


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

    Tensors and arrays promote to the type of the highest rank among them; a Python number
    follows, unless it would lose its kind: 1.5 beside integers makes float32.
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


def _unary(
    name: str,
    reference: Callable[..., Any],
    rule: Callable[..., Any],
    gradient: Callable[..., Any],
    interval: tuple[float, float],
    doc: str,
    notation: str = "",
) -> ElementwiseOp:
    """A smooth function of one real number."""
    return ElementwiseOp(
        name=name,
        infer=same(name, "float"),
        reference=reference,
        kernel=Elementwise(rule),
        gradient=(gradient,),
        samples=unary_samples(*interval),
        notation=notation,
        doc=doc,
        floats=True,
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
    notation="-{0}",
    doc="-x.",
)

exp = _unary(
    "exp", np.exp, lambda b, x: b.exp(x), lambda g, y, x: g * y, (-3, 3),
    """e to the power of x.

    Numerics: overflows to inf above 88.7 (float32) and 709.8 (float64).
    """,
)  # fmt: skip

log = _unary(
    "log", np.log, lambda b, x: b.log(x), lambda g, y, x: g / x, (0.1, 5),
    """The natural logarithm of x.

    Numerics: -inf at 0, NaN below.
    """,
)  # fmt: skip

sqrt = _unary(
    "sqrt", np.sqrt, lambda b, x: b.sqrt(x), lambda g, y, x: g * 0.5 / y, (0.1, 5),
    """The square root of x.

    Gradient: 1 / (2 sqrt(x)); inf at 0.
    """, "√{0}",
)  # fmt: skip

rsqrt = _unary(
    "rsqrt", lambda x: 1 / np.sqrt(x), lambda b, x: b.rsqrt(x),
    lambda g, y, x: g * -0.5 * y * y * y, (0.1, 5),
    "1 / sqrt(x).",
)  # fmt: skip

tanh = _unary(
    "tanh", np.tanh, lambda b, x: b.tanh(x), lambda g, y, x: g * (1 - y * y), (-3, 3),
    "The hyperbolic tangent of x, between -1 and 1.",
)  # fmt: skip


def _sigmoid(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, decay) / (1 + decay))


sigmoid = _unary(
    "sigmoid", _sigmoid, lambda b, x: b.sigmoid(x), lambda g, y, x: g * (y * (1 - y)), (-3, 3),
    """1 / (1 + exp(-x)), between 0 and 1.

    Numerics: never overflows; 0 far below, 1 far above zero.
    """, "σ({0})",
)  # fmt: skip


def _share(g: Tensor, mine: Tensor, other: Tensor) -> Tensor:
    return where(gt(mine, other), g, where(eq(mine, other), g * 0.5, 0.0))


def _maximum_samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from binary_samples()(rng)
    yield from compare_samples(rng)


maximum = ElementwiseOp(
    name="maximum",
    infer=same("maximum"),
    reference=np.maximum,
    kernel=Elementwise(lambda b, x, y: b.maximum(x, y)),
    gradient=(lambda g, out, x, y: _share(g, x, y), lambda g, out, x, y: _share(g, y, x)),
    samples=_maximum_samples,
    notation="max({0}, {1})",
    doc="""The larger of x and y, broadcast; NaN when either is.

    Gradient: goes to the larger; half to each where they are equal.

    >>> maximum(Tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """,
)


def _compare(name: str, reference: Any, sign: str, doc: str) -> ElementwiseOp:
    return ElementwiseOp(
        name=name,
        infer=_comparison(name),
        reference=reference,
        kernel=Elementwise(lambda b, x, y: getattr(b, name)(x, y)),
        samples=compare_samples,
        notation=f"{{0}} {sign} {{1}}",
        doc=doc,
    )


eq = _compare("eq", np.equal, "=", "Whether x equals y; False where either is NaN.")
ne = _compare("ne", np.not_equal, "≠", "Whether x differs from y; True where either is NaN.")
lt = _compare("lt", np.less, "<", "Whether x is less than y.")
le = _compare("le", np.less_equal, "≤", "Whether x is at most y.")
gt = _compare("gt", np.greater, ">", "Whether x is greater than y.")
ge = _compare("ge", np.greater_equal, "≥", "Whether x is at least y.")


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
    misuses=(Misuse((np.ones(2), np.ones(2), np.ones(2)), {}, DTypeError, "boolean"),),
    notation="({1} if {0} else {2})",
    doc="""x where the condition holds, y elsewhere; broadcast.

    >>> where(Tensor([True, False]), 1.0, 2.0)
    tensor([1., 2.])
    """,
)


def _cast_reference(x: np.ndarray, dtype: DType) -> np.ndarray:
    if x.dtype.kind != "f" or not dtype.is_integer:
        return np.asarray(x.astype(dtype.numpy))
    ends = np.iinfo(dtype.numpy)
    above, below = x >= float(ends.max), x <= float(ends.min)
    inside = np.where(above | below | np.isnan(x), 0, x).astype(dtype.numpy)
    high, low = dtype.numpy.type(ends.max), dtype.numpy.type(ends.min)
    return np.where(above, high, np.where(below, low, inside))


def _cast_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for target in ("float32", "float64", "int32", "int64", "bool"):
        yield Sample((rng.uniform(-9, 9, (2, 3)),), {"dtype": dtype_of(target)}, smooth=False)
        yield Sample((rng.integers(0, 3, (5,)),), {"dtype": dtype_of(target)})
        yield Sample((rng.random(7) < 0.5,), {"dtype": dtype_of(target)})


CAST = Op(
    name="cast",
    infer=lambda x, dtype: TensorType(x.shape, dtype),
    reference=_cast_reference,
    kernel=Elementwise(lambda b, x, dtype: b.cast(x, dtype)),
    gradient=(lambda g, y, x, dtype: to(g, x.dtype),),
    samples=_cast_samples,
    notation="{dtype}({0})",
    doc="""The same numbers in another element type.

    Floats lose their fraction towards zero; out of an integer's range they become its nearest
    end, and NaN becomes 0.
    """,
)


def to(x: Any, dtype: Any) -> Tensor:
    """Return ``x`` in the element type ``dtype`` (itself when it has it already).

    >>> to(Tensor([1.7, -1.7]), "int64")
    tensor([ 1, -1])
    """
    x, wanted = as_tensor(x), dtype_of(dtype)
    return x if x.dtype is wanted else apply(CAST, x, dtype=wanted)
