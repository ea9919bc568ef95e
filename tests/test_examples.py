"""Each example ends as its text says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parent.parent / "examples" / "first_age"


def example(name: str) -> ModuleType:
    """Import examples/first_age/NAME.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location(f"first_age_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_neuron_computes_and_or_not_but_never_xor() -> None:
    neuron = example("neuron")
    assert neuron.AND.truth_table() == (0, 0, 0, 1)
    assert neuron.OR.truth_table() == (0, 1, 1, 1)
    assert neuron.NOT.truth_table() == (1, 0)
    outcome = neuron.main()
    assert len(outcome["found"]) == 14
    assert outcome["missing"] == {(0, 1, 1, 0), (1, 0, 0, 1)}
    assert outcome["network"] == (0, 1, 1, 0)


def test_the_perceptron_converges_within_its_bound_and_fails_on_xor() -> None:
    outcome = example("perceptron").main()
    assert outcome["last"] == 0
    assert 0 < outcome["mistakes"] <= outcome["bound"] < 1000
    assert outcome["xor"] <= 0.75


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_backpropagation_solves_xor(seed: int) -> None:
    outcome = example("xor").main(seed=seed)
    assert outcome["answers"] == [0, 1, 1, 0]
    assert outcome["losses"][0] > 0.2
    assert outcome["losses"][-1] < 0.001


def test_paths_on_the_bowl_are_those_of_the_formula() -> None:
    """Point k is the start times (1 - 2 lr)^k downhill and (1 + 2 lr)^k uphill."""
    descent = example("descent")
    paths = descent.main()
    start, steps = np.array(descent.START), np.arange(descent.STEPS + 1)[:, None]
    assert len(paths) == 6
    for (way, lr), path in paths.items():
        factor = 1 - 2 * lr if way == "descent" else 1 + 2 * lr
        np.testing.assert_allclose(path, start * factor**steps, rtol=1e-4)
    heights = {key: (path**2).sum(axis=1) for key, path in paths.items()}
    slow, right, wild = (heights["descent", lr] for lr in descent.RATES)
    assert 1 < slow[-1] < 25
    assert right[-1] < 1e-9
    assert wild[-1] > 250
    assert all(heights["ascent", lr][-1] > 100 for lr in descent.RATES)


@pytest.mark.parametrize("name", ["neuron", "perceptron", "xor", "descent"])
def test_pictures_are_drawn(name: str, tmp_path: Path) -> None:
    picture = tmp_path / "new" / f"{name}.png"
    example(name).main(picture)
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_does_what_it_says(name: str) -> None:
    text = (FOLDER.parent.parent / name).read_text(encoding="utf-8")
    step, trainer = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    space: dict[str, Any] = {"__name__": "readme"}
    exec(compile(step, name, "exec"), space)
    assert space["losses"][0] > 0.4
    assert space["losses"][-1] < 0.01
    assert space["model"](space["x"]).argmax(1).tolist() == [0, 1, 1, 0]
    exec(compile(trainer, name, "exec"), space)
    assert space["history"][-1].validation["accuracy"] > 0.94


def test_the_page_on_optimizing_does_what_it_says() -> None:
    text = (FOLDER.parent.parent / "docs" / "optimizing.md").read_text(encoding="utf-8")
    space: dict[str, Any] = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(code, "optimizing.md", "exec"), space)
    assert space["losses"][0] > 0.3
    assert space["losses"][-1] < 2e-3
    assert space["bowl"].value < 1e-12
    assert space["descent"].converged
    assert "the search diverges: the value rose from 25 to 958" in space["wild"].message
    assert abs(space["best"].x["price"] - 0.3) < 0.1
    w = space["dg"].Parameter([1.0])
    w.sum().backward()
    space["Momentum"]([w]).step()
    assert abs(w.item() - 0.9) < 1e-6


def test_both_readmes_give_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        text = (FOLDER.parent.parent / name).read_text(encoding="utf-8")
        return [line for line in text.splitlines() if line.startswith("    ")]

    assert commands("README.md") == commands("README.zh-CN.md")
    assert sum("scripts/" in line for line in commands("README.md")) == 2
