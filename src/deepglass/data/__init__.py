"""Data: sets of samples, how they are divided, and how they come in batches."""

from . import transforms
from .catalog import CATALOG, load
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, TransformDataset, collate
from .drawing import fit_digit, fit_digit28
from .loader import DataLoader
from .sources.cifar import load_cifar10, load_cifar100, read_cifar
from .sources.digits import load_digits
from .sources.encoder import TableEncoder, encode_table
from .sources.idx import load_fashion_mnist, load_mnist, read_idx
from .sources.images import ImageEncoder, ImageFolder, find_damaged, read_image
from .sources.named import load_california_housing, load_names, load_tiny_shakespeare
from .sources.planes import (
    make_blobs,
    make_checkerboard,
    make_circles,
    make_moons,
    make_spirals,
    make_xor,
)
from .sources.series import SeriesEncoder, WindowDataset, encode_series
from .sources.table import Table, read_table
from .sources.text import read_text
from .sources.tokens import (
    BytePairEncoder,
    CharacterEncoder,
    NextTokenDataset,
    encode_text,
    text_encoder,
)
from .splits import random_split
from .stream import sample_rng

__all__ = [
    "CATALOG",
    "BytePairEncoder",
    "CharacterEncoder",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "ImageEncoder",
    "ImageFolder",
    "NextTokenDataset",
    "SeriesEncoder",
    "Subset",
    "Table",
    "TableEncoder",
    "TensorDataset",
    "TransformDataset",
    "WindowDataset",
    "collate",
    "encode_series",
    "encode_table",
    "encode_text",
    "find_damaged",
    "fit_digit",
    "fit_digit28",
    "load",
    "load_california_housing",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "load_names",
    "load_tiny_shakespeare",
    "make_blobs",
    "make_checkerboard",
    "make_circles",
    "make_moons",
    "make_spirals",
    "make_xor",
    "random_split",
    "read_cifar",
    "read_idx",
    "read_image",
    "read_table",
    "read_text",
    "sample_rng",
    "text_encoder",
    "transforms",
]
