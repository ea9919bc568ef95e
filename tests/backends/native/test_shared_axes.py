"""Along which axis threads share loops, and in chunks of how many rows."""

import numpy as np
import pytest

import deepglass as dg
from deepglass.backends.native import threads
from deepglass.backends.native.scratch import chunk_size


def phases(executable) -> list:
    return [phase for level in executable.loops.levels for phase in level]


def shared(executable, label: str) -> list[str]:
    """The axes that threads share of the loops that compute ``label``."""
    found = [p.rows for p in phases(executable) if any(label in n.label for n in p.nests)]
    return [rows.name if rows else "" for rows in found]


def convolved(side: int, channels: int):
    """A convolution of one image, twice, and what it is turned around for the second time."""
    rng = np.random.default_rng(0)
    shapes = (1, 64, side, 7), (channels, 64, 3, 3), (64, channels, 3, 3)
    arrays = [rng.standard_normal(s, np.float32) for s in shapes]

    def function(x, v, w):
        y = dg.relu(dg.conv2d(x, v, padding=1))
        return dg.conv2d(y, w, padding=1), dg.sum(y.permute(2, 1, 0, 3) * 2, 3)

    with dg.exact():
        program = dg.compile(function, backend="native").program(*arrays)
    return program.executable, arrays, function


@pytest.mark.parametrize("side", [5, 32])  # 32: as many rows as tiles of channels
def test_a_large_factor_is_shared_out_among_threads(side):
    executable, arrays, function = convolved(side, 512)
    expected = [t.numpy() for t in function(*map(dg.tensor, arrays))]
    if side == 5:
        assert shared(executable, "conv")[0] == "i0t"
    before = threads.threads()
    results = []
    for count in (1, 2, 3):
        threads.set_threads(count)
        results.append(executable(arrays))
    threads.set_threads(before)
    for found in results:
        for a, b, first in zip(found, expected, results[0], strict=True):
            assert np.abs(a - b).max() < 2e-5 * np.abs(b).max()
            assert np.array_equal(a, first)


def test_a_long_sum_that_gathers_in_memory_is_shared_out_as_well():
    """Memory for a chunk of rows is no place for it: the rows are not the outermost in memory."""
    rng = np.random.default_rng(0)
    shapes = (1, 1024, 5, 7), (512, 1024, 1, 1), (32, 512, 3, 3)
    x, v, w = (rng.standard_normal(s, np.float32) for s in shapes)

    def function(x, v, w):
        return dg.conv2d(dg.relu(dg.conv2d(x, v)), w, padding=1)

    executable = dg.compile(function, backend="native").program(x, v, w).executable
    assert shared(executable, "conv")[0] == "i0t"
    assert any(n.over and n.axes[0].name == "part" for p in phases(executable) for n in p.nests)
    wanted = function(*map(dg.tensor, (x, v, w))).numpy()
    assert np.abs(executable([x, v, w])[0] - wanted).max() < 2e-5 * np.abs(wanted).max()


def test_small_factors_leave_the_rows_of_the_image_to_threads():
    assert shared(convolved(32, 16)[0], "conv")[0] == "i1"


@pytest.mark.parametrize(
    ("rows", "plain", "even"),
    [(7, 1, 1), (14, 2, 1), (28, 8, 7), (36, 8, 6), (56, 8, 7), (64, 8, 8), (112, 8, 8), (1, 1, 1)],
)
def test_chunks_are_equal_and_of_an_even_number_where_rows_are_no_blocks(rows, plain, even):
    assert chunk_size(rows) == plain
    assert chunk_size(rows, blocks=False) == even


@pytest.mark.parametrize(
    ("rows", "gathers", "wide"),
    [(63, 8, 8), (64, 64, 16), (128, 64, 16), (384, 96, 48), (512, 128, 64), (4096, 128, 128)],
)
def test_chunks_that_copy_a_factor_are_large(rows, gathers, wide):
    assert chunk_size(rows, gathers=True) == gathers
    assert chunk_size(rows, wide=True) == wide


def test_what_is_seen_under_another_shape_lies_in_its_rows():
    """Tiles of a map, put side by side, are another shape of the map; its images stay apart."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s, np.float32) for s in ((64, 16, 32, 32), (16, 16, 3, 3)))
    scale = np.ones((16, 1, 1), np.float32)

    def function(x, w, scale):
        y = dg.conv2d(x, w, padding=1)
        spread = dg.var(y, (0, 2, 3), keepdim=True)
        return dg.conv2d(dg.relu(y * scale * spread), w, padding=1)

    executable = dg.compile(function, backend="native").program(x, w, scale).executable
    labels = [n.label for p in phases(executable) for n in p.nests]
    assert any("weighted_sums" in label for label in labels)  # Winograd's algorithm
    assert set(shared(executable, "maximum")) == {"i0"}
