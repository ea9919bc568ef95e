"""Roots, groups, levels and memory: what the lowering decides, on small programs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deepglass as dg
from deepglass import nn
from deepglass.backends.native.ir import Program
from deepglass.backends.native.listing import text_of
from deepglass.backends.native.memory import ALIGNMENT, Lifetime, place
from deepglass.graph.tensor import Buffer
from deepglass.nn import functional


def loops(function, *arrays) -> Program:
    return dg.compile(function, backend="native").program(*arrays).executable.loops


def labels(program: Program) -> list[list[str]]:
    return [[n.label for phase in level for n in phase.nests] for level in program.levels]


def training_step(model: nn.Module, **settings: float):
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1, **settings)

    def step(x, y):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def test_bias_activation_and_cast_melt_into_the_product():
    weight, bias = dg.tensor(np.ones((7, 5))), dg.tensor(np.ones(7))
    program = loops(lambda x: functional.relu(functional.linear(x, weight, bias)), np.ones((3, 5)))
    assert labels(program) == [["matmul + maximum"]]


def test_the_step_of_an_mlp_takes_one_barrier():
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    program = loops(
        training_step(model, momentum=0.9), np.ones((64, 784), "float32"), np.zeros(64, "int64")
    )
    assert len(program.levels) == 2
    forward = program.levels[0][0]
    assert forward.rows is not None
    assert forward.rows.extent == 64
    updates = [name for name in labels(program)[1] if "matmul" in name and "sub" in name]
    assert len(updates) == 2, "the updates of both weights are epilogues of their gradients"


def test_the_slope_of_an_activation_is_kept_instead_of_what_it_is_made_of():
    """Of gelu's values only the result and the slope are there in the backward pass."""
    first, second = nn.Linear(40, 48), nn.Linear(48, 24)
    model = nn.Sequential(first, nn.GELU(), second)
    program = loops(training_step(model), np.ones((32, 40), np.float32), np.zeros(32, np.int64))
    nests = [n for level in program.levels for phase in level for n in phase.nests]
    (forward,) = (n for n in nests if "erf(" in str(n))
    assert len(forward.stores) == 2
    others = [n for n in nests if n is not forward and "exp(" in str(n)]
    assert not any(axis.extent == 48 for n in others for axis in n.axes)


def test_threads_share_columns_where_all_rows_read_a_large_factor():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((19, 300), "float32")
    w, v = (rng.standard_normal(s, "float32") for s in ((300, 700), (700, 900)))
    layers = dg.compile(lambda x, w, v: functional.relu(x @ w) @ v, backend="native")
    program = layers.program(x, w, v).executable.loops
    shared = [[phase.rows.extent for phase in level] for level in program.levels]
    assert shared == [[700], [900]], "other columns are read behind a barrier"
    exact = np.maximum(x.astype(float) @ w, 0) @ v
    np.testing.assert_allclose(layers(x, w, v).numpy(), exact, atol=2e-3)


def test_threads_share_columns_of_a_large_factor_that_is_seen_under_another_shape():
    x, y = np.ones((8, 300, 19), "float32"), np.ones((8, 300, 700), "float32")

    def products(x, y):
        x, y = dg.exp(x), dg.exp(y)
        return x.reshape(2400, 19).T @ y.reshape(2400, 700)

    levels = loops(products, x, y).levels
    assert [phase.rows.extent for phase in levels[-1]] == [700]


def test_threads_share_rows_where_the_large_factor_is_theirs():
    x, w = np.ones((700, 300), "float32"), np.ones((300, 19), "float32")
    ((phase,),) = loops(lambda x, w: x @ w, x, w).levels
    assert phase.rows.extent == 700


@pytest.mark.parametrize(("width", "large"), [(64, False), (512, True)])
def test_large_weights_are_asked_for_while_their_gradient_is_found(width, large):
    step = training_step(nn.Sequential(nn.Linear(width, 512)))
    program = loops(step, np.ones((70, width), "float32"), np.zeros(70, "int64"))
    assert any("llvm.prefetch" in text for text in text_of(program, "llvm")) == large


