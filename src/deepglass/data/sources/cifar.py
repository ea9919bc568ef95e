"""CIFAR-10 and CIFAR-100 in their binary format.

A file is a row of records: one label byte (CIFAR-100: a coarse and a fine one), then 3072
bytes, the red, green and blue planes of 32 x 32 pixels. The version for Python is made of
pickles, which can run any code when they are read, so it is refused.

Source: Krizhevsky (2009), "Learning multiple layers of features from tiny images".
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..dataset import TensorDataset
from ..fetch import Remote, at_hand, fetch
from ..files import AGAIN, reading

PIXELS = 3 * 32 * 32
CITED = "tensorflow/datasets, tensorflow_datasets/url_checksums/"

CIFAR10 = Remote(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170052171,
    CITED + "cifar10.txt",
)
CIFAR100 = Remote(
    "cifar-100-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    168513733,
    CITED + "cifar100.txt",
)

CLASSES10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CLASSES100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
    "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
    "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom",
    "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake",
    "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle",
    "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip


def read_cifar(paths: str | Path | Sequence[str | Path], classes: int = 10) -> TensorDataset:
    """Return the images in files of the binary format.

    Args:
        paths: one file or several, one after the other.
        classes: 10, or 100 for records with a coarse and a fine label, of which the fine one
            is taken.

    Shapes:
        images: (samples, 3, 32, 32), uint8
        labels: (samples,), int64

    Raises:
        DataError: a file is missing, cut off, or of another kind.
    """
    if classes not in (10, 100):
        raise DataError(f"read_cifar: 10 or 100 classes; got {classes}.")
    names = [paths] if isinstance(paths, str | Path) else list(paths)
    parts = []
    for path in names:
        with reading(path, "a CIFAR file in the binary format") as content:
            parts.append(_records(content.read(), classes, path))
    return _dataset(parts)


def load_cifar10(train: bool = True) -> TensorDataset:
    """Return CIFAR-10: photographs of ten kinds of things; see `read_cifar`.

    Args:
        train: the 50,000 to learn from, else the 10,000 to test on.

    Raises:
        DataError: the files are not at hand and cannot be downloaded, or are damaged.
    """
    names = [f"data_batch_{n}.bin" for n in range(1, 6)] if train else ["test_batch.bin"]
    return _load("cifar10", CIFAR10, "cifar-10-batches-bin", names, 10)


def load_cifar100(train: bool = True) -> TensorDataset:
    """Return CIFAR-100: photographs of a hundred kinds of things; see `load_cifar10`."""
    names = ["train.bin" if train else "test.bin"]
    return _load("cifar100", CIFAR100, "cifar-100-binary", names, 100)


def _load(folder: str, archive: Remote, inside: str, names: list[str], kinds: int) -> TensorDataset:
    """From single files under DEEPGLASS_DATA if they are there, else from the archive."""
    single = [at_hand(folder, name, f"{inside}/{name}") for name in names]
    paths = [path for path in single if path is not None]
    if len(paths) == len(names):
        return read_cifar(paths, kinds)
    return _dataset(_members(fetch(folder, archive), [f"{inside}/{n}" for n in names], kinds))


def _members(path: Path, names: list[str], classes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read files of an archive in one pass, without unpacking it to the disk."""
    found = {}
    with reading(path, "a tar archive") as content:
        try:
            with tarfile.open(fileobj=content.file, mode="r|") as archive:
                for member in archive:
                    file = archive.extractfile(member) if member.name in names else None
                    if file is not None:
                        found[member.name] = _records(
                            file.read(), classes, f"{path}: {member.name}"
                        )
        except tarfile.TarError as error:
            raise DataError(f"{path}: a tar archive; {error}. {AGAIN}") from error
    if missing := [name for name in names if name not in found]:
        raise DataError(
            f"{path}: an archive with {', '.join(missing)} in it; it holds "
            f"{', '.join(found) or 'none of these'}. Is it the version for Python? Get the binary "
            "version."
        )
    return [found[name] for name in names]


def _records(data: bytes, classes: int, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    head = 1 if classes == 10 else 2
    if data[:1] == b"\x80" and data[-1:] == b".":
        raise DataError(
            f"{path}: a CIFAR file in the binary format; this is a pickle, which can run any code "
            "when it is read. Get the binary version."
        )
    if not data or len(data) % (head + PIXELS):
        raise DataError(
            f"{path}: records of {head + PIXELS:,} bytes; got {len(data):,} bytes, "
            f"{len(data) % (head + PIXELS):,} more than whole records. It is cut off, or has "
            f"another number of classes than {classes}."
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, head + PIXELS)
    labels = rows[:, head - 1].astype(np.int64)
    if labels.max() >= classes:
        record = int(labels.argmax())
        raise DataError(
            f"{path}: labels from 0 to {classes - 1}; got {labels.max()} at offset "
            f"{record * (head + PIXELS) + head - 1:,}. It is another kind of file."
        )
    return rows[:, head:].reshape(-1, 3, 32, 32), labels


def _dataset(parts: list[tuple[np.ndarray, np.ndarray]]) -> TensorDataset:
    return TensorDataset(*(np.concatenate(field) for field in zip(*parts, strict=True)))
