"""Data: sets of samples, how they are divided, and how they come in batches."""

from . import transforms
from .catalog import CATALOG, load
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, TransformDataset, collate
from .drawing import fit_digit
from .loader import DataLoader
from .sources.cifar import load_cifar10, load_cifar100, read_cifar
from .sources.digits import load_digits
from .sources.idx import load_fashion_mnist, load_mnist, read_idx
from .sources.planes import (
    make_blobs,
    make_checkerboard,
    make_circles,
    make_moons,
    make_spirals,
    make_xor,
)
from .splits import random_split
from .stream import sample_rng

__all__ = [
    "CATALOG",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "TransformDataset",
    "collate",
    "fit_digit",
    "load",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "make_blobs",
    "make_checkerboard",
    "make_circles",
    "make_moons",
    "make_spirals",
    "make_xor",
    "random_split",
    "read_cifar",
    "read_idx",
    "sample_rng",
    "transforms",
]
