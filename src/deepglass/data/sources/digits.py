"""The handwritten digits that scikit-learn carries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..dataset import TensorDataset

TABLE = ("datasets", "data", "digits.csv.gz")


def load_digits() -> TensorDataset:
    """Return 1,797 handwritten digits with their labels.

    Bitmaps of 32 x 32 pixels, written by 13 people, were divided into blocks of 4 x 4; a
    pixel here is the share of its block that is ink.

    Shapes:
        images: (1797, 1, 8, 8), float32, from 0 (paper) to 1 (ink)
        labels: (1797,), int64, from 0 to 9

    Raises:
        DataError: scikit-learn is not installed.

    Source: Alpaydin and Kaynak (1998), "Optical Recognition of Handwritten Digits", the
    test part, as distributed with scikit-learn.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError(
            "load_digits: the images come with scikit-learn, which is not installed here. Run "
            '`pip install "deepglass[data]"`.'
        )
    # its table, read without importing scikit-learn, which takes a second
    table = np.loadtxt(Path(package.origin).parent.joinpath(*TABLE), delimiter=",")
    images = (table[:, :-1] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return TensorDataset(images, table[:, -1].astype(np.int64))
