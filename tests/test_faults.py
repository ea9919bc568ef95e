"""The planted faults still fit the source; scripts plant them for tests or for random programs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _script(name: str) -> Any:
    specification = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


FAULTS = _script("plant_faults").FAULTS
MISCOMPILATIONS = _script("plant_miscompilations").FAULTS


@pytest.mark.parametrize("fault", FAULTS + MISCOMPILATIONS, ids=lambda fault: fault.name)
def test_a_fault_fits_the_source(fault: Any) -> None:
    text = (ROOT / "src/deepglass" / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.before) == 1
    assert fault.after != fault.before
    assert all((ROOT / t).exists() for t in fault.tests if t.endswith(".py"))


def test_there_are_faults_of_every_kind() -> None:
    places = [fault.file.split("/")[0] for fault in FAULTS]
    assert {"ops", "graph", "nn", "optim", "backends"} <= set(places)
    assert len(FAULTS) >= 11
    assert len(MISCOMPILATIONS) >= 8