@pytest.mark.parametrize(("rows", "large"), [(256, False), (4096, True)])
def test_the_next_panel_is_asked_for_where_it_comes_from_large_memory(rows, large):
    x, y = np.ones((rows, 64), "float32"), np.ones((rows, 96), "float32")
    program = loops(lambda x, y: x.T @ y, x, y)
    assert any("llvm.prefetch" in text for text in text_of(program, "llvm")) == large


def test_a_slope_waits_instead_of_being_computed_again():
    """Of the tanh form no more is kept with the slope than without, and tanh is found once."""
    model = nn.Sequential(nn.Linear(40, 48), nn.GELU("tanh"), nn.Linear(48, 24))
    program = loops(training_step(model), np.ones((32, 40), np.float32), np.zeros(32, np.int64))
    nests = [n for level in program.levels for phase in level for n in phase.nests]
    (found,) = (n for n in nests if "sigmoid(" in str(n))
    assert len(found.stores) == 2


def test_a_convolution_net_takes_five_barriers_and_no_serial_image_loop():
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 14 * 14, 10),
    )  # fmt: skip
    program = loops(
        training_step(model), np.ones((64, 1, 28, 28), "float32"), np.zeros(64, "int64")
    )
    assert len(program.levels) == 6
    for level in program.levels:
        for phase in level:
            for nest in phase.nests if phase.rows is None else ():
                points = np.prod([a.extent for a in (*nest.axes, *nest.over)])
                assert points < 20_000, nest.label


def test_sums_over_the_same_elements_share_one_pass():
    program = loops(
        lambda x: (dg.sum(x, 1), dg.sum(x * x, 1), dg.sum(dg.exp(x), 1)), np.ones((64, 500))
    )
    (nest,) = [n for phase in program.levels[0] for n in phase.nests]
    assert len(nest.accums) == 3


def test_not_every_sum_shares_one_pass():
    """They would need more registers than there are, and keep what they sum in memory."""
    x = np.random.default_rng(0).standard_normal((300, 70))
    many = dg.compile(lambda x: [dg.sum(x * k, 1) for k in range(40)], backend="native")
    (level,) = many.program(x).executable.loops.levels
    counts = [len(n.accums) for phase in level for n in phase.nests]
    assert sum(counts) == 40
    assert max(counts) == 8
    for k, total in enumerate(many(x)):
        np.testing.assert_allclose(total, (x * k).sum(1), atol=1e-9)
    unlike = loops(lambda x, y: (dg.sum(x, 1), dg.sum(y, 1)), x, x)
    assert [len(n.accums) for phase in unlike.levels[0] for n in phase.nests] == [1, 1]


def test_random_masks_are_made_again_and_never_stored():
    x = np.ones((64, 100), np.float32)

    def function(x):
        generator = dg.Generator(3)
        return dg.value_and_grad(
            lambda v: dg.sum(functional.dropout(v, 0.5, generator=generator) * v)
        )(x)

    program = loops(function, x)
    stored = {store.buffer for level in program.levels for phase in level
              for nest in phase.nests for store in nest.stores}  # fmt: skip
    assert not any(buffer.dtype in (dg.uint32, dg.bool) for buffer in stored)


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_swapped_state_is_swapped(backend):
    a, b = Buffer(np.arange(5.0)), Buffer(np.arange(5.0) + 10)

    @dg.compile(backend=backend)
    def swap():
        old_a, old_b = a * 1.0, b * 1.0
        a.rebind(old_b.node)
        b.rebind(old_a.node)

    for _ in range(3):
        swap()
    np.testing.assert_array_equal(a.numpy(), np.arange(5.0) + 10)
    np.testing.assert_array_equal(b.numpy(), np.arange(5.0))


