"""Recurrent layers: what a network remembers of the sequence so far.

Each layer multiplies all steps by its input weights in one product, then scans: the compiled
program holds one step, however long the sequences are.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import DomainError, ShapeError
from ..graph.tensor import Parameter, Tensor, as_tensor
from ..ops import cat, stack, swapaxes, unsqueeze
from ..ops.random import Generator
from ..scan import scan
from . import functional as F
from .cells import (
    NONLINEARITIES,
    apart,
    check_sizes,
    gru_step,
    lstm_step,
    nonlinearity_of,
    side_by_side,
)
from .init import uniform_
from .module import Module
from .unfilled import empty

States = tuple[Tensor, ...]


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights, layers, directions and shapes.

    A subclass says how many ``gates`` and ``states`` there are and what one step does, and
    whether both biases are simply added (``one_bias``), so that no step has to.
    """

    gates = 1
    states = 1
    one_bias = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_sizes(name, input_size, hidden_size)
        if num_layers < 1:
            raise DomainError(f"{name}: at least one layer; got {num_layers}. Pass num_layers=1.")
        if not 0 <= dropout <= 1:
            raise DomainError(f"{name}: dropout is a probability from 0 to 1; got {dropout}.")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.generator = generator
        bound = 1 / math.sqrt(hidden_size)
        rows = self.gates * hidden_size
        for layer in range(num_layers):
            columns = hidden_size * len(self._directions) if layer else input_size
            for suffix in self._directions:
                weights = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
                biases = {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
                for kind, shape in {**weights, **biases}.items():
                    parameter = uniform_(empty(*shape), -bound, bound, generator)
                    setattr(self, f"{kind}_l{layer}{suffix}", parameter)

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Any]:
        x = as_tensor(input)
        self._check_input(x)
        batched = x.ndim == 3
        if not batched:
            x = unsqueeze(x, 1)
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        before = self._initial(hx, x, batched)
        after: list[States] = []
        for layer in range(self.num_layers):
            outputs = []
            for suffix in self._directions:
                start = tuple(s[len(after)] for s in before)
                output, final = self._run(x, start, f"_l{layer}{suffix}", bool(suffix))
                outputs.append(output)
                after.append(final)
            x = outputs[0] if len(outputs) == 1 else cat(outputs, 2)
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training, generator=self.generator)
        final = tuple(map(stack, zip(*after, strict=True)))
        if not batched:
            x, final = x[:, 0], tuple(s[:, 0] for s in final)
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        return x, final if len(final) > 1 else final[0]

    def _run(self, x: Tensor, start: States, name: str, reverse: bool) -> tuple[Tensor, States]:
        """One layer in one direction: all outputs, and the states at its end."""
        weight_ih, weight_hh = (getattr(self, f"{k}{name}") for k in ("weight_ih", "weight_hh"))
        bias_ih, bias_hh = (getattr(self, f"{k}{name}", None) for k in ("bias_ih", "bias_hh"))
        if self.one_bias and bias_ih is not None:
            bias_ih, bias_hh = bias_ih + bias_hh, None
        return self._scan(F.linear(x, weight_ih, bias_ih), start, weight_hh, bias_hh, reverse)

    def _scan(
        self, said: Tensor, start: States, weight: Parameter, bias: Parameter | None, reverse: bool
    ) -> tuple[Tensor, States]:
        """As `_run`, from what the input says to the gates at every step."""
        raise NotImplementedError

    def _check_input(self, x: Tensor) -> None:
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size or 0 in x.shape[:-1]:
            axes = "(batch, steps, " if self.batch_first else "(steps, batch, "
            raise ShapeError(
                f"{type(self).__name__}: the input is {axes}{self.input_size}) or (steps, "
                f"{self.input_size}), with at least one step and sample; got {x.type}. Put the "
                "features last."
            )

    def _initial(self, hx: Any, x: Tensor, batched: bool) -> States:
        """The states to begin with, each (layers and directions, batch, hidden_size)."""
        count = self.num_layers * len(self._directions)
        shape = (count, x.shape[1], self.hidden_size)
        if hx is None:
            return (Tensor(0.0, x.dtype).broadcast_to(shape),) * self.states
        given = [as_tensor(s) for s in (hx if self.states > 1 else [hx])]
        if not batched:
            given = [unsqueeze(s, 1) if s.ndim == 2 else s for s in given]
        if [s.shape for s in given] != [shape] * self.states:
            wanted = shape if batched else (shape[0], shape[2])
            what = "hx is (h_0, c_0), both" if self.states > 1 else "hx is h_0,"
            raise ShapeError(
                f"{type(self).__name__}: {what} {wanted}: layers times directions, "
                f"{'batch, ' if batched else ''}hidden_size; got shapes "
                f"{[s.shape for s in given]}. Leave it out to begin with zeros."
            )
        return tuple(given)

    def extra_repr(self) -> str:
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0,
                 "bidirectional": False}  # fmt: skip
        settings = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join([str(self.input_size), str(self.hidden_size), *settings])


