"""Recurrent cells: one step of a recurrent layer, and the mathematics both share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..errors import DomainError, ShapeError
from ..graph.tensor import Tensor, as_tensor
from ..ops import cat, chunk, narrow, relu, sigmoid, tanh, unsqueeze
from ..ops.random import Generator
from . import functional as F
from .init import uniform_
from .module import Module
from .unfilled import empty

NONLINEARITIES: dict[str, Callable[[Any], Tensor]] = {"tanh": tanh, "relu": relu}


def lstm_step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return (h, c) from what input and memory say to the four gates, and the cell before.

    c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')

    Shapes:
        gates: (batch, 4 hidden_size): i, f, g, o
        c: (batch, hidden_size)
    """
    i, f, g, o = chunk(gates, 4, dim=1)
    cell = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(cell), cell


def gru_step(from_input: Tensor, from_memory: Tensor, h: Tensor) -> Tensor:
    """Return h' from what the input says to the gates, what the memory says, and h.

    r = sigmoid(x_r + m_r),  z = sigmoid(x_z + m_z),  n = tanh(x_n + r m_n)
    h' = (1 - z) n + z h

    Shapes:
        from_input, from_memory: (batch, 3 hidden_size): r, z, n
        h: (batch, hidden_size)
    """
    x_r, x_z, x_n = chunk(from_input, 3, dim=1)
    m_r, m_z, m_n = chunk(from_memory, 3, dim=1)
    n = tanh(x_n + sigmoid(x_r + m_r) * m_n)
    return n + sigmoid(x_z + m_z) * (h - n)


def side_by_side(h: Tensor, c: Tensor) -> Tensor:
    """Return the two states of an LSTM in one tensor, (batch, 2 hidden_size)."""
    return cat([h, c], 1)


def apart(states: Tensor) -> tuple[Tensor, Tensor]:
    """Return h and c of states that stand side by side along the last axis."""
    size = states.shape[-1] // 2
    return narrow(states, -1, 0, size), narrow(states, -1, size, size)


def check_sizes(name: str, input_size: int, hidden_size: int) -> None:
    if input_size < 1 or hidden_size < 1:
        raise DomainError(
            f"{name}: input_size and hidden_size are at least 1; got {input_size} and "
            f"{hidden_size}. Pass the length of the last axis of the input, and the number of "
            "neurons."
        )


def nonlinearity_of(name: str, nonlinearity: str) -> Callable[[Any], Tensor]:
    """Return the function of that name."""
    if nonlinearity not in NONLINEARITIES:
        raise DomainError(
            f"{name}: the nonlinearity is one of {', '.join(NONLINEARITIES)}; got "
            f"{nonlinearity!r}. Choose one of them."
        )
    return NONLINEARITIES[nonlinearity]


class _Cell(Module):
    """Weights of a cell with ``gates`` linear functions of the input and as many of h.

    They start uniform in [-bound, bound] with bound = 1 / sqrt(hidden_size).
    """

    def __init__(
        self, gates: int, input_size: int, hidden_size: int, bias: bool, generator: Generator | None
    ) -> None:
        super().__init__()
        check_sizes(type(self).__name__, input_size, hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.weight_ih = empty(gates * hidden_size, input_size)
        self.weight_hh = empty(gates * hidden_size, hidden_size)
        self.bias_ih = empty(gates * hidden_size) if bias else None
        self.bias_hh = empty(gates * hidden_size) if bias else None
        bound = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound, generator)

    def _rows(self, what: str, x: Any, size: int) -> Tensor:
        """``x`` as (batch, size)."""
        x = as_tensor(x)
        if x.ndim not in (1, 2) or x.shape[-1] != size:
            raise ShapeError(
                f"{type(self).__name__}: the {what} is (batch, {size}) or ({size},); got {x.type}. "
                "Pass one step at a time."
            )
        return x if x.ndim == 2 else unsqueeze(x, 0)

    def _memory(self, hx: Any, batch: int, dtype: Any) -> Tensor:
        """A state as (batch, hidden_size); zeros where none is given."""
        if hx is None:
            return Tensor(0.0, dtype).broadcast_to(batch, self.hidden_size)
        h = self._rows("state", hx, self.hidden_size)
        if h.shape[0] != batch:
            raise ShapeError(
                f"{type(self).__name__}: the state has one row per sample; got {h.shape[0]} rows "
                f"for {batch} samples. Pass the state of these samples."
            )
        return h

    def _from_input(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_ih, self.bias_ih)

    def _from_memory(self, h: Tensor) -> Tensor:
        return F.linear(h, self.weight_hh, self.bias_hh)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}"


