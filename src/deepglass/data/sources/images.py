"""Folders of images, one folder per class, and single images.

What a file holds becomes bytes of shape (channels, height, width):

* turned as the camera was held (EXIF), the first picture of an animation;
* transparent parts over white, palettes and CMYK as the colours they stand for;
* 16 bits per pixel as 8: divided by 257.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..dataset import Dataset, collate

ENDINGS = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
PIXELS = 89_478_485  # of one image at most; from here on Pillow warns of bombs
WIDE = 257  # 65535 / 255
NAMED = 5  # files that a message names
MODES = {"L": 1, "RGB": 3}


def read_image(
    path: str | Path, size: int | tuple[int, int] | None = None, mode: str = "RGB"
) -> np.ndarray:
    """Return the image in a file.

    Args:
        path: of the file.
        size: height and width in pixels, one number for a square. The image is scaled to
            cover it, and what stands over is cut off evenly. As it is unless given.
        mode: "RGB", or "L" for shades of grey.

    Shapes:
        result: (3 or 1, height, width), uint8

    Raises:
        DataError: the file is missing, empty, damaged, cut off, no image, larger than 89
            million pixels, or of floating-point pixels.
    """
    if mode not in MODES:
        raise DataError(f"read_image: mode is one of {', '.join(MODES)}; got {mode!r}.")
    pil, ops = _pillow()
    try:
        with open(path, "rb") as file, pil.open(file) as image:
            if image.width * image.height > PIXELS:
                raise DataError(
                    f"{path}: an image of at most {PIXELS:,} pixels; got {image.width:,} x "
                    f"{image.height:,}. Make it smaller."
                )
            height, width = (size, size) if isinstance(size, int) else size or (0, 0)
            if size is not None:  # a JPEG unpacks faster at a half, a quarter or an eighth
                image.draft(None, (2 * max(height, width),) * 2)
            pixels = _plain(ops.exif_transpose(image), pil, path).convert(mode)
            if size is not None:
                pixels = ops.fit(pixels, (width, height), pil.Resampling.BILINEAR)
            array = np.asarray(pixels)
    except DataError:
        raise
    except Exception as error:  # Pillow raises many types for damaged files
        raise DataError(f"{path}: an image; {_why(path, error)}.") from error
    return array[None] if mode == "L" else np.ascontiguousarray(array.transpose(2, 0, 1))


def _plain(image: Any, pil: Any, path: str | Path) -> Any:
    """The image with 8 bits per channel, and nothing transparent."""
    if image.mode.startswith("I"):  # 16 or 32 bits
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise DataError(
                f"{path}: pixels of 8 or 16 bits; got values from {values.min():,} to "
                f"{values.max():,}. Scale and save it as 16 bits."
            )
        return pil.fromarray(((values + WIDE // 2) // WIDE).astype(np.uint8))
    if image.mode == "F":
        raise DataError(f"{path}: pixels of 8 or 16 bits; got floating point. Convert it.")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return pil.alpha_composite(pil.new("RGBA", image.size, "white"), image)
    return image


def _why(path: str | Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, PermissionError):
        return "reading it is not permitted"
    if type(error).__name__.startswith("DecompressionBomb"):
        return f"it has more than the {PIXELS:,} pixels that are taken: {error}"
    if os.path.getsize(path) == 0:
        return "the file is empty, 0 bytes"
    return f"it is damaged, or of a kind that Pillow does not read: {error}"


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise DataError(
            "images: files are read with Pillow, which is not installed here. Run "
            '`pip install "deepglass[data]"`.'
        ) from error
    return Image, ImageOps


@dataclass(frozen=True)
class ImageEncoder:
    """How image files become numbers, and answers become names.

    Attributes:
        classes: in the order of their numbers.
        size: height and width, or None for images as they are.
        mode: "RGB" or "L".
    """

    classes: tuple[str, ...]
    size: int | tuple[int, int] | None = None
    mode: str = "RGB"

    def transform(self, paths: Sequence[str | Path]) -> np.ndarray:
        """Return images: (files, channels, height, width), uint8."""
        return collate([read_image(path, self.size, self.mode) for path in paths])[0]

    def inverse(self, outputs: np.ndarray) -> list[str]:
        """Return the class with the largest of the outputs (files, classes)."""
        return [self.classes[i] for i in np.argmax(outputs, axis=1).tolist()]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        size = list(self.size) if isinstance(self.size, tuple) else self.size
        return {"classes": list(self.classes), "size": size, "mode": self.mode}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ImageEncoder:
        """Return the encoder that `to_dict` wrote.

        Raises:
            DataError: the state is none.
        """
        classes, size, mode = (state.get(name) for name in ("classes", "size", "mode"))
        sides = size if isinstance(size, list) else [size, size]
        if (
            not isinstance(classes, list)
            or not all(isinstance(name, str) for name in classes)
            or mode not in MODES
            or not (size is None or (len(sides) == 2 and all(type(n) is int for n in sides)))
        ):
            raise DataError(f"ImageEncoder: a state made by to_dict; got {dict(state)!r}.")
        return cls(tuple(classes), tuple(size) if isinstance(size, list) else size, mode)


class ImageFolder(Dataset):
    """Images in folders: the folder directly under ``root`` is the class.

    Files are listed here and read when they are asked for, so what is damaged shows only
    then; `find_damaged` reads everything at once.

    Args:
        root: holds one folder per class, with folders in them or not.
        size: height and width that all images are brought to; see `read_image`.
        mode: "RGB" or "L".
        skip: files to leave out, such as what `find_damaged` found.

    Attributes:
        classes: names of the folders, sorted.
        paths: of all images.
        labels: the number of the class of each.
        skipped: files that were left out because they are in ``skip``.
        ignored: files that are no images by their ending, or lie outside the classes.

    Shapes:
        image: (channels, height, width), uint8
        label: (), int64

    Raises:
        DataError: no such folder, fewer than two classes, a class without images, a file in
            ``skip`` that is not there; and `read_image`'s, when an image is asked for.
    """

    def __init__(
        self,
        root: str | Path,
        size: int | tuple[int, int] | None = None,
        mode: str = "RGB",
        skip: Iterable[str | Path] = (),
    ) -> None:
        self.root, self.size, self.mode = Path(root), size, mode
        files = _files(self.root)
        left = {Path(path) for path in skip}
        if missing := sorted(left - set(files)):
            raise DataError(
                f"{root}: files to skip lie in the folder; not there: {_listed(missing)}."
            )
        here = [p for p in files if p not in left]
        self.skipped = sorted(left)
        self.ignored = [p for p in here if p.suffix.lower() not in ENDINGS or self._class(p) == ""]
        ignored = set(self.ignored)
        self.paths = [path for path in here if path not in ignored]
        self.classes = tuple(sorted(p.name for p in self.root.iterdir() if _is_class(p)))
        places = {name: number for number, name in enumerate(self.classes)}
        self.labels = np.array([places[self._class(path)] for path in self.paths], np.int64)
        if len(self.classes) < 2:
            raise DataError(
                f"{root}: one folder per class, and at least two; got "
                f"{', '.join(self.classes) or 'none'}."
            )
        counts = np.bincount(self.labels, minlength=len(self.classes))
        if empty := [self.classes[i] for i in np.flatnonzero(counts == 0)]:
            raise DataError(
                f"{root}: an image in the folder of every class; {', '.join(empty)} "
                f"{'have' if len(empty) > 1 else 'has'} none. Delete the folder or fill it. "
                f"Endings of images: {', '.join(sorted(ENDINGS))}."
            )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int64]:
        try:
            image = read_image(self.paths[index], self.size, self.mode)
        except DataError as error:
            raise DataError(
                f"{error} Replace or delete it, or leave out what find_damaged finds; in a "
                'configuration damaged = "skip" of [data] does.'
            ) from error
        return image, self.labels[index]

    @property
    def encoder(self) -> ImageEncoder:
        """How other files are read as these are."""
        return ImageEncoder(self.classes, self.size, self.mode)

    def _class(self, path: Path) -> str:
        parts = path.relative_to(self.root).parts
        return parts[0] if len(parts) > 1 and not parts[0].startswith(".") else ""


def find_damaged(dataset: ImageFolder) -> dict[Path, str]:
    """Read every image, and return those that cannot be read, with the reason.

    What it returns can be given to `ImageFolder` as ``skip``.
    """
    found = {}
    for path in dataset.paths:
        try:
            read_image(path, dataset.size, dataset.mode)
        except DataError as error:
            found[path] = str(error)
    return found


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _files(root: Path) -> list[Path]:
    """All files below a folder, sorted."""
    if not root.is_dir():
        what = "this is a file" if root.exists() else "there is no such folder"
        raise DataError(f"{root}: a folder with one folder per class; {what}.")

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: a folder that can be read; {error.strerror}.")

    walk = os.walk(root, onerror=refuse)
    return sorted(Path(folder, name) for folder, _, names in walk for name in names)


def _listed(paths: list[Path]) -> str:
    named = ", ".join(map(str, paths[:NAMED]))
    return f"{named} and {len(paths) - NAMED:,} more" if len(paths) > NAMED else named
