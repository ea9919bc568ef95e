"""Series as windows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepglass.data import (
    DataLoader,
    SeriesEncoder,
    WindowDataset,
    encode_series,
    read_table,
)
from deepglass.errors import DataError


def series(folder: Path, count: int = 30, gap: int | None = None) -> Path:
    """x doubles the number of the row, y counts down; the date is no number."""
    lines = [f"2020-{n:02},{'' if n == gap else 2 * n},{-n}" for n in range(count)]
    path = folder / "series.csv"
    path.write_text("month,x,y\n" + "\n".join(lines))
    return path


class TestWindows:
    @pytest.mark.parametrize("step", [1, 2, 5])
    def test_by_hand(self, step: int) -> None:
        values = np.stack([np.arange(11), 10 * np.arange(11)], axis=1)
        windows = WindowDataset(values, window=3, horizon=2, target=1, step=step)
        starts = list(range(0, 7, step))
        assert len(windows) == len(starts)
        x, y = windows.batch(np.arange(len(windows)))
        for place, start in enumerate(starts):
            assert x[place].tolist() == values[start : start + 3].tolist()
            assert y[place].tolist() == [10 * (start + 3), 10 * (start + 4)]
            assert np.array_equal(windows[place][0], x[place])

    def test_a_loader_takes_them_at_once(self) -> None:
        windows = WindowDataset(np.arange(9.0)[:, None], 2)
        x, y = next(iter(DataLoader(windows, 3)))
        assert x.shape == (3, 2, 1)
        assert y.tolist() == [[2], [3], [4]]

    @pytest.mark.parametrize(
        "options", [{"window": 0}, {"window": 5, "horizon": 5}, {"window": 1, "step": 0},
                    {"window": 1, "target": 1}]
    )  # fmt: skip
    def test_what_does_not_fit(self, options: dict[str, int]) -> None:
        with pytest.raises(DataError, match="WindowDataset: "):
            WindowDataset(np.zeros((9, 1)), **options)


class TestEncoding:
    def test_parts_share_no_target_and_are_fitted_on_the_past(self, tmp_path: Path) -> None:
        table = read_table(series(tmp_path))
        encoder, parts = encode_series(table, "x", window=4, horizon=3, lengths="6:2:2")
        assert encoder.left_out == {"month": "its values are not numbers"}
        past = 2 * np.arange(18)
        assert encoder.columns[0].mean == past.mean()
        assert encoder.columns[0].std == past.std()
        targets = [
            np.rint(encoder.inverse(part.batch(np.arange(len(part)))[1]) / 2) for part in parts
        ]
        assert [(t.min(), t.max()) for t in targets] == [(4, 17), (18, 23), (24, 29)]
        inputs = parts[1].batch(np.arange(1))[0]
        assert np.rint(encoder.inverse(inputs[0, :, 0]) / 2).tolist() == [14, 15, 16, 17]
        np.testing.assert_allclose(inputs[..., 0], -inputs[..., 1], rtol=1e-5)

    def test_through_json(self, tmp_path: Path) -> None:
        table = read_table(series(tmp_path))
        encoder = SeriesEncoder.fit(table, "x", log=["x"], ignore=["y"])
        again = SeriesEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
        assert again == encoder
        found = again.inverse(again.transform(table)[:, 0])
        np.testing.assert_allclose(found, 2 * np.arange(30), rtol=1e-5, atol=1e-5)
        for state in ({}, {"columns": [], "left_out": {}}, {"columns": [{"kind": "x"}]}):
            with pytest.raises(DataError, match=r"SeriesEncoder|columns"):
                SeriesEncoder.from_dict(state)

    def test_what_is_refused(self, tmp_path: Path) -> None:
        table = read_table(series(tmp_path, gap=7))
        with pytest.raises(DataError, match=r"'x' has '' in line 9\. .*ignore=\['x'\]"):
            encode_series(table, "x", 3)
        assert len(encode_series(table, "y", 3, ignore=["x"])[1]) == 2
        with pytest.raises(DataError, match="'month' has '2020-00' in lines 2, 3"):
            encode_series(table, "month", 3)
        with pytest.raises(DataError, match=r"parts of \[24, 6\], of which part 2 has none"):
            encode_series(read_table(series(tmp_path)), "x", 3, horizon=7)
        with pytest.raises(DataError, match="a column 'z'"):
            encode_series(table, "z", 3)
