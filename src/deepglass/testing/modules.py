"""Layers and networks against what every module promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..compile import compile
from ..errors import DataError
from ..graph.tensor import Tensor
from ..graph.trace import set_grad_enabled
from ..nn.module import Module
from ..ops.random import Generator, default_generator
from .compare import assert_close, is_float
from .slopes import Arrays, compare_slope


def check_module(module: Module, *inputs: Any, backend: str = "reference") -> None:
    """Hold a layer or a network to what every module promises.

    In training and in evaluation mode: compiled, it computes what it computes eagerly and
    leaves the same buffers; the gradients of all parameters and inputs are slopes by
    differences in float64. A state dict is read back as it was loaded, and wrong names and
    shapes are refused and change nothing; ``repr`` names the class. The module is left as it
    was found.

    Args:
        module: returns a tensor.
        inputs: arrays or tensors to call it with.
        backend: where it is compiled.

    Raises:
        AssertionError: one of these does not hold.

    >>> from ..nn import Linear
    >>> check_module(Linear(3, 2), np.ones((5, 3), np.float32))
    """
    arrays = [np.asarray(x) for x in inputs]
    name = type(module).__name__
    with _left_as_found(module):
        _check_modes(module)
        for training in (True, False):
            module.train(training)
            what = f"{name}, {'training' if training else 'evaluation'}"
            with _left_as_found(module):
                _check_compiled_module(what, module, arrays, backend)
            with _left_as_found(module):
                _check_module_gradients(what, module, arrays)
        _check_state_dict(name, module, arrays)
    if name not in repr(module):
        raise AssertionError(f"{name}: repr names the class; got {module!r}.")


@contextmanager
def _left_as_found(module: Module) -> Iterator[None]:
    """Restore modes, parameters, buffers, gradients and random streams when the block ends."""
    modes = [(m, m.training) for m in module.modules()]
    tensors = [t for _, t in module.named_state()]
    tensors += [t for g in _generators(module) for _, t in g.named_state()]
    before = [(t, Tensor(t.numpy()), t.requires_grad, t._grad) for t in tensors]
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        with set_grad_enabled(False):
            for tensor, value, requires_grad, gradient in before:
                tensor.requires_grad = False
                tensor.rebind(value.node)
                tensor.requires_grad = requires_grad
                tensor._grad = gradient


def _generators(module: Module) -> list[Generator]:
    own = [v for m in module.modules() for v in vars(m).values() if isinstance(v, Generator)]
    return [default_generator, *own]


def _check_modes(module: Module) -> None:
    for mode in (True, False):
        module.train(mode)
        wrong = [path or "itself" for path, m in module.named_modules() if m.training is not mode]
        if wrong:
            raise AssertionError(
                f"{type(module).__name__}: train({mode}) reaches every layer; not {wrong}."
            )


def _check_compiled_module(what: str, module: Module, arrays: Arrays, backend: str) -> None:
    def run(function: Callable[..., Tensor]) -> dict[str, np.ndarray]:
        with _left_as_found(module), set_grad_enabled(False):
            result = function(*map(Tensor, arrays)).numpy()
            buffers = {name: b.numpy() for name, b in module.named_buffers()}
        return {"output": result, **buffers}

    eager = run(module)
    compiled = run(compile(module, backend=backend))
    for name, expected in eager.items():
        assert_close(f"{what}, {name} compiled on {backend}", compiled[name], expected)


def _check_module_gradients(what: str, module: Module, arrays: Arrays) -> None:
    rng = np.random.default_rng(0)
    module.double()
    module.requires_grad_(True)
    parameters = list(module.parameters())
    active = [k for k, a in enumerate(arrays) if is_float(a)]
    points = [p.numpy() for p in parameters] + [arrays[k].astype("float64") for k in active]

    def call(*variables: Tensor) -> Tensor:
        """The module's output with other parameters and inputs; buffers do not move."""
        inputs = [Tensor(a) for a in arrays]
        for k, x in zip(active, variables[len(parameters) :], strict=True):
            inputs[k] = x
        with set_grad_enabled(False):
            for p, value in zip(parameters, variables, strict=False):
                p.copy_(value)
        result: Tensor = module(*inputs)
        return result

    with _left_as_found(module), set_grad_enabled(False):
        cotangent = Tensor(rng.uniform(-1, 1, call(*map(Tensor, points)).shape))

    def number(*variables: Tensor) -> Tensor:
        with _left_as_found(module):
            return (call(*variables) * cotangent).sum()

    with _left_as_found(module):
        variables = [Tensor(a, requires_grad=True) for a in points]
        module.zero_grad()
        loss = (call(*variables) * cotangent).sum()
        if not loss.requires_grad:
            return
        loss.backward()
        sources = [*parameters, *variables[len(parameters) :]]
        found = [t.grad for t in sources]
    gradients = [
        np.zeros(a.shape) if g is None else g.numpy() for g, a in zip(found, points, strict=True)
    ]
    compare_slope(f"{what}, gradient", number, points, gradients, rng)


def _check_state_dict(name: str, module: Module, arrays: Arrays) -> None:
    def output() -> np.ndarray:
        with _left_as_found(module), set_grad_enabled(False):
            return np.array(module.eval()(*map(Tensor, arrays)).numpy())

    saved, before = module.state_dict(), output()
    changed = {k: v + np.ones((), v.dtype) for k, v in saved.items()}
    module.load_state_dict(changed)
    for key, value in module.state_dict().items():
        assert_close(f"{name}, state_dict {key!r} after loading", value, changed[key])
    module.load_state_dict(saved)
    assert_close(f"{name}, output after its state was loaded back", output(), before)
    _check_refusals(name, module, saved)


def _check_refusals(name: str, module: Module, saved: dict[str, np.ndarray]) -> None:
    """Unknown names, missing names and other shapes are refused, and change nothing."""
    other = {k: v + np.ones((), v.dtype) for k, v in saved.items()}
    attempts = [{**other, "no such name": np.zeros(1)}]
    for key in list(saved)[-1:]:
        attempts.append({k: v for k, v in other.items() if k != key})
        attempts.append({**other, key: np.zeros((*saved[key].shape, 2))})
    for attempt in attempts:
        try:
            module.load_state_dict(attempt)
        except DataError:
            for key, value in module.state_dict().items():
                assert_close(f"{name}, {key} after a refused state dict", value, saved[key])
        else:
            raise AssertionError(f"{name}: load_state_dict raises DataError; got nothing.")
