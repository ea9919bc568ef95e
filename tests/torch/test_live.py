"""The oracles, live: PyTorch beside deepglass, on the recorded cases and on further ones."""

from __future__ import annotations

import answers
import numpy as np
import oracle_cases as cases
import pytest
import torch
from test_oracles import oracles

import deepglass as dg
from deepglass.graph.op import Op

SEEDS = range(4)  # 0 is the record's own stream


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("op", cases.compared_ops(), ids=lambda op: op.name)
def test_op(op: Op, seed: int) -> None:
    assert not cases.disagreements(cases.op_answer(op, seed), answers.op_answer(op, seed))


@pytest.mark.parametrize("name", cases.LAYERS)
def test_layer(name: str) -> None:
    assert not cases.disagreements(cases.layer_answer(name), answers.layer_answer(name))


@pytest.mark.parametrize("name", cases.LOSSES)
def test_loss(name: str) -> None:
    assert not cases.disagreements(cases.loss_answer(name), answers.loss_answer(name))


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_optimizer(name: str) -> None:
    assert not cases.disagreements(cases.optimizer_answer(name), answers.optimizer_answer(name))


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_compiled_optimizer(name: str) -> None:
    compiled = cases.optimizer_answer(name, dg.compile)
    assert not cases.disagreements(compiled, answers.optimizer_answer(name))


@pytest.mark.parametrize("name", cases.SCHEDULES)
def test_schedule(name: str) -> None:
    ours = cases.schedule_answer(name, dg.optim, [dg.Parameter([0.0]), dg.Parameter([0.0])])
    theirs = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    assert not cases.disagreements(ours, cases.schedule_answer(name, torch.optim, theirs))


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipping(norm_type: float, max_norm: float) -> None:
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in cases.start()]
    ours = list(map(dg.Parameter, cases.start()))
    found = []
    for parameters, utils in ((ours, dg.nn.utils), (theirs, torch.nn.utils)):
        cases.problem(*parameters).backward()
        norm = utils.clip_grad_norm_(parameters, max_norm, norm_type)
        utils.clip_grad_value_(parameters[:1], 0.05)
        gradients = {k: p.grad.numpy() for k, p in zip("ab", parameters, strict=True)}
        found.append({"norm": norm.numpy(), **gradients})
    assert not cases.disagreements(*found)


def test_the_files_hold_these_answers() -> None:
    for family, live in (
        ("ops", {op.name: answers.op_answer(op) for op in cases.compared_ops()}),
        ("layers", {name: answers.layer_answer(name) for name in cases.LAYERS}),
        ("losses", {name: answers.loss_answer(name) for name in cases.LOSSES}),
        ("optimizers", {name: answers.optimizer_answer(name) for name in cases.OPTIMIZERS}),
    ):
        for case, answer in live.items():
            recorded = {k: a for k, a in oracles(family)[case].items() if k != "checksum"}
            assert recorded.keys() == answer.keys()
            for name, array in answer.items():
                assert cases.relative_difference(array, recorded[name]) < 1e-12


def test_state_dicts_move_over_by_name() -> None:
    """Weights of a PyTorch network compute the same here, and the other way round."""
    spec, _ = cases.LAYERS["network"]
    theirs, ours = cases.build(torch.nn, spec).eval(), cases.build(dg.nn, spec).eval()
    x = cases.layer_inputs("network")[0].astype(np.float32)
    ours.load_state_dict(theirs.state_dict())
    y = theirs(torch.tensor(x)).detach().numpy()
    assert cases.relative_difference(ours(dg.tensor(x)).numpy(), y) < 1e-5
    fresh = cases.build(torch.nn, spec).eval()
    fresh.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    assert torch.equal(fresh(torch.tensor(x)), theirs(torch.tensor(x)))


@pytest.mark.parametrize("name", cases.LAYERS)
def test_state_dicts_have_pytorchs_names_and_shapes(name: str) -> None:
    import torch

    import deepglass as dg

    spec, _ = cases.LAYERS[name]
    theirs, ours = (cases.build(n, spec).state_dict() for n in (torch.nn, dg.nn))
    assert {k: tuple(v.shape) for k, v in theirs.items()} == {k: v.shape for k, v in ours.items()}


def test_parameters_of_pytorch_are_taken_whatever_their_type() -> None:
    import torch

    import deepglass as dg

    theirs, ours = torch.nn.Linear(3, 2), dg.nn.Linear(3, 2)
    ours.load_state_dict(dict(theirs.named_parameters()))
    assert ours.weight.tolist() == theirs.weight.tolist()
    rounded = theirs.to(torch.bfloat16)
    ours.load_state_dict(rounded.state_dict())
    assert ours.weight.tolist() == rounded.weight.tolist()
    assert ours.weight.dtype is dg.float32
