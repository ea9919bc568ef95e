"""The report of a run: what it says, and what its page computes in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import probed
from PIL import Image

import deepglass as dg
from deepglass.cli.sight import look
from deepglass.data import fit_digit, fit_digit28
from deepglass.data.sources import cifar
from deepglass.errors import DataError
from deepglass.explain import Explainer, grad_cam, overlay
from deepglass.nn import (
    ELU,
    GELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    CrossEntropyLoss,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Module,
    MSELoss,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from deepglass.optim import SGD, Adagrad, Adam, AdamW, NAdam, RMSprop
from deepglass.report import explainer_of, write_report
from deepglass.report.assemble import MODULES, assemble, text
from deepglass.report.batch import recorded
from deepglass.report.content import content
from deepglass.report.network import live
from deepglass.report.pictures import packed
from deepglass.report.sight import sight
from deepglass.runs import Run
from deepglass.runs.predictor import Predictor
from deepglass.train import load_checkpoint

SAMPLES = 100

# Networks of all layers the page knows, each with an optimizer and the shape of a sample.
NETWORKS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "mlp": (
        lambda: Sequential(Flatten(), Linear(35, 11), ReLU(), Dropout(0.3), Linear(11, 3)),
        lambda p: Adam(p, lr=0.01, amsgrad=True),
        (1, 5, 7),
    ),
    "conv": (
        lambda: Sequential(
            Conv2d(2, 4, 3, stride=2, padding=1, groups=2, bias=False), BatchNorm2d(4), LeakyReLU(),
            MaxPool2d(3, stride=2, padding=1), Conv2d(4, 5, (2, 3), padding=(0, 1)), Tanh(),
            AvgPool2d(2, stride=1, padding=1), Flatten(), Linear(75, 7), LayerNorm(7), SiLU(),
            Linear(7, 3),
        ),
        lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
        (2, 11, 13),
    ),
    "averaged": (
        lambda: Sequential(
            Conv2d(1, 6, 2), ELU(0.7), dg.nn.AdaptiveAvgPool2d(1), Flatten(), Linear(6, 3)
        ),
        lambda p: AdamW(p, lr=0.01),
        (1, 5, 7),
    ),
    "smooth": (
        lambda: Sequential(Linear(5, 7), GELU(), Linear(7, 7), Sigmoid(), Linear(7, 3)),
        lambda p: NAdam(p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
        (5,),
    ),
    "softmax": (
        lambda: Sequential(Linear(5, 3), Softmax(1)),
        lambda p: RMSprop(p, lr=0.01, centered=True, momentum=0.5),
        (5,),
    ),
    "linear": (
        lambda: Sequential(Linear(5, 3)),
        lambda p: Adagrad(p, lr=0.01, lr_decay=0.1),
        (5,),
    ),
    "nesterov": (
        lambda: Sequential(Linear(5, 3)),
        lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, maximize=True),
        (5,),
    ),
}  # fmt: skip


def trained(name: str) -> tuple[Module, Explainer, np.ndarray, dict[str, Any]]:
    """A network after some steps: in float32, its explainer in float64, inputs, and its spec."""
    make, optimize, shape = NETWORKS[name]
    dg.manual_seed(2)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(SAMPLES, *shape)).astype(np.float32)
    numbers = name == "softmax"
    y = rng.random((SAMPLES, 3)).astype(np.float32) if numbers else rng.integers(0, 3, SAMPLES)
    loss = MSELoss() if numbers else CrossEntropyLoss()
    model = make()
    optimizer = optimize(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        loss(model.train()(dg.Tensor(x)), dg.Tensor(y)).backward()
        optimizer.step()
    single = make()
    single.load_state_dict(model.state_dict())
    target = dg.Tensor(y).to("float64") if numbers else dg.Tensor(y)
    inputs = dg.Tensor(x).to("float64")
    explainer = Explainer(model.double(), loss, optimizer, inputs, target, clip_norm=0.3)
    found = live(explainer)
    assert found is not None
    spec = {
        **found,
        "inputs": packed(x),
        "targets": np.asarray(y, np.float64).reshape(SAMPLES, -1).tolist(),
        "deltas": explainer.deltas(len(explainer.calls) - 1).tolist(),
        "scale": None,
        "loss_kind": "mse" if numbers else "cross_entropy",
    }
    return single.eval(), explainer, x, spec


def weights_of(explainer: Explainer) -> list[tuple[str, int, int]]:
    """Some weights of each parameter, by flat place, each with a sample."""
    rng = np.random.default_rng(7)
    return [
        (name, int(k), int(rng.integers(SAMPLES)))
        for name, p in explainer.model.named_parameters()
        for k in rng.choice(p.numel(), min(p.numel(), 9), replace=False)
    ]


PROBES = Path(__file__).parent / "data" / "report"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on the digits."""
    given = {
        "data": {"source": "digits"},
        "model": {"name": "mlp", "hidden": [16]},
        "train": {"epochs": 4, "backend": "reference"},
    }
    run = Run.create(given, tmp_path_factory.mktemp("runs") / "digits")
    run.fit()
    return run


