"""Machine code between processes: what is kept, found, refused and forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native import executable, plan, store
from deepglass.graph.kinds import Elementwise
from deepglass.graph.op import REGISTRY, Op
from deepglass.graph.tensor import apply

KEY, OTHER = b"k" * 32, b"o" * 32
X = np.linspace(-1, 1, 15, dtype=np.float32).reshape(3, 5)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A store of its own, in which everything is worth keeping."""
    place = tmp_path / "code"
    monkeypatch.setenv(store.VARIABLE, str(place))
    monkeypatch.setattr(plan, "WORTH_KEEPING", 0.0)
    return place


def only(folder: Path) -> Path:
    (entry,) = folder.glob("*.code")
    return entry


def runs(function, *args):
    """Compile as a new process would, and run; return the result and whether code was made."""
    executable._module.cache_clear()
    executable._loaded.cache_clear()
    program = dg.compile(function, backend="native").program(*args)
    return program([np.asarray(a) for a in args]).numpy(), "text" in program.seconds


def wave(x):
    return (x * 2).tanh() + 1


# Files ----------------------------------------------------------------------------------


def test_what_was_saved_is_loaded(folder):
    assert store.load(KEY) is None
    store.save(KEY, b"content")
    assert store.load(KEY) == b"content"
    assert store.load(OTHER) is None
    store.save(KEY, b"")
    assert store.load(KEY) == b""


@pytest.mark.parametrize("place", [0, 30, 60, 90, -1])
def test_a_changed_byte_is_found(folder, place):
    store.save(KEY, b"content")
    data = bytearray(only(folder).read_bytes())
    data[place] ^= 1
    only(folder).write_bytes(data)
    assert store.load(KEY) is None


@pytest.mark.parametrize("length", [0, 1, 40, 60, 90])
def test_a_file_that_was_cut_off_is_found(folder, length):
    store.save(KEY, b"content")
    data = only(folder).read_bytes()
    assert len(data) > length
    only(folder).write_bytes(data[:length])
    assert store.load(KEY) is None
    store.save(KEY, b"again")
    assert store.load(KEY) == b"again"


def test_an_entry_under_the_name_of_another_is_found(folder):
    store.save(KEY, b"content")
    only(folder).rename(folder / f"{OTHER.hex()}.code")
    assert store.load(OTHER) is None


def test_a_folder_that_others_may_enter_is_not_used(folder):
    store.save(KEY, b"content")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    assert store.load(KEY) is None
    store.save(OTHER, b"content")
    assert store.trouble().endswith("is not this user's alone (chmod 700 makes it so)")
    folder.chmod(0o700)
    assert store.load(KEY) == b"content"
    assert store.load(OTHER) is None


