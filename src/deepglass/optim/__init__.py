"""Optimizers: how gradients change parameters."""

from . import lr_scheduler
from .adagrad import Adagrad
from .adam import Adam, AdamW, NAdam
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "NAdam", "Optimizer", "RMSprop", "lr_scheduler"]
