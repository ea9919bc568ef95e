"""``dg.compile``: what is captured, when it is recorded anew, and what it refuses."""

from __future__ import annotations

import copy
import functools
import threading
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import backends, nn
from deepglass.errors import (
    BackendError,
    DeepglassWarning,
    DomainError,
    GradientError,
    ShapeError,
    TraceError,
)
from deepglass.testing import assert_close

pytestmark = pytest.mark.usefixtures("backend")


def programs(step: Any) -> int:
    """How many programs a compiled function has recorded."""
    return len({id(p) for known in step.programs.values() for p in known})


X = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)

# Arguments and results ------------------------------------------------------------------


def test_a_compiled_function_computes_what_the_function_does() -> None:
    def function(x: Any, y: Any) -> dg.Tensor:
        return (x @ y).tanh().sum(1) * 2 - x.mean()

    y = np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2)
    expected = np.tanh(X @ y).sum(1) * 2 - X.mean()
    assert_close("compiled", dg.compile(function)(dg.tensor(X), dg.tensor(y)), expected)


def test_a_row_may_need_the_rows_of_others() -> None:
    """With square shapes the index alone tells a row's own elements from its neighbours'."""
    x = np.random.default_rng(0).uniform(-1, 1, (150, 150))

    def function(x: Any) -> Any:
        y = x.tanh() + 1
        return y @ y, y.T @ y, y.T + y, y.sum(0) + y.sum(1)

    y = np.tanh(x) + 1
    expected = (y @ y, y.T @ y, y.T + y, y.sum(0) + y.sum(1))
    for got, wanted in zip(dg.compile(function)(x), expected, strict=True):
        assert_close("result", got, wanted)


def test_arrays_and_tensors_of_every_rank() -> None:
    for shape in ((), (1,), (0,), (3, 0), (2, 3, 5)):
        double = dg.compile(lambda x: x + x)
        x = np.ones(shape, np.float32)
        for argument in (x, dg.tensor(x)):
            result = double(argument)
            assert result.shape == shape
            assert np.array_equal(result.numpy(), x + x)


def test_arrays_need_not_be_contiguous() -> None:
    x = np.arange(30.0).reshape(5, 6)
    double = dg.compile(lambda x: x * 2)
    for view in (x.T, x[::2], x[:, ::-1], np.broadcast_to(x[0], (3, 6)), np.asfortranarray(x)):
        assert np.array_equal(double(view).numpy(), view * 2)


def test_nested_arguments_and_results() -> None:
    @dg.compile
    def function(batch: Any, *rest: Any, factor: float = 1.0) -> Any:
        return {"sum": [batch["x"] + batch["y"][0], ("text", None, 7)], "rest": rest[0] * factor}

    one, two = dg.tensor([1.0]), dg.tensor([2.0])
    result = function({"x": one, "y": (two,)}, np.float32([3.0]), factor=10.0)
    assert result["sum"][0].tolist() == [3.0]
    assert result["sum"][1] == ("text", None, 7)
    assert result["rest"].tolist() == [30.0]


def test_named_tuples_are_results() -> None:
    found = dg.compile(lambda x: x.max(1))(dg.tensor([[1.0, 5.0], [7.0, 2.0]]))
    assert found.values.tolist() == [5.0, 7.0]
    assert found.indices.tolist() == [1, 0]


def test_a_function_may_return_nothing() -> None:
    total = dg.Buffer(np.float32(0))

    @dg.compile
    def add(x: dg.Tensor) -> None:
        total.copy_(total + x.sum())

    assert add(dg.ones(3)) is None
    assert add(dg.ones(3)) is None
    assert total.item() == 6.0


def test_a_function_may_return_what_it_was_given() -> None:
    w = dg.Parameter([1.0, 2.0])
    x = dg.tensor([5.0])
    same, state, constant = dg.compile(lambda x: (x, w, dg.tensor([7.0])))(x)
    assert (same.tolist(), state.tolist(), constant.tolist()) == ([5.0], [1.0, 2.0], [7.0])
    with dg.no_grad():
        w += 1
    assert state.tolist() == [1.0, 2.0]


