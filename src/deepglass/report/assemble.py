"""The page of a report: its parts in one file.

``page/`` holds plain ECMAScript modules, which any browser and any editor understands; no tool
builds them. A file that is opened from disk cannot import others, so they are joined here.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..files import replace_file
from ..runs import Run
from ..runs.folder import REPORT
from .content import content

# Each after those it imports.
MODULES = (
    "dom", "tips", "charts", "network", "update", "explain", "drawing", "plane", "sections",
    "sight", "attention", "trial", "weights", "main",
)  # fmt: skip


def write_report(run: Run) -> Path:
    """Write report.html into the folder of a run, and return its path.

    Raises:
        DataError: the run is not trained yet, its data have changed, or a file is damaged.
        OSError: the file cannot be written; what was there before still is.
    """
    path = run.folder.path / REPORT
    replace_file(path, assemble(content(run)))
    return path


def assemble(report: dict[str, Any], modules: tuple[str, ...] = MODULES) -> str:
    """Return the page that shows what `content` returned."""
    parts = {
        "style": text("page.css"),
        "script": joined(modules),
        "strings": in_html(json.loads(text("strings.json"))),
        "report": in_html(report),
    }
    return re.sub(r"\{(\w+)\}", lambda m: parts[m[1]], text("page.html"))


def text(name: str) -> str:
    """Return a file of the page."""
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")


def joined(modules: tuple[str, ...]) -> str:
    """Return modules as one script: what they import from each other stands above them."""
    scripts = [text(f"{name}.js") for name in modules]
    bare = [re.sub(r"^import [^;]*;\n", "", script, flags=re.M) for script in scripts]
    return "\n".join(re.sub(r"^export (?=\w)", "", script, flags=re.M) for script in bare)


def in_html(value: Any) -> str:
    """Return JSON that holds no markup, whatever names and texts are in it.

    >>> in_html("</script>")
    '"\\\\u003c/script>"'
    """
    plain = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return plain.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
