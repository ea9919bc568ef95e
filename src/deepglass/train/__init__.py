"""Training: the loop, what it measures, and what it leaves behind."""

from .callbacks import Callback, CSVLog, EarlyStopping
from .checkpoint import Checkpoints, load_checkpoint, save_checkpoint
from .metrics import (
    Metric,
    accuracy,
    auc,
    confusion_matrix,
    f1,
    mae,
    precision,
    r2,
    recall,
    rmse,
    top_k,
)
from .progress import Epoch, Progress
from .saving import load, save
from .taplog import TapLog
from .trainer import Trainer

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoints",
    "EarlyStopping",
    "Epoch",
    "Metric",
    "Progress",
    "TapLog",
    "Trainer",
    "accuracy",
    "auc",
    "confusion_matrix",
    "f1",
    "load",
    "load_checkpoint",
    "mae",
    "precision",
    "r2",
    "recall",
    "rmse",
    "save",
    "save_checkpoint",
    "top_k",
]