def test_results_are_read_only_and_stay_when_the_program_runs_again() -> None:
    double = dg.compile(lambda x: x * 2)
    first = double(dg.ones(3))
    double(dg.zeros(3))
    assert first.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        first.numpy()[0] = 1


def test_results_are_plain_values() -> None:
    w = dg.Parameter([1.0])
    y = dg.compile(lambda: w * 2)()
    assert not y.requires_grad
    with pytest.raises(GradientError, match="by a compiled function"):
        y.backward()


def test_the_decorator_keeps_name_and_docstring() -> None:
    @dg.compile(keep_grads=True)
    def step(x: dg.Tensor) -> dg.Tensor:
        """One step."""
        return x * 2

    assert (step.__name__, step.__doc__) == ("step", "One step.")
    assert step(dg.ones(1)).tolist() == [2.0]


@pytest.mark.parametrize("kind", ["module", "method", "partial", "lambda", "callable"])
def test_everything_that_can_be_called_can_be_compiled(kind: str) -> None:
    layer = nn.Linear(3, 2)

    class Model:
        def run(self, x: Any) -> Any:
            return layer(x)

        __call__ = run

    functions = {
        "module": layer, "method": Model().run, "lambda": lambda x: layer(x), "callable": Model(),
        "partial": functools.partial(nn.functional.linear, weight=layer.weight, bias=layer.bias),
    }  # fmt: skip
    compiled = dg.compile(functions[kind])
    assert_close(kind, compiled(X), layer(dg.tensor(X)))
    with dg.no_grad():
        layer.weight *= 2
    assert_close(kind, compiled(X), layer(dg.tensor(X)))
    assert programs(compiled) == 1


def test_a_decorated_method_is_a_method() -> None:
    class Model:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        @dg.compile
        def run(self, x: Any) -> Any:
            return x * self.factor

    two, three = Model(2.0), Model(3.0)
    x = dg.ones(2)
    assert [m.run(x).tolist() for m in (two, three, two)] == [[2.0, 2.0], [3.0, 3.0], [2.0, 2.0]]
    two.factor = 5.0
    assert two.run(x).tolist() == [5.0, 5.0]


def test_a_copy_of_an_object_has_its_own_compiled_methods() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = dg.Parameter([2.0])

        @dg.compile
        def run(self, x: Any) -> Any:
            return x * self.weight

    model = Model()
    assert model.run(dg.ones(1)).item() == 2.0
    twin = copy.deepcopy(model)
    with dg.no_grad():
        twin.weight *= 5
    assert (model.run(dg.ones(1)).item(), twin.run(dg.ones(1)).item()) == (2.0, 10.0)


# Recorded once, and anew ----------------------------------------------------------------


def test_the_same_kind_of_call_is_recorded_once() -> None:
    calls = []
    double = dg.compile(lambda x: calls.append(1) or x * 2)
    for k in range(5):
        assert double(dg.full((3,), float(k))).tolist() == [2.0 * k] * 3
    assert len(calls) == programs(double) == 1


def test_a_new_shape_or_type_is_recorded_anew_and_the_old_one_kept() -> None:
    double = dg.compile(lambda x: x * 2)
    arguments = [np.ones(3, "f4"), np.ones((3, 1), "f4"), np.ones(3), np.ones(3, "i4")]
    for argument in arguments * 2:
        result = double(argument)
        assert np.array_equal(result.numpy(), argument * 2)
        assert result.numpy().dtype == argument.dtype
    assert programs(double) == 4


def test_a_ragged_last_batch_is_a_second_program_with_right_results() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    step = dg.compile(lambda x: model(x).mean())
    data = np.random.default_rng(1).standard_normal((7, 3)).astype("f4")
    for _ in range(2):
        for part in (data[:3], data[3:6], data[6:]):
            assert_close("batch", step(part), model(dg.tensor(part)).mean())
    assert programs(step) == 2


def test_numbers_among_the_arguments_are_part_of_the_program() -> None:
    power = dg.compile(lambda x, n: x**n)
    x = dg.tensor([3.0])
    assert [power(x, n).item() for n in (2, 3, 2)] == [9.0, 27.0, 9.0]
    assert programs(power) == 2


