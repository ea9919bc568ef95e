"""MNIST, Fashion-MNIST and CIFAR in their published formats, and files that are not."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from deepglass.data import (
    CATALOG,
    load,
    load_cifar10,
    load_cifar100,
    load_fashion_mnist,
    load_mnist,
    read_cifar,
    read_idx,
)
from deepglass.data.sources.cifar import CLASSES100
from deepglass.errors import DataError

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array: np.ndarray, code: int = 8) -> bytes:
    """As the format is described, element by element."""
    head = bytes([0, 0, code, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
    letter = {8: "B", 9: "b", 11: "h", 12: "i", 13: "f", 14: "d"}[code]
    return head + struct.pack(f">{array.size}{letter}", *array.ravel().tolist())


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 2, 3), dtype=np.uint8)
LABELS = np.array([3, 0, 9, 1, 1], np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPGLASS_DATA", str(tmp_path))
    for name in ("mnist", "fashion-mnist", "cifar10", "cifar100"):
        (tmp_path / name).mkdir()
    return tmp_path


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class TestIdx:
    @pytest.mark.parametrize(
        ("code", "dtype"),
        [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")],
    )
    @pytest.mark.parametrize("packed", [False, True])
    def test_every_element_type(self, tmp_path: Path, code: int, dtype: str, packed: bool) -> None:
        array = np.array([[1, 2, 100], [0, 5, 7]], dtype)
        data = idx(array, code)
        found = read_idx(write(tmp_path / "file", gzip.compress(data) if packed else data))
        assert found.dtype == np.dtype(dtype)
        assert found.tolist() == array.tolist()

    @pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3)])
    def test_odd_shapes(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        assert read_idx(write(tmp_path / "file", idx(np.ones(shape, np.uint8)))).shape == shape

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "the file is empty, 0 bytes"),
            (b"\0\0", "begins with a magic number, so 4 bytes; got 2"),
            (b"\x89PNG\r\n\x1a\n", "begins with 00 00.*got 89 50 4e 47 at offset 0"),
            (b"\0\0\x07\x01", "begins with 00 00"),
            (b"\0\0\x08\x03\0\0", "says 3 axes, so 16 bytes; got 6"),
            (idx(IMAGES)[:-1], "5 x 2 x 3 elements of 1 bytes, so 46 bytes; got 45"),
            (idx(IMAGES) + b"!", "so 46 bytes; more follow"),
            (gzip.compress(idx(IMAGES), mtime=0)[:-12], "gzip stream is damaged or cut off"),
            (gzip.compress(idx(IMAGES), mtime=0)[:20], "gzip stream is damaged or cut off"),
            (gzip.compress(idx(IMAGES)[:30], mtime=0), "so 46 bytes; got 30 after unpacking"),
            (gzip.compress(idx(IMAGES), mtime=0) + b"x" * 9, "damaged or cut off"),
            (gzip.compress(idx(IMAGES), mtime=0)[:-8] + b"\0" * 8, "CRC check failed"),
        ],
    )
    def test_a_damaged_file(self, tmp_path: Path, data: bytes, message: str) -> None:
        path = write(tmp_path / "train-images", data)
        with pytest.raises(DataError, match=message) as caught:
            read_idx(path)
        assert str(caught.value).startswith(f"{path}: ")

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_header_that_lies_takes_no_memory(self, tmp_path: Path, packed: bool) -> None:
        """60,000 x 2^31 x 2^31 elements are announced, and none are there."""
        data = b"\0\0\x0e\x03" + struct.pack(">III", 60000, 2**31, 2**31)
        path = write(tmp_path / "file", gzip.compress(data) if packed else data)
        with pytest.raises(DataError, match=r"60000 x 2147483648 x 2147483648 .* got 16"):
            read_idx(path)

    @pytest.mark.parametrize(
        ("announced", "there"),
        [
            (200_000_000, np.random.default_rng(0).bytes(300_000)),  # packed well it could hold it
            (1_000_000_000, bytes(50_000_000)),  # 50 MB in 50 kB, which cannot hold it
        ],
    )
    def test_memory_grows_with_what_is_there(
        self, tmp_path: Path, announced: int, there: bytes
    ) -> None:
        content = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", announced) + there)
        path = write(tmp_path / "file", content)
        tracemalloc.start()
        with pytest.raises(DataError, match=f"so {announced + 8:,} bytes; got "):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5_000_000

    def test_what_cannot_be_opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DataError, match="there is no such file"):
            read_idx(tmp_path / "nothing")
        with pytest.raises(DataError, match="this is a folder"):
            read_idx(tmp_path)
        path = write(tmp_path / "file", idx(LABELS))

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(DataError, match="reading it is not permitted"):
            read_idx(path)

        def fail(*_: object, **__: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Path, "open", fail)
        with pytest.raises(DataError, match=r"cannot be read: .*Input/output error"):
            read_idx(path)


class TestMnist:
    @pytest.mark.parametrize("packed", [False, True])
    def test_is_read_where_deepglass_data_points(self, folder: Path, packed: bool) -> None:
        ending = ".gz" if packed else ""
        for name, (images, labels) in {"mnist": TRAIN, "fashion-mnist": TEST}.items():
            for file, array in ((images, IMAGES), (labels, LABELS)):
                data = gzip.compress(idx(array)) if packed else idx(array)
                write(folder / name / (file + ending), data)
        for dataset in (load_mnist(), load_fashion_mnist(train=False), load("mnist", train=True)):
            pixels, numbers = dataset.tensors
            assert pixels.shape == (5, 1, 2, 3)
            assert (pixels.dtype, numbers.dtype) == (np.uint8, np.int64)
            assert np.array_equal(pixels[:, 0], IMAGES)
            assert np.array_equal(numbers, LABELS)

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (IMAGES, LABELS[:4], r"labels.*each of the 5 images; got uint8 of shape \(4,\)"),
            (IMAGES[0], LABELS, r"images.*three axes; got uint8 of shape \(2, 3\)"),
            (IMAGES, LABELS + 4, "labels.*from 0 to 9; got 13"),
        ],
    )
    def test_files_that_do_not_fit(
        self, folder: Path, images: np.ndarray, labels: np.ndarray, message: str
    ) -> None:
        write(folder / "mnist" / TRAIN[0], idx(images))
        write(folder / "mnist" / TRAIN[1], idx(labels))
        with pytest.raises(DataError, match=message):
            load_mnist()

    def test_deepglass_data_is_a_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEEPGLASS_DATA", str(folder / "gone"))
        with pytest.raises(DataError, match=r"DEEPGLASS_DATA: .* no folder .*gone"):
            load_mnist()


def records(labels: list[tuple[int, ...]], seed: int = 1) -> tuple[bytes, np.ndarray]:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    data = b"".join(bytes(n) + p.tobytes() for n, p in zip(labels, pixels, strict=True))
    return data, pixels.reshape(-1, 3, 32, 32)


class TestCifar:
    def test_records(self, tmp_path: Path) -> None:
        data, pixels = records([(4,), (9,)])
        images, labels = read_cifar(write(tmp_path / "data_batch_1.bin", data)).tensors
        assert labels.tolist() == [4, 9]
        assert np.array_equal(images, pixels)

    def test_a_hundred_classes_have_a_coarse_label_too(self, tmp_path: Path) -> None:
        data, pixels = records([(4, 77), (19, 99)])
        images, labels = read_cifar(write(tmp_path / "train.bin", data), 100).tensors
        assert labels.tolist() == [77, 99]
        assert np.array_equal(images, pixels)

    def test_single_files_and_archives(self, folder: Path) -> None:
        batches = [records([(n,), (n + 1,)], n) for n in range(5)]
        for n, (data, _) in enumerate(batches, 1):
            write(folder / "cifar10" / f"data_batch_{n}.bin", data)
        images, labels = load_cifar10().tensors
        assert labels.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
        assert np.array_equal(images, np.concatenate([pixels for _, pixels in batches]))
        data, pixels = records([(1, 50)])
        with tarfile.open(folder / "cifar100" / "cifar-100-binary.tar.gz", "w:gz") as archive:
            for name, content in (("meta.txt", b"?"), ("test.bin", data)):
                member = tarfile.TarInfo(f"cifar-100-binary/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        images, labels = load_cifar100(train=False).tensors
        assert labels.tolist() == [50]
        assert np.array_equal(images, pixels)
        with pytest.raises(DataError, match=r"with cifar-100-binary/train\.bin in it; .* none"):
            load_cifar100()

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (records([(1,)])[0][:-1], "records of 3,073 bytes; got 3,072 bytes"),
            (records([(1, 1)])[0], "1 more than whole records"),
            (records([(1,), (10,)])[0], "from 0 to 9; got 10 at offset 3,073"),
            (b"\x80\x02}q\x01.", "this is a pickle"),
            (b"", "empty"),
        ],
    )
    def test_a_damaged_file(self, tmp_path: Path, data: bytes, message: str) -> None:
        with pytest.raises(DataError, match=message):
            read_cifar(write(tmp_path / "batch", data))

    @pytest.mark.parametrize("data", [b"no archive at all", gzip.compress(b"x" * 700)])
    def test_a_damaged_archive(self, folder: Path, data: bytes) -> None:
        write(folder / "cifar10" / "cifar-10-binary.tar.gz", data)
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz: a tar archive"):
            load_cifar10()

    def test_a_truncated_archive(self, folder: Path) -> None:
        path = folder / "cifar100" / "cifar-100-binary.tar.gz"
        data = records([(1, 50)])[0]
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo("cifar-100-binary/train.bin")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        path.write_bytes(path.read_bytes()[:1500])
        with pytest.raises(DataError, match="cut off"):
            load_cifar100()

    def test_classes(self) -> None:
        assert len(set(CLASSES100)) == 100
        assert list(CLASSES100) == sorted(CLASSES100)
        assert read_cifar.__doc__ is not None
        with pytest.raises(DataError, match="10 or 100 classes; got 7"):
            read_cifar("x", 7)


class TestCatalog:
    def test_names(self) -> None:
        assert len(load("spirals", samples=31)) == 31
        for entry in CATALOG.values():
            assert entry.about
            assert bool(entry.classes) == (entry.kind in ("images", "points"))
            assert bool(entry.target) == (entry.kind == "table")

    def test_a_table_and_a_text(self, folder: Path) -> None:
        for name, file in (
            ("california-housing", "housing.csv"),
            ("tiny-shakespeare", "input.txt"),
            ("names", "names.txt"),
        ):
            (folder / name).mkdir()
            write(folder / name / file, b"median_house_value,b\n1,2\n")
        assert load("california-housing").column("median_house_value") == ["1"]
        assert load("tiny-shakespeare") == "median_house_value,b\n1,2\n"

    def test_another_name(self) -> None:
        with pytest.raises(DataError, match=r"one of digits, mnist, .* got 'imagenet'"):
            load("imagenet")


if Path(os.environ.get("DEEPGLASS_DATA", "nowhere"), "mnist").is_dir():

    def test_the_real_mnist() -> None:
        """Facts about the published files, where they are at hand."""
        counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        train, test = load_mnist(), load_mnist(train=False)
        assert np.bincount(train.tensors[1]).tolist() == counts
        assert (train.tensors[0].shape, len(test)) == ((60000, 1, 28, 28), 10000)
        assert train.tensors[1][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert round(train.tensors[0].mean() / 255, 4) == 0.1307
