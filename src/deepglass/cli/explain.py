"""``deepglass explain``: every number behind one weight, or what decides about an image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..explain import Explanation, parse_weight
from ..report import explainer_of
from ..runs import Run
from ..runs.predictor import Predictor
from .arguments import Json, RunName, find_run
from .screen import console, listing, print_json
from .sight import look

SHOWN = 8  # terms of a sum


def explain(
    run: RunName,
    weight: Annotated[
        str | None,
        typer.Option(
            help="Name and index, such as layers.0.weight[3,17].",
            metavar="WEIGHT",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=0, help="Of the recorded batch.")] = 0,
    method: Annotated[
        str | None,
        typer.Option(
            help="What to show of an image: gradcam, saliency or occlusion (which parts decide), "
            "maps (what the convolutions make of it), kernels (the first weights).",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="The image that is looked at.", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--class", help="The class asked about.", show_default="the answer"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="PNG file to write.", show_default="METHOD.png"),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a weight does, or what a network sees in an image.

    Of a weight: its part in the output, its gradient, its next value. The numbers are those of
    the best state, on the samples that the run recorded: the forward sum of one sample, the
    gradient as the chain rule has it, and the next step of the optimizer.

    Of an image: a picture, with heat over what spoke for the answer.

    Examples:

        deepglass explain digits-mlp-1 --weight "layers.0.weight[3,17]" --sample 5
        deepglass explain photos-convnet-1 --image cat.jpg --method gradcam -o cat.png
        deepglass explain photos-convnet-1 --method kernels
    """
    if (weight is None) == (method is None):
        raise typer.BadParameter("either --weight or --method says what to explain.")
    if method is not None:
        look(Predictor(find_run(run)), method, image, name, out or Path(f"{method}.png"))
        return
    assert weight is not None
    path, index = parse_weight(weight)
    folder = find_run(run)
    found = explainer_of(Run(folder, folder.config())).explain(path, index, sample)
    if json:
        print_json(_plain(found))
        return
    console.print(f"{found.name}{list(found.index)} = {found.weight:.6g}", markup=False)
    _forward(found)
    _chain(found)
    _step(found)


def _number(value: float) -> str:
    return f"{value:.6g}"


def _strongest(values: np.ndarray) -> Iterable[int]:
    return (int(i) for i in np.argsort(-np.abs(values), kind="stable")[:SHOWN])


def _section(title: str, head: list[str], rows: list[list[str]], left: int, rest: float) -> None:
    """A sum: its largest terms, and what the others come to."""
    if left > 0:
        rows.append([f"{left:,} more", *[""] * (len(head) - 2), _number(rest)])
    console.print(f"\n{title}", markup=False)
    listing(head, rows)


def _forward(found: Explanation) -> None:
    own = found.name.rpartition(".")[2], found.index
    terms = found.terms()
    products = np.array([value * factor for *_, value, factor in terms])
    chosen = list(_strongest(products))
    mine = next(k for k, (name, index, *_) in enumerate(terms) if (name, index) == own)
    if mine not in chosen:
        chosen[-1:] = [mine]
    rows = [
        [
            f"{'→ ' if k == mine else ''}{terms[k][0]}{list(terms[k][1])}",
            _number(terms[k][2]),
            _number(terms[k][3]),
            _number(products[k]),
        ]
        for k in chosen
    ]
    rest = float(products.sum() - products[chosen].sum())
    title = f"forward: output {list(found.position)} of {found.layer or 'the network'}"
    title += f" for sample {found.sample} = {_number(found.output)}, the sum of"
    _section(title, ["term", "weight", "input", "product"], rows, len(terms) - len(chosen), rest)


def _chain(found: Explanation) -> None:
    parts = found.by_sample
    flat = found.deltas.reshape(len(parts), -1), found.factors.reshape(len(parts), -1)
    single = [np.count_nonzero(f) <= 1 for f in flat[1]]
    chosen = list(_strongest(parts))
    rows = []
    for n in chosen:
        place = int(np.abs(flat[1][n]).argmax())
        uses = np.count_nonzero(flat[1][n])
        rows.append(
            [
                f"sample {n}",
                _number(flat[0][n][place]) if single[n] else f"{uses} places",
                _number(flat[1][n][place]) if single[n] else "",
                _number(parts[n]),
            ]
        )
    title = f"gradient = {_number(found.gradient)}, the sum over samples of delta x input"
    rest = float(parts.sum() - parts[chosen].sum())
    _section(title, ["", "delta", "input", "product"], rows, len(parts) - len(chosen), rest)
    _delta(found)


def _delta(found: Explanation) -> None:
    """Where the delta of the chosen output comes from."""
    title = f"delta of output {list(found.position)} for sample {found.sample}"
    title += f" = {_number(found.delta)}"
    if found.paths is not None:
        products, slopes = found.paths.products, found.paths.slopes
        chosen = [k for k in _strongest(products) if products.flat[k] or slopes.flat[k]]
        rows = [
            [
                str([int(i) for i in np.unravel_index(k, products.shape)]),
                _number(found.paths.deltas.flat[k]),
                _number(slopes.flat[k]),
                _number(products.flat[k]),
            ]
            for k in chosen
        ]
        rest = float(products.sum() - products.flat[chosen].sum()) if chosen else 0.0
        title += f", the sum over the outputs of {found.paths.layer} of delta x slope"
        left = int(np.count_nonzero(products)) - len(chosen)
        _section(title, ["output", "delta", "slope", "product"], rows, left, rest)
    elif found.probabilities is not None and found.target is not None:
        (place,) = found.position
        truth = int(place == found.target)
        console.print(
            f"\n{title} = (probability {_number(float(found.probabilities[place]))} - truth "
            f"{truth}) / {len(found.deltas)} samples",
            markup=False,
        )
    else:
        console.print(f"\n{title}, from the loss", markup=False)


def _step(found: Explanation) -> None:
    rows = [["g", "gradient", _number(found.gradient)]]
    if found.clipping != 1:
        clipped = found.gradient * found.clipping
        rows.append(["g", f"g x {_number(found.clipping)}, the norm is clipped", _number(clipped)])
    rows += [[line.name, line.rule, _number(line.value)] for line in found.lines]
    console.print("\nthe optimizer's next step")
    listing(["", "", "value"], rows)
    console.print(f"\nnew value {_number(found.new)}")


def _plain(found: Explanation) -> dict[str, object]:
    return {
        "weight": f"{found.name}{list(found.index)}",
        "value": found.weight,
        "sample": found.sample,
        "layer": found.layer,
        "position": list(found.position),
        "output": found.output,
        "terms": [
            {"parameter": f"{name}{list(index)}", "value": value, "input": factor}
            for name, index, value, factor in found.terms()
        ],
        "delta": found.delta,
        "by_sample": found.by_sample.tolist(),
        "gradient": found.gradient,
        "clipping": found.clipping,
        "step": [{"name": x.name, "rule": x.rule, "value": x.value} for x in found.lines],
        "new": found.new,
    }