def test_true_and_one_are_different_numbers() -> None:
    f = dg.compile(lambda x, flag: x * 2 if flag is True else x * 3)
    x = dg.tensor([1.0])
    assert [f(x, flag).item() for flag in (1, True, 1.0)] == [3.0, 2.0, 3.0]


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.float64])
def test_numpy_numbers_among_the_arguments_are_told_apart(kind: type) -> None:
    scale = dg.compile(lambda x, factor: x * factor)
    x = dg.tensor([1.0])
    got = [scale(x, kind(k)).item() for k in (2, 3, 4, 2, 3, 4)]
    assert got == [2.0, 3.0, 4.0, 2.0, 3.0, 4.0]
    assert programs(scale) == 3


def test_objects_among_the_arguments_are_told_apart() -> None:
    scale = dg.compile(lambda x, settings: x * settings.factor)
    x = dg.tensor([1.0])
    got = [scale(x, SimpleNamespace(factor=k)).item() for k in (2.0, 3.0, 4.0, 5.0)]
    assert got == [2.0, 3.0, 4.0, 5.0]


def test_a_number_in_the_closure_is_part_of_the_program() -> None:
    factor = 2.0
    f = dg.compile(lambda x: x * factor)
    x = dg.tensor([1.0])
    assert f(x).item() == 2.0
    factor = 3.0
    assert f(x).item() == 3.0
    factor = 2.0
    assert f(x).item() == 2.0
    assert programs(f) == 2


FACTOR = 2.0


def _scaled(x: Any) -> Any:
    return x * FACTOR


def test_a_global_number_is_part_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    f, through = dg.compile(_scaled), dg.compile(lambda x: _scaled(x) + 1)
    x = dg.tensor([1.0])
    assert (f(x).item(), through(x).item()) == (2.0, 3.0)
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert (f(x).item(), through(x).item()) == (5.0, 6.0)


def test_an_attribute_of_an_object_in_sight_is_part_of_the_program() -> None:
    settings = SimpleNamespace(factor=2.0)
    f = dg.compile(lambda x: x * settings.factor)
    x = dg.tensor([1.0])
    assert f(x).item() == 2.0
    settings.factor = 5.0
    assert f(x).item() == 5.0


def test_numbers_in_lists_and_dicts_are_part_of_the_program() -> None:
    factors, named = [2.0], {"factor": (1.0, [10.0])}
    f = dg.compile(lambda x: x * factors[0] + named["factor"][1][0])
    x = dg.tensor([1.0])
    assert f(x).item() == 12.0
    factors[0] = 5.0
    assert f(x).item() == 15.0
    named["factor"][1][0] = 20.0
    assert f(x).item() == 25.0
    assert programs(f) == 3


def test_a_constant_array_that_is_replaced_is_part_of_the_program() -> None:
    table = np.array([2.0])
    f = dg.compile(lambda x: x * table)
    for value in (2.0, 3.0, 4.0, 5.0):
        table = np.array([value])
        assert f(np.ones(1)).item() == value


def test_self_of_a_method_is_looked_into() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = nn.Dropout(0.5)
            self.factor = 2.0
            self.step = dg.compile(self.run)

        def run(self, x: Any) -> Any:
            return self.scaled(x)

        def scaled(self, x: Any) -> Any:
            return self.model(x) * self.factor

    trainer = Trainer()
    trainer.model.eval()
    x = dg.ones(100)
    assert trainer.step(x).tolist() == [2.0] * 100
    trainer.factor = 3.0
    assert trainer.step(x).tolist() == [3.0] * 100
    trainer.model.train()
    assert 0.0 in trainer.step(x).tolist()


def test_defaults_and_partials_are_looked_into() -> None:
    layer = nn.Dropout(0.5).eval()

    def function(x: Any, through: Any = layer) -> Any:
        return through(x)

    x = dg.ones(100)
    by_default, partial = (
        dg.compile(function),
        dg.compile(functools.partial(lambda m, x: m(x), layer)),
    )
    for f in (by_default, partial):
        layer.eval()
        assert f(x).tolist() == [1.0] * 100
        layer.train()
        assert 0.0 in f(x).tolist()


