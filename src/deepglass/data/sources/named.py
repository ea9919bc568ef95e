"""Single files with a name: a table and two texts."""

from __future__ import annotations

from ..fetch import Remote, fetch
from .table import Table, read_table
from .text import read_text

HOUSING = Remote(
    "housing.csv",
    "https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/housing.csv",
    "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
    1423529,
    "SomeB1oody/dataset-core, crates/dataset-ml/src/dataset/california_housing.rs",
)
SHAKESPEARE = Remote(
    "input.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    1115394,
    "tensorflow/datasets, tensorflow_datasets/url_checksums/tiny_shakespeare.txt",
)

NAMES = Remote(
    "names.txt",
    "https://raw.githubusercontent.com/karpathy/makemore/988aa59/names.txt",
    "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    228145,
    "nktr-cp/gpt, src/gpt/data/download.py",
)


def load_california_housing() -> Table:
    """Return the block groups of California in the census of 1990, 20,640 rows.

    The column to learn is "median_house_value", in US dollars. 207 rows have no number of
    bedrooms; they were blanked for practice.

    Raises:
        DataError: the file is not at hand and cannot be downloaded, or is damaged.

    Source: Pace and Barry (1997), "Sparse spatial autoregressions"; as changed for Geron
    (2019), "Hands-on machine learning".
    """
    return read_table(fetch("california-housing", HOUSING))


def load_tiny_shakespeare() -> str:
    """Return 1,115,394 characters of plays by Shakespeare.

    Raises:
        DataError: the file is not at hand and cannot be downloaded, or is damaged.

    Source: Karpathy (2015), char-rnn.
    """
    return read_text(fetch("tiny-shakespeare", SHAKESPEARE))


def load_names() -> str:
    """Return 32,033 first names, one per line, the most frequent first.

    Raises:
        DataError: the file is not at hand and cannot be downloaded, or is damaged.

    Source: Karpathy (2022), makemore; from the social security administration of the US.
    """
    return read_text(fetch("names", NAMES))
