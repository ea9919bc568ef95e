"""Values and gradients against PyTorch's, which were written down by scripts/make_oracles.py."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import oracle_cases as cases
import pytest

import deepglass as dg
from deepglass.graph.op import Op

NO_LAYERS = {"Buffer", "Module", "ModuleDict", "ModuleList", "Parameter", "ParameterList"}
NOT_IN_TORCH = {"Heaviside", "HingeLoss"}  # by hand in test_nn and test_losses
NOT_IN_TORCH |= {"LearnedPositions", "SinusoidalPositions"}  # in test_attention
LIVE = {"MultiheadAttention", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder"}
FOLDER = Path(__file__).parent / "oracles"


@cache
def oracles(name: str) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of one file by case and name."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(FOLDER / f"{name}.npz") as file:
        for key in file.files:
            case, _, array = key.partition(": ")
            found.setdefault(case, {})[array] = file[key]
    return found


def compare(family: str, case: str, checksum: np.ndarray, answer: cases.Answer) -> None:
    expected = dict(oracles(family)[case])
    assert expected.pop("checksum") == checksum, "cases changed: run scripts/make_oracles.py"
    assert not cases.disagreements(answer, expected)
    assert expected


@pytest.mark.parametrize("op", cases.compared_ops(), ids=lambda op: op.name)
def test_op(op: Op) -> None:
    compare("ops", op.name, cases.sample_checksum(op), cases.op_answer(op))


@pytest.mark.parametrize("name", cases.LAYERS)
def test_layer(name: str) -> None:
    compare("layers", name, cases.case_checksum(name, cases.LAYERS), cases.layer_answer(name))


@pytest.mark.parametrize("name", cases.LOSSES)
def test_loss(name: str) -> None:
    compare("losses", name, cases.case_checksum(name, cases.LOSSES), cases.loss_answer(name))


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_optimizer(name: str) -> None:
    checksum = cases.case_checksum(name, cases.OPTIMIZERS)
    compare("optimizers", name, checksum, cases.optimizer_answer(name))


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_compiled_optimizer(name: str, backend: str) -> None:
    checksum = cases.case_checksum(name, cases.OPTIMIZERS)
    compare("optimizers", name, checksum, cases.optimizer_answer(name, dg.compile))


def test_nothing_is_left_out() -> None:
    for family, table in (
        ("ops", [op.name for op in cases.compared_ops()]),
        ("layers", cases.LAYERS),
        ("losses", cases.LOSSES),
        ("optimizers", cases.OPTIMIZERS),
    ):
        assert set(oracles(family)) == set(table)
    layers = {spec[0] for spec, *_ in (*cases.LAYERS.values(), *cases.LOSSES.values())}
    classes = {n for n in dg.nn.__all__ if n[0].isupper()}
    assert layers == classes - NO_LAYERS - NOT_IN_TORCH - LIVE  # in tests/torch/test_attention
    optimizers = {n for n in dg.optim.__all__ if hasattr(getattr(dg.optim, n), "step")}
    assert {kind for kind, *_ in cases.OPTIMIZERS.values()} == optimizers - {"Optimizer"}
    assert sum(len(a) for a in oracles("ops").values()) > 600


def test_the_comparison_finds_a_difference() -> None:
    """An oracle that accepts everything would prove nothing."""
    good: dict[str, Any] = {"a": np.array([1.0, -2.0]), "b": np.array([1, 2])}
    assert not cases.disagreements(good, good)
    for wrong in (
        {**good, "a": np.array([1.0, -2.0 + 3e-7])},
        {**good, "a": np.array([np.nan, -2.0])},
        {**good, "a": np.array([1.0, -2.0], np.float32)},
        {**good, "a": np.array([[1.0, -2.0]])},
        {**good, "b": np.array([1, 3])},
        {"a": good["a"]},
        {**good, "c": np.zeros(1)},
    ):
        assert len(cases.disagreements(wrong, good)) == 1