@pytest.mark.parametrize("wrap", [dg.grad, dg.value_and_grad, dg.compile], ids=lambda w: w.__name__)
def test_functions_made_by_deepglass_are_looked_into(wrap: Any) -> None:
    factor = 2.0
    inner = wrap(lambda x: (x * x).sum() * factor)
    f = dg.compile(lambda x: inner(x))
    x = dg.ones(1)
    before = _first(f(x))
    factor = 3.0
    assert _first(f(x)) == before * 1.5


def _first(result: Any) -> float:
    return (result[0] if isinstance(result, tuple) else result).item()


@pytest.mark.parametrize("through", ["closure", "argument", "itself", "bound forward", "list"])
def test_modes_of_modules_are_part_of_the_program(through: str) -> None:
    layer = nn.Dropout(0.5)
    forward, layers = layer.forward, [layer]
    step = {
        "closure": dg.compile(lambda x: layer(x)),
        "argument": functools.partial(dg.compile(lambda m, x: m(x)), layer),
        "itself": dg.compile(layer),
        "bound forward": dg.compile(lambda x: forward(x)),
        "list": dg.compile(lambda x: layers[0](x)),
    }[through]
    x = dg.ones(100)
    for _ in range(2):
        layer.eval()
        assert step(x).tolist() == [1.0] * 100
        layer.train()
        assert 0.0 in step(x).tolist()


def test_attributes_of_modules_are_part_of_the_program() -> None:
    model = nn.Sequential(nn.Dropout(0.0), nn.LayerNorm(3))
    step = dg.compile(lambda x: model(x))
    first = step(X)
    model[1].eps = 1.0
    assert_close("eps", step(X), model(dg.tensor(X)))
    assert not np.allclose(first.numpy(), step(X).numpy())
    model[0].p = 1.0
    assert not step(X).numpy().any()
    assert programs(step) == 3


def test_a_replaced_layer_is_part_of_the_program() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    step = dg.compile(lambda x: model(x))
    step(X)
    for replacement in (nn.Sigmoid(), nn.Tanh(), nn.ReLU()):
        setattr(model, "1", replacement)
        assert_close("replaced", step(X), model(dg.tensor(X)))
    model[0].weight = dg.Parameter(np.ones((2, 3), "f4"))
    assert_close("replaced weight", step(X), model(dg.tensor(X)))


def test_what_recording_itself_changes_is_no_reason_to_record_again() -> None:
    class Counting(nn.Linear):
        calls = 0

        def forward(self, x: Any) -> dg.Tensor:
            self.calls += 1
            return super().forward(x)

    model = Counting(3, 2)
    step = dg.compile(lambda x: model(x))
    for _ in range(4):
        step(X)
    assert (model.calls, programs(step)) == (1, 1)


def test_grad_mode_is_part_of_the_program() -> None:
    w = dg.Parameter([2.0])

    @dg.compile
    def function(x: dg.Tensor) -> dg.Tensor:
        y = (w * x).sum()
        return y * 2 if y.requires_grad else y

    x = dg.ones(1)
    assert function(x).item() == 4.0
    with dg.no_grad():
        assert function(x).item() == 2.0
    assert function(x).item() == 4.0
    assert programs(function) == 2


def test_requires_grad_is_part_of_the_program() -> None:
    w, b = dg.Parameter([2.0]), dg.Parameter([3.0])

    @dg.compile
    def gradients(x: dg.Tensor) -> Any:
        for p in (w, b):
            p.grad = None
        (w * b * x).sum().backward()
        return [p.grad for p in (w, b)]

    x = dg.ones(1)
    assert [g.item() for g in gradients(x)] == [3.0, 2.0]
    w.requires_grad = False
    frozen = gradients(x)
    assert frozen[0] is None
    assert frozen[1].item() == 2.0
    w.requires_grad = True
    assert [g.item() for g in gradients(x)] == [3.0, 2.0]


