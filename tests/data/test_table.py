"""CSV tables: what is read, what is fitted, what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import deepglass as dg
from deepglass.data import Subset, TableEncoder, encode_table, read_table
from deepglass.errors import DataError

HOUSES = """area,rooms,town,price
50.5,2,Ulm,100
70,,Bonn,150
,3,Ulm,170
120,5,?,300
90,4,Köln,250
"""


def write(folder: Path, content: str | bytes, name: str = "houses.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    return write(tmp_path, HOUSES)


class TestReading:
    def test_cells_and_lines(self, houses: Path) -> None:
        table = read_table(houses)
        assert table.names == ["area", "rooms", "town", "price"]
        assert table.column("town") == ["Ulm", "Bonn", "Ulm", "", "Köln"]
        assert table.lines.tolist() == [2, 3, 4, 5, 6]
        assert table.take([3, 0]).column("price") == ["300", "100"]
        assert table.take([3, 0]).lines.tolist() == [5, 2]
        assert len(table.with_value("rooms")) == 4

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_the_delimiter_is_told(self, tmp_path: Path, delimiter: str) -> None:
        text = 'a,b\n"x, y; z|\t",1\nu,2\n'.replace('"x, y; z|\t"', "@").replace(",", delimiter)
        table = read_table(write(tmp_path, text.replace("@", '"x, y; z|\t"')))
        assert table.columns == {"a": ["x, y; z|", "u"], "b": ["1", "2"]}

    def test_one_column(self, tmp_path: Path) -> None:
        assert read_table(write(tmp_path, "x\n1\n2\n")).columns == {"x": ["1", "2"]}

    def test_with_and_without_a_header(self, tmp_path: Path) -> None:
        path = write(tmp_path, "5.1,setosa\n4.9,other\n")
        assert read_table(path).names == ["column 1", "column 2"]
        assert len(read_table(path)) == 2
        assert read_table(path, header=True).names == ["5.1", "setosa"]
        assert read_table(write(tmp_path, ",b\n1,2\n")).names == ["column 1", "b"]
        assert len(read_table(write(tmp_path, "a,b\nc,d\n"), header=False)) == 2

    def test_quoted_cells_over_several_lines_keep_the_count(self, tmp_path: Path) -> None:
        table = read_table(write(tmp_path, 'a,b\n"one\ntwo",1\n\nx,2\n'))
        assert table.column("a") == ["one\ntwo", "x"]
        assert table.lines.tolist() == [2, 5]

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbf" + HOUSES.encode(),
            HOUSES.encode("utf-16"),
            gzip.compress(HOUSES.encode(), mtime=0),
            HOUSES.replace("\n", "\r\n").encode(),
            HOUSES.encode() + b"\n\n",
        ],
    )
    def test_marks_ends_of_lines_and_gzip(
        self, tmp_path: Path, houses: Path, content: bytes
    ) -> None:
        assert read_table(write(tmp_path, content, "x")).columns == read_table(houses).columns

    def test_another_encoding(self, tmp_path: Path) -> None:
        content = HOUSES.encode("latin-1")
        path, place = write(tmp_path, content), content.index(b"\xf6")
        with pytest.raises(DataError, match=rf"byte f6 at offset {place}, line 6\. .*latin-1"):
            read_table(path)
        assert read_table(path, encoding="latin-1").column("town")[-1] == "Köln"
        with pytest.raises(DataError, match="an encoding that Python knows"):
            read_table(path, encoding="klingon")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "the file is empty"),
            ("\n\n", "has rows; this one has none"),
            ("a,b\n", "a header alone"),
            ("a,b,a\n1,2,3\n", "has 'a' more than once"),
            ("a,b\n1,2\n3\n4,5\n6,7,8\n", r"2 cells per row; lines 3, 5 have 1, 3"),
            ("a,b\n1,2\n3\n", r"2 cells per row; line 3 has 1\."),
            ("a,b\n" + "1\n" * 9, r"lines 2, 3, 4, 5, 6 and 4 more have 1"),
            ('a,b\n1,"2\n3,4\n', r"the row that begins in line 2\. .*quotation mark"),
            (b"a,b\n1,\x00\n", "zero byte"),
            (b"\x89PNG\r\n\x1a\n", "got byte 89 at offset 0, line 1"),
            (gzip.compress(HOUSES.encode(), mtime=0)[:-9], "damaged or cut off"),
        ],
    )
    def test_a_damaged_file(self, tmp_path: Path, content: str | bytes, message: str) -> None:
        path = write(tmp_path, content)
        with pytest.raises(DataError, match=message) as caught:
            read_table(path)
        assert str(caught.value).startswith(f"{path}: ")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such file"):
            read_table(tmp_path / "x.csv")
        with pytest.raises(DataError, match="this is a folder"):
            read_table(tmp_path)


class TestEncoding:
    def test_by_hand(self, houses: Path) -> None:
        """Fitted on the first three rows: area 50.5 and 70, rooms 2 and 3, Ulm and Bonn."""
        table = read_table(houses)
        encoder = TableEncoder.fit(table, "price", rows=[0, 1, 2])
        assert encoder.features == [
            "area", "area is missing", "rooms", "rooms is missing", "town = Bonn", "town = Ulm",
        ]  # fmt: skip
        found = encoder.transform(table)
        expected = [
            [-1, 0, -1, 0, 0, 1],
            [1, 0, 0, 1, 1, 0],
            [0, 1, 1, 0, 0, 1],
            [(120 - 60.25) / 9.75, 0, 5, 0, 0, 0],
            [(90 - 60.25) / 9.75, 0, 3, 0, 0, 0],
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        prices = np.array([100, 150, 170, 300, 250])
        scaled = (prices - 140) / np.std([100, 150, 170])
        np.testing.assert_allclose(encoder.targets(table)[:, 0], scaled, rtol=1e-6)
        np.testing.assert_allclose(encoder.inverse(encoder.targets(table)), prices, rtol=1e-6)
        assert (found.dtype, encoder.targets(table).shape) == (np.float32, (5, 1))
        assert (encoder.task, encoder.reason) == ("regression", "its values are numbers")

    def test_a_missing_number_is_the_median_of_the_training_rows(self, tmp_path: Path) -> None:
        table = read_table(write(tmp_path, "x,t\n1,1.5\n2,2.5\n9,3\n,4\n100,5\n"))
        found = TableEncoder.fit(table, "t", rows=range(4)).transform(table)
        np.testing.assert_allclose(found[3], [(2 - 4) / np.std([1, 2, 9]), 1], rtol=1e-6)

    def test_is_what_scikit_learn_does(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        numbers = rng.normal(5, 3, (30, 2))
        words = rng.choice(["a", "b", "c"], 30)
        lines = [f"{x},{w},{y},{x - y}" for (x, y), w in zip(numbers, words, strict=True)]
        table = read_table(write(tmp_path, "x,word,y,t\n" + "\n".join(lines)))
        encoder = TableEncoder.fit(table, "t", rows=range(20))
        theirs = make_column_transformer(
            (StandardScaler(), [0]), (OneHotEncoder(sparse_output=False), [1]),
            (StandardScaler(), [2]),
        )  # fmt: skip
        rows = np.array([[x, w, y] for (x, y), w in zip(numbers, words, strict=True)], object)
        theirs.fit(rows[:20])
        np.testing.assert_allclose(encoder.transform(table), theirs.transform(rows), atol=1e-5)

    def test_no_value_is_a_category_of_its_own(self, houses: Path) -> None:
        table = read_table(houses)
        encoder = TableEncoder.fit(table, "price")
        assert encoder.features[-4:] == [
            "town = (none)",
            "town = Bonn",
            "town = Köln",
            "town = Ulm",
        ]
        assert encoder.transform(table)[3, -4:].tolist() == [1, 0, 0, 0]

    def test_without_indicators(self, houses: Path) -> None:
        encoder = TableEncoder.fit(read_table(houses), "price", indicators=False)
        assert encoder.features[:3] == ["area", "rooms", "town = (none)"]

    def test_logarithms_on_request(self, tmp_path: Path) -> None:
        table = read_table(write(tmp_path, "x,y,z\n0,1,3\n9,2,-1\n99,900,2\n999,2,1\n2,3,4\n"))
        for log in (["x", "y"], True):
            encoder = TableEncoder.fit(table, "y", task="regression", log=log)
            logs = np.log([1, 10, 100, 1000, 3])
            found = encoder.transform(table)
            np.testing.assert_allclose(found[:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-5)
            assert abs(found[:, 1].mean()) < 1e-6
            back = encoder.inverse(encoder.targets(table))
            np.testing.assert_allclose(back, [1, 2, 900, 2, 3], rtol=1e-4)
        for rows in (range(5), (0, 2, 3)):
            with pytest.raises(DataError, match=r"'z' is not negative.*got -1 in line 3"):
                TableEncoder.fit(table, "x", rows, log=["z"]).transform(table)

    def test_rare_categories_become_one(self, tmp_path: Path) -> None:
        words = [f"w{n % 70:02}" for n in range(280)] + ["w00", "w69"]
        text = "".join(f"{w},{n / 7}\n" for n, w in enumerate(words))
        table = read_table(write(tmp_path, "word,x\n" + text))
        encoder = TableEncoder.fit(table, "x")
        assert len(encoder.features) == 64
        assert encoder.features[-1] == "word = (other)"
        assert {"word = w00", "word = w69"} <= set(encoder.features)
        assert encoder.transform(table).sum(axis=1).tolist() == [1] * len(words)

    def test_what_tells_nothing_is_left_out_and_said_so(self, tmp_path: Path) -> None:
        rows = [f"{n},{n + 1990},same,,name {n},{n % 3},{n * n}" for n in range(30)]
        table = read_table(write(tmp_path, "id,year,one,none,name,kind,y\n" + "\n".join(rows)))
        encoder = TableEncoder.fit(table, "y", categorical=["kind"], ignore=["year"])
        assert encoder.left_out == {
            "id": "it numbers the rows",
            "year": "it was asked for",
            "one": "all rows have 'same'",
            "none": "it has no values",
            "name": "it has 30 different values in 30 rows",
        }
        assert encoder.features == ["kind = 0", "kind = 1", "kind = 2"]
        assert "year" in TableEncoder.fit(table, "y").features

    @pytest.mark.parametrize(
        ("cells", "classes"),
        [
            (["b", "a", "b", "c"], ("a", "b", "c")),
            (["1", "0", "1.0", "00"], ("0", "1")),
            (["10", "9", "9", "10"], ("9", "10")),
            (["yes", "no", "yes", "no"], ("no", "yes")),
        ],
    )
    def test_classes(self, tmp_path: Path, cells: list[str], classes: tuple[str, ...]) -> None:
        text = "x,t\n" + "".join(f"{n}.5,{c}\n" for n, c in enumerate(cells))
        table = read_table(write(tmp_path, text))
        encoder = TableEncoder.fit(table, "t")
        numbers = encoder.targets(table)
        assert encoder.task == "classification"
        assert (numbers.dtype, encoder.target.classes) == (np.int64, classes)
        scores = np.eye(len(classes))[numbers]
        assert [float(c) if c[0].isdigit() else c for c in encoder.inverse(scores)] == [
            float(c) if c[0].isdigit() else c for c in cells
        ]

    def test_the_task_is_told_or_asked_for(self, tmp_path: Path) -> None:
        def reason(cells: list[str], **options: Any) -> tuple[str, str]:
            text = "x,t\n" + "".join(f"{n}.5,{c}\n" for n, c in enumerate(cells))
            encoder = TableEncoder.fit(read_table(write(tmp_path, text)), "t", **options)
            return encoder.task, encoder.reason

        whole = ["1", "2", "3", "1", "2", "3"]
        assert reason(whole) == ("classification", "its values are 3 whole numbers that repeat")
        assert reason(["1", "2", "3"])[0] == "regression"
        assert reason(["1.5", "2", "1.5", "2"])[0] == "regression"
        assert reason(whole, task="regression") == ("regression", "it was asked for")
        with pytest.raises(DataError, match="one of regression, classification; got 'x'"):
            reason(whole, task="x")

    def test_through_json_and_on_to_new_rows(self, tmp_path: Path, houses: Path) -> None:
        encoder = TableEncoder.fit(read_table(houses), "price", log=["area"])
        again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
        assert again == encoder
        new = read_table(write(tmp_path, "town,extra,rooms,area\nParis,1,,60\n", "new.csv"))
        assert np.array_equal(again.transform(new), encoder.transform(new))
        assert again.transform(new)[0].tolist()[-4:] == [0, 0, 0, 0]  # Paris is new
        with pytest.raises(DataError, match=r"new\.csv: a column 'price'; got 'town', 'extra'"):
            again.targets(new)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda s: s.pop("inputs"),
            lambda s: s["inputs"].clear(),
            lambda s: s["inputs"].append(s["target"] | {"kind": "os.system"}),
            lambda s: s["inputs"].append({"kind": "class", "name": "a", "classes": ["b"]}),
            lambda s: s["target"].update(median="1"),
            lambda s: s["target"].update(std=float("nan")),
            lambda s: s["target"].pop("std"),
            lambda s: s.update(left_out=[]),
            lambda s: s.update(target=s["inputs"][-1]),
        ],
    )
    def test_a_state_that_is_none(self, houses: Path, damage: Any) -> None:
        state = TableEncoder.fit(read_table(houses), "price").to_dict()
        damage(state)
        with pytest.raises(DataError, match=r"TableEncoder|columns"):
            TableEncoder.from_dict(state)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x,t\n1,2\n2,\n3,NaN\n", r"2 of 3 have none, lines 3, 4\. .*with_value\('t'\)"),
            ("x,t\n1,2\n2,inf\n3,4.5\n", r"'t' holds finite numbers; got 'inf' in line 3"),
            ("x,t\n1,a\n2,a\n", "tells at least two classes apart; all 2 .* 'a'"),
            ("x,t\n1.5,2.5\n3,2.5\n", "'t' differs between rows; all 2 training rows have 2.5"),
            ("x,y\n1,2\n", r"a column 't'; got 'x', 'y'\.$"),
            ("x,T1,t1\n1,2,3\n", r"a column 't'; got .*\. Did you mean t1\?"),
            ("x,t\n1,2\n1,3\n1,2.5\n", "to learn 't' from; got none. .*'x', all rows have '1'"),
            ("t\n2\n3\n", "to learn 't' from; got none. Left out: nothing"),
            (
                "x,t\n" + "".join(f"{n % 5}.5,{n / 3}\n" for n in range(19)) + "oops,4\n",
                r"'x' holds finite numbers; got 'oops' in line 21.*categorical=\['x'\]",
            ),
            ("x,t\n1,1.5\ninf,2\n3,2.5\n", "'x' holds finite numbers; got 'inf' in line 3"),
        ],
    )
    def test_tables_that_cannot_be_learned(self, tmp_path: Path, text: str, message: str) -> None:
        path = write(tmp_path, text)
        with pytest.raises(DataError, match=message) as caught:
            TableEncoder.fit(read_table(path), "t")
        assert str(caught.value).startswith(f"{path}: ")

    def test_an_underscore_makes_no_number(self, tmp_path: Path) -> None:
        table = read_table(write(tmp_path, "x,t\n1_0,1.5\n2_0,2\n"))
        assert TableEncoder.fit(table, "t").features == ["x = 1_0", "x = 2_0"]

    def test_a_class_that_no_training_row_has(self, tmp_path: Path) -> None:
        table = read_table(write(tmp_path, "x,t\n1,a\n2,b\n3,a\n4,c\n"))
        encoder = TableEncoder.fit(table, "t", rows=[0, 1, 2])
        with pytest.raises(DataError, match=r"one of the 2 classes .* got 'c' in line 5"):
            encoder.targets(table)

    def test_no_rows(self, houses: Path) -> None:
        with pytest.raises(DataError, match="at least one row"):
            TableEncoder.fit(read_table(houses), "price", rows=[])


def fields(part: Subset) -> tuple[np.ndarray, ...]:
    return part.batch(np.arange(len(part)))


class TestDividing:
    def test_parts_are_fitted_on_the_first(self, tmp_path: Path) -> None:
        text = "x,kind\n" + "".join(f"{n * n},{'ab'[n % 4 == 0]}\n" for n in range(40))
        table = read_table(write(tmp_path, text))
        encoder, parts = encode_table(table, "kind", "6:2:2", dg.Generator(1))
        assert [len(part) for part in parts] == [24, 8, 8]
        assert [np.bincount(fields(part)[1]).tolist() for part in parts] == [
            [18, 6], [6, 2], [6, 2],
        ]  # fmt: skip
        first = fields(parts[0])[0]
        np.testing.assert_allclose([first.mean(), first.std()], [0, 1], atol=1e-6)
        everything = np.concatenate([fields(part)[0][:, 0] for part in parts])
        column = encoder.inputs[0]
        assert sorted(np.rint(column.inverse(everything))) == [n * n for n in range(40)]
        again = encode_table(table, "kind", "6:2:2", dg.Generator(1))[1]
        assert np.array_equal(fields(again[1])[0], fields(parts[1])[0])

    def test_a_part_may_be_empty(self, houses: Path) -> None:
        encoder, parts = encode_table(read_table(houses), "price", [5, 0])
        assert fields(parts[1])[0].shape == (0, len(encoder.features))
        assert fields(parts[1])[1].shape == (0, 1)

    def test_a_trained_line(self, tmp_path: Path) -> None:
        """A linear layer learns y = 3 a - 2 b + 7 in the units of the table."""
        rng = np.random.default_rng(1)
        rows = [(a, b, 3 * a - 2 * b + 7) for a, b in rng.normal(10, 5, (50, 2)).round(2)]
        text = "a,b,y\n" + "".join(f"{a},{b},{y:.2f}\n" for a, b, y in rows)
        encoder, (train, test) = encode_table(read_table(write(tmp_path, text)), "y")
        x, y = fields(train)
        weights = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
        found = encoder.inverse(np.c_[fields(test)[0], np.ones(len(test))] @ weights)
        np.testing.assert_allclose(found, encoder.inverse(fields(test)[1]), atol=0.02)
