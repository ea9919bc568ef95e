#!/usr/bin/env python3
"""Write PyTorch's answers to ``tests/oracles``; needs torch.

Run it after the samples of an op, or the cases of ``tests/oracle_cases.py``, have changed,
and look at the difference before committing: only what was changed should change.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "torch"), str(TESTS.parent / "src")]

import answers  # noqa: E402 - the path has to be set first
import oracle_cases as cases  # noqa: E402


def write(name: str, found: dict[str, cases.Answer], checksums: dict[str, np.ndarray]) -> None:
    """Write the answers of one family into one file."""
    arrays = {f"{case}: {key}": a for case, answer in found.items() for key, a in answer.items()}
    arrays.update({f"{case}: checksum": a for case, a in checksums.items()})
    path = TESTS / "oracles" / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {len(found)} cases, {len(arrays)} arrays, {path.stat().st_size} bytes")


def main() -> None:
    ops = cases.compared_ops()
    write(
        "ops",
        {op.name: answers.op_answer(op) for op in ops},
        {op.name: cases.sample_checksum(op) for op in ops},
    )
    for name, table, answer in (
        ("layers", cases.LAYERS, answers.layer_answer),
        ("losses", cases.LOSSES, answers.loss_answer),
        ("optimizers", cases.OPTIMIZERS, answers.optimizer_answer),
    ):
        write(
            name,
            {case: answer(case) for case in table},
            {case: cases.case_checksum(case, table) for case in table},
        )


if __name__ == "__main__":
    main()