def test_an_argument_that_requires_a_gradient_has_one_inside() -> None:
    @dg.compile
    def gradient(x: dg.Tensor) -> Any:
        (x * x * x).sum().backward()
        return x.grad

    x = dg.tensor([1.0, 2.0], requires_grad=True)
    assert gradient(x).tolist() == [3.0, 12.0]
    assert x.grad is None


def test_a_conversion_and_back_finds_the_first_programs_state() -> None:
    model = nn.Linear(3, 2)
    step = dg.compile(lambda x: model(x))
    expected = model(dg.tensor(X)).numpy()
    for _ in range(2):
        assert step(X).dtype is dg.float32
        model.double()
        assert step(X.astype("f8")).dtype is dg.float64
        model.float()
        assert_close("again", step(X), expected)


def test_many_programs_are_worth_a_warning_at_the_users_line() -> None:
    double = dg.compile(lambda x: x * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(1, 9):
            double(dg.ones(n))
    with pytest.warns(DeepglassWarning, match="was recorded 9 times.*as tensors") as caught:
        double(dg.ones(9))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        double(dg.ones(10))


def test_the_warning_can_name_what_has_no_name() -> None:
    double = dg.compile(functools.partial(lambda k, x: x * k, 2))
    for n in range(1, 9):
        double(dg.ones(n))
    with pytest.warns(DeepglassWarning, match="recorded 9 times"):
        double(dg.ones(9))


def test_compiled_functions_call_one_another() -> None:
    w = dg.Parameter([2.0])
    inner = dg.compile(lambda x: x * w)
    outer = dg.compile(lambda x: inner(x) + inner(x * 2))
    x = dg.tensor([3.0])
    assert outer(x).item() == 18.0
    assert programs(inner) == 0
    assert inner(x).item() == 6.0
    with dg.no_grad():
        w *= 2
    assert (inner(x).item(), outer(x).item()) == (12.0, 36.0)


def test_threads_run_one_program_side_by_side() -> None:
    double = dg.compile(lambda x: (x * 2).sum())
    double(dg.ones(100))
    results: dict[int, float] = {}

    def work(k: int) -> None:
        results[k] = double(dg.full((100,), float(k))).item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: 200.0 * k for k in range(8)}


# What cannot be captured ----------------------------------------------------------------


def line_of(function: Any, offset: int) -> str:
    """ "test_compile.py:12": the line so many lines below the ``def`` of a function."""
    code = getattr(function, "function", function).__code__
    return f"test_compile.py:{code.co_firstlineno + offset}"


def test_a_branch_on_a_traced_value_says_what_to_write() -> None:
    def function(x: dg.Tensor) -> dg.Tensor:
        total = x.sum()
        return x if total > 0 else -x

    with pytest.raises(TraceError, match=r"not known.*Use dg\.where instead of `if`") as error:
        dg.compile(function)(dg.ones(3))
    assert line_of(function, 2) in str(error.value)


@pytest.mark.parametrize(
    "use",
    [
        float, int, bool, lambda x: x.item(), lambda x: x.tolist(), lambda x: x.numpy(),
        lambda x: np.asarray(x), lambda x: [1, 2, 3][x.argmax()], lambda x: dg.tensor(x),
        lambda x: dg.tensor([x, x]), lambda x: np.exp(x), lambda x: x + np.asarray(x),
    ],
)  # fmt: skip
def test_numbers_are_not_known_while_recording(use: Any) -> None:
    with pytest.raises(TraceError, match="not known while the program is recorded"):
        dg.compile(lambda x: use(x.reshape(())) and x)(dg.ones(1))


@pytest.mark.parametrize("read", [lambda w: w.item(), lambda w: w.numpy(), bool, float])
def test_a_number_of_state_would_be_frozen(read: Any) -> None:
    weight = dg.Parameter(2.0)
    weight.name = "weight"
    with pytest.raises(TraceError, match=r"frozen into it; weight float32\[\] was asked"):
        dg.compile(lambda x: x * read(weight))(dg.ones(1))


def test_constants_made_inside_may_be_looked_at() -> None:
    assert dg.compile(lambda x: x * dg.tensor(3.0).item())(dg.ones(1)).item() == 3.0


