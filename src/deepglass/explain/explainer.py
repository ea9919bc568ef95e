"""One weight at a time: the forward sum, the chain rule and the optimizer's step, term by term.

Every number is computed by the operations that train the network. Only that a layer's output
is a sum of weight times input is used, so the same few lines explain linear layers,
convolutions of any kind and the scales of normalisations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from ..autograd import grad
from ..derivatives import jvp
from ..errors import DomainError, DTypeError, ShapeError
from ..graph.tensor import Parameter, Tensor
from ..graph.trace import set_grad_enabled
from ..nn import Module
from ..nn.utils import clip_grad_norm_
from ..ops import softmax
from ..optim import Optimizer
from .calls import LayerCall, called
from .explanation import Explanation, Index, Paths
from .update import Line, update_lines


class Explainer:
    """Explains the weights of a network on a batch.

    The network is in evaluation mode: nothing is dropped, and normalisations use the statistics
    they have gathered. In float64 sums come out to the last digit shown.

    Args:
        model: the network.
        loss: compares its outputs with targets, the mean over a batch.
        optimizer: of its parameters, in the state before the step that is explained.
        inputs, targets: the batch.
        clip_norm: gradients whose norm is larger are scaled down to it; None leaves them.

    Attributes:
        calls: the layers without parts in the order of their calls, with inputs and outputs.
        outputs: of the network.
        total: the loss.
        gradients: of the loss by all parameters, by name.

    >>> from ..nn import Linear, MSELoss
    >>> from ..optim import SGD
    >>> model = Linear(2, 1)
    >>> _ = model.load_state_dict({"weight": [[1.0, 2.0]], "bias": [0.5]})
    >>> sgd = SGD(model.parameters(), lr=0.1)
    >>> explainer = Explainer(model, MSELoss(), sgd, Tensor([[3.0, 4.0]]), Tensor([[10.0]]))
    >>> found = explainer.explain("weight", (0, 1))
    >>> found.terms()
    [('weight', (0, 0), 1.0, 3.0), ('weight', (0, 1), 2.0, 4.0), ('bias', (0,), 0.5, 1.0)]
    >>> found.output, found.delta, found.gradient  # 2 (11.5 - 10), and times the input 4
    (11.5, 3.0, 12.0)
    >>> round(found.new, 6)
    0.8
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Tensor],
        optimizer: Optimizer,
        inputs: Tensor,
        targets: Tensor,
        clip_norm: float | None = None,
    ) -> None:
        self.model = model.eval()
        self.optimizer, self.clip_norm = optimizer, clip_norm
        self.inputs, self.targets = inputs, targets
        self._parameters: dict[str, Parameter] = dict(model.named_parameters())
        with set_grad_enabled(True):
            self.outputs, self.calls = called(model, inputs)
            self.total = loss(self.outputs, targets)
        self._deltas: dict[int, np.ndarray] = {}
        trained = {name: p for name, p in self._parameters.items() if p.requires_grad}
        found = _gradients(self.total, list(trained.values()))
        self.gradients = dict(zip(trained, found, strict=True))

    def deltas(self, number: int) -> np.ndarray:
        """Return the derivatives of the loss by the output of one of `calls`."""
        if number not in self._deltas:
            (self._deltas[number],) = _gradients(self.total, [self.calls[number].output])
        return self._deltas[number]

    @cached_property
    def clipping(self) -> float:
        """What all gradients are multiplied with before the step."""
        if self.clip_norm is None:
            return 1.0
        squares = sum(float((g.astype(np.float64) ** 2).sum()) for g in self.gradients.values())
        return float(min(1.0, self.clip_norm / (squares**0.5 + 1e-6)))

    @cached_property
    def updated(self) -> dict[str, np.ndarray]:
        """All parameters after a step of the optimizer; network and optimizer stay as they are."""
        before = self.model.state_dict(), self.optimizer.state_dict()
        with set_grad_enabled(False):
            for name, p in self._parameters.items():
                g = self.gradients.get(name)
                p.grad = None if g is None else Tensor(g, p.dtype)
            if self.clip_norm is not None:
                clip_grad_norm_(self.optimizer.parameters(), self.clip_norm)
            self.optimizer.step()
            after = {name: np.array(p.numpy()) for name, p in self._parameters.items()}
        self.optimizer.zero_grad()
        self.model.load_state_dict(before[0])
        self.optimizer.load_state_dict(before[1])
        return after

    def explain(self, name: str, index: Sequence[int], sample: int = 0) -> Explanation:
        """Return all numbers behind a weight.

        Args:
            name: of the parameter, such as "layers.0.weight".
            index: one number for each of its axes.
            sample: of the batch, from 0.

        Raises:
            DomainError: there is no such weight or sample, the message lists what there is; or
                its layer is none whose outputs are sums of weight times input.
        """
        parameter = self._parameter(name)
        place = tuple(index)
        if len(place) != parameter.ndim or not all(
            0 <= i < n for i, n in zip(place, parameter.shape, strict=True)
        ):
            raise DomainError(
                f"explain: {name} has the axes {parameter.shape}, each index from 0; got "
                f"{list(place)}."
            )
        if not 0 <= sample < len(self.inputs):
            raise DomainError(
                f"explain: samples of the recorded batch are 0 to {len(self.inputs) - 1}; got "
                f"{sample}."
            )
        path, _, own = name.rpartition(".")
        number = self._call_of(path, name)
        call, deltas = self.calls[number], self.deltas(number)
        factors = _factors(call, own, place, call.input)
        position = self._position(call, own, place, factors[sample], deltas[sample])
        inputs, parameters = _sum(call, (sample, *position))
        _check_sum(name, call, inputs, parameters, (sample, *position))
        paths = self._paths(number, sample, position)
        probabilities, target = self._from_loss(number, sample)
        gradient = float((deltas * factors).sum())
        if name in self.gradients:
            _check_gradient(name, gradient, self.gradients[name], place)
        gradient *= self.clipping
        return Explanation(
            name=name,
            index=place,
            weight=float(parameter.numpy()[place]),
            sample=sample,
            layer=path,
            position=position,
            output=float(call.output.numpy()[(sample, *position)]),
            inputs=inputs,
            parameters=parameters,
            deltas=deltas,
            factors=factors,
            paths=paths,
            probabilities=probabilities,
            target=target,
            clipping=self.clipping,
            lines=self._lines(parameter, place, gradient),
            new=float(self.updated[name][place]),
        )

    def _parameter(self, name: str) -> Parameter:
        if name not in self._parameters:
            there = ", ".join(f"{n} {p.shape}" for n, p in self._parameters.items())
            raise DomainError(f"explain: the network has the weights {there}; got {name!r}.")
        return self._parameters[name]

    def _call_of(self, path: str, name: str) -> int:
        found = [k for k, call in enumerate(self.calls) if call.path == path]
        if len(found) != 1:
            raise DomainError(
                f"explain: a layer that is called once; that of {name} is called {len(found)} "
                "times by itself. Choose a weight of another layer."
            )
        return found[0]

    def _position(
        self, call: LayerCall, own: str, place: Index, factors: np.ndarray, deltas: np.ndarray
    ) -> Index:
        """The output that is explained: where the weight counts most, else the first it is in."""
        for weights in (np.abs(factors * deltas), np.abs(factors)):
            if weights.any():
                return _unravel(weights)
        other = Tensor(np.arange(1, call.input[0].numel() + 1).reshape(1, *call.input.shape[1:]))
        return _unravel(np.abs(_factors(call, own, place, other.to(call.input.dtype))[0]))

    def _paths(self, number: int, sample: int, position: Index) -> Paths | None:
        """The delta of an output as a sum over the next layer with weights."""
        later = [k for k in range(number + 1, len(self.calls)) if _owns(self.calls[k])]
        if not later:
            return None
        last = later[0]
        segment = self.calls[number + 1 : last + 1]

        def onward(z: Tensor) -> Tensor:
            for call in segment:
                z = call.layer(z)
            return z

        start = self.calls[number].output[sample : sample + 1].detach()
        direction = np.zeros(start.shape, start.dtype.numpy)
        direction[(0, *position)] = 1
        try:
            reached, slopes = jvp(onward, (start,), (Tensor(direction),))
        except (DTypeError, ShapeError):
            return None  # the layers do not stand in a row
        expected = segment[-1].output.numpy()[sample : sample + 1]
        if not np.allclose(reached.numpy(), expected, rtol=1e-5, atol=1e-6):
            return None  # nor do these
        return Paths(segment[-1].path, slopes.numpy()[0], self.deltas(last)[sample])

    def _from_loss(self, number: int, sample: int) -> tuple[np.ndarray | None, int | None]:
        """Probabilities and truth, where the deltas of the last layer are their difference."""
        last = self.calls[number]
        classes = not self.targets.dtype.is_float and self.outputs.ndim == 2
        if not classes or number != len(self.calls) - 1 or last.output.shape[1:] == (1,):
            return None, None
        chances = softmax(last.output.detach(), 1).numpy()
        truth = self.targets.numpy()
        expected = (chances - np.eye(chances.shape[1])[truth]) / len(truth)
        if not np.allclose(self.deltas(number), expected, rtol=1e-4, atol=1e-7):
            return None, None
        return chances[sample], int(truth[sample])

    def _lines(self, parameter: Parameter, place: Index, gradient: float) -> list[Line]:
        (group,) = (
            g for g in self.optimizer.param_groups if any(p is parameter for p in g["params"])
        )
        settings = {k: v for k, v in group.items() if k != "params"}
        state = {
            k: float(v.numpy()[place] if v.ndim else v.item())
            for k, v in self.optimizer.state[parameter].items()
        }
        kind = type(self.optimizer).__name__
        return update_lines(kind, settings, state, float(parameter.numpy()[place]), gradient)


