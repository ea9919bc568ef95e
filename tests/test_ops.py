"""Every op against its record; the tests are generated from the registry."""

from __future__ import annotations

import doctest

import pytest
from conftest import BACKENDS

import deepglass.ops
from deepglass.graph.kinds import Composite, Leaf
from deepglass.graph.op import REGISTRY, Op
from deepglass.testing import PROPERTIES, check_op, samples_of

OPS = [op for op in REGISTRY.values() if not isinstance(op.kernel, Leaf)]
COMPILED = ("values", "compiled gradients")  # the properties in which backends differ

# What has no gradient: whole numbers, truth values and random bits come out of it.
WITHOUT_GRADIENT = {
    "argmax", "eq", "ge", "gt", "iota", "le", "lt", "ne", "shift_right", "threefry",
    "window_argmax",
}  # fmt: skip


def _checks() -> list[object]:
    checks = []
    for op in OPS:
        for name in PROPERTIES:
            if name == "expansion" and not isinstance(op.kernel, Composite):
                continue
            if "gradients" in name and op.name in WITHOUT_GRADIENT:
                continue
            if name == "misuses" and not op.misuses:
                continue
            for backend in BACKENDS if name in COMPILED else BACKENDS[:1]:
                on = f"-{backend}" if name in COMPILED else ""
                label = f"{op.name}-{name.replace(' ', '-')}{on}"
                checks.append(pytest.param(op, name, backend, id=label))
    return checks


@pytest.mark.parametrize(("op", "name", "backend"), _checks())
def test_op(op: Op, name: str, backend: str) -> None:
    check_op(op, backend, [name])


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_record_is_complete(op: Op) -> None:
    samples = samples_of(op)
    assert samples
    assert op.doc.strip().endswith(".") or ">>>" in op.doc
    assert bool(op.gradient) is (op.name not in WITHOUT_GRADIENT)
    if op.gradient:
        assert all(len(op.gradient) >= len(s.args) for s in samples)
        assert any(s.smooth for s in samples)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_some_sample_has_axes_of_different_lengths(op: Op) -> None:
    """A mixed-up axis passes on square shapes."""
    shapes = [a.shape for s in samples_of(op) for a in s.args]
    shapes += [s.params["shape"] for s in samples_of(op) if not s.args]
    assert any(len(shape) >= 1 and len(set(shape)) == len(shape) for shape in shapes)
    ranks = {len(shape) for shape in shapes}
    if max(ranks) >= 2:
        assert any(len(shape) >= 2 and len(set(shape)) == len(shape) for shape in shapes)


@pytest.mark.parametrize("op", [op for op in OPS if ">>>" in op.doc], ids=lambda op: op.name)
def test_the_examples_of_a_record_run(op: Op) -> None:
    names = {**vars(deepglass.ops), "Tensor": deepglass.Tensor}
    test = doctest.DocTestParser().get_doctest(op.doc, names, op.name, None, None)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize(verbose=False) == (0, len(test.examples))
    assert test.examples
