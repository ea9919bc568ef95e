"""What state alone determines is computed once, and again whenever state changed."""

import numpy as np
import pytest

import deepglass as dg
from deepglass import nn
from deepglass.nn import functional


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, padding=1)
        self.norm = nn.BatchNorm2d(32)
        self.deep = nn.Conv2d(32, 32, 3, padding=1)
        self.head = nn.Linear(32 * 5 * 7, 2)

    def forward(self, x):
        x = functional.relu(self.norm(self.conv(x)))
        return self.head(dg.flatten(functional.relu(self.deep(x)), 1))


X = np.random.default_rng(0).standard_normal((2, 3, 5, 7)).astype(np.float32)


@pytest.fixture
def net() -> Net:
    dg.manual_seed(0)
    model = Net()
    with dg.no_grad():
        model.norm.running_mean.copy_(dg.linspace(-1, 1, 32))
        model.norm.running_var.copy_(dg.linspace(0.5, 2, 32))
    return model.eval()


def runs_of(program) -> list[int]:
    """Count how often the settled code of a program runs."""
    count, code = [0], program.executable.settled
    run = code.run

    def counted(table):
        count[0] += 1
        run(table)

    code.run = counted
    return count


def check(answer, net) -> None:
    with dg.no_grad():
        np.testing.assert_allclose(answer(X).numpy(), net(X).numpy(), rtol=2e-5, atol=2e-5)


def test_settled_loops_run_again_only_after_a_change(net):
    answer = dg.compile(net)
    with dg.no_grad():
        count = runs_of(answer.program(X))
    for _ in range(3):
        check(answer, net)
    assert count == [1]
    with dg.no_grad():
        net.norm.running_var *= 2
    for _ in range(2):
        check(answer, net)
    assert count == [2]
    assert net.conv.weight.numpy().shape == (32, 3, 3, 3)  # reading changes nothing
    check(answer, net)
    assert count == [2]


def trained_by_a_program(net):
    optimizer = dg.optim.SGD(net.parameters(), lr=0.1)

    @dg.compile
    def step(x):
        optimizer.zero_grad()
        loss = dg.mean(net(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    step(X)
    return lambda: step(X)


def trained_row_by_row(net):
    add = dg.compile(lambda x: net.conv.bias.copy_(net.conv.bias + x))
    rows = np.ones((3, 32), np.float32)
    with dg.no_grad():
        add(rows[0])

    def change():
        with dg.no_grad():
            add.each(rows)

    return change


def loaded(net):
    def change():
        net.load_state_dict({k: v * 2 for k, v in net.state_dict().items()})

    return change


def trained_eagerly(net):
    optimizer = dg.optim.Adam(net.parameters(), lr=0.1)

    def change():
        optimizer.zero_grad()
        dg.mean(net(X) ** 2).backward()
        optimizer.step()

    return change


def given_anew(net):
    def change():
        with dg.no_grad():
            net.deep.weight.data = net.deep.weight * 3

    return change


@pytest.mark.parametrize(
    "way", [trained_by_a_program, trained_row_by_row, loaded, trained_eagerly, given_anew]
)
def test_every_way_to_change_state_is_noticed(net, way):
    answer = dg.compile(net)
    change = way(net)
    check(answer, net)
    for _ in range(2):
        before = net(X).numpy()
        change()
        assert abs(net(X).numpy() - before).max() > 1e-3
        check(answer, net)


def test_programs_that_update_state_settle_nothing(net):
    net.train()
    step = dg.compile(net)
    with dg.no_grad():
        assert step.program(X).executable.settled is None


def test_results_that_state_alone_determines_are_fresh():
    weight = nn.Parameter(np.arange(6.0, dtype=np.float32).reshape(2, 3))

    @dg.compile
    def twice(x):
        scale = dg.exp(weight)
        return scale, scale * x, dg.sum(scale, 0)

    with dg.no_grad():
        for factor in (1, 2):
            found = [twice(np.float32(3)) for _ in range(2)]
            for exps, product, total in found:
                wanted = np.exp(weight.numpy())
                np.testing.assert_allclose(exps.numpy(), wanted, rtol=1e-6)
                np.testing.assert_allclose(product.numpy(), 3 * wanted, rtol=1e-6)
                np.testing.assert_allclose(total.numpy(), wanted.sum(0), rtol=1e-6)
            assert found[0][0].numpy() is not found[1][0].numpy()
            weight *= factor + 1


def test_rows_see_state_as_it_is(net):
    answer = dg.compile(net)
    rows = np.stack([X, X + 1])
    with dg.no_grad():
        answer.each(rows)
        net.deep.weight *= -2
        found = answer.each(rows).numpy()
        for k in range(2):
            np.testing.assert_allclose(found[k], net(rows[k]).numpy(), rtol=2e-5, atol=2e-5)


def test_a_program_from_the_store_settles_as_well(net, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPGLASS_CACHE", str(tmp_path / "code"))
    for _ in range(2):
        answer = dg.compile(net)
        check(answer, net)
        with dg.no_grad():
            assert answer.program(X).executable.settled is not None
            net.conv.weight *= 1.5
        check(answer, net)


def test_reports_count_what_runs_each_time(net):
    answer = dg.compile(net)
    with dg.no_grad():
        answer(X)
        report = answer.report(X, runs=2)
        program = answer.program(X).executable
    settled = sum(len(p.nests) for level in program.loops.levels[: program.loops.settled]
                  for p in level)  # fmt: skip
    assert settled > 0
    assert (report.measured.seconds[:settled] == 0).all()
    assert (report.measured.seconds[settled:] > 0).all()
    for k in (0, settled, len(report.kernels) - 1):
        assert answer.source("llvm", kernel=k)


def test_a_value_lives_in_one_place():
    weight = nn.Parameter(np.float32([1, 2]))

    @dg.compile
    def grow(x):
        with dg.no_grad():
            weight.copy_(weight + x)

    grow(np.float32(1))
    assert weight._node.data is None
    assert weight.tolist() == [2, 3]
    grow(np.float32(1))
    assert weight.tolist() == [3, 4]
