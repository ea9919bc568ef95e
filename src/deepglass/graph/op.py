"""The op record: the whole story of an operation in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ShapeError
from .kinds import Composite, Kind
from .types import DType, TensorType, convert, widened

REGISTRY: dict[str, Op] = {}


@dataclass(frozen=True)
class Sample:
    """One call to test an op with: arrays and static parameters.

    ``smooth`` is False where the point lies on a kink, so that differences mean nothing.
    """

    args: tuple[np.ndarray, ...]
    params: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True


@dataclass(frozen=True)
class Misuse:
    """A call that must fail: ``error`` with a message that contains ``match``."""

    args: tuple[np.ndarray, ...]
    params: dict[str, Any]
    error: type[Exception]
    match: str


@dataclass(frozen=True, eq=False)
class Op:
    """One operation.

    Attributes:
        name: unique, and the public name where there is one. A name with a dot ("module.name")
            is that of an op of a user's own, which is not registered.
        infer: ``infer(*input_types, **params) -> TensorType``; raises the op's errors.
        reference: the meaning, in plain NumPy: ``reference(*arrays, **params) -> array``;
            called by `compute`, which knows what to do with halves.
        kernel: the kind of loops and the scalar rule (see `kinds`).
        gradient: one rule per input, ``rule(g, y, *inputs, **params) -> Tensor`` with the
            cotangent g of the output y; None for an input that has no gradient. Empty when
            the op has none at all. A composite without rules is differentiated through its
            expansion.
        pullback: all gradients at once, instead of rules, for an op with any number of inputs
            whose gradients share their work: ``pullback(g, y, *inputs, wanted, **params)``
            returns one per input, of which those are used that ``wanted`` is True for.
        samples: ``samples(rng)`` yields the `Sample`s the generated tests use.
        misuses: calls that must raise.
        notation: how the op reads on paper, with {0}, {1} for inputs and {name} for params.
        doc: formula, shapes, gradient conventions, numerics, source.
        validate: ``validate(*arrays, **params)`` raises where values, not types, are wrong;
            called eagerly, where values can be seen. It looks at values, not at how many there
            are along the first axis: several calls may be checked at once.
    """

    name: str
    infer: Callable[..., TensorType]
    reference: Callable[..., Any]
    kernel: Kind
    gradient: tuple[Callable[..., Any] | None, ...] = ()
    pullback: Callable[..., Sequence[Any]] | None = None
    samples: Callable[[np.random.Generator], Iterable[Sample]] | None = None
    misuses: tuple[Misuse, ...] = ()
    notation: str = ""
    doc: str = ""
    validate: Callable[..., None] | None = None

    def __post_init__(self) -> None:
        if "." not in self.name:
            if self.name in REGISTRY:
                raise ValueError(f"op: names are unique; {self.name!r} is registered already.")
            REGISTRY[self.name] = self
        object.__setattr__(self, "__doc__", self.doc)

    def __deepcopy__(self, memo: object) -> Op:
        return self

    def compute(
        self, arrays: Sequence[np.ndarray], params: dict[str, Any], type: TensorType
    ) -> np.ndarray:
        """Return what the reference makes of ``arrays``, after the check of their values.

        This is what an op means on halves: it is computed with float32 in their place and
        rounded once, at the end. `passes.widen` writes the same into graphs.

        Raises:
            ShapeError: the reference does not compute the shape of ``type``, which the shape
                rule told.
        """
        self.check(arrays, params)
        wide, params = [widened(a) for a in arrays], widened_params(params)
        with np.errstate(all="ignore"):
            value = self.reference(*wide, **params)
        value = convert(np.asarray(value), type.dtype)
        if value.shape != type.shape:
            raise ShapeError(
                f"{self.name}: the reference computes the shape that infer tells; it computed "
                f"{value.shape}, infer told {type}. Correct one of the two."
            )
        return value

    def check(self, arrays: Sequence[np.ndarray], params: dict[str, Any]) -> None:
        """Raise what `validate` has to say of values."""
        if self.validate is not None:
            self.validate(*[widened(a) for a in arrays], **widened_params(params))

    @property
    def expands_at_once(self) -> bool:
        """True for a composite that has no gradient of its own."""
        plain = not self.gradient and self.pullback is None
        return isinstance(self.kernel, Composite) and plain

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def widened_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an op with float32 for the halves among them."""
    return {k: v.wide if isinstance(v, DType) else v for k, v in params.items()}
