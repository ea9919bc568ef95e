"""The language: types, trees, graphs, how they print, and the passes over them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.backends import reference
from deepglass.backends.recorded import Recorded
from deepglass.errors import DeepglassError, DTypeError
from deepglass.graph.graph import Graph, Node, ancestors
from deepglass.graph.op import REGISTRY, Op
from deepglass.graph.tree import flatten, map_leaves, unflatten
from deepglass.graph.types import DTYPES, TensorType, dtype_of
from deepglass.ops.after import after
from deepglass.passes import optimize
from deepglass.passes.cse import merge_common
from deepglass.passes.expand import expand
from deepglass.passes.round import round_factors
from deepglass.passes.simplify import simplify
from deepglass.passes.widen import widen


def graph_of(function: Any, *shapes: Any) -> Graph:
    """The graph of a function of float32 arrays of these shapes, as it was recorded."""
    arguments = [s if isinstance(s, np.ndarray) else np.ones(s, np.float32) for s in shapes]
    graph: Graph = dg.compile(function, backend="reference").program(*arguments).graph
    return graph


def steps(graph: Graph) -> list[str]:
    """The page of a graph without types, layers and lines."""
    lines = str(graph).split("\n")[1:]
    return [re.split(r" {3,}", line.strip())[0] for line in lines]


# Types and trees ------------------------------------------------------------------------


def test_dtypes_by_every_name() -> None:
    for spec in ("float32", np.float32, np.dtype("f4"), dg.float32, "f4"):
        assert dtype_of(spec) is dg.float32
    for dtype in DTYPES.values():
        assert dtype.numpy.name == dtype.name
        assert dtype.numpy.itemsize == dtype.bytes
    assert repr(dg.float32) == "deepglass.float32"
    with pytest.raises(DTypeError, match=r"one of bool, uint8.*got 'float8'"):
        dtype_of("float8")


class Point(NamedTuple):
    x: Any
    y: Any


@pytest.mark.parametrize(
    "tree",
    [
        1,
        [],
        (),
        {},
        [1, [2, (3,)]],
        {"b": 1, "a": {"c": (2, 3)}},
        Point(1, [2]),
        [Point(1, 2), None],
    ],
)
def test_trees_come_apart_and_together(tree: Any) -> None:
    leaves, structure = flatten(tree)
    assert unflatten(structure, iter(leaves)) == tree
    assert type(unflatten(structure, iter(leaves))) is type(tree)
    hash(structure)
    doubled = map_leaves(lambda x: x if x is None else 2 * x, tree)
    assert flatten(doubled)[0] == [x if x is None else 2 * x for x in leaves]


def test_trees_of_different_shape_have_different_structures() -> None:
    trees = [1, [1], (1,), {"a": 1}, {"b": 1}, [[1]], [1, 2], [(1,)], Point(1, 2), (1, 2)]
    assert len({flatten(t)[1] for t in trees}) == len(trees)


# Graphs ---------------------------------------------------------------------------------


def test_ancestors_come_before_their_users() -> None:
    graph = graph_of(lambda x: (x.exp() + x) * x.exp(), (3,))
    seen: set[int] = set()
    for node in ancestors(graph.results):
        assert all(i.id in seen for i in node.inputs)
        assert node.id not in seen
        seen.add(node.id)


def test_nodes_tell_the_users_line_and_layer() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.Tanh()))

    def function(x: Any) -> Any:
        y = model(x)
        return y.exp()

    first = function.__code__.co_firstlineno
    told = {n.op.name: (n.path, n.source) for n in graph_of(function, (5, 3)).nodes()}
    assert told["matmul"] == ("0", f"test_graph.py:{first + 1}")
    assert told["tanh"] == ("1.0", f"test_graph.py:{first + 1}")
    assert told["exp"] == ("", f"test_graph.py:{first + 2}")


def test_verify_accepts_what_was_recorded_and_finds_what_was_not() -> None:
    graph = graph_of(lambda x: x.exp().sum(0), (2, 3))
    graph.verify()
    total = graph.outputs[0]
    wrong = Node(total.op, TensorType((2,), dg.float32), total.inputs, total.params)
    wrong.source = "net.py:7"
    with pytest.raises(
        DeepglassError, match=r"sum at net.py:7 says float32\[2\], inferred .*\[3\]"
    ):
        Graph(graph.inputs, graph.state, (wrong,)).verify()


def test_verify_checks_the_type_of_new_state() -> None:
    total = dg.Buffer(np.zeros(3, "f4"))
    total.name = "total"
    graph = graph_of(lambda x: total.copy_(total + x).shape, (3,))
    graph.verify()
    ((state, _),) = graph.updates
    wrong = Graph(
        graph.inputs, graph.state, (), ((state, graph_of(lambda x: x * 2, (5,)).outputs[0]),)
    )
    with pytest.raises(DeepglassError, match=r"total is float32\[3\], its new value float32\[5\]"):
        wrong.verify()


def test_op_names_are_unique() -> None:
    with pytest.raises(ValueError, match="names are unique; 'exp'"):
        Op(name="exp", infer=lambda x: x, reference=np.exp, kernel=REGISTRY["exp"].kernel)
    assert repr(REGISTRY["exp"]) == "<op exp>"


# On paper -------------------------------------------------------------------------------

PAGE = """\
program(x: float32[5, 3], target: int64[5, 1])
  state weight: float32[2, 3]
  state bias: float32[2]
  state total: float32[]
  v₁ = x @ weightᵀ   float32[5, 2]   test_graph.py:2
  v₂ = v₁ + bias   float32[5, 2]   test_graph.py:2
  v₃ = relu(v₂)   float32[5, 2]   test_graph.py:2
  v₄ = softmax(v₃, 1)   float32[5, 2]   test_graph.py:3
  v₅ = gather(v₄, target, 1)   float32[5, 1]   test_graph.py:3
  v₆ = Σ(v₅, (0, 1))   float32[]   test_graph.py:3
  v₇ = v₃[((0, 2, 1), (1, 2, 1))]   float32[2, 1]   test_graph.py:5
  v₈ = reshape(v₇, (2,))   float32[2]   test_graph.py:5
  v₉ = Σ(v₃, (0, 1))   float32[]   test_graph.py:5
  v₁₀ = max(v₉, 1)   float32[]   test_graph.py:5
  v₁₁ = v₆ · 0.5   float32[]   test_graph.py:4
  v₁₂ = total + v₁₁   float32[]   test_graph.py:4
  total ← v₁₂   test_graph.py:4
  return v₆, v₈, v₁₀"""


def test_a_graph_is_a_page_of_mathematics() -> None:
    model, total = nn.Linear(3, 2), dg.Buffer(np.float32(0))
    total.name = "total"

    def step(x: Any, target: Any) -> Any:
        h = dg.relu(model(x))
        loss = h.softmax(1).gather(1, target).sum()
        total.copy_(total + loss * 0.5)
        return loss, h[:2, 1], dg.maximum(h.sum(), 1)

    first = step.__code__.co_firstlineno - 1
    text = str(graph_of(step, (5, 3), np.zeros((5, 1), int)))
    text = re.sub(r"test_graph.py:(\d+)", lambda m: f"test_graph.py:{int(m[1]) - first}", text)
    assert re.sub(r"(?<=\S) {3,}", "   ", text) == PAGE


def test_columns_of_a_page_stand_below_one_another() -> None:
    lines = str(graph_of(lambda x: (x.exp() * x).sum(0).tanh(), (2, 3))).split("\n")[1:-1]
    assert len({line.index("float32[") for line in lines}) == 1
    assert len({line.index("test_graph.py") for line in lines}) == 1


def test_expressions_within_expressions_have_brackets() -> None:
    page = steps(graph_of(lambda x, y: (x.T @ (y + 1), dg.where(x > 0, x, 2.0)), (5, 2), (5, 3)))
    assert page == ["v₁ = y + 1", "v₂ = xᵀ @ v₁", "v₃ = x > 0", "v₄ = (x if v₃ else 2)",
                    "return v₂, v₄"]  # fmt: skip


def test_dot_names_every_node_and_edge() -> None:
    text = graph_of(lambda x: x.exp() + x, (2,)).dot()
    ids = {found: f"n{k}" for k, found in enumerate(dict.fromkeys(re.findall(r"\bn\d+", text)))}
    text = re.sub(r"\bn\d+", lambda m: ids[m[0]], text)
    assert text.split("\n") == [
        "digraph program {",
        "  rankdir=LR; node [shape=box];",
        r'  n0 [label="x\nfloat32[2]"];',
        r'  n1 [label="exp\nfloat32[2]"];',
        "  n0 -> n1;",
        r'  n2 [label="add\nfloat32[2]"];',
        "  n1 -> n2;",
        "  n0 -> n2;",
        "}",
    ]


# Passes: before --> after ---------------------------------------------------------------

REWRITES: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "drop_alias": (
        simplify, lambda x: x.detach() + x,
        ["v₁ = x + x", "return v₁"], ["v₁ = x + x", "return v₁"],
    ),
    "drop_identity: slice": (
        simplify, lambda x: x[:] + 1,
        ["v₁ = x[((0, 2, 1), (0, 3, 1))]", "v₂ = v₁ + 1", "return v₂"], ["v₁ = x + 1", "return v₁"],
    ),
    "merge_views": (
        simplify, lambda x: x.reshape(6).reshape(3, 2),
        ["v₁ = reshape(x, (6,))", "v₂ = reshape(v₁, (3, 2))", "return v₂"],
        ["v₁ = reshape(x, (3, 2))", "return v₁"],
    ),
    "merge_views: back again": (
        simplify, lambda x: x.reshape(6).reshape(2, 3) * 2,
        ["v₁ = reshape(x, (6,))", "v₂ = reshape(v₁, (2, 3))", "v₃ = v₂ · 2", "return v₃"],
        ["v₁ = x · 2", "return v₁"],
    ),
    "merge_transposes": (
        simplify, lambda x: x.reshape(2, 3, 1).permute(1, 2, 0).permute(1, 2, 0) * 2,
        ["v₁ = reshape(x, (2, 3, 1))", "v₂ = v₁ᵀᵀ · 2", "return v₂"],
        ["v₁ = reshape(x, (2, 3, 1))", "v₂ = v₁ᵀ · 2", "return v₂"],
    ),
    "merge_transposes: back again": (
        simplify, lambda x: x.T.T * 2, ["v₁ = xᵀᵀ · 2", "return v₁"], ["v₁ = x · 2", "return v₁"],
    ),
    "fold_constants": (
        simplify, lambda x: x * (dg.tensor(2.0) * 3 + 1),
        ["v₁ = 2 · 3", "v₂ = v₁ + 1", "v₃ = x · v₂", "return v₃"], ["v₁ = x · 7", "return v₁"],
    ),
    "view_of_scalar": (
        simplify, lambda x: dg.ones(1).broadcast_to(6).reshape(2, 3) * 0.5 + x,
        ["v₁ = reshape(1, (2, 3))", "v₂ = v₁ · 0.5", "v₃ = v₂ + x", "return v₃"],
        ["v₁ = reshape(1, (2, 3))", "v₂ = v₁ · 0.5", "v₃ = v₂ + x", "return v₃"],
    ),
    "neutral_factor": (
        simplify, lambda x: 1 * x * 1.0 / 1 + x,
        ["v₁ = 1 · x", "v₂ = v₁ · 1", "v₃ = v₂ / 1", "v₄ = v₃ + x", "return v₄"],
        ["v₁ = x + x", "return v₁"],
    ),
    "neutral_addend": (
        simplify, lambda x: x + -0.0 + 0.0,
        ["v₁ = x + -0", "v₂ = v₁ + 0", "return v₂"], ["v₁ = x + 0", "return v₁"],
    ),
    "early_number": (
        simplify, lambda x: after(dg.tensor(2.0), x) + after(x, x + 1),
        ["v₁ = 2 after x", "v₂ = x + 1", "v₃ = x after v₂", "v₄ = v₁ + v₃", "return v₄"],
        ["v₁ = x + 1", "v₂ = x after v₁", "v₃ = 2 + v₂", "return v₃"],
    ),
    "merge_common": (
        merge_common, lambda x: x.exp() + x.exp(),
        ["v₁ = exp(x)", "v₂ = exp(x)", "v₃ = v₁ + v₂", "return v₃"],
        ["v₁ = exp(x)", "v₂ = v₁ + v₁", "return v₂"],
    ),
    "merge_common: other parameters stay apart": (
        merge_common, lambda x: (x.sum(0), x.sum(0, keepdim=True), x.sum(0)),
        ["v₁ = Σ(x, (0,))", "v₂ = Σ(x, (0,))", "v₃ = Σ(x, (0,))", "return v₁, v₂, v₃"],
        ["v₁ = Σ(x, (0,))", "v₂ = Σ(x, (0,))", "return v₁, v₂, v₁"],
    ),
    "merge_common: zeros of both signs stay apart": (
        merge_common, lambda x: (x / 0.0, x / -0.0),
        ["v₁ = x / 0", "v₂ = x / -0", "return v₁, v₂"],
        ["v₁ = x / 0", "v₂ = x / -0", "return v₁, v₂"],
    ),
    "widen": (
        widen, lambda x: x.half().exp() + 1,
        ["v₁ = float16(x)", "v₂ = exp(v₁)", "v₃ = v₂ + 1", "return v₃"],
        ["v₁ = float16(x)", "v₂ = float32(v₁)", "v₃ = exp(v₂)", "v₄ = float16(v₃)",
         "v₅ = float32(v₄)", "v₆ = float32(1)", "v₇ = v₅ + v₆", "v₈ = float16(v₇)", "return v₈"],
    ),
    "widen: composites and sums round once": (
        widen, lambda x: dg.softmax(x.bfloat16()).sum(0),
        ["v₁ = bfloat16(x)", "v₂ = softmax(v₁, 1)", "v₃ = Σ(v₂, (0,))", "return v₃"],
        ["v₁ = bfloat16(x)", "v₂ = float32(v₁)", "v₃ = softmax(v₂, 1)", "v₄ = bfloat16(v₃)",
         "v₅ = float32(v₄)", "v₆ = Σ(v₅, (0,))", "v₇ = bfloat16(v₆)", "return v₇"],
    ),
    "widen: what moves stays": (
        widen, lambda x: dg.pad(x.half().T.reshape(6)[1:], (1, 2), value=0.5),
        ["v₁ = float16(x)", "v₂ = reshape(v₁ᵀ, (6,))", "v₃ = v₂[((1, 6, 1),)]",
         "v₄ = pad(v₃, ((1, 2, 0),), 0.5)", "return v₄"],
        ["v₁ = float16(x)", "v₂ = reshape(v₁ᵀ, (6,))", "v₃ = v₂[((1, 6, 1),)]",
         "v₄ = pad(v₃, ((1, 2, 0),), 0.5)", "return v₄"],
    ),
    "widen: float32 is the only door": (
        widen, lambda x: (x.double().half(), x.half().int(), (x > 0).half()),
        ["v₁ = float64(x)", "v₂ = float16(v₁)", "v₃ = float16(x)", "v₄ = int32(v₃)",
         "v₅ = x > 0", "v₆ = float16(v₅)", "return v₂, v₄, v₆"],
        ["v₁ = float64(x)", "v₂ = float32(v₁)", "v₃ = float16(v₂)", "v₄ = float16(x)",
         "v₅ = float32(v₄)", "v₆ = int32(v₅)", "v₇ = x > 0", "v₈ = float32(v₇)",
         "v₉ = float16(v₈)", "return v₃, v₆, v₉"],
    ),
    "widen: counters too": (
        widen, lambda x: x.half() + dg.iota((2, 3), dim=1, dtype=dg.float16),
        ["v₁ = float16(x)", "v₂ = iota((2, 3), 1)", "v₃ = v₁ + v₂", "return v₃"],
        ["v₁ = float16(x)", "v₂ = float32(v₁)", "v₃ = iota((2, 3), 1)", "v₄ = float16(v₃)",
         "v₅ = float32(v₄)", "v₆ = v₂ + v₅", "v₇ = float16(v₆)", "return v₇"],
    ),
    "expand": (
        expand, lambda x: dg.relu(x) * dg.softmax(x),
        ["v₁ = relu(x)", "v₂ = softmax(x, 1)", "v₃ = v₁ · v₂", "return v₃"],
        ["v₁ = max(x, 0)", "v₂ = max(x, (1,))", "v₃ = x - v₂", "v₄ = exp(v₃)", "v₅ = Σ(v₄, (1,))",
         "v₆ = v₄ / v₅", "v₇ = v₁ · v₆", "return v₇"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITES)
def test_a_pass_turns_before_into_after(name: str) -> None:
    rewrite, function, before, after = REWRITES[name]
    graph = graph_of(function, (2, 3))
    assert steps(graph) == before
    rewritten = rewrite(graph)
    rewritten.verify()
    assert steps(rewritten) == after
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    for got, expected in zip(_run(rewritten, x), _run(graph, x), strict=True):
        assert got.tobytes() == expected.tobytes()


def test_rounded_products_read_rounded_factors() -> None:
    graph = graph_of(lambda x: (x @ x.T).exp() @ x, (2, 3))
    assert steps(graph) == ["v₁ = x @ xᵀ", "v₂ = exp(v₁)", "v₃ = v₂ @ x", "return v₃"]
    assert steps(merge_common(round_factors(graph))) == [
        "v₁ = bfloat16(x)", "v₂ = float32(v₁)", "v₃ = bfloat16(xᵀ)", "v₄ = float32(v₃)",
        "v₅ = v₂ @ v₄", "v₆ = exp(v₅)", "v₇ = bfloat16(v₆)", "v₈ = float32(v₇)", "v₉ = v₈ @ v₂",
        "return v₉",
    ]  # fmt: skip


def _run(graph: Graph, *arrays: np.ndarray) -> list[np.ndarray]:
    return reference.compile(Recorded.already(graph), [])(arrays)


def test_an_expansion_keeps_line_and_layer() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    graph = expand(graph_of(lambda x: model(x), (5, 3)))
    told = {n.op.name: n.path for n in graph.nodes()}
    assert told["maximum"] == "1"
    assert all(n.source.startswith("test_graph.py:") for n in graph.nodes() if n.inputs)


def test_broadcasts_of_broadcasts_become_one() -> None:
    graph = simplify(graph_of(lambda x: x.broadcast_to(5, 1, 3).broadcast_to(7, 5, 2, 3), (3,)))
    assert [n.op.name for n in graph.nodes()] == ["input", "broadcast"]


def test_a_view_of_a_repeated_number_is_the_number_repeated() -> None:
    graph = simplify(graph_of(lambda x: dg.tensor(2.0).broadcast_to(6).reshape(2, 3) + x, (2, 3)))
    assert [n.op.name for n in graph.nodes()] == ["constant", "broadcast", "input", "add"]


def test_draws_of_random_numbers_stay_apart() -> None:
    graph = optimize(graph_of(lambda: (dg.rand(3), dg.rand(3))))
    assert sum(n.op.name == "threefry" for n in graph.nodes()) == 2


def test_what_nobody_needs_is_not_computed() -> None:
    graph = optimize(graph_of(lambda x: (x.exp(), x.tanh())[0], (3,)))
    assert [n.op.name for n in graph.nodes()] == ["input", "exp"]


def test_optimizing_keeps_the_state_and_its_order() -> None:
    a, b = dg.Buffer(np.zeros(3, "f4")), dg.Buffer(np.ones(3, "f4"))
    a.name, b.name = "a", "b"

    def exchange() -> None:
        first = a * 1
        a.copy_(b)
        b.copy_(first)

    graph = graph_of(exchange)
    for g in (graph, optimize(graph)):
        assert [n.name for n in g.state] == ["a", "b"]
        assert [s.name for s, _ in g.updates] == ["a", "b"]
    assert [new.name for _, new in optimize(graph).updates] == ["b", "a"]
