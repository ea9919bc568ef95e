"""Data: sets of samples, how they are divided, and how they come in batches."""

from .dataset import Dataset, Subset, TensorDataset
from .digits import load_digits
from .drawing import fit_digit
from .loader import DataLoader
from .splits import random_split

__all__ = [
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "fit_digit",
    "load_digits",
    "random_split",
]
