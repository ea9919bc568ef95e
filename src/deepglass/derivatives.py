"""Derivatives of functions of tensors: products with Jacobians and Hessians, and these in full.

`vjp`, `jvp`, `jacrev` and `hessian` are those of ``torch.func``, `hvp` is that of
``torch.autograd.functional``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .autodiff import differentiating, pullback, start, uses_other_leaves
from .errors import GradientError, ShapeError
from .graph.tensor import Tensor, as_tensor, read
from .graph.trace import grad_enabled, set_grad_enabled
from .graph.tree import flatten, map_leaves, unflatten
from .ops import eq, iota, reshape, to
from .scan import Packed, scan

Function = Callable[..., Any]


@dataclass(frozen=True)
class _Applied:
    """A function's result, and the arguments it was differentiated from.

    Attributes:
        starts: the arguments' leaves, where differentiation ends.
        structure: of the arguments.
        recorded: whether what is computed from it may be differentiated in turn.
    """

    result: Any
    starts: list[Tensor]
    structure: Any
    recorded: bool

    def gradients(self, outputs: Sequence[Tensor], cotangents: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradient of sum(outputs * cotangents) for each start."""
        found = pullback(
            [read(y) for y in outputs], list(cotangents), [read(x) for x in self.starts]
        )
        return [_zeros(x) if g is None else g for g, x in zip(found, self.starts, strict=True)]

    def arranged(self, tensors: Sequence[Tensor]) -> Any:
        """Return one tensor per start in the structure of the arguments."""
        return unflatten(self.structure, iter(tensors))

    def value(self) -> Any:
        """Return the result, without history if nobody asks for it."""
        return self.result if self.recorded else map_leaves(_detached, self.result)


def _apply(function: Function, args: Any) -> _Applied:
    """Compute ``function(*args)`` so that it can be differentiated for all of ``args``."""
    wanted = grad_enabled()
    with differentiating() as depth, set_grad_enabled(True):
        leaves, structure = flatten(args)
        originals = list(map(as_tensor, leaves))
        starts = list(map(start, originals))
        result = function(*unflatten(structure, iter(starts)))
        recorded = depth > 1 or any(x.requires_grad for x in originals)
        results = [x for x in flatten(result)[0] if isinstance(x, Tensor)]
        recorded = recorded or (wanted and any(uses_other_leaves(y, starts) for y in results))
    return _Applied(result, starts, structure, recorded)


def _zeros(x: Tensor) -> Tensor:
    return Tensor(0.0, x.dtype).broadcast_to(x.shape)