def test_a_folder_of_another_user_is_not_used(folder, monkeypatch):
    store.save(KEY, b"content")
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    assert store.load(KEY) is None


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path, monkeypatch):
    """A file stands where the folder should be, which stops the superuser too."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "file" / "code"))
    store.save(KEY, b"content")
    assert store.load(KEY) is None
    assert "not used" in store.trouble()
    result, made = runs(wave, X)
    assert made
    np.testing.assert_allclose(result, np.tanh(2 * X) + 1, rtol=1e-6)


def test_a_read_only_folder_is_read(folder):
    store.save(KEY, b"content")
    folder.chmod(0o500)
    store.save(OTHER, b"content")
    folder.chmod(0o700)
    assert store.load(KEY) == b"content"
    assert (store.load(OTHER) is None) is (os.getuid() != 0)  # nothing stops the superuser


def test_entries_that_were_not_used_for_long_go_first(folder, monkeypatch):
    keys = [bytes([k]) * 32 for k in range(4)]
    for age, key in enumerate(keys):
        store.save(key, b"c" * 1000)
        path = folder / f"{key.hex()}.code"
        os.utime(path, (1e9 + age, 1e9 + age))
    assert store.load(keys[0]) is not None  # used now, so keys[1] is the oldest
    monkeypatch.setattr(store, "LIMIT", 3500)
    store.save(OTHER, b"c" * 1000)
    kept = [key for key in (*keys, OTHER) if (folder / f"{key.hex()}.code").exists()]
    assert kept == [keys[0], keys[3], OTHER]
    assert sum(found.st_size for found in store.entries()) <= 3500


def test_an_entry_larger_than_the_limit_is_kept_alone(folder, monkeypatch):
    store.save(KEY, b"content")
    monkeypatch.setattr(store, "LIMIT", 10)
    store.save(OTHER, b"content")
    assert store.load(KEY) is None
    assert store.load(OTHER) == b"content"


def test_zero_switches_it_off(folder, monkeypatch):
    monkeypatch.setenv(store.VARIABLE, "0")
    store.save(KEY, b"content")
    assert store.folder() is None
    assert store.load(KEY) is None
    assert store.trouble() == "off (DEEPGLASS_CACHE=0)"
    assert runs(wave, X)[1]
    assert not folder.exists()


def test_the_place_is_that_of_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv(store.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert store.folder() == tmp_path / "deepglass" / "code"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert store.folder() == Path.home() / ".cache" / "deepglass" / "code"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert store.folder() == Path.home() / "Library" / "Caches" / "deepglass" / "code"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert store.folder() == tmp_path / "deepglass" / "Cache" / "code"


# Programs -------------------------------------------------------------------------------


def test_a_program_that_is_known_is_not_made_again(folder):
    first, made = runs(wave, X)
    again, made_again = runs(wave, X)
    assert (made, made_again) == (True, False)
    assert first.tobytes() == again.tobytes()
    assert len(list(folder.glob("*.code"))) == 1


def test_a_step_from_the_store_trains_like_the_one_that_was_made():
    def trained():
        executable._module.cache_clear()
        dg.manual_seed(1)
        model = dg.nn.Sequential(
            dg.nn.Linear(5, 7), dg.nn.Tanh(), dg.nn.Dropout(0.2), dg.nn.Linear(7, 1)
        )
        optimizer = dg.optim.Adam(model.parameters(), lr=0.1)

        @dg.compile(backend="native")
        def step(x):
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        losses = [step(X).item() for _ in range(3)]
        values = b"".join(v.tobytes() for v in model.state_dict().values())
        return losses, values, "text" in step.latest.seconds

    *first, made = trained()
    *second, made_again = trained()
    assert (made, made_again) == (True, False)
    assert first == second


def test_calls_of_python_and_scans_are_found_again():
    @dg.op
    def reverse(x):
        return x[::-1]

    def function(x):
        totals = dg.scan(lambda carry, row: (carry + row).tanh(), dg.zeros(5), x)
        return reverse(x * 2) + totals + 1

    first, made = runs(function, X)
    again, made_again = runs(function, X)
    assert (made, made_again) == (True, False)
    np.testing.assert_array_equal(first, again)
    totals, carry = [], np.zeros(5, np.float32)
    for row in X:
        carry = np.tanh(carry + row)
        totals.append(carry)
    np.testing.assert_allclose(again, 2 * X[::-1] + np.array(totals) + 1, rtol=1e-5)


def test_calls_of_python_after_values_that_were_copied_are_found_again():
    """A convolution's images and kernels are laid out anew, so all after it are other nodes."""

    @dg.op
    def reverse(x):
        return x[::-1]

    def function(x, w):
        return reverse(dg.conv2d(x, w)) + 1

    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 5, 7)).astype(np.float32)
    w = rng.standard_normal((20, 3, 3, 2)).astype(np.float32)
    first, made = runs(function, x, w)
    again, made_again = runs(function, x, w)
    assert (made, made_again) == (True, False)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(again, dg.conv2d(x, w).numpy()[::-1] + 1, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        lambda x: (x * 3).tanh() + 1,  # another number
        lambda x: (x * 2).exp() + 1,  # another op
        lambda x: (x * 2).tanh().T + 1,  # another parameter of an op
        lambda x: ((x * 2).tanh() + 1, x),  # another result
    ],
)
def test_another_program_is_another_entry(folder, other):
    runs(wave, X)
    program = dg.compile(other, backend="native").program(X)
    assert "text" in program.seconds
    assert len(list(folder.glob("*.code"))) == 2