def _gradients(total: Tensor, tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Of the loss by each tensor; 0 where it does not depend on it."""
    known = [x for x in tensors if x.requires_grad]
    found = dict(zip(map(id, known), grad(total, known, allow_unused=True), strict=True))
    zeros = (np.zeros(x.shape, x.dtype.numpy) for x in tensors)
    return [
        z if (g := found.get(id(x))) is None else g.numpy()
        for x, z in zip(tensors, zeros, strict=True)
    ]


def _check_gradient(name: str, found: float, gradients: np.ndarray, place: Index) -> None:
    """Raise unless what a layer makes of its weight is all that the loss has of it."""
    largest = float(np.abs(gradients).max(initial=0.0))
    if abs(found - gradients[place]) > 1e-3 * largest:
        raise DomainError(
            f"explain: a weight that its layer alone reads; of the gradient of {name}, "
            f"{gradients[place]:.3g}, its layer makes {found:.3g}. Choose one of another layer."
        )


def _owns(call: LayerCall) -> bool:
    return any(True for _ in call.layer.parameters())


def _unravel(values: np.ndarray) -> Index:
    return tuple(int(i) for i in np.unravel_index(int(values.argmax()), values.shape))


@contextmanager
def _set(layer: Module, values: dict[str, np.ndarray]) -> Iterator[None]:
    """Let the parameters of a layer have other values until the block ends."""
    parameters = dict(layer.named_parameters())
    before = {name: p.node for name, p in parameters.items()}
    with set_grad_enabled(False):
        for name, p in parameters.items():
            p.rebind(Tensor(values[name], p.dtype).node)
        try:
            yield
        finally:
            for name, p in parameters.items():
                p.rebind(before[name])


def _factors(call: LayerCall, own: str, place: Index, x: Tensor) -> np.ndarray:
    """What a weight is multiplied with in each output: what setting it to 1 adds to the output
    of a layer without weights."""
    values = {name: np.zeros(p.shape) for name, p in call.layer.named_parameters()}
    with _set(call.layer, values):
        without = call.layer(x.detach()).numpy()
    values[own][place] = 1
    with _set(call.layer, values):
        return np.asarray(call.layer(x.detach()).numpy() - without)


def _sum(call: LayerCall, position: Index) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What each parameter of a layer is multiplied with in one output, and the parameters."""
    parameters = dict(call.layer.named_parameters())
    x = call.input.detach()[position[0] : position[0] + 1]
    with set_grad_enabled(True):
        z = call.layer(x)[(0, *position[1:])]
    inputs = grad(z, list(parameters.values()))
    arrays = {
        n: np.asarray(g.numpy()) for n, g in zip(parameters, inputs, strict=True) if g is not None
    }
    return arrays, {n: np.array(p.numpy()) for n, p in parameters.items()}


def _check_sum(
    name: str,
    call: LayerCall,
    inputs: dict[str, np.ndarray],
    parameters: dict[str, np.ndarray],
    position: Index,
) -> None:
    whole = sum(float((inputs[n] * parameters[n]).sum()) for n in inputs)
    if not np.isclose(whole, call.output.numpy()[position], rtol=1e-4, atol=1e-5):
        raise DomainError(
            f"explain: a layer whose outputs are sums of weight times input, such as Linear or "
            f"Conv2d; {name} belongs to {type(call.layer).__name__}. Choose a weight of another "
            "layer."
        )
