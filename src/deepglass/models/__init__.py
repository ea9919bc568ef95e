"""Networks from the history of the field, ready to train."""

from .convnet import ConvNet
from .designs import DESIGNS, Design, Sizes
from .forecaster import RecurrentForecaster
from .generation import LanguageModel, Reader
from .gpt import GPT, gpt2
from .language import RecurrentLanguageModel
from .lenet import LeNet5
from .mlp import MLP
from .neuron import McCullochPitts
from .perceptron import Perceptron, mistake_bound
from .registry import REGISTERED, build, config_of
from .resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from .resnet_cifar import (
    ResNetCIFAR,
    plain20,
    plain32,
    plain44,
    plain56,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
    resnet1202,
)
from .window import WindowForecaster

__all__ = [
    "DESIGNS",
    "GPT",
    "MLP",
    "REGISTERED",
    "ConvNet",
    "Design",
    "LanguageModel",
    "LeNet5",
    "McCullochPitts",
    "Perceptron",
    "Reader",
    "RecurrentForecaster",
    "RecurrentLanguageModel",
    "ResNet",
    "ResNetCIFAR",
    "Sizes",
    "WindowForecaster",
    "build",
    "config_of",
    "gpt2",
    "mistake_bound",
    "plain20",
    "plain32",
    "plain44",
    "plain56",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "resnet1202",
]
