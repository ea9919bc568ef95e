"""Training: the loop, what it measures, and what it leaves behind."""

from .metrics import accuracy, confusion_matrix
from .saving import load, save
from .schedules import constant, cosine
from .trainer import Callback, Epoch, Progress, Trainer

__all__ = [
    "Callback",
    "Epoch",
    "Progress",
    "Trainer",
    "accuracy",
    "confusion_matrix",
    "constant",
    "cosine",
    "load",
    "save",
]
