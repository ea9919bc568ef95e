"""Machine code of modules, made by several threads."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

import deepglass as dg
from deepglass.backends.native import plan
from deepglass.backends.native.codegen import Module
from deepglass.backends.native.cpu import QUICKLY, WELL, host

TEXT = """\
define double @f(double %x) {
  %y = fmul double %x, 3.0
  %z = fadd double %y, 1.0
  ret double %z
}
"""


@pytest.mark.parametrize("effort", [WELL, QUICKLY])
def test_code_does_not_depend_on_the_thread(effort: int) -> None:
    alone = Module(TEXT, host(), effort).code()
    modules = [Module(TEXT, host(), effort) for _ in range(16)]
    with ThreadPoolExecutor(4) as workers:
        for module in modules:
            workers.submit(module.make)
    assert alone
    assert {module.code() for module in modules} == {alone}


def test_a_module_is_made_once_whoever_asks() -> None:
    module = Module(TEXT, host(), WELL)
    with ThreadPoolExecutor(4) as workers:
        found = {w.result() for w in [workers.submit(module.code) for _ in range(8)]}
    assert found == {module.code()}


def test_python_looks_for_garbage_again_after_compiling(monkeypatch) -> None:
    seen: list[bool] = []
    make = plan.make_plan

    def noted(*args, **settings):
        seen.append(gc.isenabled())
        return make(*args, **settings)

    monkeypatch.setattr(plan, "make_plan", noted)
    dg.compile(lambda x: x * 2, backend="native")(1.0)
    assert seen == [False]
    assert gc.isenabled()
