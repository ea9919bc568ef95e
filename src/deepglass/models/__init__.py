"""Networks from the history of the field, ready to train."""

from .convnet import ConvNet
from .designs import DESIGNS, Design, Sizes
from .forecaster import RecurrentForecaster
from .language import RecurrentLanguageModel
from .lenet import LeNet5
from .mlp import MLP
from .neuron import McCullochPitts
from .perceptron import Perceptron, mistake_bound
from .registry import REGISTERED, build, config_of
from .window import WindowForecaster

__all__ = [
    "DESIGNS",
    "MLP",
    "REGISTERED",
    "ConvNet",
    "Design",
    "LeNet5",
    "McCullochPitts",
    "Perceptron",
    "RecurrentForecaster",
    "RecurrentLanguageModel",
    "Sizes",
    "WindowForecaster",
    "build",
    "config_of",
    "mistake_bound",
]