class RNNCell(_Cell):
    """h' = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh)

    Args:
        input_size: numbers per sample coming in.
        hidden_size: numbers per sample of the state.
        bias: add b_ih and b_hh.
        nonlinearity: "tanh" or "relu".
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, input_size) or (input_size,)
        hx: (batch, hidden_size) or (hidden_size,); zeros unless given
        output: as hx
        weight_ih: (hidden_size, input_size)
        weight_hh: (hidden_size, hidden_size)
        bias_ih, bias_hh: (hidden_size,)

    Source: Elman (1990), "Finding structure in time".

    >>> RNNCell(3, 2)(Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        generator: Generator | None = None,
    ) -> None:
        nonlinearity_of(type(self).__name__, nonlinearity)
        super().__init__(1, input_size, hidden_size, bias, generator)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        x = self._rows("input", input, self.input_size)
        h = self._memory(hx, x.shape[0], x.dtype)
        h = NONLINEARITIES[self.nonlinearity](self._from_input(x) + self._from_memory(h))
        return h if as_tensor(input).ndim == 2 else h[0]

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, nonlinearity={self.nonlinearity!r}"


class LSTMCell(_Cell):
    """Long short-term memory: a cell c that gates write to, keep and read.

    c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')
    (i, f, g, o) = x W_ihᵀ + b_ih + h W_hhᵀ + b_hh

    Args:
        input_size: numbers per sample coming in.
        hidden_size: numbers per sample of each of the two states.
        bias: add b_ih and b_hh.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, input_size) or (input_size,)
        hx: (h, c), each (batch, hidden_size) or (hidden_size,); zeros unless given
        output: (h', c'), as hx
        weight_ih: (4 hidden_size, input_size)
        weight_hh: (4 hidden_size, hidden_size)
        bias_ih, bias_hh: (4 hidden_size,)

    Source: Hochreiter and Schmidhuber (1997); the forget gate is that of Gers, Schmidhuber
    and Cummins (2000).

    >>> h, c = LSTMCell(3, 2)(Tensor([[1.0, 2.0, 3.0]]))
    >>> h.shape, c.shape
    ((1, 2), (1, 2))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(4, input_size, hidden_size, bias, generator)

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        x = self._rows("input", input, self.input_size)
        h, c = (self._memory(s, x.shape[0], x.dtype) for s in hx or (None, None))
        h, c = lstm_step(self._from_input(x) + self._from_memory(h), c)
        return (h, c) if as_tensor(input).ndim == 2 else (h[0], c[0])


class GRUCell(_Cell):
    """The gated recurrent unit: a state of which gates keep some and renew the rest.

    h' = (1 - z) tanh(x_n + r m_n) + z h,  r = sigmoid(x_r + m_r),  z = sigmoid(x_z + m_z)
    (x_r, x_z, x_n) = x W_ihᵀ + b_ih,  (m_r, m_z, m_n) = h W_hhᵀ + b_hh

    Args:
        input_size: numbers per sample coming in.
        hidden_size: numbers per sample of the state.
        bias: add b_ih and b_hh.
        generator: source of the initial weights; the default generator unless given.

    Shapes:
        input: (batch, input_size) or (input_size,)
        hx: (batch, hidden_size) or (hidden_size,); zeros unless given
        output: as hx
        weight_ih: (3 hidden_size, input_size)
        weight_hh: (3 hidden_size, hidden_size)
        bias_ih, bias_hh: (3 hidden_size,)

    Source: Cho et al. (2014), with the reset gate after the product, as in cuDNN.

    >>> GRUCell(3, 2)(Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(3, input_size, hidden_size, bias, generator)

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        x = self._rows("input", input, self.input_size)
        h = self._memory(hx, x.shape[0], x.dtype)
        h = gru_step(self._from_input(x), self._from_memory(h), h)
        return h if as_tensor(input).ndim == 2 else h[0]
