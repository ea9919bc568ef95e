"""Images: what is converted, what is refused, what is left out."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepglass.data import DataLoader, ImageEncoder, ImageFolder, find_damaged, read_image
from deepglass.errors import DataError, ShapeError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


IDAT = b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG by hand; ``body`` is what follows its header."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(
        ">I", zlib.crc32(chunk)
    ) + body  # fmt: skip


class TestConversions:
    def test_rgb_and_grey(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", Image.fromarray(PIXELS))
        assert np.array_equal(read_image(path), PIXELS.transpose(2, 0, 1))
        grey = read_image(path, mode="L")
        luma = PIXELS @ [0.299, 0.587, 0.114]
        assert grey.shape == (1, 5, 7)
        assert np.abs(grey[0] - luma).max() <= 1
        path = save(tmp_path / "b.png", Image.fromarray(PIXELS[..., 0]))
        assert (read_image(path) == PIXELS[..., 0]).all()

    def test_sixteen_bits_are_divided_by_257(self, tmp_path: Path) -> None:
        values = np.array([[0, 257, 65535], [128 * 257, 300, 65406]], np.uint16)
        path = save(tmp_path / "a.png", Image.fromarray(values))
        assert read_image(path, mode="L")[0].tolist() == [[0, 1, 255], [128, 1, 254]]
        path = save(tmp_path / "a.tif", Image.fromarray(values.astype(np.int32)))
        assert read_image(path)[2].tolist() == [[0, 1, 255], [128, 1, 254]]

    def test_transparent_parts_are_white(self, tmp_path: Path) -> None:
        image = Image.fromarray(np.array([[[10, 20, 30, 0], [10, 20, 30, 255]]], np.uint8))
        path = save(tmp_path / "a.png", image)
        assert read_image(path)[:, 0].T.tolist() == [[255, 255, 255], [10, 20, 30]]
        path = save(tmp_path / "la.png", image.convert("LA"))
        assert read_image(path)[:, 0, 0].tolist() == [255, 255, 255]

    def test_palettes_are_the_colours_they_stand_for(self, tmp_path: Path) -> None:
        image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
        image.putpalette([255, 0, 0, 0, 255, 0, 9, 8, 7])
        path = save(tmp_path / "a.png", image)
        assert read_image(path)[:, 0].T.tolist() == [[255, 0, 0], [0, 255, 0], [9, 8, 7]]
        path = save(tmp_path / "b.png", image, transparency=1)
        assert read_image(path)[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255], [9, 8, 7]]
        path = save(tmp_path / "c.gif", image, save_all=True, append_images=[image])
        assert read_image(path)[:, 0].T.tolist() == [[255, 0, 0], [0, 255, 0], [9, 8, 7]]

    def test_cmyk(self, tmp_path: Path) -> None:
        inks = Image.fromarray(np.full((8, 8, 4), [0, 255, 255, 0], np.uint8), "CMYK")
        for name in ("a.jpg", "a.tif"):
            found = read_image(save(tmp_path / name, inks))
            assert np.abs(found[:, 4, 4].astype(int) - [255, 0, 0]).max() < 4

    def test_photographs_are_turned(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was held upright: turn clockwise
        path = save(tmp_path / "a.png", Image.fromarray(PIXELS), exif=exif)
        assert np.array_equal(read_image(path), np.rot90(PIXELS, -1).transpose(2, 0, 1))

    def test_sizes(self, tmp_path: Path) -> None:
        """20 x 10 scaled to cover 5 x 5 is 10 x 5; what stands over is cut off evenly."""
        wide = np.zeros((10, 20), np.uint8)
        wide[:, 10:] = 200
        path = save(tmp_path / "a.png", Image.fromarray(wide))
        found = read_image(path, 5, "L")[0]
        assert found.shape == (5, 5)
        assert (found[:, 0].max(), found[:, -1].min()) == (0, 200)
        assert read_image(path, (4, 6)).shape == (3, 4, 6)

    def test_a_large_photograph_comes_out_as_if_unpacked_whole(self, tmp_path: Path) -> None:
        smooth = Image.fromarray(PIXELS).resize((500, 400))
        smooth.save(tmp_path / "a.jpg", quality=95)
        smooth.save(tmp_path / "a.png")
        for size in (20, (10, 60), 300):
            photo, exact = (read_image(tmp_path / n, size).astype(int) for n in ("a.jpg", "a.png"))
            assert np.abs(photo - exact).mean() < 3

    def test_one_bit(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", Image.fromarray(PIXELS[..., 0] > 99))
        assert set(read_image(path).ravel().tolist()) == {0, 255}


def damaged() -> dict[str, tuple[bytes, str]]:
    whole = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(whole, "jpeg")
    floats = io.BytesIO()
    Image.fromarray(np.ones((2, 2), np.float32)).save(floats, "tiff")
    deep = io.BytesIO()
    Image.fromarray(np.array([[1 << 20]], np.int32)).save(deep, "tiff")
    return {
        "empty": (b"", "the file is empty, 0 bytes"),
        "text": (b"no image", "damaged, or of a kind that Pillow does not read"),
        "cut": (whole.getvalue()[:-400], "damaged.*truncated"),
        "head": (png(3, 3), "damaged"),
        "huge": (png(60000, 60000, IDAT), "more than the 89,478,485 pixels"),
        "large": (png(10000, 10000, IDAT), "89,478,485 pixels"),
        "float": (floats.getvalue(), "got floating point"),
        "deep": (deep.getvalue(), "8 or 16 bits; got values from 1,048,576"),
    }


class TestDamage:
    @pytest.mark.parametrize("kind", damaged())
    def test_is_told_with_the_name(self, tmp_path: Path, kind: str) -> None:
        content, message = damaged()[kind]
        path = tmp_path / "photo.jpg"
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            read_image(path)
        assert str(caught.value).startswith(f"{path}: ")

    def test_what_cannot_be_opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DataError, match="no such file"):
            read_image(tmp_path / "a.png")
        with pytest.raises(DataError, match="this is a folder"):
            read_image(tmp_path)
        path = save(tmp_path / "a.png", Image.fromarray(PIXELS))
        with pytest.raises(DataError, match="mode is one of L, RGB; got 'HSV'"):
            read_image(path, mode="HSV")

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
        with pytest.raises(DataError, match="not permitted"):
            read_image(path)

    def test_without_pillow_say_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(DataError, match=r'pip install "deepglass\[data\]"'):
            read_image("a.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name, shade in (("dog/b.png", 20), ("cat/a.PNG", 10), ("cat/more/c.jpg", 90)):
        save(root / name, Image.new("RGB", (6, 4), (shade, shade, shade)))
    for name in ("cat/Thumbs.db", "readme.txt", ".git/x.png", "loose.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"?")
    return root


class TestFolder:
    def test_the_folder_is_the_class(self, photos: Path) -> None:
        data = ImageFolder(photos)
        assert data.classes == ("cat", "dog")
        assert [p.relative_to(photos).as_posix() for p in data.paths] == [
            "cat/a.PNG", "cat/more/c.jpg", "dog/b.png",
        ]  # fmt: skip
        assert [int(label) for _, label in (data[i] for i in range(3))] == [0, 0, 1]
        assert data[0][0].shape == (3, 4, 6)
        assert data[0][0].max() == 10

    def test_nothing_is_lost_without_a_word(self, photos: Path) -> None:
        data = ImageFolder(photos)
        assert {p.relative_to(photos).as_posix() for p in data.ignored} == {
            "cat/Thumbs.db", "readme.txt", ".git/x.png", "loose.png",
        }  # fmt: skip
        (photos / "dog/bad.jpg").write_bytes(b"")
        (photos / "dog/cut.png").write_bytes((photos / "dog/b.png").read_bytes()[:48])
        data = ImageFolder(photos)
        found = find_damaged(data)
        assert [p.name for p in found] == ["bad.jpg", "cut.png"]
        assert "0 bytes" in found[photos / "dog/bad.jpg"]
        kept = ImageFolder(photos, skip=found)
        assert kept.skipped == sorted(found)
        assert len(kept) == 3
        with pytest.raises(DataError, match=r"not there: .*gone\.png"):
            ImageFolder(photos, skip=[photos / "gone.png"])

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_damaged_image_stops_a_loader_with_its_name(self, photos: Path, workers: int) -> None:
        (photos / "dog/cut.png").write_bytes((photos / "dog/b.png").read_bytes()[:48])
        with pytest.raises(
            DataError, match=r"dog/cut\.png: an image; it is damaged.* Rep"
        ) as caught:
            list(DataLoader(ImageFolder(photos, 4), 2, num_workers=workers))
        assert caught.value.__notes__ == ["while sample 3 of ImageFolder was made"]

    def test_batches(self, photos: Path) -> None:
        x, y = next(iter(DataLoader(ImageFolder(photos, (4, 5), "L"), 3)))
        assert (x.shape, y.tolist()) == ((3, 1, 4, 5), [0, 0, 1])
        save(photos / "dog/z.png", Image.new("RGB", (9, 9)))
        with pytest.raises(ShapeError, match=r"\(3, 4, 6\) and \(3, 9, 9\)"):
            list(DataLoader(ImageFolder(photos), 4))

    def test_what_is_no_folder_of_classes(
        self, photos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (photos / "bird").mkdir()
        with pytest.raises(DataError, match=r"bird has none\..*\.jpg"):
            ImageFolder(photos)
        with pytest.raises(DataError, match="at least two; got more"):
            ImageFolder(photos / "cat")
        with pytest.raises(DataError, match="at least two; got none"):
            ImageFolder(photos / "dog")
        with pytest.raises(DataError, match="there is no such folder"):
            ImageFolder(photos / "fish")
        with pytest.raises(DataError, match="this is a file"):
            ImageFolder(photos / "readme.txt")

        def refuse(path: object, *_: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(DataError, match="a folder that can be read; Permission denied"):
            ImageFolder(photos)

    def test_an_encoder_reads_other_files_as_these(self, photos: Path) -> None:
        for size in (None, 3, (2, 5)):
            data = ImageFolder(photos, size, "L")
            encoder = ImageEncoder.from_dict(json.loads(json.dumps(data.encoder.to_dict())))
            assert encoder == data.encoder
            assert np.array_equal(encoder.transform(data.paths[:2])[1], data[1][0])
        assert encoder.inverse(np.array([[0.1, 0.9], [3, 2]])) == ["dog", "cat"]
        for state in ({}, {"classes": ["a"], "size": [1, "2"], "mode": "L"}):
            with pytest.raises(DataError, match="ImageEncoder: a state"):
                ImageEncoder.from_dict(state)
