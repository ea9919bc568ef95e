"""What the tests share: the backends, and a fresh random stream for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

import deepglass as dg

os.environ["DEEPGLASS_CACHE"] = "0"  # what is tested is made here and now

BACKENDS = ["reference", "native"]

hypothesis.settings.register_profile(
    "deepglass", derandomize=True, deadline=None, database=None, max_examples=50
)
hypothesis.settings.load_profile("deepglass")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once per backend, with that backend as the default."""
    with dg.backend(request.param):
        yield request.param


@pytest.fixture(autouse=True)
def _seeded() -> None:
    dg.manual_seed(0)
