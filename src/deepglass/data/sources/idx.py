"""IDX files, and the two sets that are published in them: MNIST and Fashion-MNIST.

An IDX file is a magic number (two zero bytes, a byte for the element type, a byte for the
number of axes), the length of each axis as 32 bits, most significant byte first, and the
elements. It may be packed with gzip.

Source: LeCun, Cortes and Burges (1998), "The MNIST database of handwritten digits"; Xiao,
Rasul and Vollgraf (2017), "Fashion-MNIST".
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..dataset import TensorDataset
from ..fetch import Remote, fetch
from ..files import reading

ELEMENTS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip


def read_idx(path: str | Path) -> np.ndarray:
    """Return the array in an IDX file, packed with gzip or not.

    Raises:
        DataError: the file is missing, damaged, cut off, or of another kind.
    """
    wanted = "an IDX file"
    with reading(path, wanted) as content:
        magic = bytes(content.take(4, "an IDX file begins with a magic number"))
        if magic[:2] != b"\0\0" or magic[2] not in ELEMENTS:
            raise DataError(
                f"{path}: an IDX file begins with 00 00, a type of 08 to 0E and the number of "
                f"axes; got {magic.hex(' ')} at offset 0. It is another kind of file."
            )
        axes = content.take(4 * magic[3], f"its magic number says {magic[3]} axes")
        shape = tuple(int(n) for n in np.frombuffer(axes, ">u4"))
        element = np.dtype(ELEMENTS[magic[2]])
        rule = f"its header says {' x '.join(map(str, shape))} elements of {element.itemsize} bytes"
        data = content.take(prod(shape) * element.itemsize, rule)
        content.end(rule)
    return np.frombuffer(data, element).reshape(shape).astype(element.newbyteorder("="), copy=False)


def load_mnist(train: bool = True) -> TensorDataset:
    """Return MNIST: handwritten digits, 60,000 to learn from and 10,000 to test on.

    Args:
        train: the first part, else the second.

    Shapes:
        images: (60000, 1, 28, 28), uint8, from 0 (paper) to 255 (ink)
        labels: (60000,), int64, from 0 to 9

    Raises:
        DataError: the files are not at hand and cannot be downloaded, or are damaged.

    Source: LeCun, Cortes and Burges (1998), "The MNIST database of handwritten digits".
    """
    return _images_and_labels("mnist", MNIST_FILES, train)


def load_fashion_mnist(train: bool = True) -> TensorDataset:
    """Return Fashion-MNIST: clothes, in the form and number of MNIST; see `load_mnist`.

    Source: Xiao, Rasul and Vollgraf (2017), "Fashion-MNIST", arXiv:1708.07747.
    """
    return _images_and_labels("fashion-mnist", FASHION_FILES, train)


def _images_and_labels(
    folder: str, files: dict[str, tuple[Remote, Remote]], train: bool
) -> TensorDataset:
    paths = [
        fetch(folder, remote, remote.name.removesuffix(".gz"))
        for remote in files["train" if train else "test"]
    ]
    images, labels = (read_idx(path) for path in paths)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise DataError(f"{paths[0]}: images as bytes on three axes; got {_form(images)}.")
    if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
        raise DataError(
            f"{paths[1]}: one label, a byte, for each of the {len(images)} images; got "
            f"{_form(labels)}. Do the two files belong together?"
        )
    if labels.size and labels.max() > 9:
        raise DataError(f"{paths[1]}: labels from 0 to 9; got {labels.max()}.")
    return TensorDataset(images[:, None], labels.astype(np.int64))


def _form(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _remotes(url: str, cited: str, files: dict[str, tuple[int, str]]) -> dict[str, Remote]:
    return {
        name: Remote(f"{name}-ubyte.gz", f"{url}{name}-ubyte.gz", sha256, size, cited)
        for name, (size, sha256) in files.items()
    }


def _parts(remotes: dict[str, Remote]) -> dict[str, tuple[Remote, Remote]]:
    return {
        part: (remotes[f"{name}-images-idx3"], remotes[f"{name}-labels-idx1"])
        for part, name in (("train", "train"), ("test", "t10k"))
    }


MNIST_FILES = _parts(
    _remotes(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "tensorflow/datasets, tensorflow_datasets/url_checksums/mnist.txt",
        {
            "train-images-idx3": (
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            "train-labels-idx1": (
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            "t10k-images-idx3": (
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            "t10k-labels-idx1": (
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        },
    )
)

FASHION_FILES = _parts(
    _remotes(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "tensorflow/datasets, tensorflow_datasets/url_checksums/fashion_mnist.txt",
        {
            "train-images-idx3": (
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            "train-labels-idx1": (
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            "t10k-images-idx3": (
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            "t10k-labels-idx1": (
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        },
    )
)
