"""Trained networks in files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from deepglass.errors import DataError
from deepglass.files import replace_file
from deepglass.models import MLP
from deepglass.train import load, save


class TestFiles:
    def model(self) -> MLP:
        return MLP([6, 5, 3], "tanh", dropout=0.1)

    def test_a_network_comes_back_bit_for_bit(self, tmp_path: Path) -> None:
        model, path = self.model(), tmp_path / "net.safetensors"
        save(model, path, {"input": "six numbers"})
        again, about = load(path)
        assert about == {"input": "six numbers"}
        assert not again.training
        assert repr(again) == repr(model)
        for name, value in model.state_dict().items():
            assert again.state_dict()[name].tobytes() == value.tobytes()

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
    def test_it_comes_back_in_the_type_it_was_saved_in(self, tmp_path: Path, dtype: str) -> None:
        model, path = self.model().to(dtype), tmp_path / "net.safetensors"
        save(model, path)
        again, _ = load(path)
        for name, value in model.state_dict().items():
            found = again.state_dict()[name]
            assert found.dtype == value.dtype
            assert found.dtype.name == dtype
            assert found.tobytes() == value.tobytes()

    def test_types_deepglass_does_not_have(self, tmp_path: Path) -> None:
        import ml_dtypes
        from safetensors.numpy import save_file

        path = tmp_path / "other.safetensors"
        save_file({"x": np.zeros(3, ml_dtypes.float8_e4m3fn)}, path)
        with pytest.raises(DataError, match=r"other\.safetensors: weights of a type.*F8_E4M3"):
            load(path)

    def test_others_can_read_it(self, tmp_path: Path) -> None:
        model, path = self.model(), tmp_path / "net.safetensors"
        save(model, path)
        with safe_open(path, framework="numpy") as file:
            assert set(file.keys()) == set(model.state_dict())
            config = json.loads(file.metadata()["deepglass"])
        assert config["model"] == "MLP"
        assert config["arguments"]["sizes"] == [6, 5, 3]

    def test_a_part_of_a_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "net.safetensors"
        save(self.model(), path)
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match=r"net\.safetensors"):
                load(path)

    def test_flipped_bytes_load_or_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "net.safetensors"
        save(self.model(), path)
        whole, rng = path.read_bytes(), np.random.default_rng(0)
        header = 8 + int.from_bytes(whole[:8], "little")
        refused = 0
        for _ in range(300):
            damaged = bytearray(whole)
            for place in rng.integers(0, header, 2):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(bytes(damaged))
            try:
                load(path)
            except DataError:
                refused += 1
        assert refused > 250

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ({}, "another safetensors file"),
            ({"deepglass": "{"}, "damaged"),
            ({"deepglass": "[]"}, "damaged"),
            ({"deepglass": '{"about": {}}'}, "model file: it names one of MLP"),
        ],
    )
    def test_files_of_other_makers(
        self, tmp_path: Path, header: dict[str, str], message: str
    ) -> None:
        from safetensors.numpy import save_file

        path = tmp_path / "other.safetensors"
        save_file({"x": np.zeros(3, np.float32)}, path, metadata=header)
        with pytest.raises(DataError, match=message):
            load(path)

    def test_weights_of_another_form(self, tmp_path: Path) -> None:
        from safetensors.numpy import save_file

        path = tmp_path / "net.safetensors"
        config = {"model": "MLP", "arguments": {"sizes": [2, 1]}, "about": {}}
        metadata = {"deepglass": json.dumps(config)}
        save_file({"layers.0.weight": np.zeros(3, np.float32)}, path, metadata=metadata)
        with pytest.raises(DataError, match=r"weights that fit the model; .*layers\.0\.bias"):
            load(path)

    def test_a_failed_write_leaves_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "file"
        for failing in ("fsync", "replace"):
            replace_file(path, b"old")
            with monkeypatch.context() as patch:

                def fail(*_: object) -> None:
                    raise OSError(28, "No space left on device")

                patch.setattr(os, failing, fail)
                with pytest.raises(OSError, match="No space left"):
                    replace_file(path, b"new")
            assert path.read_bytes() == b"old"
            assert [p.name for p in tmp_path.iterdir()] == ["file"]
        replace_file(path, b"new")
        assert path.read_bytes() == b"new"

    def test_a_missing_folder_is_an_error_of_the_system(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            save(self.model(), tmp_path / "nowhere" / "net.safetensors")
