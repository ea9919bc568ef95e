"""Checkpoints on disk: killed writers, failing disks, damaged and hostile files."""

from __future__ import annotations

import builtins
import errno
import json
import os
import resource
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepglass as dg
from deepglass import files
from deepglass.config import save_config, validated
from deepglass.data import DataLoader, TensorDataset
from deepglass.errors import DataError
from deepglass.files import replace_file
from deepglass.models import MLP
from deepglass.optim.lr_scheduler import CosineAnnealingLR
from deepglass.tensorfile import read_tensors, write_tensors
from deepglass.train import Trainer, accuracy, load, load_checkpoint, save, save_checkpoint

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(dg.__file__).parents[1])}


def state(number: int) -> dict[str, Any]:
    return {"model": {"w": np.full(5000, number, np.float32)}, "history": [number] * 3}


def number_of(path: Path) -> int:
    found, about = load_checkpoint(path)
    assert about == {"data": "none"}
    (number,) = {*found["model"]["w"].tolist(), *found["history"]}
    return int(number)


def write(path: Path, number: int) -> None:
    save_checkpoint(path, state(number), {"data": "none"})


# While it is written --------------------------------------------------------------------


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_state() -> None:
    """The short form of the campaign."""
    command = [sys.executable, ROOT / "scripts" / "crash_campaign.py", "kill", "--count", "20"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.stdout.startswith("kill: 20 of 20 held the old or the new state"), done
    assert ", all removed later" in done.stdout
    assert "; 0 writers died" not in done.stdout


class Disk:
    """Counts the calls that reach the disk, and lets one of them fail."""

    def __init__(self, failing: int, number: int) -> None:
        self.calls: list[str] = []
        self.failing, self.number = failing, number

    def call(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) == self.failing:
                raise OSError(self.number, os.strerror(self.number))
            return function(*args, **kwargs)

        return called

    def open(self, *args: Any) -> Any:
        file = self.call("open", builtins.open)(*args)
        disk = self

        class Watched:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

            def __getattr__(self, name: str) -> Any:
                found = getattr(file, name)
                return disk.call(name, found) if name in ("write", "flush") else found

        return Watched()


@contextmanager
def failing_disk(failing: int, number: int) -> Iterator[Disk]:
    disk = Disk(failing, number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "open", disk.open, raising=False)
        for name in ("open", "fsync", "replace"):
            patch.setattr(os, name, disk.call(name, getattr(os, name)))
        yield disk


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_every_call_to_the_disk_may_fail(number: int, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    calls = ["open", "write", "flush", "fsync", "replace", "open", "fsync"]
    for failing in range(1, len(calls) + 1):
        write(path, 1)
        with (
            failing_disk(failing, number) as disk,
            pytest.raises(OSError, match="the file is whole, as it was or as it should") as error,
        ):
            write(path, 2)
        assert disk.calls == calls[:failing]
        assert (error.value.errno, error.value.filename) == (number, str(path))
        assert os.strerror(number) in str(error.value)
        assert number_of(path) == (2 if "replace" in calls[: failing - 1] else 1)
        assert os.listdir(tmp_path) == [path.name]
        write(path, 3)
        assert number_of(path) == 3
    with failing_disk(len(calls) + 1, number) as disk:
        write(path, 4)
    assert disk.calls == calls


def test_files_may_grow_no_further(tmp_path: Path) -> None:
    """What the system itself does in the middle of a write, at every limit."""
    path = tmp_path / "last.safetensors"
    write(path, 1)
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in [0, 1, *range(7, size, 997), size - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(OSError, match="too large; the file is whole") as error:
                write(path, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert error.value.filename == str(path)
        assert number_of(path) == 1
        assert os.listdir(tmp_path) == [path.name]
    write(path, 3)
    assert number_of(path) == 3


def test_what_killed_writers_left_is_removed_an_hour_later(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    for name, age in (("last", 3700), ("last", 3500), ("best", 3700)):
        left = tmp_path / f".{name}.safetensors.{age:032x}"
        left.write_bytes(b"half")
        changed = left.stat().st_mtime - age
        os.utime(left, (changed, changed))
    (tmp_path / ".last.safetensors.mine").write_bytes(b"kept")
    os.utime(tmp_path / ".last.safetensors.mine", (0, 0))
    write(path, 1)
    assert sorted(os.listdir(tmp_path)) == [
        f".best.safetensors.{3700:032x}", f".last.safetensors.{3500:032x}",
        ".last.safetensors.mine", path.name,
    ]  # fmt: skip


def test_several_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write(path, 0)
    writers = [
        threading.Thread(target=lambda n=n: [write(path, n) for _ in range(10)]) for n in range(4)
    ]
    for writer in writers:
        writer.start()
    while any(w.is_alive() for w in writers):
        assert number_of(path) in range(4)
    assert os.listdir(tmp_path) == [path.name]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    replace_file(tmp_path / "ours", "text")
    modes = {p.stat().st_mode for p in tmp_path.iterdir()}
    assert len(modes) == 1


# When it is read ------------------------------------------------------------------------


def make() -> Trainer:
    dg.manual_seed(1)
    model = dg.nn.Sequential(dg.nn.Linear(3, 2), dg.nn.Dropout(0.1))
    optimizer = dg.optim.Adam(model.parameters(), lr=0.1)
    schedule = CosineAnnealingLR(optimizer, 5)
    loss = dg.nn.functional.cross_entropy
    return Trainer(model, loss, optimizer, [accuracy], schedule=schedule, backend="reference")


def data() -> DataLoader:
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    return DataLoader(TensorDataset(x, np.array([0, 1, 1, 0, 1])), 2)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint of a small run."""
    trainer = make()
    trainer.fit(data(), epochs=2)
    path = tmp_path_factory.mktemp("run") / "last.safetensors"
    save_checkpoint(path, trainer.state_dict(), {"data": "five points"})
    return path.read_bytes()


def taken_up(path: Path) -> bool:
    """Whether a checkpoint is good; if not, it is refused, and the trainer unchanged."""
    trainer = make()
    before = repr(trainer.state_dict())
    try:
        trainer.load_state_dict(load_checkpoint(path)[0])
    except DataError:
        assert repr(trainer.state_dict()) == before
        return False
    return True


def test_every_cut_is_refused(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(written)
    for length in reversed(range(len(written))):
        os.truncate(path, length)
        with pytest.raises(DataError, match=r"cut\.safetensors"):
            load_checkpoint(path)
    path.write_bytes(written)
    assert taken_up(path)


def test_changed_headers_are_refused_or_taken_up(written: bytes, tmp_path: Path) -> None:
    path, rng = tmp_path / "damaged.safetensors", np.random.default_rng(0)
    header = 8 + int.from_bytes(written[:8], "little")
    good = 0
    for number in range(300):
        damaged = bytearray(written)
        for place in rng.integers(0 if number % 3 else 8, header, 1 + number % 2):
            damaged[place] = (
                rng.integers(0, 256) if number % 2 else rng.choice(list(b'0129{}[],:"'))
            )
        path.write_bytes(damaged)
        good += taken_up(path)
    assert good < 100


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to everything inside some JSON."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*way, key)
            yield from places(value[key], (*way, key))


WRONG = [None, True, -1, 0.5, 10**30, "x", [], [[]], {}, {"dict": {}}, {"array": "model.0.bias"}]


def test_wrong_kinds_at_every_place_are_refused_or_taken_up(written: bytes, tmp_path: Path) -> None:
    source, path = tmp_path / "good.safetensors", tmp_path / "wrong.safetensors"
    source.write_bytes(written)
    arrays, notes = read_tensors(source)
    note = notes["deepglass checkpoint"]
    good, ways = 0, list(places(json.loads(note)))
    for number, way in enumerate(ways):
        changed = inner = json.loads(note)
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = WRONG[number % len(WRONG)]
        write_tensors(path, arrays, {"deepglass checkpoint": json.dumps(changed)})
        good += taken_up(path)
    assert good < len(ways) / 2


@pytest.mark.parametrize(
    "note",
    [
        "", "{", "[]", "null", "7", '"state"', "{}", '{"format": 1}', '{"format": 2, "state": {}}',
        '{"format": 1, "state": [], "about": 7}', '{"format": 1, "state": 7, "about": {}}',
        '{"format": 1, "state": {"code": "print()"}, "about": {}}',
        '{"format": 1, "state": {"dict": {"a": {"array": "none"}}}, "about": {}}',
        '{"format": 1, "state": {"dict": {"a": {"array": []}}}, "about": {}}',
        '{"format": 1, "state": {"dict": {"a": {"float": "1x"}}}, "about": {}}',
        '{"format": 1, "state": {"dict": {"a": {"numbered": [[1]]}}}, "about": {}}',
        '{"format": 1, "state": {"dict": {"a": ' + "9" * 5000 + "}}, \"about\": {}}",
        "[" * 100_000, '{"a":' * 100_000,
        '{"format": 1, "about": {}, "state": ' + '{"dict": {"a": ' * 3000 + "1" + "}}" * 3000 + "}",
    ],
    ids=range(20),
)  # fmt: skip
def test_hostile_notes_are_refused(note: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.safetensors"
    for key in ("deepglass checkpoint", "deepglass"):
        write_tensors(path, {"w": np.zeros(2, np.float32)}, {key: note})
        with pytest.raises(DataError):
            (load_checkpoint if key != "deepglass" else load)(path)


def raw(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(shape: list[int], stop: int, dtype: str = "F32") -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, stop]}}


@pytest.mark.parametrize(
    "content",
    [
        (2**63).to_bytes(8, "little"), (2**40).to_bytes(8, "little") + b"{}",
        raw(entry([2**40], 2**42)), raw(entry([2**31, 2**31, 2**31], 0)), raw(entry([0, 2**62], 0)),
        raw(entry([-1], 4), bytes(4)), raw(entry([1], 4, "F8_E4M3"), bytes(4)),
        raw(entry([1], 4, "F99"), bytes(4)), raw({"x": 7}), raw({"__metadata__": {"x": 7}}),
        raw({"__metadata__": "x"}), raw(b"[" * 10**6), raw(b'{"x":' * 10**6), raw(b"\xff\xfe"),
        b"\x80\x04\x95", b"PK\x03\x04" + bytes(30),
    ],
    ids=range(16),
)  # fmt: skip
def test_hostile_files_are_refused_in_little_memory(content: bytes, tmp_path: Path) -> None:
    """Sizes that a header announces are not believed."""
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(content)
    for read in (load_checkpoint, load):
        tracemalloc.start()
        with pytest.raises(DataError, match=r"hostile\.safetensors"):
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * len(content) + 200_000


# What reading a file does to Python -----------------------------------------------------

AUDIT = """
import sys
from pathlib import Path
from deepglass.config import load_config
from deepglass.train import load, load_checkpoint

def read(folder):
    model, about = load(folder / "net.safetensors")
    state, _ = load_checkpoint(folder / "last.safetensors")
    return about, sorted(state), load_config(folder / "config.toml").data.source

events = []
watched = {{"pickle.find_class", "exec", "compile", "import", "os.system", "subprocess.Popen"}}
sys.addaudithook(lambda name, args: events.append(name) if name in watched else None)
import colorsys  # the hook is awake
assert "import" in events
read(Path({other!r}))  # a file of another network: imports that happen at first use
events.clear()
print(read(Path({folder!r})))
print("events:", events)
"""


def test_reading_a_file_imports_and_runs_nothing(tmp_path: Path, written: bytes) -> None:
    folders = [tmp_path / "other", tmp_path / "run"]
    for folder, sizes in zip(folders, ([2, 1], [3, 5, 2]), strict=True):
        folder.mkdir()
        config = validated({"data": {"kind": "points", "source": "moons" + "x" * len(sizes)}})
        save_config(config, folder / "config.toml")
        save(MLP(sizes, dropout=0.5), folder / "net.safetensors", {"sizes": sizes})
        (folder / "last.safetensors").write_bytes(written)
    code = AUDIT.format(other=str(folders[0]), folder=str(folders[1]))
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert "{'sizes': [3, 5, 2]}" in done.stdout, done
    assert "moonsxxx" in done.stdout
    assert done.stdout.endswith("events: []\n")
