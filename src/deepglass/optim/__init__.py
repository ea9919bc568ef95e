"""Optimizers: how gradients change parameters, and inputs."""

from . import lr_scheduler
from .adagrad import Adagrad
from .adam import Adam, AdamW, NAdam
from .optimizer import Optimizer
from .optimum import Optimum, maximize, minimize
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = [
    "SGD", "Adagrad", "Adam", "AdamW", "NAdam", "Optimizer", "Optimum", "RMSprop",
    "lr_scheduler", "maximize", "minimize",
]  # fmt: skip
