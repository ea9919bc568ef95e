"""Data: sets of samples, how they are divided, and how they come in batches."""

from . import transforms
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, TransformDataset, collate
from .drawing import fit_digit
from .loader import DataLoader
from .sources.digits import load_digits
from .splits import random_split
from .stream import sample_rng

__all__ = [
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "TransformDataset",
    "collate",
    "fit_digit",
    "load_digits",
    "random_split",
    "sample_rng",
    "transforms",
]