def test_a_traced_value_that_escapes_names_the_line_that_made_it() -> None:
    kept: list[dg.Tensor] = []

    def function(x: dg.Tensor) -> dg.Tensor:
        kept.append(x.exp())
        return x

    compiled = dg.compile(function)
    compiled(dg.ones(1))
    uses = (
        lambda: kept[0].numpy(), lambda: kept[0] + 1, lambda: compiled(kept[0]),
        lambda: dg.compile(lambda: kept[0] + 1)(), lambda: float(kept[0]),
    )  # fmt: skip
    for use in uses:
        with pytest.raises(TraceError, match="Return it from the function instead") as error:
            use()
        assert f"exp float32[1] from {line_of(function, 1)}" in str(error.value)
    assert repr(kept[0]) == f"tensor(traced float32[1], exp at {line_of(function, 1)})"


def test_an_argument_that_escapes_is_named_too() -> None:
    kept: list[dg.Tensor] = []
    dg.compile(lambda x: kept.append(x))(dg.ones(3))
    with pytest.raises(TraceError, match=r"kept and used outside"):
        kept[0] + 1


def test_state_keeps_its_shape() -> None:
    total = dg.Buffer(np.zeros(2, np.float32))
    total.name = "total"
    with pytest.raises(TraceError, match=r"total is float32\[2\] and was given float32\[3\]"):
        dg.compile(lambda x: total.rebind(x.node))(dg.ones(3))
    assert total.tolist() == [0.0, 0.0]


def test_requires_grad_is_set_outside() -> None:
    w = dg.Parameter([1.0])
    with pytest.raises(TraceError, match="requires_grad is set outside"):
        dg.compile(lambda: setattr(w, "requires_grad", False))()


def test_errors_of_ops_are_raised_at_the_users_line() -> None:
    def function(x: Any) -> Any:
        return x @ dg.ones(5, 2)

    with pytest.raises(ShapeError, match="the last axis of x") as error:
        dg.compile(function)(dg.ones(2, 3))
    lines = [f"{e.path.name}:{e.lineno + 1}" for e in error.traceback]
    assert line_of(function, 1) in lines


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(BackendError, match="one of reference, native; got 'fast'"):
        dg.compile(lambda x: x, backend="fast")(dg.ones(1))


# Values that are checked though nobody looks at them ------------------------------------


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_labels_are_checked_at_every_call(labels: list[int], dtype: str) -> None:
    loss = dg.compile(lambda x, y: nn.functional.cross_entropy(x, y))
    x = dg.ones(2, 3)
    assert_close("loss", loss(x, np.array([0, 2], dtype)), np.log(np.float32(3)))
    with pytest.raises(DomainError, match="labels lie between 0 and 2 for 3 classes"):
        loss(x, np.array(labels).astype(dtype))
    assert_close("loss", loss(x, np.array([1, 1], dtype)), np.log(np.float32(3)))


def test_positions_are_checked_at_every_call() -> None:
    pick = dg.compile(lambda x, i: x.gather(0, i))
    add = dg.compile(lambda x, i: x.scatter_add(0, i.reshape(-1), dg.ones(1)))
    x = dg.tensor([1.0, 2.0, 3.0])
    assert pick(x, np.array([2, 0])).tolist() == [3.0, 1.0]
    with pytest.raises(DomainError, match="gather: positions lie between 0 and 2; got 0 to 3"):
        pick(x, np.array([3, 0]))
    with pytest.raises(DomainError, match="scatter_add: positions lie between 0 and 2; got -1"):
        add(x, np.array([[-1]]))


def test_a_refused_call_changes_nothing() -> None:
    model = nn.Linear(3, 2)
    optimizer = dg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @dg.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    y = np.array([0, 1, 0, 1, 0])
    step(X, y)
    model.zero_grad()
    before = {**model.state_dict(), **{n: b.numpy() for n, b in optimizer.named_state()}}
    with pytest.raises(DomainError):
        step(X, y + 5)
    after = {**model.state_dict(), **{n: b.numpy() for n, b in optimizer.named_state()}}
    assert all(np.array_equal(before[k], after[k]) for k in before)
    assert model.weight.grad is None


