"""Configurations: all that a training run is a function of, in one readable file."""

from .choice import Chosen, Section
from .file import load_config, read_toml, save_config, to_toml, validated
from .registry import AUGMENTATIONS, LOSSES, METRICS, OPTIMIZERS, SCHEDULES
from .sections import Config, Data, Images, Points, Series, Table, Text, Train

__all__ = [
    "AUGMENTATIONS",
    "LOSSES",
    "METRICS",
    "OPTIMIZERS",
    "SCHEDULES",
    "Chosen",
    "Config",
    "Data",
    "Images",
    "Points",
    "Section",
    "Series",
    "Table",
    "Text",
    "Train",
    "load_config",
    "read_toml",
    "save_config",
    "to_toml",
    "validated",
]