def _end(outputs: Tensor, reverse: bool) -> Tensor:
    return outputs[0 if reverse else -1]


class RNN(RNNBase):
    """A recurrent layer: the state is a function of the input and the state before.

    h[t] = tanh(x[t] W_ihᵀ + b_ih + h[t-1] W_hhᵀ + b_hh)

    Args:
        input_size: numbers per step coming in.
        hidden_size: numbers of the state, which is the output.
        num_layers: layers one upon the other; each reads the states of the one below.
        nonlinearity: "tanh" or "relu".
        bias: add b_ih and b_hh.
        batch_first: input and output are (batch, steps, ...).
        dropout: probability that an output of a layer but the last is zeroed, in training.
        bidirectional: a second layer beside each goes from the last step to the first.
        generator: source of the initial weights and of dropout; the default generator unless
            given.

    Shapes:
        input: (steps, batch, input_size) or (steps, input_size)
        hx: (layers and directions, batch, hidden_size); zeros unless given
        output: (steps, batch, directions * hidden_size), and the last states as hx
        weight_ih_l0, ..., weight_ih_l0_reverse: (hidden_size, numbers of the layer below)
        weight_hh_l0, ...: (hidden_size, hidden_size)
        bias_ih_l0, bias_hh_l0, ...: (hidden_size,)

    Source: Elman (1990), "Finding structure in time"; both directions: Schuster and Paliwal
    (1997).

    >>> output, h = RNN(3, 2, num_layers=2)(Tensor([[[1.0, 2.0, 3.0]]] * 5))
    >>> output.shape, h.shape
    ((5, 1, 2), (2, 1, 2))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        generator: Generator | None = None,
    ) -> None:
        nonlinearity_of(type(self).__name__, nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            generator,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    def _scan(
        self, said: Tensor, start: States, weight: Parameter, bias: Parameter | None, reverse: bool
    ) -> tuple[Tensor, States]:
        function = NONLINEARITIES[self.nonlinearity]

        def rnn(h: Tensor, x: Tensor) -> Tensor:
            return function(x + F.linear(h, weight))

        outputs = scan(rnn, start[0], said, reverse)
        return outputs, (_end(outputs, reverse),)


class LSTM(RNNBase):
    """Long short-term memory: a cell that gates write to, keep and read at every step.

    c[t] = sigmoid(f) c[t-1] + sigmoid(i) tanh(g),  h[t] = sigmoid(o) tanh(c[t])
    (i, f, g, o) = x[t] W_ihᵀ + b_ih + h[t-1] W_hhᵀ + b_hh

    Args:
        input_size: numbers per step coming in.
        hidden_size: numbers of h, which is the output, and of c.
        num_layers: layers one upon the other; each reads the h of the one below.
        bias: add b_ih and b_hh.
        batch_first: input and output are (batch, steps, ...).
        dropout: probability that an output of a layer but the last is zeroed, in training.
        bidirectional: a second layer beside each goes from the last step to the first.
        generator: source of the initial weights and of dropout; the default generator unless
            given.

    Shapes:
        input: (steps, batch, input_size) or (steps, input_size)
        hx: (h, c), each (layers and directions, batch, hidden_size); zeros unless given
        output: (steps, batch, directions * hidden_size), and the last (h, c) as hx
        weight_ih_l0, ..., weight_ih_l0_reverse: (4 hidden_size, numbers of the layer below)
        weight_hh_l0, ...: (4 hidden_size, hidden_size)
        bias_ih_l0, bias_hh_l0, ...: (4 hidden_size,)

    Source: Hochreiter and Schmidhuber (1997); the forget gate is that of Gers, Schmidhuber
    and Cummins (2000).

    >>> output, (h, c) = LSTM(3, 2, bidirectional=True)(Tensor([[[1.0, 2.0, 3.0]]] * 5))
    >>> output.shape, h.shape, c.shape
    ((5, 1, 4), (2, 1, 2), (2, 1, 2))
    """

    gates = 4
    states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            generator,
        )  # fmt: skip

    def _scan(
        self, said: Tensor, start: States, weight: Parameter, bias: Parameter | None, reverse: bool
    ) -> tuple[Tensor, States]:
        def lstm(states: Tensor, x: Tensor) -> Tensor:
            h, c = apart(states)
            return side_by_side(*lstm_step(x + F.linear(h, weight), c))

        outputs, cells = apart(scan(lstm, side_by_side(*start), said, reverse))
        return outputs, (_end(outputs, reverse), _end(cells, reverse))


class GRU(RNNBase):
    """The gated recurrent unit: at every step gates keep some of the state and renew the rest.

    h[t] = (1 - z) tanh(x_n + r m_n) + z h[t-1],  r = sigmoid(x_r + m_r),  z = sigmoid(x_z + m_z)
    (x_r, x_z, x_n) = x[t] W_ihᵀ + b_ih,  (m_r, m_z, m_n) = h[t-1] W_hhᵀ + b_hh

    Args:
        input_size: numbers per step coming in.
        hidden_size: numbers of the state, which is the output.
        num_layers: layers one upon the other; each reads the states of the one below.
        bias: add b_ih and b_hh.
        batch_first: input and output are (batch, steps, ...).
        dropout: probability that an output of a layer but the last is zeroed, in training.
        bidirectional: a second layer beside each goes from the last step to the first.
        generator: source of the initial weights and of dropout; the default generator unless
            given.

    Shapes:
        input: (steps, batch, input_size) or (steps, input_size)
        hx: (layers and directions, batch, hidden_size); zeros unless given
        output: (steps, batch, directions * hidden_size), and the last states as hx
        weight_ih_l0, ..., weight_ih_l0_reverse: (3 hidden_size, numbers of the layer below)
        weight_hh_l0, ...: (3 hidden_size, hidden_size)
        bias_ih_l0, bias_hh_l0, ...: (3 hidden_size,)

    Source: Cho et al. (2014), with the reset gate after the product, as in cuDNN.

    >>> output, h = GRU(3, 2, batch_first=True)(Tensor([[[1.0, 2.0, 3.0]] * 5]))
    >>> output.shape, h.shape
    ((1, 5, 2), (1, 1, 2))
    """

    gates = 3
    one_bias = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            generator,
        )  # fmt: skip

    def _scan(
        self, said: Tensor, start: States, weight: Parameter, bias: Parameter | None, reverse: bool
    ) -> tuple[Tensor, States]:
        def gru(h: Tensor, x: Tensor) -> Tensor:
            return gru_step(x, F.linear(h, weight, bias), h)

        outputs = scan(gru, start[0], said, reverse)
        return outputs, (_end(outputs, reverse),)