@pytest.mark.parametrize("x", [X[:2], X.astype(np.float64)])
def test_other_types_are_other_entries(x):
    runs(wave, X)
    assert runs(wave, x)[1]


def test_another_processor_or_engine_is_another_entry(monkeypatch):
    runs(wave, X)
    monkeypatch.setattr(plan, "engine", lambda: "another version")
    assert runs(wave, X)[1]
    assert not runs(wave, X)[1]
    monkeypatch.setattr(plan, "host", lambda: "another processor")
    assert runs(wave, X)[1]


def test_larger_constants_are_told_apart_by_their_values(folder):
    """Their values stand in memory of their own, but decide what may be done with them."""
    table = np.arange(15, dtype=np.float32).reshape(3, 5)
    first, _ = runs(lambda x: x + dg.tensor(table), X)
    second, made = runs(lambda x: x + dg.tensor(table + 1), X)
    assert made
    np.testing.assert_array_equal(first, X + table)
    np.testing.assert_array_equal(second, X + (table + 1))


def test_taps_are_found_again(folder):
    """They are part of what makes a program, and stand where they stood."""
    model = dg.nn.Sequential(dg.nn.Linear(5, 7), dg.nn.Tanh())
    seen = []
    for watched in (None, *[dg.taps.statistics(model, "*.output") for _ in range(2)]):
        executable._module.cache_clear()
        step = dg.compile(model, backend="native", taps=watched)
        step(X)
        seen.append(("text" in step.latest.seconds, str(dict(step.taps)) if watched else ""))
    assert [made for made, _ in seen] == [True, True, False]
    assert seen[1][1] == seen[2][1] != "{}"
    assert len(list(folder.glob("*.code"))) == 2


def test_a_damaged_program_is_made_again(folder):
    expected, _ = runs(wave, X)
    data = bytearray(only(folder).read_bytes())
    data[-100] ^= 255
    only(folder).write_bytes(data)
    result, made = runs(wave, X)
    assert made
    np.testing.assert_array_equal(result, expected)
    assert not runs(wave, X)[1]


def test_what_takes_no_time_is_not_kept(folder, monkeypatch):
    monkeypatch.setattr(plan, "WORTH_KEEPING", 1e9)
    assert runs(wave, X)[1]
    assert not folder.exists() or not list(folder.glob("*.code"))


def test_loops_said_outside_the_package_are_not_kept(folder):
    """Their rule could change without a trace in the text that stands for the program."""
    name = "test_store_twice"
    op = Op(name, infer=lambda x: x, reference=lambda x: 2 * x, kernel=Elementwise(_twice))
    try:
        for _ in range(2):
            result, made = runs(lambda x: apply(op, x), X)
            assert made
            np.testing.assert_array_equal(result, 2 * X)
    finally:
        del REGISTRY[name]
    assert not folder.exists() or not list(folder.glob("*.code"))


def _twice(b, x):
    return b.add(x, x)


def test_a_program_from_the_store_can_be_looked_at():
    step = dg.compile(wave, backend="native")
    runs(wave, X)
    step(X)
    assert "text" not in step.latest.seconds
    assert "tanh" in step.source("loops")
    assert "define void @nest_0(" in step.source("llvm", 0)
    report = step.report(X, runs=1)
    assert [k.label for k in report.kernels] == ["add"]
    assert "store" in str(report)


_SCRIPT = """
import sys, numpy as np, deepglass as dg
from deepglass.backends.native import plan
plan.WORTH_KEEPING = 0.0
sys.stdin.readline()  # all begin at once
x = np.linspace(-1, 1, 15, dtype=np.float32).reshape(3, 5)
for k in range(3):
    f = dg.compile(lambda x: (x * (k + 2)).tanh() + 1, backend="native")
    result = f(x).numpy()
    np.testing.assert_allclose(result, np.tanh(x * (k + 2)) + 1, atol=1e-6)
print("right")
"""


def test_several_processes_may_use_it_at_once(folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [p.communicate(timeout=120)[0] for p in processes] == ["right\n"] * 2
    assert len(list(folder.glob("*.code"))) == 3
    assert not [p for p in folder.iterdir() if not p.name.endswith(".code")]  # nothing unfinished
