"""Downloads, from a server on this machine."""

from __future__ import annotations

import gc
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pooch
import pytest

from deepglass.cli.app import run
from deepglass.cli.screen import aside
from deepglass.data.fetch import Remote, fetch, watching_downloads
from deepglass.data.sources import cifar, idx, named
from deepglass.errors import DataError

CONTENT = b"a published file" * 100

# requests leaves the socket of a failed download to the garbage collector, which warns of it
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives one file whole, another one cut off, and never ends a third one."""

    def do_GET(self) -> None:
        if self.path not in ("/file", "/cut", "/slow"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/file" else CONTENT[:5])
        if self.path == "/slow":
            self.rfile.read()  # until the other side is gone

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("DEEPGLASS_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    yield tmp_path / "deepglass"
    gc.collect()


def remote(url: str, content: bytes = CONTENT) -> Remote:
    digest = hashlib.sha256(content).hexdigest()
    return Remote("file.bin", url, digest, len(content), "nobody/nothing, here.txt")


def test_a_file_is_downloaded_once(server: str, cache: Path) -> None:
    path = fetch("things", remote(f"{server}/file"))
    assert path == cache / "things" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert fetch("things", remote("http://127.0.0.1:9/gone")) == path


def test_a_damaged_copy_in_the_cache_is_replaced(server: str, cache: Path) -> None:
    (cache / "things").mkdir(parents=True)
    (cache / "things" / "file.bin").write_bytes(b"half")
    assert fetch("things", remote(f"{server}/file")).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("address", "content", "message"),
    [
        ("/file", b"something else", "does not match the known hash"),
        ("/cut", CONTENT, "bytes read|IncompleteRead"),
        ("/gone", CONTENT, "404"),
        ("", CONTENT, "refused"),
    ],
)
def test_a_download_that_fails_leaves_nothing(
    server: str, cache: Path, address: str, content: bytes, message: str
) -> None:
    url = server + address if address else "http://127.0.0.1:9/nobody"
    with pytest.raises(DataError, match=message) as caught:
        fetch("things", remote(url, content))
    assert "Nothing was kept" in str(caught.value)
    assert "DEEPGLASS_DATA" in str(caught.value)
    assert not list((cache / "things").iterdir())


class Heard:
    """Notes what it is told of a download."""

    def __init__(self, name: str, size: int) -> None:
        self.total, self.told = 0, [f"{name} of {size}"]

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *error: object) -> None:
        self.told.append("end")

    def update(self, count: int) -> None:
        self.told.append(f"+{count}")

    def reset(self) -> None:
        self.told.append("reset")

    def close(self) -> None:
        self.told.append("whole")


def test_a_download_can_be_watched(server: str) -> None:
    heard: list[Heard] = []

    def watch(name: str, size: int) -> Heard:
        heard.append(Heard(name, size))
        return heard[-1]

    with watching_downloads(watch):
        fetch("things", remote(f"{server}/file"))
        fetch("things", remote(f"{server}/file"))  # is there already
        with pytest.raises(DataError):
            fetch("others", remote(f"{server}/gone"))
    fetch("others", remote(f"{server}/file"))
    begin = f"file.bin of {len(CONTENT)}"
    first, second, third = [h.told for h in heard]
    assert first[0] == f"things/{begin}"
    assert first[1].startswith("+")
    assert first[-4:] == ["reset", f"+{len(CONTENT)}", "whole", "end"]
    assert second == [f"things/{begin}", "end"]
    assert third == [f"others/{begin}", "end"]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_line_shows_a_bar_where_there_is_a_terminal(
    server: str,
    terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(named, "SHAKESPEARE", remote(f"{server}/file"))
    monkeypatch.setattr(aside, "_force_terminal", terminal)
    monkeypatch.setattr(aside, "_width", 120)
    monkeypatch.setattr(sys, "argv", ["deepglass", "data", "show", "tiny-shakespeare"])
    assert run() == 0
    out, err = capfd.readouterr()
    assert "1,600 characters of text" in out
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err)
    if terminal:
        assert re.search(r"downloading tiny-shakespeare/file.bin ━+ +1\.6/1\.6 kB ", shown)
    else:
        assert err == ""
    assert run() == 0
    assert capfd.readouterr() == (out, "")  # nothing is downloaded, so there is no bar


SCRIPT = """
import sys, pooch
from deepglass.data.fetch import Remote, fetch
pooch.os_cache = lambda name: sys.argv[1]
fetch("things", Remote("file.bin", sys.argv[2], "00", 16, ""))
"""


def test_after_a_killed_download_the_next_one_begins_anew(server: str, cache: Path) -> None:
    folder = cache / "things"
    command = [sys.executable, "-c", SCRIPT, str(cache), f"{server}/slow"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (folder.is_dir() and list(folder.iterdir())):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    (left,) = folder.iterdir()
    assert fetch("things", remote(f"{server}/file")).read_bytes() == CONTENT
    assert sorted(folder.iterdir()) == sorted([folder / "file.bin", left])
    os.utime(left, (0, 0))
    (folder / "file.bin").unlink()
    fetch("things", remote(f"{server}/file"))
    assert [path.name for path in folder.iterdir()] == ["file.bin"]


def test_a_full_disk_is_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.move", full)
    with pytest.raises(DataError, match="No space left"):
        fetch("things", remote(f"{server}/file"))


def test_files_at_hand_come_first(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGLASS_DATA", str(tmp_path))
    (tmp_path / "things").mkdir()
    here = tmp_path / "things" / "other.bin"
    here.write_bytes(b"mine")
    assert fetch("things", remote("http://127.0.0.1:9/"), "other.bin") == here
    assert not cache.exists()


def test_without_pooch_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r'pip install "deepglass\[data\]"'):
        fetch("things", remote("http://127.0.0.1:9/"))


def test_every_address_is_cited() -> None:
    remotes = [cifar.CIFAR10, cifar.CIFAR100, named.HOUSING, named.SHAKESPEARE]
    for files in (idx.MNIST_FILES, idx.FASHION_FILES):
        remotes += [r for part in files.values() for r in part]
    assert len({r.url for r in remotes}) == len({r.sha256 for r in remotes}) == 12
    for entry in remotes:
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.url.endswith(f"/{entry.name}")
        assert re.fullmatch(r"[\w-]+/[\w-]+, [\w/-]+\.(txt|rs)", entry.cited)
