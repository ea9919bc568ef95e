"""Random numbers that depend on (key, counter) alone.

The bits of element i of a draw are a function of the generator's key and of its counter
plus i: not of the order of evaluation, of memory layout or of threads. Drawing n numbers
moves the counter on by n.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from ..errors import DomainError, DTypeError
from ..graph.tensor import Buffer, Tensor, apply, as_tensor
from ..graph.trace import Traceable, active_trace, set_grad_enabled
from ..graph.types import (
    DType,
    Shape,
    dtype_of,
    float32,
    float64,
    int32,
    int64,
    uint32,
    uint64,
)  # fmt: skip
from .counting import iota
from .elementwise import add, lt, maximum, to, unify, where
from .movement import broadcast_to, broadcast_together, shape_of
from .quantile import ndtri
from .threefry import SHIFT_RIGHT, THREEFRY


class Generator(Traceable):
    """A stream of random numbers: a key (the seed) and a counter (how many were drawn).

    Both are buffers, so a compiled step draws new numbers at each call.

    >>> a, b = Generator(7), Generator(7)
    >>> bool((rand(3, generator=a) == rand(3, generator=b)).numpy().all())
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.key = Buffer(np.uint64(0), role="random key")
        self.counter = Buffer(np.uint64(0), role="random counter")
        self.key.name, self.counter.name = "random.key", "random.counter"
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed`` (taken modulo 2^64) from its beginning."""
        self.set_state({"key": seed % 2**64, "counter": 0})
        return self

    def get_state(self) -> dict[str, int]:
        """Return where the stream stands, as plain numbers that a file can hold.

        >>> generator = Generator(7)
        >>> numbers = rand(3, generator=generator)
        >>> generator.get_state()
        {'key': 7, 'counter': 3}
        """
        return {"key": int(self.key), "counter": int(self.counter)}

    def set_state(self, new_state: Mapping[str, int]) -> None:
        """Go to where a stream stood when `get_state` was called.

        Raises:
            DomainError: not a state: other names, or numbers that 64 bits cannot hold.
        """
        numbers = dict(new_state)
        if set(numbers) != {"key", "counter"} or not all(
            isinstance(n, (int, np.integer)) and 0 <= n < 2**64 for n in numbers.values()
        ):
            raise DomainError(
                f"set_state: a state is a key and a counter from 0 to 2^64 - 1; got {new_state}. "
                "Pass what get_state() returned."
            )
        self.key.rebind(Tensor(np.uint64(numbers["key"])).node)
        self.counter.rebind(Tensor(np.uint64(numbers["counter"])).node)

    def bits(self, shape: Shape, dtype: DType = uint32) -> Tensor:
        """Draw 32 or 64 random bits per element, as uint32 or uint64, and move the counter on.

        The upper half of 64 bits are the 32 bits drawn in their place.
        """
        with set_grad_enabled(False):
            counters = add(self.counter, iota(shape, None, uint64))
            bits = apply(THREEFRY, broadcast_to(self.key, shape), counters, dtype=dtype)
            self.counter.rebind(add(self.counter, Tensor(prod(shape), uint64)).node)
            return bits

    def trace_key(self) -> Hashable:
        return ()

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        yield "random.key", self.key
        yield "random.counter", self.counter


default_generator = Generator(0)


def manual_seed(seed: int) -> Generator:
    """Seed the generator that is used when none is given, and return it."""
    return default_generator.manual_seed(seed)


# Uniform --------------------------------------------------------------------------------

# As many bits as a number below 1 has in each type, so that none is rounded up to 1.
_DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def _float_type(name: str, dtype: Any) -> DType:
    wanted = dtype_of(dtype)
    if wanted.name not in _DIGITS:
        raise DTypeError(
            f"{name}: floats are drawn; got {wanted}. Use dg.randint for whole numbers."
        )
    return wanted


def rand(*size: Any, generator: Generator | None = None, dtype: Any = float32) -> Tensor:
    """Draw numbers uniformly from [0, 1).

    Args:
        size: lengths of the axes.
        generator: the default one unless given.
        dtype: a float type.

    Numerics: in steps of 2^-24 in float32, 2^-53 in float64, whose numbers continue those of
    float32: the first 24 bits are the same.

    >>> rand(2, 3).shape
    (2, 3)
    """
    wanted = _float_type("rand", dtype)
    word, whole = (uint64, int64) if wanted is float64 else (uint32, int32)
    bits = (generator or default_generator).bits(shape_of(size), word)
    digits = _DIGITS[wanted.name]
    with set_grad_enabled(False):
        # signed integers convert to floats fast on every CPU
        high = to(apply(SHIFT_RIGHT, bits, amount=8 * word.bytes - digits), whole)
        return to(high, wanted) * 2.0**-digits


def rand_like(input: Any, generator: Generator | None = None, dtype: Any = None) -> Tensor:
    """Draw numbers uniformly from [0, 1), with the shape and type of ``input``."""
    x = as_tensor(input)
    return rand(*x.shape, generator=generator, dtype=dtype or x.dtype)


def _shape_and_type(
    name: str, size: Any, dtype: Any, values: tuple[Any, ...]
) -> tuple[Shape, DType]:
    """The shape and type of a draw: as asked for, else those of its parameters together."""
    together = broadcast_together(name, *unify(values, floats=True))[0]
    if size is not None:
        together = broadcast_to(together, shape_of((size,)))
    return together.shape, _float_type(name, dtype or together.dtype)


def uniform(
    low: Any = 0.0,
    high: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Tensor:
    """Draw numbers uniformly from [low, high).

    low + (high - low) u with u from `rand`

    Args:
        low: the least number, or a tensor of them.
        high: the bound above, or a tensor of them.
        size: shape of the result; that of ``low`` and ``high`` together unless given.
        generator: the default one unless given.
        dtype: a float type; that of ``low`` and ``high`` unless given.

    Gradient: reaches ``low`` and ``high`` by the formula.

    Numerics: rounding can give ``high`` itself where it is large beside the interval.

    >>> bool((uniform(2.0, 5.0, (100,)) >= 2).numpy().all())
    True
    """
    shape, wanted = _shape_and_type("uniform", size, dtype, (low, high))
    return to(rand(shape, generator=generator, dtype=wanted) * (high - low) + low, wanted)


# Normal ---------------------------------------------------------------------------------


def randn(*size: Any, generator: Generator | None = None, dtype: Any = float32) -> Tensor:
    """Draw numbers from the standard normal distribution (mean 0, standard deviation 1).

    Φ⁻¹(u), where u is uniform

    Args:
        size: lengths of the axes.
        generator: the default one unless given.
        dtype: a float type.

    Numerics: the quantile function is exact to rounding (see `ndtri`). The tails are drawn
    finely: numbers as large as 6.3 occur in float32, once in 2^32, and 9.1 in float64.

    >>> randn(2, 3).shape
    (2, 3)
    """
    wanted = _float_type("randn", dtype)
    word, whole = (uint64, int64) if wanted is float64 else (uint32, int32)
    bits = (generator or default_generator).bits(shape_of(size), word)
    with set_grad_enabled(False):
        # the sign of a signed integer is the sign of the result, its size the tail beyond it
        number = to(to(bits, whole), float64 if wanted is float64 else float32) + 0.5
        tail = maximum(number, -number) * 2.0 ** (-8 * word.bytes)
        size_of = ndtri(tail)
        return to(where(lt(number, 0), size_of, -size_of), wanted)


def randn_like(input: Any, generator: Generator | None = None, dtype: Any = None) -> Tensor:
    """Draw standard normal numbers, with the shape and type of ``input``."""
    x = as_tensor(input)
    return randn(*x.shape, generator=generator, dtype=dtype or x.dtype)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Tensor:
    """Draw numbers from a normal distribution.

    mean + std z with z from `randn`

    Args:
        mean: the mean, or a tensor of means.
        std: the standard deviation, or a tensor of them; not negative.
        size: shape of the result; that of ``mean`` and ``std`` together unless given.
        generator: the default one unless given.
        dtype: a float type; that of ``mean`` and ``std`` unless given.

    Raises:
        DomainError: a negative standard deviation.

    Gradient: reaches ``mean`` and ``std`` by the formula.

    >>> normal(Tensor([0.0, 1.0, 2.0]), 2.0).shape
    (3,)
    """
    if isinstance(std, (int, float)) and not std >= 0:
        raise DomainError(
            f"normal: a standard deviation is not negative; got {std}. Pass its absolute value."
        )
    shape, wanted = _shape_and_type("normal", size, dtype, (mean, std))
    return to(randn(shape, generator=generator, dtype=wanted) * std + mean, wanted)


# Whole numbers and truth values ---------------------------------------------------------


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = int64,
) -> Tensor:
    """Draw whole numbers from low, ..., high - 1, each as likely as the other.

    Called as ``randint(high, size)`` or ``randint(low, high, size)``.

    Args:
        low: the least number; 0 unless three arguments are given.
        high: one more than the greatest.
        size: shape of the result.
        generator: the default one unless given.
        dtype: an integer type.

    Raises:
        DomainError: no number lies between ``low`` and ``high``, or more than 2^53.

    Numerics: probabilities differ by 2^-53 at most.

    >>> sorted(set(randint(3, (100,)).tolist()))
    [0, 1, 2]
    """
    if high is None:
        low, high = 0, low
    elif size is None:
        low, high, size = 0, low, high
    if size is None or not 0 < high - low <= 2**53:
        raise DomainError(
            "randint: from 1 to 2^53 numbers lie between low and high; got low "
            f"{low}, high {high}, size {size}. Call randint(high, size) or "
            "randint(low, high, size)."
        )
    wanted = dtype_of(dtype)
    if not wanted.is_integer:
        raise DTypeError(f"randint: whole numbers are drawn; got {wanted}. Use dg.uniform.")
    numbers = rand(*shape_of((size,)), generator=generator, dtype=float64) * float(high - low)
    return to(to(numbers, int64) + low, wanted)


def bernoulli(input: Any, size: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Draw ones and zeros; ``input`` is the probability of a one.

    Args:
        input: a probability, or a tensor of them.
        size: shape of the result; that of ``input`` unless given.
        generator: the default one unless given.

    Returns:
        ones and zeros in the type of ``input``, without a gradient.

    Raises:
        DomainError: not a probability (in a compiled function this is not checked, and more
            than 1 counts as 1).

    >>> bernoulli(Tensor([0.0, 1.0, 1.0]))
    tensor([0., 1., 1.])
    """
    (p,) = unify((input,), floats=True)
    if active_trace() is None:
        values = p.numpy()
        if not ((values >= 0) & (values <= 1)).all():
            raise DomainError(
                f"bernoulli: probabilities are from 0 to 1; got {values.min()} to {values.max()}. "
                "Apply sigmoid to scores first."
            )
    shape, wanted = _shape_and_type("bernoulli", size, None, (p,))
    with set_grad_enabled(False):
        return to(lt(rand(*shape, generator=generator, dtype=wanted), p), wanted)