@pytest.fixture(scope="module")
def said(digits: Run) -> dict[str, Any]:
    return content(digits)


def test_the_page_computes_what_the_engine_computes(said: dict[str, Any], tmp_path: Path) -> None:
    """Outputs of 100 samples, and weights, gradients and steps, of seven networks."""
    made = {name: trained(name) for name in NETWORKS}
    chosen = {name: weights_of(explainer) for name, (_, explainer, _, _) in made.items()}
    cases = [{"spec": made[name][3], "chosen": chosen[name]} for name in NETWORKS]
    script = f"const cases = {json.dumps(cases)};" + (PROBES / "numbers.js").read_text("utf-8")
    found = probed(assemble(said), script, tmp_path)
    for name, page in zip(NETWORKS, found, strict=True):
        single, explainer, x, _ = made[name]
        outputs = np.array(page["outputs"])
        np.testing.assert_allclose(outputs, explainer.outputs.numpy(), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(outputs, single(dg.Tensor(x)).numpy(), rtol=1e-4, atol=1e-5)
        for (weight, k, sample), seen in zip(chosen[name], page["explained"], strict=True):
            shape = explainer.model.get_parameter(weight).shape
            index = tuple(int(i) for i in np.unravel_index(k, shape))
            truth = explainer.explain(weight, index, sample)
            out = truth.deltas.shape[1:]
            assert seen["position"] == np.ravel_multi_index(truth.position, out), (name, weight)
            near = {"rtol": 1e-8, "atol": 1e-12, "err_msg": f"{name} {weight} {index}"}
            np.testing.assert_allclose(seen["output"], truth.output, **near)
            np.testing.assert_allclose(sum(seen["terms"]), truth.output, **near)
            np.testing.assert_allclose(seen["delta"], truth.delta, **near)
            np.testing.assert_allclose(seen["bySample"], truth.by_sample, **near)
            np.testing.assert_allclose(seen["gradient"], truth.gradient, **near)
            assert (seen["paths"] is None) == (truth.paths is None)
            if truth.paths is not None:
                np.testing.assert_allclose(seen["paths"], truth.paths.products.reshape(-1), **near)
            assert (seen["probability"] is None) == (truth.probabilities is None)
            assert [x["rule"] for x in seen["lines"]] == [x.rule for x in truth.lines]
            values = [x["value"] for x in seen["lines"]]
            np.testing.assert_allclose(values, [x.value for x in truth.lines], **near)
            np.testing.assert_allclose(values[-1], truth.new, rtol=1e-7)


def drawings() -> list[np.ndarray]:
    """Strokes at random, as bytes."""
    from PIL import ImageDraw

    rng = np.random.default_rng(11)
    found = []
    for _ in range(40):
        image = Image.new("L", (70, 60))
        points = [tuple(p) for p in rng.integers(12, 48, (int(rng.integers(2, 6)), 2)).tolist()]
        ImageDraw.Draw(image).line(points, fill=255, width=int(rng.integers(3, 9)), joint="curve")
        found.append(np.asarray(image.resize((50, 44), Image.Resampling.BILINEAR)))
    return found


@pytest.mark.parametrize("names", [cifar.CLASSES10, ["a_folder_with_a_name_" * 3] * 10])
def test_names_of_classes_are_not_cut(said: dict[str, Any], names: Any, tmp_path: Path) -> None:
    script = """
    const names = [...document.querySelectorAll("#mistakes .chances li > span:first-child")];
    result = names.map((e) => ({
      cut: e.scrollWidth > e.clientWidth,
      lines: Math.round(e.offsetHeight / parseFloat(getComputedStyle(e).lineHeight)),
    }));
    """
    found = probed(assemble({**said, "classes": list(names)}), script, tmp_path)
    assert found
    assert not any(name["cut"] for name in found)
    if names is cifar.CLASSES10:
        assert {name["lines"] for name in found} == {1}


def test_what_a_user_does(digits: Run, said: dict[str, Any], tmp_path: Path) -> None:
    evil = "</script><img src=x onerror='window.evil=1'><b data-evil>0"
    pictures = drawings()
    page = assemble({**said, "run": evil, "classes": [evil, *said["classes"][1:]]})
    drawn = json.dumps([picture.tolist() for picture in pictures])
    script = f"const drawings = {drawn};" + (PROBES / "clicks.js").read_text("utf-8")
    found = probed(page, script, tmp_path)
    assert found["hostile"] == 0
    assert found["row"] == evil
    chances = found["drawn"]["chances"]
    assert len(chances) == 10
    assert sum(chances) == pytest.approx(100, abs=1)
    assert found["drawn"]["answer"].startswith("answer")
    truth = explainer_of(digits).explain("layers.0.weight", (0, 8 * 2 + 3), 0)
    assert found["weight"]["label"].startswith("layers.0.weight[0, 19]")
    assert found["weight"]["steps"] == 3
    total = float(found["weight"]["total"].replace("−", "-"))
    assert total == pytest.approx(truth.new, rel=1e-5)
    assert found["moved"] == "layers.0.weight[0, 20]"
    assert 1 <= found["cell"]["images"] <= 4
    assert (
        found["cell"]["text"] == f"{evil} taken for {evil}: {said['answers']['confusion'][0][0]} ×"
    )
    assert found["tip"].startswith("What training makes small")
    assert found["before"] == "Learning curves"
    assert found["chinese"] == {"title": "学习曲线", "lang": "zh-CN"}
    assert found["theme"] == "dark"
    assert found["unnamed"] == 0
    assert found["sections"] == [
        "summary", "curves", "confusion", "mistakes", "sight", "trial", "weight_view", "layers",
        "health",
    ]  # fmt: skip
    assert found["empty"] is None
    for picture, (small, large) in zip(pictures, found["fitted"], strict=True):
        np.testing.assert_allclose(small, fit_digit(picture).reshape(-1), atol=1e-6)
        apart = np.abs(large - fit_digit28(picture).reshape(-1).astype(float))
        assert apart.max() <= 1  # a half may be rounded either way
        assert np.count_nonzero(apart) <= 4


def pixels(address: str) -> np.ndarray:
    """The picture behind an address of the page."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def test_what_a_convolutional_network_sees(tmp_path: Path) -> None:
    given = {
        "data": {"source": "digits", "split": "1:1"},
        "model": {"name": "convnet", "widths": [5, 7]},
        "train": {"epochs": 1, "backend": "reference"},
    }
    run = Run.create(given, tmp_path / "run")
    run.fit()
    said = content(run)
    seen = said["sight"]
    assert (seen["method"], seen["wrong"], len(seen["looked"])) == ("grad_cam", True, 12)
    place = said["answers"]["samples"][0]["place"]
    image, truth = run.material.parts["validation"].batch(np.array([place]))
    model, prepare = run.assembled.trainer.model, run.assembled.trainer.steps.prepare
    first = seen["looked"][0]
    assert first["truth"] == truth[0] != first["answer"]
    model.load_state_dict(load_checkpoint(run.folder.checkpoints / "best.safetensors")[0]["model"])
    heat = grad_cam(model, prepare(dg.Tensor(image)), [first["answer"]])
    assert np.array_equal(pixels(first["heat"]), np.moveaxis(overlay(image[0], heat[0]), 0, -1))
    assert (seen["kernels"]["count"], seen["kernels"]["shape"]) == (5, [1, 3, 3])
    assert [len(sample["layers"]) for sample in seen["maps"]] == [2, 2, 2]
    assert [layer["count"] for layer in seen["maps"][0]["layers"]] == [5, 7]
    script = """
    const images = [...document.querySelectorAll("#sight img")];
    result = {
      images: images.map((image) => image.src),
      heads: [...document.querySelectorAll("#sight h3 .term")].map((e) => e.textContent),
      first: document.querySelector("#sight figcaption").textContent,
    };
    """
    found = probed(assemble(said), script, tmp_path)
    assert len(found["images"]) == 12 * 2 + 1 + 3 * 3
    assert all(pixels(image).size > 1 for image in found["images"])
    assert found["heads"] == ["Where it looked", "The first weights", "Feature maps"]
    assert found["first"] == f"{first['truth']} → {first['answer']}"

    drawn = np.full((40, 40), 255, np.uint8)
    drawn[5:35, 18:22] = 0
    Image.fromarray(drawn).save(tmp_path / "one.png")
    look(Predictor(run.folder), "maps", tmp_path / "one.png", None, tmp_path / "maps.png")
    with Image.open(tmp_path / "maps.png") as maps:  # two rows of tiles, with room below each
        assert maps.size == (7 * 57 - 1, 2 * (56 + 8))


def test_a_network_without_maps_or_without_mistakes(digits: Run, said: dict[str, Any]) -> None:
    seen = said["sight"]
    assert (seen["method"], seen["maps"]) == ("saliency", [])
    assert (seen["kernels"]["count"], seen["kernels"]["shape"]) == (16, [1, 8, 8])
    right = sight(digits, recorded(digits), {"samples": [], "worst": 0, "part": "validation"})
    assert right is not None
    assert not right["wrong"]
    assert [x["truth"] for x in right["looked"]] == recorded(digits).targets[:12].tolist()


def test_what_a_transformer_reads(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("to be,\nor not to be.\n" * 40)
    given = {
        "data": {"source": str(tmp_path / "book.txt"), "length": 12},
        "model": {"name": "gpt", "layers": 2, "heads": 3, "width": 6},
        "train": {"epochs": 1, "backend": "reference"},
    }
    run = Run.create(given, tmp_path / "run")
    run.fit()
    said = content(run)
    tokens = "".join(said["attention"]["tokens"])
    assert tokens == ("to be,\nor not to be.\n" * 40)[int(0.9 * 21 * 40) :][:12]
    model: Any = run.assembled.trainer.model
    model.load_state_dict(load_checkpoint(run.folder.checkpoints / "best.safetensors")[0]["model"])
    maps = model.eval().attention(recorded(run).inputs[:1])
    row = maps[1].numpy()[0, 2, -1]
    script = """
    const heads = [...document.querySelectorAll("#attention .head")];
    heads[5].click();
    const tokens = [...document.querySelectorAll("#attention .token")];
    tokens[11].focus();
    tokens[11].dispatchEvent(new Event("mouseenter"));
    result = {
      heads: heads.length,
      name: document.querySelector("#attention h3").textContent,
      text: tokens.map((token) => token.textContent).join(""),
      own: tokens.findIndex((token) => token.classList.contains("own")),
      shares: tokens.map((token) => token.getAttribute("style").match(/blue\\) (\\d+)%/)[1]),
    };
    """
    found = probed(assemble(said), script, tmp_path)
    assert (found["heads"], found["name"], found["own"]) == (6, "Layer 2, head 3", 11)
    assert found["text"] == tokens.replace("\n", "↵\n")
    assert [int(share) for share in found["shares"]] == pytest.approx(60 * row / row.max(), abs=1)


def test_a_plane_is_painted_and_clicked(tmp_path: Path) -> None:
    given = {"data": {"source": "moons"}, "train": {"epochs": 20, "backend": "reference"}}
    run = Run.create(given, tmp_path / "moons")
    run.fit()
    script = (PROBES / "plane.js").read_text("utf-8")
    found = probed(assemble(content(run)), script, tmp_path)
    network = explainer_of(run).model

    def chances(*point: float) -> np.ndarray:
        return dg.softmax(network(dg.Tensor([point], dtype="float64")), 1).numpy()[0]

    np.testing.assert_allclose(found["chances"], 100 * chances(*found["typed"]), atol=0.06)
    inputs = explainer_of(run).inputs.numpy()
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    room = 0.12 * (high - low)
    place = low - room + [0.25, 0.4] * (high - low + 2 * room)
    pixel = (high - low + 2 * room).max() / 288
    np.testing.assert_allclose(found["typed"], place, atol=1.01 * pixel)  # clicks are whole pixels
    corner = chances(low[0] - room[0], high[1] + room[1])
    assert found["blueish"] == (corner[0] > 0.5)


def test_what_is_said_of_the_digits(digits: Run, said: dict[str, Any]) -> None:
    part = digits.material.parts["validation"]
    images, labels = part.batch(np.arange(len(part)))
    answers = digits.assembled.trainer.predict(images).argmax(axis=1)
    table = np.array(said["answers"]["confusion"])
    for truth, answer in np.ndindex(10, 10):
        assert table[truth, answer] == ((labels == truth) & (answers == answer)).sum()
    assert said["answers"]["wrong"] == (answers != labels).sum()
    worst = said["answers"]["samples"][: said["answers"]["worst"]]
    assert all(s["truth"] != s["answer"] for s in worst)
    chances = dg.softmax(dg.Tensor(digits.assembled.trainer.predict(images)), 1).numpy()
    own = [chances[s["place"], s["truth"]] for s in worst]
    assert own == sorted(own)
    assert own[0] == chances[np.arange(len(part)), labels][answers != labels].min()
    assert all(s["image"].startswith("data:image/png;base64,") for s in worst)
    assert len(said["rows"]) == 4
    assert [layer["parameters"] for layer in said["layers"]] == [64 * 16 + 16, 0, 0, 16 * 10 + 10]
    assert [layer["multiply_adds"] for layer in said["layers"]] == [64 * 16, 0, 0, 160]


def test_health_by_hand(digits: Run, said: dict[str, Any]) -> None:
    explainer = explainer_of(digits)
    weight = explainer.model.get_parameter("layers.0.weight").numpy()
    first = said["health"][0]
    assert first["name"] == "layers.0.weight"
    assert first["std"] == pytest.approx(weight.std())
    assert first["largest"] == pytest.approx(np.abs(weight).max())
    step = explainer.updated["layers.0.weight"] - weight
    assert first["ratio"] == pytest.approx(np.linalg.norm(step) / np.linalg.norm(weight))
    relu = next(row for row in said["health"] if row["type"] == "ReLU")
    hidden = np.maximum(
        explainer.inputs.numpy().reshape(64, -1) @ weight.T
        + explainer.model.get_parameter("layers.0.bias").numpy(), 0,
    )  # fmt: skip
    assert relu["zeros"] == pytest.approx((hidden == 0).mean())
    assert relu["dead"] == (hidden == 0).all(axis=0).mean()


def test_a_report_changes_nothing(digits: Run) -> None:
    before = digits.assembled.trainer.weights(), dg.default_generator.get_state()
    path = write_report(digits)
    assert path == digits.folder.path / "report.html"
    for name, value in digits.assembled.trainer.weights().items():
        assert value.dtype == before[0][name].dtype
        np.testing.assert_array_equal(value, before[0][name])
    assert dg.default_generator.get_state() == before[1]


def test_one_file_and_no_address() -> None:
    """Nothing is loaded from anywhere; modules stand after those they import."""
    page = assemble({"run": "x"})
    assert not re.findall(r"(?:src|href)=[\"']?(?!data:|#)\w", page)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert "default-src 'none'" in page
    for number, name in enumerate(MODULES):
        for other in re.findall(r'from "\./(\w+)\.js"', text(f"{name}.js")):
            assert other in MODULES[:number], (name, other)
    names = [
        name
        for module in MODULES
        for name in re.findall(
            r"^(?:export )?(?:const|let|function|class) (\w+)", text(f"{module}.js"), re.MULTILINE
        )
    ]
    assert len(set(names)) == len(names)  # they share one script


def test_every_text_in_both_languages() -> None:
    strings = json.loads(text("strings.json"))
    script = "\n".join(text(f"{name}.js") for name in MODULES)
    used = set(re.findall(r'\b(?:t|term|section)\("([\w.]+)"', script))
    explained = set(re.findall(r'\bterm\("(\w+)"', script)) | {"loss", "accuracy", "r2", "mae"}
    used |= {f"{name}.tip" for name in explained}
    used |= {f"{name}.about" for name in re.findall(r'\bsection\("(\w+)"', script)}
    assert used <= set(strings), used - set(strings)
    for name, both in strings.items():
        assert set(both) == {"en", "zh"}, name
        assert all(both.values()), name
        places = [sorted(re.findall(r"\{\w+\}", both[k])) for k in ("en", "zh")]
        assert places[0] == places[1], name


def test_a_large_page_stays_small() -> None:
    """A network for MNIST, with what Adam remembers, in less than 2 MB."""
    dg.manual_seed(1)
    model = dg.models.MLP([784, 128, 10])
    adam = Adam(model.parameters())
    x = np.random.default_rng(0).integers(0, 256, (64, 1, 28, 28), dtype=np.uint8)
    labels = np.arange(64) % 10
    explainer = Explainer(
        model,
        CrossEntropyLoss(),
        adam,
        dg.Tensor(x / np.float32(255)),
        dg.Tensor(labels),
    )
    page = assemble({"live": {**(live(explainer) or {}), "inputs": packed(x)}})
    assert 1_600_000 < len(page.encode()) < 1_850_000


def test_networks_that_do_not_run_in_the_page() -> None:
    class Skip(Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Linear(3, 3)

        def forward(self, x: dg.Tensor) -> dg.Tensor:
            return x + self.layer(x)

    class Lion(SGD):
        pass

    plain = Sequential(Linear(3, 3))
    cases = [(Skip(), SGD), (Sequential(Linear(3, 3), dg.nn.Mish()), SGD), (plain, Lion)]
    for model, kind in cases:
        optimizer = kind(model.parameters(), lr=0.1)
        own = Explainer(model, MSELoss(), optimizer, dg.ones(2, 3), dg.zeros(2, 3))
        assert live(own) is None
    sgd = SGD(plain.parameters(), lr=0.1)
    assert live(Explainer(plain, MSELoss(), sgd, dg.ones(2, 3), dg.zeros(2, 3))) is not None


def test_tables_and_series(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{'north' if a > 0 else 'south'},{3 * a + 1:.3f}" for a in rng.normal(size=60)]
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(["size,place,price", *rows]), encoding="utf-8")
    quick = {"epochs": 2, "backend": "reference"}
    run = Run.create(
        {"data": {"source": str(path), "target": "price"}, "train": quick}, tmp_path / "a"
    )
    run.fit()
    said = content(run)
    assert said["answers"]["numbers"]["name"] == "price"
    assert len(said["answers"]["numbers"]["truth"]) == 12
    assert [c["name"] for c in said["live"]["columns"]] == ["size", "place"]
    assert [name for name, _ in said["live"]["shown"][0]] == ["size", "place"]
    series = {"source": str(path), "kind": "series", "target": "price", "window": 4, "horizon": 3}
    run = Run.create({"data": series, "train": quick}, tmp_path / "b")
    run.fit()
    said = content(run)
    assert said["live"] is None
    forecast = said["answers"]["forecast"]
    assert forecast["horizon"] == 3
    assert len(forecast["errors"]) == 3
    assert assemble(said).startswith("<!doctype html>")


def test_a_run_without_what_it_recorded(digits: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(digits.folder.path, copy)
    (copy / "checkpoints" / "best.safetensors").rename(tmp_path / "best.safetensors")
    with pytest.raises(DataError, match=r"best\.safetensors"):
        write_report(Run.open(copy))
    (tmp_path / "best.safetensors").rename(copy / "checkpoints" / "best.safetensors")
    (copy / "record.safetensors").unlink()
    with pytest.raises(DataError, match=r"record\.safetensors.*missing"):
        write_report(Run.open(copy))
    shutil.copy(copy / "checkpoints" / "best.safetensors", copy / "record.safetensors")
    with pytest.raises(DataError, match="inputs, targets and indices"):
        write_report(Run.open(copy))