@pytest.mark.parametrize("first", ["a", "b"])
def test_state_that_follows_state_takes_its_old_value(first):
    rng = np.random.default_rng(0)
    start_a, start_b, x = (rng.standard_normal((17, 40)) for _ in range(3))
    a, b = Buffer(start_a), Buffer(start_b)

    @dg.compile(backend="native")
    def step(x):
        product = a @ a.T  # which a waits for, and so b, that waits for a
        new = {"a": (a, b * 2.0), "b": (b, x * 0.5)}
        for state, value in (new.pop(first), *new.values()):
            state.rebind(value.node)
        return product

    np.testing.assert_allclose(step(x).numpy(), start_a @ start_a.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(a.numpy(), start_b * 2.0)
    np.testing.assert_array_equal(b.numpy(), x * 0.5)


@pytest.mark.parametrize("shift", [-1, 1])
def test_state_read_at_other_places_is_not_overwritten_too_early(shift):
    rng = np.random.default_rng(0)
    start = rng.standard_normal(50)
    a = Buffer(start)

    @dg.compile(backend="native")
    def smooth():
        moved = dg.cat([a[1:], a[:1]]) if shift > 0 else dg.cat([a[-1:], a[:-1]])
        a.rebind((a + moved).node)

    smooth()
    smooth()
    once = start + np.roll(start, -shift)
    np.testing.assert_allclose(a.numpy(), once + np.roll(once, -shift), rtol=1e-14)


def test_a_matrix_multiplied_by_itself_in_place():
    rng = np.random.default_rng(1)
    start = rng.standard_normal((20, 20))
    a = Buffer(start)
    square = dg.compile(lambda: a.rebind((a @ a).node), backend="native")
    square()
    np.testing.assert_allclose(a.numpy(), start @ start, rtol=1e-12, atol=1e-13)


def test_positions_outside_are_nan_and_touch_no_memory():
    x = np.arange(4.0)
    positions = np.array([0.0, 3.0, 4.0, -1.0, 1e9])

    def pick(x, p):
        return dg.gather(x, 0, p.to("int64"))

    found = dg.compile(pick, backend="native")(x, positions)
    np.testing.assert_array_equal(found.numpy(), [0.0, 3.0, np.nan, np.nan, np.nan])


def test_additions_outside_are_left_out():
    def add(x, p):
        return dg.scatter_add(x, 0, p.to("int64"), dg.ones(3, dtype="float64") * float("inf"))

    found = dg.compile(add, backend="native")(np.arange(4.0), np.array([-1.0, 2.0, 7.0]))
    np.testing.assert_array_equal(found.numpy(), [0.0, 1.0, np.inf, 3.0])


def test_outputs_may_be_arguments_state_and_the_same_value_twice():
    s = Buffer(np.array([1.0, 2.0]))

    def function(x):
        y = x + 1.0
        s.rebind(y.node)
        return x, y, y, s, x

    results = dg.compile(function, backend="native")(np.array([5.0, 6.0]))
    for result, expected in zip(results, ([5, 6], [6, 7], [6, 7], [6, 7], [5, 6]), strict=True):
        np.testing.assert_array_equal(result.numpy(), expected)
    results[0].numpy()
    assert len({r.numpy().ctypes.data for r in results}) == 5


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 6), st.integers(0, 3)), max_size=25))
def test_values_alive_together_never_share_memory(raw):
    values = [Lifetime(size, first, first + length) for size, first, length in raw]
    offsets, total = place(values)
    for i, a in enumerate(values):
        assert offsets[i] % ALIGNMENT == 0
        assert offsets[i] + a.size <= total
        for j, b in enumerate(values[:i]):
            if a.first <= b.last and b.first <= a.last and a.size and b.size:
                apart = offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]
                assert apart, (a, b)


def test_memory_is_used_again():
    values = [Lifetime(1000, level, level + 1) for level in range(10)]
    assert place(values)[1] == 2 * 1024


@pytest.mark.parametrize("steps", [30, 300])
def test_long_chains_are_cut_into_loops_of_moderate_length(steps):
    def chain(x):
        for _ in range(steps):
            x = dg.tanh(x) * 1.01
        return x.sum()

    x = np.linspace(-0.5, 1, 7)
    compiled = dg.compile(dg.value_and_grad(chain), backend="native")
    for found, expected in zip(compiled(x), dg.value_and_grad(chain)(dg.tensor(x)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-11)


@pytest.mark.parametrize("shape", [(1, 2), (2, 2), (1, 33), (3, 1), (5, 40), (40, 5)])
def test_the_maximum_of_rows_is_read_where_it_was_found(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    values, indices = dg.compile(lambda x: tuple(x.max(1)), backend="native")(x)
    np.testing.assert_array_equal(values.numpy(), x.max(1))
    np.testing.assert_array_equal(indices.numpy(), x.argmax(1))