def _detached(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


def _one_tensor(name: str, result: Any) -> Tensor:
    if not isinstance(result, Tensor) or not result.dtype.is_float:
        got = result.type if isinstance(result, Tensor) else type(result).__name__
        raise GradientError(
            f"{name}: the function returns one tensor of floats; got {got}. Choose one of its "
            "results, or convert it."
        )
    return result


def _like(name: str, values: Any, wanted: Sequence[Tensor], what: str) -> list[Tensor]:
    """``values`` as a list of tensors of the types of ``wanted``."""
    given = [as_tensor(v, w.dtype) for v, w in zip(flatten(values)[0], wanted, strict=False)]
    if [v.type for v in given] != [w.type for w in wanted] or len(flatten(values)[0]) != len(
        wanted
    ):
        raise ShapeError(
            f"{name}: {what}; got {[str(as_tensor(v).type) for v in flatten(values)[0]]} for "
            f"{[str(w.type) for w in wanted]}. Pass one value for each element."
        )
    return given


def vjp(function: Function, *primals: Any) -> tuple[Tensor, Callable[[Any], Any]]:
    """Return the value of a function and a function that multiplies its Jacobian from the left.

    u -> uᵀ J with J = d function / d primals

    Args:
        function: returns a tensor of floats.
        primals: its arguments: tensors, or nested lists, tuples and dicts of them.

    Returns:
        (value, product): ``product(u)`` for u of the value's type returns a tuple with the
        structure of ``primals``, or what stands for the only one.

    >>> value, product = vjp(lambda x: x * x, Tensor([1.0, 2.0]))
    >>> value, product(Tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    applied = _apply(function, primals)
    value = _one_tensor("vjp", applied.result)

    def product(cotangent: Any) -> Any:
        (u,) = _like("vjp", cotangent, [value], "the cotangent has the type of the value")
        with set_grad_enabled(applied.recorded or (grad_enabled() and u.requires_grad)):
            found = applied.arranged(applied.gradients([value], [u]))
        return found[0] if len(primals) == 1 else found

    return applied.value(), product


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of a function and how it changes along a direction: J v.

    Computed by two backward passes: the gradient of uᵀ J v for u.

    Args:
        function: returns a tensor of floats.
        primals: a tuple of its arguments: tensors, or nested lists, tuples and dicts of them.
        tangents: the direction v, of the same structure and types.

    Returns:
        (value, J v), of one type.

    >>> jvp(lambda x: x * x, (Tensor([1.0, 2.0]),), (Tensor([1.0, 10.0]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    applied = _apply(function, tuple(primals))
    value = _one_tensor("jvp", applied.result)
    rule = "the tangents have the types of the primals"
    direction = _like("jvp", tuple(tangents), applied.starts, rule)
    with differentiating(), set_grad_enabled(True):
        u = start(_zeros(value))
        slopes = applied.gradients([value], [u])
    with set_grad_enabled(applied.recorded or any(v.requires_grad for v in direction)):
        (change,) = pullback([read(s) for s in slopes], direction, [read(u)])
        return applied.value(), _zeros(value) if change is None else change


def hvp(function: Function, inputs: Any, v: Any) -> tuple[Any, Any]:
    """Return the value of a function and the product of its Hessian with a vector: H v.

    Args:
        function: returns one number.
        inputs: its argument, or a tuple of its arguments.
        v: the vector, of the same structure and types.

    Returns:
        (value, H v), the product with the structure of ``inputs``.

    >>> hvp(lambda x: (x * x * x).sum(), Tensor([1.0, 2.0]), Tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    several = isinstance(inputs, (tuple, list))
    applied = _apply(function, tuple(inputs) if several else (inputs,))
    value = _one_tensor("hvp", applied.result)
    if value.numel() != 1:
        raise GradientError(
            f"hvp: the function returns one number; got {value.type}. Take .sum() or .mean()."
        )
    vector = _like("hvp", v, applied.starts, "v has the types of the inputs")
    with differentiating(), set_grad_enabled(True):
        slopes = applied.gradients([value], [Tensor(1.0, value.dtype).reshape(value.shape)])
    with set_grad_enabled(applied.recorded or any(x.requires_grad for x in vector)):
        product = applied.arranged(applied.gradients(slopes, vector))
    return applied.value(), type(inputs)(product) if several else product[0]


def jacrev(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that computes the Jacobian of ``function``, row by row.

    J[i, j] = d y[i] / d x[j]

    A row takes a backward pass. In a compiled program the passes are a scan, so that it does
    not grow with the number of rows.

    Args:
        function: returns a tensor of floats, or nested lists, tuples and dicts of them.
        argnums: the argument, or the arguments, to differentiate for: tensors.

    Returns:
        a function of the same arguments that returns, for each tensor of the result, the
        Jacobian, or a tuple of Jacobians for several arguments.

    Shapes:
        a Jacobian: (shape of the result..., shape of the argument...)

    >>> jacrev(lambda x: x * x)(Tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    several = not isinstance(argnums, int)
    numbers = tuple(argnums) if not isinstance(argnums, int) else (argnums,)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        if not all(0 <= n < len(args) for n in numbers):
            raise GradientError(
                f"jacrev: argnums name positional arguments; got {argnums} for {len(args)}. Count "
                "from 0."
            )

        def chosen(*primals: Any) -> Any:
            places = dict(zip(numbers, primals, strict=True))
            return function(*[places.get(n, a) for n, a in enumerate(args)], **kwargs)

        applied = _apply(chosen, tuple(args[n] for n in numbers))

        def one(y: Any) -> Any:
            with differentiating(), set_grad_enabled(applied.recorded):
                found = _rows(applied, _one_tensor("jacrev", y))
            return tuple(found) if several else found[0]

        return map_leaves(one, applied.result)

    return differentiated


def _rows(applied: _Applied, y: Tensor) -> list[Tensor]:
    """The Jacobian of ``y`` for each start: backward passes from one element after another."""
    size, packed = y.numel(), Packed([x.type for x in applied.starts])

    def row(_: Tensor, k: Tensor) -> Tensor:
        unit = to(eq(iota((size,)), k), y.dtype)
        return packed.join(applied.gradients([y], [reshape(unit, *y.shape)]))

    nothing = packed.join([None] * len(applied.starts))
    rows = packed.parts(scan(row, nothing, iota((size,))), size)
    return [reshape(r, *y.shape, *x.shape) for r, x in zip(rows, applied.starts, strict=True)]


def hessian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that computes the Hessian of ``function``: all second derivatives.

    H[i, j] = d² y / d x[i] d x[j]

    Args:
        function: returns one number.
        argnums: the argument, or the arguments, to differentiate for: tensors.

    Returns:
        a function of the same arguments that returns the Hessian; for several arguments a
        tuple of tuples, of which [i][j] is for the arguments i and j.

    Shapes:
        a Hessian: (shape of the argument..., shape of the argument...)

    >>> hessian(lambda x: x[0] * x[0] * x[1])(Tensor([1.0, 2.0]))
    tensor([[4., 2.],
            [2., 0.]])
    """
    return jacrev(jacrev(function, argnums), argnums)
