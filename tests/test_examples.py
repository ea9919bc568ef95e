"""Each example ends as its text says."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
FIRST_AGE = "neuron", "perceptron", "xor", "descent"
HISTORY = "vanishing", "dropout", "depth", "stacked", "width", "bayes"


def example(name: str) -> ModuleType:
    """Import an example, which is no part of the package."""
    age = "first_age" if name in FIRST_AGE else "history" if name in HISTORY else ""
    folder = ROOT / "examples" / age
    spec = importlib.util.spec_from_file_location(f"example_{name}", folder / f"{name}.py")
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


def test_profit_comes_to_least_squares_and_then_to_the_best_price() -> None:
    """The table was made by a formula whose greatest profit at marketing 4 is at 7.60: 190.0."""
    found = example("profit").main(epochs=200)
    assert found["linear model"] == pytest.approx(found["least squares"], abs=1e-3)
    assert found["network"] > 0.98
    assert found["price"] == pytest.approx(7.6, abs=0.25)
    assert found["profit"] == pytest.approx(190.0, abs=3)


DATA = Path(os.environ.get("DEEPGLASS_DATA", "nowhere"))

if (DATA / "advertising").is_dir():

    def test_a_linear_model_of_advertising_comes_to_least_squares() -> None:
        table = DATA / "advertising" / "Advertising.csv"
        found = example("profit").main(table, "Sales", epochs=200)
        assert found["least squares"] == pytest.approx(0.897, abs=5e-4)
        assert found["linear model"] == pytest.approx(found["least squares"], abs=1e-3)


def test_houses(tmp_path: Path) -> None:
    """On a table like California's, whose values follow from two columns but for a tenth."""
    rng = np.random.default_rng(0)
    income, rooms = rng.lognormal(1, 0.4, 400), rng.lognormal(7, 0.8, 400)
    value = 40_000 * income + 20 * rooms + rng.normal(0, 8000, 400)
    table = tmp_path / "housing.csv"
    lines = [f"{a:.3f},{b:.0f},{c:.0f}" for a, b, c in zip(income, rooms, value, strict=True)]
    table.write_text("\n".join(["income,rooms,value", *lines]))
    picture = tmp_path / "housing.png"
    assert min(example("housing").main(str(table), "value", 2, 30, picture)) > 0.9
    opens(picture)


def test_digits(tmp_path: Path) -> None:
    assert example("digits").main(epochs=4, picture=tmp_path / "digits.png") > 0.9
    opens(tmp_path / "digits.png")


def test_the_forecast_beats_the_year_before(tmp_path: Path) -> None:
    errors = example("forecast").main(epochs=100, picture=tmp_path / "forecast.png")
    assert errors["network"] < errors["as the year before"] / 2
    opens(tmp_path / "forecast.png")


def test_every_method_gains_from_more_data(tmp_path: Path) -> None:
    found = example("amount").main((40, 600), 150, tmp_path / "amount.png")
    assert set(found) == {"network", "random forest", "logistic regression"}
    for few, many in found.values():
        assert 0.4 < few < many < 1
    opens(tmp_path / "amount.png")


def test_gradients_vanish_through_sigmoids(tmp_path: Path) -> None:
    found = example("vanishing").main(2, 2, tmp_path / "vanishing.png")
    sigmoid, relu = (found[name]["norms"] for name in ("sigmoid", "relu"))
    assert len(sigmoid) == len(relu) == 11
    assert sigmoid[0] < 1e-5 * sigmoid[-1]
    assert 0.2 < relu[0] / relu[-1] < 5
    assert found["relu"]["accuracy"] > 0.7 > 0.3 > found["sigmoid"]["accuracy"]
    opens(tmp_path / "vanishing.png")


def test_dropout_keeps_the_loss_low(tmp_path: Path) -> None:
    found = example("dropout").main(100, 130, 1, tmp_path / "dropout.png")
    without, with_dropout = (found[share]["loss"] for share in (0.0, 0.5))
    assert without[-1] > 1.05 * min(without)
    assert with_dropout[-1] < without[-1]
    opens(tmp_path / "dropout.png")


def test_plain_and_residual_networks_of_a_depth(tmp_path: Path) -> None:
    found = example("depth").main((8,), 2, 100, tmp_path / "depth.png")
    assert set(found) == {("plain", 8), ("residual", 8)}
    assert all(len(losses) == 2 and losses[-1] < losses[0] for losses in found.values())
    opens(tmp_path / "depth.png")


def test_two_small_kernels_see_what_a_large_one_sees(tmp_path: Path) -> None:
    found = example("stacked").main(100, 3, 1, tmp_path / "stacked.png")
    one, two = found["one 5 x 5"], found["two 3 x 3"]
    assert one["field"] == two["field"] == 5
    assert one["weights"] == 25 * 16 * 16 + 16
    assert two["weights"] == 2 * (9 * 16 * 16 + 16)
    assert two["multiply_adds"] / one["multiply_adds"] == 18 / 25
    opens(tmp_path / "stacked.png")


def test_wider_layers_come_closer(tmp_path: Path) -> None:
    errors = example("width").main((1, 16), 150, 1, tmp_path / "width.png")
    assert errors[16] < errors[1] / 2
    opens(tmp_path / "width.png")


def test_away_from_the_data_answers_spread(tmp_path: Path) -> None:
    found = example("bayes").main(300, tmp_path / "bayes.png")
    assert set(found) == {"Bayes by backprop", "dropout"}
    assert all(outside > 3 * inside for inside, outside in found.values())
    opens(tmp_path / "bayes.png")


def opens(picture: Path) -> None:
    """Check that a picture can be opened and shows something."""
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20


@pytest.mark.parametrize("name", [*FIRST_AGE, "profit"])
def test_pictures_are_drawn(name: str, tmp_path: Path) -> None:
    picture = tmp_path / "new" / f"{name}.png"
    example(name).main(picture=picture)
    opens(picture)


def test_the_readme_does_what_it_says() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    step, trainer = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    space: dict[str, Any] = {"__name__": "readme"}
    exec(compile(step, "README.md", "exec"), space)
    assert space["losses"][0] > 0.4
    assert space["losses"][-1] < 0.01
    assert space["model"](space["x"]).argmax(1).tolist() == [0, 1, 1, 0]
    exec(compile(trainer, "README.md", "exec"), space)
    assert space["history"][-1].validation["accuracy"] > 0.94


def test_the_page_on_taps_does_what_it_says() -> None:
    text = (ROOT / "docs" / "taps.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    space: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "taps.md", "exec"), space)
    assert 0 < space["step"].taps["1.output"].zeros < 1


def test_the_page_on_optimizing_does_what_it_says() -> None:
    text = (ROOT / "docs" / "optimizing.md").read_text(encoding="utf-8")
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


def test_both_readmes_give_the_same_commands_and_code() -> None:
    def commands(name: str) -> list[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        return [*code, *(line for line in text.splitlines() if line.startswith("    "))]

    assert commands("README.md") == commands("README.zh-CN.md")
    assert sum("scripts/" in line for line in commands("README.md")) == 2