# Names ----------------------------------------------------------------------------------


def test_a_program_prints_with_the_users_names() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    text = str(dg.compile(lambda batch: model(batch)).program(X))
    assert text.startswith("program(batch: float32[5, 3])\n  state 0.weight: float32[2, 3]")
    assert "tanh(" in text


def test_two_models_are_told_apart_by_their_variables() -> None:
    generator, critic = nn.Linear(2, 2), nn.Linear(2, 2)
    program = dg.compile(lambda x: critic(generator(x))).program(np.ones((1, 2), "f4"))
    assert {n.name for n in program.graph.state} == {
        "generator.weight", "generator.bias", "critic.weight", "critic.bias",
    }  # fmt: skip
    paths = [n.path for n in program.graph.nodes() if n.op.name == "matmul"]
    assert paths == ["generator", "critic"]


def test_nested_choices_of_a_backend_end_in_order() -> None:
    with dg.backend("reference"):
        with dg.backend("native"):
            with dg.backend("reference"):
                assert backends.default() == "reference"
            assert backends.default() == "native"
        assert backends.default() == "reference"


# Many calls at once ---------------------------------------------------------------------


def _training(seed: int, wrap: Any = dg.compile) -> tuple[Any, Any]:
    dg.manual_seed(seed)
    model = dg.nn.Sequential(
        dg.nn.Linear(7, 5), dg.nn.Tanh(), dg.nn.Dropout(0.3), dg.nn.Linear(5, 3)
    )
    optimizer = dg.optim.Adam(model.parameters(), lr=0.01)

    def step(x: Any, target: Any) -> Any:
        loss = dg.nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss, "number": 3}

    return model, wrap(step)


@pytest.mark.parametrize("count", [1, 2, 17])
def test_each_is_calling_once_per_row(count: int, backend: str) -> None:
    """To the last bit: weights, moments, random numbers and results."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (count, 11, 7)).astype(np.float32)
    target = rng.integers(0, 3, (count, 11))
    one, step = _training(5)
    losses = [step(x[k], target[k])["loss"].item() for k in range(count)]
    many, step = _training(5)
    found = step.each(dg.tensor(x), target)
    assert found["number"] == 3
    assert found["loss"].tolist() == losses
    for p, q in zip(one.parameters(), many.parameters(), strict=True):
        assert np.array_equal(p.numpy(), q.numpy())
    assert len(set(losses)) == count


def test_each_goes_on_where_calls_left_off(backend: str) -> None:
    count = dg.Buffer(0.0)

    @dg.compile
    def add(x: Any) -> Any:
        count.copy_(count + x)
        return count, x * 2

    add(np.float32(5))
    totals, doubled = add.each(np.float32([1, 2, 3]))
    assert (totals.tolist(), doubled.tolist()) == ([6, 8, 11], [2, 4, 6])
    assert count.item() == 11
    assert add(np.float32(1))[0].item() == 12


def test_each_with_gradients_that_pile_up(backend: str) -> None:
    """The second call finds a gradient where the first found none: another program."""
    w = dg.Parameter([1.0, 2.0])

    def accumulate(x: Any) -> Any:
        (w * x).sum().backward()
        return x.sum()

    step = dg.compile(accumulate, keep_grads=True)
    sums = step.each(np.float32([[1, 2], [3, 4], [5, 6]]))
    assert sums.tolist() == [3, 7, 11]
    assert w.grad.tolist() == [9, 12]


def test_each_checks_every_row(backend: str) -> None:
    _, step = _training(0)
    x = np.zeros((3, 2, 7), np.float32)
    with pytest.raises(DomainError, match="between 0 and 2"):
        step.each(x, np.array([[0, 1], [2, 3], [0, 0]]))
    for wrong in ((x, np.zeros((2, 2), int)), (x[:0], np.zeros((0, 2), int)), (np.float32(1),), ()):
        with pytest.raises(ShapeError, match="first axis of one length"):
            step.each(*wrong)
