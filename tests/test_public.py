"""The public face: names, methods, imports, examples."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import deepglass
from deepglass import backends
from deepglass.errors import BackendError
from deepglass.graph import methods
from deepglass.graph.op import Op
from deepglass.ops.methods import METHODS
from deepglass.testing import samples_of

# The whole face, so that a name cannot come or go unnoticed.
PUBLIC = {
    "Buffer", "DType", "Generator", "Parameter", "Tensor", "TensorType", "abs",
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "add", "all", "amax", "amin", "any", "arange",
    "argmax", "argmin", "argsort", "as_tensor", "autograd", "avg_pool1d", "backend", "bernoulli",
    "bfloat16", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "bmm", "bool",
    "broadcast_to", "cat", "ceil", "checkpoint", "chunk", "clamp", "clamp_max", "clamp_min",
    "clip", "compile", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "cos",
    "cumprod", "cumsum", "default_generator", "diag", "diagonal", "div", "dot", "double", "einsum",
    "empty", "empty_like", "eq", "erf", "exact", "exp", "expm1", "eye", "flatten", "flip", "float",
    "float16", "float32", "float64", "floor", "floor_divide", "from_numpy", "full", "full_like",
    "gather", "ge", "get_threads", "grad", "gradcheck", "gt", "half", "heaviside", "hessian",
    "hvp", "index_add", "index_copy", "index_select", "int", "int8", "int16", "int32", "int64",
    "iota", "isfinite", "isinf", "isnan", "jacrev", "jvp", "le", "linspace", "log", "log1p",
    "log2", "log10", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or",
    "logical_xor", "logspace", "logsumexp", "long", "lt", "manual_seed", "masked_fill",
    "masked_select", "matmul", "max", "max_pool1d", "max_pool2d", "maximum", "mean", "meshgrid",
    "min", "minimum", "mm", "movedim", "mul", "multinomial", "mv", "narrow", "ndtri", "ne", "neg",
    "nn", "no_grad", "nonzero", "norm", "normal", "ones", "ones_like", "op", "optim", "outer",
    "pad", "permute", "pow", "prod", "rand", "rand_like", "randint", "randn", "randn_like",
    "randperm", "reciprocal", "relu", "remainder", "repeat_interleave", "reshape", "roll", "round",
    "rsqrt", "scan", "scatter", "scatter_add", "set_threads", "short", "sigmoid", "sign", "sin",
    "softmax", "sort", "split", "sqrt", "square", "squeeze", "stack", "std", "sub", "sum",
    "swapaxes", "take_along_dim", "tanh", "taps", "tensor", "tensordot", "testing", "tile", "topk",
    "trace", "transpose", "tril", "triu", "trunc", "uint8", "uint16", "uint32", "uint64", "unbind",
    "unflatten", "uniform", "unsqueeze", "value_and_grad", "var", "vjp", "where", "zeros",
    "zeros_like",
}  # fmt: skip

ALLOWED = {"numpy", "deepglass"}  # what `import deepglass` may load beyond the standard library


def order(name: str) -> tuple[int, list[Any]]:
    """Constants, then classes, then functions; numbers within names by size."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)]


def modules() -> list[str]:
    found = pkgutil.walk_packages(deepglass.__path__, "deepglass.")
    return ["deepglass", *(m.name for m in found if not m.name.endswith("__main__"))]


# Names ----------------------------------------------------------------------------------


def test_the_public_names() -> None:
    assert set(deepglass.__all__) == PUBLIC
    assert deepglass.__all__ == sorted(deepglass.__all__, key=order)


@pytest.mark.parametrize(
    "name", ["deepglass", "deepglass.nn", "deepglass.nn.functional", "deepglass.optim",
             "deepglass.ops", "deepglass.errors", "deepglass.testing"]
)  # fmt: skip
def test_all_is_complete_and_sorted(name: str) -> None:
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__, key=order)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, n) for n in module.__all__)
    here = {n for n, v in vars(module).items() if _is_public(n, v, module)}
    assert here <= set(module.__all__), f"public but not in __all__: {here - set(module.__all__)}"


