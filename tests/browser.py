"""A real browser, for tests of what a page computes and shows."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=10000", "--window-size=1200,900", "--lang=en-US",
)  # fmt: skip


def probed(page: str, script: str, folder: Path) -> Any:
    """Open a page from a file, run a script at the end of its own, and return its `result`."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail("this test opens a browser: install one, such as Debian's chromium.")
    probe = f"""
    let result;
    try {{ {script} }} catch (error) {{ result = {{ error: String(error.stack) }}; }}
    document.body.append(h("pre", {{ id: "probe" }}, JSON.stringify(result)));
    """
    head, tail = page.rsplit("</script>", 1)
    path = folder / "page.html"
    path.write_text(f"{head}{probe}</script>{tail}", encoding="utf-8")
    done = subprocess.run(
        [found, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    match = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match is not None, done.stderr
    result = json.loads(html.unescape(match[1]))
    assert "error" not in result, result["error"]
    return result