def _is_public(name: str, value: Any, module: ModuleType) -> bool:
    """Whether a module seems to offer ``name``: it is made there or, in a package, below."""
    if name.startswith("_") or name in ("backward", "install"):  # they are there for methods
        return False
    home = getattr(value, "__module__", "") or ""
    below = hasattr(module, "__path__") and home.startswith(module.__name__ + ".")
    return home == module.__name__ or below


def test_every_public_name_has_a_docstring() -> None:
    for name in deepglass.__all__:
        value = getattr(deepglass, name)
        assert (inspect.getdoc(value) or "").strip(), name


# Methods --------------------------------------------------------------------------------


def _stub() -> dict[str, ast.FunctionDef]:
    """The methods of Tensor that type checkers are told about."""
    path = Path(methods.__file__).with_suffix(".pyi")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (cls,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TensorMethods")
    return {n.name: n for n in cls.body if isinstance(n, ast.FunctionDef)}


def test_the_stub_lists_the_methods_of_the_table() -> None:
    assert set(_stub()) == {*METHODS, "backward"}
    for name in _stub():
        assert name in vars(methods.TensorMethods)


@pytest.mark.parametrize("name", [n for n in METHODS if not n.startswith("__")])
def test_the_stub_has_the_parameters_of_the_method(name: str) -> None:
    method = METHODS[name]
    if isinstance(method, property):
        assert any(
            isinstance(d, ast.Name) and d.id == "property" for d in _stub()[name].decorator_list
        )
        return
    told = _stub()[name].args
    if isinstance(method, Op):  # its operands are the inputs of the record
        assert len(told.args) == len(samples_of(method)[0].args)
        return
    found = list(inspect.signature(method).parameters.values())
    names = [a.arg for a in told.args] + ([f"*{told.vararg.arg}"] if told.vararg else [])
    expected = [f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name for p in found]
    assert names[1:] == expected[1:]
    defaults = [ast.literal_eval(d) for d in told.defaults]
    assert defaults == [p.default for p in found[1:] if p.default is not p.empty]


# Imports --------------------------------------------------------------------------------


def _python(code: str, **environment: str) -> str:
    """What ``code`` prints in a Python of its own, without the tests' modules."""
    source = Path(deepglass.__file__).parents[1]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment = environment or {"PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, "PYTHONPATH": str(source), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_loads_numpy_alone() -> None:
    loaded = _python("""
import sys, numpy; before = set(sys.modules)
import deepglass, deepglass.testing
print(*{m.partition(".")[0] for m in set(sys.modules) - before})
""").split()
    assert set(loaded) - ALLOWED <= set(sys.stdlib_module_names), loaded
    assert "deepglass" in loaded


def test_the_reference_backend_needs_numpy_alone() -> None:
    loaded = _python("""
import sys, deepglass as dg
print(dg.compile(lambda x: x * 2, backend="reference")(dg.ones(2)).tolist())
print(*{m.partition(".")[0] for m in sys.modules})
""").split("\n")
    assert loaded[0] == "[2.0, 2.0]"
    assert "llvmlite" not in loaded[1].split()


def test_import_takes_less_than_a_fifth_of_a_second_beyond_numpy(tmp_path: Path) -> None:
    """Of processor time, so that it does not matter what else the machine does."""
    code = """
import numpy, time
started = time.process_time()
import deepglass
print(time.process_time() - started)
"""
    _python(code, PYTHONPYCACHEPREFIX=str(tmp_path))  # compiles the modules
    assert min(float(_python(code, PYTHONPYCACHEPREFIX=str(tmp_path))) for _ in range(5)) < 0.2


def test_modules_import_by_themselves() -> None:
    for name in ("deepglass.nn", "deepglass.passes", "deepglass.testing", "deepglass.graph.show"):
        _python(f"import {name}")


def test_backends_are_chosen_by_name() -> None:
    for name in ("reference", "native"):
        with deepglass.backend(name):
            assert backends.default() == name
    with pytest.raises(BackendError, match="one of reference, native; got 'fast'"):
        backends.get("fast")


# Examples -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_run(name: str) -> None:
    module = importlib.import_module(name)
    failures, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert not failures


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    count = sum(
        len(test.examples) for n in modules() for test in finder.find(importlib.import_module(n))
    )
    assert count > 80
